"""The explorers of the book, each a function that returns an :class:`~cnnlab.widgets.explorer.Explorer`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.convolutions.arithmetic import extent, output_size, receptive_field_of
from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer


def _whole(argument: str, value: object, low: int, high: int, why: str = "") -> int:
    """``value`` if it is a whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(
            f"{argument}={value!r} is not allowed; use a whole number from {low} to {high}. {why}".rstrip()
        )
    return value


# ---------------------------------------------------------------------------------------------------------------------
# Convolution arithmetic
# ---------------------------------------------------------------------------------------------------------------------

# What can still be drawn cell by cell on a phone.
CONVOLUTION_LIMITS: dict[str, tuple[int, int]] = {
    "size": (1, 14),
    "kernel": (1, 7),
    "stride": (1, 4),
    "padding": (0, 4),
    "dilation": (1, 3),
}

# Settings worth a look, by the name that people call them.
CONVOLUTION_PRESETS: dict[str, dict[str, int]] = {
    "Valid": {"size": 7, "kernel": 3, "stride": 1, "padding": 0, "dilation": 1},
    "Same": {"size": 7, "kernel": 3, "stride": 1, "padding": 1, "dilation": 1},
    "Halve": {"size": 8, "kernel": 3, "stride": 2, "padding": 1, "dilation": 1},
    "Dilated": {"size": 9, "kernel": 3, "stride": 1, "padding": 0, "dilation": 2},
    "Leftover": {"size": 8, "kernel": 3, "stride": 2, "padding": 0, "dilation": 1},
    "Does not fit": {"size": 5, "kernel": 7, "stride": 1, "padding": 0, "dilation": 1},
}


