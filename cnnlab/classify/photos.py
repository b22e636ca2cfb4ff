"""A folder of photographs, looked at: classes, pictures as a network sees them, groups, copies, and what is no good."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnnlab.classify.grouping import PARTS, copies, group_names, joined
from cnnlab.data import ImageSet
from cnnlab.data.decoded import decoded
from cnnlab.data.folder import Listing, list_classes, part_folders, refuse_splits
from cnnlab.pictures import SUFFIXES, BrokenImage, open_picture

if TYPE_CHECKING:
    from cnnlab.preprocessing import Preprocess

__all__ = ["MOST_BROKEN", "Photos", "look", "seen_as_they_are"]

MOST_BROKEN = 0.1  # of the files: more than that is no accident
_TOLD = 3  # names in a message


@dataclass(frozen=True, eq=False)
class Photos:
    """What is in a folder of photographs.

    Attributes:
        folder: where they are.
        pictures: cut and resized as the network sees them, before they are normalized, with ``.labels``, ``.classes``
            and ``.paths`` (from the folder on).
        groups: the group of each picture; one group is to be in one part of a split.
        grouped_by: "folder", "prefix" or "none".
        why: how that was decided, in words.
        same: numbers of pictures that are copies of one another; they are in one group.
        broken: files that cannot be read.
        notes: what else was left out, in words.
        preprocess: what made them.
    """

    folder: Path
    pictures: ImageSet
    groups: tuple[str, ...]
    grouped_by: str
    why: str
    same: tuple[tuple[int, ...], ...]
    broken: tuple[str, ...]
    notes: tuple[str, ...]
    preprocess: Preprocess

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in the order of the labels, which is that of the alphabet."""
        return self.pictures.classes

    @property
    def labels(self) -> Tensor:
        """Shape: (N,) int64."""
        return self.pictures.labels

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        return (
            f"Photos({self.folder.name!r}: {len(self)} pictures in {len(self.classes)} classes, "
            f"{len(set(self.groups))} groups by {self.grouped_by})"
        )


