"""Measuring a model on a set of images: loss, accuracy, top-k, confusion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.data.batching import batches
from cnnlab.modes import evaluating

if TYPE_CHECKING:
    from cnnlab.data import ImageSet

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model said about a set of images. All tensors are on the CPU.

    Attributes:
        loss: mean loss per image.
        accuracy: fraction of images whose highest logit is the right class (top-1).
        logits: (N, K) float32.
        labels: (N,) int64, the right classes.
        classes: K names.
    """

    loss: float
    accuracy: float
    logits: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    @property
    def predictions(self) -> Tensor:
        """The class with the highest logit. Shape: (N,) int64."""
        return self.logits.argmax(dim=1)

    @property
    def confusion(self) -> Tensor:
        """How often each class was taken for each: rows are right classes, columns predictions. Shape: (K, K)."""
        k = self.logits.shape[1]
        return torch.bincount(self.labels * k + self.predictions, minlength=k * k).reshape(k, k)

    @property
    def class_accuracy(self) -> Tensor:
        """Accuracy within each class (NaN for a class with no image). Shape: (K,)."""
        confusion = self.confusion.double()
        return confusion.diagonal() / confusion.sum(dim=1)

    @property
    def mistakes(self) -> Tensor:
        """Indices of the images that were classified wrongly, the most confident mistake first. Shape: (M,)."""
        wrong = (self.predictions != self.labels).nonzero().flatten()
        confidence = self.logits[wrong].softmax(dim=1).amax(dim=1)
        return wrong[confidence.argsort(descending=True, stable=True)]

    def top_k(self, k: int) -> float:
        """Fraction of images whose right class is among the k highest logits.

        Raises:
            ValueError: k is not between 1 and the number of classes.
        """
        if not 1 <= k <= self.logits.shape[1]:
            raise ValueError(f"k={k!r} must lie between 1 and the number of classes, {self.logits.shape[1]}.")
        best = self.logits.topk(k, dim=1).indices
        return (best == self.labels[:, None]).any(dim=1).double().mean().item()

    def __repr__(self) -> str:
        return f"Evaluation(loss={self.loss:.4f}, accuracy={self.accuracy:.2%} of {len(self.labels)} images)"


def main_output(output: Any) -> Tensor:
    """The logits of a forward pass: the output itself, or the first item where a model returns several.

    Raises:
        ValueError: it is neither a tensor nor a tuple that begins with one.
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, list | tuple) and output and isinstance(output[0], Tensor):
        return output[0]
    kind = type(output).__name__
    given = f"a {kind} with {', '.join(map(repr, output)) or 'nothing'}" if isinstance(output, Mapping) else f"a {kind}"
    raise ValueError(
        f"The model returned {'None' if output is None else given}: a tensor of logits (N, K) is needed, or a tuple "
        "that begins with it. Wrap the model in a module whose forward returns that tensor."
    )


class Evaluator:
    """One pass over a set, a batch at a time, so that whoever drives it can stop in between."""

    def __init__(
        self,
        model: nn.Module,
        images: ImageSet,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        batch_size: int = 512,
        device: torch.device | None = None,
        amp_dtype: torch.dtype | None = None,
        channels_last: bool = False,
        loss: Loss | None = None,
    ) -> None:
        self.model, self.images = model, images
        self.device = device or model_device(model)
        self.loss = None if loss is None else loss_on(loss, self.device)
        self.amp_dtype, self.channels_last = amp_dtype, channels_last
        self.batches = -(-len(images) // batch_size)
        self.batch = 0
        self._source = batches(images, batch_size, mean=mean, std=std, device=self.device)
        self._highest = int(images.labels.max()) if len(images) else 0
        self._logits: list[Tensor] = []

    def step(self) -> bool:
        """Put one batch through the model. True while batches are left."""
        if self.batch >= self.batches:
            return False
        # Not inference mode: what a model keeps from a pass (positions, masks) must serve in training too.
        with evaluating(self.model), torch.no_grad(), autocast(self.device, self.amp_dtype):
            x, _ = next(self._source)
            if self.channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            logits = main_output(self.model(x)).float()
        if logits.ndim != 2 or logits.shape[1] <= self._highest:
            classes = len(self.images.classes)
            raise ValueError(
                f"The model's output for {len(x)} images has shape {tuple(logits.shape)}, and the labels go up to "
                f"{self._highest}: a number for each class, ({len(x)}, {classes}), is needed. Build the model with "
                f"num_classes={classes}."
            )
        self._logits.append(logits)
        self.batch += 1
        return self.batch < self.batches

    def result(self) -> Evaluation:
        """The measures over all batches so far."""
        logits = torch.cat(self._logits)
        labels = self.images.labels[: len(logits)].to(logits.device)
        with torch.no_grad():  # where the model is: a loss may hold tensors of its own, such as class weights
            loss = (self.loss or F.cross_entropy)(logits, labels).item()
        logits, labels = logits.cpu(), labels.cpu()
        # Made outside inference mode, so that callers may use it as an ordinary tensor.
        logits = logits.clone() if logits.is_inference() else logits
        accuracy = (logits.argmax(dim=1) == labels).double().mean().item()
        return Evaluation(loss, accuracy, logits, labels, tuple(self.images.classes))


def evaluate(
    model: nn.Module,
    images: ImageSet,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    batch_size: int = 512,
    device: torch.device | str | None = None,
    loss: Loss | None = None,
) -> Evaluation:
    """Run ``model`` over ``images`` in evaluation mode and without gradients.

    The images go through as stored (uint8, in memory), normalized by ``mean`` and ``std``; the
    model's training flags come back as they were.

    Args:
        device: where to compute; None is where the model is.
        loss: ``loss(logits, labels) -> scalar``; None is cross-entropy. A module goes where the model is.

    Raises:
        ValueError: no images.
    """
    if len(images) == 0:
        raise ValueError("There are no images to evaluate: the set is empty.")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r} must be 1 or more.")
    where = torch.device(device) if device is not None else model_device(model)
    if device is not None:
        model.to(where)
    evaluator = Evaluator(model, images, mean=mean, std=std, batch_size=batch_size, device=where, loss=loss)
    while evaluator.step():
        pass
    return evaluator.result()


def model_device(model: nn.Module) -> torch.device:
    """Where the model's first parameter or buffer lies; the CPU for a model without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def loss_on(loss: Loss, device: torch.device) -> Loss:
    """The loss; what a module holds, such as class weights, moves to the device."""
    return loss.to(device) if isinstance(loss, nn.Module) else loss


def autocast(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """Mixed precision in ``dtype``, or nothing at all where ``dtype`` is None."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
