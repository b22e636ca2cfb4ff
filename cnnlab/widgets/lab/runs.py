"""A run of the training lab: how it begins, a tick of it, and what is kept: settings, model, history, how it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from cnnlab.errors import unknown_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from cnnlab.data import Dataset, ImageSet
    from cnnlab.models import ModelInfo
    from cnnlab.training import Run, Trainer
    from cnnlab.training.evaluation import Evaluation

__all__ = [
    "State",
    "AUGMENTATIONS",
    "PLACED_AUGMENTATIONS",
    "STARTS",
    "TRAINS",
    "TICK_SECONDS",
    "Settings",
    "Task",
    "LabRun",
    "make_run",
    "train_tick",
    "make_augmentation",
    "duration",
    "parts_of",
]

State = Literal["training", "finished", "stopped", "failed"]

AUGMENTATIONS: tuple[str, ...] = ("none", "shift", "flip", "rotate", "cutout")

# Where boxes and masks move along; "all" are those of _MOVING one after another.
PLACED_AUGMENTATIONS: tuple[str, ...] = ("none", "shift", "flip", "rotate", "warp", "color", "all")
_MOVING = ("shift", "flip", "rotate", "color")

# Only for networks that somebody has trained before.
STARTS: tuple[str, ...] = ("fresh", "pretrained")
TRAINS: tuple[str, ...] = ("all", "all, slower below", "the top", "the head")
_STRATEGIES = {"all, slower below": "all", "the top": "top", "the head": "head"}  # those of cnnlab.transfer.prepare

# The clock's tick, and so the longest that a press on Stop waits (beside one batch).
TICK_SECONDS = 0.2


@dataclass(frozen=True)
class Settings:
    """The choices on the panel when Train was pressed."""

    model: str
    data: str
    optimizer: str
    lr: float
    augmentation: str
    epochs: int
    batch_size: int
    start: str = "fresh"
    trains: str = "all"

    @property
    def label(self) -> str:
        """For example "lenet5_28, mnist, sgd 0.03"; what is not as usual only where it is not."""
        usual = {"augmentation": "none", "start": "fresh", "trains": "all"}
        more = [getattr(self, name) for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([self.model, self.data, f"{self.optimizer} {self.lr:g}", *more])

    @property
    def transfers(self) -> bool:
        """Whether it begins with weights of an earlier training, or leaves some as they are."""
        return self.start != "fresh" or self.trains != "all"


@dataclass(frozen=True)
class Task:
    """What a lab measures beside the loss, and what it draws.

    Attributes:
        name: what the networks do, such as "classification".
        measure: its name in a run's history, without "train_" or "test_".
        said: the same in words.
        curves: the views that are curves: their names and those of what they show in the history.
        pictures: the other views, each a function of a run that gives a matplotlib figure and its words.
        augmentations: those that the menu offers.
        percent: whether values are shown in percent.
        rates: the learning rates that the panel starts with, by optimizer, where they are others than usual.
        while_training: whether it is measured on the training pictures too.
    """

    name: str
    measure: str
    said: str
    curves: dict[str, str]
    pictures: dict[str, Callable[[LabRun | None], tuple[Figure, str]]]
    augmentations: tuple[str, ...] = AUGMENTATIONS
    percent: bool = False
    rates: dict[str, float] = field(default_factory=dict)
    while_training: bool = False

    @property
    def views(self) -> tuple[str, ...]:
        """The names of all, curves first."""
        return (*self.curves, *self.pictures)

    def value(self, given: float | None) -> str:
        """A value of the measure as it is shown; "" for none."""
        if given is None or not math.isfinite(given):
            return ""
        return f"{given:.1%}" if self.percent else f"{given:.3f}"


@dataclass(eq=False)
class LabRun:
    """One press on Train.

    Attributes:
        number: 1 for the first run of this lab.
        settings: what was chosen.
        model: the network; after training, with the weights that training left.
        data: what it was trained on.
        trainer: drives the training.
        task: what is measured.
        state: "training", "finished", "stopped" or "failed".
    """

    number: int
    settings: Settings
    model: nn.Module
    data: Dataset
    trainer: Trainer
    task: Task
    state: State = "training"
    _unfinished: Evaluation | None = field(default=None, repr=False)

    @property
    def run(self) -> Run:
        """The record of the training: history, configuration, provenance, ``plot()``, ``save(path)``."""
        return self.trainer.run

    @property
    def history(self) -> list[dict[str, Any]]:
        return self.run.history

    @property
    def label(self) -> str:
        return f"{self.number}: {self.settings.label}"

    @property
    def part(self) -> str:
        """What is measured after each epoch: "validation" where the data set has such a part, else "test"."""
        return "test" if self.data.validation is None else "validation"

    @property
    def measured(self) -> ImageSet:
        """The pictures of that part."""
        return self.data.parts[self.part]

    @property
    def now(self) -> dict[str, float] | None:
        """The epoch in progress: "at" (in epochs: 1.5 is half way through the second), "loss", and the measure if it
        is measured while training; else None.

        They are means over the epoch's batches so far, while the weights were changing.
        """
        live = self.trainer.live
        if self.state != "training" or live["train_loss"] is None:
            return None
        at = live["epoch"] - 1 + live["batch"] / live["batches"]
        named = self.task.measure
        measured = {named: live[f"train_{named}"]} if self.task.while_training else {}
        return {"at": at, "loss": live["train_loss"], **measured}

    def evaluation(self) -> Evaluation | None:
        """What the model said about the pictures that are measured after its last finished epoch.

        A run that ended within its first epoch is evaluated as it is; one that is still in it gives None.
        """
        from cnnlab.training import evaluate

        if self.trainer.last_evaluation is not None or self.state == "training":
            return self.trainer.last_evaluation
        if self._unfinished is None:
            data = self.data
            self._unfinished = evaluate(self.model, self.measured, mean=data.mean, std=data.std)
        return self._unfinished


def make_run(number: int, settings: Settings, info: ModelInfo, data: Dataset, seed: int) -> LabRun:
    """The network, built for the data, and its trainer, which has yet to begin.

    Args:
        number: of the run, from 1.
        settings: what was chosen.
        info: of the network.
        data: to train on, at the size that the network is to see.
        seed: of the parameters and of the order of the pictures.
    """
    import torch

    from cnnlab.models.factory import build_model, create_model
    from cnnlab.training import Trainer
    from cnnlab.transfer import for_weights, prepare

    # Equal settings start from equal parameters.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if settings.start == "pretrained":
            model = create_model(info.name, num_classes=data.num_classes, weights="imagenet")
            data = for_weights(data, model, data.shape[1])
        else:
            model = build_model(info, num_classes=data.num_classes, in_channels=data.shape[0])
    optimizer: Any = {"optimizer": settings.optimizer, "lr": settings.lr}
    if settings.trains != "all":
        kept = "frozen" if settings.start == "pretrained" else "moving"
        optimizer = {"optimizer": prepare(model, _STRATEGIES[settings.trains], batch_norm=kept, **optimizer)}
    trainer = Trainer(
        model,
        data,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        **optimizer,
        augment=make_augmentation(settings.augmentation, data.shape[1]),
        seed=seed,
    )
    from cnnlab.widgets.lab.pictures import CLASSIFICATION

    return LabRun(number, settings, model, data, trainer, CLASSIFICATION)


def train_tick(trainer: Trainer, epoch: int | None) -> bool:
    """One tick's work; True while work is left. With ``epoch``, not beyond that many finished epochs."""
    if epoch is None:
        return trainer.run_for(TICK_SECONDS)
    end = time.monotonic() + TICK_SECONDS
    while trainer.step():
        if trainer.epoch >= epoch or time.monotonic() >= end:
            return True
    return False


def parts_of(runs: Sequence[LabRun]) -> str:
    """What the runs were measured on: "test", "validation", or both."""
    return " or ".join(sorted({run.part for run in runs})) or "test"


def make_augmentation(name: str, size: int) -> Any:
    """The augmentation that the panel calls ``name``, for pictures ``size`` pixels wide; None for "none".

    Raises:
        ValueError: no such augmentation.
    """
    from cnnlab.data import augment

    makers = {
        "none": lambda: None,
        "shift": lambda: augment.Crop(padding=max(1, size // 10)),
        "flip": lambda: augment.Flip(),
        "rotate": lambda: augment.Rotate(15),
        "cutout": lambda: augment.Cutout(max(1, size // 4)),
        "warp": lambda: augment.LocalWarp(size / 20),
        "color": lambda: augment.ColorShift(0.3),
        "all": lambda: augment.Compose([each() for name, each in makers.items() if name in _MOVING]),
    }
    if name not in makers:
        raise unknown_name("augmentation", name, makers)
    return makers[name]()


def duration(seconds: float) -> str:
    """ "8 s", "2 min 5 s", "1 h 4 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
