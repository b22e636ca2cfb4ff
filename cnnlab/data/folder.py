"""Any folder of pictures as a data set: one subfolder for each class."""

from __future__ import annotations

import hashlib
import os
import sys
import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Tensor

from cnnlab.data.dataset import Dataset, ImageSet, stratified_order
from cnnlab.data.decoded import decoded
from cnnlab.devices import watched
from cnnlab.errors import reason_of, unknown_name, whole_number
from cnnlab.pictures import SUFFIXES, BrokenImage, read_picture
from cnnlab.preprocessing import plain_preprocess

__all__ = [
    "ON_ERROR",
    "FITS",
    "Listing",
    "Tree",
    "list_classes",
    "load_images",
    "part_folders",
    "read_tree",
    "refuse_splits",
]

# Of the folders that hold a split; of several, the first in this order. Case, "-" and " " make no difference.
_TRAIN_NAMES = ("train", "training", "train_set", "training_set", "seg_train")
_TEST_NAMES = ("test", "testing", "test_set", "testing_set", "seg_test", "val", "valid", "validation")
_TEST_NAMES += ("evaluation", "eval", "dev")
ON_ERROR = ("raise", "skip")
FITS = ("crop", "pad", "stretch")


# Folders that systems make for themselves beside the pictures, with copies of them inside; so are all hidden ones
# (Jupyter's .ipynb_checkpoints holds every picture that was opened, which would then be in training and test set).
_SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "#recycle"})


@dataclass(frozen=True, eq=False)
class Tree:
    """What a folder held: the pictures, decoded, and what was left out, in words."""

    train: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    suffixes: frozenset[str]
    ignored: int
    broken: tuple[str, ...]
    has_split: bool
    left_out: tuple[str, ...]


def load_images(
    folder: str | Path,
    size: int = 64,
    *,
    channels: int = 3,
    fit: str = "crop",
    test_fraction: float = 0.2,
    seed: int = 0,
    on_error: str = "raise",
    name: str | None = None,
) -> Dataset:
    """A folder of pictures, one subfolder for each class, as a data set in memory.

    ``folder/<class>/*.jpg`` is split into training and test pictures (stratified, seeded);
    ``folder/train/<class>`` and ``folder/test/<class>`` (or ``val``; ``Training`` and ``Testing``; and other usual
    names) are respected as they are.
    Hidden files and folders are no pictures; a subfolder without any is named in a warning and is no class.
    Cameras' rotation marks are followed, transparency is laid on white, gray and 16-bit files are converted.
    Decoded pictures are kept in the user's cache, so that the next load is quick.

    Args:
        size: side length of the pictures in pixels.
        channels: 3, or 1 for gray.
        fit: "crop" cuts the middle square, "pad" adds a black border, "stretch" changes the proportions.
        test_fraction: the share of each class that is held out when the folder has no split of its own.
        on_error: "raise" stops at the first broken picture; "skip" leaves broken ones out and counts them.

    Raises:
        FileNotFoundError: no such folder, or no picture in it.
        ValueError: fewer than two classes, a class with too few pictures, or an argument out of range.
        BrokenImage: (a ValueError) a picture that cannot be decoded; the message names it.
    """
    folder = Path(folder).expanduser()
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must lie between 0 and 1 (exclusive), got {test_fraction}.")
    tree = read_tree(
        folder, size=size, channels=channels, fit=fit, test_fraction=test_fraction, seed=seed, on_error=on_error
    )
    for left_out in tree.left_out:
        warnings.warn(f"{folder}: {left_out}", stacklevel=2)
    if tree.ignored:
        warnings.warn(f"{folder}: {tree.ignored} files are not pictures and were ignored.", stacklevel=2)
    if tree.broken:
        warnings.warn(
            f"{folder}: {len(tree.broken)} broken pictures were skipped, the first is {tree.broken[0]}.", stacklevel=2
        )
    called = folder.name or folder.resolve().name  # "." has no name of its own
    preprocess = plain_preprocess(tree.train.shape, (0.0,) * channels, (1.0,) * channels, fit)
    return Dataset.from_sets(name or called, tree.train, tree.test, f"image folder {called}", preprocess)


