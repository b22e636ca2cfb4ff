"""Three parts of a folder, of which no group is in two: to train, to choose by, and to measure once."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["NAMES", "Split", "split_by_group"]

NAMES = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Which pictures are for what, by their numbers in rising order.

    Attributes:
        train: what is learned from. Shape: (A,) int64.
        validation: what choices are made on. Shape: (B,) int64.
        test: what is measured once. Shape: (C,) int64.
    """

    train: Tensor
    validation: Tensor
    test: Tensor

    def siblings(self, groups: Sequence[Any]) -> Tensor:
        """The test pictures of whose group another one is trained on or chosen by. Shape: (S,) int64."""
        seen = {groups[i] for part in (self.train, self.validation) for i in part.tolist()}
        return torch.tensor([i for i in self.test.tolist() if groups[i] in seen], dtype=torch.int64)

    def __repr__(self) -> str:
        return f"Split({', '.join(f'{name}: {len(getattr(self, name))}' for name in NAMES)})"


def split_by_group(
    labels: Tensor, groups: Sequence[Any], shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 0
) -> Split:
    """Training, validation and test pictures, each class in all three, and no group in two of them.

    Groups come in a seeded order. Each class first gets a group in each part, then every group goes where most is
    missing. With a group for each picture (``range(len(labels))``) this is the usual stratified split.

    Args:
        labels: Shape: (N,) int64.
        groups: a name for each picture.
        shares: of training, validation and test pictures; they sum to 1. Large groups make them approximate.
        seed: the same seed gives the same split.

    Raises:
        ValueError: a class has fewer than three groups, or shares that are none.
    """
    kinds = [int(label) for label in labels]
    if len(groups) != len(kinds):
        raise ValueError(f"groups must name a group for each of the {len(kinds)} pictures, got {len(groups)}.")
    if len(shares) != 3 or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(f"shares={tuple(shares)!r} must be three numbers above 0 that sum to 1.")
    members: dict[Any, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    names = list(members)
    shuffled = torch.randperm(len(names), generator=torch.Generator().manual_seed(operator.index(seed))).tolist()
    left = [names[i] for i in shuffled]
    held = {name: Counter(kinds[i] for i in own) for name, own in members.items()}
    total = Counter(kinds)
    missing = [{kind: share * count for kind, count in total.items()} for share in shares]
    part_of: dict[Any, int] = {}

    def put(name: Any, part: int) -> None:
        part_of[name] = part
        left.remove(name)
        for kind, count in held[name].items():
            missing[part][kind] -= count

    having = {kind: sum(kind in own for own in held.values()) for kind in total}
    for kind in sorted(total, key=lambda one: having[one]):  # the class with the fewest groups chooses first
        for part in (2, 1, 0):
            if any(kind in held[name] for name, own in part_of.items() if own == part):
                continue
            found = next((name for name in left if kind in held[name]), None)
            if found is None:
                raise ValueError(
                    f"class {kind} has pictures in {having[kind]} group{'s' if having[kind] > 1 else ''} that "
                    "can be told apart, and three are needed, one for each part. Add pictures of another occasion, "
                    "or split by smaller groups."
                )
            put(found, part)
    for name in list(left):
        # Where most of its classes' pictures are wanted; of equal ones where most is missing in all.
        wanted = [sum(min(n, max(0.0, own[kind])) for kind, n in held[name].items()) for own in missing]
        put(name, max(range(3), key=lambda part: (wanted[part], sum(missing[part].values()))))
    chosen = [[i for i, group in enumerate(groups) if part_of[group] == part] for part in range(3)]
    return Split(*(torch.tensor(part, dtype=torch.int64) for part in chosen))
