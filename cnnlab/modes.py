"""Training and evaluation mode, module by module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["evaluating", "modes_kept"]


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
