"""Shapes drawn by arithmetic: real enough to train on, and every fact about them is known.

A shape is a signed distance: for each pixel, how far it lies from the outline (negative inside). The
distance gives smooth edges for nothing, and all pictures of a set are computed at once. The distance
functions of star, heart and triangle follow Inigo Quilez's articles on 2D distance functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.data.registry import DatasetInfo, Request, register_dataset
from cnnlab.detection import boxes_of
from cnnlab.errors import unknown_name

__all__ = ["SHAPE_CLASSES", "KEYPOINT_NAMES", "SHAPES", "load_shapes", "draw_shapes", "backgrounds", "paint_on"]

# Each function takes x, y (in units of the shape's radius, y downwards) and gives the signed distance
# in the same unit. Each shape fits the unit circle, so that scale means the same for all of them.


def _box(x: Tensor, y: Tensor, half_width: float, half_height: float) -> Tensor:
    dx, dy = x.abs() - half_width, y.abs() - half_height
    outside = torch.hypot(dx.clamp(min=0), dy.clamp(min=0))
    return outside + torch.maximum(dx, dy).clamp(max=0)


def _polygon(x: Tensor, y: Tensor, sides: int) -> Tensor:
    """Regular, one corner up: the largest distance to the lines through its sides."""
    apothem = math.cos(math.pi / sides)
    out = torch.full_like(x, -math.inf)
    for side in range(sides):
        angle = -math.pi / 2 + math.pi / sides + 2 * math.pi * side / sides
        out = torch.maximum(out, x * math.cos(angle) + y * math.sin(angle) - apothem)
    return out


def _bar(x: Tensor, y: Tensor) -> Tensor:
    return _box(x, y, 0.95, 0.3)


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.85


def _crescent(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y) - 0.95, 0.75 - torch.hypot(x - 0.5, y))


def _cross(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(_box(x, y, 0.9, 0.3), _box(x, y, 0.3, 0.9))


def _half_disk(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y - 0.4) - 0.95, y - 0.4)


def _heart(x: Tensor, y: Tensor) -> Tensor:
    x, y = x.abs() / 1.5, (0.85 - y) / 1.5  # tip at the bottom, at the origin of the formula
    upper = torch.hypot(x - 0.25, y - 0.75) - math.sqrt(2) / 4
    diagonal = ((x + y).clamp(min=0)) / 2
    lower = torch.minimum(torch.hypot(x, y - 1), torch.hypot(x - diagonal, y - diagonal)) * torch.sign(x - y)
    return 1.5 * torch.where(x + y > 1, upper, lower)


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.7).abs() - 0.22


def _square(x: Tensor, y: Tensor) -> Tensor:
    return _box(x, y, 0.7, 0.7)


def _star(x: Tensor, y: Tensor) -> Tensor:
    # Fold the plane onto half of one point, then measure to the one edge that is left.
    angle = torch.atan2(x, -y)  # zero straight up
    step = 2 * math.pi / 5
    angle = (torch.remainder(angle + step / 2, step) - step / 2).abs()
    radius = torch.hypot(x, y)
    px, py = radius * torch.sin(angle), radius * torch.cos(angle)
    inner = 0.45
    qx, qy = inner * math.sin(step / 2), inner * math.cos(step / 2)  # the notch; the tip is (0, 1)
    ex, ey = qx - 0.0, qy - 1.0
    length = math.hypot(ex, ey)
    return (px * (-ey) + (py - 1.0) * ex) / length


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    return _polygon(x, y, 3)


_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bar": _bar,
    "circle": _circle,
    "crescent": _crescent,
    "cross": _cross,
    "half-disk": _half_disk,
    "heart": _heart,
    "ring": _ring,
    "square": _square,
    "star": _star,
    "triangle": _triangle,
}
SHAPE_CLASSES = tuple(_DISTANCES)
KEYPOINT_NAMES = ("center", "left", "top", "right", "bottom")
_PAIRS = ((1, 3),)  # what was leftmost is rightmost in a mirror

SHAPES = DatasetInfo(
    name="shapes",
    title="Shapes, drawn procedurally",
    year=2026,
    shape=(3, 32, 32),
    num_classes=len(SHAPE_CLASSES),
    train=2000,
    test=500,
    bundled=True,
    source="drawn by cnnlab",
)


@register_dataset(SHAPES)
def _load(request: Request) -> Dataset:
    """Large shapes, turned by 20 degrees at most: a small network learns them from 2000 pictures in a few epochs.

    With any rotation and smaller shapes (what ``load_shapes`` draws unless told otherwise) it takes far longer.
    """
    train = SHAPES.train if request.limit is None else request.limit
    size = request.size or SHAPES.shape[1]
    test = min(SHAPES.test, train)
    return load_shapes(train, size, seed=request.seed, test=test, rotation=20.0, scale=(0.34, 0.48))


def load_shapes(
    n: int = 2000,
    size: int = 64,
    seed: int = 0,
    *,
    test: int | None = None,
    objects: int | tuple[int, int] = 1,
    classes: Sequence[str] | None = None,
    rotation: float = 180.0,
    scale: tuple[float, float] = (0.26, 0.46),
    noise: float = 0.04,
) -> Dataset:
    """``n`` training pictures and ``test`` others (a quarter of ``n`` unless given) of drawn shapes.

    Arguments as in :func:`draw_shapes`; the test pictures come from another stream of random numbers.
    """
    test = max(1, n // 4) if test is None else test
    options = {"objects": objects, "classes": classes, "rotation": rotation, "scale": scale, "noise": noise}
    return Dataset.from_sets(
        "shapes",
        draw_shapes(n, size, 2 * seed, **options),
        draw_shapes(test, size, 2 * seed + 1, **options),
        f"{SHAPES.source}, {size}x{size}, seed {seed}",
    )


def draw_shapes(
    n: int,
    size: int = 64,
    seed: int = 0,
    *,
    objects: int | tuple[int, int] = 1,
    classes: Sequence[str] | None = None,
    rotation: float = 180.0,
    scale: tuple[float, float] = (0.26, 0.46),
    noise: float = 0.04,
) -> ImageSet:
    """``n`` pictures of shapes that vary in color, position, scale, rotation and background.

    With ``objects=1`` each picture shows one shape: boxes (N, 4), masks (N, H, W), keypoints (N, 5, 2).
    With ``objects=3``, or ``objects=(1, 3)`` for one to three, the shapes may hide parts of one another:
    boxes (N, M, 4), masks (N, M, H, W), keypoints (N, M, 5, 2) and object_labels (N, M), where -1, an
    empty mask and zeros mark an object that is not there; ``labels`` then holds the class of the object
    with the largest visible part. Masks and boxes tell what is visible. Keypoints are the mask's center
    of mass and its leftmost, topmost, rightmost and bottommost points ("extreme points", Papadopoulos et
    al. 2017), which stay well defined for a shape that looks the same after a turn.

    Args:
        n: pictures; the classes of single shapes are as even as n allows.
        size: side length in pixels, 8 or more.
        seed: the same seed gives the same pictures.
        objects: how many shapes in a picture, or the least and the most.
        classes: some of ``SHAPE_CLASSES``; None means all.
        rotation: shapes are turned by an angle from -rotation..rotation, in degrees.
        scale: the least and the greatest radius, as a share of ``size`` (smaller where objects share a picture).
        noise: standard deviation of the pixel noise, for pixels in [0, 1].

    Raises:
        ValueError: an argument out of range or an unknown class.
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, got {n}.")
    if size < 8:
        raise ValueError(f"size must be 8 pixels or more for the shapes to differ, got {size}.")
    if not 0 <= noise <= 1:
        raise ValueError(f"noise must lie in 0..1, got {noise}.")
    if not 0 <= rotation <= 180:
        raise ValueError(f"rotation must lie in 0..180 degrees, got {rotation}.")
    if not 0.05 <= scale[0] <= scale[1] <= 0.5:
        raise ValueError(f"scale must be (least, greatest) radius within 0.05..0.5 of the size, got {scale}.")
    least, most = (objects, objects) if isinstance(objects, int) else objects
    if not 1 <= least <= most <= 8:
        raise ValueError(f"objects must be a number from 1 to 8, or (least, most) in this range, got {objects}.")
    names = SHAPE_CLASSES if classes is None else tuple(classes)
    for name in names:
        if name not in _DISTANCES:
            raise unknown_name("classes", name, SHAPE_CLASSES)
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError(f"classes must name two or more different shapes, got {names}.")

    parts = []
    chunk = max(1, 4_000_000 // (size * size))  # keeps the working memory near 200 MB at any size
    for start in range(0, n, chunk):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + start)
        parts.append(_draw(start, min(chunk, n - start), size, least, most, names, rotation, scale, noise, generator))
    images, labels, boxes, masks, keypoints, object_labels = (
        torch.cat(tensors) for tensors in zip(*parts, strict=True)
    )
    # Classes were dealt in turn; a shuffle keeps the order from telling them.
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    images, labels, boxes, masks, keypoints, object_labels = (
        tensor[order] for tensor in (images, labels, boxes, masks, keypoints, object_labels)
    )
    if most == 1:
        return ImageSet(images, labels, names, boxes[:, 0], masks[:, 0], keypoints[:, 0], pairs=_PAIRS)
    return ImageSet(images, labels, names, boxes, masks, keypoints, object_labels, pairs=_PAIRS)


