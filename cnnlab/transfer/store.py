"""Features on disk, in HDF5: written a batch at a time, read a row at a time, and refused when they are stale."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.errors import reason_of, unknown_name
from cnnlab.models.network import Network

if TYPE_CHECKING:
    import h5py

__all__ = [
    "FORMAT",
    "FeatureError",
    "StaleFeatures",
    "Fingerprint",
    "digest_of",
    "weights_digest",
    "FeatureStore",
    "stale",
    "opened",
    "parts_of",
    "fingerprint_of",
]

FORMAT = 1


class FeatureError(RuntimeError):
    """A file of features is damaged, unfinished, or belongs to something else."""


class StaleFeatures(FeatureError):
    """A file holds other features than those that were asked for.

    Attributes:
        path: the file; without it they are computed.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True)
class Fingerprint:
    """What the features in a file depend on: when one of these differs, they are stale."""

    model: str
    weights: str  # a digest of the parameters and statistics before the head
    layer: str
    preprocess: str
    data: str  # a digest of pictures and labels; "loader" where they only pass by

    def difference(self, other: Fingerprint) -> str:
        """Which of them differ, in words; empty where none does."""
        found = [
            f"{name} ({ours} there, {theirs} here)"
            for (name, ours), theirs in zip(vars(self).items(), vars(other).values(), strict=True)
            # Which weights count depends on the layer.
            if ours != theirs and (name != "weights" or self.layer == other.layer)
        ]
        return ", ".join(found)


