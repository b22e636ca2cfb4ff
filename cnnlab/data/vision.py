"""Imagenette, Flowers-102 and Oxford-IIIT Pet: torchvision finds, downloads and checks them; we hold them in memory.

torchvision knows one address for each of them, so these sets are only as reachable as that address.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.data.places import download_place, not_here, search_places, unavailable, user_cache
from cnnlab.data.registry import DatasetInfo, Request, register_dataset


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


@register_dataset(
    DatasetInfo(
        name="imagenette",
        title="Imagenette, ten easy classes of ImageNet",
        year=2019,
        shape=(3, 128, 128),
        num_classes=10,
        train=9469,
        test=3925,
        bundled=False,
        source="Howard: Imagenette, https://github.com/fastai/imagenette, 2019",
    )
)
def load_imagenette(request: Request) -> Dataset:
    """10 classes of ImageNet; 660 MB in memory at 128x128."""
    return _load("imagenette", request)


@register_dataset(
    DatasetInfo(
        name="flowers102",
        title="Oxford Flowers-102",
        year=2008,
        shape=(3, 128, 128),
        num_classes=102,
        train=2040,
        test=6149,
        bundled=False,
        source="Nilsback, Zisserman: Automated flower classification over a large number of classes, 2008",
    )
)
def load_flowers102(request: Request) -> Dataset:
    """102 kinds of flowers, 20 of each for training."""
    return _load("flowers102", request)


@register_dataset(
    DatasetInfo(
        name="oxford_iiit_pet",
        title="Oxford-IIIT Pet, breeds of cats and dogs",
        year=2012,
        shape=(3, 128, 128),
        num_classes=37,
        train=3680,
        test=3669,
        bundled=False,
        source="Parkhi, Vedaldi, Zisserman, Jawahar: Cats and dogs, 2012",
    )
)
def load_oxford_iiit_pet(request: Request) -> Dataset:
    """37 breeds of cats and dogs."""
    return _load("oxford_iiit_pet", request)


def _load(name: str, request: Request) -> Dataset:
    size = request.size or 128
    plan = SETS[name]
    root, downloaded = _find_or_download(name, plan, request, size)
    parts = []
    classes: tuple[str, ...] = ()
    for splits in (plan.train_splits, plan.test_splits):
        decoded = []
        for split in splits:
            pictures = plan.make(root, split, size, False)
            classes = classes or _class_names(pictures)
            decoded.append(_decode(f"{name}-{split}", root, pictures, size))
        images, labels = (torch.cat(tensors) for tensors in zip(*decoded))
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


def _decode(key: str, root: Path, pictures: Any, size: int) -> tuple[Tensor, Tensor]:
    """All pictures at ``size`` (middle square), from the user's cache when they were decoded before."""
    from concurrent.futures import ThreadPoolExecutor
    from hashlib import sha256

    from PIL import Image, ImageOps
    from tqdm import tqdm

    place = sha256(str(root.resolve()).encode()).hexdigest()[:8]
    cached = user_cache() / "decoded" / f"{key}-{size}px-{len(pictures)}-{place}.pt"
    if cached.is_file():
        try:
            content = torch.load(cached, weights_only=True)
            return content["images"], content["labels"]
        except Exception:  # whatever is wrong with the copy, the pictures themselves are there
            pass

    def one(index: int) -> tuple[numpy.ndarray, int]:
        image, label = pictures[index]
        fitted = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BILINEAR)
        return numpy.asarray(fitted), int(label)

    out = numpy.empty((len(pictures), size, size, 3), dtype=numpy.uint8)
    labels = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(one, range(len(pictures)))
        for pixels, label in tqdm(results, total=len(pictures), desc=f"decoding {key}", disable=len(pictures) < 500):
            out[len(labels)] = pixels
            labels.append(label)
    images = torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()  # (N, 3, size, size)
    targets = torch.tensor(labels, dtype=torch.int64)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        partial = cached.with_name(f"{cached.name}.{os.getpid()}.part")
        torch.save({"images": images, "labels": targets}, partial)
        os.replace(partial, cached)
    except OSError:
        pass  # no room or no permission: the next load decodes again
    return images, targets
