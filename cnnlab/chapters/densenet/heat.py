"""Heat maps of which layer reads which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["heat_maps"]

Rows = Sequence[Sequence[float]]  # [reader][source]


def heat_maps(
    panels: Mapping[str, Rows], *, across: int = 3, scales: Mapping[str, tuple[float, float]] | None = None
) -> Figure:
    """One square map for each entry, readers from left to right and sources from top to bottom, as in the paper.

    Args:
        panels: title -> [reader][source]; the last reader is what comes after the block.
        across: maps in a row.
        scales: title -> the values of the darkest and the brightest shade, which are written under it; else from 0 to
            the panel's greatest.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    down = -(-len(panels) // across)
    figure, axes = plt.subplots(down, across, figsize=(2.45 * across, 2.95 * down), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, (title, rows) in zip(axes.flat, panels.items(), strict=False):
        n = len(rows)
        square = np.full((n, n), np.nan)
        for reader, row in enumerate(rows):
            square[: len(row), reader] = row
        low, high = (scales or {}).get(title, (0.0, float(np.nanmax(square))))
        axis.imshow(square, cmap="viridis", vmin=low, vmax=high)
        # A color bar beside each would leave the maps half of their width.
        axis.set_title(f"{title}\n{low:.2g} to {high:.2g}")
        axis.set_xticks(range(n), labels=[*map(str, range(1, n)), "out"])
        axis.set_yticks(range(n), labels=["in", *map(str, range(1, n))])
        axis.grid(False)
    for row in axes:
        row[0].set_ylabel("what is read")
    for axis in axes[-1]:
        axis.set_xlabel("layer that reads")
    return figure
