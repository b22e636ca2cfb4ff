"""What a training minimizes: the loss of the main output, and a share of each auxiliary one's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.training.evaluation import main_output

if TYPE_CHECKING:
    from cnnlab.training.recipe import Recipe


def losses(model: nn.Module, output: Any, y: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor, Tensor]:
    """(loss to minimize, loss of the main head, main logits); they differ by the auxiliary heads.

    Raises:
        ValueError: the recipe's loss is not one number, or the model has not a weight for each auxiliary output.
    """
    logits = main_output(output)
    loss = _criterion(logits, y, recipe)
    if loss.ndim != 0:
        raise ValueError(
            f"loss must return one number for the batch and returned a tensor of shape {tuple(loss.shape)}: "
            "take the mean over the images."
        )
    if isinstance(output, Tensor):
        return loss, loss, logits
    rest = output[1] if len(output) == 2 and isinstance(output[1], list | tuple) else output[1:]
    heads = [head for head in rest if head is not None]
    weights = tuple(getattr(model, "auxiliary_weights", ()))
    if len(weights) != len(heads):
        raise ValueError(
            f"The model returned {len(heads)} auxiliary outputs in training mode, and its auxiliary_weights "
            f"are {weights!r}. Give it one weight for each, in order: model.auxiliary_weights = (0.3, 0.3)."
        )
    total = loss
    for weight, head in zip(weights, heads, strict=True):
        total = total + weight * _criterion(head, y, recipe)
    return total, loss, logits


def _criterion(logits: Tensor, y: Tensor, recipe: Recipe) -> Tensor:
    logits = logits.float()
    if recipe.loss is not None:
        return recipe.loss(logits, y)
    return F.cross_entropy(logits, y, label_smoothing=recipe.label_smoothing)
