"""The weights of a real layer, channel by channel, rounded to few bits with one scale or with one for each channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Select, Slider

__all__ = ["rounded_channels"]

SCALES = {"tensor": "one for the layer", "channel": "one for each channel"}
MOST = 32  # channels that fit side by side


def rounded_channels(
    layers: Mapping[str, Any], *, bits: int = 4, per: str = "tensor", key: str | None = None
) -> Explorer:
    """Choose a layer, the bits and the scales, and see which weights are left in each channel.

    Args:
        layers: name -> weights, those of one output channel in a row. Shape: (K, n) with K up to 32.
        bits: 2 to 8.
        per: "tensor" or "channel".
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: no layer, too many channels, or a value that its control does not offer.
    """
    if not layers:
        raise ValueError("layers is empty; give one or more, name -> weights of shape (K, n).")
    rows = {name: [[float(f"{number:.3g}") for number in row] for row in weights] for name, weights in layers.items()}
    for name, weights in rows.items():
        if not 1 <= len(weights) <= MOST:
            raise ValueError(f"layers[{name!r}] has {len(weights)} channels; 1 to {MOST} fit side by side.")
    panel = Panel(
        "rounded_channels",
        title="Which weights are left",
        controls=(
            Select("layer", "Layer", dict(enumerate(rows))),
            Slider("bits", 2, 8, "bits"),
            Slider("keep", 10, 100, "range that is kept", step=5, unit=" %"),
            Choice("per", "Scales", SCALES),
        ),
        presets={
            "Eight bits, one scale": {"bits": 8, "per": "tensor", "keep": 100},
            "Four bits, one scale": {"bits": 4, "per": "tensor", "keep": 100},
            "Four bits, a scale each": {"bits": 4, "per": "channel", "keep": 100},
        },
        alt=lambda layer, bits, keep, per: (
            f"The weights of {list(rows)[layer]!r}, a column of dots for each channel, and beside each the value that "
            f"it is rounded to. At the start there are {bits} bits, {keep} % of the range is kept and the scales are: "
            f"{SCALES[per]}. Sentences give the error and the channels of which nothing is left."
        ),
        room=190,
        hint=160,
    )
    return panel(layer=0, bits=bits, keep=100, per=per, data={"layers": list(rows.values())}, key=key)
