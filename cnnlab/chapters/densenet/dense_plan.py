"""A dense network planned: its channels layer by layer, what it costs, and a residual one of as many parameters."""

from __future__ import annotations

from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider, Toggle

__all__ = ["dense_plan"]

# Layers of the first two blocks of every network of the paper for ImageNet.
FIRST = (6, 12)


def _blocks(plan: str, layers: int, last: int) -> tuple[int, ...]:
    return (*FIRST, layers, last) if plan == "imagenet" else (layers,) * 3


def _channels(plan: str, growth: int, layers: int, last: int, bottleneck: bool, compression: float) -> int:
    """That reach the classifier."""
    plain = plan == "cifar" and not (bottleneck and compression < 1)
    channels = 16 if plain else 2 * growth
    counts = _blocks(plan, layers, last)
    for number, count in enumerate(counts, 1):
        channels += count * growth
        if number < len(counts):
            channels = int(compression * channels)
    return channels


def _alt(**state: Any) -> str:
    return (
        "Controls for the pictures, the growth rate, the layers, bottleneck and compression of a dense network; its "
        "channels layer by layer as a flight of steps; and bars for the parameters, the multiply-accumulates and the "
        "memory of training, beside a residual network of as many parameters. At the start the growth rate is "
        f"{state['growth']}, and {_channels(**state)} channels reach the classifier."
    )


def _cifar(growth: int, layers: int, both: bool) -> dict[str, Any]:
    return {
        "plan": "cifar", "growth": growth, "layers": layers, "bottleneck": both, "compression": 0.5 if both else 1.0
    }  # fmt: skip


def _imagenet(growth: int, layers: int, last: int) -> dict[str, Any]:
    return {**_cifar(growth, layers, True), "plan": "imagenet", "last": last}


PANEL = Panel(
    "dense_plan",
    title="A dense network and its bill",
    controls=(
        Choice("plan", "Pictures", {"cifar": "32 × 32", "imagenet": "224 × 224"}),
        Slider("growth", 4, 48, "growth", symbol="k", color="orange"),
        Slider("layers", 1, 64, "layers", symbol="n", color="blue"),
        Slider("last", 1, 48, "in block 4", color="violet"),
        Slider("compression", 0.1, 1, "kept", symbol="θ", color="green", step=0.1, decimals=1),
        Toggle("bottleneck", "Bottleneck"),
    ),
    presets={
        "40, k = 12": _cifar(12, 12, False),
        "100, k = 12": _cifar(12, 32, False),
        "100, k = 24": _cifar(24, 32, False),
        "BC 100, k = 12": _cifar(12, 16, True),
        "BC 250, k = 24": _cifar(24, 41, True),
        "BC 190, k = 40": _cifar(40, 31, True),
        "121": _imagenet(32, 24, 16),
        "161": _imagenet(48, 36, 24),
        "169": _imagenet(32, 32, 32),
        "201": _imagenet(32, 48, 32),
        "264": _imagenet(32, 64, 48),
    },
    trying="The networks of the paper",
    alt=_alt,
    room=265,
)


def dense_plan(
    plan: str = "imagenet",
    growth: int = 32,
    layers: int = 24,
    last: int = 16,
    *,
    bottleneck: bool = True,
    compression: float = 0.5,
    key: str | None = None,
) -> Explorer:
    """A dense network after Huang et al. (2017), tables 1 and 2, beside a pre-activation ResNet of as many parameters.

    "cifar" has three blocks of ``layers`` layers, and its rival three stages of basic blocks with about as many 3 × 3
    convolutions. "imagenet" has four, of 6, 12, ``layers`` and ``last`` layers, and its rival is ResNet-50, made as
    narrow as it takes. Parameters and multiply-accumulates are those of `cnnlab.summarize`; the memory is what autograd
    keeps of one picture (`cnnlab.chapters.densenet.memory`), in the layers as they are usually written.

    Args:
        plan: "cifar" or "imagenet".
        growth: k, the channels that a layer adds, from 4 to 48.
        layers: of each block for CIFAR, of the third for ImageNet, from 1 to 64.
        last: layers of the fourth block for ImageNet, from 1 to 48.
        bottleneck: whether a 1 × 1 convolution to 4 k channels stands before each 3 × 3.
        compression: θ, the share of the channels that a transition keeps, from 0.1 to 1.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that the controls do not offer.
    """
    return PANEL(
        plan=plan,
        growth=growth,
        layers=layers,
        last=last,
        bottleneck=bottleneck,
        compression=compression,
        key=key,
    )
