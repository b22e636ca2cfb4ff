"""Augmentation of whole batches: every picture of a batch gets its own draw, and no loop visits pictures.

Each augmentation is a frozen dataclass that is called as ``augment(x, y, generator) -> (x, y)``:

- x: floats in [0, 1], (N, C, H, W), before normalization; what comes back has the same shape, dtype and device;
- y: int64 (N,) or, once mixed, class probabilities (N, K);
- generator: a torch.Generator. All draws are made on its device (the CPU, in ``batches``) and only then
  moved, so that a GPU and a CPU see the same augmentations.

No input is changed in place.

`Flip` and `Crop` only move pixels, and have a method ``move(x, generator)`` that does so for bytes (uint8) as well: a
quarter of the memory to copy. Where they come first, ``batches`` uses it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnlab.data.dataset import Dataset, ImageSet


class Augmentation(Protocol):
    """Anything that changes a batch: see the module's text for what goes in and out."""

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]: ...


def _within(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must lie in {low:g}..{high:g}{unit}, got {value!r}.")


def _check(x: Tensor) -> None:
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(
            f"x must be a batch of floats in [0, 1] of shape (N, C, H, W), got {x.dtype} {tuple(x.shape)}; "
            "for bytes use x.float() / 255, for one picture x.unsqueeze(0)."
        )


def _uniform(x: Tensor, generator: torch.Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Uniform numbers, one row for each picture of x: (N, *shape), on x's device, float32."""
    drawn = torch.rand(len(x), *shape, generator=generator, device=generator.device)
    return (drawn * (high - low) + low).to(x.device, non_blocking=True)


def _beta(x: Tensor, generator: torch.Generator, alpha: float) -> Tensor:
    """Beta(alpha, alpha) for each picture: (N,), float32. torch's own sampler takes no generator; NumPy's does."""
    from numpy.random import default_rng

    seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    return torch.from_numpy(default_rng(seed).beta(alpha, alpha, len(x))).float().to(x.device)


@dataclass(frozen=True)
class Flip:
    """Mirror left and right with probability ``p``. Not for digits or letters."""

    p: float = 0.5

    def __post_init__(self) -> None:
        _within("p", self.p, 0, 1)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        return self.move(x, generator), y

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """x, floats or bytes, with some of its pictures mirrored."""
        kept = (_uniform(x, generator) >= self.p).nonzero().flatten()
        # Mirroring all and putting some back copies whole rows: three times as fast as torch.where on bytes.
        return x.flip(3).index_copy_(0, kept, x.index_select(0, kept))


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
        _check(x)
        return self.move(x, generator), y

    def move(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """x, floats or bytes, cut anew."""
        n, channels, height, width = x.shape
        p = self.padding
        if p == 0:
            return x
        if self.reflect and p >= min(height, width):
            raise ValueError(f"padding={p} cannot reflect pictures of {width}x{height}: it must be below their size.")
        top, left = torch.randint(2 * p + 1, (2, n), generator=generator, device=generator.device).to(x.device)
        padded = _reflected(x, p) if self.reflect else F.pad(x, (p, p, p, p))
        # Each row of the result is ``width`` neighbors in memory: whole rows are copied, from where they begin.
        tall, wide = height + 2 * p, width + 2 * p
        planes = torch.arange(n * channels, device=x.device).view(n, channels, 1) * tall
        rows = planes + top.view(n, 1, 1) + torch.arange(height, device=x.device)
        begins = rows * wide + left.view(n, 1, 1)  # (N, C, H)
        return padded.flatten().unfold(0, width, 1).index_select(0, begins.flatten()).view(x.shape)


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
        _within("degrees", self.degrees, 0, 180)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        if self.degrees == 0:
            return x, y
        limit = math.radians(self.degrees)
        angle = _uniform(x, generator, low=-limit, high=limit)
        cosine, sine = angle.cos(), angle.sin()
        return _sample(x, torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2)), y


@dataclass(frozen=True)
class Shear:
    """Lean to the left or right by an angle drawn uniformly from -degrees..degrees; zeros come from outside."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        _within("degrees", self.degrees, 0, 80)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        if self.degrees == 0:
            return x, y
        limit = math.radians(self.degrees)
        slope = _uniform(x, generator, low=-limit, high=limit).tan()
        one, zero = torch.ones_like(slope), torch.zeros_like(slope)
        return _sample(x, torch.stack([one, slope, zero, one], 1).view(-1, 2, 2)), y


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
        _within("pixels", self.pixels, 0, 64, " pixels")
        if isinstance(self.nodes, bool) or not isinstance(self.nodes, int) or not 2 <= self.nodes <= 64:
            raise ValueError(f"nodes must be a whole number in 2..64, got {self.nodes!r}.")

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        if self.pixels == 0:
            return x, y
        n, _, height, width = x.shape
        moves = _uniform(x, generator, 2, self.nodes, self.nodes, low=-1.0, high=1.0)
        moves = F.interpolate(moves, size=(height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        still = F.affine_grid(torch.eye(2, 3, device=x.device).expand(n, 2, 3), list(x.shape), align_corners=False)
        per_pixel = torch.tensor([2 / width, 2 / height], device=x.device)
        moved = F.grid_sample(x.float(), still + moves * per_pixel * self.pixels, align_corners=False)
        return moved.to(x.dtype), y


@dataclass(frozen=True)
class ColorShift:
    """Brightness, contrast and (of color pictures) saturation, each times a factor from 1-strength..1+strength."""

    strength: float = 0.3

    def __post_init__(self) -> None:
        _within("strength", self.strength, 0, 1)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        if self.strength == 0:
            return x, y
        factors = _uniform(x, generator, 3, 1, 1, 1, low=1 - self.strength, high=1 + self.strength).to(x.dtype)
        brightness, contrast, saturation = factors.unbind(1)  # (N, 1, 1, 1) each
        out = x * brightness
        out = torch.lerp(_gray(out).mean((1, 2, 3), keepdim=True), out, contrast)
        if x.shape[1] == 3:
            out = torch.lerp(_gray(out), out, saturation)
        return out.clamp_(0, 1), y


def _gray(x: Tensor) -> Tensor:
    """Brightness by the weights of Rec. 601: (N, 3, H, W) -> (N, 1, H, W); other channel counts are averaged."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return 0.299 * x[:, 0:1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3]


@dataclass(frozen=True)
class PCAColor:
    """AlexNet's color augmentation: add eigenvectors of the RGB covariance, times eigenvalue times N(0, std).

    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks"
    (2012), section 4.1, with std 0.1. The paper prints no values; the defaults are ImageNet's for pixels
    in [0, 1], as Facebook's fb.resnet.torch published them (2016). :meth:`of` computes those of another set.
    """

    std: float = 0.1
    eigenvalues: tuple[float, float, float] = (0.2175, 0.0188, 0.0045)
    # Row c holds channel c's part in each of the three eigenvectors, which are the columns.
    eigenvectors: tuple[tuple[float, float, float], ...] = (
        (-0.5675, 0.7192, 0.4009),
        (-0.5808, -0.0045, -0.8140),
        (-0.5836, -0.6948, 0.4203),
    )

    def __post_init__(self) -> None:
        _within("std", self.std, 0, 100)
        object.__setattr__(self, "eigenvalues", tuple(float(v) for v in self.eigenvalues))
        object.__setattr__(self, "eigenvectors", tuple(tuple(float(v) for v in row) for row in self.eigenvectors))
        if len(self.eigenvalues) != 3 or [len(row) for row in self.eigenvectors] != [3, 3, 3]:
            raise ValueError("PCAColor needs 3 eigenvalues and 3x3 eigenvectors: use PCAColor.of(images).")

    @classmethod
    def of(cls, images: Tensor | ImageSet, std: float = 0.1) -> PCAColor:
        """With the eigenvalues and eigenvectors of these pictures: uint8 (N, 3, H, W), or an image set."""
        pixels = getattr(images, "images", images)
        if pixels.ndim != 4 or pixels.shape[1] != 3:
            raise ValueError(f"images must be color pictures (N, 3, H, W), got {tuple(pixels.shape)}.")
        count = 0
        total, products = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
        for part in pixels.split(1024):
            values = part.permute(1, 0, 2, 3).flatten(1).cpu().double()  # (3, n*H*W)
            values = values / 255 if not part.is_floating_point() else values
            total += values.sum(1)
            products += values @ values.T
            count += values.shape[1]
        mean = total / count
        eigenvalues, eigenvectors = torch.linalg.eigh(products / count - mean.outer(mean))  # rising order
        eigenvectors = eigenvectors.flip(1)
        eigenvectors = eigenvectors * torch.where(eigenvectors.sum(0) < 0, -1.0, 1.0)  # a sign has no meaning; fix it
        return cls(std, tuple(eigenvalues.flip(0).clamp(min=0).tolist()), tuple(map(tuple, eigenvectors.tolist())))

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        if x.shape[1] != 3:
            raise ValueError(f"PCAColor works on color pictures (3 channels), got x with {x.shape[1]}; leave it out.")
        alpha = torch.randn(len(x), 3, generator=generator, device=generator.device).to(x.device) * self.std
        values = torch.tensor(self.eigenvalues, device=x.device)
        vectors = torch.tensor(self.eigenvectors, device=x.device)
        shift = (alpha * values) @ vectors.T  # (N, 3)
        return (x + shift[:, :, None, None].to(x.dtype)).clamp_(0, 1), y


def _box_mask(x: Tensor, center_y: Tensor, center_x: Tensor, height: Tensor | int, width: Tensor | int) -> Tensor:
    """True inside boxes about the centers, cut off at the border. (N,) each -> bool (N, 1, H, W)."""
    rows = torch.arange(x.shape[2], device=x.device)
    columns = torch.arange(x.shape[3], device=x.device)
    top, left = center_y - height // 2, center_x - width // 2
    inside_rows = (rows >= top[:, None]) & (rows < (top + height)[:, None])
    inside_columns = (columns >= left[:, None]) & (columns < (left + width)[:, None])
    return (inside_rows[:, :, None] & inside_columns[:, None, :]).unsqueeze(1)


@dataclass(frozen=True)
class Cutout:
    """Blank a square of ``size`` x ``size`` pixels about a random pixel; it may stick out of the picture.

    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout" (2017).
    They fill with the mean of the set; pass ``fill=data.mean`` for that. The default is black.
    """

    size: int = 8
    fill: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 0:
            raise ValueError(f"size must be a whole number of pixels, 0 or more, got {self.size!r}.")
        for value in self.fill if isinstance(self.fill, Sequence) else (self.fill,):
            _within("fill", value, 0, 1)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        n, channels, height, width = x.shape
        fill = tuple(self.fill) if isinstance(self.fill, Sequence) else (self.fill,)
        if len(fill) not in (1, channels):
            raise ValueError(f"fill must be one number or {channels}, one for each channel, got {len(fill)}.")
        center_y = torch.randint(height, (n,), generator=generator, device=generator.device).to(x.device)
        center_x = torch.randint(width, (n,), generator=generator, device=generator.device).to(x.device)
        mask = _box_mask(x, center_y, center_x, self.size, self.size)
        return torch.where(mask, torch.tensor(fill, dtype=x.dtype, device=x.device).view(1, -1, 1, 1), x), y


def _soft(y: Tensor, num_classes: int | None, dtype: torch.dtype, who: str) -> Tensor:
    """Labels (N,) as class probabilities (N, K); what is soft already stays."""
    if y.ndim == 2:
        return y
    if num_classes is None:
        raise ValueError(f"{who} makes soft labels and must know how many classes there are: pass num_classes=...")
    return F.one_hot(y, num_classes).to(dtype)


@dataclass(frozen=True)
class Mixup:
    """Each picture becomes a weighted mean with another of the batch, and so does its label.

    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization" (2018). The weight is
    drawn from Beta(alpha, alpha) for each picture (their code draws one for the batch).
    ``num_classes`` may be left out in ``batches`` and ``fit``, which know it.
    """

    alpha: float = 0.2
    num_classes: int | None = None

    def __post_init__(self) -> None:
        _check_mixing(self.alpha, self.num_classes)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        y = _soft(y, self.num_classes, torch.float32, "Mixup")
        weight = _beta(x, generator, self.alpha)  # of the picture itself
        other = torch.randperm(len(x), generator=generator, device=generator.device).to(x.device)
        mixed = torch.lerp(x[other], x, weight.to(x.dtype)[:, None, None, None])
        return mixed, torch.lerp(y[other], y, weight.to(y.dtype)[:, None])


@dataclass(frozen=True)
class CutMix:
    """Each picture gets a rectangle of another one; labels are weighted by the areas that are seen.

    Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features"
    (2019). The rectangle's share of the area is drawn from Beta(alpha, alpha) for each picture.
    ``num_classes`` may be left out in ``batches`` and ``fit``, which know it.
    """

    alpha: float = 1.0
    num_classes: int | None = None

    def __post_init__(self) -> None:
        _check_mixing(self.alpha, self.num_classes)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        _check(x)
        n, _, height, width = x.shape
        y = _soft(y, self.num_classes, torch.float32, "CutMix")
        side = (1 - _beta(x, generator, self.alpha)).clamp(min=0).sqrt()
        center = _uniform(x, generator, 2)
        box_height, box_width = (side * height).long(), (side * width).long()
        mask = _box_mask(x, (center[:, 0] * height).long(), (center[:, 1] * width).long(), box_height, box_width)
        other = torch.randperm(n, generator=generator, device=generator.device).to(x.device)
        # The share that is really seen: a box may stick out of the picture.
        weight = 1 - mask.flatten(1).to(y.dtype).mean(1, keepdim=True)
        return torch.where(mask, x[other], x), torch.lerp(y[other], y, weight)


def _check_mixing(alpha: float, num_classes: int | None) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha <= 100:
        raise ValueError(f"alpha must be above 0 and at most 100, got {alpha!r}.")
    if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 1):
        raise ValueError(f"num_classes must be 1 or more, got {num_classes!r}.")


@dataclass(frozen=True)
class Compose:
    """One after the other: ``Compose([Crop(4), Flip(), Mixup(0.2)])``."""

    steps: tuple[Augmentation, ...]

    def __post_init__(self) -> None:
        steps = tuple(self.steps) if isinstance(self.steps, Sequence) else (self.steps,)
        for step in steps:
            if not callable(step) or isinstance(step, type):
                given = f"the class {step.__name__}; write {step.__name__}()" if isinstance(step, type) else repr(step)
                raise ValueError(f"steps must be augmentations such as Flip() or Crop(4), got {given}.")
        object.__setattr__(self, "steps", steps)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        for step in self.steps:
            x, y = step(x, y, generator)
        return x, y


def moving_first(augment: Augmentation | None) -> tuple[list[Flip | Crop], Augmentation | None]:
    """(the steps at the beginning that only move pixels, the rest, or None if there is none)."""
    steps = () if augment is None else augment.steps if isinstance(augment, Compose) else (augment,)
    moving = list(takewhile(lambda step: isinstance(step, Flip | Crop), steps))
    return moving, Compose(steps[len(moving) :]) if len(moving) < len(steps) else None


def with_classes(augment: Augmentation, num_classes: int) -> Augmentation:
    """The same augmentation, in which Mixup and CutMix that were not told the number of classes now know it."""
    if isinstance(augment, Mixup | CutMix) and augment.num_classes is None:
        return replace(augment, num_classes=num_classes)
    if isinstance(augment, Compose):
        return Compose(tuple(with_classes(step, num_classes) for step in augment.steps))
    return augment


def preview(
    dataset: Dataset | ImageSet, augment: Augmentation, n: int = 6, *, versions: int = 4, seed: int = 0
) -> Figure:
    """A figure of ``n`` training pictures (left) beside ``versions`` augmented ones of each.

    Show it with ``draw.show(preview(...), alt=...)``.
    """
    from matplotlib.figure import Figure

    image_set = getattr(dataset, "train", dataset)
    if not 1 <= n <= len(image_set):
        raise ValueError(f"n must lie in 1..{len(image_set)} (the number of pictures), got {n}.")
    chosen = image_set.subset(n, seed)
    x = chosen.images.float() / 255
    augment = with_classes(augment, image_set.num_classes)
    columns = [x]
    for version in range(versions):
        generator = torch.Generator().manual_seed(seed * 1000 + version)
        columns.append(augment(x, chosen.labels, generator)[0])
    figure = Figure(figsize=(1.1 * len(columns), 1.1 * n + 0.3), layout="constrained")
    axes = figure.subplots(n, len(columns), squeeze=False)
    for column, pictures in enumerate(columns):
        for row, picture in enumerate(pictures):
            axis = axes[row][column]
            pixels = picture.permute(1, 2, 0).clamp(0, 1).numpy()
            gray = pixels.shape[2] == 1
            axis.imshow(pixels[:, :, 0] if gray else pixels, cmap="gray" if gray else None, vmin=0, vmax=1)
            axis.set_axis_off()
            if row == 0:
                axis.set_title("original" if column == 0 else f"version {column}", fontsize=8)
    return figure
