"""The forms in which a right answer may come: a list, a tuple, NumPy, torch, a whole number as a float, and so on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = [
    "Change",
    "is_number",
    "deep",
    "number",
    "tensor",
    "sequence",
    "holds_numbers",
    "array",
    "FORMS",
    "in_other_forms",
]

Change = Callable[[Any], Any]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def deep(value: Any, change: Change) -> Any:
    """The change made to every number and tensor in tuples, lists and dicts."""
    if isinstance(value, Mapping):
        return {key: deep(entry, change) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(deep(part, change) for part in value)
    return change(value)


def number(change: Change) -> Change:
    return lambda value: deep(value, lambda part: change(part) if is_number(part) else part)


def tensor(change: Change) -> Change:
    return lambda value: deep(value, lambda part: change(part) if isinstance(part, torch.Tensor) else part)


def sequence(change: Change) -> Change:
    """The change made to a tuple or list of numbers or of such rows, also as a dict's entry."""

    def changed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: changed(entry) for key, entry in value.items()}
        return change(value) if isinstance(value, tuple | list) and holds_numbers(value) else value

    return changed


def holds_numbers(value: Any) -> bool:
    return all(map(holds_numbers, value)) if isinstance(value, tuple | list) else is_number(value)


def array(value: Any) -> Any:
    return np.array(value) if len(value) else value


FORMS: dict[str, Change] = {
    "float": number(float),
    "NumPy number": number(lambda value: np.array(value)[()]),
    "Decimal": number(lambda value: Decimal(repr(value)) if isinstance(value, int | float) else value),
    "NumPy bool": lambda value: deep(value, lambda part: np.bool_(part) if isinstance(part, bool) else part),
    "0-d tensor": number(lambda value: torch.tensor(value, dtype=torch.float64 if value % 1 else None)),
    "tensor that wants a gradient": tensor(lambda t: t.clone().requires_grad_() if t.is_floating_point() else t),
    "32 bits": tensor(lambda t: t.float() if t.is_floating_point() else t),
    "array": tensor(lambda t: t.detach().numpy()),
    "nested lists": tensor(lambda t: t.tolist()),
    "list of tensors": tensor(lambda t: list(t) if t.dim() else t),
    "list": sequence(lambda value: [list(row) if isinstance(row, tuple) else row for row in value]),
    "tuple": sequence(lambda value: tuple(tuple(row) if isinstance(row, list) else row for row in value)),
    "tuple as array": sequence(array),
    "generator": sequence(lambda value: (part for part in value)),
    "tuple as tensor": sequence(lambda value: torch.tensor(value) if len(value) else value),
    "list for a tuple of tensors": lambda value: list(value) if isinstance(value, tuple) else value,
}


def in_other_forms(answer: Any, judge: Callable[[Any], Any]) -> Iterator[tuple[str, Any]]:
    """A right or wrong answer in each form that differs from it; a function in each form of what it returns.

    Args:
        answer: the answer.
        judge: called once with a function, to see what it returns.
    """
    if isinstance(answer, nn.Module):
        yield "float64", copy.deepcopy(answer).double()
        return
    seen = [answer]
    if callable(answer):
        seen = []
        judge(_returning(answer, lambda result: seen.append(result) or result))
    for form, change in FORMS.items():
        if any(_kind(change(value)) != _kind(value) for value in seen[:1]):
            yield form, (_returning(answer, change) if callable(answer) else change(answer))


def _kind(value: Any) -> Any:
    """What a value is made of, down to the kind of each number."""
    if isinstance(value, Mapping):
        return {key: _kind(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [type(value), *map(_kind, value)]
    return type(value), getattr(value, "dtype", None), getattr(value, "requires_grad", None)


def _returning(function: Callable[..., Any], change: Change) -> Callable[..., Any]:
    @wraps(function)
    def changed(*arguments: Any) -> Any:
        return change(function(*arguments))

    return changed
