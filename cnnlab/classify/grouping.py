"""Which pictures belong together: those of one subfolder, of one beginning of a name, and copies of one another.

Pictures of one visit, one patient or one larger picture are too alike for one of them to judge what was learned from
another, so that a split has to keep a group together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import torch.nn.functional as F
from torch import Tensor

from cnnlab.errors import unknown_name

__all__ = ["GROUPINGS", "PARTS", "group_names", "copies", "joined", "look_alikes"]

GROUPINGS = ("auto", "folder", "prefix", "none")
PARTS = 3  # training, validation and test pictures: a class needs a group for each
_ALIKE = 5  # of 64 bits that may differ
_BEFORE_NUMBER = re.compile(r"^(.+)[ _.\-(]+[^ _.\-(]*$")


def group_names(paths: Sequence[str], by: str = "auto") -> tuple[tuple[str, ...], str, str]:
    """The group of each picture, what decided it, and why, in words.

    The same name in two classes is the same group: the same patient, the same day.

    Args:
        paths: of the pictures, from the folder on: ``class/name.jpg`` or ``class/visit 3/name.jpg``.
        by: "folder", the subfolder of the class; "prefix", the name up to its last ``_``, ``-``, space, dot or
            bracket, so that ``monday_01.jpg`` and ``monday_02.jpg`` are one group, and so are a telephone's
            ``IMG_20260501_101532.jpg`` of one day; "none", each picture by itself; "auto", the first of these that
            gives each class three groups or more.

    Returns:
        (a name for each picture, "folder", "prefix" or "none", the reason).

    Raises:
        ValueError: an unknown ``by``, or a class has fewer than three of the groups that were asked for.
    """
    if by not in GROUPINGS:
        raise unknown_name("group_by", by, GROUPINGS)
    if by == "none":
        return tuple(paths), "none", "as asked: each picture by itself"
    tried = {"folder": _by_folder(paths), "prefix": _by_prefix(paths)}
    if by != "auto":
        found = tried[by]
        if poor := _poor(paths, found):
            name, count = poor
            what = "subfolder" if by == "folder" else "beginning of a name"
            raise ValueError(
                f"group_by={by!r}: class {name!r} has {count} group{'s' if count > 1 else ''} (of one {what} each), "
                f"and {PARTS} are needed, one to train, one to validate and one to test. Add pictures of another "
                "occasion, or give group_by='none', and know that the accuracy will be too good."
            )
        return found, by, "as asked"
    for name, found in tried.items():
        pictures, groups = len(paths), len(set(found))
        if groups < pictures and not _poor(paths, found) and (name == "folder" or pictures >= 2 * groups):
            where = "the classes have subfolders" if name == "folder" else "names begin alike"
            return found, name, f"{where}: {groups} groups of {pictures / groups:.1f} pictures on average"
    why = "neither subfolders nor the beginnings of names give each class three groups"
    return tuple(paths), "none", why


def _by_folder(paths: Sequence[str]) -> tuple[str, ...]:
    """The way from the class to the picture; a picture beside the subfolders is a group of its own."""
    ways = [PurePosixPath(path) for path in paths]
    return tuple("/".join(way.parts[1:-1]) or str(way) for way in ways)


def _by_prefix(paths: Sequence[str]) -> tuple[str, ...]:
    found = []
    for path in paths:
        stem = PurePosixPath(path).stem
        begins = _BEFORE_NUMBER.match(stem)
        found.append(begins[1] if begins else stem)
    return tuple(found)


def _poor(paths: Sequence[str], groups: Sequence[str]) -> tuple[str, int] | None:
    """The class with the fewest groups, if these are too few."""
    each = Counter(name for name, _ in {(path.split("/")[0], group) for path, group in zip(paths, groups, strict=True)})
    name = min(sorted(each), key=lambda one: each[one])
    return (name, each[name]) if each[name] < PARTS else None


def copies(digests: Sequence[str]) -> list[list[int]]:
    """Sets of pictures that are the same, as the network sees them: their numbers, those of one picture together."""
    found: dict[str, list[int]] = {}
    for index, digest in enumerate(digests):
        found.setdefault(digest, []).append(index)
    return [same for same in found.values() if len(same) > 1]


def joined(groups: Sequence[str], same: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """The groups, those that share a picture made one."""
    home = {group: group for group in groups}

    def first(group: str) -> str:
        while home[group] != group:
            group = home[group]
        return group

    for one, *others in same:
        for other in others:
            home[first(groups[other])] = first(groups[one])
    return tuple(first(group) for group in groups)


def look_alikes(pixels: Tensor, first: Tensor, second: Tensor) -> list[tuple[int, int]]:
    """Pictures of ``second`` that look almost like one of ``first``, each with the nearest.

    A picture is told by 64 bits: in nine columns and eight rows of gray, whether it gets darker to the right. Copies
    that were resized, brightened or saved again differ in a few of them; so do shots of one series.

    Args:
        pixels: uint8, (N, C, H, W).
        first, second: numbers of pictures, (A,) and (B,).

    Returns:
        (number in ``second``, number in ``first``) for each that at most 5 bits tell apart.
    """
    if not len(first) or not len(second):
        return []
    gray = pixels.float().mean(1, keepdim=True)
    small = F.adaptive_avg_pool2d(gray, (8, 9))[:, 0]
    bits = (small[:, :, 1:] < small[:, :, :-1]).flatten(1).float() * 2 - 1  # (N, 64) of -1 and 1
    agree = bits[second] @ bits[first].T  # 64 less twice the bits that differ
    best, which = agree.max(dim=1)
    near = (64 - best) / 2 <= _ALIKE
    return [(int(second[i]), int(first[which[i]])) for i in near.nonzero().flatten().tolist()]
