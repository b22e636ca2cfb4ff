"""What a build would make again just as the last one made it: entries of the bibliography, labels, templates.

Each is kept under all that it is made of, so that nothing has to be thrown away by hand; beside Sphinx's own memory of
pages, in ``_build/.doctrees``.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pybtex.plugin
from jinja2 import FileSystemBytecodeCache
from pybtex.style.formatting import BaseStyle

if TYPE_CHECKING:
    from sphinx.application import Sphinx

T = TypeVar("T")


class Memory:
    """Values by what they are made of, from one build to the next, which keeps those that it asked for.

    Args:
        path: of the file.
        made_by: versions of what makes the values; those of others are made again.
    """

    def __init__(self, path: Path, *made_by: Hashable) -> None:
        self.path, self.made_by = path, made_by
        self.asked: dict[Hashable, Any] = {}
        self.known: dict[Hashable, Any] = {}
        try:
            by, known = pickle.loads(path.read_bytes())
        except (
            OSError,
            pickle.UnpicklingError,
            EOFError,
            AttributeError,
            ImportError,
            TypeError,
            ValueError,
        ):
            return  # the first build, or a file that another version wrote
        if by == made_by:
            self.known = known

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self.asked:
            self.asked[key] = self.known[key] if key in self.known else make()
        return self.asked[key]

    def save(self) -> None:
        """Write what was asked for; nothing if no one asked, as in a build that found every page up to date."""
        if self.asked and self.asked.keys() != self.known.keys():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(pickle.dumps((self.made_by, self.asked)))


_plainly = BaseStyle.format_entry


def remember_entries(memory: Memory) -> None:
    """pybtex reads each entry's LaTeX anew for the list, for the tooltips and for the editions."""

    def format_entry(
        style: BaseStyle, label: str, entry: Any, bib_data: Any = None
    ) -> Any:
        if (
            bib_data is not None or "crossref" in entry.fields
        ):  # made of other entries too
            return _plainly(style, label, entry, bib_data)
        settings = (type(style), type(style.name_style), style.abbreviate_names)
        persons = [
            (role, tuple(map(str, named))) for role, named in entry.persons.items()
        ]
        made_of = (
            *settings,
            label,
            entry.key,
            entry.type,
            *entry.fields.items(),
            *persons,
        )
        return memory.get(made_of, lambda: _plainly(style, label, entry))

    BaseStyle.format_entry = format_entry


def remember_plugins() -> None:
    """pybtex searches every installed package for its style at each citation: a sixth of a build's time."""
    if not hasattr(pybtex.plugin._load_entry_point, "cache_info"):
        pybtex.plugin._load_entry_point = lru_cache(pybtex.plugin._load_entry_point)


def _start(app: Sphinx) -> None:
    folder = Path(app.doctreedir)
    entries = Memory(
        folder / "cnnlab-entries.pickle", version("pybtex"), version("latexcodec")
    )
    remember_entries(entries)
    app.connect("build-finished", lambda app, exception: entries.save(), priority=950)
    templates = getattr(app.builder, "templates", None)
    if templates is not None:  # not every builder writes pages
        compiled = folder / "cnnlab-templates"
        compiled.mkdir(parents=True, exist_ok=True)
        templates.environment.bytecode_cache = FileSystemBytecodeCache(str(compiled))


def setup(app: Sphinx) -> None:
    remember_plugins()
    app.connect("builder-inited", _start)
