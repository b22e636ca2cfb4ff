"""A stack of small convolutions beside the one large convolution that sees as much."""

from __future__ import annotations

from cnnlab.arithmetic import receptive_field_of
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Slider

__all__ = ["stack_builder"]

KERNELS = (3, 5, 7)
CHANNELS = (64, 128, 256, 512)
SIDES = (7, 14, 28, 56, 112, 224)
MOST_LAYERS = 5


def field(kernel: int, layers: int) -> int:
    """Pixels that a unit on top of the stack sees across."""
    return receptive_field_of([(kernel, 1, 1)] * layers)[-1][0]


PANEL = Panel(
    "stack_builder",
    title="A stack and its rival",
    controls=(
        Slider("kernel", 3, 7, "kernel", symbol="k", color="violet", values=KERNELS),
        Slider("layers", 1, MOST_LAYERS, "layers", symbol="n", color="blue"),
        Slider("channels", 64, 512, "channels", symbol="C", color="green", values=CHANNELS),
        Slider("side", 7, 224, "side of the map", color="orange", values=SIDES),
    ),
    presets={
        "Two 3 × 3": {"kernel": 3, "layers": 2},
        "Three 3 × 3": {"kernel": 3, "layers": 3},
        "Five 3 × 3": {"kernel": 3, "layers": 5},
        "Two 5 × 5": {"kernel": 5, "layers": 2},
        "Like VGG's conv2": {"kernel": 3, "layers": 2, "channels": 128, "side": 112},
        "Like VGG's conv5": {"kernel": 3, "layers": 4, "channels": 512, "side": 14},
    },
    alt=lambda kernel, layers, channels, side: (
        "Sliders for the kernel, the number of layers, the channels and the side of the map; the stack from the side "
        "with the pixels that one of its units sees; and bars for the weights, multiply-accumulates, stored maps and "
        f"ReLUs of the stack and of one layer with a kernel as wide as that. At the start {layers} layers of "
        f"{kernel} × {kernel} with {channels} channels see {field(kernel, layers)} pixels across."
    ),
    room=270,
)


def stack_builder(
    kernel: int = 3, layers: int = 3, channels: int = 256, side: int = 56, *, key: str | None = None
) -> Explorer:
    """A stack of convolutions with stride 1, from C channels to C, beside one layer whose kernel is its field.

    The stack has n k² C² weights and the rival (n (k − 1) + 1)² C²; section 2.3 of Simonyan and Zisserman, "Very deep
    convolutional networks for large-scale image recognition" (ICLR 2015), compares them for three 3 × 3 layers. Biases
    are not counted. What is stored is each layer's output, for one picture, in four bytes a number.

    Args:
        kernel: k: 3, 5 or 7.
        layers: n, from 1 to 5.
        channels: C: 64, 128, 256 or 512.
        side: height and width of the map: 7, 14, 28, 56, 112 or 224.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that the sliders do not offer.
    """
    return PANEL(kernel=kernel, layers=layers, channels=channels, side=side, key=key)
