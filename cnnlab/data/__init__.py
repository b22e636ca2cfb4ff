"""Data sets, augmentation and batches. Everything is held in memory as uint8 tensors.

``load_dataset(name)`` gives a :class:`Dataset`; ``batches(...)`` turns one of its two image sets into
normalized mini-batches; :mod:`cnnlab.data.augment` holds whole-batch augmentations.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Public name -> module that defines it; resolved on first use, so that importing this package is cheap.
_HOMES: dict[str, str] = {
    "Dataset": "cnnlab.data.dataset",
    "ImageSet": "cnnlab.data.dataset",
    "DatasetInfo": "cnnlab.data.registry",
    "DatasetUnavailable": "cnnlab.data.places",
    "load_dataset": "cnnlab.data.registry",
    "list_datasets": "cnnlab.data.registry",
    "dataset_info": "cnnlab.data.registry",
    "load_images": "cnnlab.data.folder",
    "load_shapes": "cnnlab.data.shapes",
    "draw_shapes": "cnnlab.data.shapes",
    "sample_photos": "cnnlab.data.bundled",
    "read_idx": "cnnlab.data.idx",
    "Batches": "cnnlab.data.batching",
    "batches": "cnnlab.data.batching",
    "preview": "cnnlab.data.augment",
}

__all__ = ["augment", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "augment":
        return import_module("cnnlab.data.augment")
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnlab.data' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
