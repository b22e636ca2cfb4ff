"""The IDX format of MNIST's files, read in a few lines.

Bytes 0 and 1 are zero, byte 2 names the type of the numbers, byte 3 their number of dimensions; then
come the sizes as big-endian 32-bit integers, then the numbers themselves.
Source: the description that LeCun, Cortes and Burges published with MNIST (1998).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor

__all__ = ["read_idx"]


def read_idx(path: str | Path) -> Tensor:
    """The uint8 array in an IDX file, raw or gzip-compressed.

    Raises:
        ValueError: not an IDX file of bytes, or a truncated one; the message names the file.
    """
    path = Path(path)
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":  # what every gzip file begins with
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is not a whole gzip file ({error}): delete it and load again.") from None
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        found = f"it begins with {data[:4].hex()}, expected 000008.." if data else "it is empty"
        raise ValueError(f"{path} is not an IDX file of bytes ({found}): delete it and load again.")
    dimensions = data[3]
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise ValueError(f"{path} ends inside its header: delete it and load again.")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    expected = math.prod(shape)
    if len(data) - header != expected:
        raise ValueError(
            f"{path} promises {'x'.join(map(str, shape))} = {expected} bytes and holds {len(data) - header}: "
            "delete it and load again."
        )
    if expected == 0:
        raise ValueError(f"{path} holds nothing ({'x'.join(map(str, shape))} bytes): delete it and load again.")
    return torch.frombuffer(bytearray(memoryview(data)[header:]), dtype=torch.uint8).reshape(shape)
