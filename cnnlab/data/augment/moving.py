"""Augmentations that move pixels: mirrored, cut anew, turned, sheared, warped.

Each has a method ``motion(x, generator)`` beside the call: where the pixels go that the call moves, if the generator is
in the same state. :func:`cnnlab.data.augment.augment_set` moves boxes and key points by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlab.data.augment.base import check_batch, uniform, within

__all__ = ["Motion", "Flip", "Crop", "Rotate", "Shear", "LocalWarp"]


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


@dataclass(frozen=True)
class Flip:
    """Mirror left and right with probability ``p``. Not for digits or letters."""

    p: float = 0.5

    def __post_init__(self) -> None:
        within("p", self.p, 0, 1)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        return self.move(x, generator), y

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """x, floats or bytes, with some of its pictures mirrored."""
        kept = (~self._mirrored(x, generator)).nonzero().flatten()
        # Mirroring all and putting some back copies whole rows: three times as fast as torch.where on bytes.
        return x.flip(3).index_copy_(0, kept, x.index_select(0, kept))

    def motion(self, x: Tensor, generator: torch.Generator) -> Motion:
        sign = 1 - 2 * self._mirrored(x, generator).float()
        return _straight(x, torch.diag_embed(torch.stack([sign, torch.ones_like(sign)], 1)))

    def _mirrored(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return uniform(x, generator) < self.p


@dataclass(frozen=True)
class Crop:
    """Pad by ``padding`` pixels on every side, then cut the old size at a random place.

    The usual augmentation of CIFAR-10 since Lee et al., "Deeply-supervised nets" (2015), with 4 pixels of
    zeros. ``reflect`` mirrors the picture into the padding instead.
    """

    padding: int = 4
    reflect: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.padding, bool) or not isinstance(self.padding, int) or self.padding < 0:
            raise ValueError(f"padding must be a whole number of pixels, 0 or more, got {self.padding!r}.")

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        return self.move(x, generator), y

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """x, floats or bytes, cut anew."""
        n, channels, height, width = x.shape
        p = self.padding
        if p == 0:
            return x
        if self.reflect and p >= min(height, width):
            raise ValueError(f"padding={p} cannot reflect pictures of {width}x{height}: it must be below their size.")
        top, left = self._corner(x, generator)
        padded = _reflected(x, p) if self.reflect else F.pad(x, (p, p, p, p))
        # Each row of the result is ``width`` neighbors in memory: whole rows are copied, from where they begin.
        tall, wide = height + 2 * p, width + 2 * p
        planes = torch.arange(n * channels, device=x.device).view(n, channels, 1) * tall
        rows = planes + top.view(n, 1, 1) + torch.arange(height, device=x.device)
        begins = rows * wide + left.view(n, 1, 1)  # (N, C, H)
        return padded.flatten().unfold(0, width, 1).index_select(0, begins.flatten()).view(x.shape)

    def motion(self, x: Tensor, generator: torch.Generator) -> Motion:
        if self.padding == 0:
            return _straight(x)
        top, left = self._corner(x, generator)
        return _straight(x, shift=torch.stack([left, top], 1).float() - self.padding)

    def _corner(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Rows and columns at which the padded pictures are cut. Shape: (2, N)."""
        drawn = torch.randint(2 * self.padding + 1, (2, len(x)), generator=generator, device=generator.device)
        return drawn.to(x.device)


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
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x.float(), grid, align_corners=False).to(x.dtype)


@dataclass(frozen=True)
class Rotate:
    """Turn by an angle drawn uniformly from -degrees..degrees, bilinear, with zeros from outside."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        within("degrees", self.degrees, 0, 180)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        if self.degrees == 0:
            return x, y
        return _sample(x, self._matrix(x, generator)), y

    def motion(self, x: Tensor, generator: torch.Generator) -> Motion:
        return _straight(x, self._matrix(x, generator) if self.degrees else None)

    def _matrix(self, x: Tensor, generator: torch.Generator) -> Tensor:
        limit = math.radians(self.degrees)
        angle = uniform(x, generator, low=-limit, high=limit)
        cosine, sine = angle.cos(), angle.sin()
        return torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2)


@dataclass(frozen=True)
class Shear:
    """Lean to the left or right by an angle drawn uniformly from -degrees..degrees; zeros come from outside."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        within("degrees", self.degrees, 0, 80)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        if self.degrees == 0:
            return x, y
        return _sample(x, self._matrix(x, generator)), y

    def motion(self, x: Tensor, generator: torch.Generator) -> Motion:
        return _straight(x, self._matrix(x, generator) if self.degrees else None)

    def _matrix(self, x: Tensor, generator: torch.Generator) -> Tensor:
        limit = math.radians(self.degrees)
        slope = uniform(x, generator, low=-limit, high=limit).tan()
        one, zero = torch.ones_like(slope), torch.zeros_like(slope)
        return torch.stack([one, slope, zero, one], 1).view(-1, 2, 2)


@dataclass(frozen=True)
class LocalWarp:
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

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        if self.pixels == 0:
            return x, y
        n, _, height, width = x.shape
        moves = self._moves(x, generator).permute(0, 2, 3, 1)
        still = F.affine_grid(torch.eye(2, 3, device=x.device).expand(n, 2, 3), list(x.shape), align_corners=False)
        per_pixel = torch.tensor([2 / width, 2 / height], device=x.device)
        moved = F.grid_sample(x.float(), still + moves * per_pixel * self.pixels, align_corners=False)
        return moved.to(x.dtype), y

    def motion(self, x: Tensor, generator: torch.Generator) -> Motion:
        return _straight(x, field=self._moves(x, generator) * self.pixels if self.pixels else None)

    def _moves(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Shape: (N, 2, H, W): x and y, each about -1..1."""
        moves = uniform(x, generator, 2, self.nodes, self.nodes, low=-1.0, high=1.0)
        return F.interpolate(moves, size=x.shape[2:], mode="bicubic", align_corners=True)
