"""A path through the book for a course: two chapters a week and what is read at home, with the minutes of their heads.

    ```{weeks}
    seeing, training_a_cnn;
    measuring, imagenet; design_rules
    ```

Each line is a week: chapters in class, a semicolon, chapters at home. What a chapter needs must stand before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import nbformat
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from tools.heads import Head, head

from .contents import parts

HEADINGS = ("Week", "In class", "Minutes", "At home", "Minutes")


class Week(NamedTuple):
    in_class: tuple[str, ...]
    at_home: tuple[str, ...]


def planned(lines: Iterable[str], heads: dict[str, Head]) -> list[Week]:
    """The weeks of a path, checked.

    Args:
        lines: chapters' names, with commas between them and a semicolon before those at home.
        heads: of every chapter, by name.

    Raises:
        ValueError: a name that no chapter has, one that stands twice, or a chapter before one that it needs.
    """
    weeks: list[Week] = []
    seen: set[str] = set()
    for line in filter(str.strip, lines):
        sides = [
            tuple(name.strip() for name in side.split(",") if name.strip())
            for side in line.partition(";")[::2]
        ]
        week = Week(*sides)
        for name in (*week.in_class, *week.at_home):
            if name not in heads:
                raise ValueError(
                    f"week {len(weeks) + 1} has {name!r}, which is no chapter; there are {', '.join(sorted(heads))}."
                )
            if name in seen:
                raise ValueError(
                    f"week {len(weeks) + 1} has {name!r} again; let it stand once."
                )
            needs = {PurePosixPath(need).stem for need in heads[name].needs}
            if needs - seen:
                raise ValueError(
                    f"week {len(weeks) + 1} has {name!r}, which needs {', '.join(sorted(needs - seen))} before it; "
                    "put that into an earlier place."
                )
            seen.add(name)
        weeks.append(week)
    return weeks


class Weeks(SphinxDirective):
    """``{weeks}``, with a line for each week."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / "_toc.yml"))
        known = parts((root / "_toc.yml").read_text(encoding="utf-8"))
        pages = {PurePosixPath(page).stem: page for _, own in known for page in own}
        heads = {}
        for name, page in pages.items():
            path = root / f"{page}.ipynb"
            self.env.note_dependency(str(path))
            heads[name] = head(nbformat.read(path, as_version=4))
        try:
            weeks = planned(self.content, heads)
        except ValueError as error:
            raise self.error(str(error)) from None
        rows = []
        for number, week in enumerate(weeks, 1):
            row = [nodes.paragraph(text=str(number))]
            for names in week:
                minutes = sum(heads[name].reading for name in names)
                row += [
                    self._links(names, pages),
                    nodes.paragraph(text=str(minutes or "")),
                ]
            rows.append(row)
        taken = {name for week in weeks for side in week for name in side}
        rest = [name for name in pages if name not in taken]
        shown: list[nodes.Node] = [_table(rows)]
        if rest:
            after = self._links(rest, pages)
            after.insert(0, nodes.Text("Not on this path, and good for a seminar: "))
            after += nodes.Text(".")
            shown.append(after)
        return shown

    def _links(self, names: Iterable[str], pages: dict[str, str]) -> nodes.paragraph:
        line = nodes.paragraph()
        for place, name in enumerate(names):
            if place:
                line += nodes.Text(", ")
            # The chapter's title is filled in when all pages are read.
            line += addnodes.pending_xref(
                "",
                nodes.inline(classes=["xref", "doc"]),
                refdomain="std",
                reftype="doc",
                reftarget=f"/{pages[name]}",
                refexplicit=False,
                refdoc=self.env.docname,
                refwarn=True,
            )
        return line


def _table(rows: list[list[nodes.paragraph]]) -> nodes.table:
    group = nodes.tgroup(cols=len(HEADINGS))
    group += [nodes.colspec(colwidth=width) for width in (6, 40, 9, 36, 9)]
    top = nodes.row()
    top += [nodes.entry("", nodes.paragraph(text=text)) for text in HEADINGS]
    group += nodes.thead("", top)
    body = nodes.tbody()
    for row in rows:
        body += nodes.row("", *(nodes.entry("", cell) for cell in row))
    group += body
    return nodes.table("", group, classes=["cnnlab-weeks"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by the extension's own set-up."""
    app.add_directive("weeks", Weeks)
    return {"parallel_read_safe": True}
