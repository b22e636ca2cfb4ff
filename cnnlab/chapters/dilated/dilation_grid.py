"""Stacked dilated 3 × 3 layers from above: which pixels one output reads, along how many paths, and which it misses."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlab.widgets.explorer import Explorer, whole

__all__ = ["dilation_grid"]

MOST_LAYERS = 4
MOST_RATE = 9

DILATION_GRID_PRESETS: dict[str, tuple[int, ...]] = {
    "Plain 1, 1, 1": (1, 1, 1),
    "Doubling 1, 2, 4": (1, 2, 4),
    "Same 2, 2, 2": (2, 2, 2),
    "Even 2, 4, 8": (2, 4, 8),
    "Hybrid 1, 2, 3": (1, 2, 3),
    "Hybrid 1, 2, 5": (1, 2, 5),
    "Tripling 1, 3, 9": (1, 3, 9),
}


def dilation_grid(rates: Sequence[int] | None = None, *, key: str | None = None) -> Explorer:
    """The pixels that one output of a stack of dilated 3 × 3 layers reads, with the number of paths to each.

    The layers have stride 1. Rows behave as columns do, so the paths to a pixel are the product of the ways in which
    one tap of each layer adds up to its distance across and to its distance down. The numbers are those of
    `cnnlab.convolutions.grid_coverage`.

    Args:
        rates: the dilation of each layer at the start; None means 2, 2, 2.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for no layer, more than four, or a rate that is no whole number from 1 to 9.
    """
    rates = DILATION_GRID_PRESETS["Same 2, 2, 2"] if rates is None else tuple(rates)
    if not 1 <= len(rates) <= MOST_LAYERS:
        raise ValueError(f"rates has {len(rates)} entries; give one rate for each layer, 1 to {MOST_LAYERS} of them.")
    reached = {0}
    for number, rate in enumerate(rates):
        whole(f"rates[{number}]", rate, 1, MOST_RATE, "Larger ones cannot be drawn pixel by pixel.")
        reached = {offset + tap for offset in reached for tap in (-rate, 0, rate)}
    field = 2 * sum(rates) + 1
    return Explorer(
        "dilation_grid",
        {
            "rates": list(rates),
            "most": [MOST_LAYERS, MOST_RATE],
            "presets": [[name, list(preset)] for name, preset in DILATION_GRID_PRESETS.items()],
        },
        key=key,
        title="Dilation grid",
        alt=f"Sliders for the rates of up to {MOST_LAYERS} dilated layers, and a grid of the pixels that one output "
        f"reads, with the number of paths to each. At the start the rates are {', '.join(map(str, rates))}: the field "
        f"is {field} × {field} pixels, and the output reads {len(reached) ** 2} of its {field**2}.",
    )
