"""One way of saying that a name is unknown, that a number is no count, and why a library refused."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["unknown_name", "reason_of", "whole_number"]


def unknown_name(argument: str, given: object, allowed: Iterable[str], remedy: str = "") -> ValueError:
    """The error for a misspelt name: what was given, the nearest allowed names, and what to do.

    It is returned, not raised, so that the caller's ``raise unknown_name(...)`` ends the
    traceback where the mistake was made.
    """
    offered = list(allowed)
    said = f"{argument}={given!r} is not known."
    if not all(isinstance(choice, str) for choice in offered):  # numbers, of which none is nearly another
        listed = f" Allowed: {', '.join(map(repr, offered))}." if len(offered) <= 12 else ""
        if len(offered) > 12 and all(isinstance(choice, int) for choice in offered):
            listed = f" Allowed are numbers from {min(offered)} to {max(offered)}."
        return ValueError(f"{said}{listed} {remedy}".rstrip())
    choices = sorted(offered)
    lower = {choice.lower(): choice for choice in choices}
    near = [lower[name] for name in get_close_matches(str(given).lower(), lower, n=3, cutoff=0.5)]
    # The same words in another order: "cosine_warmup".
    words = set(str(given).lower().split("_"))
    if same := [choice for choice in choices if "_" in choice and set(choice.lower().split("_")) == words]:
        near = same
    if near:
        said += f" Did you mean {' or '.join(repr(name) for name in near)}?"
    elif len(choices) <= 12:
        said += f" Allowed: {', '.join(repr(name) for name in choices)}."
    if remedy:
        said += f" {remedy}"
    return ValueError(said)


def reason_of(error: BaseException) -> str:
    """Why a library refused, in one line: its first line, and the next where the first only announces it."""
    if isinstance(error, pickle.UnpicklingError):
        # torch's own words advise to load it all the same, which runs whatever code the file holds.
        return "it holds something else than tensors and plain values, or is no file of torch.save"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return f"{lines[0]} {lines[1]}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]


def whole_number(argument: str, given: object, remedy: str) -> int:
    """``given`` as an int, if it is a positive whole number: int or NumPy's integers, not 10.0, "10" or True.

    Raises:
        ValueError: it is none; the message ends with the remedy.
    """
    try:
        value = operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        value = 0
    if isinstance(given, bool) or value < 1:
        raise ValueError(f"{argument}={given!r} is not allowed: it must be a positive whole number. {remedy}")
    return value
