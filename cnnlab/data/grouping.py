"""Which pictures are set aside together: all those of a patient, of a file, of a day."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["whole_groups"]


def whole_groups(by: Sequence[Any] | Tensor, n: int, wanted: int, seed: int) -> list[int]:
    """Indices of whole groups that make up about ``wanted`` of ``n`` pictures."""
    names = by.tolist() if hasattr(by, "tolist") else list(by)
    if len(names) != n:
        raise ValueError(f"by must name a group for each of the {n} training pictures, got {len(names)}.")
    groups: dict[Any, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(name, []).append(index)
    if len(groups) < 2:
        raise ValueError(
            f"by puts all {n} training pictures into one group, {next(iter(groups))!r}: there must be two or more."
        )
    members = list(groups.values())
    order = torch.randperm(len(members), generator=torch.Generator().manual_seed(operator.index(seed))).tolist()
    taken: list[int] = []
    for number in order:
        # A group that would overshoot by more than is missing now is left; a later, smaller one may still fit.
        if abs(len(taken) + len(members[number]) - wanted) < abs(len(taken) - wanted):
            taken += members[number]
    # All groups may be far larger than wanted, or fit exactly: either way each part has one.
    if not taken:
        taken = min(members, key=len)
    if len(taken) == n:
        taken = [index for index in taken if index not in set(members[order[0]])]
    return taken
