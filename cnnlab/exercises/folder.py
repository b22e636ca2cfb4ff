"""`use`: a lecturer's own exercises, from a folder, a file or a module."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from cnnlab.exercises.kinds import Exercise
from cnnlab.exercises.reading import undisturbed
from cnnlab.exercises.registry import all_or_none, keep

__all__ = ["use"]

_AGAIN = "Mend it and call cnnlab.exercises.use again; nothing has changed so far."


def use(source: str | os.PathLike[str] | ModuleType) -> list[str]:
    """Find the exercises of a folder, a file or a module, so that `check` and `passed` know their ids.

    Every .py file of the folder is run, but for those whose name begins with ``_`` or ``test_``, and ``conftest.py``.
    They may import one another and what lies beside them. Called again, it reads the files as they are now.

    Args:
        source: the folder, or one .py file, or a module or package that is imported.

    Returns:
        The exercises' ids, in the order of the files.

    Raises:
        ValueError: there is no such folder, or no exercise in it; a file breaks off, an id is defined twice or belongs
            to a chapter of the book. The message names file and line, and no exercise of ``source`` is taken.
    """
    with all_or_none() as defined, undisturbed():  # planted networks draw their weights when they are made
        if isinstance(source, ModuleType):
            _take_module(source)
        else:
            _take_files(source)
        if not defined:
            raise ValueError(
                f"source={_named(source)} holds no exercise. One is a function under @exercise, @judged or "
                "@judged_model; help(cnnlab.exercises) shows how."
            )
        _refuse_twins(defined)
        return list(dict.fromkeys(one.id for one in defined))


def _named(source: object) -> str:
    return source.__name__ if isinstance(source, ModuleType) else repr(os.fspath(source))  # type: ignore[arg-type]


def _take_module(module: ModuleType) -> None:
    parts = [module]
    for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
        parts.append(importlib.import_module(f"{module.__name__}.{found.name}"))
    for one in [thing for part in parts for thing in vars(part).values() if isinstance(thing, Exercise)]:
        keep(one)


def _take_files(source: str | os.PathLike[str]) -> None:
    place = Path(source)
    if not place.exists():
        raise ValueError(
            f"source={_named(source)} is neither a folder nor a file; it was looked for from {os.getcwd()!r}. "
            "Give the path of the folder that holds your exercises' .py files."
        )
    folder = place if place.is_dir() else place.parent
    files = sorted(path for path in folder.glob("*.py") if _is_read(path)) if place.is_dir() else [place]
    with _importable(folder):
        for path in files:
            _run(path)


def _is_read(path: Path) -> bool:
    return not path.name.startswith(("_", ".", "test_")) and path.name != "conftest.py"


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """The folder's files may import one another, now as they are; what they import is no module of later cells."""
    inside, before = folder.resolve(), set(sys.modules)
    sys.path.insert(0, str(inside))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(inside))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).resolve().is_relative_to(inside):
                del sys.modules[name]


def _run(path: Path) -> None:
    name = f"cnnlab_exercises_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ValueError(f"source={str(path)!r} is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        where = f"{path}, line {_line(error, path.resolve().parent)}".removesuffix(", line 0")
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ValueError(f"{where}: {type(error).__name__}: {said} {_AGAIN}") from error


def _line(error: BaseException, folder: Path) -> int:
    """The innermost line of a lecturer's own that an error came from."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 0 for f in reversed(frames) if Path(f.filename).parent == folder), 0)


def _refuse_twins(defined: Sequence[Exercise]) -> None:
    """Two exercises of one id would hide each other; a file that is run twice defines one only."""
    places: dict[str, tuple[str, int]] = {}
    for one in defined:
        code = getattr(one.answer, "__code__", None)
        place = (code.co_filename, code.co_firstlineno) if code else ("", 0)
        other = places.setdefault(one.id, place)
        if other != place:
            first, second = (f"{os.path.basename(file)}, line {line}" for file, line in (other, place))
            raise ValueError(f"id={one.id!r} is defined twice: in {first}, and in {second}. Rename one. {_AGAIN}")
