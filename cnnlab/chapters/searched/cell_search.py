"""A cell of the small space: its drawing, its bill, its accuracy among all, and how a random search would meet it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["cell_search"]

OFFERED = {"0": "nothing", "i": "as it is", "a": "average", "1": "1 × 1", "3": "3 × 3"}

PANEL = Panel(
    "cell_search",
    title="Build a cell",
    controls=(
        Choice("first", "Input to middle", OFFERED),
        Choice("second", "Middle to output", OFFERED),
        Choice("direct", "Input to output", OFFERED),
        Slider("trials", 1, 60, "trials of a random search", symbol="N", color="orange"),
    ),
    presets={
        "One convolution": {"first": "0", "second": "0", "direct": "3"},
        "A residual pair": {"first": "3", "second": "3", "direct": "i"},
        "As large as it gets": {"first": "3", "second": "3", "direct": "3"},
        "Nothing gets through": {"first": "3", "second": "0", "direct": "0"},
    },
    alt=lambda first, second, direct, trials: (
        "Choices of an operation for each of a cell's three edges; the cell drawn as three nodes and three arrows; all "
        "cells as dots, by their multiply-accumulates and their accuracy, with this one marked; and the chance that a "
        f"random search of {trials} trials meets one as good. At the start the edges are {OFFERED[first]}, "
        f"{OFFERED[second]} and {OFFERED[direct]}."
    ),
    room=260,
    hint=150,
)


def cell_search(
    rows: Mapping[str, tuple[int, int, Sequence[float]]],
    first: str = "3",
    second: str = "a",
    direct: str = "1",
    trials: int = 10,
    *,
    key: str | None = None,
) -> Explorer:
    """Choose three operations, and see what the cell costs, what it reached, and how it ranks.

    Args:
        rows: for each of ``cells.CELLS``: parameters and multiply-accumulates of its network, and its test accuracies,
            one for each seed; none of them where it has not been trained.
        first, second, direct: the operation of each edge, a key of ``cells.OPERATIONS``.
        trials: of a random search over the 125 drawings.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered, or no rows.
    """
    if not rows:
        raise ValueError("rows is empty: give parameters, multiply-accumulates and accuracies of each cell.")
    data = {"cells": {cell: [*own[:2], [round(one, 4) for one in own[2]]] for cell, own in rows.items()}}
    return PANEL(first=first, second=second, direct=direct, trials=trials, data=data, key=key)
