"""Data that comes with a dependency: scikit-learn's digits, and the photographs inside scikit-image."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy
import torch
from torch import Tensor

from cnnlab.data.dataset import Dataset, ImageSet, stratified_order
from cnnlab.data.registry import DatasetInfo, Request, register_dataset

__all__ = ["DIGITS", "load_digits", "sample_photos", "TEXTURE_PHOTOS", "TEXTURES", "load_textures"]

DIGITS = DatasetInfo(
    name="digits",
    title="Handwritten digits of scikit-learn (8x8)",
    year=1998,
    shape=(1, 8, 8),
    num_classes=10,
    train=1437,
    test=360,
    bundled=True,
    source="scikit-learn's load_digits: the test part of Optical Recognition of Handwritten Digits, UCI (1998)",
)


@register_dataset(DIGITS)
def load_digits(request: Request) -> Dataset:
    """1797 real digits, split once and for all: every fifth picture of each class (360) is for testing."""
    from sklearn.datasets import load_digits as from_sklearn

    raw = from_sklearn()
    pixels = torch.from_numpy(raw.images)  # (N, 8, 8), 0..16
    images = (pixels * (255 / 16)).round().to(torch.uint8).unsqueeze(1)  # (N, 1, 8, 8)
    labels = torch.from_numpy(raw.target).long()
    classes = tuple(str(digit) for digit in range(10))
    order = stratified_order(labels, seed=0)  # not the caller's seed: the test set must not move
    train, test = order[: DIGITS.train].sort().values, order[DIGITS.train :].sort().values
    return Dataset.from_sets(
        "digits",
        ImageSet(images[train], labels[train], classes),
        ImageSet(images[test], labels[test], classes),
        DIGITS.source,
    )


# The photographs that scikit-image carries in its wheel. Name -> file; "left" and "right" are a stereo pair.
_PHOTOS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "cat": "chelsea.png",
    "cell": "cell.png",
    "clock": "clock_motion.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "moon": "moon.png",
    "motorcycle_left": "motorcycle_left.png",
    "motorcycle_right": "motorcycle_right.png",
    "page": "page.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "tissue": "ihc.png",
}


def sample_photos() -> dict[str, numpy.ndarray]:
    """The real photographs inside scikit-image: name -> uint8 (H, W, 3). Gray ones have three equal channels.

    Only files that the installed scikit-image carries are listed; nothing is downloaded.
    """
    return {name: photo.copy() for name, photo in _photos().items()}


@lru_cache(maxsize=1)
def _photos() -> dict[str, numpy.ndarray]:
    from importlib.util import find_spec

    from PIL import Image

    # The files are read directly: skimage.data's functions would try to download what is not there.
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("scikit-image is not installed: pip install scikit-image.")
    folder = Path(spec.origin).parent / "data"
    found = {}
    for name, file in _PHOTOS.items():
        if (folder / file).is_file():
            with Image.open(folder / file) as image:
                found[name] = numpy.asarray(image.convert("RGB"))
    return found


# Class -> photograph. Gray throughout: with color, a single pixel would give half of the classes away.
TEXTURE_PHOTOS = {
    "brick": "brick",
    "grass": "grass",
    "gravel": "gravel",
    "moon": "moon",
    "print": "page",
    "stars": "hubble",
    "tissue": "tissue",
}
_TEST_PART = 0.3  # of each photograph's width, on the right

TEXTURES = DatasetInfo(
    name="textures",
    title="Texture patches from the photographs inside scikit-image",
    year=2026,
    shape=(1, 32, 32),
    num_classes=len(TEXTURE_PHOTOS),
    train=1400,
    test=420,
    bundled=True,
    source="patches of photographs that scikit-image carries",
)


@register_dataset(TEXTURES)
def load_textures(request: Request) -> Dataset:
    """Gray patches: 200 for training and 60 for testing of each photograph.

    Training patches come from the left 70 % of a photograph and test patches from the right 30 %, so
    that no pixel serves both. Patches of one part do overlap one another.
    """
    size = request.size or TEXTURES.shape[1]
    generator = torch.Generator().manual_seed(request.seed)
    photos = _photos()
    parts: dict[str, list[Tensor]] = {"train": [], "test": []}
    for name, photo in TEXTURE_PHOTOS.items():
        if photo not in photos:
            raise FileNotFoundError(
                f"the installed scikit-image does not carry the photograph {_PHOTOS[photo]!r}: "
                "pip install -U scikit-image."
            )
        # The weights of Rec. 601, as Pillow and torchvision use them.
        gray = torch.from_numpy(photos[photo].copy()).float() @ torch.tensor([0.299, 0.587, 0.114])
        gray = gray.round().clamp(0, 255).to(torch.uint8)  # (H, W)
        border = round(gray.shape[1] * (1 - _TEST_PART))
        for part, region, count in (("train", gray[:, :border], 200), ("test", gray[:, border:], 60)):
            height, width = region.shape
            if size > min(height, width):
                raise ValueError(
                    f"size={size} is too large for textures: the {part} part of {name!r} is {width}x{height} "
                    "pixels; choose a size of at most 115."
                )
            top = torch.randint(height - size + 1, (count,), generator=generator)
            left = torch.randint(width - size + 1, (count,), generator=generator)
            rows = top[:, None, None] + torch.arange(size)[None, :, None]
            columns = left[:, None, None] + torch.arange(size)[None, None, :]
            parts[part].append(region[rows, columns].unsqueeze(1))  # (count, 1, size, size)
    sets = []
    for patches in parts.values():
        labels = torch.arange(len(patches)).repeat_interleave(len(patches[0]))
        sets.append(ImageSet(torch.cat(patches), labels, tuple(TEXTURE_PHOTOS)))
    return Dataset.from_sets("textures", *sets, source=TEXTURES.source)
