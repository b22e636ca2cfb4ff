"""The kinds of exercises: of a value, of a function, of what a judge says, of a network."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.exercises.compare import describe, difference, equal, is_blank, listed, plain, simple
from cnnlab.exercises.reading import (
    Guarded,
    Raised,
    Results,
    call,
    has_no_body,
    home,
    output,
    raised,
    restored,
    show_call,
    undisturbed,
)
from cnnlab.exercises.verdicts import Missed, Verdict
from cnnlab.modes import evaluating

__all__ = ["Mistake", "Exercise", "ValueExercise", "FunctionExercise", "JudgedExercise", "ModelExercise"]

_CALL_IT = "Call it, and give check() what it returns."
_LEAVE_IT = (
    "The arguments should stay as they were: work on a copy, such as x.clone() of a tensor or list(x) of a list."
)
_DO_NOT_CALL_IT = "Give check() the function itself, without calling it: its name alone."


@dataclass(frozen=True)
class Mistake:
    """A mistake that is recognized.

    Attributes:
        hint: what is said to it.
        answers: wrong answers that make it; the tests plant them. Without ``holds`` they are also what is looked for.
        holds: whether an answer makes it. If it raises, the answer does not.
    """

    hint: str
    answers: tuple[Any, ...]
    holds: Callable[[Any], Any] | None = None


class Exercise:
    """An exercise: what answers it, the mistakes that are known, and what is said to them.

    Attributes:
        id: "chapter/name", as `check` takes it.
        title: what the exercise box is called.
        answer: the function that answers the exercise or judges answers to it; its docstring is the success.
        success: said after "Correct.": what the right answer shows.
        mistakes: those that are recognized, in order of preference.
        general: hints for everything else, from gentle to plain.
        rights: further right answers, which the tests plant.
        wrongs: further wrong answers, each with a part of the hint that it must get ("": the first general one).
    """

    def __init__(self, id: str, title: str, answer: Callable[..., Any]) -> None:
        if id.count("/") != 1 or not all(id.split("/")):
            raise ValueError(
                f"id={id!r}: an exercise is named 'chapter/name'; your own, for example, 'mycourse/edges'."
            )
        self.id = id
        self.title = title
        self.answer = answer
        self.success = " ".join((inspect.getdoc(answer) or "").split())
        self.mistakes: list[Mistake] = []
        self.general: list[str] = []
        self.rights: list[Any] = []
        self.wrongs: list[tuple[Any, str]] = []

    def __call__(self, *arguments: Any) -> Any:
        return self.answer(*arguments)

    def __repr__(self) -> str:
        return f"<exercise {self.id}>"

    def mistake(self, hint: str, *answers: Any, when: Callable[[Any], Any] | None = None) -> Callable[[Any], Any]:
        """A mistake: what is said to it, and the wrong answers that make it.

        Given no answer, it decorates the function that is one. An answer makes the mistake if it is as
        wrong as one of ``answers`` or, where ``when`` is given, if that holds of it. Where the right answer
        is a dict, a wrong one needs only the entries that matter: ``{"parameters": 16_384}``.
        """
        if not answers:
            return lambda answer: self.mistake(hint, answer, when=when)
        self.mistakes.append(Mistake(hint, answers, when))
        return answers[-1]

    def hints(self, *texts: str) -> None:
        """The general hints, from gentle to plain: one more is said at each failed attempt."""
        self.general.extend(texts)

    def wrong(self, answer: Any, hint: str = "") -> Any:
        """Plant a further wrong answer, with a part of the hint that it must get (none: the first general one)."""
        self.wrongs.append((answer, hint))
        return answer

    def right(self, *answers: Any) -> Any:
        """Plant further right answers: in another form, or by another algorithm."""
        self.rights.extend(answers)
        return answers[-1]

    def judge(self, answer: Any) -> Verdict:
        """The verdict on an answer, with the hint for its mistake where that is known.

        Nothing that the answer does escapes, but for a KeyboardInterrupt, and nothing of the reader's is changed.
        """
        with undisturbed():
            try:
                answer = listed(answer)
                if is_blank(answer) or has_no_body(answer):
                    return Verdict("blank")
                with restored(answer):
                    return self._judge(answer)
            except KeyboardInterrupt:
                raise
            except NotImplementedError:
                return Verdict("blank")
            except Missed as missed:
                return Verdict("wrong", "", str(missed), missed.line)
            except BaseException as error:
                return Verdict("wrong", raised(error, "Looking at your answer", home(answer)))

    def planted(self) -> list[tuple[Any, str]]:
        """All wrong answers, each with a part of the hint that it must get."""
        known = [(self.whole(answer), mistake.hint) for mistake in self.mistakes for answer in mistake.answers]
        first = "".join(self.general[:1])
        return known + [(self.whole(answer), hint or first) for answer, hint in self.wrongs]

    def right_answers(self) -> list[Any]:
        """All right answers: the exercise's own, unless it only judges, and the planted ones."""
        return [self.answer, *self.rights]

    def whole(self, answer: Any) -> Any:
        """A planted answer as a reader would give it: here, as it is."""
        return answer

    def _judge(self, answer: Any) -> Verdict:
        raise NotImplementedError

    def _hint(self, seen: Any, alike: Callable[[Any, Any], bool]) -> str:
        """The hint for the first mistake that is seen in an answer, or none."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the answer has been run once, and has warned of what it had to
            return next((mistake.hint for mistake in self.mistakes if _makes(seen, mistake, alike)), "")


def _makes(seen: Any, mistake: Mistake, alike: Callable[[Any, Any], bool]) -> bool:
    try:
        if mistake.holds is not None:
            return bool(mistake.holds(seen))
        return any(alike(seen, answer) for answer in mistake.answers)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return False


class ValueExercise(Exercise):
    """The answer is a value: number, text, array, list, dict (of numpy, torch or Python)."""

    def __init__(self, id: str, title: str, answer: Callable[[], Any], tolerance: float) -> None:
        super().__init__(id, title, answer)
        self.tolerance = tolerance

    def right_answers(self) -> list[Any]:
        return [self.answer(), *self.rights]

    def whole(self, answer: Any) -> Any:
        right = self.answer()
        return {**right, **answer} if isinstance(right, Mapping) and isinstance(answer, Mapping) else answer

    def _judge(self, answer: Any) -> Verdict:
        if callable(answer) and not isinstance(answer, nn.Module):
            return Verdict("wrong", f"You gave {describe(answer)}.", _CALL_IT)
        wanted = self.answer()
        apart = difference(answer, wanted, self.tolerance)
        if apart is None:
            return Verdict("correct")
        entries = not isinstance(wanted, Mapping) or isinstance(answer, Mapping)  # a dict's mistakes are a dict's
        return Verdict("wrong", f"You gave {apart}.", self._hint(simple(answer), _holds) if entries else "")


def _holds(answer: Any, mistaken: Any) -> bool:
    """Whether an answer is this one; of a dict, whether it has these entries."""
    if isinstance(mistaken, Mapping):
        return all(key in answer and equal(answer[key], entry) for key, entry in mistaken.items())
    return equal(answer, mistaken)


class FunctionExercise(Exercise):
    """The answer is a function, compared with the right one on cases (tuples of positional arguments)."""

    def __init__(
        self,
        id: str,
        title: str,
        answer: Callable[..., Any],
        cases: Sequence[tuple],
        tolerance: float,
        untouched: bool = False,
    ) -> None:
        super().__init__(id, title, answer)
        self.cases = tuple(tuple(case) for case in cases)
        self.tolerance = tolerance
        self.untouched = untouched

    def _judge(self, answer: Any) -> Verdict:
        if not callable(answer):
            return Verdict("wrong", f"You gave {describe(answer)} where a function is wanted.", _DO_NOT_CALL_IT)
        verdict = self._compare(answer)
        if verdict.outcome != "wrong" or verdict.hint:
            return verdict
        given = Results(answer, self.cases)
        return replace(verdict, hint=self._hint(answer, lambda _, mistaken: given.are_those_of(mistaken)))

    def _compare(self, answer: Callable[..., Any]) -> Verdict:
        name = getattr(answer, "__name__", type(answer).__name__)
        for case in self.cases:
            shown = show_call(name, self.answer, case)
            given = copy.deepcopy(case)
            try:
                result = call(answer, given, shown, copied=not self.untouched)
            except Raised as complaint:
                return Verdict("wrong", str(complaint))
            if self.untouched and not equal(list(given), list(case)):
                return Verdict("wrong", f"{shown} changed what it was given.", _LEAVE_IT)
            if is_blank(result):
                if not hasattr(answer, "__code__"):  # no code to look at: the kinder guess
                    return Verdict("blank")
                filled = "Does the function end with `return` and the value?"
                return Verdict("wrong", f"{shown} returned {describe(result)}.", filled)
            wanted = plain(self.answer(*copy.deepcopy(case)))
            apart = difference(result, wanted, self.tolerance)
            if apart is not None:
                short = not isinstance(wanted, list | tuple | dict) and not hasattr(wanted, "shape")
                right = f"; {describe(wanted)} is right." if short else "."
                return Verdict("wrong", f"{shown} returned {apart}{right}")
        return Verdict("correct")


class JudgedExercise(Exercise):
    """The answer is whatever passes a judge: a function of the answer that says with `expect` what must hold.

    Attributes:
        function: the answer is a function. The judge calls it with copies of its arguments, and one that returns
            nothing is blank.
        returns: whether that function returns something; if not, it changes its argument.
    """

    def __init__(self, id: str, title: str, answer: Callable[[Any], None], function: bool, returns: bool) -> None:
        super().__init__(id, title, answer)
        self.function = function
        self.returns = returns

    def right_answers(self) -> list[Any]:
        return list(self.rights)

    def _judge(self, answer: Any) -> Verdict:
        if self.function:
            if not callable(answer):
                return Verdict("wrong", "", "Give check() the function itself, without calling it.")
            answer = Guarded(answer, returns=self.returns)
        self.answer(answer)
        return Verdict("correct")


class ModelExercise(Exercise):
    """The answer is an ``nn.Module``, or a class or function that makes one without arguments.

    It is run once, in evaluation mode, on zeros (batch included). The output's shape and the number of trainable
    parameters (if given) are looked at; then the judge is asked.
    """

    def __init__(
        self,
        id: str,
        title: str,
        answer: Callable[[nn.Module], None],
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        parameters: int | None,
    ) -> None:
        super().__init__(id, title, answer)
        self.input_shape = input_shape
        self.output_shape = output_shape
        self.parameters = parameters

    def right_answers(self) -> list[Any]:
        return list(self.rights)

    def _judge(self, answer: Any) -> Verdict:
        net = answer
        if not isinstance(net, nn.Module) and callable(net):
            try:
                net = call(net, (), f"{getattr(net, '__name__', 'your function')}()")
            except Raised as complaint:
                return Verdict("wrong", str(complaint))
        if not isinstance(net, nn.Module):
            return Verdict("wrong", f"You gave {describe(net)} where an nn.Module is wanted.")
        with restored(net), evaluating(net):
            complaint = self._complaint(net)
            if complaint:
                return Verdict("wrong", complaint, self._hint(net, lambda *_: False))
            self.answer(net)
        return Verdict("correct")

    def _complaint(self, net: nn.Module) -> str:
        shown = f"Your model, run on an input of shape {self.input_shape},"
        try:
            found = output(net, torch.zeros(self.input_shape))
        except (KeyboardInterrupt, NotImplementedError):
            raise
        except BaseException as error:
            return raised(error, shown, home(net))
        if not isinstance(found, Tensor):
            return f"{shown} returned {describe(found)} where a tensor is wanted."
        if tuple(found.shape) != tuple(self.output_shape):
            return f"{shown} returned the shape {tuple(found.shape)}; {self.output_shape} is wanted."
        count = sum(p.numel() for p in net.parameters() if p.requires_grad)
        if self.parameters is not None and count != self.parameters:
            return f"Your model has {count:,} trainable parameters; {self.parameters:,} are wanted."
        return ""
