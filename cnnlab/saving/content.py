"""What a file holds, and by what a network that is built anew is known to be the one that was saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.modes import evaluating
from cnnlab.preprocessing import Preprocess

__all__ = ["FORMAT", "KEY", "CONTENT", "SavedModelError", "shapes_of", "answer_of"]

FORMAT = 1
KEY = "cnnlab_model"
# What a file of this format holds, and what each of these may be.
CONTENT: dict[str, type | tuple[type, ...]] = {
    "version": str,
    "network": dict,
    "state": dict,
    "classes": (list, type(None)),
    "preprocess": (dict, type(None)),
    "run": (dict, type(None)),
    "answer": (Tensor, type(None)),
}


class SavedModelError(ValueError):
    """A file that is no saved model, or one that cannot be brought back to life; the message says what would help."""


def shapes_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Of each entry of a ``state_dict`` its shape; None where it is no tensor."""
    return {name: tuple(value.shape) if isinstance(value, Tensor) else None for name, value in state.items()}


def answer_of(model: nn.Module, preprocess: Preprocess | None) -> Tensor | None:
    """What the model says of one made-up picture, by which a network that is built anew is known; None if it cannot."""
    if preprocess is not None:
        shape = (preprocess.channels, *preprocess.size)
    elif isinstance(size := getattr(model, "input_size", None), tuple) and len(size) == 3:
        shape = size
    else:
        return None
    count = torch.arange(shape[0] * shape[1] * shape[2], dtype=torch.float64)
    picture = (count * 0.6180339887498949).frac().sub(0.5).mul(2).reshape(1, *shape)  # no generator: the same for ever
    like = next((p for p in model.parameters() if p.is_floating_point()), picture.float())
    try:
        with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
            first, again = (model(picture.to(like.device, like.dtype)) for _ in range(2))
    except Exception:  # a model of another input: it is saved all the same
        return None
    whole = isinstance(first, Tensor) and first.ndim == 2 and bool(first.isfinite().all())
    return first.float().cpu() if whole and torch.equal(first, again) else None
