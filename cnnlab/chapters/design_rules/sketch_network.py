"""A network sketched layer by layer: its sizes, its field, its cost, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer, whole
from cnnlab.widgets.panel import Panel, Pick, Select, Slider, Toggle

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Sketched", "sketch_network", "sketched_model"]

KINDS = {
    "conv": "convolution",
    "max": "maximum pool",
    "average": "average pool",
    "global": "global average",
    "dense": "dense layer",
}
CHANNELS = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 84, 96, 112, 120, 128),
    *(160, 192, 224, 256, 320, 384, 448, 512, 522, 640, 768, 1000, 1024, 2048, 4096),
)
SIDES = (16, 24, 28, 32, 48, 64, 96, 128, 160, 192, 224, 256)
MOST_LAYERS = 12


@dataclass(frozen=True)
class Sketched:
    """One layer of a sketch. ReLUs, which change no size, are left out of it.

    Attributes:
        kind: "conv", "max", "average" (pools), "global" (an average over the whole map) or "dense".
        channels: what a convolution or a dense layer gives; a pool gives what it gets.
        kernel: side of the window of a convolution or a pool, from 1 to 11.
        stride: from 1 to 4.
        padding: zeros at each border, from 0 to 5; a pool takes half of its kernel at most.
        dilation: of a convolution, from 1 to 4.
    """

    kind: str
    channels: int = 1
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1


def _conv(channels: int, kernel: int = 3, stride: int = 1, padding: int | None = None, dilation: int = 1) -> Sketched:
    same = dilation * (kernel - 1) // 2
    return Sketched("conv", channels, kernel, stride, same if padding is None else padding, dilation)


def _pool(kind: str = "max", kernel: int = 2, stride: int = 2, padding: int = 0) -> Sketched:
    return Sketched(kind, kernel=kernel, stride=stride, padding=padding)


def _dense(*channels: int) -> list[Sketched]:
    return [Sketched("dense", count) for count in channels]


# Name -> (layers, side of the picture, whether it has colors, side of the object).
SKETCHES: dict[str, tuple[list[Sketched], int, bool, int]] = {
    "Every rule": ([_conv(12), _pool(), _conv(24), _pool(), _conv(48), _pool(), *_dense(522, 10)], 32, True, 24),
    "LeNet-5": (
        [
            *(_conv(6, 5, padding=0), _pool("average"), _conv(16, 5, padding=0), _pool("average")),
            *_dense(120, 84, 10),
        ],
        *(32, False, 20),
    ),
    "AlexNet": (
        [
            *(_conv(64, 11, 4, 2), _pool("max", 3), _conv(192, 5), _pool("max", 3)),
            *(_conv(384), _conv(256), _conv(256), _pool("max", 3), *_dense(4096, 4096, 1000)),
        ],
        *(224, True, 160),
    ),
    "Like VGG": (
        [
            *(_conv(64), _conv(64), _pool(), _conv(128), _conv(128), _pool(), _conv(256), _conv(256), _pool()),
            *_dense(512, 512, 10),
        ],
        *(32, True, 24),
    ),
    "ResNet's stem": (
        [
            *(_conv(64, 7, 2), _pool("max", 3, 2, 1), _conv(64), _conv(64), _conv(128, 3, 2), _conv(128)),
            *(_conv(256, 3, 2), _conv(256), _conv(512, 3, 2), _conv(512), Sketched("global"), *_dense(1000)),
        ],
        *(224, True, 160),
    ),
    "Dilated": (
        [*(_conv(16, dilation=rate) for rate in (1, 2, 4, 4)), _conv(16), Sketched("global"), *_dense(10)],
        *(64, True, 30),
    ),
    "What not to do": (
        [
            *(_conv(32, 5, 4, 5), _pool("max", 2, 3), _conv(64, 4, padding=2), _conv(64, 7, padding=0)),
            *_dense(2048, 10),
        ],
        *(32, True, 24),
    ),
}


def _rows(layers: Sequence[Sketched]) -> list[list[int | str]]:
    return [list(astuple(layer)) for layer in layers]


def _said(**_: object) -> str:
    return (
        "A network as a list of layers, with buttons that add, remove and move them and sliders for kernel, stride, "
        "padding, dilation and channels of the one chosen. Beside each layer the size of its map and bars for the "
        "memory, the weights and the multiplications it takes; below, the picture, an object in it and the field of a "
        "unit to scale, the totals, and warnings."
    )


PANEL = Panel(
    "sketch_network",
    title="Sketch a network",
    controls=(
        Pick("picture", "Layers, from the picture down. Up and down choose one.", sets=("column", "chosen")),
        Select("kind", "Kind", KINDS),
        Slider("kernel", 1, 11, "kernel", symbol="k", color="orange"),
        Slider("stride", 1, 4, "stride", symbol="s", color="green"),
        Slider("padding", 0, 5, "padding", symbol="p", color="violet"),
        Slider("dilation", 1, 4, "dilation", symbol="d", color="red"),
        Slider("channels", CHANNELS[0], CHANNELS[-1], "channels", symbol="C", color="blue", values=CHANNELS),
        Slider("side", SIDES[0], SIDES[-1], "picture", symbol="n", color="blue", values=SIDES),
        Slider("object", 4, 256, "object in it", color="green", unit=" px"),
        Toggle("color", "Three colors"),
    ),
    presets={
        name: {"layers": _rows(layers), "side": side, "color": color, "object": size}
        for name, (layers, side, color, size) in SKETCHES.items()
    },
    variables={"layers": [], "chosen": 0, "column": 0, "act": ""},
    alt=_said,
    room=175,
    trying="Networks to try",
)


def sketch_network(
    layers: str | Sequence[Sketched] = "Every rule",
    side: int | None = None,
    *,
    color: bool | None = None,
    object_side: int | None = None,
    key: str | None = None,
) -> Explorer:
    """Sketch a network layer by layer and see what each costs, what it sees, and what is wrong.

    Counted as `cnnlab.summarize` counts: parameters with biases, multiply-accumulates without, four bytes for each
    number of a map. ReLUs are taken to work in place. `sketched_model` makes a module of the same layers.

    Args:
        layers: the sketch at the start: a name of those offered, or up to twelve layers, the first one first.
        side: of the picture, in pixels; None: the named sketch's, or 32.
        color: whether the picture has three channels or one; None: the named sketch's, or three.
        object_side: side of what is to be recognized, in pixels; None: the named sketch's, or half of the picture.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for an unknown name, no layer or more than twelve, or a value that the explorer does not offer.
    """
    named: tuple[Sequence[Sketched], int, bool, int]
    if isinstance(layers, str):
        if layers not in SKETCHES:
            raise unknown_name("layers", layers, SKETCHES)
        named = SKETCHES[layers]
    else:
        named = (layers, 32, True, 16 if side is None else side // 2)
    _check(named[0])
    first = named[0][0]
    side = named[1] if side is None else side
    return PANEL(
        **{name: getattr(first, name) for name in ("kind", "kernel", "stride", "padding", "dilation", "channels")},
        side=side,
        object=min(side, named[3]) if object_side is None else object_side,
        color=named[2] if color is None else color,
        layers=_rows(named[0]),
        key=key,
    )


def sketched_model(
    layers: Sequence[Sketched], in_channels: int = 3, side: int = 32, *, batch_norm: bool = False
) -> nn.Sequential:
    """The layers of a sketch as a network, with a ReLU in place after each that learns, but for the last.

    Shape: (N, in_channels, side, side) -> what the last layer gives.

    Args:
        batch_norm: one between each convolution and its ReLU, which the explorer does not count: two weights for a
            channel, and a map more to store.

    Raises:
        ValueError: for a layer that the explorer does not offer, or one that does not fit.
    """
    from torch import nn

    from cnnlab.arithmetic import output_size

    _check(layers)
    model, channels, flat = nn.Sequential(), in_channels, False
    for number, layer in enumerate(layers, 1):
        window = (layer.kernel, layer.stride, layer.padding)
        if layer.kind == "dense":
            if not flat:
                model.append(nn.Flatten())
            model.append(nn.Linear(channels if flat else channels * side * side, layer.channels))
            flat = True
        elif flat:
            raise ValueError(
                f"layers[{number - 1}] is a {KINDS[layer.kind]} behind a dense layer, which leaves no map; "
                f"move it before the first dense layer."
            )
        elif layer.kind == "global":
            model.append(nn.AdaptiveAvgPool2d(1))
            side = 1
        else:
            side = output_size(side, *window, layer.dilation)
            if layer.kind == "conv":
                model.append(nn.Conv2d(channels, layer.channels, *window, dilation=layer.dilation))
                if batch_norm:
                    model.append(nn.BatchNorm2d(layer.channels))
            else:
                model.append((nn.MaxPool2d if layer.kind == "max" else nn.AvgPool2d)(*window))
        if layer.kind in ("conv", "dense"):
            channels = layer.channels
            if number < len(layers):
                model.append(nn.ReLU(inplace=True))
    return model


def _check(layers: Sequence[Sketched]) -> None:
    if not 1 <= len(layers) <= MOST_LAYERS:
        raise ValueError(f"layers has {len(layers)} entries; a sketch has from 1 to {MOST_LAYERS}.")
    for number, layer in enumerate(layers):
        if not isinstance(layer, Sketched):
            raise ValueError(f"layers[{number}]={layer!r} is not a Sketched; write Sketched('conv', 16, 3, padding=1).")
        if layer.kind not in KINDS:
            raise unknown_name(f"kind of layers[{number}]", layer.kind, KINDS)
        if layer.channels not in CHANNELS:
            offered = ", ".join(map(str, CHANNELS))
            raise ValueError(f"channels={layer.channels!r} of layers[{number}] is not offered; choose among {offered}.")
        most = 5 if layer.kind == "conv" else layer.kernel // 2
        for name, low, high in (("kernel", 1, 11), ("stride", 1, 4), ("padding", 0, most), ("dilation", 1, 4)):
            whole(f"{name} of layers[{number}]", getattr(layer, name), low, high)
