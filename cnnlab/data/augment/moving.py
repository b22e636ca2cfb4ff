"""Augmentations that move pixels: mirrored, cut anew, turned, sheared, warped.

Each says three things, of which :class:`Moving` makes the call: what is drawn for a batch, how its pixels move, and as
a :class:`Motion` where a point goes. Boxes, masks and key points (:class:`cnnlab.data.targets.Placed`, or a list of
:class:`cnnlab.detection.Objects`) move by the same draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlab.data.augment.base import check_batch, uniform, within
from cnnlab.data.targets import Placed

__all__ = ["Motion", "Moving", "Flip", "Crop", "Rotate", "Shear", "LocalWarp"]


@dataclass(frozen=True)
class Motion:
    """Where a moved picture was read: its point q shows what was at matrix (q - center) + center + shift + field(q).

    Points are (x, y) in pixels from the upper left corner, so that the first pixel's middle is (0.5, 0.5).

    Attributes:
        size: height and width of the pictures.
        matrix: (N, 2, 2).
        shift: (N, 2).
        field: (N, 2, H, W), read between pixels bilinearly; None for none.
    """

    size: tuple[int, int]
    matrix: Tensor
    shift: Tensor
    field: Tensor | None = None

    @property
    def mirrors(self) -> Tensor:
        """Which pictures are mirrored. Shape: (N,)."""
        return torch.linalg.det(self.matrix) < 0

    def forward(self, points: Tensor) -> Tensor:
        """Where points of the pictures as they were are now; they may lie outside. Shape: (N, P, 2), kept."""
        center = points.new_tensor([self.size[1] / 2, self.size[0] / 2])
        back = torch.linalg.inv(self.matrix.double()).to(points.dtype).transpose(1, 2)

        def straight(moved: Tensor) -> Tensor:
            return (moved - center - self.shift[:, None].to(points.dtype)) @ back + center

        found = straight(points)
        # The point is one that the field leads back to where it came from: found by trying, each time nearer.
        for _ in range(0 if self.field is None else 30):
            found = straight(points - self._field_at(found))
        return found

    def _field_at(self, points: Tensor) -> Tensor:
        """Shape: (N, P, 2), kept."""
        size = points.new_tensor([self.size[1], self.size[0]])
        places = (2 * points / size - 1).unsqueeze(2)  # (N, P, 1, 2)
        read = F.grid_sample(self.field.to(points.dtype), places, padding_mode="border", align_corners=False)
        return read.squeeze(3).transpose(1, 2)


def _straight(
    x: Tensor, matrix: Tensor | None = None, shift: Tensor | None = None, field: Tensor | None = None
) -> Motion:
    still = torch.eye(2, device=x.device).expand(len(x), 2, 2)
    none = torch.zeros(len(x), 2, device=x.device)
    return Motion(x.shape[2:], still if matrix is None else matrix, none if shift is None else shift, field)


class Moving:
    """What all of these share: pictures and what is known of them go the same way."""

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor | None:
        """What is drawn for each picture of x; None where nothing moves."""
        raise NotImplementedError

    def moved(self, x: Tensor, drawn: Tensor) -> Tensor:
        """Maps moved as drawn: floats between pixels, whole numbers from the nearest. Shape: (N, K, H, W), kept."""
        raise NotImplementedError

    def motion(self, x: Tensor, drawn: Tensor) -> Motion:
        """Where points go."""
        raise NotImplementedError

    def __call__(self, x: Tensor, y: Any, generator: torch.Generator) -> tuple[Tensor, Any]:
        check_batch(x)
        return self.move(x, y, generator)

    def move(self, x: Tensor, y: Any, generator: torch.Generator) -> tuple[Tensor, Any]:
        """As the call; `Flip` and `Crop` take bytes here as well."""
        drawn = self.draw(x, generator)
        if drawn is None:
            return x, y
        return self.moved(x, drawn), self._along(x, y, drawn)

    def _along(self, x: Tensor, y: Any, drawn: Tensor) -> Any:
        """Targets that have a place, moved; others as they are."""
        size = tuple(x.shape[2:])
        if isinstance(y, Tensor) and y.dtype == torch.int64 and tuple(y.shape) == (len(x), *size):
            return self.moved(y[:, None], drawn)[:, 0]  # class numbers of pixels
        if not isinstance(y, Placed | list) or not len(y):
            return y
        placed = y if isinstance(y, Placed) else Placed.of_objects(y, size)
        placed = placed.moved(self.motion(x, drawn), lambda maps: self.moved(maps, drawn))
        return placed if isinstance(y, Placed) else placed.objects(y)


@dataclass(frozen=True)
class Flip(Moving):
    """Mirror left and right with probability ``p``. Not for digits or letters."""

    p: float = 0.5

    def __post_init__(self) -> None:
        within("p", self.p, 0, 1)

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Which are mirrored. Shape: (N,), bool."""
        return uniform(x, generator) < self.p

    def moved(self, x: Tensor, drawn: Tensor) -> Tensor:
        kept = (~drawn).nonzero().flatten()
        # Mirroring all and putting some back copies whole rows: three times as fast as torch.where on bytes.
        return x.flip(3).index_copy_(0, kept, x.index_select(0, kept))

    def motion(self, x: Tensor, drawn: Tensor) -> Motion:
        sign = 1 - 2 * drawn.float()
        return _straight(x, torch.diag_embed(torch.stack([sign, torch.ones_like(sign)], 1)))


