"""Small repairs of what the extensions write: folded cells, exercise boxes, page descriptions."""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

DESCRIPTION_LENGTH = 200
_SPACE_BEFORE_PUNCTUATION = re.compile(r"\s+([.,;:!?)])")


def arrange_folds(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """A solution's output is folded with it, since it often says the answer; a figure stands above its code.

    The set-up cell, which is the same in every chapter, is folded too: what the page is about comes first.
    """
    if app.builder.format != "html":
        return
    for cell in doctree.findall(nodes.container):
        if cell.get("nb_element") == "cell_code" and cell.astext().startswith(
            "# Set-up"
        ):
            fold = HideCodeCellNode(
                prompt_show="Show the set-up",
                prompt_hide="Hide the set-up",
                classes=["above-input"],
            )
            fold.extend(cell.children)
            cell.children = []
            cell.append(fold)
    for fold in list(doctree.findall(HideCodeCellNode)):
        cell = fold.parent
        outputs = [
            child
            for child in cell.children
            if isinstance(child, nodes.container)
            and child.get("nb_element") == "cell_code_output"
        ]
        if "tag_solution" in cell.get("classes", []):
            for output in outputs:
                cell.remove(output)
                fold.append(output)
        elif "tag_figure" in cell.get("classes", []) and outputs:
            cell.remove(fold)
            cell.append(fold)


_COLUMNS = re.compile(r"\S {2,}\S")


def name_tabular_outputs(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Printed lines wrap where there is no room; those of a printed table, or of code, keep their columns."""
    for output in doctree.findall(nodes.literal_block):
        if "output" in output.get("classes", []):
            lines = output.astext().splitlines()
            aligned = [
                line for line in lines if _COLUMNS.search(line) or line[:4] == "    "
            ]
            if len(aligned) >= 2:
                output["classes"].append("tabular")


def visit_folded_cell(self: HTML5Translator, node: nodes.Element) -> None:
    """A folded cell as a plain ``<details>``; one tagged ``solution`` or ``figure`` says so on its bar."""
    cell = node.parent
    show, hide, kind = node["prompt_show"], node["prompt_hide"], []
    if "tag_solution" in cell.get("classes", []):
        show, hide, kind = "Show solution", "Hide solution", ["hide-solution"]
    elif "tag_figure" in cell.get("classes", []):
        show, hide = "Show the figure's code", "Hide the figure's code"
        kind = ["hide-figure"]
    classes = " ".join(["hide", *node["classes"], *kind])
    self.body.append(
        f'<details class="{classes}"><summary><span class="when-closed">{html.escape(show)}</span>'
        f'<span class="when-open">{html.escape(hide)}</span></summary>\n'
    )


def depart_folded_cell(self: HTML5Translator, node: nodes.Element) -> None:
    self.body.append("</details>\n")


def visit_citation(self: HTML5Translator, node: nodes.citation) -> None:
    """As the writer does it, but as items of a list: the role that it gives each entry has been withdrawn from ARIA."""
    HTML5Translator.visit_citation(self, node)
    self.body[-1] = self.body[-1].replace('role="doc-biblioentry"', 'role="listitem"')


def depart_citation(self: HTML5Translator, node: nodes.citation) -> None:
    HTML5Translator.depart_citation(self, node)


def unique_exercise_ids(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """sphinx-exercise gives every box's content the same id; an id may stand once in a page."""
    for section in doctree.findall(nodes.section):
        if section["ids"] and section["ids"][0] in (
            "exercise-content",
            "solution-content",
        ):
            section["ids"] = []


def name_table_corners(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """pandas writes the corner of a table as a header without words, which a screen reader announces as such."""
    if context.get("body"):
        context["body"] = context["body"].replace("<th></th>", "<td></td>")


def _plain_text(paragraph: nodes.paragraph) -> str:
    copy = paragraph.deepcopy()
    for node in list(
        copy.findall(
            lambda n: isinstance(
                n, (nodes.image, nodes.citation_reference, nodes.footnote_reference)
            )
        )
    ):
        node.parent.remove(node)
    for node in list(copy.findall(nodes.math)):
        node.parent.replace(
            node, nodes.Text(node.astext().replace("\\times", "x").replace("\\", ""))
        )
    text = " ".join(copy.astext().split())
    return _SPACE_BEFORE_PUNCTUATION.sub(r"\1", text)


def describe(doctree: nodes.document) -> str:
    """The page's first paragraphs of prose, cut at a word, as the description for search engines and link previews."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        ancestor: nodes.Node | None = paragraph.parent
        while ancestor is not None and not isinstance(
            ancestor, (nodes.Admonition, nodes.container, nodes.table)
        ):
            ancestor = ancestor.parent
        if isinstance(ancestor, (nodes.Admonition, nodes.table)):
            continue
        if (
            isinstance(ancestor, nodes.container)
            and ancestor.get("nb_element") == "cell_code"
        ):
            continue
        if isinstance(paragraph.parent, (addnodes.compact_paragraph, nodes.footnote)):
            continue
        text = f"{text} {_plain_text(paragraph)}".strip()
        if len(text) > DESCRIPTION_LENGTH // 2:
            break
    if len(text) > DESCRIPTION_LENGTH:
        text = text[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0].rstrip(".,;:") + " ..."
    return text


def add_description(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Set the description before sphinxext-opengraph would make one up from headings and formulas."""
    if doctree is None:
        context["metatags"] = context.get("metatags", "") + (
            f'<meta name="description" content="{html.escape(context.get("title", "") or "cnnlab")}: '
            'cnnlab, an executable book on convolutional networks.">\n'
        )
        return
    meta = dict(context.get("meta") or {})
    description = str(meta.get("description") or describe(doctree))
    if description:
        meta["og:description"] = html.escape(description)
        if 'name="description"' not in context.get("metatags", ""):
            context["metatags"] = context.get("metatags", "") + (
                f'<meta name="description" content="{html.escape(description)}">\n'
            )
    context["meta"] = meta
