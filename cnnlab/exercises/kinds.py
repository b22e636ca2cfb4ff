"""What an exercise is, and the usual kinds: `value`, `function`, `conditions`, `model`.

See `cnnlab.exercises` for an author's guide with an example.
"""

from __future__ import annotations

import copy
import dis
import inspect
import linecache
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import nn

from cnnlab.exercises.compare import DEFAULT_TOLERANCE, describe, difference, equal, is_blank, plain, without_addresses

_UNSET: Any = type("Unset", (), {"__repr__": lambda self: "unset"})()


@dataclass(frozen=True)
class Verdict:
    """What a judge says of an answer.

    Attributes:
        outcome: "correct", "wrong" or "blank" (nothing filled in yet).
        seen: for "wrong", one sentence on what was seen: "output_size(size=5, ...) returned 2.5."
        hint: for "wrong", a hint that the judge itself knows; it comes before all others.
    """

    outcome: Literal["correct", "wrong", "blank"]
    seen: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Hint:
    """One hint. With none of the three conditions it is a general one, said when no other applies.

    Attributes:
        text: what is said.
        if_equal: the answer is this value (within the usual tolerance).
        if_like: the answer computes what this (wrong) function computes, on every case of the exercise.
        if_true: this predicate holds for the answer; if it raises, it does not hold.
    """

    text: str
    if_equal: Any = _UNSET
    if_like: Callable[..., Any] | None = None
    if_true: Callable[[Any], bool] | None = None

    @property
    def general(self) -> bool:
        return self.if_equal is _UNSET and self.if_like is None and self.if_true is None

    def applies(self, answer: Any, cases: Sequence[tuple]) -> bool:
        """Whether this specific hint fits the answer."""
        if self.if_equal is not _UNSET and equal(answer, self.if_equal):
            return True
        if self.if_true is not None:
            try:
                return bool(self.if_true(answer))
            except Exception:
                return False
        if self.if_like is not None and callable(answer) and cases:
            return all(_outcome(answer, case) == _outcome(self.if_like, case) for case in cases)
        return False


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        id: "chapter/name", as `check` takes it.
        title: what the exercise box is called.
        judge: from the answer to a `Verdict`. What it raises is reported as the reader's mistake.
        hints: specific ones in order of preference, and general ones from gentle to plain (two or more in all).
        success: one sentence, said after "Correct.", on what the right answer shows.
        cases: the calls of a function exercise, which `Hint.if_like` needs; else empty.
    """

    id: str
    title: str
    judge: Callable[[Any], Verdict]
    hints: tuple[Hint, ...]
    success: str
    cases: tuple[tuple, ...] = ()

    def __post_init__(self) -> None:
        if self.id.count("/") != 1 or not all(self.id.split("/")):
            raise ValueError(f"id={self.id!r}: an exercise is named 'chapter/name'")
        if len(self.hints) < 2 or not any(hint.general for hint in self.hints):
            raise ValueError(f"exercise {self.id!r} has {len(self.hints)} hints: give two or more, one of them general")


@dataclass(frozen=True)
class Condition:
    """Something that must hold of an answer.

    Attributes:
        test: holds when it returns True.
        otherwise: the hint when it does not, or a function from the answer to that hint.
    """

    test: Callable[[Any], bool]
    otherwise: str | Callable[[Any], str]


def value(
    id: str,
    *,
    title: str,
    expected: Any,
    hints: tuple[Hint, ...],
    success: str,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Exercise:
    """The answer is a value: number, text, array, list, dict (any of numpy, torch and Python will do).

    Floats may be off by ``tolerance * max(1, |expected|)``; integers must be exact. ``expected`` may be a
    function without arguments: it is called when the answer is checked.
    """

    def judge(answer: Any) -> Verdict:
        if callable(answer) and not isinstance(answer, nn.Module):
            return Verdict("wrong", f"You gave {describe(answer)}.", "Call it, and give check() what it returns.")
        wanted = expected() if inspect.isfunction(expected) else expected
        apart = difference(answer, wanted, tolerance)
        return Verdict("correct") if apart is None else Verdict("wrong", f"You gave {apart}.")

    return Exercise(id, title, judge, hints, success)


def function(
    id: str,
    *,
    title: str,
    reference: Callable[..., Any],
    cases: Sequence[tuple],
    hints: tuple[Hint, ...],
    success: str,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Exercise:
    """The answer is a function, compared with ``reference`` on ``cases`` (tuples of positional arguments).

    The reader's parameters may have any names; what is printed uses the reference's. Each call gets
    its own copy of the arguments.
    """
    calls = tuple(tuple(case) for case in cases)

    def judge(answer: Any) -> Verdict:
        if not callable(answer):
            called = "Give check() the function itself, without calling it: its name alone."
            return Verdict("wrong", f"You gave {describe(answer)} where a function is wanted.", called)
        name = getattr(answer, "__name__", type(answer).__name__)
        for case in calls:
            shown = _show_call(name, reference, case)
            result, complaint = _call(answer, case, shown)
            if complaint is not None:
                return complaint
            if is_blank(result):
                if has_no_body(answer) or not hasattr(answer, "__code__"):  # no code to look at: the kinder guess
                    return Verdict("blank")
                filled = "Does the function end with `return` and the value?"
                return Verdict("wrong", f"{shown} returned {describe(result)}.", filled)
            wanted = reference(*copy.deepcopy(case))
            apart = difference(result, wanted, tolerance)
            if apart is not None:
                simple = not isinstance(plain(wanted), (list, tuple, dict)) and not hasattr(plain(wanted), "shape")
                return Verdict(
                    "wrong", f"{shown} returned {apart}" + (f"; {describe(wanted)} is right." if simple else ".")
                )
        return Verdict("correct")

    return Exercise(id, title, judge, hints, success, cases=calls)


def conditions(
    id: str, *, title: str, requires: Sequence[Condition], hints: tuple[Hint, ...], success: str
) -> Exercise:
    """The answer is right when every condition holds; the first that fails gives its hint."""

    def judge(answer: Any) -> Verdict:
        for condition in requires:
            if not condition.test(answer):
                hint = condition.otherwise if isinstance(condition.otherwise, str) else condition.otherwise(answer)
                return Verdict("wrong", "", hint)
        return Verdict("correct")

    return Exercise(id, title, judge, hints, success)


def blank_if_none(exercise: Exercise, arguments: Callable[[], tuple]) -> Exercise:
    """The same exercise, for which a function that returns None for these arguments is a stub, not an attempt."""

    def judge(answer: Any) -> Verdict:
        if callable(answer) and answer(*arguments()) is None:
            return Verdict("blank")
        return exercise.judge(answer)

    return replace(exercise, judge=judge)


def model(
    id: str,
    *,
    title: str,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    hints: tuple[Hint, ...],
    success: str,
    parameters: int | None = None,
    requires: Sequence[Condition] = (),
) -> Exercise:
    """The answer is an ``nn.Module`` (or a class or function that makes one without arguments).

    It is run once, in evaluation mode, on zeros of ``input_shape`` (batch included); the output's shape, the
    number of trainable parameters (if given) and the further conditions are looked at in that order.
    """

    def judge(answer: Any) -> Verdict:
        if not isinstance(answer, nn.Module) and callable(answer):
            made, complaint = _call(answer, (), f"{getattr(answer, '__name__', 'your function')}()")
            if complaint is not None:
                return complaint
            if is_blank(made) and has_no_body(answer):
                return Verdict("blank")
            answer = made
        if not isinstance(answer, nn.Module):
            return Verdict("wrong", f"You gave {describe(answer)} where an nn.Module is wanted.")
        shown = f"Your model, run on an input of shape {input_shape},"
        was_training = answer.training
        answer.eval()
        try:
            with torch.no_grad():
                output, complaint = _call(answer, (torch.zeros(input_shape),), shown)
        finally:
            answer.train(was_training)
        if complaint is not None:
            return complaint
        if not isinstance(output, torch.Tensor):
            return Verdict("wrong", f"{shown} returned {describe(output)} where a tensor is wanted.")
        if tuple(output.shape) != tuple(output_shape):
            return Verdict("wrong", f"{shown} returned the shape {tuple(output.shape)}; {output_shape} is wanted.")
        count = sum(p.numel() for p in answer.parameters() if p.requires_grad)
        if parameters is not None and count != parameters:
            return Verdict("wrong", f"Your model has {count:,} trainable parameters; {parameters:,} are wanted.")
        for condition in requires:
            if not condition.test(answer):
                hint = condition.otherwise if isinstance(condition.otherwise, str) else condition.otherwise(answer)
                return Verdict("wrong", "", hint)
        return Verdict("correct")

    return Exercise(id, title, judge, hints, success)


def raised(error: BaseException, shown: str, home: str | None = None) -> str:
    """A sentence on an exception in the reader's code, with its line.

    Args:
        error: the exception, with its traceback.
        shown: what was called.
        home: the file that holds the reader's code; the innermost line in it is named.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if home is not None and frame.filename == home]
    place = ""
    if own:
        line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
        place = f" in line {own[-1].lineno} of its cell" + (f" (`{line}`)" if line else "")
    said = without_addresses(str(error)).strip().split("\n")[0]
    if len(said) > 200:
        said = said[:197] + "..."
    return (
        f"{shown} raised {type(error).__name__}{place}"
        + (f": {said}" if said else "")
        + ("" if said[-1:] == "." else ".")
    )


