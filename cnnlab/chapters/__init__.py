"""One folder a chapter: its exercises and its explorers, found by scanning and ordered by the book's contents.

``cnnlab/chapters/pointwise/`` belongs to ``book/convolutions/pointwise.ipynb``: the folder has the notebook's
name, with ``_`` where the file has ``-``. It holds ``exercises.py`` and, for each explorer of the chapter, a
declaration ``.py`` with its view ``.js`` and ``.css``. Nothing is listed anywhere else: a new folder is found.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from cnnlab.errors import unknown_name

__all__ = ["names", "key", "folder", "files", "load", "listed"]

_HERE = Path(__file__).resolve().parent
# Installed, the package carries a copy that setup.py makes; a checkout has the book's own.
_TOC = (_HERE / "_toc.yml", _HERE.parents[1] / "_toc.yml")
_LISTED = re.compile(r"^\s*-?\s*(?:file|root):\s*(\S+?)(?:\.ipynb|\.md)?\s*$", re.MULTILINE)


@cache  # every check of an answer asks, and looking takes longer than checking
def names() -> tuple[str, ...]:
    """The chapters that have a folder, in the book's order; those not yet in ``_toc.yml`` come last, by name."""
    found = sorted(path.parent.name for path in _HERE.glob("*/__init__.py"))
    toc = next((path.read_text(encoding="utf-8") for path in _TOC if path.is_file()), "")
    place = {key(file): number for number, file in enumerate(listed(toc))}
    return tuple(sorted(found, key=lambda name: place.get(name, len(place))))


def key(file: str) -> str:
    """A chapter's name here, from its file in the book: "book/convolutions/conv3d.ipynb" -> "conv3d"."""
    return Path(file).stem.replace("-", "_")


def folder(name: str) -> Path:
    """The folder of a chapter.

    Raises:
        ValueError: no chapter has this name; the message names the nearest ones.
    """
    if name not in names():
        raise unknown_name("chapter", name, names())
    return _HERE / name


def files(pattern: str) -> list[Path]:
    """The files in all chapters' folders whose name matches, such as "exercises.py" or "*.js", in the book's order."""
    return [path for name in names() for path in sorted((_HERE / name).glob(pattern))]


def load(name: str, module: str) -> ModuleType:
    """A module of a chapter: ``load("pointwise", "exercises")``. No other chapter is imported.

    Raises:
        ValueError: no chapter has this name; the message names the nearest ones.
    """
    return import_module(f"{__name__}.{folder(name).name}.{module}")


def listed(toc: str) -> list[str]:
    """The files that the text of a ``_toc.yml`` lists, in order, without their suffix."""
    return _LISTED.findall(toc)