def read_tree(
    folder: Path,
    *,
    size: int,
    channels: int = 3,
    fit: str = "crop",
    test_fraction: float = 0.2,
    seed: int = 0,
    on_error: str = "raise",
) -> Tree:
    """Decode a folder (or take the decoded copy from the cache) and split it. Arguments as in :func:`load_images`."""
    size = whole_number("size", size, "Give the side length in pixels.")
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (gray) or 3 (color), got {channels}.")
    if fit not in FITS:
        raise unknown_name("fit", fit, FITS)
    if on_error not in ON_ERROR:
        raise unknown_name("on_error", on_error, ON_ERROR)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise FileNotFoundError(f"folder={str(folder)!r} {what}; give a folder with one subfolder for each class.")

    train_folder, test_folder = part_folders(folder)
    has_split = train_folder is not None and test_folder is not None
    parts = [train_folder, test_folder] if has_split else [folder]
    listings = [list_classes(_inner(part) if has_split else part) for part in parts]
    if not has_split:
        refuse_splits(folder, listings[0])
    left_out = [reason for listing in listings for reason in listing.left_out]
    if has_split:
        other = sorted(entry.name for entry in folder.iterdir() if _is_visible_folder(entry) and entry not in (*parts,))
        if other:
            left_out.append(
                f"beside {parts[0].name}/ and {parts[1].name}/, which are used, the folders {', '.join(other)} are "
                "left out."
            )
    classes = tuple(sorted(set().union(*(listing.files for listing in listings))))
    if not any(listing.files for listing in listings):
        loose = any(p.suffix.lower() in SUFFIXES for p in folder.iterdir())
        raise FileNotFoundError(
            f"folder={str(folder)!r} holds no pictures in subfolders"
            + (" (it holds loose ones: move them into one subfolder for each class)." if loose else ".")
            + f" Expected <class>/*.jpg or train/<class>/*.jpg and test/<class>/*.jpg; "
            f"read are {', '.join(sorted(SUFFIXES))}."
        )
    if len(classes) < 2:
        if train_folder is not None and classes[0] == train_folder.name:
            raise ValueError(
                f"folder={str(folder)!r} has {classes[0]}/ and no pictures to test on beside it: add a folder "
                f"test or val with the same classes, or load {train_folder} itself, which is then split."
            )
        also = f" ({' '.join(left_out)})" if left_out else ""
        raise ValueError(
            f"folder={str(folder)!r} has the single class {classes[0]!r}{also}; "
            "a classifier needs two subfolders or more, one for each class."
        )
    for listing, part in zip(listings, parts, strict=True):
        if missing := [name for name in classes if name not in listing.files]:
            raise ValueError(
                f"{part} has no pictures of {', '.join(missing)}: every class needs some in train and test."
            )

    found = [
        _decode_cached(part, listing, classes, size, channels, fit, on_error)
        for part, listing in zip(parts, listings, strict=True)
    ]
    if has_split:
        (train, bad_train), (test, bad_test) = found
        broken = bad_train + bad_test
        for part, images in zip(parts, (train, test), strict=True):
            if gone := [name for name, count in images.counts().items() if count == 0]:
                raise ValueError(
                    f"{part} has no readable pictures of {', '.join(gone)}, only broken ones: every class needs some "
                    "in train and test."
                )
    else:
        images, broken = found[0]
        train, test = _split(images, test_fraction, seed)
    return Tree(
        train,
        test,
        classes,
        frozenset().union(*(listing.suffixes for listing in listings)),
        sum(listing.ignored for listing in listings),
        broken,
        has_split,
        tuple(left_out),
    )