def _call(function: Callable[..., Any], arguments: tuple, shown: str) -> tuple[Any, Verdict | None]:
    """The result, or the verdict that the reader's exception deserves."""
    try:
        return function(*copy.deepcopy(arguments)), None
    except NotImplementedError:
        return None, Verdict("blank")
    except Exception as error:
        return None, Verdict("wrong", raised(error, shown, _file_of(function)))


def _file_of(function: Any) -> str | None:
    function = inspect.unwrap(function) if inspect.isfunction(function) else function
    if isinstance(function, nn.Module):
        function = type(function).forward
    if isinstance(function, type):
        function = function.__init__
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return None if code is None else code.co_filename


def has_no_body(function: Any) -> bool:
    """Whether a function does nothing but return None or ``...``: a body of ``...``, ``pass`` or a docstring."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP", "RETURN_VALUE")]
    returns_a_constant = len(steps) == 1 and steps[0].opname in ("LOAD_CONST", "RETURN_CONST")
    return returns_a_constant and steps[0].argval in (None, ...)


def _show_call(name: str, reference: Callable[..., Any], case: tuple) -> str:
    try:
        bound = inspect.signature(reference).bind(*case).arguments
    except (TypeError, ValueError):
        return f"{name}({', '.join(describe(argument) for argument in case)})"
    return f"{name}({', '.join(f'{key}={describe(argument)}' for key, argument in bound.items())})"


@dataclass(frozen=True)
class _Outcome:
    """What a call gave, comparable with tolerance."""

    result: Any = field(default=None)
    error: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Outcome) and self.error == other.error and equal(self.result, other.result)

    __hash__ = None  # type: ignore[assignment]


def _outcome(function: Callable[..., Any], case: tuple) -> _Outcome:
    try:
        return _Outcome(function(*copy.deepcopy(case)))
    except Exception as error:
        return _Outcome(error=type(error).__name__)