@dataclass(frozen=True)
class Crop(Moving):
    """Pad by ``padding`` pixels on every side, then cut the old size at a random place.

    The usual augmentation of CIFAR-10 since Lee et al., "Deeply-supervised nets" (2015), with 4 pixels of
    zeros. ``reflect`` mirrors the picture into the padding instead.
    """

    padding: int = 4
    reflect: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.padding, bool) or not isinstance(self.padding, int) or self.padding < 0:
            raise ValueError(f"padding must be a whole number of pixels, 0 or more, got {self.padding!r}.")

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor | None:
        """Rows and columns at which the padded pictures are cut. Shape: (2, N)."""
        height, width = x.shape[2:]
        if self.padding == 0:
            return None
        if self.reflect and self.padding >= min(height, width):
            raise ValueError(
                f"padding={self.padding} cannot reflect pictures of {width}x{height}: it must be below their size."
            )
        drawn = torch.randint(2 * self.padding + 1, (2, len(x)), generator=generator, device=generator.device)
        return drawn.to(x.device)

    def moved(self, x: Tensor, drawn: Tensor) -> Tensor:
        (n, channels, height, width), p, (top, left) = x.shape, self.padding, drawn
        padded = _reflected(x, p) if self.reflect else F.pad(x, (p, p, p, p))
        # Each row of the result is ``width`` neighbors in memory: whole rows are copied, from where they begin.
        tall, wide = height + 2 * p, width + 2 * p
        planes = torch.arange(n * channels, device=x.device).view(n, channels, 1) * tall
        rows = planes + top.view(n, 1, 1) + torch.arange(height, device=x.device)
        begins = rows * wide + left.view(n, 1, 1)  # (N, C, H)
        return padded.flatten().unfold(0, width, 1).index_select(0, begins.flatten()).view(x.shape)

    def motion(self, x: Tensor, drawn: Tensor) -> Motion:
        return _straight(x, shift=drawn.flip(0).T.float() - self.padding)


def _reflected(x: Tensor, p: int) -> Tensor:
    """x with its own mirror image around it, p pixels wide; F.pad does so for floats only."""
    for axis in (2, 3):
        size = x.shape[axis]
        places = torch.arange(-p, size + p, device=x.device).abs()
        x = x.index_select(axis, torch.where(places < size, places, 2 * (size - 1) - places))
    return x


