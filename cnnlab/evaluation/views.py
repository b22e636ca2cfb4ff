"""Asking more than once: several networks, several crops, whole pictures at several sizes, augmented copies."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.data.augment import as_augmentation
from cnnlab.data.batching import mixed_seed
from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.errors import whole_number
from cnnlab.evaluation.answers import Answers, Sums, answers, asked, check_mean, combined, macs_of
from cnnlab.evaluation.crops import Crop, Crops, check_sides, scheme_of
from cnnlab.evaluation.photos import images_of, named
from cnnlab.pictures import resized_sides
from cnnlab.preprocessing import pixels_of
from cnnlab.training.devices import is_out_of_memory

if TYPE_CHECKING:
    from cnnlab.preprocessing import Preprocess

__all__ = ["ensemble", "ten_crop", "multi_crop", "dense", "augmented"]

_SHAPES = 40  # of inputs whose multiply-accumulates are counted: photos of a thousand sizes would take minutes


def ensemble(
    models: Sequence[nn.Module],
    pictures: Dataset | ImageSet | Sequence[Any],
    *,
    average: str = "probabilities",
    labels: Tensor | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int = 256,
) -> Answers:
    """The mean of several networks' answers. Each network may have its own way of preparing photos.

    Args:
        models: two or more with the same classes in the same order; one is allowed and is itself.
        average: a key of ``MEANS``.
        pictures, labels, mean, std, batch_size: as for :func:`answers`.

    Returns:
        Their ``views`` are the networks': ``.each`` has the accuracy of every one, ``.disagreement`` how often two
        differ, and ``.of([0, 2])`` is the ensemble of two of them, without asking again.

    Raises:
        ValueError: no network, or networks with other classes.
    """
    check_mean(average)
    if isinstance(models, nn.Module) and not isinstance(models, nn.ModuleList):
        raise TypeError(f"models is one {type(models).__name__}: give a list of networks, [model, ...].")
    how = {"labels": labels, "mean": mean, "std": std, "batch_size": batch_size}
    said = [answers(model, pictures, **how, name=f"network {number}") for number, model in enumerate(models)]
    if not said:
        raise ValueError("models is empty: give one network or more.")
    return combined(said, average, f"{len(said)} networks")


def ten_crop(model: nn.Module, pictures: Any, crop: int | None = None, **options: Any) -> Answers:
    """Ten crops as AlexNet took them: four corners and the middle, and their mirror images.

    Args:
        crop: the side in pixels. None for photos: that of the model's preprocessing, out of the square that it resizes
            the shorter side to (256 and 224, as a rule). An image set needs it; its pictures keep their size.
        pictures, options: as for :func:`multi_crop`.
    """
    if isinstance(pictures, Dataset | ImageSet):
        if crop is None:
            raise ValueError("crop= is missing: give the side in pixels that is cut out of each picture of the set.")
        return multi_crop(model, pictures, Crops(crop, scales=()), **{"name": "ten crops", **options})
    preprocess = getattr(model, "preprocess", None)
    if preprocess is None or not isinstance(preprocess.resize, int):
        scheme = Crops() if crop is None else Crops(crop, (round(crop * 256 / 224),))
    else:
        scheme = Crops(crop or preprocess.size[0], (preprocess.resize,))
    return multi_crop(model, pictures, scheme, **{"name": "ten crops", **options})


def multi_crop(
    model: nn.Module,
    pictures: Dataset | ImageSet | Sequence[Any],
    crops: str | Crops = "alexnet",
    *,
    average: str = "probabilities",
    labels: Tensor | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int = 256,
    keep_views: bool = False,
    name: str | None = None,
) -> Answers:
    """The mean of a network's answers to many crops of each picture.

    Args:
        crops: "alexnet" (10), "googlenet" (144), "vgg" (150), "center" (1), or :class:`Crops` of your own.
        average: a key of ``MEANS``.
        keep_views: keep what was said of each crop; a thousand classes times 144 crops take half a megabyte a picture.
        name: for tables; None says how many crops there are.
        pictures, labels, mean, std, batch_size: as for :func:`answers`.

    Raises:
        ValueError: a picture is smaller than a crop, or the scheme is unknown.
    """
    scheme = scheme_of(crops)
    how = {"average": average, "labels": labels, "mean": mean, "std": std, "batch_size": batch_size}
    shape = (scheme.crop, scheme.crop)
    said = name or f"{scheme.count} crop{'s' if scheme.count > 1 else ''}"
    return _seen(model, pictures, scheme.of, lambda _: shape, keep_views, said, **how)


def dense(
    model: nn.Module,
    pictures: Dataset | ImageSet | Sequence[Any],
    scales: Sequence[int] = (224, 256, 384, 480, 640),
    *,
    mirrors: bool = True,
    average: str = "probabilities",
    labels: Tensor | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int = 256,
    keep_views: bool = False,
    name: str | None = None,
) -> Answers:
    """The mean of a network's answers to whole, uncut pictures, whose shorter side is resized to each scale.

    A network that ends in an average over all places and one dense layer takes pictures of any size, and its logits are
    then the mean of the logits at every place: what VGG did by turning dense layers into convolutions, and ResNet at
    these five scales (He et al., 2016, section 4.1). ResNet's paper averages "scores" and does not say whether they are
    logits or probabilities; VGG's averages softmax posteriors of a picture and its mirror image.

    Args:
        scales: shorter sides; empty for an image set at its own size.
        pictures, average, labels, mean, std, batch_size, keep_views, name: as for :func:`multi_crop`.

    Raises:
        ValueError: the network takes pictures of one size alone.
    """
    sides = check_sides(scales)

    def of(height: int, width: int) -> list[Crop]:
        sizes = [resized_sides(height, width, side) for side in sides] or [(height, width)]
        return [Crop(size, 0, 0, 0, flip) for size in sizes for flip in ((False, True) if mirrors else (False,))]

    how = {"average": average, "labels": labels, "mean": mean, "std": std, "batch_size": batch_size}
    said = name or f"whole at {len(sides) or 1} size{'s' if len(sides) > 1 else ''}"
    try:
        return _seen(model, pictures, of, lambda crop: crop.resized, keep_views, said, **how)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise ValueError(
            f"This {type(model).__name__} takes pictures of one size alone, which dense evaluation cannot give it "
            f"({str(error).splitlines()[0]}): use multi_crop, or a network that ends in an average over all places."
        ) from error


def augmented(
    model: nn.Module,
    pictures: Dataset | ImageSet,
    augment: Any,
    times: int = 8,
    *,
    original: bool = True,
    average: str = "probabilities",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int = 256,
    seed: int = 0,
    name: str | None = None,
) -> Answers:
    """Test-time augmentation: the mean of a network's answers to a picture and to augmented copies of it.

    Args:
        pictures: a data set, whose test set is taken, or an image set.
        augment: from ``cnnlab.data.augment``, or what serves there; one that mixes pictures is refused.
        times: copies of each picture.
        original: count the picture itself as one more.
        average: a key of ``MEANS``.
        seed: of the copies, the same ones for the same seed.
        name: for tables.
        mean, std, batch_size: as for :func:`answers`.

    Returns:
        Its ``views`` are the picture itself, if it counts, and the copies.

    Raises:
        ValueError: the augmentation changes labels or sizes.
    """
    times = whole_number("times", times, "Give how many copies of each picture there shall be.")
    if not isinstance(pictures, Dataset | ImageSet):
        raise TypeError(f"pictures is {type(pictures).__name__}: give a data set or an image set, such as data.test.")
    images, mean, std = images_of(model, pictures, None, mean, std)
    change, sums, began = as_augmentation(augment), Sums(average, keep=True), time.perf_counter()
    if original:
        sums.add(asked(model, images, mean, std, batch_size))
    for copy in range(times):
        generator = torch.Generator().manual_seed(mixed_seed(seed, copy, 0x77A))
        x, y = change(images.pixels, images.labels, generator)
        if y.shape != images.labels.shape or not torch.equal(y, images.labels):
            raise ValueError(
                f"augment={augment!r} changes the labels: a mixture of pictures cannot say what each shows. Leave it "
                "out when you ask."
            )
        if x.shape != images.images.shape:
            raise ValueError(f"augment={augment!r} gave {tuple(x.shape)} for pictures of {tuple(images.images.shape)}.")
        sums.add(asked(model, ImageSet(x.clamp(0, 1), images.labels, images.classes), mean, std, batch_size))
    macs = macs_of(model, images.shape)
    return _result(name or f"{sums.count} copies", sums, images, None if macs is None else macs * sums.count, began)


# --- crops and whole pictures ----------------------------------------------------------------------------------------


def _seen(
    model: nn.Module,
    pictures: Any,
    of: Callable[[int, int], list[Crop]],
    shape: Callable[[Crop], tuple[int, int]],
    keep: bool,
    name: str,
    *,
    average: str,
    labels: Any,
    mean: Any,
    std: Any,
    batch_size: int,
) -> Answers:
    """The mean over crops, of which ``of(height, width)`` says the places and ``shape`` what the network is given."""
    images, mean, std = images_of(model, pictures, labels, mean, std)
    counted: Counter[tuple[int, ...]] = Counter()
    began = time.perf_counter()
    if isinstance(images, ImageSet):
        channels, tall, wide = images.shape
        sums = Sums(average, keep)
        for crop in of(tall, wide):
            counted[(channels, *shape(crop))] += len(images)
            part = ImageSet(_cut(images.images, crop, shape(crop)), images.labels, images.classes)
            sums.add(asked(model, part, mean, std, batch_size))
        return _result(name, sums, images, _macs(model, counted, len(images)), began)
    each = []
    for photo in images.opened():  # one by one, since each has its own size
        one = Sums(average, keep)
        for size, crops in groupby(of(photo.height, photo.width), key=shape):
            ready = images.preprocess.normalized(torch.stack([*_cut_photo(photo, crops, size, images.preprocess)]))
            counted[tuple(ready.shape[1:])] += len(ready)
            for logits in asked(model, ready, None, None, batch_size):
                one.add(logits[None])
        each.append(one)
    return _result(name, Sums.joined(each), images, _macs(model, counted, len(images)), began)


def _cut(images: Tensor, crop: Crop, size: tuple[int, int]) -> Tensor:
    """The crop out of each picture of a set. Shape: (N, C, H, W) -> (N, C, *size), bytes or floats as they were."""
    if tuple(images.shape[2:]) != crop.resized:
        images = _resized(images, crop.resized)
    if crop.side:
        images = images[:, :, crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
        images = images if crop.side == size[0] else _resized(images, size)
    return images.flip(-1) if crop.mirrored else images.contiguous()


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    found = F.interpolate(images.float(), size, mode="bilinear", antialias=True, align_corners=False)
    return found.clamp(0, 1) if images.is_floating_point() else found.round().clamp(0, 255).to(torch.uint8)


def _cut_photo(photo: Any, crops: Iterable[Crop], size: tuple[int, int], to: Preprocess) -> Iterator[Tensor]:
    """The crops out of a PIL image, resized as the network's preprocessing does. Shape of each: (C, *size), uint8."""
    from PIL import Image

    how, resized = Image.Resampling[to.interpolation.upper()], {}
    photo = photo.convert("L") if to.channels == 1 else photo
    for crop in crops:
        tall, wide = crop.resized
        if crop.resized not in resized:
            resized[crop.resized] = photo if photo.size == (wide, tall) else photo.resize((wide, tall), how)
        found = resized[crop.resized]
        if crop.side:
            found = found.crop((crop.left, crop.top, crop.left + crop.side, crop.top + crop.side))
            found = found if crop.side == size[0] else found.resize(size[::-1], how)
        yield pixels_of(found).flip(-1) if crop.mirrored else pixels_of(found)


def _macs(model: nn.Module, counted: Counter[tuple[int, ...]], pictures: int) -> int | None:
    """For one picture on average, where ``counted`` says how many inputs of each shape there were in all."""
    if len(counted) > _SHAPES:
        return None
    each = {shape: macs_of(model, shape) for shape in counted}
    return None if None in each.values() else round(sum(each[shape] * n for shape, n in counted.items()) / pictures)


def _result(name: str, sums: Sums, images: Any, macs: int | None, began: float) -> Answers:
    took = time.perf_counter() - began
    found = sums.probabilities
    return Answers(name, found, images.labels, named(images.classes, found), sums.views, sums.count, macs, took)
