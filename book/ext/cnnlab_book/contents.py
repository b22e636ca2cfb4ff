"""The home page's list of chapters: parts and order from ``_toc.yml``, titles from the chapters, a line about each.

    ```{chapters}
    seeing: What one kernel finds in a photograph.
    ```

A chapter that has no line yet is listed by its title alone. A part whose folder has a picture in ``book/static``
(``part-foundations.svg``) shows it, in line, so that it follows the page's light and dark.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_PICTURE = "book/static/part-{}.svg"


def parts(toc: str) -> list[tuple[str, list[str]]]:
    """The caption of each numbered part and the pages of its chapters, in reading order.

    Args:
        toc: the text of ``_toc.yml``.
    """
    return [
        (part["caption"], [chapter["file"] for chapter in part["chapters"]])
        for part in yaml.safe_load(toc)["parts"]
        if part.get("numbered")
    ]


class Chapters(SphinxDirective):
    """``{chapters}``, with one line for each chapter: its name, a colon, a sentence."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / "_toc.yml"))
        known = parts((root / "_toc.yml").read_text(encoding="utf-8"))
        said = self._lines({PurePosixPath(p).stem for _, pages in known for p in pages})
        shown: list[nodes.Node] = []
        number = 0
        for caption, pages in known:
            section = nodes.section(
                ids=[nodes.make_id(caption)], classes=["cnnlab-part"]
            )
            section += nodes.title(text=caption)
            picture = root / _PICTURE.format(PurePosixPath(pages[0]).parent.name)
            if picture.is_file():
                self.env.note_dependency(str(picture))
                svg = picture.read_text(encoding="utf-8")
                section += nodes.raw("", svg, format="html")
            listing = nodes.enumerated_list(
                start=number + 1, enumtype="arabic", prefix="", suffix="."
            )
            for page in pages:
                number += 1
                line = nodes.paragraph()
                # The chapter's title is filled in when all pages are read.
                link = addnodes.pending_xref(
                    "",
                    nodes.inline(classes=["xref", "doc"]),
                    refdomain="std",
                    reftype="doc",
                    reftarget=f"/{page}",
                    refexplicit=False,
                    refdoc=self.env.docname,
                    refwarn=True,
                )
                line += link
                name = PurePosixPath(page).stem
                if name in said:
                    line += nodes.Text(" ")
                    text, _ = self.state.inline_text(said[name], self.lineno)
                    line += nodes.inline("", "", *text, classes=["cnnlab-about"])
                listing += nodes.list_item("", line)
            section += listing
            shown.append(section)
        return shown

    def _lines(self, names: set[str]) -> dict[str, str]:
        said = {}
        for line in self.content:
            name, colon, text = line.partition(":")
            if not line.strip():
                continue
            if not colon or name.strip() not in names:
                raise self.error(
                    f"{line[:60]!r} is about no chapter; write its name, a colon and a sentence. "
                    f"Names: {', '.join(sorted(names))}."
                )
            said[name.strip()] = text.strip()
        return said


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by the extension's own set-up."""
    app.add_directive("chapters", Chapters)
    return {"parallel_read_safe": True}
