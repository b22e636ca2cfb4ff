"""Tensors to try an answer on, the same in every session."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["normal", "normals", "counted"]


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Normal numbers in 64 bits."""
    return normals(seed, shape)[0]


def normals(seed: int, *shapes: tuple[int, ...]) -> list[Tensor]:
    """Several tensors of normal numbers in 64 bits, drawn one after another."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def counted(*shape: int) -> Tensor:
    """1, 2, 3 and so on: numbers that all differ, none of them zero."""
    return torch.arange(1.0, 1 + torch.Size(shape).numel()).reshape(shape)
