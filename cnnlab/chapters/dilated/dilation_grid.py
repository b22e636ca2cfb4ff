"""Stacked dilated 3 × 3 layers from above: which pixels one output reads, along how many paths, and which it misses."""

from __future__ import annotations

from collections.abc import Sequence

from cnnlab.widgets.explorer import Explorer, whole
from cnnlab.widgets.panel import Count, Panel, Pick, Slider, Toggle

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


def _state(rates: Sequence[int]) -> dict[str, int]:
    """The controls' values: a layer that is not there waits with rate 1."""
    waiting = [1] * (MOST_LAYERS - len(rates))
    return {"layers": len(rates)} | {f"rate{i}": rate for i, rate in enumerate([*rates, *waiting], start=1)}


def _alt(layers: int, beside: bool, **named: int) -> str:
    rates = [*named.values()][:layers]
    reached = {0}
    for rate in rates:
        reached = {offset + tap for offset in reached for tap in (-rate, 0, rate)}
    field = 2 * sum(rates) + 1
    return (
        f"Sliders for the rates of up to {MOST_LAYERS} dilated layers, and a grid of the pixels that one output "
        f"reads, with the number of paths to each. At the start the rates are {', '.join(map(str, rates))}: the field "
        f"is {field} × {field} pixels, and the output reads {len(reached) ** 2} of its {field**2}."
    )


PANEL = Panel(
    "dilation_grid",
    title="Dilation grid",
    controls=(
        *(Slider(f"rate{i}", 1, MOST_RATE, f"layer {i}", symbol="d", color="blue") for i in range(1, MOST_LAYERS + 1)),
        Count("layers", 1, MOST_LAYERS, "Add a layer", "Remove the last"),
        Toggle("beside", "The neighbor's pixels"),
        Pick("picture", "Pixels around one output. The arrow keys choose a pixel.", sets=("x", "y")),
    ),
    alt=_alt,
    room=250,
    hint=220,
    presets={name: _state(rates) for name, rates in DILATION_GRID_PRESETS.items()},
    trying="Stacks to try",
    variables={"x": 1, "y": 0},
)


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
    for number, rate in enumerate(rates):
        whole(f"rates[{number}]", rate, 1, MOST_RATE, "Larger ones cannot be drawn pixel by pixel.")
    return PANEL(**_state(rates), beside=False, key=key)
