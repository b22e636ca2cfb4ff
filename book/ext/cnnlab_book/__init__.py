"""What the book's site needs beyond Jupyter Book: an offline, light, self-contained page.

Out of the box a page asks three outside hosts for scripts, loads a 1.5 MB icon script and links ten style sheets.
This extension, in order of a build:

- writes the palette of ``cnnlab.draw.palette`` as CSS variables, so that plots and page share one source;
- sets formulas at build time (``formulas.py``), so that no page loads MathJax;
- drops the scripts that need a network (thebe) or that no page uses, and lets the others wait for the page;
- puts the figures that notebooks store as ``<img>`` in line, so that they follow the page's light and dark
  (``figures.py``);
- writes large inline photographs as WebP (``pictures.py``);
- writes explorers that carry a trained network as files, which come when the reader comes near (``explorers.py``);
- merges all style sheets into one, without the icon font that the theme carries (``icons.py`` draws the icons in use);
- turns the repository's address into the site's address, so that it stands in ``_config.yml`` only;
- keeps what the next build would only make again (``remembered.py``);
- writes the API reference from the package's docstrings (``reference.py``);
- lets the Colab button open the chapter's edition, which ``tools/editions.py`` writes, and the download button give it.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.builders.html._assets import _JavaScript
from sphinx.config import Config
from sphinx.errors import ExtensionError

from cnnlab.draw import palette
from cnnlab.draw.embed import page_css

from . import contents, formulas, reference, remembered
from .explorers import file_explorers
from .figures import inline_figures
from .icons import icon_css
from .pages import (
    add_description,
    arrange_folds,
    depart_citation,
    depart_folded_cell,
    name_table_corners,
    name_tabular_outputs,
    unique_exercise_ids,
    visit_citation,
    visit_folded_cell,
)
from .pictures import compress_pictures
from .stills import file_stills
from .stylesheets import BUNDLE, write_bundle

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))  # the repository, for its tools

from tools import editions  # noqa: E402
from tools.chapters import editions_branch, notebooks, site  # noqa: E402
from tools.editions import Book, Unresolved, edition  # noqa: E402

from . import weeks  # noqa: E402

# Scripts that the book has no use for. Thebe needs a server elsewhere and is added twice, which raises on every page.
UNUSED_SCRIPTS = ("sphinx-thebe.js", "design-tabs.js")
# The DOCUMENTATION_OPTIONS lines serve a version switcher, and would run before the deferred file that defines it.
UNUSED_INLINE = ("THEBE_JS_URL", "DOCUMENTATION_OPTIONS.")


def _palette_css() -> str:
    return (
        "/* Written at build time from cnnlab/draw/palette.py and cnnlab/draw/embed.py. */\n"
        f":root,html[data-theme=light]{{{palette.css_variables('light')}}}\n"
        f"html[data-theme=dark]{{{palette.css_variables('dark')}}}\n"
        f"@media print{{:root,html[data-theme=dark]{{{palette.css_variables('light')}}}}}\n"
        f"{page_css()}"
    )


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _configure(app: Sphinx, config: Config) -> None:
    """Add our static files and templates, and derive the site's address from the repository's."""
    generated = Path(app.doctreedir).parent / "generated-static"
    generated.mkdir(parents=True, exist_ok=True)
    _write_if_changed(generated / "cnnlab-palette.css", _palette_css())
    _write_if_changed(generated / "cnnlab-icons.css", icon_css())
    config.html_static_path = [*config.html_static_path, str(generated)]
    config.templates_path = [*config.templates_path, str(HERE / "templates")]

    options = config.html_theme_options
    address = site(options["repository_url"].rstrip("/"))
    config.html_baseurl = config.html_baseurl or address
    config.ogp_site_url = config.ogp_site_url or address
    config.ogp_image = config.ogp_image or address + "_static/preview.png"
    options.update(
        logo={"text": "cnnlab", "alt_text": ""},
        toc_title="On this page",
        search_bar_text="Search the book",
        use_fullscreen_button=False,
        show_navbar_depth=1,
        back_to_top_button=False,
        article_header_end="article-header-buttons.html",
    )


def _page_context(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document,
) -> None:
    scripts = []
    for script in context["script_files"]:
        name = str(script.filename or "")
        body = script.attributes.get("body") or ""
        if Path(name.split("?")[0]).name in UNUSED_SCRIPTS or any(
            word in body for word in UNUSED_INLINE
        ):
            continue
        if (
            name
            and pagename != "search"
            and not {"async", "defer"} & script.attributes.keys()
        ):
            script = _JavaScript(
                script.filename,
                priority=script.priority,
                defer="defer",
                **script.attributes,
            )
        if script not in scripts:
            scripts.append(script)
    context["script_files"] = scripts
    # Every page links the bundle alone; what pages would have linked is merged when all are written.
    bundled = app.builder.cnnlab_stylesheets  # type: ignore[attr-defined]
    for sheet in context["css_files"]:
        bundled.setdefault(str(sheet.filename))
    context["cnnlab_bundle"] = BUNDLE
    context["css_files"] = []


def _header_buttons(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document,
) -> None:
    """One Colab button instead of a menu with one entry, and kinder words in the others."""
    source = f"/blob/{app.config.html_theme_options['repository_branch']}/"
    edition = f"/blob/{editions_branch(app.config.cnnlab_reference)}/"
    for number, button in enumerate(context.get("header_buttons", [])):
        if button.get("label") == "launch-buttons" and len(button["buttons"]) == 1:
            only = dict(button["buttons"][0])
            only.update(
                url=only["url"].replace(source, edition, 1),
                icon="fas fa-rocket",
                text="Colab",
                tooltip="Run this chapter in Google Colab",
                label="colab",
            )
            context["header_buttons"][number] = only
        elif button.get("label") == "source-buttons":
            button.update(
                icon="fas fa-pencil-alt", tooltip="Edit this page or report an error"
            )
            for entry in button["buttons"]:
                if entry.get("label") == "source-issues-button":
                    entry.update(
                        text="Report an error", tooltip="Report an error on this page"
                    )
                    entry["url"] = (
                        entry["url"]
                        .split("&body=")[0]
                        .replace("Issue%20on%20page%20%2F", "Error%20on%20page%20")
                    )
                elif entry.get("label") == "source-edit-button":
                    entry.update(
                        text="Edit this page", tooltip="Edit this page on GitHub"
                    )


def _start(app: Sphinx) -> None:
    app.builder.cnnlab_stylesheets = {}  # type: ignore[attr-defined]  # file name -> None, in link order


def _finish(app: Sphinx, exception: Exception | None) -> None:
    """Write the bundle, also after a build that found every page up to date and so copied nothing."""
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    for folder in app.config.html_static_path:
        source = Path(app.confdir) / folder
        for path in source.rglob("*"):
            target = static / path.relative_to(source)
            if path.is_file() and (
                not target.exists() or target.read_bytes() != path.read_bytes()
            ):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
    # The list survives builds in which no page was written.
    remembered = Path(app.doctreedir) / "cnnlab-stylesheets.json"
    sheets = list(app.builder.cnnlab_stylesheets)  # type: ignore[attr-defined]
    if sheets:
        remembered.write_text(json.dumps(sheets), encoding="utf-8")
    elif remembered.exists():
        sheets = json.loads(remembered.read_text(encoding="utf-8"))
    if sheets:
        write_bundle(static, sheets, Path(app.doctreedir))


def _offer_editions(app: Sphinx, exception: Exception | None) -> None:
    """What the download button gives opens in a notebook, where the chapter's own markup would stay markup."""
    if exception is not None or app.builder.format != "html":
        return
    root, sources = Path(app.confdir), Path(app.outdir) / "_sources"
    offered = {path: sources / path.relative_to(root) for path in notebooks(root)}
    # Sphinx has copied those chapters whose pages it wrote; the others are editions already.
    copied = {
        path: target
        for path, target in offered.items()
        if target.exists() and target.read_bytes() == path.read_bytes()
    }
    labels = remembered.Memory(
        Path(app.doctreedir) / "cnnlab-labels.pickle",
        Path(editions.__file__).stat().st_mtime_ns,
    )
    book = Book(root, remember=labels.get) if copied else None
    labels.save()
    for path, target in copied.items():
        try:
            nbformat.write(edition(path, book)[0], target)
        except Unresolved as error:
            raise ExtensionError(str(error)) from error