def digest_of(*tensors: Tensor, also: str = "") -> str:
    """Sixteen hexadecimal digits that change with any of the numbers."""
    found = hashlib.blake2b(also.encode(), digest_size=8)
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous()
        found.update(f"{plain.dtype}{tuple(plain.shape)}".encode())
        found.update(plain.flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def weights_digest(model: nn.Module, layer: str | None = None) -> str:
    """Of the parameters and statistics that ``layer`` may depend on, by name; None is what enters the head.

    How many batches a norm has counted does not matter, and neither does a head, unless the layer is in it: another one
    reads the same features.
    """
    heads = model.head_names if isinstance(model, Network) else ()
    after = tuple(f"{head}." for head in heads if layer is None or not f"{layer}.".startswith(f"{head}."))
    state = {
        name: value
        for name, value in model.state_dict().items()
        if not name.startswith(after) and not name.endswith("num_batches_tracked")
    }
    return digest_of(*state.values(), also=" ".join(state))


class FeatureStore(torch.utils.data.Dataset):
    """Features that :func:`cnnlab.transfer.extract_features` has written, read from the disk as they are asked for.

    It is a PyTorch data set: ``store[3]`` is (features, label), a slice or a list gives tensors of many, and
    ``DataLoader(store, num_workers=2)`` works, because each process opens the file for itself. (One handle of HDF5
    cannot be handed to a process that is spawned; in forked ones, releases of HDF5 that kept a place in the file gave
    wrong numbers without a word.)

    Attributes:
        path: of the file.
        part: "train", "test", or whichever part of it this is.
        classes: names, in label order; empty where the data had none.
        half: whether the file keeps 16-bit floats.
        fingerprint: what the features depend on.
        provenance: when, where and how they were computed.

    Raises:
        FeatureError: no such file, a damaged or unfinished one, or one of another program.
        ValueError: no such part.
    """

    def __init__(self, path: str | Path, part: str | None = None) -> None:
        self.path = Path(path).expanduser()
        self._handle: tuple[int, h5py.File] | None = None
        if not self.path.is_file():
            begun = list(self.path.parent.glob(f"{escape(self.path.name)}.*.part"))
            more = "Its computation was not finished: call extract_features again, and it goes on."
            raise FeatureError(
                f"{self.path} does not exist. "
                + (more if begun else "cnnlab.transfer.extract_features(model, data, path) writes one.")
            )
        with opened(self.path) as file:
            known = parts_of(file, self.path)
            if part is None and len(known) > 1:
                raise ValueError(f"part=None, and {self.path} has several: give one of {', '.join(map(repr, known))}.")
            self.part = known[0] if part is None else part
            if self.part not in known:
                raise unknown_name("part", part, known)
            group = file[self.part]
            self.fingerprint = fingerprint_of(group, self.path)
            with _readable(self.path):
                self._shape = tuple(group["features"].shape)
                self.half = group["features"].dtype.itemsize == 2
                self.classes: tuple[str, ...] = tuple(json.loads(group.attrs["classes"]))
                self.provenance: dict[str, Any] = json.loads(group.attrs["provenance"])
                self.labels = torch.from_numpy(group["labels"][:])

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def dim(self) -> int:
        """How many numbers a picture has become."""
        return self._shape[1]

    @property
    def features(self) -> Tensor:
        """All of them, in memory. Shape: (N, dim) float32."""
        return self[:][0]

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> tuple[Tensor, Tensor | int]:
        rows = self._rows
        if hasattr(index, "__index__") and not isinstance(index, Tensor):
            place = index.__index__()
            if not -len(self) <= place < len(self):
                raise IndexError(f"index {place} is outside the {len(self)} features of {self.path}.")
            return rows(place % len(self)), int(self.labels[place])
        if isinstance(index, slice):
            return rows(index), self.labels[index]
        wanted = torch.as_tensor(index)
        order = wanted.unique(sorted=True)  # HDF5 reads rows in rising order, and each once
        found = rows(order.tolist())
        return found[torch.searchsorted(order, wanted)], self.labels[wanted]

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, int]]:
        """A batch for a DataLoader, read in one go."""
        features, labels = self[indices]
        return list(zip(features, labels.tolist(), strict=True))

    def check(self, wanted: Fingerprint) -> None:
        """Raises: FeatureError: the features are of another model, weights, preprocessing or data."""
        different = self.fingerprint.difference(wanted)
        if different:
            raise stale(self.path, different)

    def _rows(self, index: Any) -> Tensor:
        """Raises: FeatureError: they cannot be read, or have changed since they were written."""
        with _readable(self.path):
            return torch.from_numpy(self._file()[self.part]["features"][index]).float()

    def _file(self) -> h5py.File:
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), opened(self.path))
        return self._handle[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    def __repr__(self) -> str:
        return f"FeatureStore({str(self.path)!r}, {self.part!r}: {len(self)} x {self.dim} of {self.fingerprint.model})"


def stale(path: Path, different: str) -> StaleFeatures:
    return StaleFeatures(
        path, f"{path} holds other features: {different}. Delete the file, or give another path for these features."
    )


def opened(path: Path) -> h5py.File:
    """Raises: FeatureError: it is no HDF5, or a damaged one."""
    import h5py

    if path.is_dir():
        raise FeatureError(f"{path} is a folder. Give the name of a file, such as {path / 'features.h5'}.")

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise FeatureError(
            f"{path} cannot be read as HDF5 ({reason_of(error)}): it is damaged or of another kind. Delete it, and "
            "extract the features again."
        ) from None


def parts_of(file: h5py.File, path: Path) -> list[str]:
    """Raises: FeatureError: it is not one of ours, or of a later version."""
    if "cnnlab_features" not in file.attrs:
        raise FeatureError(f"{path} is an HDF5 file of another program: it has no features of cnnlab's.")
    if file.attrs["cnnlab_features"] > FORMAT:
        raise FeatureError(f"{path} was written by a later version of cnnlab. Update cnnlab, or extract them again.")
    return list(file)


def fingerprint_of(group: h5py.Group, path: Path) -> Fingerprint:
    """Raises: FeatureError: it has none that can be read."""
    with _readable(path):
        return Fingerprint(**json.loads(group.attrs["fingerprint"]))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    # What is not there, no JSON, no shape, or does not agree with its checksum
    except (KeyError, ValueError, TypeError, AttributeError, OSError, RuntimeError) as error:
        raise FeatureError(
            f"{path} is damaged ({reason_of(error)}): it has changed since it was written. Delete it, and extract the "
            "features again."
        ) from None
