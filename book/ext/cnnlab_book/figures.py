"""A figure that a notebook stores as ``<img>`` becomes inline SVG, so that it follows the page's own light and dark."""

from __future__ import annotations

import base64
import html
import re
from typing import Any

from sphinx.application import Sphinx

from cnnlab.draw.embed import inline

from .panels import cut, halves

# As cnnlab.draw.embed.still_html writes it.
_STILL = re.compile(
    r'<figure class="cnnlab-figure"[^>]*>'
    r'(?:<picture><source( data-by-hand)? media="[^"]*" srcset="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)">)?'
    r'<img alt="([^"]*)"[^>]*\ssrc="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)"[^>]*>'
    r"(?:</picture>)?(<figcaption>.*?</figcaption>)?</figure>",
    re.DOTALL,
)
_ID = re.compile(r'\sid="([^"]+)"')
_TITLE = re.compile(r"<title[^>]*>([^<]*)</title>")


def _unique(svg: str, used: set[str]) -> str:
    """The picture with ids of its own, where the page shows it for a second time."""
    own = set(_ID.findall(svg))
    if own & used:
        number = next(
            n for n in range(2, 1000) if not {f"{name}-{n}" for name in own} & used
        )
        names = "|".join(re.escape(name) for name in sorted(own, key=len, reverse=True))
        # An id stands after id=", #, or a blank in a list of ids, and ends where the reference ends.
        svg = re.sub(rf'(?<=["#\s])({names})(?=[")\s])', rf"\1-{number}", svg)
        own = set(_ID.findall(svg))
    used |= own
    return svg


def _unpacked(packed: str) -> str:
    return base64.b64decode(packed).decode("utf-8")


def inline_figures(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Put the SVG of each stored figure in line, each id once in a page; the caption stays below.

    Beside it stands what a narrow page shows instead: what its author laid out for it, or the halves of a figure whose
    panels stand side by side, or the chart laid out anew.
    """
    used: set[str] = set()

    def put(match: re.Match[str]) -> str:
        by_hand, narrow, alt, packed, caption = match.groups()
        stored = _unpacked(packed)
        svg = _unique(inline(stored, html.unescape(alt)), used)
        place, kind = cut(stored), ""
        if place is not None and not by_hand:
            name = f"panels-{len(used)}"
            used.add(name)
            svg, kind = halves(svg, place, name, alt), " cnnlab-cut"
        elif narrow:
            small = _unique(inline(_unpacked(narrow), html.unescape(alt)), used)
            svg += small.replace("<svg", '<svg class="cnnlab-half"', 1)
            kind = " cnnlab-cut"
        # A drawing wider than the screen scrolls inside its own box, also from the keyboard; the caption stays put.
        title = _TITLE.search(svg)
        region = (
            f' role="region" tabindex="0" aria-label="{html.escape(html.unescape(title[1]))}"'
            if title
            else ""
        )
        return f'<figure class="cnnlab-figure"><div class="cnnlab-scroll{kind}"{region}>{svg}</div>{caption or ""}</figure>'

    if context.get("body"):
        context["body"] = _STILL.sub(put, context["body"])
