"""Every convolution ranked by what it costs, live: parameters, MACs, memory, traffic, MACs per byte, field."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["cost_ranking"]

CHANNELS = (3, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
KERNELS = tuple(range(1, 12))
SIZES = (7, 14, 28, 32, 56, 112, 224)
GROUPS = (1, 2, 3, 4, 8, 16, 32, 64)
DILATIONS = tuple(range(1, 9))
FRAMES = (2, 4, 8, 16, 32)

MEASURES: dict[str, str] = {
    "params": "Parameters",
    "macs": "MACs",
    "activation_bytes": "Activations",
    "bytes_moved": "Bytes moved",
    "intensity": "MACs per byte",
    "receptive_field": "Field",
}

# channels in, channels out, kernel, size, groups, dilation, frames
COST_RANKING_PRESETS: dict[str, tuple[int, ...]] = {
    "ResNet 3 × 3": (128, 128, 3, 28, 4, 2, 8),
    "Early, 224 pixels": (32, 32, 3, 224, 4, 2, 8),
    "Late, 7 pixels": (512, 512, 3, 7, 32, 2, 8),
    "ConvNeXt 7 × 7": (96, 96, 7, 56, 4, 2, 8),
    "First layer": (3, 64, 7, 224, 1, 2, 8),
    "Even kernel": (64, 64, 4, 28, 3, 2, 8),
}

# Name -> what the slider offers, what it says, its letter in the formulas and their color.
_SLIDERS: dict[str, tuple[tuple[int, ...], str, str, str]] = {
    "in_channels": (CHANNELS, "in", "C", "blue"),
    "out_channels": (CHANNELS, "out", "K", "blue"),
    "kernel": (KERNELS, "kernel", "k", "orange"),
    "size": (SIZES, "picture", "n", "green"),
    "groups": (GROUPS, "groups", "g", "violet"),
    "dilation": (DILATIONS, "dilation", "d", "red"),
    "frames": (FRAMES, "frames", "T", "teal"),
}


def _alt(in_channels: int, out_channels: int, kernel: int, size: int, by: str, **others: int) -> str:
    return (
        "Sliders for channels, kernel, picture size, groups, dilation and frames, and a list of thirteen "
        f"convolutions ranked by {MEASURES[by]}, each with a bar that shows how many times cheaper or dearer than the "
        f"standard convolution it is. At the start: from {in_channels} to {out_channels} channels, kernel {kernel}, "
        f"{size} × {size} pixels."
    )


PANEL = Panel(
    "cost_ranking",
    title="Cost ranking",
    controls=(
        *(
            Slider(name, values[0], values[-1], label, symbol=symbol, color=color, values=values)
            for name, (values, label, symbol, color) in _SLIDERS.items()
        ),
        Choice("by", "Ranked by", MEASURES),
    ),
    alt=_alt,
    room=410,
    hint=215,
    presets={name: dict(zip(_SLIDERS, preset)) for name, preset in COST_RANKING_PRESETS.items()},
    trying="Layers to try",
    variables={"chosen": "depthwise separable"},
)


def cost_ranking(
    in_channels: int = 128,
    out_channels: int = 128,
    kernel: int = 3,
    size: int = 56,
    *,
    groups: int = 4,
    dilation: int = 2,
    frames: int = 8,
    by: str = "macs",
    key: str | None = None,
) -> Explorer:
    """All the convolutions of Part II from ``in_channels`` to ``out_channels``, ranked by one cost.

    The numbers are those of `cnnlab.convolutions.compare_convolutions`, computed from formulas. Where a setting does
    not fit a convolution, such as groups that do not divide the channels, that one is left out and the reason is said.

    Args:
        in_channels, out_channels, kernel, size: the layer at the start: C, K, k and the picture's height and width.
        groups: of the grouped convolution and of the shuffle.
        dilation: of the dilated one.
        frames: of the clip that "3D" and "(2+1)D" take.
        by: the cost at the start, a key of ``MEASURES``.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a number that the sliders do not offer, or an unknown cost.
    """
    return PANEL(
        in_channels=in_channels,
        out_channels=out_channels,
        kernel=kernel,
        size=size,
        groups=groups,
        dilation=dilation,
        frames=frames,
        by=by,
        key=key,
    )
