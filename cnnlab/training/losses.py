"""What a training minimizes: the loss of the main output, and a share of each auxiliary one's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cnnlab.training.evaluation import counted_output, in_float32

if TYPE_CHECKING:
    from cnnlab.training.objective import Objective

__all__ = ["losses"]


def losses(model: nn.Module, output: Any, y: Any, objective: Objective) -> tuple[Tensor, Tensor, Any]:
    """(loss to minimize, loss of the main head, what is measured); the two losses differ by the auxiliary heads.

    Raises:
        ValueError: the loss is not one number, or the model has not a weight for each auxiliary output.
    """
    main = counted_output(model, output, objective)
    smoothing = objective.label_smoothing
    loss = objective.criterion(in_float32(main), y, smoothing=smoothing)
    if not isinstance(loss, Tensor) or loss.ndim != 0:
        given = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(
            f"loss must return one number for the batch and returned {given}: take the mean over the images."
        )
    if isinstance(output, Tensor) or main is output:
        return loss, loss, main
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
        total = total + weight * objective.criterion(in_float32(head), y, smoothing=smoothing)
    return total, loss, main
