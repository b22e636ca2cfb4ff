"""What does batch norm allow, what breaks it, and is it the steady distribution of its outputs that helps?

Ioffe and Szegedy (2015), section 4.2: with batch norm, Inception trained at five and at thirty times its learning rate;
without it, five times the rate ended in numbers that are none. Here the same stack is trained at rates from too low to
too high. Santurkar et al. (2018), section 2.1: noise behind every norm, with another mean and deviation in every step,
makes the distributions less steady than those of a network without norm, and it trains nevertheless; the same noise
without a norm does not. So how far the channels' means move from step to step is recorded with the accuracy. Last,
batches of two, whose rate is lowered as much as the batch: what the network says in either mode, with its running
statistics and with those of a batch.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnlab.chapters.inception.trial import NORMS, shift, trial
from cnnlab.training import Run, evaluate
from experiments.common import Case, Experiment, Prepared, fresh_model, load, main


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    train_images: int | None
    test_images: int | None
    epochs: int
    rates: tuple[float, ...]
    small_batches: tuple[int, ...]
    small_rate: float  # at a whole batch; lowered in proportion
    small_epochs: int
    size: int | None = None
    depths: tuple[int, ...] = (2, 2, 2)
    width: int = 8
    batch_size: int = 50
    momentum: float = 0.9
    norms: tuple[str, ...] = tuple(NORMS)


def cases(settings: Settings) -> list[Case]:
    sweep = [{"norm": norm, "lr": lr, "batch": settings.batch_size} for lr in settings.rates for norm in settings.norms]
    small = [
        {"norm": norm, "lr": settings.small_rate * batch / settings.batch_size, "batch": batch}
        for batch in settings.small_batches
        for norm in ("none", "batch norm")
    ]
    return sweep + small


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    channels, side, _ = data.shape
    shape = {"width": settings.width, "side": side, "in_channels": channels, "num_classes": data.num_classes}
    model = fresh_model(lambda: trial(case["norm"], settings.depths, **shape), seed)
    model.name = case["norm"]
    epochs = settings.epochs if case["batch"] == settings.batch_size else settings.small_epochs
    training = {"epochs": epochs, "batch_size": case["batch"], "optimizer": "sgd", "lr": case["lr"]}
    return Prepared(model, data, training | {"momentum": settings.momentum})


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    return {
        "parameters": run.config["parameters"],
        "diverged": False,
        "train_accuracy": run.final["train_accuracy"],
        "test_accuracy": run.final["test_accuracy"],
        "test_accuracy_of_batches": by_the_batch(prepared),
        "shift": shift(prepared.model),
        "train_accuracy_by_epoch": [round(row["train_accuracy"], 5) for row in run.history],
    }


def by_the_batch(prepared: Prepared) -> float:
    """Accuracy on the test images where each norm takes the statistics of the batch, as large as those it learned on.

    The images come in their stored order, and the rest behind it stays as in evaluation mode: no noise.
    """
    model, data = deepcopy(prepared.model), prepared.data
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = None
    batch = prepared.fit["batch_size"]
    mixed = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))
    return evaluate(model, data.test[mixed], batch_size=batch, mean=data.mean, std=data.std).accuracy


def diverged(prepared: Prepared) -> dict[str, Any]:
    """As one that guesses: numbers that are none cannot be averaged, and ``diverged`` says what it was."""
    guessing = 1 / prepared.data.num_classes
    return {
        "parameters": sum(p.numel() for p in prepared.model.parameters()),
        "diverged": True,
        "train_accuracy": guessing,
        "test_accuracy": guessing,
        "test_accuracy_of_batches": guessing,
        "shift": 0.0,
        "train_accuracy_by_epoch": [],
    }


EXPERIMENT = Experiment(
    name="batch_norm",
    question="Which learning rates still train with batch norm, without it, and with noise behind it?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            train_images=60,
            test_images=40,
            epochs=1,
            rates=(0.05,),
            small_batches=(2,),
            small_rate=0.05,
            small_epochs=1,
            depths=(1, 1),
            width=2,
            batch_size=30,
        ),
        "laptop": Settings(
            data="cifar10",
            size=16,
            train_images=3_000,
            test_images=1_000,
            epochs=8,
            rates=(0.01, 0.03, 0.1, 0.3, 1.0),
            small_batches=(2,),
            small_rate=0.1,
            small_epochs=1,
        ),
        "gpu": Settings(
            data="cifar10",
            train_images=None,
            test_images=None,
            epochs=20,
            rates=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
            small_batches=(2, 4, 8),
            small_rate=0.1,
            small_epochs=20,
            depths=(2, 2, 4, 4, 4),
            width=64,
            batch_size=128,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("train_accuracy", "test_accuracy", "test_accuracy_of_batches", "shift"),
    diverged=diverged,
)

if __name__ == "__main__":
    main(EXPERIMENT)
