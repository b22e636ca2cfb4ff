"""The forms in which exercises are written: `exercise`, `judged`, `judged_model`.

See `cnnlab.exercises` for an author's guide with examples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from cnnlab.exercises import registry
from cnnlab.exercises.compare import DEFAULT_TOLERANCE
from cnnlab.exercises.kinds import Exercise, FunctionExercise, JudgedExercise, ModelExercise, ValueExercise

__all__ = ["exercise", "judged", "judged_model"]


def exercise(
    id: str,
    title: str,
    *,
    cases: Sequence[tuple] | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    untouched: bool = False,
) -> Callable[[Callable[..., Any]], Exercise]:
    """The decorated function answers the exercise; its docstring is what a right answer shows.

    With ``cases`` (tuples of positional arguments) a function is asked for that gives the same on each of them.
    Without, a value is asked for: what the decorated function returns.

    Args:
        id: "chapter/name"; outside the book "mycourse/name", with a first part that is no chapter of the book.
        title: what the exercise box is called.
        cases: the calls on which the reader's function is compared. Its parameters may have any names; what is
            printed uses those of the decorated function. Each call gets its own copy of the arguments.
        tolerance: floats may be off by ``tolerance * max(1, |right|)``; integers must be exact.
        untouched: a function that changes its arguments is wrong, even if what it returns is right.

    Raises:
        ValueError: the id is no "chapter/name", or it belongs to the book and is used outside of it.
    """

    def decorate(answer: Callable[..., Any]) -> Exercise:
        if cases is None:
            return registry.keep(ValueExercise(id, title, answer, tolerance))
        return registry.keep(FunctionExercise(id, title, answer, cases, tolerance, untouched))

    return decorate


def judged(
    id: str, title: str, *, function: bool = False, returns: bool = True
) -> Callable[[Callable[[Any], None]], Exercise]:
    """The decorated function judges an answer: it says with `expect` what must hold, one thing after another.

    Args:
        id: "chapter/name", or "mycourse/name" outside the book.
        title: what the exercise box is called.
        function: a function is asked for; what is no function is turned away before the judge sees it.
        returns: False if that function is to change its argument instead of returning something.
    """
    return lambda judge: registry.keep(JudgedExercise(id, title, judge, function, returns))


def judged_model(
    id: str,
    title: str,
    *,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    parameters: int | None = None,
) -> Callable[[Callable[[nn.Module], None]], Exercise]:
    """The decorated function judges a network: it gets it in evaluation mode, and says with `expect` what must hold.

    Shapes (batch included) and the number of trainable parameters, if given, are looked at before.
    """
    return lambda judge: registry.keep(ModelExercise(id, title, judge, input_shape, output_shape, parameters))
