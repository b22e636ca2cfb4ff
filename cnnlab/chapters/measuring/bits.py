"""Which answers were right, packed small enough for a record of fifty trainings on ten thousand pictures."""

from __future__ import annotations

from base64 import b64decode, b64encode

import numpy
import torch
from torch import Tensor

__all__ = ["packed", "unpacked"]


def packed(right: Tensor) -> str:
    """Eight answers to a byte, as text.

    Args:
        right: whether each answer was right. Shape: (N,), bool.

    >>> packed(torch.tensor([True, False, True]))
    'oA=='
    """
    return b64encode(numpy.packbits(right.numpy()).tobytes()).decode("ascii")


def unpacked(text: str, count: int) -> Tensor:
    """What :func:`packed` was given.

    Args:
        text: what it returned.
        count: how many answers there were, N: the last byte may have room for more.

    Returns:
        Shape: (N,), bool.

    Raises:
        ValueError: the text holds fewer.

    >>> unpacked("oA==", 3).tolist()
    [True, False, True]
    """
    bits = numpy.frombuffer(b64decode(text), dtype=numpy.uint8)
    if not 0 <= count <= 8 * len(bits):
        raise ValueError(f"count={count!r} must be 0 to {8 * len(bits)}: so many answers this text has room for.")
    return torch.from_numpy(numpy.unpackbits(bits, count=count).astype(bool))
