"""A photo, a 3 × 3 kernel to edit, and the nine products behind each pixel."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Numbers, Panel, Pick, Select
from cnnlab.widgets.photos import small_photo

__all__ = ["Kernel", "kernel_playground"]


@dataclass(frozen=True)
class Kernel:
    """A named 3 × 3 kernel: whole numbers and what to divide by, as one would write it by hand.

    ``show`` says how results become gray: "clipped" to 0–255, "signed" with zero as mid-gray, or "magnitude".
    ``largest`` keeps the largest of the nine products in place of their sum: with ones that is max pooling.
    """

    name: str
    weights: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    divisor: float = 1
    show: str = "clipped"
    largest: bool = False


KERNELS: tuple[Kernel, ...] = (
    Kernel("Sobel, across (vertical edges)", ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)), show="signed"),
    Kernel("Sobel, down (horizontal edges)", ((-1, -2, -1), (0, 0, 0), (1, 2, 1)), show="signed"),
    Kernel("Identity", ((0, 0, 0), (0, 1, 0), (0, 0, 0))),
    Kernel("Box blur", ((1, 1, 1), (1, 1, 1), (1, 1, 1)), 9),
    Kernel("Gaussian blur", ((1, 2, 1), (2, 4, 2), (1, 2, 1)), 16),
    Kernel("Sharpen", ((0, -1, 0), (-1, 5, -1), (0, -1, 0))),
    Kernel("Laplacian", ((0, 1, 0), (1, -4, 1), (0, 1, 0)), show="magnitude"),
    Kernel("Emboss", ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
    Kernel("Largest of nine (max pooling)", ((1, 1, 1), (1, 1, 1), (1, 1, 1)), largest=True),
    Kernel("Mean of nine (average pooling)", ((1, 1, 1), (1, 1, 1), (1, 1, 1)), 9),
)


def _photo() -> Any:
    """The cameraman's head and camera, 96 × 96."""
    return small_photo("camera", 96, top=30, left=60, across=384)


_SHOWS = {"clipped": "as it is, clipped to 0–255", "signed": "zero as mid-gray", "magnitude": "size, without the sign"}
_MOST = 1e6  # of a typed number


def kernel_playground(
    image: Any = None,
    kernels: Sequence[Kernel] = KERNELS,
    *,
    at: tuple[float, float] = (0.5, 0.3),
    key: str | None = None,
) -> Explorer:
    """A small photo, a 3 × 3 kernel to edit, the result at once, and the nine products behind any of its pixels.

    What is computed is the cross-correlation of ``torch.nn.functional.conv2d`` without padding, so the result is two
    pixels smaller each way; or, with a kernel that is ``largest``, the largest of the nine products.

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
        if kernel.show not in _SHOWS:
            raise unknown_name("show", kernel.show, _SHOWS)
    if not all(0 <= value <= 1 for value in at):
        raise ValueError(f"at={at!r} is not allowed; use two fractions from 0 to 1.")
    height, width = pixels.shape
    settings = {
        kernel.name: {
            "weights": np.ravel(kernel.weights).tolist(),
            "divisor": np.ravel(kernel.divisor).tolist(),
            "show": kernel.show,
            "largest": kernel.largest,
        }
        for kernel in kernels
    }
    panel = Panel(
        "kernel_playground",
        title="Kernel playground",
        controls=(
            Select("kernel", "Kernel", {name: name for name in settings} | {"": "your own"}),
            Select("show", "Show", _SHOWS),
            Numbers("weights", -_MOST, _MOST, "weights of the kernel", decimals=4),
            Numbers("divisor", -_MOST, _MOST, "divisor", decimals=4, names=("divided by",)),
            Pick("pixel", "Pixels of the result. The arrow keys choose one.", sets=("x", "y")),
        ),
        variables={"x": int((width - 2) * at[0]), "y": int((height - 2) * at[1]), "largest": kernels[0].largest},
        alt=lambda kernel, **_: (
            f"A gray photo of {width} × {height} pixels, a 3 × 3 kernel whose nine weights can be edited, and "
            f"the filtered photo of {width - 2} × {height - 2} pixels beside it. It starts with {kernel!r}."
        ),
        room=155,
        hint=100,
    )
    data = {"width": width, "height": height, "pixels": b64encode(pixels.tobytes()).decode(), "kernels": settings}
    start = {name: value for name, value in settings[kernels[0].name].items() if name != "largest"}
    return panel(kernel=kernels[0].name, **start, data=data, key=key)
