"""Whether a model and a data set fit each other, asked before the first batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.data.loaders import moved
from cnnlab.data.sources import MemorySource
from cnnlab.data.targets import check_targets
from cnnlab.errors import reason_of
from cnnlab.modes import evaluating, is_still
from cnnlab.training.devices import is_out_of_memory
from cnnlab.training.evaluation import counted_output, in_float32

if TYPE_CHECKING:
    from cnnlab.data import ImageSet
    from cnnlab.data.sources import Source
    from cnnlab.training.objective import Objective

__all__ = ["check_model", "check_data", "check_fit", "has_batch_norm"]


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


def check_data(images: ImageSet, part: str, name: str) -> None:
    """Raises: ValueError: the set is empty, or a label has no class."""
    if len(images) == 0:
        raise ValueError(
            f"data.{part} of {name!r} holds no images. "
            f"fit needs some to {'train' if part == 'train' else 'measure'} on."
        )
    low, high = int(images.labels.min()), int(images.labels.max())
    if low < 0 or high >= len(images.classes):
        raise ValueError(
            f"data.{part} of {name!r} has labels from {low} to {high}, and {len(images.classes)} classes allow "
            f"0 to {len(images.classes) - 1}. Number the labels from 0, or name all classes."
        )
    check_targets(images)


def check_fit(model: nn.Module, source: Source, objective: Objective, device: torch.device) -> tuple[int, ...]:
    """Some images through the model and the loss before anything else: a wrong shape should not wait for an epoch.

    Returns:
        The shape of an image, (C, H, W).

    Raises:
        ValueError: the model cannot take the images, or the loss its output and the targets.
    """
    first, y = source.first()
    shape = tuple(first.shape[1:])
    # Two are enough where the targets say which are theirs.
    x = first[:2] if isinstance(y, Tensor) else first
    y = y[:2] if isinstance(y, Tensor) else y
    try:
        with evaluating(model), torch.no_grad():
            output = in_float32(counted_output(model, model(x.to(device)), objective))
    except (RuntimeError, IndexError) as error:
        if is_out_of_memory(error):
            raise
        types = {p.dtype for p in model.parameters() if p.is_floating_point()} - {x.dtype}
        remedy = (
            f"Its parameters are {', '.join(sorted(map(str, types)))} and images are {x.dtype}: call "
            f"{'model.float()' if x.dtype is torch.float32 else 'x.float() in the loader'}."
            if types
            else f"Build it for them (create_model(..., in_channels={shape[0] if shape else 1})), or load the data at "
            "another size."
        )
        raise ValueError(
            f"The model cannot take the images of {source.name!r}, which are (C, H, W) = {shape}: {reason_of(error)} "
            f"{remedy}"
        ) from error
    classes = len(source.classes or ())
    wrong = not isinstance(output, Tensor) or output.ndim != 2 or output.shape[1] != classes
    if classes and objective.takes_classes and isinstance(y, Tensor) and y.ndim == 1 and wrong:
        given = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(
            f"The model's output for {len(x)} images has shape {given}; {source.name!r} has {classes} "
            f"classes and needs ({len(x)}, {classes}). Build the model with num_classes={classes}."
        )
    objective.settle(output, y, f"{source.name!r}")
    if isinstance(source, MemorySource) and isinstance(source.images.targets, Tensor):
        objective.check(source.images.targets)  # of all pictures: a class map may hold what the first two do not
    _try_loss(objective, output, moved(y, device), source)
    return shape


def _try_loss(objective: Objective, output: Any, y: Any, source: Source) -> None:
    if objective.loss is None:
        return  # whose needs were asked for by name
    try:
        with torch.no_grad():
            loss = objective.criterion(output, y)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        if is_out_of_memory(error) or not isinstance(output, Tensor) or not isinstance(y, Tensor):
            raise
        remedy = "" if y.is_floating_point() else " Where it needs floats: y.float()."
        raise ValueError(
            f"The loss cannot take the model's output {output.dtype} {tuple(output.shape)} with the targets "
            f"{y.dtype} {tuple(y.shape)} of {source.name!r}: {reason_of(error)}{remedy}"
        ) from error
    double = isinstance(loss, Tensor) and loss.dtype == torch.float64
    if double and not (isinstance(output, Tensor) and output.dtype == torch.float64):
        raise ValueError(
            f"The targets of {source.name!r} are torch.float64, and the model computes in torch.float32: let them be "
            "y.float()."
        )


def has_batch_norm(model: nn.Module) -> bool:
    """Whether one normalizes by the batch in training, which a batch of one image may be too small for."""
    norms = (module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    return any(not is_still(norm) for norm in norms)
