"""Formulas are set when the book is built: MathJax runs here, in V8, and a page holds finished pictures.

A page that loads MathJax spends 360 of its 540 kB and up to half a second of its main thread on it. The same
MathJax (out of ``sphinx-mathjax-offline``, by ``mini-racer``, so without Node) writes each formula as SVG in units of
the surrounding font, and beside it, for screen readers, as MathML that is not seen. A page's letters stand once, at
its top; formulas point to them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

RENDERER = "cnnlab"
# What an older version of this file has set is set again.
_EDITED = Path(__file__).stat().st_mtime_ns
_COMPONENTS = (
    "startup.js",
    "core.js",
    "adaptors/liteDOM.js",
    "input/tex-full.js",
    "output/svg.js",
    "output/svg/fonts/tex.js",
    "a11y/assistive-mml.js",
)
# Without a page there is nothing to start: the parts are put together by hand. Two packages that would show a mistake
# in red instead of raising it are left aside, and one that needs a page to measure in.
_ASSEMBLE = """
const { _ } = MathJax;
const adaptor = _.adaptors.liteAdaptor.liteAdaptor();
_.a11y["assistive-mml"].AssistiveMmlHandler(_.handlers.html_ts.RegisterHTMLHandler(adaptor));
const asides = ["bussproofs", "noerrors", "noundefined"];
const packages = _.input.tex.AllPackages.AllPackages.filter((name) => !asides.includes(name));
const page = _.mathjax.mathjax.document("", {
  InputJax: new _.input.tex_ts.TeX({ packages }),
  OutputJax: new _.output.svg_ts.SVG({ fontCache: "none", font: new _.output.svg.fonts.tex_ts.TeXFont() }),
});
const typeset = (tex, display) => adaptor.outerHTML(page.convert(tex, { display, em: 18, ex: 8, containerWidth: 80 * 18 }));
"""

# What MathJax notes for its own menus and for later changes, and a finished picture does not need.
_NOTES = re.compile(
    r' (?:data-mml-node|data-mjx-texclass|data-latex|jax|class|focusable|role|unselectable|data-mjx-variant|xmlns)="[^"]*"'
)
_GLYPH = re.compile(r'<path data-c="[^"]*" d="([^"]*)"></path>')
_ERROR = re.compile(r'data-mjx-error="([^"]*)"')


def mathjax_folder() -> Path:
    """Where the package ``sphinx-mathjax-offline`` keeps MathJax."""
    # The distribution's module name has dashes.
    spec = importlib.util.find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ExtensionError(
            "The package sphinx-mathjax-offline is missing; run: pip install -r requirements.txt"
        )
    return Path(spec.origin).parent / "static" / "mathjax"


@cache
def _engine() -> Any:
    """MathJax, ready to typeset: a fifth of a second, once a build."""
    from py_mini_racer import MiniRacer

    engine = MiniRacer()
    engine.eval(
        "var global = globalThis; var MathJax = { loader: { load: [], require: () => ({}) }, startup: {} };"
    )
    for name in _COMPONENTS:
        engine.eval((mathjax_folder() / name).read_text(encoding="utf-8"))
    engine.eval(_ASSEMBLE)
    return engine


def close_engine() -> None:
    """Let the engine go, if there is one: its thread would keep the process alive."""
    if _engine.cache_info().currsize:
        _engine().close()
        _engine.cache_clear()


def typeset(tex: str, *, display: bool = False) -> str:
    """One formula as HTML: ``<mjx-container>`` with its picture and its MathML.

    Args:
        tex: the formula in LaTeX, without delimiters.
        display: whether it stands on a line of its own.

    Raises:
        ValueError: MathJax cannot read it; the message says why.
    """
    made = _engine().eval(f"typeset({json.dumps(tex)}, {json.dumps(display)})")
    wrong = _ERROR.search(made)
    if wrong:
        raise ValueError(f"the formula {tex!r} cannot be set: {wrong[1]}")
    picture, speech = made.split("<mjx-assistive-mml", 1)
    return _NOTES.sub("", picture) + "<mjx-assistive-mml" + _NOTES.sub("", speech)


class Formulas:
    """The book's formulas; those of the last build are remembered, so that changing one page starts no engine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, str] = (
            json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        )
        self.changed = False

    def html(self, tex: str, *, display: bool) -> str:
        key = hashlib.sha256(f"{_EDITED} {display} {tex}".encode()).hexdigest()[:24]
        if key not in self.known:
            self.known[key] = typeset(tex, display=display)
            self.changed = True
        return self.known[key]

    def save(self) -> None:
        """Remember the formulas for the next build."""
        if self.changed:
            self.path.write_text(json.dumps(self.known), encoding="utf-8")
            self.changed = False


