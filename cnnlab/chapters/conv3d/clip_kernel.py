"""A 3D kernel that slides through a short clip: what one output reads, and what each kernel makes of motion."""

from __future__ import annotations

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer

__all__ = ["clip_kernel"]

CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH = 6, 6, 9
CLIP_DIRECTIONS = ("right", "left", "still")
CLIP_SHAPES = ("bar", "block", "edge")

Plane = tuple[tuple[int, int, int], ...]

_NONE: Plane = ((0, 0, 0),) * 3
_DOT: Plane = ((0, 0, 0), (0, 1, 0), (0, 0, 0))
_ONES: Plane = ((1, 1, 1),) * 3


def _columns(*row: int) -> Plane:
    return (row,) * 3  # type: ignore[return-value]


# The kernel's three planes, one for each of the frames that it sees, and what the sum is divided by.
CLIP_KERNELS: dict[str, tuple[tuple[Plane, Plane, Plane], int]] = {
    "Motion to the right": ((_columns(2, -1, -1), _columns(-1, 2, -1), _columns(-1, -1, 2)), 1),
    "Motion to the left": ((_columns(-1, -1, 2), _columns(-1, 2, -1), _columns(2, -1, -1)), 1),
    "Change in time": ((tuple(tuple(-w for w in row) for row in _DOT), _NONE, _DOT), 1),
    "Edge in space": ((_NONE, _columns(-1, 0, 1), _NONE), 1),
    "Change times edge": ((_columns(1, 0, -1), _NONE, _columns(-1, 0, 1)), 1),
    "Blur in time": ((_DOT, _DOT, _DOT), 3),
    "Average": ((_ONES, _ONES, _ONES), 27),
}


def clip_pixels(shape: str, direction: str) -> list[list[list[int]]]:
    """The clip of ones and zeros. Shape: (CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH)"""
    step = {"right": 1, "left": -1, "still": 0}[direction]
    clip = []
    for t in range(CLIP_FRAMES):
        x = {1: 1, -1: CLIP_WIDTH - 2, 0: CLIP_WIDTH // 2}[step] + step * t  # the middle of the shape
        lit = {
            "bar": lambda row, column, x=x: column == x and 1 <= row < CLIP_HEIGHT - 1,
            "block": lambda row, column, x=x: abs(column - x) <= 1 and 1 <= row < CLIP_HEIGHT - 2,
            "edge": lambda row, column, x=x: column <= x,
        }[shape]
        clip.append([[int(lit(row, column)) for column in range(CLIP_WIDTH)] for row in range(CLIP_HEIGHT)])
    return clip


def clip_kernel(
    kernel: str = "Motion to the right", shape: str = "bar", direction: str = "right", *, key: str | None = None
) -> Explorer:
    """A 3 × 3 × 3 kernel at its place in a clip of six frames, the sum at that place, and all four output frames.

    The numbers are those of `cnnlab.convolutions.standard_conv3d` without padding.

    Args:
        kernel: one of ``CLIP_KERNELS``.
        shape: "bar", "block" or "edge".
        direction: "right", "left" or "still".
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for an unknown kernel, shape or direction.
    """
    for argument, value, known in (
        ("kernel", kernel, tuple(CLIP_KERNELS)),
        ("shape", shape, CLIP_SHAPES),
        ("direction", direction, CLIP_DIRECTIONS),
    ):
        if value not in known:
            raise unknown_name(argument, value, known)
    clips = {
        f"{s} {d}": "".join(str(p) for frame in clip_pixels(s, d) for row in frame for p in row)
        for s in CLIP_SHAPES
        for d in CLIP_DIRECTIONS
    }
    return Explorer(
        "clip_kernel",
        {
            "size": [CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH],
            "clips": clips,
            "kernels": [
                [name, [w for plane in planes for row in plane for w in row], divisor]
                for name, (planes, divisor) in CLIP_KERNELS.items()
            ],
            "shapes": list(CLIP_SHAPES),
            "directions": list(CLIP_DIRECTIONS),
            "at": [kernel, shape, direction],
        },
        key=key,
        title="A kernel in a clip",
        alt=f"Six frames of {CLIP_HEIGHT} × {CLIP_WIDTH} pixels in which a shape moves, a kernel of 3 × 3 × 3 weights "
        "at a place among them, the sum of the products there, and the four output frames. At the start the "
        f"kernel is “{kernel}” and the shape is a {shape} that "
        + ("stands still." if direction == "still" else f"moves to the {direction}."),
    )
