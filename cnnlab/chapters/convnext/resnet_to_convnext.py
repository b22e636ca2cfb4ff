"""From ResNet-50 to ConvNeXt-T, one change at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from cnnlab.chapters.convnext.steps import DESIGNS, STEPS
from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider, Steps

__all__ = ["resnet_to_convnext"]

PANEL = Panel(
    "resnet_to_convnext",
    title="From ResNet-50 to ConvNeXt-T",
    controls=(
        Slider("step", 0, len(STEPS) - 1, "changes made", color="blue"),
        Steps("play", ms=1600),
        Choice("shown", "Chart", {"paper": "The paper’s accuracy", "small": "Our small networks", "macs": "MACs"}),
    ),
    alt=lambda step, shown: (
        f"A slider through the {len(STEPS) - 1} changes that lead from ResNet-50 to ConvNeXt-T; a block of the "
        "network by then, drawn from its convolutions, norms and activations; its parameters and multiply-accumulates; "
        "and a row for every step with the accuracy that the paper measured, that of small networks, or the "
        f"multiply-accumulates. It starts at {STEPS[step].name!r}."
    ),
    room=290,
    presets={
        "2015": {"step": 0},
        "The recipe": {"step": 1},
        "The dip": {"step": 7},
        "2022": {"step": len(STEPS) - 1},
    },
)


def resnet_to_convnext(
    step: int = 0, *, small: Mapping[str, Sequence[float]] | None = None, key: str | None = None
) -> Explorer:
    """Walk through the steps: a block, what changed, parameters and MACs, and the accuracies.

    Counted as `cnnlab.summarize` counts the networks of `cnnlab.chapters.convnext.steps.build` at 224 pixels.

    Args:
        step: how many changes have been made at the start; 0 is ResNet-50 with its recipe of 2015.
        small: name of a step -> accuracies of small networks, from 0 to 1, one for each seed; None where they are not
            recorded.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a step that is not offered, or an accuracy of one that does not exist.
    """
    for name in small or {}:
        if name not in DESIGNS:
            raise unknown_name("a step of small", name, DESIGNS)
    data = []
    for own in STEPS:
        design = DESIGNS[own.name]
        data.append(
            {
                "name": own.name,
                "says": own.says,
                "paper": own.accuracy,
                "gmacs": own.gmacs,
                "small": [round(100 * accuracy, 2) for accuracy in (small or {}).get(own.name, ())],
                "blocks": list(design.blocks),
                "width": design.width,
                "kernel": design.kernel,
                "gelu": design.activation is nn.GELU,
                "layered": design.norm is not nn.BatchNorm2d,
                **{
                    name: getattr(design, name)
                    for name in (
                        "patches", "depthwise", "inverted", "spatial_first", "one_activation", "one_norm", "separate"
                    )
                },
            }
        )  # fmt: skip
    return PANEL(step=step, shown="paper", data=data, key=key)