def _draw(
    start: int,
    n: int,
    size: int,
    least: int,
    most: int,
    names: tuple[str, ...],
    rotation: float,
    scale: tuple[float, float],
    noise: float,
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    count = torch.randint(least, most + 1, (n,), generator=generator)
    present = torch.arange(most) < count[:, None]  # (n, M)
    if most == 1:
        kinds = (torch.arange(start, start + n) % len(names))[:, None]
    else:
        kinds = torch.randint(len(names), (n, most), generator=generator)

    # Where and how large. Radii shrink with the number of objects; centers keep the whole shape inside.
    crowd = count.clamp(max=4).float().sqrt()[:, None]
    radius = uniform(n, most, low=scale[0], high=scale[1]) * size / crowd.clamp(min=1)  # (n, M)
    radius = radius.clamp(min=3.5)
    turn = uniform(n, most, low=-1.0, high=1.0) * math.radians(rotation)
    centers = torch.empty(n, most, 2)
    for index in range(most):
        room = (size - 2 * radius[:, index]).clamp(min=0)[:, None, None]
        tries = uniform(n, 16, 2) * room + radius[:, index, None, None]  # 16 places; the freest one is taken
        if index:
            apart = torch.cdist(tries, centers[:, :index])  # (n, 16, index)
            best = (apart - radius[:, None, :index]).min(2).values.argmax(1)
        else:
            best = torch.zeros(n, dtype=torch.long)
        centers[:, index] = tries[torch.arange(n), best]

    background, canvas = backgrounds(n, size, generator)
    pixel = torch.arange(size) + 0.5
    covers = torch.zeros(n, most, size, size, dtype=torch.bool)
    for index in range(most):
        cosine, sine = torch.cos(turn[:, index]), torch.sin(turn[:, index])
        dx = ((pixel - centers[:, index, 0, None]) / radius[:, index, None])[:, None, :]  # (n, 1, W)
        dy = ((pixel - centers[:, index, 1, None]) / radius[:, index, None])[:, :, None]  # (n, H, 1)
        cosine, sine = cosine[:, None, None], sine[:, None, None]
        x, y = cosine * dx + sine * dy, cosine * dy - sine * dx  # (n, H, W) each
        distance = torch.empty(n, size, size)
        for kind, name in enumerate(names):
            chosen = (kinds[:, index] == kind).nonzero().squeeze(1)
            if len(chosen):
                distance[chosen] = _DISTANCES[name](x[chosen], y[chosen])
        # How much of a pixel the shape covers: its edge is one pixel wide.
        alpha = (0.5 - distance * radius[:, index, None, None]).clamp_(0, 1)
        alpha *= present[:, index, None, None]
        paint = paint_on(background, generator)
        canvas = torch.lerp(canvas, paint[:, :, None, None], alpha[:, None])
        visible = alpha > 0.5
        covers[:, :index] &= ~visible[:, None]
        covers[:, index] = visible
    if noise:
        canvas += noise * torch.randn(canvas.shape, generator=generator)
    images = canvas.clamp_(0, 1).mul_(255).round_().to(torch.uint8)

    boxes, keypoints = _measure(covers)
    object_labels = torch.where(present & covers.flatten(2).any(2), kinds, -1)
    if most == 1:
        labels = kinds[:, 0]
    else:
        largest = covers.flatten(2).sum(2).argmax(1)
        labels = kinds[torch.arange(n), largest]
    return images, labels, boxes, covers, keypoints, object_labels


def backgrounds(n: int, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A color, a slope of brightness, and blotches a quarter of the picture wide. Shapes: (n, 3), (n, 3, H, W)."""
    color = torch.rand(n, 3, generator=generator)
    position = (torch.arange(size) + 0.5) / size - 0.5
    slope = torch.rand(n, 2, generator=generator) * 0.6 - 0.3
    shading = slope[:, 0, None, None] * position[:, None] + slope[:, 1, None, None] * position  # (n, H, W)
    blotches = torch.nn.functional.interpolate(
        torch.randn(n, 1, 5, 5, generator=generator) * 0.08, size=(size, size), mode="bicubic", align_corners=True
    )
    return color, color[:, :, None, None] + shading[:, None] + blotches


def paint_on(background: Tensor, generator: torch.Generator) -> Tensor:
    """The color farthest from the background among eight, so that nothing vanishes. Shape: (n, 3), kept."""
    tries = torch.rand(len(background), 8, 3, generator=generator)
    farthest = torch.linalg.vector_norm(tries - background[:, None], dim=2).argmax(1)
    return tries[torch.arange(len(tries)), farthest]


def _measure(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (n, M, 4) and keypoints (n, M, 5, 2) of masks (n, M, H, W); zeros for an empty mask."""
    *_, height, width = masks.shape
    boxes = boxes_of(masks)
    some = masks.flatten(2).any(2)
    left, top = boxes[..., :2].long().unbind(2)
    right, bottom = (boxes[..., 2:].long() - 1).clamp(min=0).unbind(2)

    weights = masks.float()
    x, y = torch.arange(width) + 0.5, torch.arange(height) + 0.5
    area = weights.sum((2, 3)).clamp(min=1)
    center = torch.stack([(weights.sum(2) * x).sum(2) / area, (weights.sum(3) * y).sum(2) / area], 2)

    def middle_of_row(row: Tensor) -> Tensor:
        line = weights.gather(2, row[:, :, None, None].expand(-1, -1, 1, width)).squeeze(2)
        return (line * x).sum(2) / line.sum(2).clamp(min=1)

    def middle_of_column(column: Tensor) -> Tensor:
        line = weights.gather(3, column[:, :, None, None].expand(-1, -1, height, 1)).squeeze(3)
        return (line * y).sum(2) / line.sum(2).clamp(min=1)

    extremes = [
        center,
        torch.stack([left + 0.5, middle_of_column(left)], 2),
        torch.stack([middle_of_row(top), top + 0.5], 2),
        torch.stack([right + 0.5, middle_of_column(right)], 2),
        torch.stack([middle_of_row(bottom), bottom + 0.5], 2),
    ]
    keypoints = torch.stack(extremes, 2)  # (n, M, 5, 2)
    return boxes, keypoints * some[:, :, None, None]
