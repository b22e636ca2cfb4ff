"""`check`: finds the exercise, has it judged, chooses the hint and prints."""

from __future__ import annotations

import textwrap
from collections import Counter
from importlib import import_module
from typing import Any

import torch

from cnnlab.errors import unknown_name
from cnnlab.exercises.compare import is_blank
from cnnlab.exercises.kinds import Exercise, Verdict, has_no_body, raised

# Every chapter with exercises, in the book's order; each is a module beside this one.
CHAPTERS: tuple[str, ...] = (
    "seeing",
    "imagenet",
    "lenet",
    "spatial_separable",
    "pointwise",
    "depthwise_separable",
    "grouped",
    "dilated",
    "transposed",
    "conv3d",
    "choosing",
    "resnet",
    "zoo",
)

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
    for paragraph in _reply(exercise, answer):
        print(textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False))


def find_exercise(exercise_id: str) -> Exercise:
    """The exercise with this id.

    Raises:
        ValueError: there is none; the message names the nearest ones.
    """
    chapter = exercise_id.partition("/")[0] if isinstance(exercise_id, str) else ""
    if chapter in CHAPTERS:
        for exercise in _exercises_of(chapter):
            if exercise.id == exercise_id:
                return exercise
    raise unknown_name("exercise", exercise_id, exercise_ids(), "The id stands in the exercise box, as 'chapter/name'.")


def exercise_ids(chapter: str | None = None) -> list[str]:
    """The ids of all exercises, or of one chapter's, in the book's order.

    Raises:
        ValueError: no such chapter.
    """
    if chapter is not None and chapter not in CHAPTERS:
        raise unknown_name("chapter", chapter, CHAPTERS)
    return [e.id for name in ((chapter,) if chapter else CHAPTERS) for e in _exercises_of(name)]


def start_over() -> None:
    """Forget all failed attempts: the hints begin again with the gentlest."""
    _given.clear()
    _said.clear()


def _exercises_of(chapter: str) -> tuple[Exercise, ...]:
    return import_module(f"cnnlab.exercises.{chapter}").EXERCISES


def _reply(exercise: Exercise, answer: Any) -> list[str]:
    verdict = _judge(exercise, answer)
    if verdict.outcome == "blank":
        return [f"Not attempted yet: {exercise.title}. Replace the ... with your answer and run the cell again."]
    if verdict.outcome == "correct":
        return [f"Correct. {exercise.success}"]
    hint = _hint(exercise, answer, verdict)
    return [f"Not yet. {verdict.seen}".rstrip(), f"Hint: {hint}"]


def _judge(exercise: Exercise, answer: Any) -> Verdict:
    if is_blank(answer) or has_no_body(answer):
        return Verdict("blank")
    try:
        with torch.random.fork_rng(devices=[]):  # checking must not change what the reader's next cell draws
            return exercise.judge(answer)
    except NotImplementedError:
        return Verdict("blank")
    except Exception as error:
        return Verdict("wrong", raised(error, "Looking at your answer"))


def _hint(exercise: Exercise, answer: Any, verdict: Verdict) -> str:
    """The judge's own hint, else the first specific one that fits, else the next general one.

    A specific hint that has been said before is followed by the next general one.
    """
    specific = verdict.hint or next(
        (hint.text for hint in exercise.hints if not hint.general and hint.applies(answer, exercise.cases)), ""
    )
    if specific and (exercise.id, specific) not in _said:
        _said.add((exercise.id, specific))
        return specific
    general = [hint.text for hint in exercise.hints if hint.general]
    _given[exercise.id] += 1
    if _given[exercise.id] <= len(general):
        further = general[_given[exercise.id] - 1]
    else:
        further = "The solution is folded below. Read it, close it again, and write it from memory."
    return f"{specific} {further}" if specific else further
