"""Build the book: ``jupyter-book build`` without three imports that cost a third of its time and are never used.

    python tools/build_book.py [arguments of jupyter-book build]

jsonschema compiles a grammar of internationalized addresses for a format check that no schema of the book asks for;
sphinxext-opengraph loads matplotlib for social cards, which are switched off in ``_config.yml``. Both go on without.
jupyter-cache loads SQLAlchemy for a data base of executed notebooks, and ``_config.yml`` has none executed.

What Sphinx would take as it is, or tell with a traceback that names no file, is looked at first: notebooks that are
none, cells that hold an error, and pages that nothing lists.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.chapters import ROOT, notebooks, toc

UNUSED = ("rfc3987_syntax", "matplotlib")


def faults(root: Path = ROOT) -> list[str]:
    """What forbids a build, a line for each fault."""
    found = []
    for path in notebooks(root):
        name = path.relative_to(root).as_posix()
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (ValueError, KeyError, TypeError) as error:
            found.append(f"{name} is no notebook ({type(error).__name__}: {error}). Restore it: git checkout {name}")
            continue
        for number, cell in enumerate(cells, start=1):
            tags = cell.get("metadata", {}).get("tags", [])
            errors = [each for each in cell.get("outputs", []) if each.get("output_type") == "error"]
            if errors and "raises-exception" not in tags:
                said = f"{errors[0].get('ename')}: {errors[0].get('evalue')}"
                found.append(f"{name}, cell {number} holds an error ({said}). Mend it: make execute CHAPTERS={name}")
    return found


def oversights(root: Path = ROOT) -> list[str]:
    """What a build goes on with, and its author may not know."""
    found = []
    listed = set(toc(root))
    pages = [*notebooks(root), *sorted((root / "book").rglob("*.md"))]
    for path in pages:
        name = path.relative_to(root).as_posix()
        if path.relative_to(root).with_suffix("").as_posix() not in listed:
            found.append(f"{name} stands in no line of _toc.yml and becomes no page")
    for path in notebooks(root):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            if not any(cell.get("outputs") for cell in cells):
                name = path.relative_to(root).as_posix()
                found.append(f"{name} holds no outputs: make execute CHAPTERS={name}")
    return found


class NoDatabase(types.ModuleType):
    """Stands for `jupyter_cache.cache.db`, of which a build that executes nothing needs the names alone."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def executes(root: Path = ROOT) -> bool:
    """Whether ``_config.yml`` lets the build execute notebooks."""
    return 'execute_notebooks: "off"' not in (root / "_config.yml").read_text(encoding="utf-8")


def main() -> int:
    for oversight in oversights():
        print(f"note: {oversight}")
    if found := faults():
        print("The book is not built:", *found, sep="\n  ")
        return 2
    # Importing one of them now raises ImportError, which both expect; one says so, wrongly for us.
    sys.modules.update(dict.fromkeys(UNUSED))  # type: ignore[arg-type]
    if not executes():
        sys.modules["jupyter_cache.cache.db"] = NoDatabase("jupyter_cache.cache.db")
    # Trees of pages stay until the end: looking through them for garbage again and again takes a tenth of the time.
    gc.set_threshold(200_000, 50, 1000)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        import sphinxext.opengraph  # noqa: F401
    from jupyter_book.cli.main import main as jupyter_book

    sys.argv = ["jupyter-book", "build", ".", "-W", "--keep-going", "-n", *sys.argv[1:]]
    return jupyter_book()


def finish(code: object) -> None:
    """Leave at once: taking apart what a build holds in memory takes another half second."""
    if code is not None and not isinstance(code, int):  # what sys.exit would print
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    try:
        result: object = main()
    except SystemExit as said:
        result = said.code
    finish(result)
