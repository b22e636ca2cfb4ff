"""What `fit` is given, as sources: what is trained on, what is measured after each epoch, what is kept to the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from cnnlab.data.dataset import Dataset, ImageSet, channel_statistics
from cnnlab.data.loaders import LoaderSource
from cnnlab.data.sources import Source, source_of
from cnnlab.processes import ALONE, Processes
from cnnlab.training.checks import check_data, has_batch_norm

if TYPE_CHECKING:
    from cnnlab.training.objective import Objective
    from cnnlab.training.recipe import Recipe

__all__ = ["Parts", "make_parts", "whole_set"]


@dataclass(frozen=True)
class Parts:
    """The sources of a training.

    Attributes:
        train: what is trained on.
        measured: what is measured after each epoch; None where there is nothing.
        part: "test" or "validation", as the history calls ``measured``.
        tested: the test set, where something else is measured after each epoch; else None.
        name: of the data.
        origin: where they came from, in words.
        sizes: "train_images", "test_images" and "validation_images", as far as there are such.
    """

    train: Source
    measured: Source | None
    part: str
    tested: Source | None
    name: str
    origin: str
    sizes: dict[str, int | None]

    def suit(self, objective: Objective) -> None:
        """Let each loader's targets be asked whether the loss can take them, and augmentation know the classes."""
        if isinstance(self.train, LoaderSource):
            self.train.suit(objective.num_classes)
        for source in (self.train, self.measured, self.tested):
            if isinstance(source, LoaderSource):
                source.check = objective.check


def make_parts(
    data: Any, validation: Any, recipe: Recipe, model: nn.Module, device: torch.device, processes: Processes = ALONE
) -> Parts:
    """The sources for the arguments of :func:`cnnlab.fit`.

    Raises:
        TypeError: data or validation give no batches.
        ValueError: a set is empty, a length is missing, or two sets claim to be the validation set.
    """
    mean = std = None
    sets: dict[str, Any] = {"train": data}
    if isinstance(data, Dataset):
        if data.validation is not None and validation is not None:
            raise ValueError(
                f"{data.name!r} has a validation set of {len(data.validation)} pictures, and validation= gives "
                "another: leave one out."
            )
        mean, std, sets = data.mean, data.std, dict(data.parts)
    elif isinstance(data, ImageSet):
        mean, std = channel_statistics(data.images)
        std = tuple(value if value > 1e-6 else 1.0 for value in std)
    if validation is not None:
        sets["validation"] = validation
    if isinstance(sets.get("validation"), Dataset):
        raise TypeError("validation must be one set, and a Dataset has several: give its part, such as data.test.")
    for part, images in sets.items():
        if isinstance(images, ImageSet):
            check_data(images, part, getattr(data, "name", "pictures in memory"))
            if mean is None:
                raise ValueError(
                    f"{part} is an image set in memory and data a loader, so that nothing says by which mean and std "
                    "it is normalized: give a loader for both, or image sets for both."
                )

    named = {"mean": mean, "std": std, "device": device, "name": getattr(data, "name", ""), "processes": processes}
    train = source_of(
        sets["train"],
        argument="data",
        batch_size=recipe.batch_size,
        shuffle=True,
        seed=recipe.seed,
        augment=recipe.augment,
        batches_per_epoch=recipe.batches_per_epoch,
        # Batch norm cannot train on one image whose feature map is a single pixel.
        least=2 if has_batch_norm(model) else 1,
        **named,
    )
    if train.batches is None:
        raise ValueError(
            f"data ({train.name}) has no length, so that it may never end: say how many batches make an epoch, "
            "batches_per_epoch=100."
        )
    measured = {}
    for part in ("validation", "test"):
        if part in sets:
            batch_size = max(2 * recipe.batch_size, 256)
            measured[part] = source_of(sets[part], argument=part, batch_size=batch_size, seed=recipe.seed, **named)
            if measured[part].batches is None:
                raise ValueError(
                    f"{part} ({measured[part].name}) has no length, so that it may never end: give a DataLoader, a "
                    "list of batches, or an object whose len() is the number of its batches."
                )
            if measured[part].not_repeatable and not hasattr(sets[part], "__len__"):
                raise ValueError(f"{part} is an iterator, which ends after one epoch: give a list of its batches.")
    part = "validation" if "validation" in measured else "test"
    return Parts(
        train=train,
        measured=measured.get(part),
        part=part,
        tested=measured.get("test") if part == "validation" else None,
        name=train.name,
        origin=getattr(data, "source", "") if isinstance(data, Dataset) else "",
        sizes={"train_images": train.size} | {f"{name}_images": measured[name].size for name in sorted(measured)},
    )


def whole_set(data: Any) -> Any:
    """A data set for an image set alone, which knows neither its mean and std nor how pictures are prepared."""
    return Dataset.from_sets("", data, data) if isinstance(data, ImageSet) else data
