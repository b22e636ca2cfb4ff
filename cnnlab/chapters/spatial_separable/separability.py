"""A kernel to draw, taken apart into columns times rows, and what is lost when only the strongest are kept."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from math import isqrt
from typing import Any

from cnnlab.widgets import photos
from cnnlab.widgets.explorer import Explorer, whole
from cnnlab.widgets.panel import Numbers, Panel, Slider

__all__ = ["separability"]

SIZES = (3, 5)
LARGEST = 99  # of a weight; longer numbers do not fit into a cell

SEPARABILITY_PRESETS: dict[str, tuple[tuple[float, ...], ...]] = {
    "Sobel": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "Box": ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    "Laplacian": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "Sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "Emboss": ((-2, -1, 0), (-1, 1, 1), (0, 1, 2)),
    "Diagonal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "Binomial 5 × 5": tuple(tuple(a * b for b in (1, 4, 6, 4, 1)) for a in (1, 4, 6, 4, 1)),
    "Cross 5 × 5": tuple(tuple(int(2 in (i, j)) for j in range(5)) for i in range(5)),
    "Ring 5 × 5": ((0, 1, 1, 1, 0), (1, 0, 0, 0, 1), (1, 0, 0, 0, 1), (1, 0, 0, 0, 1), (0, 1, 1, 1, 0)),
}
# Name -> what to turn: drawn in the browser on 5 x 5 by the formula in `turned`.
SEPARABILITY_TURNED = ("Round Gaussian", "Long Gaussian", "Gabor")


def turned(name: str, degrees: float) -> list[list[float]]:
    """One of `SEPARABILITY_TURNED` at an angle, as the explorer draws it: 5 × 5 with a peak of 10."""
    from math import cos, exp, pi, sin

    a = degrees * pi / 180
    rows = []
    for y in range(-2, 3):
        row = []
        for x in range(-2, 3):
            along, across = x * cos(a) + y * sin(a), y * cos(a) - x * sin(a)
            long, short = {"Round Gaussian": (1, 1), "Long Gaussian": (1.8, 0.7), "Gabor": (1.4, 1.4)}[name]
            height = exp(-(along**2) / (2 * long**2) - across**2 / (2 * short**2))
            if name == "Gabor":
                height *= cos(pi * across / 2)
            row.append(10 * height)
        rows.append(row)
    return rows


def _photo() -> Any:
    """The cameraman's head and camera, 64 × 64."""
    return photos.small_photo("camera", 64, top=30, left=60, across=384)


def _flat(kernel: Sequence[Sequence[float]]) -> list[float]:
    return [value for row in kernel for value in row]


PANEL = Panel(
    "separability",
    title="A column times a row",
    controls=(
        Slider("terms", 1, max(SIZES), "terms kept", symbol="r", color="green"),
        Slider("angle", 0, 90, "angle", color="violet", step=5, unit="°"),
        Numbers("weights", -LARGEST, LARGEST, "Weights of the kernel"),
    ),
    alt=lambda terms, angle, weights: (
        f"A {isqrt(len(weights))} × {isqrt(len(weights))} kernel whose weights can be edited, its singular values with "
        "their shares of the energy, the columns and rows whose products add up to it, and a photo filtered by the "
        "kernel and by the strongest terms alone. It starts with "
        + (
            "the Sobel kernel, which is 1, 2, 1 down times −1, 0, 1 across."
            if weights == _flat(SEPARABILITY_PRESETS["Sobel"])
            else "your own kernel."
        )
    ),
    room=225,
    presets={name: {"weights": _flat(kernel), "shape": ""} for name, kernel in SEPARABILITY_PRESETS.items()}
    | {name: {"shape": name} for name in SEPARABILITY_TURNED},
    trying="Kernels to try",
    variables={"shape": "", "clear": False},
)


def separability(
    kernel: Sequence[Sequence[float]] | None = None, terms: int = 1, *, key: str | None = None
) -> Explorer:
    """A kernel whose weights can be edited, as a sum of columns times rows, and a photo filtered by it and by fewer.

    The decomposition is the singular value decomposition, computed in the browser by Jacobi's rotations; the first
    term is that of `cnnlab.convolutions.best_rank1`.

    Args:
        kernel: 3 × 3 or 5 × 5 weights at the start; None means the Sobel kernel for vertical edges.
        terms: how many terms are kept at the start.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a kernel of another shape, a weight beyond ±99, or more terms than the kernel has rows.
    """
    rows = SEPARABILITY_PRESETS["Sobel"] if kernel is None else tuple(tuple(row) for row in kernel)
    size = len(rows)
    if size not in SIZES or any(len(row) != size for row in rows):
        shape = " × ".join(map(str, (size, *{len(row) for row in rows})))
        raise ValueError(f"kernel has the shape {shape}; the explorer draws 3 × 3 and 5 × 5 kernels.")
    weights = [float(value) for value in _flat(rows)]
    for value in weights:
        if not abs(value) <= LARGEST:
            raise ValueError(f"kernel holds {value}; use weights from -{LARGEST} to {LARGEST}. Divide all by the same.")
    whole("terms", terms, 1, size, "A kernel has no more terms than rows.")
    photo = _photo()
    data = {"side": len(photo), "pixels": b64encode(photo.tobytes()).decode()}
    return PANEL(terms=terms, angle=30, weights=weights, data=data, key=key)
