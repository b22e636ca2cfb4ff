"""A canvas that collects SVG elements and grows with them, and the box that stands for an operator on it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from cnnlab.draw import palette
from cnnlab.draw.embed import SCREEN_FONTS, well_formed

__all__ = ["ROLE_COLOR", "text_width", "Picture", "Canvas", "num"]

ROLE_COLOR = {
    "conv": "blue",
    "pool": "teal",
    "dense": "violet",
    "attention": "orange",
    "norm": "grey",
    "activation": "green",
    "add": "red",
    "concatenate": "gold",
    "multiply": "orange",
    "bundle": "gold",
    "other": "grey",
}

_NARROW = frozenset("iIjl.,:;|'! ft()[]1")
_WIDE = frozenset("mMWwGOQ@×→")


def text_width(text: str, size: float) -> float:
    """Width of a text in the usual sans-serif fonts, rather too wide than too narrow."""
    return size * sum(0.36 if c in _NARROW else 0.9 if c in _WIDE else 0.6 for c in text)


class Picture(NamedTuple):
    """A finished drawing.

    Attributes:
        svg: one ``<svg>`` element.
        alt: what it shows, in words.
        title: its name, for whoever cannot see it.
    """

    svg: str
    alt: str
    title: str


class Canvas:
    """Collects SVG elements and the room that they need."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.left = self.top = float("inf")
        self.right = self.bottom = float("-inf")

    def room(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.left, self.top = min(self.left, x0), min(self.top, y0)
        self.right, self.bottom = max(self.right, x1), max(self.bottom, y1)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 12,
        anchor: str = "middle",
        bold: bool = False,
        muted: bool = False,
    ) -> None:
        """``y`` is the baseline."""
        if not text:
            return
        wide = text_width(text, size) * (1.06 if bold else 1)
        start = x - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        self.room(start, y - size, start + wide, y + 0.3 * size)
        weight = ' font-weight="600"' if bold else ""
        opacity = ' fill-opacity=".72"' if muted else ""
        self.parts.append(
            f'<text x="{num(x)}" y="{num(y)}" font-size="{num(size)}" text-anchor="{anchor}"{weight}{opacity}>'
            f"{escape(text)}</text>"
        )

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        color: str,
        radius: float = 6,
        fill: float = 0.14,
        stroke: float = 1.4,
        dashed: bool = False,
    ) -> None:
        self.room(x, y, x + w, y + h)
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(
            f'<rect x="{num(x)}" y="{num(y)}" width="{num(w)}" height="{num(h)}" rx="{num(radius)}" '
            f'style="fill:{palette.css(color)};stroke:{palette.css(color)}" fill-opacity="{fill}" '
            f'stroke-width="{stroke}"{dash}/>'
        )

    def paper(self, x: float, y: float, w: float, h: float, radius: float = 10, color: str = "surface") -> None:
        self.room(x, y, x + w, y + h)
        self.parts.append(
            f'<rect x="{num(x)}" y="{num(y)}" width="{num(w)}" height="{num(h)}" rx="{num(radius)}" '
            f'style="fill:{palette.css(color)};stroke:{palette.css("grid")}"/>'
        )

    def path(
        self,
        d: str,
        color: str = "ink",
        width: float = 1.4,
        dashed: bool = False,
        arrow: bool = False,
        opacity: float = 1,
        css_class: str = "",
    ) -> None:
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        head = f' marker-end="url(#HEAD-{color})"' if arrow else ""
        faint = f' stroke-opacity="{opacity}"' if opacity < 1 else ""
        name = f' class="{css_class}"' if css_class else ""
        self.parts.append(
            f'<path d="{d}"{name} fill="none" style="stroke:{palette.css(color)}" stroke-width="{width}" '
            f'stroke-linejoin="round" stroke-linecap="round"{dash}{faint}{head}/>'
        )

    def polygon(self, points: Sequence[tuple[float, float]], color: str, fill: float, stroke: float = 0) -> None:
        for x, y in points:
            self.room(x, y, x, y)
        where = " ".join(f"{num(x)},{num(y)}" for x, y in points)
        line = f";stroke:{palette.css(color)}" if stroke else ""
        width = f' stroke-width="{stroke}" stroke-linejoin="round"' if stroke else ""
        self.parts.append(
            f'<polygon points="{where}" style="fill:{palette.css(color)}{line}" fill-opacity="{fill}"{width}/>'
        )

    def dot(self, x: float, y: float, radius: float = 2.6, color: str = "ink") -> None:
        self.parts.append(f'<circle cx="{num(x)}" cy="{num(y)}" r="{radius}" style="fill:{palette.css(color)}"/>')

    def joint(self, x: float, y: float, role: str, radius: float = 9) -> None:
        """The circle in which branches meet: + adds, × multiplies."""
        self.room(x - radius, y - radius, x + radius, y + radius)
        color = ROLE_COLOR[role]
        arm = radius * 0.5
        k = 0 if role == "add" else arm * 0.29
        cross = (
            f"M{num(x - arm + k)} {num(y - k * 2.4)}L{num(x + arm - k)} {num(y + k * 2.4)}"
            f"M{num(x + k * 2.4)} {num(y - arm + k)}L{num(x - k * 2.4)} {num(y + arm - k)}"
        )
        self.parts.append(
            f'<g class="cnnlab-joint-{role}"><circle cx="{num(x)}" cy="{num(y)}" r="{num(radius)}" '
            f'style="fill:{palette.css("paper")};stroke:{palette.css(color)}" stroke-width="1.6"/>'
            f'<path d="{cross}" fill="none" style="stroke:{palette.css(color)}" stroke-width="1.8" '
            f'stroke-linecap="round"/></g>'
        )

    def picture(self, title: str, alt: str, least: float | None = None, margin: float = 8) -> Picture:
        """All of it; below ``least`` pixels it scrolls instead of shrinking on."""
        x, y = self.left - margin, self.top - margin
        w, h = self.right - self.left + 2 * margin, self.bottom - self.top + 2 * margin
        body = well_formed("".join(self.parts))
        key = hashlib.sha256((title + body).encode()).hexdigest()[:8]
        heads = ""
        for color in sorted({part.split("#HEAD-")[1].split(")")[0] for part in self.parts if "#HEAD-" in part}):
            heads += (
                f'<marker id="h{key}-{color}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6.5" '
                f'markerHeight="6.5" orient="auto"><path d="M0 .8L7.4 4L0 7.2z" '
                f'style="fill:{palette.css(color)}"/></marker>'
            )
        body = body.replace("url(#HEAD-", f"url(#h{key}-")
        floor = f"min-width:{num(min(w, least))}px;" if least else ""
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{num(x)} {num(y)} {num(w)} {num(h)}" role="img" '
            f'aria-labelledby="t{key} d{key}" font-family="{SCREEN_FONTS}" fill="currentColor" '
            f'style="display:block;width:100%;max-width:{num(w)}px;{floor}height:auto;margin:0 auto">'
            f'<title id="t{key}">{escape(title)}</title><desc id="d{key}">{escape(alt)}</desc>'
            f"<defs>{heads}</defs>{body}</svg>"
        )
        return Picture(svg, alt, title)


def num(value: float) -> str:
    """A number as SVG writes it, the same on every machine."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text
