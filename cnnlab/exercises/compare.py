"""Is this answer that value? Tolerant of type (numpy, torch, list, int), strict about shape and size."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, KeysView, Mapping, ValuesView
from decimal import Decimal
from itertools import islice
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = [
    "DEFAULT_TOLERANCE",
    "listed",
    "is_blank",
    "plain",
    "simple",
    "as_tensor",
    "as_whole",
    "difference",
    "equal",
    "describe",
    "without_addresses",
    "close",
]

DEFAULT_TOLERANCE = 1e-4

_DEEPEST = 8  # lists in lists that are looked into; a list may even hold itself
_LONGEST = 10_000  # numbers that are taken from a generator; one may never end


def listed(answer: Any, depth: int = 0) -> Any:
    """An answer in which ranges, generators and the like have become lists, so that it can be read more than once."""
    if isinstance(answer, Iterator | range | deque | KeysView | ValuesView):
        answer = list(islice(answer, _LONGEST))
    if depth < _DEEPEST:
        if type(answer) in (tuple, list):
            return type(answer)(listed(part, depth + 1) for part in answer)
        if type(answer) is dict:
            return {key: listed(part, depth + 1) for key, part in answer.items()}
    return answer


def is_blank(answer: Any, depth: int = 0) -> bool:
    """Nothing filled in: None, ``...``, or a tuple, list or dict that holds nothing else."""
    if answer is None or answer is Ellipsis:
        return True
    if isinstance(answer, Mapping):
        answer = tuple(answer.values())
    if not isinstance(answer, tuple | list) or len(answer) == 0 or depth == _DEEPEST:
        return False
    return all(is_blank(part, depth + 1) for part in answer)


def plain(value: Any) -> Any:
    """Tensors and numpy scalars as numpy or Python values; everything else as it is."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float().numpy() if value.dtype == torch.bfloat16 else value.resolve_conj().resolve_neg().numpy()
    if isinstance(value, np.ndarray | np.generic) and value.ndim == 0:
        return value.item()
    return float(value) if isinstance(value, Decimal) else value


def simple(value: Any) -> Any:
    """Plain, and the only number of an array or list as that number; of a dict, all its entries so."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {key: simple(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray) and value.size == 1:
        return value.item()
    return plain(value[0]) if isinstance(value, tuple | list) and len(value) == 1 else value


def as_tensor(value: Any) -> Tensor:
    """The numbers of an answer in 64 bits, on the processor, whether it is a tensor, an array or a list of either.

    They are a copy, so that a judge may write to them. What holds no numbers, or rows of different lengths, gives a
    tensor of shape (0,), so that its shape is wrong.
    """
    try:
        return _stacked(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return torch.empty(0, dtype=torch.float64)


def as_whole(value: Any, least: int = 1) -> int | None:
    """A whole number of ``least`` or more, in whatever form it is written; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return int(number) if number.is_integer() and number >= least else None


def _stacked(value: Any) -> Tensor:
    if isinstance(value, list | tuple):
        return torch.stack([_stacked(part) for part in value])
    return torch.as_tensor(plain(value)).to(torch.float64, copy=True)


def difference(given: Any, expected: Any, tolerance: float = DEFAULT_TOLERANCE) -> str | None:
    """What keeps ``given`` from being ``expected``, in a clause that follows "you gave"; None if nothing does.

    Floats may differ by ``tolerance * max(1, |expected|)``; integers, texts and shapes may not differ.
    The clause never tells a whole expected array, only where and how far the answer is off.
    """
    given, expected = plain(given), plain(expected)
    if isinstance(expected, nn.Module):
        return _module_difference(given, expected)
    if isinstance(expected, str):
        same = isinstance(given, str) and given.strip().casefold() == expected.strip().casefold()
        return None if same else describe(given)
    if isinstance(expected, Number):
        return _number_difference(given, expected, tolerance)
    if isinstance(expected, np.ndarray):
        return _array_difference(given, expected, tolerance)
    if isinstance(expected, Mapping):
        return _mapping_difference(given, expected, tolerance)
    if isinstance(expected, tuple | list):
        return _sequence_difference(given, expected, tolerance)
    if isinstance(expected, set | frozenset):
        return None if isinstance(given, set | frozenset | list | tuple) and set(given) == expected else describe(given)
    return None if type(given) is type(expected) and given == expected else describe(given)


def equal(given: Any, expected: Any, tolerance: float = DEFAULT_TOLERANCE) -> bool:
    """Whether `difference` finds nothing; False too when the two cannot be compared at all."""
    try:
        return difference(given, expected, tolerance) is None
    except Exception:
        return False


