"""Data sets, augmentation and batches. Everything is held in memory as uint8 tensors.

``load_dataset(name)`` gives a :class:`Dataset`; ``batches(...)`` turns one of its two image sets into
normalized mini-batches; :mod:`cnnlab.data.augment` holds whole-batch augmentations.
"""

from __future__ import annotations

from cnnlab.lazy import lazy_names

# Public name -> module that defines it; resolved on first use, so that importing this package is cheap.
_HOMES: dict[str, str] = {
    "augment": "cnnlab.data.augment",
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
    "draw_figures": "cnnlab.data.figures",
    "load_figures": "cnnlab.data.figures",
    "moving_shapes": "cnnlab.data.clips",
    "sample_photos": "cnnlab.data.bundled",
    "write_visits": "cnnlab.data.visits",
    "read_idx": "cnnlab.data.idx",
    "Batches": "cnnlab.data.batching",
    "batches": "cnnlab.data.batching",
    "preview": "cnnlab.data.augment",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