def convolution_arithmetic(
    size: int = 7, kernel: int = 3, stride: int = 1, padding: int = 0, dilation: int = 1, *, key: str | None = None
) -> Explorer:
    """Move input, kernel, stride, padding and dilation, and see the output size and what each output reads.

    The picture is square: rows behave as columns do. The sizes given here are where the sliders start.

    Raises:
        ValueError: for a value beyond what can be drawn cell by cell (``CONVOLUTION_LIMITS``).
    """
    values = {"size": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    for name, value in values.items():
        _whole(name, value, *CONVOLUTION_LIMITS[name], "Larger ones cannot be drawn cell by cell.")
    fits = extent(kernel, dilation) <= size + 2 * padding
    out = output_size(**values) if fits else 0
    start = f"turns a {size} × {size} input into a {out} × {out} output" if fits else "does not fit in the input"
    return Explorer(
        "convolution_arithmetic",
        {
            "values": values,
            "limits": {name: list(limits) for name, limits in CONVOLUTION_LIMITS.items()},
            "presets": [[name, preset] for name, preset in CONVOLUTION_PRESETS.items()],
        },
        key=key,
        title="Convolution arithmetic",
        alt=f"Sliders for input, kernel, stride, padding and dilation, the output-size formula with its numbers, and a "
        f"kernel that moves over the input. At the start a {kernel} × {kernel} kernel with stride {stride}, "
        f"padding {padding} and dilation {dilation} {start}.",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Receptive field
# ---------------------------------------------------------------------------------------------------------------------


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


def receptive_field(layers: Sequence[Window] | None = None, *, key: str | None = None) -> Explorer:
    """A stack of layers from the side: choose a unit and see the pixels it sees, and along how many paths.

    The recursion is that of Araujo, Norris and Sim, "Computing receptive fields of convolutional neural networks"
    (Distill, 2019): ``r_l = r_(l-1) + (k_l - 1) d_l j_(l-1)`` and ``j_l = j_(l-1) s_l``. The number of paths is the
    weight that a pixel would have if every weight of every kernel were one.

    Args:
        layers: the stack at the start, input first; None means three 3 × 3 convolutions.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for an empty stack, more than six layers, or a value the explorer does not offer.
    """
    if layers is None:
        layers = RECEPTIVE_FIELD_PRESETS["Three 3 × 3"]
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

    return Explorer(
        "receptive_field",
        {
            "layers": rows(layers),
            "choices": [list(allowed) for allowed in RECEPTIVE_FIELD_CHOICES.values()],
            "presets": [[name, rows(stack)] for name, stack in RECEPTIVE_FIELD_PRESETS.items()],
            "most": _MOST_LAYERS,
        },
        key=key,
        title="Receptive field",
        alt=f"A stack of layers drawn from the side. Choosing a unit lights the cone of input pixels that it sees. At "
        f"the start there are {len(layers)} layers; a unit of the last sees {reach} pixels across, in steps of {jump}.",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Paths through residual blocks
# ---------------------------------------------------------------------------------------------------------------------

RESIDUAL_PATHS_LIMITS: dict[str, tuple[float, float]] = {"blocks": (1, 110), "gain": (0.05, 1.5)}
RESIDUAL_PATHS_PRESETS: dict[str, int] = {"ResNet-18": 8, "ResNet-50": 16, "ResNet-152": 50, "ResNet-110": 54}


def residual_paths(blocks: int = 54, gain: float = 0.3, *, key: str | None = None) -> Explorer:
    """The paths through ``blocks`` residual blocks by length, and how much gradient each length carries.

    Multiplying out (1 + f)^n gives n-choose-k paths through k blocks, each worth f^k: the linear picture of Veit,
    Wilber and Belongie, "Residual networks behave like ensembles of relatively shallow networks" (NIPS 2016).

    Args:
        blocks: n, from 1 to 110.
        gain: f, what one passage through a block does to the gradient, from 0.05 to 1.5.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value outside these limits.
    """
    _whole("blocks", blocks, *(int(limit) for limit in RESIDUAL_PATHS_LIMITS["blocks"]))
    least, largest = RESIDUAL_PATHS_LIMITS["gain"]
    if not least <= gain <= largest:
        raise ValueError(f"gain={gain!r} is not from {least} to {largest}, which is what the slider offers.")
    return Explorer(
        "residual_paths",
        {
            "blocks": blocks,
            "gain": gain,
            "limits": {name: list(limits) for name, limits in RESIDUAL_PATHS_LIMITS.items()},
            "presets": [[name, count] for name, count in RESIDUAL_PATHS_PRESETS.items()],
        },
        key=key,
        title="Paths through residual blocks",
        alt=f"Sliders for the number of blocks and for what one block does to the gradient, and bars for the gradient "
        f"carried by paths of each length. At the start there are {blocks} blocks and a factor of {gain:g}; on average "
        f"the gradient passes through {blocks * gain / (1 + gain):.1f} of them.",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Model chart
# ---------------------------------------------------------------------------------------------------------------------

_ROW_FIELDS = ("name", "family", "year", "params", "macs", "acc1", "acc5", "size")
_OPTIONAL_FIELDS = ("year", "acc5", "size")


def model_chart(
    rows: Sequence[Mapping[str, Any]],
    *,
    x: str = "params",
    y: str = "acc1",
    family: str | None = None,
    frontier: bool = True,
    key: str | None = None,
) -> Explorer:
    """Accuracy against cost, one point per model, with names on hover or focus and all numbers as a table.

    Args:
        rows: one mapping per model: ``name``, ``family``, ``params`` and ``macs`` (counts, per image), ``acc1``
            (percent), and if known ``year``, ``acc5`` (percent), ``size`` (pixels along a side).
        x: "params" or "macs", on a logarithmic axis.
        y: "acc1" or "acc5".
        family: the family in color at the start.
        frontier: whether the Pareto frontier shows at the start.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for no rows, a missing or misspelt field, a value that cannot be drawn, or an unknown choice.
    """
    if not rows:
        raise ValueError("rows is empty; give one mapping per model, for example {'name': 'resnet18', 'family': ...}.")
    for argument, given, allowed in (("x", x, ("params", "macs")), ("y", y, ("acc1", "acc5"))):
        if given not in allowed:
            raise unknown_name(argument, given, allowed)
    table = []
    for index, row in enumerate(rows):
        for name in row:
            if name not in _ROW_FIELDS:
                raise unknown_name(f"a field of rows[{index}]", name, _ROW_FIELDS)
        for name in _ROW_FIELDS:
            if row.get(name) is None and name not in _OPTIONAL_FIELDS:
                raise ValueError(
                    f"rows[{index}] ({row.get('name', 'no name')}) has no {name!r}; every model needs one."
                )
        if not (row["params"] > 0 and row["macs"] > 0):
            raise ValueError(
                f"rows[{index}] ({row['name']}): params and macs must be positive; the axis is logarithmic."
            )
        for name in ("acc1", "acc5"):
            if row.get(name) is not None and not 0 <= row[name] <= 100:
                raise ValueError(
                    f"rows[{index}] ({row['name']}): {name}={row[name]!r} is not a percentage from 0 to 100."
                )
        table.append([row.get(name) for name in _ROW_FIELDS])
    families = {row["family"] for row in rows}
    if family is not None and family not in families:
        raise unknown_name("family", family, families)
    if not any(row.get(y) is not None for row in rows):
        raise ValueError(f"y={y!r}, but no row has it.")
    best = max((row for row in rows if row.get(y) is not None), key=lambda row: row[y])
    up = {"acc1": "top-1 accuracy", "acc5": "top-5 accuracy"}[y]
    across = {"params": "parameters", "macs": "multiply-accumulates per image"}[x]
    return Explorer(
        "model_chart",
        {"rows": table, "x": x, "y": y, "family": family, "frontier": bool(frontier)},
        key=key,
        title="Accuracy and cost of every model",
        alt=f"Points for {len(rows)} models of {len(families)} families: {up} against {across}, "
        f"on a logarithmic axis. {best['name']} is the most accurate, at {best[y]:.1f} %.",
    )


# ---------------------------------------------------------------------------------------------------------------------
# Kernel playground
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kernel:
    """A named 3 × 3 kernel: whole numbers and what to divide by, as one would write it by hand.

    ``show`` says how results become gray: "clipped" to 0–255, "signed" with zero as mid-gray, or "magnitude".
    """

    name: str
    weights: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    divisor: float = 1
    show: str = "clipped"


KERNELS: tuple[Kernel, ...] = (
    Kernel("Sobel, across (vertical edges)", ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)), show="signed"),
    Kernel("Sobel, down (horizontal edges)", ((-1, -2, -1), (0, 0, 0), (1, 2, 1)), show="signed"),
    Kernel("Identity", ((0, 0, 0), (0, 1, 0), (0, 0, 0))),
    Kernel("Box blur", ((1, 1, 1), (1, 1, 1), (1, 1, 1)), 9),
    Kernel("Gaussian blur", ((1, 2, 1), (2, 4, 2), (1, 2, 1)), 16),
    Kernel("Sharpen", ((0, -1, 0), (-1, 5, -1), (0, -1, 0))),
    Kernel("Laplacian", ((0, 1, 0), (1, -4, 1), (0, 1, 0)), show="magnitude"),
    Kernel("Emboss", ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
)


def _photo() -> Any:
    """The cameraman's head and camera from scikit-image, 96 × 96: each pixel the mean of 4 × 4."""
    import numpy as np
    from skimage import data

    crop = data.camera()[30:414, 60:444].reshape(96, 4, 96, 4)  # (512, 512) -> (96, 4, 96, 4)
    return np.rint(crop.mean(axis=(1, 3))).astype(np.uint8)  # (96, 96)


def kernel_playground(
    image: Any = None,
    kernels: Sequence[Kernel] = KERNELS,
    *,
    at: tuple[float, float] = (0.5, 0.3),
    key: str | None = None,
) -> Explorer:
    """A small photo, a 3 × 3 kernel to edit, the result at once, and the nine products behind any of its pixels.

    What is computed is the cross-correlation of ``torch.nn.functional.conv2d`` without padding, so the result is two
    pixels smaller each way.

    Args:
        image: uint8 pixels as an array or tensor, Shape: (H, W), 8 to 128 a side; None means the photograph of a
            cameraman in scikit-image.
        kernels: the kernels to choose from; the first is shown at the start.
        at: the pixel inspected at the start, as fractions of width and height.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for pixels of another type or shape, no kernels, or a kernel that is not 3 × 3.
    """
    import numpy as np

    pixels = np.asarray(_photo() if image is None else image)
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or not all(8 <= side <= 128 for side in pixels.shape):
        raise ValueError(
            f"image has shape {pixels.shape} and type {pixels.dtype}; give gray uint8 pixels of shape (H, W), "
            "8 to 128 a side. Resize a large photo first: every page carries it."
        )
    if not kernels:
        raise ValueError("kernels is empty; give at least one Kernel.")
    for kernel in kernels:
        if [np.size(row) for row in kernel.weights] != [3, 3, 3]:
            raise ValueError(f"the weights of kernel {kernel.name!r} are not 3 × 3: {kernel.weights!r}.")
        if kernel.divisor == 0:
            raise ValueError(f"the divisor of kernel {kernel.name!r} is 0; use 1 for none.")
        if kernel.show not in ("clipped", "signed", "magnitude"):
            raise unknown_name("show", kernel.show, ("clipped", "signed", "magnitude"))
    if not all(0 <= value <= 1 for value in at):
        raise ValueError(f"at={at!r} is not allowed; use two fractions from 0 to 1.")
    height, width = pixels.shape
    return Explorer(
        "kernel_playground",
        {
            "width": width,
            "height": height,
            "pixels": b64encode(pixels.tobytes()).decode(),
            "kernels": [[k.name, [value for row in k.weights for value in row], k.divisor, k.show] for k in kernels],
            "at": list(at),
        },
        key=key,
        title="Kernel playground",
        alt=f"A gray photo of {width} × {height} pixels, a 3 × 3 kernel whose nine weights can be edited, and "
        f"the filtered photo of {width - 2} × {height - 2} pixels beside it. It starts with {kernels[0].name!r}.",
    )