def look(
    folder: str | Path, preprocess: Preprocess, group_by: str = "auto", *, most_broken: float = MOST_BROKEN
) -> Photos:
    """Read a folder with one subfolder for each class, and say what would spoil a measurement.

    Args:
        folder: ``folder/<class>/*.jpg``, or ``folder/<class>/<visit>/*.jpg``.
        preprocess: from a picture to what the network sees, such as ``model.preprocess``.
        group_by: what belongs together; see :func:`group_names`.
        most_broken: the share of files that may be unreadable and are then left out.

    Raises:
        FileNotFoundError: no such folder, or no picture in it.
        ValueError: fewer than two classes, a class with fewer than three pictures, a data set's train and test in the
            place of classes, one picture in two classes, a class name that is not UTF-8, too many unreadable files,
            or a class with too few groups of the kind that was asked for.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"folder={str(folder)!r} {what}; give a folder with one subfolder for each class.")
    listing = list_classes(folder)
    classes = tuple(sorted(listing.files))
    _check_classes(folder, listing, classes, group_by)
    files = [file for name in classes for file in listing.files[name]]
    labels = torch.tensor([label for label, name in enumerate(classes) for _ in listing.files[name]])
    images, labels, bad = _read(folder, files, labels, preprocess)
    broken = tuple(_within(folder, file) for file in bad)
    if len(broken) > most_broken * len(files):
        raise ValueError(
            f"{len(broken)} of {len(files)} files in {str(folder)!r} cannot be read as pictures ({_some(broken)}), "
            f"more than the {most_broken:.0%} that are left out in silence. Replace or delete them, or raise "
            "most_broken."
        )
    gone = set(bad)
    paths = [_within(folder, file) for file in files if file not in gone]
    _check_counts(folder, labels, classes)
    digests = [hashlib.blake2b(image.numpy().tobytes(), digest_size=16).hexdigest() for image in images]
    same = copies(digests)
    _check_copies(same, paths, labels, classes)
    groups, grouped_by, why = group_names(paths, group_by)
    ignored = [f"{listing.ignored} files are no pictures and are left out."] if listing.ignored else []
    return Photos(
        folder,
        ImageSet(images, labels, classes, paths=tuple(paths)),
        joined(groups, same),
        grouped_by,
        why,
        tuple(map(tuple, same)),
        broken,
        (*listing.left_out, *ignored),
        preprocess,
    )


def seen_as_they_are(preprocess: Preprocess) -> Preprocess:
    """The same, for pictures that are cut and resized already."""
    return replace(preprocess, resize=preprocess.size, crop=preprocess.size, then=())


def _check_classes(folder: Path, listing: Listing, classes: Sequence[str], group_by: str) -> None:
    if not classes:
        loose = any(entry.suffix.lower() in SUFFIXES for entry in folder.iterdir())
        raise FileNotFoundError(
            f"folder={str(folder)!r} holds no pictures in subfolders"
            + ("; it holds loose ones: move them into one subfolder for each class." if loose else ".")
            + f" Expected is {folder.name}/<class>/*.jpg; read are {', '.join(sorted(SUFFIXES))}."
        )
    train, test = part_folders(folder)
    if train is not None and test is not None:
        raise ValueError(
            f"folder={str(folder)!r} holds {train.name}/ and {test.name}/ in the place of classes. Give one of them, "
            "which is then split in three, or put the pictures of one class into one folder. "
            "cnnlab.data.load_images takes such a split as it is."
        )
    if group_by == "auto" and not _numbered(folder, listing):
        try:
            refuse_splits(folder, listing)
        except ValueError as error:
            raise ValueError(f"{error} If the subfolders are occasions, say group_by='folder'.") from None
    if len(classes) < 2:
        also = f" ({' '.join(listing.left_out)})" if listing.left_out else ""
        raise ValueError(
            f"folder={str(folder)!r} has the single class {classes[0]!r}{also}; a classifier needs two subfolders or "
            "more, one for each class. If the classes lie one folder deeper, give that folder."
        )


def _numbered(folder: Path, listing: Listing) -> bool:
    """Whether subfolders are called "visit 3" or "2026-05-01", as occasions are and classes seldom."""
    names = {_within(folder, file).split("/")[1] for files in listing.files.values() for file in files}
    return all(re.search(r"\d", name) for name in names)


def _check_counts(folder: Path, labels: Tensor, classes: Sequence[str]) -> None:
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    if min(counts) < PARTS:
        name = classes[counts.index(min(counts))]
        said = f"{min(counts)} readable picture{'' if min(counts) == 1 else 's'}"
        raise ValueError(
            f"class {name!r} in {str(folder)!r} has {said}, and {PARTS} are needed, one to train, one to validate and "
            "one to test; for a number to rely on, some tens. Add pictures, or remove the class."
        )


def _check_copies(same: Sequence[Sequence[int]], paths: Sequence[str], labels: Tensor, classes: Sequence[str]) -> None:
    torn = [own for own in same if len({int(labels[i]) for i in own}) > 1]
    if torn:
        first = [paths[i] for i in torn[0]]
        more = f", and {len(torn) - 1} more such" if len(torn) > 1 else ""
        raise ValueError(
            f"the same picture is in two classes: {' and '.join(first[:_TOLD])}{more}. Delete it where it does not "
            "belong."
        )


def _read(
    folder: Path, files: Sequence[str], labels: Tensor, preprocess: Preprocess
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """The pictures as the network sees them, from the user's cache where they were decoded before."""
    workers = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        key = hashlib.sha256(repr((str(preprocess), 1)).encode())
        for file, digest in zip(files, pool.map(_digest, files), strict=True):
            key.update(os.fsencode(f"{file}:{digest}"))

        def decode() -> tuple[Tensor, Tensor, tuple[str, ...]]:
            out = torch.empty((len(files), preprocess.channels, *preprocess.size), dtype=torch.uint8)
            kept, broken = [], []

            def one(file: str) -> Tensor | None:
                try:
                    return preprocess.pixels(open_picture(file))
                except BrokenImage:
                    return None

            for index, pixels in enumerate(pool.map(one, files)):
                if pixels is None:
                    broken.append(files[index])
                    continue
                out[len(kept)] = pixels
                kept.append(index)
            return out[: len(kept)].clone() if broken else out, labels[kept], tuple(broken)

        return decoded(f"{folder.name}-{preprocess.size[0]}px-{key.hexdigest()[:16]}", decode)


def _digest(file: str) -> str:
    try:
        return hashlib.blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()
    except OSError:  # decoding says why
        return "unreadable"


def _within(folder: Path, file: str) -> str:
    return Path(file).relative_to(folder).as_posix()


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
