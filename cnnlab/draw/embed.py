"""Our own SVG as notebook output: themed, labelled, and the same bytes every time."""

from __future__ import annotations

import html
import re
from typing import Any

from cnnlab.draw import palette

# Where other hosts say that they are dark. The book itself sets the variables on the page.
_DARK_HOSTS = (
    'body[data-jp-theme-light="false"] .cnnlab-figure',  # JupyterLab, Notebook 7
    "html[theme=dark] .cnnlab-figure",  # Colab
    "body.vscode-dark .cnnlab-figure",  # VS Code
)


def figure_html(svg: str, alt: str) -> str:
    """Wrap an SVG for display: ``<figure class="cnnlab-figure" role="img" aria-label="...">``.

    Args:
        svg: one ``<svg>`` element, without XML prologue, whose colors are written with ``palette.css``.
        alt: what the picture shows, in words; required, since some readers have only this.

    Raises:
        ValueError: ``alt`` is empty.
    """
    if not alt.strip():
        raise ValueError(f"alt={alt!r} is empty; say in a sentence what the picture shows.")
    # A picture wider than a phone scrolls in its own box.
    style = f".cnnlab-figure{{overflow-x:auto}}{','.join(_DARK_HOSTS)}{{{palette.css_variables('dark')}}}"
    return (
        f'<figure class="cnnlab-figure" role="img" aria-label="{html.escape(alt, quote=True)}">'
        f"<style>{style}</style>{svg}</figure>"
    )


def themed(svg: str) -> str:
    """Replace the palette's light values inside ``style`` attributes by the page's variables."""
    by_value = {palette.light(name): name for name in palette.COLORS}
    pattern = re.compile("|".join(by_value), flags=re.IGNORECASE)

    def in_style(match: re.Match[str]) -> str:
        return pattern.sub(lambda color: palette.css(by_value[color.group().lower()]), match.group())

    return re.sub(r'style="[^"]*"', in_style, svg)


class Embedded:
    """A picture with its text alternative, as notebooks display it."""

    def __init__(self, svg: str, alt: str) -> None:
        self.svg = svg
        self.alt = alt
        self._html = figure_html(svg, alt)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._html, "text/plain": f"[Figure: {self.alt}]"}

    def _repr_html_(self) -> str:
        return self._html
