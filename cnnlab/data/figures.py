"""Stick figures drawn by arithmetic: bodies with a left and a right side, seen from the front or from behind.

Left is the figure's own left. From the front it is on the picture's right, from behind on its left, and only the head
tells which: a face or hair. A mirrored front view is a front view again, so that what was the left hand is in the place
of a right one: whoever mirrors these pictures has to exchange left and right, by ``FIGURE_PAIRS``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.data.shapes import backgrounds, paint_on

__all__ = ["FIGURE_BONES", "FIGURE_JOINTS", "FIGURE_PAIRS", "draw_figures", "load_figures"]

FIGURE_JOINTS = (
    *("head", "neck", "hips", "left elbow", "right elbow", "left hand", "right hand"),
    *("left knee", "right knee", "left foot", "right foot"),
)
FIGURE_PAIRS = ((3, 4), (5, 6), (7, 8), (9, 10))  # left and right
FIGURE_BONES = ((0, 1), (1, 2), (1, 3), (3, 5), (1, 4), (4, 6), (2, 7), (7, 9), (2, 8), (8, 10))

# Lengths in shares of the figure's height.
_HEAD, _TORSO, _UPPER_ARM, _FOREARM, _THIGH, _SHIN = 0.16, 0.29, 0.17, 0.17, 0.21, 0.21
_RADIUS = 0.115  # of the head
_FACE, _HAIR = (1.0, 0.86, 0.72), (0.16, 0.09, 0.05)


def load_figures(
    n: int = 2000, size: int = 48, seed: int = 0, *, test: int | None = None, noise: float = 0.04
) -> Dataset:
    """``n`` training pictures and ``test`` others (a quarter of ``n`` unless given) of stick figures.

    Arguments as in :func:`draw_figures`; the test pictures come from another stream of random numbers.
    """
    test = max(1, n // 4) if test is None else test
    return Dataset.from_sets(
        "figures",
        draw_figures(n, size, 2 * seed, noise=noise),
        draw_figures(test, size, 2 * seed + 1, noise=noise),
        f"drawn by cnnlab, {size}x{size}, seed {seed}",
    )


def draw_figures(n: int, size: int = 48, seed: int = 0, *, noise: float = 0.04) -> ImageSet:
    """``n`` pictures of one stick figure each: the whole of it, its limbs at random angles, half seen from behind.

    Args:
        n: pictures.
        size: side length in pixels, 24 or more.
        seed: the same seed gives the same pictures.
        noise: standard deviation of the pixel noise, for pixels in [0, 1].

    Returns:
        Classes "front" and "back"; ``keypoints`` (N, 11, 2) are ``FIGURE_JOINTS``, all within the picture; boxes and
        masks are the figure's.

    Raises:
        ValueError: an argument out of range.
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, got {n}.")
    if size < 24:
        raise ValueError(f"size must be 24 pixels or more for the limbs to differ, got {size}.")
    if not 0 <= noise <= 1:
        raise ValueError(f"noise must lie in 0..1, got {noise}.")
    parts = []
    chunk = max(1, 2_000_000 // (size * size))
    for start in range(0, n, chunk):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + start)
        parts.append(_draw(min(chunk, n - start), size, noise, generator))
    images, labels, masks, points = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    rows, columns = masks.any(2).float(), masks.any(1).float()  # (N, H), (N, W)
    ends = [columns.argmax(1), rows.argmax(1), size - columns.flip(1).argmax(1), size - rows.flip(1).argmax(1)]
    boxes = torch.stack(ends, 1).float()
    return ImageSet(images, labels, ("front", "back"), boxes, masks, points, pairs=FIGURE_PAIRS)


