"""`prove`: every planted answer of an exercise is tried, as its author and the tests of the book do."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from cnnlab.exercises.checking import find_exercise
from cnnlab.exercises.compare import describe
from cnnlab.exercises.forms import in_other_forms
from cnnlab.exercises.kinds import Exercise, FunctionExercise, JudgedExercise, ModelExercise
from cnnlab.exercises.verdicts import Verdict

__all__ = ["Unproven", "Proof", "prove", "expectations"]


class Unproven(AssertionError):
    """An exercise does not do what it should; the message has a line for each fault."""


@dataclass(frozen=True)
class Proof:
    """What an exercise has been tried with, all of it judged as it should.

    Attributes:
        id: the exercise's.
        right: right answers, which pass.
        wrong: wrong answers, which get their hint.
        forms: further forms of both, such as lists and arrays for a tensor, which are judged alike.
        lines: the lines of each `expect` that a wrong answer has reached.
    """

    id: str
    right: int
    wrong: int
    forms: int
    lines: frozenset[int]

    def __repr__(self) -> str:
        return (
            f"{self.id} is proven: right answers pass ({self.right}), wrong ones get their hint ({self.wrong}), "
            f"and so they do in other forms ({self.forms})."
        )


def prove(exercise: str | Exercise) -> Proof:
    """Try an exercise: right answers pass in every form, each wrong one gets its hint, and each hint is reached.

    Tried are the answer that the exercise itself gives, those planted with ``.mistake``, ``.wrong`` and ``.right``, and
    blank ones. In a test it is enough to call it: ``for id in use("exercises"): prove(id)``.

    Args:
        exercise: an exercise, or its id.

    Returns:
        What has been tried. It prints as a sentence.

    Raises:
        Unproven: something is missing or is judged otherwise; the message names everything that is.
        ValueError: there is no such exercise.
    """
    one = find_exercise(exercise)
    trial = _Trial(one)
    faults = list(trial.faults())
    if faults:
        raise Unproven("\n  ".join([f"{one.id} is not proven:", *faults]))
    return Proof(one.id, trial.right, trial.wrong, trial.forms, frozenset(trial.lines))


class _Trial:
    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.right = self.wrong = self.forms = 0
        self.lines: set[int] = set()

    def faults(self) -> Iterator[str]:
        try:
            rights, planted = self.exercise.right_answers(), self.exercise.planted()
        except Exception as error:
            yield f"its own answer raises {type(error).__name__}: {error}"
            return
        yield from self._words()
        yield from self._blanks()
        yield from self._rights(rights)
        yield from self._wrongs(planted)
        yield from self._unreached()

    def _words(self) -> Iterator[str]:
        one = self.exercise
        if not one.success.endswith((".", "!")):
            yield "its function needs a docstring, a sentence that is said to a right answer"
        if not one.general:
            yield "it has no general hint for mistakes that nobody foresaw: .hints(gentle, plainer)"
        elif len(one.general) + len(one.mistakes) + len(expectations(one.answer)) < 2:
            yield "it has a single hint: give .hints a plainer one, or recognize a .mistake"

    def _blanks(self) -> Iterator[str]:
        blanks: list[Any] = [None, ..., (..., ...), {"x": ...}]
        if isinstance(self.exercise, FunctionExercise | JudgedExercise) and getattr(self.exercise, "function", True):
            blanks.append(lambda *_: None)
        for blank in blanks:
            verdict = self.exercise.judge(blank)
            if verdict.outcome != "blank":
                yield f"a blank answer, {describe(blank)}, counts as {verdict.outcome}"

    def _rights(self, answers: list[Any]) -> Iterator[str]:
        if not answers:
            yield "it judges, and has no right answer that shows that one passes: .right(...)"
        for answer in answers:
            verdict = self.exercise.judge(answer)
            self.right += 1
            if verdict.outcome != "correct":
                yield f"a right answer, {_shown(answer)}, is {_said(verdict)}"
                continue
            for form, other in in_other_forms(answer, self.exercise.judge):
                verdict = self.exercise.judge(other)
                self.forms += 1
                if verdict.outcome != "correct":
                    yield f"a right answer, {_shown(answer)}, given as {form} is {_said(verdict)}"

    def _wrongs(self, planted: list[tuple[Any, str]]) -> Iterator[str]:
        if not planted:
            yield "it has no wrong answer that shows that a hint is reached: .mistake(...) or .wrong(...)"
        for answer, part in planted:
            verdict = self.exercise.judge(answer)
            self.wrong += 1
            self.lines.add(verdict.line)
            if not self._gets(verdict, part):
                yield f"a wrong answer, {_shown(answer)}, is {_said(verdict)}; it should get {part!r}"
                continue
            several = not isinstance(self.exercise, ModelExercise)  # a wrong network comes as it is
            for form, other in in_other_forms(answer, self.exercise.judge) if several else ():
                verdict = self.exercise.judge(other)
                self.forms += 1
                if not self._gets(verdict, part):
                    given = f"{_shown(answer)}, given as {form}"
                    yield f"a wrong answer, {given} is {_said(verdict)}; it should get {part!r}"

    def _gets(self, verdict: Verdict, part: str) -> bool:
        return verdict.outcome == "wrong" and part in (verdict.hint or "".join(self.exercise.general[:1]))

    def _unreached(self) -> Iterator[str]:
        for lines in expectations(self.exercise.answer):
            if not self.lines & set(lines):
                yield f"no wrong answer fails the `expect` in line {lines.start}: .wrong(answer, 'part of its hint')"


def expectations(inside: Callable[..., Any] | ModuleType) -> list[range]:
    """The lines of each call of `expect` in a function or module; none where the source cannot be read."""
    try:
        lines, start = inspect.getsourcelines(inside)
    except (OSError, TypeError):  # typed into a plain interpreter, or built in
        return []
    above = max(start, 1) - 1
    tree = ast.parse(textwrap.dedent("".join(lines)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "expect"]
    return [range(above + call.lineno, above + (call.end_lineno or call.lineno) + 1) for call in calls]


def _shown(answer: Any) -> str:
    line = getattr(getattr(answer, "__code__", None), "co_firstlineno", None)
    return describe(answer) + (f" (line {line})" if line else "")


def _said(verdict: Verdict) -> str:
    if verdict.outcome != "wrong":
        return f"called {verdict.outcome}"
    return f"called wrong: {verdict.seen} {verdict.hint or 'no hint of its own'}".replace("  ", " ")
