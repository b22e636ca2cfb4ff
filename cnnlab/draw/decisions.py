"""A decision tree as a figure: questions down the left, what a yes leads to on the right."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from cnnlab.draw.palette import light

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["decision_tree"]


def decision_tree(root: Any, *, leaf: str = "variant", wrap: int = 24, narrow: bool = False) -> Figure:
    """Draw nested questions. A no goes down, a yes goes right.

    Args:
        root: an object with ``asks`` (text), ``yes`` and ``no``, each of them such an object or a leaf, as
            `cnnlab.convolutions.decision_tree` gives.
        leaf: the attribute of a leaf that is its text.
        wrap: characters to a line.
        narrow: for a phone (the `narrow` of `cnnlab.draw.show`): columns half as wide, and higher boxes.
    """
    import matplotlib.pyplot as plt

    boxes: list[tuple[float, float, str, bool]] = []
    arrows: list[tuple[tuple[float, float], tuple[float, float], str]] = []

    def place(node: Any, column: int, row: int) -> int:
        """Put a node and what follows from it; return the first row below."""
        is_leaf = not hasattr(node, "asks")
        boxes.append((column, row, getattr(node, leaf) if is_leaf else node.asks, is_leaf))
        if is_leaf:
            return row + 1
        arrows.append(((column, row), (column + 1, row), "yes"))
        below = place(node.yes, column + 1, row)
        arrows.append(((column, row), (column, below), "no"))
        return place(node.no, column, below)

    rows = place(root, 0, 0)
    columns = 1 + max(int(column) for column, *_ in boxes)
    wide, tall = (0.84, 0.78) if narrow else (0.76, 0.74)  # of a cell
    # Inches of a cell, and letters to a line.
    across, down, wrap = (1.45, 0.95, 15) if narrow else (2.35, 0.72, wrap)
    figure, axis = plt.subplots(figsize=(across * columns, down * rows))
    for (x, y), (to_x, to_y), word in arrows:
        start = (x + wide / 2, y) if word == "yes" else (x, y + tall / 2)
        end = (to_x - wide / 2, to_y) if word == "yes" else (to_x, to_y - tall / 2)
        line = {"arrowstyle": "-|>", "color": light("muted"), "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", end, start, arrowprops=line)
        at = ((start[0] + end[0]) / 2, y - 0.09) if word == "yes" else (x + 0.03, y + tall / 2 + 0.13)
        axis.text(*at, word, ha="center" if word == "yes" else "left", va="center", fontsize=8, color=light("muted"))
    for x, y, text, is_leaf in boxes:
        color = light("green" if is_leaf else "blue")
        box = plt.Rectangle((x - wide / 2, y - tall / 2), wide, tall, facecolor=color, alpha=0.13, edgecolor="none")
        axis.add_patch(box)
        weight = "bold" if is_leaf else "normal"
        axis.text(x, y, textwrap.fill(text, wrap), ha="center", va="center", fontsize=8.5, fontweight=weight)
    axis.set(xlim=(-wide / 2 - 0.05, columns - 1 + wide / 2 + 0.05), ylim=(rows - 0.5, -0.5))
    axis.axis("off")
    return figure
