"""The reader's side of a check: calling what they wrote, telling what it raised, leaving their things as they were."""

from __future__ import annotations

import copy
import dis
import inspect
import linecache
import os
import random
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cnnlab.exercises.compare import describe, equal, is_blank, listed, without_addresses
from cnnlab.modes import evaluating, modes_kept

__all__ = [
    "Raised",
    "Guarded",
    "call",
    "Results",
    "output",
    "is_linear",
    "restored",
    "undisturbed",
    "raised",
    "home",
    "has_no_body",
    "show_call",
]

_TORCH = os.path.dirname(torch.__file__)


class Raised(Exception):
    """The reader's code raised; the message is the sentence that says so."""


class Guarded:
    """A reader's function as a judge calls it: with copies of the arguments, and blank where nothing comes back.

    Attributes:
        answer: the reader's function.
        returns: whether a result is wanted; if not, the arguments are not copied, for they are to be changed.
    """

    def __init__(self, answer: Callable[..., Any], *, returns: bool) -> None:
        self.answer = answer
        self.returns = returns

    def __call__(self, *arguments: Any) -> Any:
        if not self.returns:
            return self.answer(*arguments)
        result = listed(self.answer(*copy.deepcopy(arguments)))
        if is_blank(result):
            raise NotImplementedError("nothing comes back yet")
        return result


def call(function: Callable[..., Any], arguments: tuple, shown: str, *, copied: bool = True) -> Any:
    """What a reader's function gives for copies of these arguments.

    Args:
        function: the reader's function, or a network of theirs.
        arguments: copied before they are handed on.
        shown: the call in words, for the sentence on what it raised.
        copied: False hands on the arguments themselves, for one who looks at them afterwards.

    Raises:
        NotImplementedError: it raised that, so it is a stub.
        KeyboardInterrupt: the reader has interrupted it.
        Raised: it raised anything else, SystemExit included.
    """
    try:
        return listed(function(*(copy.deepcopy(arguments) if copied else arguments)))
    except (KeyboardInterrupt, NotImplementedError):
        raise
    except BaseException as error:
        raise Raised(raised(error, shown, home(function))) from error


class Results:
    """What a function gives for each case, or the name of what it raises; called once for each, and not in advance."""

    def __init__(self, function: Callable[..., Any], cases: Sequence[tuple]) -> None:
        self.function = function
        self.cases = cases
        self.seen: list[tuple[Any, str]] = []

    def are_those_of(self, mistaken: Callable[..., Any]) -> bool:
        return all(self._alike(place, _result(mistaken, case)) for place, case in enumerate(self.cases))

    def _alike(self, place: int, other: tuple[Any, str]) -> bool:
        while len(self.seen) <= place:
            self.seen.append(_result(self.function, self.cases[len(self.seen)]))
        (result, error), (other_result, other_error) = self.seen[place], other
        return error == other_error and equal(result, other_result)


def _result(function: Callable[..., Any], case: tuple) -> tuple[Any, str]:
    try:
        return listed(function(*copy.deepcopy(case))), ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return None, type(error).__name__


def output(net: nn.Module, x: Tensor) -> Any:
    """What a reader's network gives for x, in evaluation mode and without gradients, on whatever device it is.

    The input takes the type of the network's parameters; a tensor comes back on the processor, in x's type.
    """
    like = next((p for p in net.parameters() if not is_lazy(p)), x)
    with restored(net), evaluating(net), torch.no_grad():
        found = net(x.to(like.device, like.dtype))
    return found.to("cpu", x.dtype) if isinstance(found, Tensor) else found


