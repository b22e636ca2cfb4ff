"""Whether a model and a data set fit each other, asked before the first batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from cnnlab.data.batching import batches
from cnnlab.errors import reason_of
from cnnlab.modes import evaluating
from cnnlab.training.devices import is_out_of_memory
from cnnlab.training.evaluation import main_output

if TYPE_CHECKING:
    from cnnlab.data import Dataset


def check_model(model: Any) -> None:
    """Raises: TypeError: it is no module. ValueError: it has no numbers."""
    if not isinstance(model, nn.Module):
        remedy = f" Build it first: cnnlab.create_model({model!r})." if isinstance(model, str) else ""
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}.{remedy}")
    if meta := next((name for name, value in (*model.named_parameters(), *model.named_buffers()) if value.is_meta), ""):
        raise ValueError(
            f"The model's {meta} is on the meta device and has no numbers. Build the model without on_meta(), or call "
            "model.to_empty(device='cpu') and set its weights."
        )


def check_data(data: Any) -> None:
    """Raises: TypeError: it is no data set. ValueError: a part is empty, or a label has no class."""
    for part in ("train", "test"):
        images = getattr(data, part, None)
        if images is None:
            raise TypeError(
                f"data must be a data set with .train and .test, not {type(data).__name__}. "
                "cnnlab.load_dataset(name) and cnnlab.data.load_images(folder) make one."
            )
        if len(images) == 0:
            raise ValueError(
                f"data.{part} of {data.name!r} holds no images. "
                f"fit needs some to {'train' if part == 'train' else 'measure'} on."
            )
        low, high = int(images.labels.min()), int(images.labels.max())
        if low < 0 or high >= len(data.classes):
            raise ValueError(
                f"data.{part} of {data.name!r} has labels from {low} to {high}, and {len(data.classes)} classes allow "
                f"0 to {len(data.classes) - 1}. Number the labels from 0, or name all classes."
            )


def check_fit(model: nn.Module, data: Dataset, device: torch.device) -> None:
    """Two images through the model before anything else: a wrong shape should not wait for the first epoch.

    Raises:
        ValueError: the model cannot take the images, or its output has not a number for each class.
    """
    x, _ = next(batches(data.train[:2], 2, mean=data.mean, std=data.std, device=device))
    try:
        with evaluating(model), torch.no_grad():
            logits = main_output(model(x))
    except (RuntimeError, IndexError) as error:
        if is_out_of_memory(error):
            raise
        shape = tuple(data.train.images.shape[1:])
        types = {p.dtype for p in model.parameters() if p.is_floating_point()} - {torch.float32}
        remedy = (
            f"Its parameters are {', '.join(sorted(map(str, types)))} and images are torch.float32: call model.float()."
            if types
            else f"Build it for them (create_model(..., in_channels={shape[0]})), or load the data at another size."
        )
        raise ValueError(
            f"The model cannot take the images of {data.name!r}, which are (C, H, W) = {shape}: {reason_of(error)} "
            f"{remedy}"
        ) from error
    classes = len(data.classes)
    if logits.ndim != 2 or logits.shape[1] != classes:
        raise ValueError(
            f"The model's output for 2 images has shape {tuple(logits.shape)}; {data.name!r} has {classes} "
            f"classes and needs (2, {classes}). Build the model with num_classes={classes}."
        )


def has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
