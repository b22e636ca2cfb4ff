"""Pictures as they may be given: sets, whose pictures are of one size, and photos of any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.data.dataset import Dataset, ImageSet

__all__ = ["Photos", "images_of", "named"]


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos of any size, and the model's way of seeing them.

    Attributes:
        photos: N files, PIL images or arrays.
        labels: their classes, (N,), or None.
        classes: the model's.
        preprocess: the model's.
    """

    photos: list[Any]
    labels: Tensor | None
    classes: tuple[str, ...]
    preprocess: Any

    def __len__(self) -> int:
        return len(self.photos)

    def opened(self) -> Iterator[Any]:
        """PIL images, upright and in color."""
        from PIL import Image

        from cnnlab.pictures import open_picture, upright_color

        for number, photo in enumerate(self.photos):
            if isinstance(photo, Image.Image):
                yield upright_color(photo)
            elif hasattr(photo, "__array_interface__"):
                if photo.dtype != "uint8" or photo.ndim not in (2, 3):
                    raise ValueError(
                        f"pictures[{number}] is an array of {photo.dtype}, {photo.shape}: give uint8 (H, W, 3)."
                    )
                yield upright_color(Image.fromarray(photo))
            else:
                yield open_picture(photo)


def images_of(
    model: nn.Module, pictures: Any, labels: Any, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[ImageSet | Photos, Sequence[float] | None, Sequence[float] | None]:
    """(the pictures, their mean, their std): an image set or :class:`Photos`."""
    if isinstance(pictures, Dataset | ImageSet):
        if labels is not None:
            raise ValueError("labels= are for photos alone: a set has its own. Leave them out.")
        if isinstance(pictures, Dataset):
            if mean is not None or std is not None:
                raise ValueError("mean= and std= are for an image set alone: a data set has its own. Leave them out.")
            pictures, mean, std = pictures.test, pictures.mean, pictures.std
        if not len(pictures):
            raise ValueError("pictures is an empty set: give one picture or more.")
        return pictures, mean, std
    if mean is not None or std is not None:
        raise ValueError("mean= and std= are for an image set alone: photos go through the model's own preprocessing.")
    preprocess = getattr(model, "preprocess", None)
    if preprocess is None:
        raise ValueError(
            "This model has no .preprocess, by which photos of any size become what it takes: give an image set, or a "
            "model of cnnlab.create_model(..., weights=...)."
        )
    if isinstance(pictures, str | bytes) or hasattr(pictures, "size") or not hasattr(pictures, "__len__"):
        raise TypeError(f"pictures is {type(pictures).__name__}: give a data set, an image set or a list of photos.")
    photos = list(pictures)
    if not photos:
        raise ValueError("pictures is empty: give one photo or more.")
    known = None if labels is None else torch.as_tensor(labels)
    if known is not None and (known.shape != (len(photos),) or known.is_floating_point()):
        raise ValueError(f"labels must be {len(photos)} class numbers, one for each photo; got {tuple(known.shape)}.")
    classes = tuple(getattr(model, "classes", ()) or ())
    return Photos(photos, None if known is None else known.long(), classes, preprocess), None, None


def named(classes: Sequence[str], probabilities: Tensor) -> tuple[str, ...]:
    """A name for each class, its number where there is none."""
    return (*classes, *map(str, range(len(classes), probabilities.shape[1])))
