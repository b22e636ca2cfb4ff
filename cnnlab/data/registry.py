"""Data sets by name."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path

from cnnlab.data.dataset import Dataset
from cnnlab.errors import unknown_name, whole_number

__all__ = ["DatasetInfo", "Request", "Loader", "register_dataset", "list_datasets", "dataset_info", "load_dataset"]


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a data set before it is loaded.

    ``shape`` is (C, H, W) of a picture as loaded by default; ``train`` and ``test`` count pictures;
    ``bundled`` says that it needs no network and no file of its own.
    """

    name: str
    title: str
    year: int
    shape: tuple[int, int, int]
    num_classes: int
    train: int
    test: int
    bundled: bool
    source: str


@dataclass(frozen=True)
class Request:
    """What ``load_dataset`` asks of a loader. A loader that cannot draw at ``size`` leaves it to ``load_dataset``."""

    root: str | Path | None = None
    download: bool = True
    size: int | None = None
    limit: int | None = None
    seed: int = 0


Loader = Callable[[Request], Dataset]
_LOADERS: dict[str, tuple[DatasetInfo, Loader]] = {}
_MODULES = ("cnnlab.data.bundled", "cnnlab.data.shapes", "cnnlab.data.real", "cnnlab.data.vision")


def register_dataset(info: DatasetInfo) -> Callable[[Loader], Loader]:
    """Decorator: ``@register_dataset(DatasetInfo("name", ...))`` on a function ``Request -> Dataset``."""

    def add(loader: Loader) -> Loader:
        if info.name in _LOADERS:
            raise ValueError(f"a data set named {info.name!r} is registered already.")
        _LOADERS[info.name] = (info, loader)
        return loader

    return add


def _loaders() -> dict[str, tuple[DatasetInfo, Loader]]:
    for module in _MODULES:
        import_module(module)
    return _LOADERS


def list_datasets(pattern: str = "*") -> list[str]:
    """Names that match a shell pattern, bundled ones first."""
    entries = [info for info, _ in _loaders().values() if fnmatchcase(info.name, pattern)]
    return [info.name for info in sorted(entries, key=lambda info: (not info.bundled, info.year, info.name))]


def dataset_info(name: str) -> DatasetInfo:
    """What is known about ``name`` without loading it.

    Raises:
        ValueError: unknown name; the message gives the nearest ones.
    """
    return _entry(name)[0]


def _entry(name: str) -> tuple[DatasetInfo, Loader]:
    loaders = _loaders()
    if name not in loaders:
        raise unknown_name(
            "name", name, loaders, "See cnnlab.data.list_datasets(); for pictures of your own use load_images(folder)."
        )
    return loaders[name]


def load_dataset(
    name: str,
    *,
    root: str | Path | None = None,
    download: bool = True,
    size: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Dataset:
    """Load a data set into memory.

    Looked for in ``root``, in the folder that CNNLAB_DATA names, in the user's cache
    (``~/.cache/cnnlab/data``) and in Debian's ``/usr/share/datasets``, in this order; then downloaded.
    ``digits``, ``shapes`` and ``textures`` need neither files nor a network.

    Args:
        name: see ``cnnlab.data.list_datasets()``.
        root: a folder to search first; a download goes there.
        download: whether fetching is allowed.
        size: side length in pixels; None keeps the set's own.
        limit: keep at most this many training pictures and at most this many test pictures (stratified).
        seed: chooses the pictures under ``limit``, and draws ``shapes`` and ``textures``.

    Raises:
        ValueError: an unknown name, or a size or limit below 1.
        DatasetUnavailable: not on this machine and not downloaded; one line says why and what serves instead.
    """
    _, loader = _entry(name)
    if size is not None:
        size = whole_number("size", size, "Give the side length in pixels, or leave it out for the set's own.")
    if limit is not None:
        limit = whole_number("limit", limit, "Give a number of pictures, or leave it out for all.")
    seed = operator.index(seed)  # NumPy's whole numbers are as good as Python's
    data = loader(Request(root, download, size, limit, seed))
    if limit is not None:
        data = data.subset(train=min(limit, len(data.train)), test=min(limit, len(data.test)), seed=seed)
    if size is not None and data.shape[1:] != (size, size):
        data = data.resized(size)
    return data
