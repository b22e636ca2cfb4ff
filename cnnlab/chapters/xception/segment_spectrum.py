"""From an ordinary convolution to a depthwise one: which channels a kernel sees, and what the layer weighs."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["segment_spectrum"]

EACH = 0  # as many segments as channels
SEGMENTS = {1: "1", 2: "2", 4: "4", 8: "8", 16: "16", EACH: "one a channel"}
HOLDS = {"width": "width", "weights": "weights"}

# Name -> (channels, segments, hold).
SEGMENT_SPECTRUM_PRESETS: dict[str, tuple[int, int, str]] = {
    "An ordinary 3 × 3": (32, 1, "width"),
    "Inception's four": (32, 4, "width"),
    "Extreme": (32, EACH, "width"),
    "Extreme, equal weights": (32, EACH, "weights"),
}


def _alt(channels: int, segments: int, hold: str) -> str:
    seen = "one channel" if segments == EACH else f"{channels // segments} of {channels} channels"
    at_start = (
        f"each kernel sees {seen}" if hold == "width" else "the layer is as wide as the weights of one segment allow"
    )
    return (
        "A slider for channels, choices for the number of segments and for what is held equal, a square with a field "
        "for each pair of channels that a 3 × 3 kernel joins, and bars for the weights of the 1 × 1 and the 3 × 3 "
        f"step. At the start there are {channels} channels and {at_start}."
    )


PANEL = Panel(
    "segment_spectrum",
    title="From one segment to one a channel",
    controls=(
        Slider("channels", 16, 64, "channels", symbol="C", color="blue", step=16),
        Choice("segments", "Segments", SEGMENTS),
        Choice("hold", "Hold equal", HOLDS),
    ),
    presets={
        name: dict(zip(("channels", "segments", "hold"), own, strict=True))
        for name, own in SEGMENT_SPECTRUM_PRESETS.items()
    },
    trying="Points of the spectrum",
    alt=_alt,
    room=185,
)


def segment_spectrum(channels: int = 32, segments: int = 4, hold: str = "width", *, key: str | None = None) -> Explorer:
    """A 1 × 1 convolution, then a 3 × 3 whose kernels see the channels of their own segment: what it joins, and weighs.

    Figures 3 and 4 of Chollet, "Xception" (2017), and what lies between and beside them. Biases and batch norms are not
    counted; the multiplications at each pixel are as many as the weights.

    Args:
        channels: that come in, and go out where the width is held: 16, 32, 48 or 64.
        segments: into which the channels are divided for the 3 × 3: 1, 2, 4, 8, 16, or 0 for one a channel.
        hold: "width", C channels whatever the segments; or "weights", as many channels as the weights of one segment
            of C channels allow.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered.
    """
    return PANEL(channels=channels, segments=segments, hold=hold, key=key)
