"""What stands for the training lab where no kernel is behind the page: a drawn panel and a line of text.

A widget is dead there, and its place would be an empty hole. Each execution request says whether somebody sits in
front of it (``allow_stdin``: JupyterLab, Notebook, VS Code and Colab say yes; nbclient, nbconvert and nbval, which
make and check the committed outputs, say no). With somebody there, displaying the lab shows the widgets; else it
emits a poster: plain HTML, the same bytes each time, with no widget in it. So a built page, GitHub and a notebook
opened without a kernel show the poster.
"""

from __future__ import annotations

import html
import sys
from collections.abc import Sequence
from typing import NamedTuple

from cnnlab.draw.embed import still_html
from cnnlab.draw.palette import css

__all__ = ["Offer", "poster", "drawn", "framed", "somebody_there"]

_ALT = (
    "The {lab}, drawn as it looks when it runs: menus for {menus}; the buttons Train and Stop; a progress bar; "
    "and {shown}. This is a drawing, not a result."
)
_NOTE = (
    "The {lab} needs Python behind the page: you choose a network, data and an optimizer, train it, watch {watched} "
    "and compare runs. Run this page in Jupyter or Colab (its button is at the top of the page) to use it."
)


_TRANSFER = (
    "Here you also choose whether the network begins fresh or pretrained, and whether its head, its top or all of it "
    "trains."
)


class Offer(NamedTuple):
    """What a lab's menus offer, the first of each chosen, and the rate that they begin with."""

    models: Sequence[str]
    datasets: Sequence[str]
    optimizer: str
    lr: float


def poster(offered: Offer, *, transfer: bool = False) -> str:
    """The poster as HTML; the same bytes for the same lab. ``transfer``: the panel has menus for it."""
    shown = "a chart on which a test and a training curve rise"
    more = [_TRANSFER] if transfer else []
    return drawn("training lab", offered, _curves(), shown, "the curves grow", more)


def drawn(
    lab: str,
    offered: Offer,
    picture: str,
    shown: str,
    watched: str,
    more: Sequence[str] = (),
) -> str:
    """The poster of any lab that trains.

    Args:
        lab: what it is called, such as "training lab".
        offered: what its menus offer, and begin with.
        picture: SVG in 210 x 150 units, drawn at the right of the panel.
        shown: that picture in words.
        watched: what one watches in it.
        more: sentences about further menus.
    """
    said = _ALT.format(lab=lab, menus="model, data, optimizer and learning rate", shown=shown)
    figure = still_html(_panel(offered, picture), said)
    there = f"Networks here: {', '.join(offered.models)}. Data: {', '.join(offered.datasets)}."
    return framed(figure, " ".join([_NOTE.format(lab=lab, watched=watched), *more, there]))


def framed(figure: str, note: str) -> str:
    """A drawn panel as HTML, and below it the line that says what it stands for."""
    style = f"max-width:40rem;border:1px solid {css('grid')};border-radius:8px;padding:0.75rem 1rem"
    said = f'<p style="margin:0.5rem 0 0">{html.escape(note)}</p>'
    return f'<div class="cnnlab-lab-poster" style="{style}">{figure}{said}</div>'


def somebody_there() -> bool:
    """Whether a person may be looking: the request being executed allows input, or this is Colab."""
    if "google.colab" in sys.modules:
        return True
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))


def _panel(offered: Offer, picture: str) -> str:
    """A sketch of the panel: four menus, two buttons, a bar, and the picture."""
    muted, ink, grid, blue, surface = (css(name) for name in ("muted", "ink", "grid", "blue", "surface"))
    parts = []
    chosen = (offered.models[0], offered.datasets[0], offered.optimizer, f"{offered.lr:g}")
    for place, (name, value) in enumerate(zip(("model", "data", "optimizer", "learning rate"), chosen, strict=True)):
        x, y = 8 + 120 * (place % 2), 8 + 48 * (place // 2)
        parts.append(
            f'<text x="{x}" y="{y + 9}" font-size="10" style="fill:{muted}">{name}</text>'
            f'<rect x="{x}" y="{y + 14}" width="110" height="24" rx="4" style="fill:{surface};stroke:{grid}"/>'
            f'<text x="{x + 7}" y="{y + 30}" font-size="11" style="fill:{ink}">{html.escape(value)}</text>'
            f'<path d="M{x + 96} {y + 24}l4 5 4 -5" fill="none" style="stroke:{muted}"/>'
        )
    paper = css("paper")
    parts.append(
        f'<rect x="8" y="112" width="64" height="26" rx="4" style="fill:{blue}"/>'
        f'<text x="40" y="129" font-size="12" text-anchor="middle" style="fill:{paper}">Train</text>'
        f'<rect x="80" y="112" width="64" height="26" rx="4" fill="none" style="stroke:{muted}"/>'
        f'<text x="112" y="129" font-size="12" text-anchor="middle" style="fill:{ink}">Stop</text>'
        f'<rect x="8" y="152" width="230" height="8" rx="4" style="fill:{grid}"/>'
        f'<rect x="8" y="152" width="145" height="8" rx="4" style="fill:{blue}"/>'
        f"{picture}"
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 174" aria-hidden="true" font-family="sans-serif" '
        f'style="width:100%;height:auto;display:block">{"".join(parts)}</svg>'
    )


def _curves() -> str:
    muted, blue = css("muted"), css("blue")
    return (
        f'<path d="M272 12V150H470" fill="none" style="stroke:{muted}"/>'
        f'<path d="M282 118C310 60 330 46 360 40S430 33 462 31" fill="none" stroke-width="2" style="stroke:{blue}"/>'
        f'<path d="M282 134C312 76 334 54 366 40S430 22 462 18" fill="none" stroke-width="1.5" stroke-dasharray="4 3" '
        f'style="stroke:{blue}"/>'
        f'<text x="371" y="166" font-size="10" text-anchor="middle" style="fill:{muted}">epoch</text>'
        f'<text x="278" y="18" font-size="10" style="fill:{muted}">accuracy</text>'
        f'<text x="466" y="48" font-size="10" text-anchor="end" style="fill:{muted}">test</text>'
    )
