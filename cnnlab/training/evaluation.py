"""Measuring a model on a set of images: loss, the measures that suit its targets, top-k, confusion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.data.loaders import LoaderError, LoaderSource, together
from cnnlab.data.sources import MemorySource, source_of
from cnnlab.modes import evaluating
from cnnlab.prediction import unwrapped
from cnnlab.preprocessing import Preprocess
from cnnlab.processes import ALONE, Processes, joined
from cnnlab.training.measures import ClassTable, class_table, plot_confusion
from cnnlab.training.objective import Loss, Metric, Objective

if TYPE_CHECKING:
    from cnnlab.data.sources import Source

__all__ = [
    "Evaluation",
    "main_output",
    "counted_output",
    "in_float32",
    "Evaluator",
    "evaluate",
    "model_device",
    "loss_on",
    "autocast",
]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model said about a set of images. All tensors are on the CPU.

    Attributes:
        loss: mean loss per image.
        accuracy: fraction of images whose highest logit is the right class (top-1); None where the targets are no
            classes or other measures were asked for.
        logits: the model's outputs, (N, K) float32; None where they are maps or several tensors, which are not kept.
        labels: the targets, for classes (N,) int64; None where the outputs are.
        classes: K names.
        measures: each measure by name, "accuracy" among them.
        count: how many images there were.
    """

    loss: float
    accuracy: float | None
    logits: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    measures: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def row(self, part: str) -> dict[str, float]:
        """As a run's history has it: "test_loss", "test_accuracy" for ``part="test"``."""
        return {f"{part}_loss": self.loss, **{f"{part}_{name}": value for name, value in self.measures.items()}}

    @property
    def predictions(self) -> Tensor:
        """The class with the highest logit. Shape: (N,) int64.

        Raises:
            ValueError: the targets are no classes.
        """
        if self.labels is None or self.labels.dtype != torch.int64 or self.labels.ndim != 1:
            raise ValueError("These targets are no classes, one for each image: see .measures for what was measured.")
        return self.logits.argmax(dim=1)

    @property
    def confusion(self) -> Tensor:
        """How often each class was taken for each: rows are right classes, columns predictions. Shape: (K, K)."""
        predictions, k = self.predictions, self.logits.shape[1]
        return torch.bincount(self.labels * k + predictions, minlength=k * k).reshape(k, k)

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

    @property
    def by_class(self) -> ClassTable:
        """Precision, recall and F1 of each class as a table, their means under ``.macro``; has ``to_dataframe()``."""
        return class_table(self.confusion, self._names)

    @property
    def precision(self) -> Tensor:
        """Of the images taken for each class, the share that shows it; see :class:`ClassTable`. Shape: (K,)."""
        return self.by_class.precision

    @property
    def recall(self) -> Tensor:
        """Of the images that show each class, the share taken for it; see :class:`ClassTable`. Shape: (K,)."""
        return self.by_class.recall

    @property
    def f1(self) -> Tensor:
        """The harmonic mean of the two; see :class:`ClassTable`. Shape: (K,)."""
        return self.by_class.f1

    def plot_confusion(self, alt: str | None = None, caption: str | None = None, **options: Any) -> None:
        """Show :attr:`confusion` with ``cnnlab.draw.confusion``, which says what options there are.

        Args:
            alt: what the picture shows, for readers who cannot see it; None for a sentence made from the numbers.
            caption: the numbered line below.
        """
        plot_confusion(self.confusion, self._names, alt, caption, **options)

    @property
    def _names(self) -> tuple[str, ...]:
        """A name for each output, its number where the set has none."""
        more = range(len(self.classes), self.logits.shape[1])
        return (*self.classes, *map(str, more))

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
        count = self.count if self.labels is None else len(self.labels)
        measures = {} if self.accuracy is None else {"accuracy": self.accuracy}
        measures |= self.measures
        shares = (f"{name}={v:.2%}" if name.endswith("accuracy") else f"{name}={v:.4g}" for name, v in measures.items())
        return f"Evaluation({', '.join([f'loss={self.loss:.4f}', *shares])} of {count} images)"


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


def counted_output(model: nn.Module, output: Any, objective: Objective) -> Any:
    """What the loss is given: the logits; all that the model returns, where a loss of the reader's is made for it."""
    own = objective.loss is not None and not objective.takes_classes and not hasattr(model, "auxiliary_weights")
    return output if own and isinstance(output, Mapping | list | tuple) else main_output(output)


def in_float32(output: Any) -> Any:
    """An output, or all tensors of one, out of mixed precision."""
    if isinstance(output, Tensor):
        return output.float() if output.is_floating_point() else output
    if isinstance(output, Mapping):
        return {key: in_float32(value) for key, value in output.items()}
    if isinstance(output, list | tuple):
        return [in_float32(value) for value in output]
    return output


