"""Features while they are being computed: rows in a plain file, which a kill leaves readable to the last row."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from torch import Tensor

from cnnlab.files import replacing
from cnnlab.training.provenance import provenance
from cnnlab.transfer.store import FORMAT, Fingerprint, StaleFeatures, opened

if TYPE_CHECKING:
    import torch

__all__ = ["RowFile", "write_features"]

_READ = 4096  # rows at a time
_AROUND = 2**20  # bytes of HDF5's own: groups, names and attributes


class RowFile:
    """A header of one line of JSON, then rows of (int64 label, features), each written whole before the next.

    HDF5 keeps its tables in memory and is damaged when its writer is killed; this is not.

    Attributes:
        done: rows that are there.
        dim: numbers in each; 0 before the first.

    Raises:
        StaleFeatures: there are rows of other features.
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
        """Rows of an earlier call. Raises: StaleFeatures: they are of other features, and would be lost."""
        if not self.path.is_file():
            return
        with self.path.open("rb") as file:
            header = file.readline()
        try:
            said = json.loads(header)
            dim, theirs, dtype = int(said["dim"]), Fingerprint(**said["fingerprint"]), said["dtype"]
        except (ValueError, KeyError, TypeError):  # killed in the first line
            return
        different = theirs.difference(self.fingerprint)
        if dtype != self.dtype:
            different = ", ".join(filter(None, [different, f"half ({dtype} there, {self.dtype} here)"]))
        if different:
            raise StaleFeatures(
                self.path,
                f"{self.path} holds what an interrupted call has computed of other features: {different}. Finish that "
                "one, delete the file, or give another path.",
            )
        self.dim, self._start = dim, len(header)
        self.done = (self.path.stat().st_size - self._start) // self._row.itemsize


def write_features(
    target: Path, rows: Mapping[str, RowFile], classes: Mapping[str, tuple[str, ...]], device: torch.device
) -> None:
    """Put the rows, and the parts that ``target`` has already, into an HDF5 file in its place.

    Raises:
        OSError: it cannot be written; ``target`` is as it was.
    """
    import h5py

    with replacing(target) as new:
        # Where HDF5 (2.0 at least) finds the disk full, closing the file ends the process. So plain Python tries first.
        _try_room(new, _AROUND + sum(map(_size, (target, *(row.path for row in rows.values())))))
        with h5py.File(new, "w") as file:
            file.attrs["cnnlab_features"] = FORMAT
            if target.exists():
                with opened(target) as before:
                    for part in before:
                        before.copy(part, file)
            for part, row in rows.items():
                group = file.create_group(part)
                # Row after row, not in chunks: a batch of a shuffled epoch reads its rows and nothing else.
                features = group.create_dataset("features", (row.done, row.dim), row.dtype)
                labels = group.create_dataset("labels", (row.done,), "int64")
                start = 0
                for some, their_labels in row.read():
                    features[start : start + len(some)] = some
                    labels[start : start + len(some)] = their_labels
                    start += len(some)
                group.attrs["fingerprint"] = json.dumps(vars(row.fingerprint))
                group.attrs["classes"] = json.dumps(classes[part])
                group.attrs["provenance"] = json.dumps(provenance(device))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _try_room(path: Path, size: int) -> None:
    """Raises: OSError: a file of so many bytes cannot be written here."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            for start in range(0, size, _AROUND):
                file.write(bytes(min(_AROUND, size - start)))
