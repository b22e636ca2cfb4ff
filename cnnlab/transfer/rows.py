"""Features while they are being computed: rows in a plain file, which a kill leaves readable to the last row."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from torch import Tensor

if TYPE_CHECKING:
    from cnnlab.transfer.store import Fingerprint

__all__ = ["RowFile"]

_READ = 4096  # rows at a time


class RowFile:
    """A header of one line of JSON, then rows of (int64 label, features), each written whole before the next.

    HDF5 keeps its tables in memory and is damaged when its writer is killed; this is not.

    Attributes:
        done: rows that are there.
        dim: numbers in each; 0 before the first.
    """

    def __init__(self, target: Path, part: str, fingerprint: Fingerprint, half: bool) -> None:
        self.path = target.with_name(f"{target.name}.{part}.part")
        self.fingerprint, self.dtype = fingerprint, "float16" if half else "float32"
        self.done = self.dim = self._start = 0
        self._take_up()

    def append(self, features: Tensor, labels: Tensor) -> None:
        """Raises: OSError: it cannot be written; the rows before are as they were."""
        if not self.dim:
            self._open(features.shape[1])
        block = numpy.empty(len(features), self._row)
        block["label"], block["features"] = labels.cpu().numpy(), features.cpu().numpy()
        with self.path.open("r+b") as file:
            file.seek(self._start + self.done * self._row.itemsize)
            file.write(block.tobytes())
            file.flush()
            os.fsync(file.fileno())
        self.done += len(block)

    def read(self) -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
        """Blocks of (features, labels)."""
        with self.path.open("rb") as file:
            file.seek(self._start)
            left = self.done
            while left:
                block = numpy.fromfile(file, self._row, min(left, _READ))
                yield block["features"], block["label"]
                left -= len(block)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    @property
    def _row(self) -> numpy.dtype:
        return numpy.dtype([("label", "<i8"), ("features", self.dtype, (self.dim,))])

    def _header(self, dim: int) -> bytes:
        said = {"fingerprint": vars(self.fingerprint), "dtype": self.dtype, "dim": dim}
        return json.dumps(said).encode() + b"\n"

    def _open(self, dim: int) -> None:
        header = self._header(dim)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(header)
        self.dim, self._start = dim, len(header)

    def _take_up(self) -> None:
        """Rows of an earlier call, if they are of the very same features."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            header = file.readline()
        try:
            dim = int(json.loads(header)["dim"])
        except (ValueError, KeyError, TypeError):  # killed in the first line
            return
        if header == self._header(dim) and dim:
            self.dim, self._start = dim, len(header)
            self.done = (self.path.stat().st_size - self._start) // self._row.itemsize