class Evaluator:
    """One pass over a source, a batch at a time, so that whoever drives it can stop in between.

    Of several processes each measures its part, and :meth:`result` puts them together: to be called by all.
    """

    def __init__(
        self,
        model: nn.Module,
        source: Source,
        objective: Objective,
        *,
        device: torch.device,
        amp_dtype: torch.dtype | None = None,
        channels_last: bool = False,
        processes: Processes = ALONE,
    ) -> None:
        self.model, self.source, self.objective, self.processes = model, source, objective, processes
        self.device, self.amp_dtype, self.channels_last = device, amp_dtype, channels_last
        self.batch = 0
        self._batches = source.open(0)
        self._highest = int(source.images.labels.max()) if isinstance(source, MemorySource) else 0
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._sums: dict[str, float] = {}
        self._kept: dict[str, list[Any]] = {name: [] for name in objective.of_set}
        self._count = 0

    def step(self) -> bool:
        """Put one batch through the model. True while batches are left."""
        batch = next(self._batches, None)
        if batch is None:
            return False
        x, y = batch
        # Not inference mode: what a model keeps from a pass (positions, masks) must serve in training too.
        with evaluating(self.model), torch.no_grad(), autocast(self.device, self.amp_dtype):
            if self.channels_last:
                x = x.contiguous(memory_format=torch.channels_last)
            output = in_float32(counted_output(self.model, self.model(x), self.objective))
        self._ask(output, x, y)
        for name, metric in self.objective.of_set.items():
            self._kept[name].append(metric(output, y))
        if isinstance(output, Tensor) and output.ndim <= 2 and isinstance(y, Tensor):
            self._outputs.append(output)
            self._targets.append(y)
        else:  # maps of all images would fill the memory
            with torch.no_grad():
                found = {"loss": self.objective.criterion(output, y) * len(x)}
                found |= self.objective.measures(output, y, len(x))
            for name, value in found.items():
                self._sums[name] = self._sums.get(name, 0.0) + value.item()
        self.batch += 1
        self._count += len(x)
        return self.source.batches is None or self.batch < self.source.batches

    def _ask(self, output: Any, x: Tensor, y: Any) -> None:
        """Whether there is a number for each class."""
        wanted = self.objective.takes_classes and isinstance(y, Tensor) and y.ndim == 1 and y.dtype == torch.int64
        if wanted and (not isinstance(output, Tensor) or output.ndim != 2 or output.shape[1] <= self._highest):
            classes = len(self.source.classes or ()) or "K"
            raise ValueError(
                f"The model's output for {len(x)} images has shape {tuple(output.shape)}, and the labels go up to "
                f"{self._highest}: a number for each class, ({len(x)}, {classes}), is needed. Build the model with "
                f"num_classes={classes}."
            )
        if not self.objective.settled:
            self.objective.settle(output, y.cpu() if isinstance(y, Tensor) else y, "The set")

    def result(self) -> Evaluation:
        """The measures over all batches so far.

        Raises:
            LoaderError: there were none.
        """
        logits = torch.cat(self._outputs) if self._outputs else None
        labels = torch.cat(self._targets) if self._outputs else None
        count, sums, kept = self._count, self._sums, self._kept
        if self.processes.several:
            logits, labels, sums, count = self._of_all(logits, labels)
            parts = self.processes.gathered(kept)
            kept = {name: [one for part in parts for one in part[name]] for name in kept}
        if count == 0:
            raise LoaderError(f"{self.source.name} gave no batch at all: there is nothing to measure on.")
        of_set = {name: metric.of_set(kept[name]) for name, metric in self.objective.of_set.items()}
        if logits is None:
            means = {name: value / count for name, value in sums.items()} | of_set
            loss = means.pop("loss")
            return Evaluation(loss, means.get("accuracy"), None, None, self._classes(None), means, count)
        with torch.no_grad():  # where the model is: a loss may hold tensors of its own, such as class weights
            loss = self.objective.criterion(logits, labels).item()
        logits, labels = logits.cpu(), labels.cpu()
        # Made outside inference mode, so that callers may use it as an ordinary tensor.
        logits = logits.clone() if logits.is_inference() else logits
        means = self.objective.means(logits, labels, count) | of_set
        return Evaluation(loss, means.get("accuracy"), logits, labels, self._classes(logits), means, count)

    def _of_all(self, logits: Tensor | None, labels: Tensor | None) -> tuple[Any, Any, dict[str, float], int]:
        """What all processes have found, each picture where it is in the set: every one of them has the same."""
        kinds = self.processes.gathered(None if logits is None else (logits[:0].cpu(), labels[:0].cpu()))
        kind = next(filter(None, kinds), None)
        sums: dict[str, float] = {}
        for part in self.processes.gathered(self._sums):
            for name, value in part.items():
                sums[name] = sums.get(name, 0.0) + value
        count = sum(self.processes.gathered(self._count))
        if kind is None:
            return None, None, sums, count
        mine = kind if logits is None else (logits.cpu(), labels.cpu())
        logits, labels = (together(tensor, self.processes).to(self.device) for tensor in mine)
        self.objective.settle(logits, labels, "The set")  # a process without pictures has seen nothing
        return logits, labels, sums, count

    def _classes(self, logits: Tensor | None) -> tuple[str, ...]:
        named = self.source.classes
        if named is not None or logits is None or logits.ndim != 2:
            return tuple(named or ())
        return tuple(str(number) for number in range(logits.shape[1]))


