"""A 3D kernel that slides through a short clip: what one output reads, and what each kernel makes of motion."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Pick, Select, Slider, Steps

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


PANEL = Panel(
    "clip_kernel",
    title="A kernel in a clip",
    controls=(
        Select("kernel", "Kernel", {name: name for name in CLIP_KERNELS}),
        Choice("shape", "Shape", {shape: shape for shape in CLIP_SHAPES}),
        Choice("direction", "goes", {direction: direction for direction in CLIP_DIRECTIONS}),
        Pick(
            "clip", "The clip, frame by frame, with the kernel's cube", sets=("column", "row"), hover=False, role="img"
        ),
        Slider("time", 1, CLIP_FRAMES - 2, "time", symbol="t", color="blue"),
        Slider("row", 1, CLIP_HEIGHT - 2, "row", symbol="y", color="orange"),
        Slider("column", 1, CLIP_WIDTH - 2, "column", symbol="x", color="green"),
        Steps("play", ms=220, loop=True),
        Pick(
            "outputs",
            "Output frames. The arrow keys move the kernel in the picture; with Shift, left and right move it in time.",
            sets=("column", "row"),
            hover=False,
        ),
    ),
    alt=lambda kernel, shape, direction, **_: (
        f"Six frames of {CLIP_HEIGHT} × {CLIP_WIDTH} pixels in which a shape moves, a kernel of 3 × 3 × 3 weights at a "
        "place among them, the sum of the products there, and the four output frames. At the start the kernel is "
        f"“{kernel}” and the shape is a {shape} that "
        + ("stands still." if direction == "still" else f"moves to the {direction}.")
    ),
    room=165,
    hint=145,
)


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
    clips = {
        f"{s} {d}": "".join(str(p) for frame in clip_pixels(s, d) for row in frame for p in row)
        for s in CLIP_SHAPES
        for d in CLIP_DIRECTIONS
    }
    kernels = {
        name: [[w for plane in planes for row in plane for w in row], divisor]
        for name, (planes, divisor) in CLIP_KERNELS.items()
    }
    return PANEL(
        kernel=kernel,
        shape=shape,
        direction=direction,
        time=2,
        row=2,
        column=3,
        data={"size": [CLIP_FRAMES, CLIP_HEIGHT, CLIP_WIDTH], "clips": clips, "kernels": kernels},
        key=key,
    )