def _draw(n: int, size: int, noise: float, generator: torch.Generator) -> tuple[Tensor, ...]:
    labels = torch.randint(2, (n,), generator=generator)
    points, height = _placed(_posed(n, labels, generator), size, generator)
    background, canvas = backgrounds(n, size, generator)
    paint = paint_on(background, generator)

    pixel = torch.arange(size) + 0.5
    x, y = pixel[None, None, :], pixel[None, :, None]
    limbs = torch.full((n, size, size), math.inf)
    for one, other in FIGURE_BONES[1:]:
        limbs = torch.minimum(limbs, _to_segment(x, y, points[:, one], points[:, other]))
    head = points[:, 0, :, None, None]
    to_head = torch.hypot(x - head[:, 0], y - head[:, 1])
    radius = _RADIUS * height[:, None, None]
    body = torch.minimum(limbs - 0.032 * height[:, None, None], to_head - radius)
    alpha = (0.5 - body).clamp(0, 1)  # an edge is one pixel wide
    canvas = torch.lerp(canvas, paint[:, :, None, None], alpha[:, None])
    # Face or hair, a shirt's front or its back.
    inner = torch.where((labels == 0)[:, None], torch.tensor(_FACE), torch.tensor(_HAIR))
    shirt = (0.5 - (_to_segment(x, y, points[:, 1], points[:, 2]) - 0.05 * height[:, None, None])).clamp(0, 1)
    canvas = torch.lerp(canvas, inner[:, :, None, None], shirt[:, None])
    inside = (0.5 - (to_head - 0.8 * radius)).clamp(0, 1)
    canvas = torch.lerp(canvas, inner[:, :, None, None], inside[:, None])
    for side in (-1, 1):  # two eyes, of those seen from the front
        eye = torch.hypot(x - head[:, 0] - side * 0.33 * radius, y - head[:, 1] + 0.1 * radius)
        dark = (0.5 - (eye - 0.17 * radius)).clamp(0, 1) * (labels == 0)[:, None, None]
        canvas = torch.lerp(canvas, torch.zeros(1, 3, 1, 1), dark[:, None])
    if noise:
        canvas = canvas + noise * torch.randn(canvas.shape, generator=generator)
    return canvas.clamp(0, 1).mul(255).round().to(torch.uint8), labels, alpha > 0.5, points


def _posed(n: int, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Joints in shares of the height, the hips at the origin. Shape: (n, 11, 2)."""

    def angle(low: float, high: float) -> Tensor:
        return torch.deg2rad(torch.rand(n, generator=generator) * (high - low) + low)

    def along(start: Tensor, turn: Tensor, length: float) -> Tensor:
        """From a joint, turned from straight down towards the picture's right."""
        return start + length * torch.stack([turn.sin(), turn.cos()], 1)

    hips = torch.zeros(n, 2)
    lean = angle(-15, 15)
    neck = along(hips, lean + math.pi, _TORSO)
    head = along(neck, lean + math.pi + angle(-10, 10), _HEAD)
    joints = {"head": head, "neck": neck, "hips": hips}
    for name in ("left", "right"):
        # Seen from the front, the left side is on the right.
        side = torch.where((labels == 0) == (name == "left"), 1.0, -1.0)
        arm, bent = angle(15, 140), angle(-70, 70)
        joints[f"{name} elbow"] = along(neck, side * arm, _UPPER_ARM)
        joints[f"{name} hand"] = along(joints[f"{name} elbow"], side * (arm + bent), _FOREARM)
        leg, bent = angle(8, 50), angle(-45, 10)
        joints[f"{name} knee"] = along(hips, side * leg, _THIGH)
        joints[f"{name} foot"] = along(joints[f"{name} knee"], side * (leg + bent), _SHIN)
    return torch.stack([joints[name] for name in FIGURE_JOINTS], 1)


def _placed(points: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points in pixels, so that all of the figure lies in the picture, and its height."""
    low, high = points.amin(1) - 1.3 * _RADIUS, points.amax(1) + 1.3 * _RADIUS
    wanted = (torch.rand(len(points), generator=generator) * 0.35 + 0.65) * size
    height = torch.minimum(wanted, size / (high - low).amax(1))
    room = size - height[:, None] * (high - low)
    corner = torch.rand(len(points), 2, generator=generator) * room
    return height[:, None, None] * (points - low[:, None]) + corner[:, None], height


def _to_segment(x: Tensor, y: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """The distance of each pixel from a segment. Shape: (n, H, W)."""
    along = (other - one)[:, :, None, None]  # (n, 2, 1, 1)
    dx, dy = x - one[:, 0, None, None], y - one[:, 1, None, None]
    share = (dx * along[:, 0] + dy * along[:, 1]) / along.square().sum(1).clamp_min(1e-6)
    share = share.clamp(0, 1)
    return torch.hypot(dx - share * along[:, 0], dy - share * along[:, 1])
