"""The widths of an Inception module, what each of its branches costs, and what the naive module would cost."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["inception_module"]

# The nine rows of table 1: channels that come in, 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection, and the side
# of the maps.
MODULES: dict[str, tuple[int, ...]] = {
    "3a": (192, 64, 96, 128, 16, 32, 32, 28),
    "3b": (256, 128, 128, 192, 32, 96, 64, 28),
    "4a": (480, 192, 96, 208, 16, 48, 64, 14),
    "4b": (512, 160, 112, 224, 24, 64, 64, 14),
    "4c": (512, 128, 128, 256, 24, 64, 64, 14),
    "4d": (512, 112, 144, 288, 32, 64, 64, 14),
    "4e": (528, 256, 160, 320, 32, 128, 128, 14),
    "5a": (832, 256, 160, 320, 32, 128, 128, 7),
    "5b": (832, 384, 192, 384, 48, 128, 128, 7),
}
_NAMES = ("channels", "c1x1", "reduce3x3", "c3x3", "reduce5x5", "c5x5", "projection", "side")


def _alt(
    channels: int, c1x1: int, reduce3x3: int, c3x3: int, reduce5x5: int, c5x5: int, projection: int, side: int
) -> str:
    weights = (
        channels * (c1x1 + reduce3x3 + reduce5x5 + projection) + 9 * reduce3x3 * c3x3 + 25 * reduce5x5 * c5x5,
        channels * (c1x1 + 9 * c3x3 + 25 * c5x5),
    )
    reduced, naive = (f"{side**2 * own / 1e6:,.0f} million" for own in weights)
    return (
        "Sliders for the widths of an Inception module, bars for the multiply-accumulates of its four branches with "
        f"their reductions and without, and strips for the channels of the output. At the start {channels} channels of "
        f"{side} × {side} become {c1x1 + c3x3 + c5x5 + projection} for {reduced}; the naive module takes {naive} and "
        f"puts out {c1x1 + c3x3 + c5x5 + channels} channels."
    )


PANEL = Panel(
    "inception_module",
    title="An Inception module and its bill",
    controls=(
        Slider("channels", 16, 1024, "in", symbol="C", step=8),
        Slider("c1x1", 8, 512, "1 × 1", color="blue", step=8),
        Slider("reduce3x3", 8, 512, "reduce 3", color="green", step=8),
        Slider("c3x3", 8, 512, "3 × 3", color="green", step=8),
        Slider("reduce5x5", 8, 256, "reduce 5", color="violet", step=8),
        Slider("c5x5", 8, 256, "5 × 5", color="violet", step=8),
        Slider("projection", 8, 256, "pooled", color="orange", step=8),
        Choice("side", "Maps of", {side: f"{side} × {side}" for side in (28, 14, 7)}),
    ),
    presets={name: dict(zip(_NAMES, own, strict=True)) for name, own in MODULES.items()},
    trying="The nine modules of the paper",
    alt=_alt,
    room=155,
)


def inception_module(
    channels: int = 192,
    c1x1: int = 64,
    reduce3x3: int = 96,
    c3x3: int = 128,
    reduce5x5: int = 16,
    c5x5: int = 32,
    projection: int = 32,
    side: int = 28,
    *,
    key: str | None = None,
) -> Explorer:
    """An Inception module's widths to set, with the cost by branch and the channels that it puts out.

    Beside each branch stands that of the naive module of figure 2a of Szegedy et al., "Going deeper with convolutions"
    (2015): the same kernels with nothing before them, and a pooling that hands on all channels. The presets are the
    nine rows of table 1.

    Args:
        channels: that come in, 16 to 1024.
        c1x1, c3x3: put out by the 1x1 and the 3x3 branch, 8 to 512.
        reduce3x3: channels to which a 1x1 convolution squeezes before the 3x3, 8 to 512.
        reduce5x5: the same before the 5x5, 8 to 256.
        c5x5: put out by the 5x5 branch, 8 to 256.
        projection: channels that are left of the pooled ones, 8 to 256.
        side: height and width of the maps: 28, 14 or 7.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value outside these limits.
    """
    return PANEL(
        channels=channels,
        c1x1=c1x1,
        reduce3x3=reduce3x3,
        c3x3=c3x3,
        reduce5x5=reduce5x5,
        c5x5=c5x5,
        projection=projection,
        side=side,
        key=key,
    )
