"""What is minimized and what is measured, for the targets that the data give.

===================================  ==============================  ==================================
targets y                            loss                            measured, where nothing is named
===================================  ==============================  ==================================
int64 (N,), class numbers            cross-entropy                   accuracy
int64 (N, H, W), a class each pixel  cross-entropy of the pixels     pixel_accuracy
float (N, K), probabilities          ``nn.CrossEntropyLoss()``       accuracy
float (N, K) of 0 and 1, labels      ``nn.BCEWithLogitsLoss()``      label_accuracy
float (N,) or (N, d), values         ``nn.MSELoss()`` and the like   absolute_error
float (N, P, 3), key points          a function of yours             nothing
``detection.Objects`` in a list      such as ``Grid(...).loss``      nothing
other dicts, lists, dataclasses      a function of yours             nothing
===================================  ==============================  ==================================

The first two need no ``loss=``; for the others it says which of them is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.data.loaders import LoaderError, tensors

__all__ = ["Loss", "Metric", "SetMetric", "Objective", "accuracy", "pixel_accuracy", "label_accuracy", "absolute_error"]

Loss = Callable[[Any, Any], Tensor]
Metric = Callable[[Any, Any], Tensor]


@runtime_checkable
class SetMetric(Protocol):
    """A measure that no mean over pictures gives, such as mean average precision.

    It is measured on the set that is measured after each epoch, and not while training.
    """

    def __call__(self, output: Any, y: Any) -> Any:
        """What is kept of a batch, on the CPU."""

    def of_set(self, kept: list[Any]) -> float:
        """The measure, of what was kept of all batches."""


_VALUES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss)
_VALUES_BY_FUNCTION = (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss)
_LABELS = (nn.BCEWithLogitsLoss, nn.MultiLabelSoftMarginLoss)
_LABELS_BY_FUNCTION = (F.binary_cross_entropy_with_logits, F.multilabel_soft_margin_loss)


class Objective:
    """The loss and the measures of a training or an evaluation.

    Attributes:
        loss: as given; None is cross-entropy.
        metrics: name -> function(output, target); known once :meth:`settle` has seen an output and its targets.
        of_set: name -> :class:`SetMetric`.
        num_classes: K, where targets are class numbers.
    """

    def __init__(
        self,
        loss: Loss | None = None,
        label_smoothing: float = 0.0,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        self.loss, self.label_smoothing = loss, label_smoothing
        given = dict(metrics or {})
        self.of_set: dict[str, SetMetric] = {name: m for name, m in given.items() if isinstance(m, SetMetric)}
        self.metrics: dict[str, Metric] = {name: m for name, m in given.items() if name not in self.of_set}
        self.num_classes: int | None = None
        self.ignored = getattr(loss, "ignore_index", -100)
        self.settled = False
        self._named = metrics is not None

    @property
    def takes_classes(self) -> bool:
        """Whether the loss is a cross-entropy, which needs a number for each class."""
        return (
            self.loss is None
            or isinstance(self.loss, nn.CrossEntropyLoss | nn.NLLLoss)
            or (self.loss in (F.cross_entropy, F.nll_loss))
        )

    def settle(self, output: Any, y: Any, who: str) -> None:
        """Ask whether ``output`` and ``y`` suit the loss, and choose the measures where none were named.

        Raises:
            ValueError: they do not.
        """
        if self.settled:
            return
        if self.loss is None:
            _suits_cross_entropy(output, y, who)
        elif self._elementwise and isinstance(output, Tensor) and isinstance(y, Tensor) and output.shape != y.shape:
            raise ValueError(
                f"The model's output for {len(output)} images has shape {tuple(output.shape)} and the targets of {who} "
                f"have {tuple(y.shape)}: the loss would stretch one to the other and compare each with all. Give "
                "both one shape: y[:, None] for a model that ends with one number, or nn.Flatten(0) at its end."
            )
        classes = isinstance(y, Tensor) and y.dtype == torch.int64 and isinstance(output, Tensor) and output.ndim >= 2
        if classes and output.ndim == y.ndim + 1 and self.takes_classes:
            self.num_classes = output.shape[1]
            self.check(y)
        if not self._named:
            self.metrics = self._usual(output, y)
        self.settled = True

    def check(self, y: Any) -> None:
        """Whether class numbers are below the number of classes, asked before a GPU's kernel stops at one that is not.

        Raises:
            LoaderError: one is not.
        """
        if self.num_classes is None or not isinstance(y, Tensor) or y.dtype != torch.int64 or y.is_cuda:
            return
        low, high = y.aminmax()
        if low >= 0 and high < self.num_classes:
            return
        wrong = y[(y != self.ignored) & ((y < 0) | (y >= self.num_classes))]
        if len(wrong):
            raise LoaderError(
                f"A target is class {int(wrong[0])}, and the model tells {self.num_classes} classes apart: 0 to "
                f"{self.num_classes - 1}. Number the classes from 0, build the model with more (num_classes=...), or "
                f"mark what does not count with {self.ignored} (nn.CrossEntropyLoss(ignore_index=...) takes another)."
            )

    def criterion(self, output: Any, y: Any, *, smoothing: float = 0.0) -> Tensor:
        """The loss of an output in float32."""
        if self.loss is not None:
            return self.loss(output, y)
        return F.cross_entropy(output, y, label_smoothing=smoothing)

    def measures(self, output: Any, y: Any, count: int) -> dict[str, Tensor]:
        """Each measure's sum over the ``count`` pictures of a batch, on the device."""
        found = {}
        for name, metric in self.metrics.items():
            value = _measured(name, metric, output, y, count)
            found[name] = value.sum() if value.ndim else value * count
        return found

    def means(self, output: Any, y: Any, count: int) -> dict[str, float]:
        """Each measure's mean over ``count`` pictures."""
        found = {name: _measured(name, metric, output, y, count) for name, metric in self.metrics.items()}
        return {name: value.double().mean().item() for name, value in found.items()}

    @property
    def _elementwise(self) -> bool:
        return isinstance(self.loss, _VALUES) or self.loss in _VALUES_BY_FUNCTION

    def _usual(self, output: Any, y: Any) -> dict[str, Metric]:
        if not isinstance(output, Tensor) or not isinstance(y, Tensor):
            return {}
        if y.dtype == torch.int64 and output.ndim == y.ndim + 1:
            if output.shape[1] <= max(1, int(y.max())):
                return {}  # one number, which a loss of the reader's compares with the class numbers
            if y.ndim == 1:
                return {"accuracy": accuracy}
            return {"pixel_accuracy": lambda output, y: pixel_accuracy(output, y, self.ignored)}
        if output.shape != y.shape or not y.is_floating_point():
            return {}
        if self.takes_classes:
            return {"accuracy": accuracy} if y.ndim == 2 else {}
        labels = isinstance(self.loss, _LABELS) or self.loss in _LABELS_BY_FUNCTION
        if labels or (not self._elementwise and bool(((y == 0) | (y == 1)).all())):
            return {"accuracy" if y[0].numel() == 1 else "label_accuracy": label_accuracy}
        return {"absolute_error": absolute_error}


