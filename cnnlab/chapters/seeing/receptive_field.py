"""A stack of layers from the side, and what a unit sees of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnlab.analysis import Summary
from cnnlab.arithmetic import receptive_field_of
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Count, Panel, Pick, Select, Toggle

__all__ = ["Window", "receptive_field"]


@dataclass(frozen=True)
class Window:
    """One layer as the receptive field sees it: a convolution or a pooling window."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    name: str = ""


RECEPTIVE_FIELD_CHOICES: dict[str, tuple[int, ...]] = {
    "kernel": (1, 2, 3, 4, 5, 7),
    "stride": (1, 2, 4),
    "dilation": (1, 2, 4),
}
_MOST_LAYERS = 6

RECEPTIVE_FIELD_PRESETS: dict[str, tuple[Window, ...]] = {
    "Three 3 × 3": (Window(3), Window(3), Window(3)),
    "LeNet-5's features": (
        Window(5, name="conv 5 × 5"),
        Window(2, 2, name="pool 2 × 2"),
        Window(5, name="conv 5 × 5"),
        Window(2, 2, name="pool 2 × 2"),
    ),
    "ResNet-18's first layers": (
        Window(7, 2, name="conv 7 × 7"),
        Window(3, 2, name="max pool 3 × 3"),
        Window(3, name="conv 3 × 3"),
        Window(3, name="conv 3 × 3"),
    ),
    "Dilated 1, 2, 4": (Window(3), Window(3, dilation=2), Window(3, dilation=4)),
    "Dilated 2, 2, 2 (holes)": (Window(3, dilation=2), Window(3, dilation=2), Window(3, dilation=2)),
}
PANEL = Panel(
    "receptive_field",
    title="Receptive field",
    controls=(
        Select("stack", "Stack", {name: name for name in RECEPTIVE_FIELD_PRESETS} | {"": "your own"}),
        Count("layers", 1, _MOST_LAYERS, "Add a layer", "Remove the last"),
        Toggle("paths", "Paths per pixel"),
        Pick(
            "picture",
            "Units by layer, the input at the bottom. Left and right choose a unit, up and down a layer.",
            sets=("unit", "layer"),
        ),
        *(
            Select(f"{name}{l}", f"{name} of layer {l}", {value: str(value) for value in allowed}, hidden=True)
            for l in range(1, _MOST_LAYERS + 1)
            for name, allowed in RECEPTIVE_FIELD_CHOICES.items()
        ),
    ),
    variables={"names": [], "layer": 1, "unit": 0},
    alt=lambda **_: "",
    room=258,
)


def receptive_field(layers: Sequence[Window] | Summary | None = None, *, key: str | None = None) -> Explorer:
    """A stack of layers from the side: choose a unit and see the pixels it sees, and along how many paths.

    The recursion is that of Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks"
    (Distill, 2019): ``r_l = r_(l-1) + (k_l - 1) d_l j_(l-1)`` and ``j_l = j_(l-1) s_l``. The number of paths is the
    weight that a pixel would have if every weight of every kernel were one.

    Args:
        layers: the stack at the start, input first; None means three 3 × 3 convolutions. What `cnnlab.summarize` gives
            means the first layers of that model, six at most, as ``Summary.windows`` finds them.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for an empty stack, more than six layers, or a value the explorer does not offer.
    """
    if layers is None:
        layers = RECEPTIVE_FIELD_PRESETS["Three 3 × 3"]
    if isinstance(layers, Summary):
        layers = [Window(*window) for window in layers.windows()[:_MOST_LAYERS]]
    if not 1 <= len(layers) <= _MOST_LAYERS:
        raise ValueError(f"layers has {len(layers)} entries; the explorer draws from 1 to {_MOST_LAYERS}.")
    for number, layer in enumerate(layers, start=1):
        if not isinstance(layer, Window):
            raise ValueError(f"layers[{number - 1}]={layer!r} is not a Window; write Window(kernel, stride, dilation).")
        for name, allowed in RECEPTIVE_FIELD_CHOICES.items():
            if getattr(layer, name) not in allowed:
                said = ", ".join(map(str, allowed))
                raise ValueError(
                    f"{name}={getattr(layer, name)!r} of layer {number} is not offered; choose among {said}."
                )
    reach, jump = receptive_field_of((w.kernel, w.stride, w.dilation) for w in layers)[-1]

    def rows(stack: Sequence[Window]) -> list[list[int | str]]:
        return [[layer.kernel, layer.stride, layer.dilation, layer.name] for layer in stack]

    padded = [*layers, *[Window(3)] * (_MOST_LAYERS - len(layers))]
    return PANEL(
        stack=next((name for name, stack in RECEPTIVE_FIELD_PRESETS.items() if stack == tuple(layers)), ""),
        layers=len(layers),
        paths=True,
        **{f"{name}{l}": getattr(w, name) for l, w in enumerate(padded, 1) for name in RECEPTIVE_FIELD_CHOICES},
        names=[layer.name for layer in layers],
        data={"stacks": {name: rows(stack) for name, stack in RECEPTIVE_FIELD_PRESETS.items()}},
        key=key,
        alt=f"A stack of layers drawn from the side. Choosing a unit lights the cone of input pixels that it sees. At "
        f"the start there are {len(layers)} layers; a unit of the last sees {reach} pixels across, in steps of {jump}.",
    )
