"""What a model is asked with: from an ``input_size`` to tensors without numbers."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.meta import META

__all__ = ["numel", "example_inputs"]


def numel(parameter: nn.Parameter) -> int:
    """Raises: ValueError: the parameter is of a lazy layer that has not run yet."""
    if isinstance(parameter, nn.parameter.UninitializedTensorMixin):
        raise ValueError(
            "the model has lazy layers whose sizes are not yet known; run one batch through it, then summarize."
        )
    return parameter.numel()


def example_inputs(model: nn.Module, input_size: Any, name: str) -> tuple[Tensor, ...]:
    """Meta tensors of the shapes that `cnnlab.summarize` was asked for; None is what the model says that it takes.

    Raises:
        ValueError: no size is known, or what was given is no shape; ``name`` is the model's in the message.
    """
    if input_size is None:
        input_size = getattr(model, "input_size", None)
        if input_size is None:
            raise ValueError(
                f"{name} does not say what input it takes; give input_size=(C, H, W), such as input_size=(3, 224, 224)."
            )
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    if isinstance(input_size, Tensor):
        return (_with_batch(model, _like(input_size)),)
    if hasattr(input_size, "tolist"):  # an array, or NumPy's number
        input_size = input_size.tolist()
    if isinstance(input_size, int):
        input_size = (input_size,)
    # NumPy's integers are as good as Python's.
    sizes = [_whole(side) for side in input_size]
    if sizes and not all(isinstance(side, int) for side in sizes):
        if all(isinstance(size, Tensor) for size in sizes):
            return tuple(_like(size) for size in sizes)
        if all(isinstance(size, list | tuple) for size in sizes):
            return tuple(_input(tuple(size), dtype) for size in sizes)
        raise ValueError(f"input_size={input_size!r} mixes things; give whole numbers: input_size=(C, H, W).")
    return (_with_batch(model, _input(tuple(sizes), dtype)),)


def _whole(side: Any) -> Any:
    """NumPy's integers as Python's; anything else as it is."""
    return side if isinstance(side, Tensor) or not hasattr(side, "__index__") else operator.index(side)


def _like(example: Tensor) -> Tensor:
    if example.dim() == 0 or len(example) == 0:
        raise ValueError(
            f"input_size is an example tensor of shape {tuple(example.shape)}: give one with a batch of 1 or more."
        )
    return torch.empty_like(example, device=META)


def _with_batch(model: nn.Module, x: Tensor) -> Tensor:
    """One image without a batch gets one, where the first layer tells; torch would take its first axis for channels.

    A volume (C, D, H, W) has as many sides as a batch of images.
    """
    first = next((m for m in model.modules() if isinstance(m, _Taking)), None)
    if first is None:
        return x
    if isinstance(first, nn.Linear):
        sides, channels = 1, first.in_features
    else:
        sides, channels = len(first.kernel_size) + 1, first.in_channels
    return x[None] if x.dim() == sides and x.shape[0] == channels else x


_Taking = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d | nn.Linear


def _input(size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    size = tuple(map(_whole, size))
    if not 1 <= len(size) <= 5 or any(not isinstance(side, int) or side < 1 for side in size):
        raise ValueError(
            f"input_size={size!r} is not a shape; give (C, H, W) or (N, C, H, W) with whole numbers of 1 or more."
        )
    return torch.empty(size if len(size) >= 4 else (1, *size), device=META, dtype=dtype)
