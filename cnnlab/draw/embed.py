"""Our own SVG as notebook output: themed, labelled, numbered, and the same bytes every time.

A picture has two forms. What a cell stores is a *still*: an ``<img>`` that holds the whole SVG as a file of its own,
with its own paper and its own dark colors. It survives where a notebook is not trusted (JupyterLab removes inline SVG,
scripts and styles there) and on GitHub. What a page of the book or a running panel holds is the SVG *in line*, whose
colors follow the page. ``standalone`` and ``inline`` lead from one to the other. ``plain`` makes a third, for files
that go into a paper or onto a slide: one mode's colors, and nothing that a renderer without CSS would miss.
"""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path
from typing import Any, TypeVar

from cnnlab.draw import palette
from cnnlab.files import replacing

__all__ = [
    "SCREEN_FONTS",
    "PRINT_FONTS",
    "FORMATS",
    "figure_html",
    "still_html",
    "image_tag",
    "themed",
    "standalone",
    "inline",
    "plain",
    "save",
    "page_css",
    "well_formed",
    "worded",
    "restart_numbering",
    "Embedded",
]

Self = TypeVar("Self", bound="Embedded")

# Where other hosts say that they are dark. The book itself sets the variables on the page.
_DARK_HOSTS = (
    'body[data-jp-theme-light="false"] .cnnlab-figure',  # JupyterLab, Notebook 7
    "html[theme=dark] .cnnlab-figure",  # Colab
    "body.vscode-dark .cnnlab-figure",  # VS Code
)
# What a drawing's words are set in: in a browser its system's own, in a file those that every other program finds.
SCREEN_FONTS = "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
PRINT_FONTS = "Helvetica,Arial,sans-serif"
FORMATS = (".svg", ".png", ".pdf")
_ROOT = re.compile(r"<svg\b([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w:-]+)="([^"]*)"')
_VARIABLE = re.compile(r"var\(--cnnlab-\w+, (#[0-9a-f]{6})\)")
_PAINT = re.compile(r"(fill|stroke)\s*:\s*var\(--cnnlab-\w+, (#[0-9a-f]{6})\)\s*(?:;\s*|$)")
_PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")
# Of the root's style, what is about the page that it stands in; the rest belongs to the picture.
_PLACE = frozenset({"width", "height", "min-width", "max-width", "display", "margin"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_PLAIN = re.compile(r'\b(fill|stroke)="(#[0-9a-f]{6})"')
_OWN_STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
_OWN_PAPER = re.compile(r'<rect class="paper"[^>]*/>')


def figure_html(svg: str, alt: str) -> str:
    """Wrap an SVG in line, for a panel that a kernel redraws: ``<figure class="cnnlab-figure" role="img" ...>``.

    Args:
        svg: one ``<svg>`` element, without XML prologue, whose colors are written with ``palette.css``.
        alt: what the picture shows, in words; required, since some readers have only this.

    Raises:
        ValueError: ``alt`` is empty.
    """
    # A picture wider than a phone scrolls in its own box.
    style = f".cnnlab-figure{{overflow-x:auto}}{','.join(_DARK_HOSTS)}{{{palette.css_variables('dark')}}}"
    return (
        f'<figure class="cnnlab-figure" role="img" aria-label="{html.escape(worded("alt", alt), quote=True)}">'
        f"<style>{style}</style>{svg}</figure>"
    )


def still_html(svg: str, alt: str, caption: str = "", narrow: str | None = None, *, by_hand: bool = False) -> str:
    """A picture as a cell stores it: ``<figure><img alt="..." src="data:..."><figcaption>...</figcaption></figure>``.

    Args:
        svg: as for ``figure_html``.
        alt: as for ``figure_html``.
        caption: the visible line below, its number included; without one there is none.
        narrow: the same picture laid out for a phone, which takes its place where there are 600 pixels or fewer.
        by_hand: the author laid it out, and the book's pages look for no better way.

    Raises:
        ValueError: ``alt`` is empty.
    """
    image = image_tag(svg, alt)
    if narrow:
        packed = base64.b64encode(standalone(narrow).encode()).decode("ascii")
        mark = " data-by-hand" if by_hand else ""
        source = f'<source{mark} media="(max-width:600px)" srcset="data:image/svg+xml;base64,{packed}">'
        image = f"<picture>{source}{image}</picture>"
    below = f"<figcaption>{html.escape(caption, quote=False)}</figcaption>" if caption else ""
    return f'<figure class="cnnlab-figure" style="margin:0.5em 0">{image}{below}</figure>'


def image_tag(svg: str, alt: str) -> str:
    """The ``<img>`` alone, which holds its whole picture; for what has a frame and words of its own.

    Raises:
        ValueError: ``alt`` is empty.
    """
    alone = standalone(svg)
    width = re.search(r' width="([\d.]+)"', alone).group(1)
    packed = base64.b64encode(alone.encode()).decode("ascii")
    return (
        f'<img alt="{html.escape(worded("alt", alt), quote=True)}" width="{float(width):.0f}" style="max-width:100%" '
        f'src="data:image/svg+xml;base64,{packed}">'
    )


def themed(svg: str) -> str:
    """Replace the palette's light values inside ``style`` attributes by the page's variables."""
    by_value = {palette.light(name): name for name in palette.COLORS}
    pattern = re.compile("|".join(by_value), flags=re.IGNORECASE)

    def in_style(match: re.Match[str]) -> str:
        return pattern.sub(lambda color: palette.css(by_value[color.group().lower()]), match.group())

    return re.sub(r'style="[^"]*"', in_style, svg)


def standalone(svg: str) -> str:
    """The SVG as a file of its own: a size, plain colors, a paper, and dark colors where the reader's system is dark.

    Which mode holds is the browser's word: today's take it from the color-scheme of the page around the picture (so
    that it follows JupyterLab's own theme), older ones from the system. The paper is drawn in both modes, so that even
    where they guess wrong there is never dark ink on a dark page. Colors are plain attributes, which programs that know
    no CSS show too; a style of the file's own replaces them in the dark.

    Raises:
        ValueError: ``svg`` is no ``<svg>`` element with a viewBox, from which its size would follow.
    """
    root = _ROOT.search(svg)
    if root is None or "viewBox" not in root.group(1):
        raise ValueError(f"svg={svg[:60]!r} is not an <svg> element with a viewBox; its size follows from that.")
    svg = _PNG.sub(_smaller, svg)
    svg = re.sub(r'<[a-zA-Z][^<>]*?\sstyle="[^<>]*>', _plain_colors, svg)
    attributes = dict(_ATTRIBUTE.findall(_ROOT.search(svg).group(1)))
    style = dict(part.split(":", 1) for part in attributes.pop("style", "").split(";") if ":" in part)
    x, y, wide, tall = (float(number) for number in attributes["viewBox"].split())
    width = float(style.get("max-width", f"{wide}px").removesuffix("px"))
    if "min-width" in style:
        attributes["data-least"] = style["min-width"].removesuffix("px")
    if attributes.get("fill") == "currentColor":
        attributes["fill"] = palette.light("ink")
    own = ";".join(f"{name}:{value}" for name, value in style.items() if name not in _PLACE)
    attributes |= {"width": f"{width:.0f}", "height": f"{width * tall / wide:.0f}"} | ({"style": own} if own else {})
    attributes.pop("aria-hidden", None)
    paper = (
        f'<rect class="paper" x="{x:g}" y="{y:g}" width="{wide:g}" height="{tall:g}" fill="{palette.light("paper")}"/>'
    )
    head = "".join(f' {name}="{value}"' for name, value in attributes.items())
    body = svg[_ROOT.search(svg).end() :]
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', head + paper + body))
    dark = "".join(
        f'[{paint}="{light}"]{{{paint}:{dark}}}'
        for light, dark in palette.COLORS.values()
        if light in used
        for paint in ("fill", "stroke")
    )
    return f"<svg{head}><style>@media(prefers-color-scheme:dark){{{dark}}}</style>{paper}{body}"


def inline(alone: str, alt: str) -> str:
    """What ``standalone`` made, for a page whose style sheet holds ``page_css()``: no paper, colors of the page.

    Args:
        alone: the file's text.
        alt: the picture's text alternative, which an ``<svg>`` without a title of its own carries as its name.
    """
    alone = _OWN_PAPER.sub("", _OWN_STYLE.sub("", alone, count=1), count=1)
    root = _ROOT.search(alone)
    attributes = dict(_ATTRIBUTE.findall(root.group(1)))
    width, least = attributes.pop("width"), attributes.pop("data-least", "0")
    attributes.pop("height")
    own = attributes.pop("style", "")
    place = f"width:100%;min-width:{least}px;max-width:{width}px;height:auto"
    attributes |= {"role": "img", "style": f"{place};{own}" if own else place}
    if "aria-labelledby" not in attributes:
        attributes["aria-label"] = html.escape(alt, quote=True)
    head = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"{alone[: root.start()]}<svg{head}>{alone[root.end() :]}"


def plain(svg: str, *, dark: bool = False, transparent: bool = False) -> str:
    """The SVG for programs that are no browser (LaTeX by way of rsvg-convert or Inkscape, CairoSVG, an office suite).

    Width and height in pixels, the colors of one mode, common fonts by name; no style sheet, variable or media query.

    Args:
        svg: as for ``standalone``.
        dark: whether with the dark mode's colors instead of the light one's.
        transparent: whether without the paper behind it.

    Raises:
        ValueError: as for ``standalone``.
    """
    alone = _OWN_STYLE.sub("", standalone(svg), count=1)
    x, y, wide, tall = (float(number) for number in re.search(r'viewBox="([^"]*)"', alone)[1].split())
    # A pixel further on each side: whole pixels have not quite the picture's shape, and the rim would be white.
    paper = f'<rect x="{x - 1:g}" y="{y - 1:g}" width="{wide + 2:g}" height="{tall + 2:g}" '
    paper += f'fill="{palette.light("paper")}"/>'
    alone = _OWN_PAPER.sub("" if transparent else paper, alone, count=1)
    if dark:
        values = dict(palette.COLORS.values())
        alone = _PLAIN.sub(lambda paint: f'{paint[1]}="{values.get(paint[2], paint[2])}"', alone)
    alone = re.sub(r' data-least="[^"]*"', "", alone, count=1)
    return alone.replace(f'font-family="{SCREEN_FONTS}"', f'font-family="{PRINT_FONTS}"')


def save(
    svg: str, path: str | Path, *, dark: bool = False, transparent: bool = False, scale: float | None = None
) -> Path:
    """Write the picture to a file; see ``Drawing.save``."""
    path = Path(path).expanduser()
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"path={str(path)!r} ends in {path.suffix!r}. Allowed: {', '.join(FORMATS)}.")
    if scale is not None and suffix != ".png":
        raise ValueError(f"scale={scale!r} is for .png alone: a {suffix} has no pixels. Leave it out.")
    if scale is not None and not 0 < scale <= 100:
        raise ValueError(f"scale={scale!r} is not allowed: give pixels of the file per pixel drawn, above 0 up to 100.")
    data = plain(svg, dark=dark, transparent=transparent).encode()
    if suffix != ".svg":
        cairosvg = _cairosvg(suffix)
        data = cairosvg.svg2pdf(data) if suffix == ".pdf" else cairosvg.svg2png(data, scale=scale or 2.0)
    with replacing(path) as part:
        part.write_bytes(data)
    return path


def _cairosvg(suffix: str) -> Any:
    """The library that turns SVG into pixels and PDF, an optional extra."""
    try:
        import cairosvg
    except ImportError:
        remedy = 'run pip install "cnnlab[draw]"'
    except OSError:  # the package is there, the C library that it calls is not
        remedy = "install it (apt install libcairo2, brew install cairo)"
    else:
        return cairosvg
    needs = "CairoSVG" if "pip" in remedy else "the library cairo"
    raise ImportError(f"A {suffix} file needs {needs}, which is not here: {remedy}, or save as .svg.")


def page_css() -> str:
    """The rules by which a picture in line follows its page: a light value stands for the color of that name."""
    rules = (
        f'.cnnlab-figure svg[{paint}="{light}"],.cnnlab-figure svg [{paint}="{light}"]{{{paint}:var(--cnnlab-{name})}}'
        for name, (light, _) in palette.COLORS.items()
        for paint in ("fill", "stroke")
    )
    return "\n".join(rules) + "\n"


def _plain_colors(match: re.Match[str]) -> str:
    """One tag with the palette's colors as attributes, which any style sheet may replace, instead of in its style."""
    tag = match.group()
    style = re.search(r'\sstyle="([^"]*)"', tag)
    paints = dict(_PAINT.findall(style.group(1)))
    if not paints:
        return _VARIABLE.sub(r"\1", tag)
    rest = _VARIABLE.sub(r"\1", _PAINT.sub("", style.group(1))).strip().rstrip(";")
    kept = f' style="{rest}"' if rest else ""
    colors = "".join(f' {paint}="{color}"' for paint, color in paints.items())
    return tag[: style.start()] + colors + kept + tag[style.end() :]


def _smaller(match: re.Match[str]) -> str:
    """A PNG in as few bytes as show the same pixels: matplotlib writes four channels, a gray picture has one."""
    from PIL import Image, ImageChops

    raw = base64.b64decode(match.group(1))
    with Image.open(io.BytesIO(raw)) as opened:
        picture = opened.convert("RGBA") if opened.mode not in ("RGB", "RGBA") else opened.copy()
    if picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255):
        picture = picture.convert("RGB")
    if picture.mode == "RGB":
        red, green, blue = picture.split()
        if all(ImageChops.difference(red, other).getbbox() is None for other in (green, blue)):
            picture = red
    packed = io.BytesIO()
    picture.save(packed, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(min(packed.getvalue(), raw, key=len)).decode('ascii')}"


def well_formed(svg: str) -> str:
    """Without control characters, which no SVG may hold and a class's or a module's name may."""
    return _CONTROL.sub("", svg)


def worded(argument: str, text: str) -> str:
    """``text`` if it holds words, else a ValueError that says what is wanted."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{argument}={text!r} is empty; say in a sentence what the picture shows.")
    return text


# ---------------------------------------------------------------------------------------------- figures and numbers

# Captions in the order in which they were first shown in this kernel: a figure that is shown again, its values changed
# perhaps, keeps its number.
_numbers: dict[str, int] = {}


def restart_numbering() -> None:
    """The next captioned figure is Figure 1. ``cnnlab.setup`` calls this, so that each chapter counts from one."""
    _numbers.clear()


class Embedded:
    """A picture with its text alternative, as notebooks display it.

    Args:
        svg: as for ``figure_html``.
        alt: what the picture shows, in words, for readers who cannot see it.
        caption: a sentence below it for all readers, which gets the number of the figure: "Figure 3. ...". None for
            none, and no number.
        narrow, by_hand: as for ``still_html``.

    Raises:
        ValueError: ``alt`` or ``caption`` is empty.
    """

    def __init__(
        self, svg: str, alt: str, caption: str | None = None, narrow: str | None = None, *, by_hand: bool = False
    ) -> None:
        self.svg = svg
        self.narrow = narrow
        self.by_hand = by_hand
        self.alt = worded("alt", alt)
        self.captioned(caption)

    def captioned(self: Self, caption: str | None) -> Self:
        """Give it this caption, or none; returns itself."""
        self.caption = None if caption is None else worded("caption", caption)
        return self

    def _line(self) -> str:
        """The caption with its number, which counts from the first time that it is shown."""
        if self.caption is None:
            return ""
        return f"Figure {_numbers.setdefault(self.caption, len(_numbers) + 1)}. {self.caption}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        line = self._line()
        said = f"{line} {self.alt}" if line else f"Figure: {self.alt}"
        return {"text/html": self._repr_html_(), "text/plain": f"[{said}]"}

    def _repr_html_(self) -> str:
        return still_html(self.svg, self.alt, self._line(), self.narrow, by_hand=self.by_hand)