@dataclass(frozen=True)
class Listing:
    """Paths are plain strings here: for sixty thousand files, Path objects would cost seconds.

    Attributes:
        files: class -> sorted files.
        folders: every folder visited -> when it changed (ns).
        left_out: subfolders that gave no class, or not all that is in them, and why.
    """

    files: dict[str, list[str]]
    folders: dict[str, int]
    suffixes: frozenset[str]
    ignored: int
    left_out: tuple[str, ...]


def part_folders(folder: Path) -> tuple[Path | None, Path | None]:
    """The subfolders that hold training and test pictures, by their names; None where there is none."""
    subfolders = {_plain_name(entry): entry for entry in folder.iterdir() if entry.is_dir()}
    train, test = (
        next((subfolders[name] for name in names if name in subfolders), None) for names in (_TRAIN_NAMES, _TEST_NAMES)
    )
    return train, test


def _plain_name(entry: Path) -> str:
    return entry.name.lower().replace("-", "_").replace(" ", "_")


def _inner(part: Path) -> Path:
    """``seg_train/seg_train/<class>``: an archive unpacked into a folder of its own name."""
    below = [entry for entry in part.iterdir() if _is_visible_folder(entry)]
    return below[0] if len(below) == 1 and _plain_name(below[0]) == _plain_name(part) else part


def refuse_splits(folder: Path, listing: Listing) -> None:
    """Raises: ValueError: the "classes" hold no pictures of their own and all the same subfolders: they are splits."""
    inside = {}
    for name, files in listing.files.items():
        steps = [os.path.relpath(file, folder / name).split(os.sep) for file in files]
        if any(len(way) == 1 for way in steps):
            return
        inside[name] = {way[0] for way in steps}
    shared = next(iter(inside.values()), set())
    if len(inside) < 2 or len(shared) < 2 or any(names != shared for names in inside.values()):
        return
    these, those = (", ".join(f"{name}/" for name in sorted(names)[:4]) for names in (inside, shared))
    raise ValueError(
        f"folder={str(folder)!r}: {these} hold no pictures of their own and all the same subfolders ({those}), as the "
        "parts of a data set do and classes do not. Rename the parts train and test, or load one of them, which is "
        "then split; if they are classes, move the pictures up into them."
    )


def _is_visible_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.name.startswith(".") and entry.name not in _SYSTEM_FOLDERS


def list_classes(folder: Path) -> Listing:
    """The subfolders that hold pictures, at whatever depth, each a class.

    Raises:
        ValueError: a name that is not UTF-8.
    """
    files: dict[str, list[str]] = {}
    folders: dict[str, int] = {}
    suffixes: set[str] = set()
    ignored = 0
    left_out: list[str] = []
    for entry in sorted(folder.iterdir()):
        if not _is_visible_folder(entry):
            continue
        try:
            entry.name.encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{str(folder)!r} has a subfolder {os.fsencode(entry.name)!r} whose name is not UTF-8: rename it, "
                "since it names a class."
            ) from None
        members = []
        others: set[str] = set()
        refused: list[OSError] = []
        for parent, below, names in os.walk(entry, onerror=refused.append):
            below[:] = [name for name in below if not name.startswith(".") and name not in _SYSTEM_FOLDERS]
            folders[parent] = os.stat(parent).st_mtime_ns
            for name in names:
                suffix = os.path.splitext(name)[1].lower()
                if name.startswith(".") or name in ("Thumbs.db", "desktop.ini"):
                    continue
                if suffix in SUFFIXES:
                    members.append(f"{parent}{os.sep}{name}")
                    suffixes.add(suffix)
                else:
                    ignored += 1
                    others.add(suffix or name)
        left_out += [f"{error.filename} cannot be read ({reason_of(error)}) and is left out." for error in refused]
        if members:
            # macOS writes é as two characters, others as one: a class is one class on either side of a split.
            label = unicodedata.normalize("NFC", entry.name)
            files[label] = sorted([*files.get(label, ()), *members])
        elif not refused:
            holds = f"only files of other kinds ({', '.join(sorted(others)[:3])})" if others else "no files"
            left_out.append(f"{folder.name}/{entry.name} holds {holds} and is no class.")
    return Listing(files, folders, frozenset(suffixes), ignored, tuple(left_out))


