"""Drawings of the chapter: NASNet's cells from the model's own tables, and the small space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnlab.models.nasnet import Table

__all__ = ["said", "cells_figure"]

COLORS = {"h": "C0", "before": "C1", "sum": "C2"}


def said(term: Any) -> tuple[str, str]:
    """An operation of a NASNet's cell, and what it is done to, in words."""
    from cnnlab.models.nasnet import BEFORE, H

    name = {"Separable": "separable", "Average": "average", "Maximum": "max pool", "Identity": "as it is"}
    size = "" if term.operation.__name__ == "Identity" else f" {term.kernel}×{term.kernel}"
    of = {H: "h", BEFORE: "before"}.get(term.state, f"sum {term.state}")
    return name[term.operation.__name__] + size, of


def cells_figure(cells: Mapping[str, Table], joined: Mapping[Table, tuple[int, ...]], wide: float = 6.4) -> Figure:
    """Each cell as five sums of two operations, a row a sum; a color tells what an operation is done to.

    Args:
        cells: heading -> the table of a cell.
        joined: table -> the states that make the cell's output.
        wide: inches; a phone takes 4.4.
    """
    import matplotlib.pyplot as plt

    rows = sum(len(table) + 1 for table in cells.values())
    figure, axis = plt.subplots(figsize=(wide, 0.34 * rows + 0.4))
    letters = 9 if wide > 5 else 7.5
    y = 0.0
    for heading, table in cells.items():
        axis.text(0, y, heading, fontsize=letters + 1, fontweight="bold", va="center")
        for number, terms in enumerate(table, 2):
            y += 1
            axis.text(0, y, f"sum {number} =", fontsize=letters, va="center")
            for place, term in zip((0.155, 0.5), terms, strict=True):
                words, of = said(term)
                box = plt.Rectangle(
                    (place, y - 0.38), 0.31, 0.76, color=COLORS[of[:3] if "sum" in of else of], alpha=0.25
                )
                axis.add_patch(box)
                axis.text(place + 0.155, y, f"{words} of {of}", fontsize=letters, ha="center", va="center")
            axis.text(0.4825, y, "+", fontsize=letters, ha="center", va="center")
            if number in joined[table]:
                axis.text(0.83, y, "→ output", fontsize=letters, va="center")
        y += 1
    axis.set(xlim=(0, 1), ylim=(y - 0.4, -0.6))
    axis.axis("off")
    return figure