def setup(app: Sphinx) -> dict[str, Any]:
    remembered.setup(app)
    app.setup_extension("myst_nb")
    app.add_config_value("cnnlab_reference", "main", "html", [str])
    app.add_node(
        HideCodeCellNode, override=True, html=(visit_folded_cell, depart_folded_cell)
    )
    app.add_node(nodes.citation, override=True, html=(visit_citation, depart_citation))
    formulas.setup(app)
    contents.setup(app)
    weeks.setup(app)
    reference.setup(app)
    app.connect("config-inited", _configure, priority=100)
    app.connect("builder-inited", _start)
    app.connect("doctree-resolved", unique_exercise_ids)
    app.connect("doctree-resolved", arrange_folds)
    app.connect("doctree-resolved", name_tabular_outputs)
    app.connect("html-page-context", add_description, priority=100)
    app.connect("html-page-context", name_table_corners, priority=110)
    app.connect("html-page-context", inline_figures, priority=115)
    app.connect("html-page-context", file_stills, priority=115)
    app.connect("html-page-context", file_explorers, priority=115)
    app.connect("html-page-context", compress_pictures, priority=120)
    app.connect("html-page-context", _header_buttons, priority=900)
    app.connect("html-page-context", _page_context, priority=990)
    app.connect(
        "build-finished", _finish, priority=900
    )  # after the theme has written its pygments.css
    app.connect("build-finished", _offer_editions, priority=910)
    app.add_css_file("cnnlab-palette.css", priority=900)
    app.add_css_file("cnnlab-icons.css", priority=901)
    app.add_css_file("cnnlab.css", priority=902)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
