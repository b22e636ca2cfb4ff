"""Loading an official checkpoint: download, verify, transplant, and the preprocessing that belongs to it."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cnnlab.download import DownloadError, cache_folder
from cnnlab.errors import reason_of
from cnnlab.pictures import upright_color
from cnnlab.weights.table import find_source, library_of
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

    resize: int | tuple[int, int]  # before the crop: the shorter side in pixels, or (height, width) of any picture
    crop: int
    mean: tuple[float, ...]  # per channel, of pixels in [0, 1]
    std: tuple[float, ...]
    interpolation: str

    def __call__(self, picture: Image | Tensor | numpy.ndarray) -> Tensor:
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms import functional as transforms

        x = _three_channels(picture)
        size = [self.resize] if isinstance(self.resize, int) else list(self.resize)
        x = transforms.resize(x, size, interpolation=InterpolationMode(self.interpolation), antialias=True)
        x = transforms.center_crop(x, [self.crop])
        if not isinstance(x, Tensor):
            x = transforms.pil_to_tensor(x)
        x = transforms.convert_image_dtype(x, torch.float)  # to [0, 1]
        return transforms.normalize(x, self.mean, self.std)


def _three_channels(picture: Image | Tensor | numpy.ndarray) -> Image | Tensor:
    import numpy
    from PIL import Image

    if isinstance(picture, Image.Image):
        return upright_color(picture)
    if isinstance(picture, numpy.ndarray):
        array = picture[:, :, None] if picture.ndim == 2 else picture
        if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
            raise ValueError(f"a picture of shape {picture.shape}: (H, W), (H, W, 3) or (H, W, 4) is wanted.")
        picture = torch.from_numpy(numpy.ascontiguousarray(array.transpose(2, 0, 1)))
    if not isinstance(picture, Tensor):
        raise TypeError(f"a picture of type {type(picture).__name__}: give a PIL image, a tensor or a NumPy array.")
    if picture.dim() not in (3, 4) or picture.shape[-3] not in (1, 3, 4):
        raise ValueError(f"a picture of shape {tuple(picture.shape)}: (C, H, W) or (N, C, H, W) is wanted.")
    if picture.dtype.is_floating_point:
        low, high = (float(value) for value in picture.aminmax()) if picture.numel() else (0.0, 0.0)
        if not (low >= -0.001 and high <= 1.001):
            raise ValueError(
                f"a picture of {str(picture.dtype).removeprefix('torch.')} with numbers from {low:g} to {high:g}: "
                "floats are shares of white, from 0 to 1. Divide it by its white, or give uint8."
            )
    elif picture.dtype is not torch.uint8:
        raise TypeError(
            f"a picture of {str(picture.dtype).removeprefix('torch.')}: give uint8 (0 to 255) or floats from 0 to 1, "
            "such as picture.astype('uint8') where it holds 0 to 255."
        )
    if picture.shape[-3] == 4:
        picture = picture[..., :3, :, :]
    if picture.shape[-3] == 1:
        picture = picture.expand(*picture.shape[:-3], 3, -1, -1)
    return picture


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
    library = library_of(name)
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
