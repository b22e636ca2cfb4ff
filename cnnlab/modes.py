"""Training and evaluation mode, module by module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

__all__ = ["evaluating", "modes_kept", "keep_still", "is_still", "let_go"]

_STILL = "_cnnlab_still"  # the handle of the hook, on the module that it keeps still


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; at the end each of its modules has the mode that it had."""
    with modes_kept(model):
        for module in model.modules():
            module.training = False
        yield


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """At the end each module of the model has the mode that it had.

    A caller may keep some of them (frozen batch norm) in another mode than the rest, so one flag for all would not do.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def keep_still(module: nn.Module) -> None:
    """Evaluation mode for one module, whatever mode the model is put into; copies of it keep it too."""
    let_go(module)
    module.__dict__[_STILL] = module.register_forward_pre_hook(_stay).id
    module.training = False


def is_still(module: nn.Module) -> bool:
    """Whether :func:`keep_still` was called for it."""
    return _STILL in module.__dict__


def let_go(module: nn.Module) -> bool:
    """The end of :func:`keep_still`; whether it was kept. Its mode is as it was, for the caller to set."""
    handle = module.__dict__.pop(_STILL, None)
    if handle is None:
        return False
    module._forward_pre_hooks.pop(handle, None)
    return True


def _stay(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    if module.training:
        module.training = False
