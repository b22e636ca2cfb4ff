"""The reliability diagram: how often answers are right, against how sure they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from cnnlab.draw.embed import worded
from cnnlab.draw.palette import light
from cnnlab.draw.style import plain, show

if TYPE_CHECKING:
    from cnnlab.evaluation import Calibration

__all__ = ["reliability"]


def reliability(
    calibrations: Mapping[str, Calibration],
    alt: str | None = None,
    caption: str | None = None,
    *,
    size: tuple[float, float] | None = None,
) -> None:
    """Show a reliability diagram for each of some ways of asking, side by side, as in Guo et al. (2017), figure 1.

    A bar is the accuracy in a bin, the dashed line where it should end, and the shade between them the gap whose mean
    over the pictures is the ECE. Pale bars hold fewer than one picture in a hundred.

    Args:
        calibrations: name -> what :func:`cnnlab.evaluation.calibration` gave.
        alt: what the figure shows, as for ``show``.
        caption: the numbered line below.
        size: width and height in inches.

    Raises:
        ValueError: there is nothing to draw, or ``alt`` is missing.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    if not calibrations:
        raise ValueError("calibrations is empty: give one or more, by the names that shall stand above them.")
    worded("alt", alt)
    figsize = size or (min(7.4, 2.9 * len(calibrations)), 3.0)
    figure, axes = plt.subplots(1, len(calibrations), figsize=figsize, sharey=True, squeeze=False)
    for axis, (name, found) in zip(axes[0], calibrations.items(), strict=True):
        edges, full = found.edges.numpy(), (found.count > 0).numpy()
        left, width = edges[:-1][full], np.diff(edges)[full]
        accuracy, confidence = found.accuracy.numpy()[full], found.confidence.numpy()[full]
        share = found.count.numpy()[full] / found.count.sum().item()
        low, high = np.minimum(accuracy, confidence), np.maximum(accuracy, confidence)
        for chosen, strong in ((share >= 0.01, 1.0), (share < 0.01, 0.35)):
            at, wide = left[chosen], width[chosen]
            bars = {"align": "edge", "color": light("blue"), "edgecolor": light("paper")}
            axis.bar(at, accuracy[chosen], wide, alpha=strong, **bars)
            gap = (high - low)[chosen]
            axis.bar(at, gap, wide, low[chosen], align="edge", color=light("orange"), alpha=0.45 * strong)
        axis.plot([0, 1], [0, 1], "--", color=light("muted"), linewidth=1.2)
        axis.set(xlim=(0, 1), ylim=(0, 1), title=f"{plain(name)}: ECE {100 * found.ece:.1f}%", xlabel="confidence")
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.set_xticks([0, 0.5, 1])
    axes[0, 0].set_ylabel("accuracy")
    show(figure, alt, caption=caption)