# --- what can be measured --------------------------------------------------------------------------------------------


def accuracy(output: Tensor, y: Tensor) -> Tensor:
    """Whether the highest of (N, K) is the right class, of numbers (N,) or probabilities (N, K). Shape: (N,), bool."""
    right = y.argmax(dim=1) if y.ndim == 2 else y
    return output.argmax(dim=1) == right


def pixel_accuracy(output: Tensor, y: Tensor, ignored: int = -100) -> Tensor:
    """Share of each picture's pixels whose class is right, those marked ``ignored`` left out. Shape: (N,)."""
    counts = (y != ignored).flatten(1)
    right = (output.argmax(dim=1) == y).flatten(1) & counts
    return right.sum(1) / counts.sum(1).clamp(min=1)


def label_accuracy(output: Tensor, y: Tensor) -> Tensor:
    """Share of each picture's labels (or pixels) of 0 and 1 that a logit above 0 tells right. Shape: (N,)."""
    return ((output > 0) == (y > 0.5)).flatten(1).float().mean(1) if y.ndim > 1 else (output > 0) == (y > 0.5)


def absolute_error(output: Tensor, y: Tensor) -> Tensor:
    """Mean of the absolute differences of each picture. Shape: (N,)."""
    return (output - y).abs().reshape(len(y), -1).mean(1)


def _measured(name: str, metric: Metric, output: Any, y: Any, count: int) -> Tensor:
    value = torch.as_tensor(metric(output, y))
    if value.ndim and value.shape != (count,):
        raise ValueError(
            f"metrics: {name!r} returned a tensor of shape {tuple(value.shape)} for {count} pictures. It must return a "
            f"number for each, ({count},), or one number, their mean."
        )
    return value


# --- what suits a loss -----------------------------------------------------------------------------------------------


def _suits_cross_entropy(output: Any, y: Any, who: str) -> None:
    if not isinstance(y, Tensor):
        found = ", ".join(str(tuple(tensor.shape)) for tensor in tensors(y))
        raise ValueError(
            f"{who} gives targets of {type(y).__name__} with tensors of {found}, for which fit knows no loss. Give "
            "loss=, a function of (output, y) that returns one number."
        )
    shape = tuple(y.shape)
    if y.dtype in (torch.int8, torch.int16, torch.int32, torch.uint8) or (y.dtype == torch.bool and y.ndim != 2):
        raise ValueError(
            f"{who} gives targets {y.dtype} of shape {shape}. Class numbers must be torch.int64: y.long(). Several "
            "labels or values must be floats, y.float(), and need loss=."
        )
    if y.dtype != torch.int64 or y.ndim == 0:
        raise ValueError(
            f"{who} gives targets {y.dtype} of shape {shape}, which could be many things. Say which by the loss: "
            "loss=nn.BCEWithLogitsLoss() for several labels of 0 and 1, nn.CrossEntropyLoss() for probabilities, "
            "nn.MSELoss() or nn.SmoothL1Loss() for measured values. Class numbers must be torch.int64."
        )
    given = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if isinstance(output, Tensor) and output.ndim == y.ndim + 1 and (*output.shape[:1], *output.shape[2:]) == shape:
        return
    if y.ndim > 1 and y.shape[1] == 1:
        raise ValueError(f"{who} gives targets of shape {shape}: drop the axis of one, y.squeeze(1).")
    wanted = "(N, K)" if y.ndim == 1 else f"(N, K, {', '.join(map(str, shape[1:]))})"
    raise ValueError(
        f"The model's output for targets of shape {shape} has shape {given}, and {wanted} is needed, K the number of "
        "classes. "
        + (
            "End the model with a map of the masks' size. A network that halves its maps keeps the size of pictures "
            "whose sides can be halved as often, multiples of 16."
            if y.ndim > 1
            else "Build it with num_classes=K."
        )
    )