def evaluate(
    model: nn.Module,
    data: Dataset | ImageSet | Iterable[tuple[Tensor, Any]],
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int = 512,
    device: torch.device | str | None = None,
    loss: Loss | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> Evaluation:
    """Run ``model`` over ``data`` in evaluation mode and without gradients; its training flags come back as they were.

    Under ``torchrun`` each process measures its part of the pictures, every one of them once, and all get the same
    evaluation of the whole: so each of them has to call this.

    Args:
        data: a data set, of which the test set is measured with its own mean and std; one image set; or what gives
            pictures ready for the model: a torch ``DataLoader`` or ``Dataset``, or any iterable of (x, y).
        mean, std: of an image set, which does not know them: those of the data set that it came from. A network of
            ours that was trained on a data set, or that was loaded, knows them itself.
        batch_size: of pictures in memory; a loader has its own.
        device: where to compute; None is where the model is.
        loss: ``loss(output, target) -> scalar``; None is cross-entropy. A module goes where the model is.
        metrics: name -> function of (output, target) that returns a number for each image, or one, their mean; None
            for what suits the targets, as in :func:`cnnlab.fit`.

    Raises:
        ValueError: no images, or mean and std that are missing or not wanted.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r} must be 1 or more.")
    if isinstance(data, ImageSet) and mean is std is None:
        mean, std = _own_statistics(model)
    images, mean, std = _measured_set(data, mean, std)
    if isinstance(images, ImageSet) and len(images) == 0:
        raise ValueError("There are no images to evaluate: the set is empty.")
    where = torch.device(device) if device is not None else model_device(model)
    if device is not None:
        model.to(where)
    processes = joined()
    if processes.several and isinstance(model, nn.parallel.DistributedDataParallel):
        model = model.module  # a forward pass of the wrapper waits for the other processes
    objective = Objective(loss_on(loss, where), metrics=metrics)
    ways = {"device": where, "mean": mean, "std": std, "processes": processes}
    source = source_of(images, argument="data", batch_size=batch_size, **ways)
    if isinstance(source, LoaderSource):
        source.check = objective.check
    evaluator = Evaluator(model, source, objective, device=where, processes=processes)
    while evaluator.step():
        pass
    return evaluator.result()


def _own_statistics(model: nn.Module) -> tuple[Any, Any]:
    """Mean and std that the model was trained with, where it says so."""
    preprocess = getattr(unwrapped(model), "preprocess", None)
    return (preprocess.mean, preprocess.std) if isinstance(preprocess, Preprocess) else (None, None)


def _measured_set(data: Any, mean: Any, std: Any) -> tuple[Any, Any, Any]:
    """(what is measured, mean, std)."""
    if isinstance(data, ImageSet):
        if mean is None or std is None:
            raise ValueError(
                "An image set does not know the mean and std that the model was trained with: give the whole data set, "
                "evaluate(model, data), whose test set is measured, or mean=data.mean, std=data.std."
            )
        return data, mean, std
    if mean is not None or std is not None:
        what = f"{data.name!r} has its own" if isinstance(data, Dataset) else "a loader normalizes its pictures itself"
        raise ValueError(f"mean= and std= are for an image set alone: {what}. Leave them out.")
    return (data.test, data.mean, data.std) if isinstance(data, Dataset) else (data, None, None)


def model_device(model: nn.Module) -> torch.device:
    """Where the model's first parameter or buffer lies; the CPU for a model without any."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def loss_on(loss: Loss | None, device: torch.device) -> Loss | None:
    """The loss; what a module holds, such as class weights, moves to the device."""
    return loss.to(device) if isinstance(loss, nn.Module) else loss


def autocast(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """Mixed precision in ``dtype``, or nothing at all where ``dtype`` is None."""
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)
