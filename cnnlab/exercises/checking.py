"""`check`: finds the exercise, has the answer judged, chooses the hint and prints."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any

from cnnlab import chapters
from cnnlab.errors import unknown_name
from cnnlab.exercises.authoring import Exercise, Verdict
from cnnlab.exercises.reading import undisturbed

_WIDTH = 72  # characters to a line: a notebook's output does not wrap on the page
_given: Counter[str] = Counter()  # general hints already given in this session, by exercise
_said: set[tuple[str, str]] = set()  # specific hints already given, by exercise


def check(exercise_id: str, answer: Any = ...) -> None:
    """Check an answer to an exercise of the book, and print what came of it.

    Nothing that the answer does raises: mistakes are said in words, with a hint that grows plainer
    with each failed attempt.

    Args:
        exercise_id: "chapter/name", as the exercise box gives it.
        answer: what the exercise asks for: a value, a function (not called), a model.

    Raises:
        ValueError: there is no such exercise; the message names the nearest ones.
    """
    exercise = find_exercise(exercise_id)
    for paragraph in _reply(exercise, exercise.judge(answer)):
        print(textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False))


def find_exercise(exercise_id: str) -> Exercise:
    """The exercise with this id. No other chapter's exercises are imported.

    Raises:
        ValueError: there is none; the message names the nearest ones.
    """
    chapter = exercise_id.partition("/")[0] if isinstance(exercise_id, str) else ""
    if chapter in _chapters():
        for exercise in _exercises_of(chapter):
            if exercise.id == exercise_id:
                return exercise
    raise unknown_name("exercise", exercise_id, exercise_ids(), "The id stands in the exercise box, as 'chapter/name'.")


def exercise_ids(chapter: str | None = None) -> list[str]:
    """The ids of all exercises, or of one chapter's, in the book's order.

    Raises:
        ValueError: no such chapter.
    """
    if chapter is not None and chapter not in _chapters():
        raise unknown_name("chapter", chapter, _chapters())
    return [e.id for name in ((chapter,) if chapter else _chapters()) for e in _exercises_of(name)]


def start_over() -> None:
    """Forget all failed attempts: the hints begin again with the gentlest."""
    _given.clear()
    _said.clear()


def _chapters() -> list[str]:
    """The chapters that have exercises."""
    return [path.parent.name for path in chapters.files("exercises.py")]


def _exercises_of(chapter: str) -> list[Exercise]:
    with undisturbed():  # planted networks draw their weights when they are made
        defined = chapters.load(chapter, "exercises")
    return [
        thing for thing in vars(defined).values() if isinstance(thing, Exercise) and thing.id.startswith(f"{chapter}/")
    ]


def _reply(exercise: Exercise, verdict: Verdict) -> list[str]:
    if verdict.outcome == "blank":
        return [f"Not attempted yet: {exercise.title}. Replace the ... with your answer and run the cell again."]
    if verdict.outcome == "correct":
        return [f"Correct. {exercise.success}"]
    return [f"Not yet. {verdict.seen}".rstrip(), f"Hint: {_hint(exercise, verdict.hint)}"]


def _hint(exercise: Exercise, specific: str) -> str:
    """The hint for just this mistake if there is one, else the next general one.

    A specific hint that has been said before is followed by the next general one.
    """
    if specific and (exercise.id, specific) not in _said:
        _said.add((exercise.id, specific))
        return specific
    _given[exercise.id] += 1
    if _given[exercise.id] <= len(exercise.general):
        further = exercise.general[_given[exercise.id] - 1]
    else:
        further = "The solution is folded below. Read it, close it again, and write it from memory."
    return f"{specific} {further}" if specific else further