def _set(self: HTML5Translator, node: nodes.Element, tex: str, *, display: bool) -> str:
    formulas: Formulas = self.builder.cnnlab_formulas  # type: ignore[attr-defined]
    try:
        return formulas.html(tex, display=display)
    except ValueError as error:
        logger.warning("%s", error, location=node)
        return f"<code>{self.encode(tex)}</code>"


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(
        self.starttag(node, "span", "", CLASS="math notranslate nohighlight")
    )
    self.body.append(_set(self, node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """The formula scrolls in a box of its own where it is too wide; its number stays beside it."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append('<div class="math-line">')
    self.body.append(_set(self, node, _as_one(node), display=True) + "</div>")
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _as_one(node: nodes.math_block) -> str:
    """Paragraphs of a block are formulas below each other, as Sphinx reads them."""
    text = node.astext()
    parts = [part for part in text.split("\n\n") if part.strip()]
    if node.get("nowrap") or node.get("no-wrap"):
        return text
    if len(parts) > 1:
        rows = r" \\ ".join(
            rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part
            for part in parts
        )
        return rf"\begin{{gather}}{rows}\end{{gather}}"
    if r"\\" in text and r"\begin{" not in text:
        return rf"\begin{{split}}{text}\end{{split}}"
    return text


# A formula in a line and what touches it: a browser would break the line between them, before a comma too.
_TIED = re.compile(
    r"(?:(?<=[\s>])[(“‘\[–-]+)?"
    r'<span class="math notranslate nohighlight">(?:(?!</span>).)*</span>[^\s<]+'
    r'|(?<=[\s>])[(“‘\[–-]+<span class="math notranslate nohighlight">(?:(?!</span>).)*</span>',
    re.DOTALL,
)


def share_letters(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Keep each letter's outline once a page."""
    body = context.get("body") or ""
    if "<mjx-container" not in body:
        return
    letters: dict[str, str] = {}

    def point(match: re.Match[str]) -> str:
        name = letters.setdefault(match[1], f"letter-{len(letters)}")
        return f'<use href="#{name}"/>'

    body = _TIED.sub(r'<span class="math-tied">\g<0></span>', _GLYPH.sub(point, body))
    outlines = "".join(f'<path id="{name}" d="{d}"/>' for d, name in letters.items())
    context["body"] = (
        f'<svg class="math-letters" aria-hidden="true"><defs>{outlines}</defs></svg>{body}'
    )


def setup(app: Sphinx) -> None:
    """Called by the extension's own set-up."""
    app.add_html_math_renderer(
        RENDERER,
        inline_renderers=(visit_math, None),
        block_renderers=(visit_math_block, None),
    )

    def start(app: Sphinx) -> None:
        path = Path(app.doctreedir) / "cnnlab-formulas.json"
        app.builder.cnnlab_formulas = Formulas(path)  # type: ignore[attr-defined]

    def finish(app: Sphinx, exception: Exception | None) -> None:
        if exception is None:
            app.builder.cnnlab_formulas.save()  # type: ignore[attr-defined]
        close_engine()

    app.connect("builder-inited", start)
    app.connect("build-finished", finish)
    app.connect("html-page-context", share_letters, priority=130)
