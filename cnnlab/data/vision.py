"""Imagenette, Flowers-102 and Oxford-IIIT Pet: torchvision finds, downloads and checks them; we hold them in memory.

torchvision knows one address for each of them, so these sets are only as reachable as that address.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy
import torch

from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.data.decoded import Decoded, decoded
from cnnlab.data.places import download_place, not_here, search_places, unavailable
from cnnlab.data.registry import DatasetInfo, Request, register_dataset
from cnnlab.devices import watched
from cnnlab.pictures import fitted, upright_color

__all__ = ["VisionSet", "SETS"]


@dataclass(frozen=True)
class VisionSet:
    """How one of torchvision's classes is asked for the two parts of a set.

    ``make(root, split, size, download)`` gives an object with ``len()``, ``[i] -> (PIL image, label)`` and
    ``classes``; it raises RuntimeError when the files are not there and download is False.
    """

    make: Callable[[Path, str, int, bool], Any]
    train_splits: tuple[str, ...]
    test_splits: tuple[str, ...]


def _imagenette(root: Path, split: str, size: int, download: bool) -> Any:
    from torchvision.datasets import Imagenette

    # The smallest edition whose shorter side is no shorter than what is wanted.
    edition = "160px" if size <= 160 else "320px" if size <= 320 else "full"
    return Imagenette(root, split=split, size=edition, download=download)


def _flowers102(root: Path, split: str, size: int, download: bool) -> Any:
    from torchvision.datasets import Flowers102

    return Flowers102(root, split=split, download=download)


def _oxford_iiit_pet(root: Path, split: str, size: int, download: bool) -> Any:
    from torchvision.datasets import OxfordIIITPet

    return OxfordIIITPet(root, split=split, download=download)


SETS: dict[str, VisionSet] = {
    "imagenette": VisionSet(_imagenette, ("train",), ("val",)),
    # Training and validation pictures together, as transfer learning is measured (Kornblith et al. 2019).
    "flowers102": VisionSet(_flowers102, ("train", "val"), ("test",)),
    "oxford_iiit_pet": VisionSet(_oxford_iiit_pet, ("trainval",), ("test",)),
}

_COMMON = {"shape": (3, 128, 128), "bundled": False}  # 128 where nothing else is asked for
_INFOS = (
    DatasetInfo(
        name="imagenette",
        title="Imagenette, ten easy classes of ImageNet",
        year=2019,
        num_classes=10,
        train=9469,
        test=3925,
        source="Howard: Imagenette, https://github.com/fastai/imagenette, 2019",
        **_COMMON,
    ),
    DatasetInfo(
        name="flowers102",
        title="Oxford Flowers-102",
        year=2008,
        num_classes=102,
        train=2040,
        test=6149,
        source="Nilsback, Zisserman: Automated flower classification over a large number of classes, 2008",
        **_COMMON,
    ),
    DatasetInfo(
        name="oxford_iiit_pet",
        title="Oxford-IIIT Pet, breeds of cats and dogs",
        year=2012,
        num_classes=37,
        train=3680,
        test=3669,
        source="Parkhi, Vedaldi, Zisserman, Jawahar: Cats and dogs, 2012",
        **_COMMON,
    ),
)


def _load(name: str, request: Request) -> Dataset:
    size = request.size or 128
    plan = SETS[name]
    root, downloaded = _find_or_download(name, plan, request, size)
    place = sha256(str(root.resolve()).encode()).hexdigest()[:8]
    parts = []
    classes: tuple[str, ...] = ()
    for splits in (plan.train_splits, plan.test_splits):
        found = []
        for split in splits:
            pictures = plan.make(root, split, size, False)
            classes = classes or _class_names(pictures)
            key = f"{name}-{split}-{size}px-{len(pictures)}-{place}-2"  # 2: middles cut on whole pixels
            found.append(decoded(key, partial(_decode, f"{name}-{split}", pictures, size))[:2])
        images, labels = (torch.cat(tensors) for tensors in zip(*found))
        parts.append((images, labels))
    classes = classes or tuple(str(label) for label in range(int(parts[0][1].max()) + 1))
    how = "downloaded by torchvision" if downloaded else "files on this machine"
    return Dataset.from_sets(
        name, *(ImageSet(images, labels, classes) for images, labels in parts), source=f"{name}, {size}x{size}: {how}"
    )


def _find_or_download(name: str, plan: VisionSet, request: Request, size: int) -> tuple[Path, bool]:
    splits = (*plan.train_splits, *plan.test_splits)
    for place in search_places(request.root):
        try:
            for split in splits:
                plan.make(place, split, size, False)
            return place, False
        except (RuntimeError, OSError):  # torchvision's way of saying that it is not there
            continue
    if not request.download:
        raise unavailable(name, not_here(request.root), "shapes")
    place = download_place(request.root)
    try:
        place.mkdir(parents=True, exist_ok=True)
        for split in splits:
            plan.make(place, split, size, True)
    except (RuntimeError, OSError) as error:
        raise unavailable(name, f"torchvision could not download it to {place} ({error})", "shapes") from None
    return place, True


def _class_names(pictures: Any) -> tuple[str, ...]:
    names: Sequence[Any] = getattr(pictures, "classes", ())
    return tuple(name if isinstance(name, str) else name[0] for name in names)


def _decode(title: str, pictures: Any, size: int) -> Decoded:
    """All pictures at ``size`` (middle square)."""
    from concurrent.futures import ThreadPoolExecutor

    from tqdm import tqdm

    def one(index: int) -> tuple[numpy.ndarray, int]:
        image, label = pictures[index]
        return numpy.asarray(fitted(upright_color(image), size, (size, size), "bilinear", False)), int(label)

    out = numpy.empty((len(pictures), size, size, 3), dtype=numpy.uint8)
    labels = []
    quiet = len(pictures) < 500 or not watched(sys.stderr)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(one, range(len(pictures)))
        for pixels, label in tqdm(results, total=len(pictures), desc=f"decoding {title}", disable=quiet):
            out[len(labels)] = pixels
            labels.append(label)
    images = torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()  # (N, 3, size, size)
    targets = torch.tensor(labels, dtype=torch.int64)
    return images, targets, ()


for _info in _INFOS:
    register_dataset(_info)(partial(_load, _info.name))
