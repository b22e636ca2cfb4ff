"""Loading an official checkpoint: download, verify, transplant, and the preprocessing that belongs to it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch
from torch import nn

from cnnlab.download import DownloadError, cache_folder
from cnnlab.errors import reason_of
from cnnlab.preprocessing import Preprocess
from cnnlab.weights.table import LIBRARIES, find_source
from cnnlab.weights.transplanting import transplant

__all__ = ["weights_folder", "load_official", "imagenet_classes"]


def weights_folder() -> Path:
    """Where checkpoints are kept: CNNLAB_CACHE, else torch's own cache, which may hold torchvision's already."""
    if os.environ.get("CNNLAB_CACHE"):
        return cache_folder("weights")
    return Path(torch.hub.get_dir()) / "checkpoints"


def load_official(name: str, model: nn.Module, weights: str = "imagenet", *, progress: bool = True) -> nn.Module:
    """Load an official checkpoint into ``model``, in place, and put it into evaluation mode.

    The model gets ``.preprocess`` (a :class:`Preprocess`) and ``.classes`` (a tuple of names). When it has another
    number of classes than the checkpoint, its last layer stays as it is and ``.classes`` is None.

    Args:
        name: of the model, as in :func:`cnnlab.create_model`.
        model: that model.
        weights: "imagenet" or the name of a checkpoint, see :func:`cnnlab.weights.find_source`.
        progress: show a bar while downloading.

    Raises:
        ValueError: no such checkpoint, or the model is not the network that it belongs to.
        DownloadError: it could not be had; one line with the reason and the remedy.
    """
    input_size = getattr(model, "input_size", None)
    source = find_source(name, weights, in_channels=input_size[0] if input_size else None)
    library = LIBRARIES[source.library]
    what = f"{name} weights ({source.weights})"
    path = library.fetch(source, weights_folder(), progress=progress, what=what)
    try:
        reference = library.reference(source, path)
    except (pickle.UnpicklingError, EOFError, OSError, RuntimeError, LookupError, AttributeError, TypeError) as error:
        # The checksum held, so this is no broken download: a file of another kind, or of another release.
        raise DownloadError(
            f"{path} is not the checkpoint {source.weights} of {source.library}'s {source.name} "
            f"({reason_of(error)}). Delete the file and try again."
        ) from None
    done = transplant(reference, model, fresh_head=True)
    model.classes = None if done.fresh else imagenet_classes()
    model.preprocess = Preprocess(
        resize=source.resize,
        crop=source.crop,
        mean=source.mean,
        std=source.std,
        interpolation=source.interpolation,
    )
    return model.eval()


def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, in the order of every official checkpoint's outputs."""
    from torchvision.models import ResNet18_Weights

    return tuple(ResNet18_Weights.DEFAULT.meta["categories"])