def describe(value: Any, depth: int = 0) -> str:
    """A value in a few words, the same in every session: no addresses, no long arrays."""
    value = plain(value)
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        if value.size <= 6:
            return f"an array {np.array2string(value, precision=4, separator=', ')} of shape {value.shape}"
        return f"an array of shape {value.shape}"
    if isinstance(value, float):
        text = f"{value:.6g}"
        # 159999.99999999997 is not to read as the 160000 that it should have been.
        return repr(value) if text.lstrip("-").isdigit() and float(text) != value else text
    if isinstance(value, nn.Module):
        return f"a {type(value).__name__} module"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else f"a text of {len(value)} characters"
    if isinstance(value, tuple | list | Mapping) and depth == _DEEPEST:
        return "..."
    if isinstance(value, tuple | list):
        parts = [describe(part, depth + 1) for part in value[:6]] + (["..."] if len(value) > 6 else [])
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        return opening + ", ".join(parts) + closing
    if isinstance(value, Mapping):
        parts = [f"{key!r}: {describe(part, depth + 1)}" for key, part in list(value.items())[:6]]
        return "{" + ", ".join(parts + (["..."] if len(value) > 6 else [])) + "}"
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    if callable(value):
        return f"the function {getattr(value, '__name__', type(value).__name__)} itself"
    text = without_addresses(repr(value))
    return text if len(text) <= 80 else f"a {type(value).__name__}"


def without_addresses(text: str) -> str:
    """Memory addresses taken out, so that the same mistake prints the same line everywhere."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def _number_difference(given: Any, expected: Any, tolerance: float) -> str | None:
    if isinstance(given, np.ndarray) and given.size == 1:
        given = given.reshape(()).item()
    if isinstance(given, list | tuple) and len(given) == 1:
        given = plain(given[0])
    if not isinstance(given, Number):
        return f"{describe(given)} where a number is wanted"
    if expected != expected:  # NaN
        return None if given != given else describe(given)
    exact = isinstance(expected, int)  # bool included
    allowed = 0.0 if exact else tolerance * max(1.0, abs(expected))
    return None if given == expected or abs(given - expected) <= allowed else describe(given)


def _array_difference(given: Any, expected: np.ndarray, tolerance: float) -> str | None:
    try:
        array = np.asarray([plain(part) for part in given] if isinstance(given, list | tuple) else given)
    except ValueError:
        return "a ragged list: its rows differ in length"
    if array.dtype == object or (array.dtype.kind in "US" and expected.dtype.kind not in "US"):
        return f"{describe(given)} where an array of numbers is wanted"
    if array.shape != expected.shape:
        return f"an array of shape {array.shape} where the shape {expected.shape} is wanted"
    if expected.dtype.kind in "USO":
        return None if (array == expected).all() else "an array with other entries"
    wide = complex if "c" in array.dtype.kind + expected.dtype.kind else float
    array, expected_wide = array.astype(wide), expected.astype(wide)
    exact = expected.dtype.kind in "iub"
    largest = np.abs(expected_wide[np.isfinite(expected_wide)]).max(initial=1.0)
    allowed = 0.0 if exact else tolerance * float(largest)
    with np.errstate(invalid="ignore"):  # inf - inf is nan: equal infinities are settled by the first term
        close = (array == expected_wide) | (np.abs(array - expected_wide) <= allowed)
    off = ~(close | (np.isnan(array) & np.isnan(expected_wide)))
    if not off.any():
        return None
    place = tuple(int(i) for i in np.argwhere(off)[0])
    found, wanted = array[place], expected_wide[place]
    share = f"{int(off.sum())} of {off.size} entries differ"
    return f"an array of the right shape in which {share}, the first at index {place}: {found:.4g}, not {wanted:.4g}"


def _mapping_difference(given: Any, expected: Mapping, tolerance: float) -> str | None:
    if not isinstance(given, Mapping):
        return f"{describe(given)} where a dict is wanted"
    for key in expected:
        if key not in given:
            return f"a dict without the key {key!r}"
        if is_blank(given[key]) and not is_blank(expected[key]):
            return f"a dict whose entry {key!r} is not filled in yet"
        inner = difference(given[key], expected[key], tolerance)
        if inner is not None:
            return f"{inner} under the key {key!r}"
    extra = [key for key in given if key not in expected]
    return f"a dict with the key {extra[0]!r} too many" if extra else None


def _sequence_difference(given: Any, expected: tuple | list, tolerance: float) -> str | None:
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, tuple | list):
        return f"{describe(given)} where {len(expected)} values are wanted"
    if len(given) != len(expected):
        return f"{len(given)} values where {len(expected)} are wanted"
    for index, (one, other) in enumerate(zip(given, expected)):
        if is_blank(one) and not is_blank(other):
            return f"a place that is not filled in yet, at index {index}"
        inner = difference(one, other, tolerance)
        if inner is not None:
            return f"{inner} at index {index}"
    return None


def _module_difference(given: Any, expected: nn.Module) -> str | None:
    """Modules are the same when their leaves are, in definition order: kind, settings and parameter shapes."""
    if not isinstance(given, nn.Module):
        return f"{describe(given)} where a module is wanted"
    ours, theirs = ([m for m in module.modules() if not list(m.children())] for module in (given, expected))
    for place, (one, other) in enumerate(zip(ours, theirs)):
        if repr(one) != repr(other):
            return f"a model whose layer {place} is {one}"
    if len(ours) != len(theirs):
        return f"a model of {len(ours)} layers where {len(theirs)} are wanted"
    return None


def close(one: Any, other: Tensor) -> bool:
    """Whether an answer has a tensor's shape and, at each place, its number, as far as 32 bits tell."""
    one = as_tensor(one)
    if one.shape != other.shape:
        return False
    return bool((one - other).abs().max() < 1e-6 * max(1.0, float(other.abs().max())))