def _split(images: ImageSet, test_fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Stratified: of each class, the nearest whole number to its share, and at least one on either side."""
    counts = torch.bincount(images.labels, minlength=images.num_classes)
    if int(counts.min()) < 2:
        name = images.classes[int(counts.argmin())]
        raise ValueError(
            f"class {name!r} has {int(counts.min())} readable picture(s): two or more are needed, one to test."
        )
    order = stratified_order(images.labels, seed)
    test = []
    for label, count in enumerate(counts.tolist()):
        members = order[images.labels[order] == label]
        test.append(members[: min(max(1, round(count * test_fraction)), count - 1)])
    chosen = torch.zeros(len(images), dtype=torch.bool)
    chosen[torch.cat(test)] = True
    return images[~chosen], images[chosen]  # type: ignore[return-value]


def _decode_cached(
    folder: Path, listing: Listing, classes: tuple[str, ...], size: int, channels: int, fit: str, on_error: str
) -> tuple[ImageSet, tuple[str, ...]]:
    """The decoded pictures, from the cache when the folder is unchanged, and the files that could not be read."""
    # The last number is that of the way in which pictures are decoded and fitted: another one, another copy.
    key = hashlib.sha256(repr((str(folder.resolve()), size, channels, fit, on_error, 2)).encode())
    key.update(repr([(name, len(files)) for name, files in listing.files.items()]).encode())
    key.update(repr(sorted(listing.folders.items())).encode())
    for files in listing.files.values():
        for file in files:  # each is asked for its date: one that is overwritten in place leaves its folder's alone
            try:
                state = os.stat(file)
                seen = f"{state.st_size}:{state.st_mtime_ns}"
            except OSError:  # a link to nowhere: decoding says so, or skips it
                seen = "gone"
            key.update(os.fsencode(f"{file}:{seen}"))
    images, labels, broken = decoded(
        f"{folder.name}-{size}px-{key.hexdigest()[:16]}",
        lambda: _decode(listing, classes, size, channels, fit, on_error),
    )
    left_out = set(broken)
    paths = [file for name in classes for file in listing.files[name] if file not in left_out]
    return ImageSet(images, labels, classes, paths=tuple(paths)), broken


def _decode(
    listing: Listing, classes: tuple[str, ...], size: int, channels: int, fit: str, on_error: str
) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    from concurrent.futures import ThreadPoolExecutor

    from tqdm import tqdm

    jobs = [(file, label) for label, name in enumerate(classes) for file in listing.files[name]]
    out = numpy.empty((len(jobs), size, size, channels), dtype=numpy.uint8)
    labels, broken = [], []

    def decode(run: list[tuple[str, int]]) -> list[numpy.ndarray | BrokenImage]:
        results: list[numpy.ndarray | BrokenImage] = []
        for file, _ in run:
            try:
                results.append(read_picture(file, size, channels=channels, fit=fit))
            except BrokenImage as error:
                results.append(error)
                if on_error == "raise":
                    break
        return results

    quiet = len(jobs) < 2000 or not watched(sys.stderr)
    # Pillow decodes outside Python's lock, so threads help; runs of files keep their bookkeeping small.
    runs = [jobs[start : start + 64] for start in range(0, len(jobs), 64)]
    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        tqdm(total=len(jobs), desc="decoding pictures", unit="", mininterval=0.5, disable=quiet) as bar,
    ):
        try:
            for run, results in zip(runs, pool.map(decode, runs), strict=True):
                for (file, label), result in zip(run, results, strict=False):
                    if isinstance(result, BrokenImage):
                        if on_error == "raise":
                            raise result
                        broken.append(file)
                        continue
                    out[len(labels)] = result
                    labels.append(label)
                bar.update(len(run))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    images = torch.from_numpy(out[: len(labels)]).permute(0, 3, 1, 2).contiguous()  # (N, C, size, size)
    return images, torch.tensor(labels, dtype=torch.int64), tuple(broken)
