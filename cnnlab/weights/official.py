"""Loading an official checkpoint: download, verify, transplant, and the preprocessing that belongs to it."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.download import DownloadError, cache_folder, download
from cnnlab.weights.torchvision_weights import Source, find_source, torchvision_entry
from cnnlab.weights.transplanting import transplant

if TYPE_CHECKING:
    import numpy
    from PIL.Image import Image


@dataclass(frozen=True)
class Preprocess:
    """From a picture to the tensor that a checkpoint was trained on: resize, center crop, normalize.

    Call it with a PIL image, a uint8 tensor (C, H, W) or (N, C, H, W), or a NumPy array (H, W), (H, W, C).
    Gray pictures are repeated over three channels and transparency is dropped.
    Shape: any picture -> (3, crop, crop).
    """

    resize: int  # the shorter side, in pixels, before the crop
    crop: int
    mean: tuple[float, ...]  # per channel, of pixels in [0, 1]
    std: tuple[float, ...]
    interpolation: str
    apply: Callable[[Any], Tensor] = field(repr=False, compare=False)  # torchvision's own transform

    def __call__(self, picture: Image | Tensor | numpy.ndarray) -> Tensor:
        import numpy
        from PIL import Image

        if isinstance(picture, Image.Image):
            return self.apply(picture.convert("RGB"))
        if isinstance(picture, numpy.ndarray):
            array = picture[:, :, None] if picture.ndim == 2 else picture
            if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
                raise ValueError(f"a picture of shape {picture.shape}: (H, W), (H, W, 3) or (H, W, 4) is wanted.")
            picture = torch.from_numpy(numpy.ascontiguousarray(array.transpose(2, 0, 1)))
        if not isinstance(picture, Tensor):
            raise TypeError(f"a picture of type {type(picture).__name__}: give a PIL image, a tensor or a NumPy array.")
        if picture.dim() not in (3, 4) or picture.shape[-3] not in (1, 3, 4):
            raise ValueError(f"a picture of shape {tuple(picture.shape)}: (C, H, W) or (N, C, H, W) is wanted.")
        if picture.shape[-3] == 4:
            picture = picture[..., :3, :, :]
        if picture.shape[-3] == 1:
            picture = picture.expand(*picture.shape[:-3], 3, -1, -1)
        return self.apply(picture)


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
    path = weights_folder() / source.url.rpartition("/")[2]
    download([source.url], path, sha256=source.sha256, progress=progress, what=f"{name} weights ({source.weights})")
    reference = _reference(source, path)
    transplant(reference, model, fresh_head=True)

    # The model's own head decides whether the checkpoint's classes are its classes.
    *_, head = (tensor for key, tensor in model.named_parameters() if key.endswith("weight"))
    entry = torchvision_entry(source.name, source.weights)
    model.classes = tuple(entry.meta["categories"]) if head.shape[0] == source.num_classes else None
    transform = entry.transforms()
    model.preprocess = Preprocess(
        resize=transform.resize_size[0],
        crop=transform.crop_size[0],
        mean=tuple(transform.mean),
        std=tuple(transform.std),
        interpolation=str(transform.interpolation.value),
        apply=transform,
    )
    return model.eval()


def _reference(source: Source, path: Path) -> nn.Module:
    """torchvision's module with the checkpoint in it; its names give every tensor its layer."""
    import torchvision

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about initializations that are overwritten here
            reference = torchvision.models.get_model(source.name, weights=None)
        reference.load_state_dict(state, assign=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, AttributeError, TypeError) as error:
        # The checksum held, so this is no broken download: a file of another kind, or of another torchvision.
        raise DownloadError(
            f"{path} is not the checkpoint {source.weights} of torchvision's {source.name} "
            f"({str(error).splitlines()[0]}). Delete the file and try again."
        ) from None
    return reference