def _sample(x: Tensor, matrix: Tensor) -> Tensor:
    """x at places given by ``matrix`` (N, 2, 2), about the center, in pixels: out(q) = x(matrix q). Zeros outside."""
    _, _, height, width = x.shape
    # grid_sample measures both axes from -1 to 1, whatever their lengths in pixels.
    aspect = torch.tensor([[1.0, height / width], [width / height, 1.0]], device=x.device)
    theta = F.pad(matrix * aspect, (0, 1))  # (N, 2, 3), no translation
    return _read(x, F.affine_grid(theta, list(x.shape), align_corners=False))


def _read(x: Tensor, grid: Tensor) -> Tensor:
    """x at the places of a grid, between pixels; of whole numbers, which have no between, the nearest."""
    mode = "bilinear" if x.is_floating_point() else "nearest"
    return F.grid_sample(x.float(), grid, mode=mode, align_corners=False).to(x.dtype)


class _Linear(Moving):
    """What a matrix does about the picture's center: drawn for each picture, (N, 2, 2)."""

    degrees: float

    def moved(self, x: Tensor, drawn: Tensor) -> Tensor:
        return _sample(x, drawn)

    def motion(self, x: Tensor, drawn: Tensor) -> Motion:
        return _straight(x, drawn)

    def _angle(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """In radians, from -degrees..degrees. Shape: (N,)."""
        limit = math.radians(self.degrees)
        return uniform(x, generator, low=-limit, high=limit)


@dataclass(frozen=True)
class Rotate(_Linear):
    """Turn by an angle drawn uniformly from -degrees..degrees, bilinear, with zeros from outside."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        within("degrees", self.degrees, 0, 180)

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor | None:
        if self.degrees == 0:
            return None
        angle = self._angle(x, generator)
        cosine, sine = angle.cos(), angle.sin()
        return torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2)


@dataclass(frozen=True)
class Shear(_Linear):
    """Lean to the left or right by an angle drawn uniformly from -degrees..degrees; zeros come from outside."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        within("degrees", self.degrees, 0, 80)

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor | None:
        if self.degrees == 0:
            return None
        slope = self._angle(x, generator).tan()
        one, zero = torch.ones_like(slope), torch.zeros_like(slope)
        return torch.stack([one, slope, zero, one], 1).view(-1, 2, 2)


@dataclass(frozen=True)
class LocalWarp(Moving):
    """Elastic distortion: a smooth random field moves each pixel by up to about ``pixels``.

    After Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual
    document analysis" (2003); here a ``nodes`` x ``nodes`` grid of random moves is interpolated bicubically
    where they blur a field of full size.
    """

    pixels: float = 1.5
    nodes: int = 5

    def __post_init__(self) -> None:
        within("pixels", self.pixels, 0, 64, " pixels")
        if isinstance(self.nodes, bool) or not isinstance(self.nodes, int) or not 2 <= self.nodes <= 64:
            raise ValueError(f"nodes must be a whole number in 2..64, got {self.nodes!r}.")

    def draw(self, x: Tensor, generator: torch.Generator) -> Tensor | None:
        """Moves along x and y, each about -1..1. Shape: (N, 2, H, W)."""
        if self.pixels == 0:
            return None
        moves = uniform(x, generator, 2, self.nodes, self.nodes, low=-1.0, high=1.0)
        return F.interpolate(moves, size=x.shape[2:], mode="bicubic", align_corners=True)

    def moved(self, x: Tensor, drawn: Tensor) -> Tensor:
        n, _, height, width = x.shape
        still = F.affine_grid(torch.eye(2, 3, device=x.device).expand(n, 2, 3), list(x.shape), align_corners=False)
        per_pixel = torch.tensor([2 / width, 2 / height], device=x.device)
        return _read(x, still + drawn.permute(0, 2, 3, 1) * per_pixel * self.pixels)

    def motion(self, x: Tensor, drawn: Tensor) -> Motion:
        return _straight(x, field=drawn * self.pixels)
