"""`check` and `passed`: find the exercise, have the answer judged, and print what came of it or say yes or no."""

from __future__ import annotations

import contextlib
import io
import textwrap
from collections import Counter
from typing import Any

from cnnlab import chapters
from cnnlab.errors import unknown_name
from cnnlab.exercises.kinds import Exercise
from cnnlab.exercises.reading import undisturbed
from cnnlab.exercises.registry import OWN, is_books
from cnnlab.exercises.verdicts import Verdict

__all__ = ["check", "passed", "find_exercise", "exercise_ids", "start_over"]

_WIDTH = 72  # characters to a line: a notebook's output does not wrap on the page
# By the exercise itself, not its id: one that is defined again, with other hints perhaps, begins with the gentlest.
_given: Counter[Exercise] = Counter()  # general hints already given in this session
_said: set[tuple[Exercise, str]] = set()  # specific hints already given


def check(exercise: str | Exercise, answer: Any = ...) -> None:
    """Check an answer to an exercise, and print what came of it.

    Nothing that the answer does raises: mistakes are said in words, with a hint that grows plainer
    with each failed attempt.

    Args:
        exercise: "chapter/name", as the exercise box gives it, or an exercise of your own.
        answer: what the exercise asks for: a value, a function (not called), a model.

    Raises:
        ValueError: there is no such exercise; the message names the nearest ones.
    """
    found = find_exercise(exercise)
    for paragraph in _reply(found, found.judge(answer)):
        print(textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False))


def passed(exercise: str | Exercise, answer: Any = ...) -> bool:
    """Whether an answer is right, for a grader's assertion: ``assert passed("seeing/corner", kernel)``.

    Nothing is printed, not even what the answer prints, no hint is used up, and nothing that the answer does raises.
    A blank answer has not passed. It runs where it is called: in a cell of nbgrader or otter beside the student's code.

    Args:
        exercise: "chapter/name", or an exercise of your own.
        answer: what the exercise asks for.

    Raises:
        ValueError: there is no such exercise; the message names the nearest ones.
    """
    found = find_exercise(exercise)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return found.judge(answer).outcome == "correct"


def find_exercise(exercise: str | Exercise) -> Exercise:
    """The exercise with this id; an exercise itself is handed back. No other chapter's exercises are imported.

    Raises:
        ValueError: there is none; the message names the nearest ones.
    """
    if isinstance(exercise, Exercise):
        return exercise
    if isinstance(exercise, str):
        if exercise in OWN:
            return OWN[exercise]
        chapter = exercise.partition("/")[0]
        for one in _exercises_of(chapter) if _has_exercises(chapter) else ():
            if one.id == exercise:
                return one
    raise unknown_name(
        "exercise",
        exercise,
        exercise_ids(),
        "The id stands in the exercise box, as 'chapter/name'. One of your own is found once the cell that defines it "
        "has run, or cnnlab.exercises.use('folder').",
    )


def exercise_ids(chapter: str | None = None) -> list[str]:
    """The ids of all exercises, or of one chapter's: the book's in its order, then your own as they were defined.

    Args:
        chapter: the first part of the ids: a chapter of the book, or a course of your own.

    Raises:
        ValueError: no exercise has such an id.
    """
    if chapter is None:
        return [*(one.id for name in _chapters() for one in _exercises_of(name)), *OWN]
    if _has_exercises(chapter):
        return [one.id for one in _exercises_of(chapter)]
    own = [id for id in OWN if id.partition("/")[0] == chapter]
    if not own:
        raise unknown_name("chapter", chapter, [*_chapters(), *{id.partition("/")[0] for id in OWN}])
    return own


def start_over() -> None:
    """Forget all failed attempts: the hints begin again with the gentlest."""
    _given.clear()
    _said.clear()


def _chapters() -> list[str]:
    """The chapters of the book that have exercises."""
    return [path.parent.name for path in chapters.files("exercises.py")]


def _has_exercises(chapter: str) -> bool:
    return chapter in chapters.names() and (chapters.folder(chapter) / "exercises.py").is_file()


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
        return [f"Correct. {exercise.success}".rstrip()]
    hint = _hint(exercise, verdict.hint)
    return [f"Not yet. {verdict.seen}".rstrip(), *([f"Hint: {hint}"] if hint else [])]


def _hint(exercise: Exercise, specific: str) -> str:
    """The hint for just this mistake if there is one, else the next general one.

    A specific hint that has been said before is followed by the next general one.
    """
    if specific and (exercise, specific) not in _said:
        _said.add((exercise, specific))
        return specific
    _given[exercise] += 1
    if _given[exercise] <= len(exercise.general):
        further = exercise.general[_given[exercise] - 1]
    elif is_books(exercise):
        further = "The solution is folded below. Read it, close it again, and write it from memory."
    else:  # whether there is a solution, and where, its lecturer knows
        further = "That was the last hint. Leave it for a day, or ask." if exercise.general else ""
    return f"{specific} {further}".strip()