def is_linear(net: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether f(a + b) - f(0) = (f(a) - f(0)) + (f(b) - f(0)) for two inputs of ``shape``: so it is for a constant.

    They are large, and f(0) is subtracted, so that a network whose biases outweigh its picture is no less looked at.
    """
    a, b = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0)) * 100 - 50
    at = torch.stack([output(net, x) for x in (torch.zeros_like(a), a, b, a + b)])
    one, other, both = at[1:] - at[0]
    signal = max(x.abs().max() for x in (one, other, both))
    exact = next((torch.finfo(p.dtype).eps for p in net.parameters() if not is_lazy(p)), torch.finfo(at.dtype).eps)
    return bool((both - one - other).abs().max() <= 1e-3 * signal + 2 * exact * at.abs().max())


@contextmanager
def restored(answer: Any) -> Iterator[Any]:
    """A module's modes, parameters, buffers and gradients are put back at the end, also those of modules in a tuple,
    list or dict; anything else passes through."""
    with ExitStack() as stack:
        for module in _modules(answer):
            stack.enter_context(_module_kept(module))
        yield answer


def _modules(answer: Any) -> list[nn.Module]:
    parts = list(answer.values()) if isinstance(answer, dict) else answer
    return [part for part in (parts if isinstance(parts, tuple | list) else [answer]) if isinstance(part, nn.Module)]


@contextmanager
def _module_kept(module: nn.Module) -> Iterator[None]:
    tensors = [t for t in (*module.parameters(), *module.buffers()) if not (is_lazy(t) or t.is_meta)]
    stored = [(t, t.detach().clone(), t.requires_grad, _copied(t.grad)) for t in tensors]
    try:
        with modes_kept(module):
            yield
    finally:
        with torch.no_grad():
            for tensor, before, learns, gradient in stored:
                if not torch.equal(tensor, before):  # a tensor that is written to would spoil the reader's graph
                    tensor.copy_(before)
                if tensor.requires_grad != learns:
                    tensor.requires_grad_(learns)
                if _changed(tensor.grad, gradient):
                    tensor.grad = gradient


def _copied(gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient.detach().clone()


def _changed(gradient: Tensor | None, before: Tensor | None) -> bool:
    if gradient is None or before is None:
        return gradient is not before
    return not torch.equal(gradient, before)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Checking changes neither what the reader's next cell draws, in torch, NumPy or Python, nor its gradients, nor the
    type of the numbers that it makes."""
    numpy_state, python_state, gradients = np.random.get_state(), random.getstate(), torch.is_grad_enabled()
    number = torch.get_default_dtype()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
        torch.set_grad_enabled(gradients)
        torch.set_default_dtype(number)


def raised(error: BaseException, shown: str, file: str | None = None) -> str:
    """A sentence on an exception in the reader's code, with its line.

    Args:
        error: the exception, with its traceback.
        shown: what was called.
        file: the one that holds the reader's code; the innermost line in it is named.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if file is not None and frame.filename == file]
    place = ""
    if own:
        line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
        place = f" in line {own[-1].lineno} of its cell" + (f" (`{line}`)" if line else "")
    try:
        said = without_addresses(str(error)).strip().split("\n")[0]
    except Exception:  # an exception of the reader's own, which cannot even say what it is
        said = ""
    if len(said) > 200:
        said = said[:197] + "..."
    return (
        f"{shown} raised {type(error).__name__}{place}"
        + (f": {said}" if said else "")
        + ("" if said[-1:] == "." else ".")
    )


def home(function: Any) -> str | None:
    """The file that holds a function's code, if the reader wrote it; builtins and torch's layers are not theirs."""
    try:
        function = inspect.unwrap(function) if inspect.isfunction(function) else function
        if isinstance(function, nn.Module):
            function = type(function).forward
        if isinstance(function, type):
            function = function.__init__
        code = getattr(getattr(function, "__func__", function), "__code__", None)
    except Exception:  # an object whose attributes raise
        return None
    file = getattr(code, "co_filename", None)
    return None if file is None or file.startswith(_TORCH) else file


def has_no_body(function: Any) -> bool:
    """Whether a function does nothing but return None or ``...``: a body of ``...``, ``pass`` or a docstring."""
    code = getattr(function, "__code__", None)
    if not inspect.iscode(code):
        return False
    steps = [step for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP", "RETURN_VALUE")]
    returns_a_constant = len(steps) == 1 and steps[0].opname in ("LOAD_CONST", "RETURN_CONST")
    return returns_a_constant and steps[0].argval in (None, ...)


def show_call(name: str, reference: Callable[..., Any], case: tuple) -> str:
    """A call as the reader would write it, with the reference's names: "output_size(size=5, kernel=3)"."""
    try:
        bound = inspect.signature(reference).bind(*case).arguments
    except (TypeError, ValueError):
        return f"{name}({', '.join(describe(argument) for argument in case)})"
    return f"{name}({', '.join(f'{key}={describe(argument)}' for key, argument in bound.items())})"
