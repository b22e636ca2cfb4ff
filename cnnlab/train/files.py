"""Pictures that stay in their files, as a set too large for the memory does: each is decoded when it is wanted."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.data.batching import mixed_seed
from cnnlab.data.folder import list_classes, part_folders
from cnnlab.data.registry import load_dataset
from cnnlab.pictures import open_picture
from cnnlab.preprocessing import Preprocess

if TYPE_CHECKING:
    from cnnlab.data import Dataset
    from cnnlab.train.settings import Settings

__all__ = ["MEAN", "STD", "Files", "Inputs", "inputs_of"]

# Of ImageNet's training pictures, by which torchvision's networks normalize.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_ASKED = 1000  # files whose sizes are looked at, to know about those of all


class Files(TorchDataset):
    """Picture files and their classes: the torch data set of ``folder/<class>/*.jpg``.

    Args:
        paths: of the files.
        labels: the number of each one's class.
        classes: their names.
        transform: from an upright RGB picture of Pillow to a tensor.
    """

    def __init__(
        self, paths: Sequence[str], labels: Sequence[int], classes: Sequence[str], transform: Callable[[Any], Tensor]
    ) -> None:
        self.paths, self.labels, self.classes = list(paths), list(labels), tuple(classes)
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(open_picture(self.paths[index])), self.labels[index]

    @property
    def nbytes(self) -> int:
        """Of all files together, from the sizes of a thousand of them."""
        some = self.paths[:: max(1, len(self.paths) // _ASKED)]
        return round(sum(map(os.path.getsize, some)) / len(some) * len(self.paths))


@dataclass(frozen=True)
class Inputs:
    """What a training is fed with.

    Attributes:
        data, validation: for :func:`cnnlab.fit`.
        classes: their names.
        shape: (C, H, W) of what the network sees.
        preprocess: of any other picture, for the model's file.
        train_size, measured_size: pictures.
        nbytes: of the training pictures where they lie, files or memory.
        augment: for fit.
        where: of what kind they are, in words.
    """

    data: Any
    validation: Any
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    preprocess: Preprocess
    train_size: int
    measured_size: int
    nbytes: int
    augment: Any
    where: str


def inputs_of(settings: Settings, own_size: tuple[int, ...] | None) -> Inputs:
    """The data that the settings name. Of a folder no picture is decoded yet.

    Args:
        own_size: (C, H, W) that the model is made for.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: what is there cannot be trained on.
    """
    return _of_set(settings) if settings.data.folder is None else _of_folder(settings, own_size)


def _of_set(settings: Settings) -> Inputs:
    table = settings.data
    data: Dataset = load_dataset(table.dataset)
    if table.validation is not None:
        data = data.split(table.validation, seed=settings.recipe.seed)
    if table.size is not None:
        data = data.resized(table.size)
    steps = [Crop(table.padding)] if table.padding else []
    steps += [Flip(table.flip)] if table.flip else []
    measured = data.test if data.validation is None else data.validation
    return Inputs(
        data,
        None,
        tuple(data.classes),
        tuple(data.train.images.shape[1:]),
        data.preprocess,
        len(data.train),
        len(measured),
        data.train.nbytes,
        Compose(steps) if steps else None,
        f"the data set {table.dataset}",
    )


def _of_folder(settings: Settings, own_size: tuple[int, ...] | None) -> Inputs:
    table, recipe = settings.data, settings.recipe
    folder = Path(table.folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"[data] folder={table.folder!r} does not exist: give a folder of pictures.")
    size = table.size or (own_size[-1] if own_size else 224)
    resize = table.resize or max(size, round(size * 8 / 7))
    if resize < size:
        raise ValueError(f"[data] resize={resize} is below the {size} pixels that are cut out of it.")
    train, measured, classes = _listed(folder, table.validation, recipe.seed)
    preprocess = Preprocess(resize, size, MEAN, STD)
    sets = [
        Files([path for path, _ in part], [label for _, label in part], classes, transform)
        for part, transform in ((train, _augmenting(table, size)), (measured, preprocess))
    ]
    pinned = torch.cuda.is_available()
    common = {"num_workers": table.workers, "pin_memory": pinned}
    loaders = [
        DataLoader(sets[0], recipe.batch_size, shuffle=True, drop_last=len(sets[0]) > recipe.batch_size, **common),
        DataLoader(sets[1], recipe.batch_size, **common),
    ]
    return Inputs(
        *loaders,
        classes,
        (3, size, size),
        preprocess,
        len(sets[0]),
        len(sets[1]),
        sets[0].nbytes,
        None,
        f"the files of {folder.name or folder.resolve().name}",
    )


def _augmenting(table: Any, size: int) -> Callable[[Any], Tensor]:
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=table.crop_scale, antialias=True),
            v2.RandomHorizontalFlip(table.flip),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )


def _listed(folder: Path, share: float | None, seed: int) -> tuple[list, list, tuple[str, ...]]:
    """(files and labels to train on, those to measure, names of the classes)."""
    train, test = part_folders(folder)
    if train is not None and test is not None:
        if share is not None:
            raise ValueError(f"[data] validation={share}: {folder} has its own, {test.name}: leave it out.")
        files, measured = list_classes(train).files, list_classes(test).files
        if odd := sorted({*files} ^ {*measured}):
            raise ValueError(
                f"{train} and {test} have not the same classes: {odd[0]!r} is in one alone. Give both a subfolder for "
                "each class."
            )
    else:
        every = list_classes(folder).files
        files, measured = {}, {}
        for number, (name, members) in enumerate(sorted(every.items())):
            if len(members) < 2:
                raise ValueError(f"class {name!r} of {folder} has one picture: two or more are needed, one to measure.")
            order = torch.randperm(len(members), generator=torch.Generator().manual_seed(mixed_seed(seed, number)))
            count = min(max(1, round(len(members) * (share or 0.1))), len(members) - 1)
            chosen = {*order[:count].tolist()}
            measured[name] = [path for at, path in enumerate(members) if at in chosen]
            files[name] = [path for at, path in enumerate(members) if at not in chosen]
    classes = tuple(sorted(files))
    if len(classes) < 2:
        raise ValueError(
            f"{folder} holds pictures of {len(classes)} classes: two or more are needed, a subfolder for each."
        )
    return *(
        [(path, at) for at, name in enumerate(classes) for path in part[name]] for part in (files, measured)
    ), classes
