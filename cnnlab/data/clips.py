"""Short clips of shapes that move to the left or to the right, drawn by arithmetic like the pictures of `shapes`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlab.data.shapes import _DISTANCES, SHAPE_CLASSES
from cnnlab.errors import unknown_name

__all__ = ["DIRECTIONS", "moving_shapes"]

DIRECTIONS = ("left", "right")


def moving_shapes(
    n: int,
    size: int = 16,
    frames: int = 8,
    seed: int = 0,
    *,
    start: int | tuple[int, int] = 0,
    visible: int | None = None,
    speed: float = 1.0,
    shapes: Sequence[str] = ("circle", "square", "triangle"),
    scale: tuple[float, float] = (0.14, 0.22),
    noise: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """``n`` clips of one bright shape each, and which way it goes: 0 is left and 1 is right, in turn.

    The picture has no edge: what leaves it on one side comes in on the other. The first place is drawn evenly from
    all, so that no single frame says anything about the direction. Where the frames before and after the visible ones
    are equally many, a clip played backward is a clip of the other direction, as likely as the first.

    Shape: clips (n, 1, frames, size, size), float32, about 0 in the background and up to 1 in the shape; labels (n,).

    Args:
        n: clips.
        size: height and width in pixels.
        frames: in a clip.
        seed: the same seed gives the same clips.
        start: the frame in which the shape appears, counted from 0, or the least and the most of it.
        visible: frames in which it is there; None means to the end. The others hold noise alone.
        speed: pixels from frame to frame.
        shapes: some of ``SHAPE_CLASSES``, one of which is drawn for each clip.
        scale: the least and the greatest radius, as a share of ``size``.
        noise: standard deviation of the pixel noise.

    Raises:
        ValueError: an argument out of range or an unknown shape.
    """
    for name, value, least in (("n", n, 1), ("size", size, 8), ("frames", frames, 1)):
        if value < least:
            raise ValueError(f"{name}={value} is too small; {name} must be {least} or more.")
    first, last = (start, start) if isinstance(start, int) else start
    if not 0 <= first <= last < frames:
        raise ValueError(f"start={start} is not within the {frames} frames; use numbers from 0 to {frames - 1}.")
    visible = frames - first if visible is None else visible
    if visible < 1:
        raise ValueError(f"visible={visible} shows nothing; use 1 or more frames.")
    if not 0 < scale[0] <= scale[1] <= 0.5:
        raise ValueError(f"scale={scale} must be (least, greatest) radius, above 0 and at most 0.5 of the size.")
    if noise < 0:
        raise ValueError(f"noise={noise} is negative; it is a standard deviation.")
    for name in shapes:
        if name not in _DISTANCES:
            raise unknown_name("shapes", name, SHAPE_CLASSES)
    if not shapes:
        raise ValueError(f"shapes is empty; name one or more of {', '.join(SHAPE_CLASSES)}.")

    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, 1, generator=generator) * (high - low) + low

    labels = torch.arange(n) % 2
    kinds = torch.randint(len(shapes), (n,), generator=generator)
    radius, brightness = uniform(*scale) * size, uniform(0.6, 1.0)  # (n, 1)
    begins = torch.randint(first, last + 1, (n, 1), generator=generator)
    age = torch.arange(frames) - begins  # (n, frames): 0 where the shape appears
    x = uniform(0, size) + (2 * labels[:, None] - 1) * speed * age
    y = uniform(0, size)
    pixel = torch.arange(size) + 0.5

    def apart(center: Tensor) -> Tensor:
        """How far each pixel lies from a center, the short way round, in radii. Shape: (n, m) -> (n, m, size)."""
        return (torch.remainder(pixel - center[..., None] + size / 2, size) - size / 2) / radius[..., None]

    dx, dy = torch.broadcast_tensors(apart(x)[:, :, None, :], apart(y)[:, :, :, None])  # (n, frames, size, size)
    distance = torch.empty_like(dx)
    for kind, name in enumerate(shapes):
        distance[kinds == kind] = _DISTANCES[name](dx[kinds == kind], dy[kinds == kind])
    covers = (0.5 - distance * radius[..., None, None]).clamp(0, 1)  # an edge is one pixel wide
    there = brightness * ((age >= 0) & (age < visible))
    clips = covers * there[..., None, None] + noise * torch.randn(n, frames, size, size, generator=generator)
    return clips[:, None], labels
