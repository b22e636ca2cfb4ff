"""Exercises outside the book, kept as they are defined: in a notebook's cell, a module, a lecturer's folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from cnnlab import chapters

if TYPE_CHECKING:
    from cnnlab.exercises.kinds import Exercise

__all__ = ["OWN", "keep", "is_books", "all_or_none"]

_E = TypeVar("_E", bound="Exercise")

_own: dict[str, Exercise] = {}
_watched: list[list[Exercise]] = []  # each `all_or_none` that is under way
OWN: Mapping[str, Exercise] = MappingProxyType(_own)  # by id, in the order in which they were defined


def keep(exercise: _E) -> _E:
    """Note an exercise that has just been defined, so that `check` finds it by its id; the last of an id counts.

    Those of the book are not noted: they are found in their chapters.

    Raises:
        ValueError: it is defined outside the book with an id of one of the book's chapters.
    """
    if not is_books(exercise):
        chapter, _, name = exercise.id.partition("/")
        if chapter in chapters.names():
            raise ValueError(
                f"id={exercise.id!r} belongs to the book, which has a chapter {chapter!r}. Give your exercises a first "
                f"part of their own, such as 'mycourse/{name}'."
            )
        _own.pop(exercise.id, None)  # the order is the one in which they were defined last
        _own[exercise.id] = exercise
        for defined in _watched:
            defined.append(exercise)
    return exercise


def is_books(exercise: Exercise) -> bool:
    """Whether an exercise is defined in a chapter of the book."""
    return str(getattr(exercise.answer, "__module__", "")).startswith(f"{chapters.__name__}.")


@contextmanager
def all_or_none() -> Iterator[list[Exercise]]:
    """What is defined inside, as a list that grows; if something raises, all is as it was before."""
    before, defined = dict(_own), []
    _watched.append(defined)
    try:
        yield defined
    except BaseException:
        _own.clear()
        _own.update(before)
        raise
    finally:
        _watched.pop()
