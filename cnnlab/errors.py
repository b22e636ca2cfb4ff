"""One way of saying that a name is unknown, used by models, data sets, optimizers and exercises."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(argument: str, given: object, allowed: Iterable[str], remedy: str = "") -> ValueError:
    """The error for a misspelt name: what was given, the nearest allowed names, and what to do.

    It is returned, not raised, so that the caller's ``raise unknown_name(...)`` ends the
    traceback where the mistake was made.
    """
    choices = sorted(allowed)
    near = get_close_matches(str(given), choices, n=3, cutoff=0.5)
    said = f"{argument}={given!r} is not known."
    if near:
        said += f" Did you mean {' or '.join(repr(name) for name in near)}?"
    elif len(choices) <= 12:
        said += f" Allowed: {', '.join(repr(name) for name in choices)}."
    if remedy:
        said += f" {remedy}"
    return ValueError(said)
