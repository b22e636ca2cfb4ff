"""Masks as runs, the way COCO's files have them: how many pixels are off, then on, then off, column by column.

The short form writes each count in as many characters of 5 bits as it takes, from the fourth on as the difference to
the count before the last: those of one column resemble those of the next. After pycocotools (``rleToString``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnnlab.segmentation.checks import checked_masks

__all__ = ["encode_runs", "decode_runs", "string_of", "counts_of"]


def encode_runs(mask: Tensor) -> dict[str, list[int]]:
    """``{"size": [H, W], "counts": [off, on, off, ...]}`` of a mask; counts begin with 0 if its first pixel is on.

    Args:
        mask: bool. Shape: (H, W).

    Raises:
        TypeError: no bool tensor.
        ValueError: of another shape.
    """
    checked_masks("mask", mask, (2,), "(H, W), of one object")
    column_by_column = mask.cpu().numpy().T.reshape(-1).astype(np.int8)
    changes = np.flatnonzero(np.diff(column_by_column, prepend=0))
    counts = np.diff(np.concatenate([[0], changes, [len(column_by_column)]]))
    return {"size": list(mask.shape), "counts": counts.tolist()}


def decode_runs(runs: Mapping[str, Any]) -> Tensor:
    """The mask that :func:`encode_runs` was given; its counts may be in the short form.

    Returns:
        bool. Shape: (H, W).

    Raises:
        ValueError: no size, or counts that are negative or fill another size.
    """
    try:
        height, width = (int(side) for side in runs["size"])
        counts = runs["counts"]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"runs={str(runs)[:60]!r} is not allowed: give {{'size': [H, W], 'counts': [...]}}.") from None
    counts = counts_of(counts) if isinstance(counts, str | bytes) else list(counts)
    if min(counts, default=0) < 0 or sum(counts) != height * width:
        raise ValueError(
            f"counts fill {sum(counts):,} pixels of a picture of {height} x {width}; they must be 0 or more and fill "
            f"{height * width:,}. Take size and counts from the same annotation."
        )
    on = np.arange(len(counts)) % 2 == 1
    return torch.from_numpy(np.repeat(on, counts).reshape(width, height).T.copy())


def string_of(counts: Sequence[int]) -> str:
    """Counts in COCO's short form."""
    characters = []
    for i, count in enumerate(counts):
        rest = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            bits, rest = rest & 31, rest >> 5
            # The highest of the five bits is the sign of what has been written so far.
            more = rest != (-1 if bits & 16 else 0)
            characters.append(chr(48 + bits + 32 * more))
    return "".join(characters)


def counts_of(string: str | bytes) -> list[int]:
    """The counts of COCO's short form.

    Raises:
        ValueError: a character that is not of it, or an end within a count.
    """
    text = string.decode("latin-1") if isinstance(string, bytes) else string
    counts: list[int] = []
    value = shift = 0
    for place, character in enumerate(text):
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise ValueError(f"string has {character!r} at place {place}; allowed are the characters from '0' to 'o'.")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        value -= (1 << shift) if code & 16 else 0
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError(f"string={text[-20:]!r} ends within a count; give the whole of it.")
    return counts
