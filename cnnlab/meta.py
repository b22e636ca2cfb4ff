"""The meta device: tensors with a shape and a type but no numbers, so that a network costs no memory to build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

__all__ = ["META", "on_meta"]

META = torch.device("meta")


class _OnMeta(TorchFunctionMode):
    """Empty tensors go to the meta device; initialization, which has nothing to write to, is skipped.

    Args:
        but: the first dimension of tensors that are made where they would be.
    """

    factories = frozenset({torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn})
    initializers = frozenset(
        value
        for name, value in vars(nn.init).items()
        if callable(value) and name.endswith("_") and not name.startswith("_")
    ) | {  # of which some ask a tensor at once
        *(torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.erfinv_),
        *(torch.Tensor.fill_, torch.Tensor.zero_),
    }

    def __init__(self, but: int | None) -> None:
        super().__init__()
        self.but = but

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func in self.factories and kwargs.get("device") is None:
            made = func(*args, **{**kwargs, "device": META})
            return made if self.but is None or made.shape[:1] != (self.but,) else func(*args, **kwargs)
        if func in self.initializers:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


@contextmanager
def on_meta(*, but: int | None = None) -> Iterator[None]:
    """Build models without memory and without initialization: ``with on_meta(): model = vgg16()``.

    Like ``with torch.device("meta")``, but random initialization is skipped rather than pretended, and small
    tables of numbers (``torch.arange``, ``torch.linspace``, ``torch.tensor``) stay real, so that a constructor
    may read them.

    Args:
        but: tensors whose first dimension is this are real and initialized. For the number of classes: of a whole
            network its last layer alone, and what has the same size by chance.
    """
    with _OnMeta(but):
        yield
