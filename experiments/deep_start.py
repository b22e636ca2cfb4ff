"""Why does a deep VGG not start? The first weights' size by batch norm by learning rate, at the depth of network E.

The loss of a network that has not started is that of guessing, ln 10 = 2.303 for ten classes. Reports of it fill the
issue lists of many libraries. The starts are multiples of He's deviation, the one that keeps a signal at its size:
0.5 is about what a deviation of 0.01 is in a layer of 512 channels, 0.71 is Glorot's start, and 2 is too large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

from cnnlab.chapters.vgg.small import small_vgg
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, fresh_model, load, main


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    train_images: int | None
    test_images: int | None
    epochs: int
    size: int | None = None
    depths: tuple[int, ...] = (2, 2, 4, 4, 4)
    width: int = 8
    batch_size: int = 50
    gains: tuple[float, ...] = (0.5, 0.71, 1.0, 2.0)
    rates: tuple[float, ...] = (0.005, 0.02, 0.08)
    momentum: float = 0.9


def cases(settings: Settings) -> list[Case]:
    return [
        {"batch_norm": batch_norm, "gain": gain, "lr": lr}
        for batch_norm, gain, lr in product((False, True), settings.gains, settings.rates)
    ]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    channels, side, _ = data.shape
    start = {"batch_norm": case["batch_norm"], "gain": case["gain"]}
    shape = {"width": settings.width, "side": side, "in_channels": channels, "num_classes": data.num_classes}
    model = fresh_model(lambda: small_vgg(settings.depths, **start, **shape), seed)
    model.name = f"{'with' if case['batch_norm'] else 'without'} batch norm, {case['gain']:g} x He"
    training = {"epochs": settings.epochs, "batch_size": settings.batch_size, "optimizer": "sgd", "lr": case["lr"]}
    return Prepared(model, data, training | {"momentum": settings.momentum})


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    return {
        "parameters": run.config["parameters"],
        "diverged": False,
        "train_loss": run.final["train_loss"],
        "test_accuracy": run.final["test_accuracy"],
        "train_loss_by_epoch": [round(row["train_loss"], 5) for row in run.history],
    }


def diverged(prepared: Prepared) -> dict[str, Any]:
    """As one that guesses: numbers that are none cannot be averaged, and ``diverged`` says what it was."""
    classes = prepared.data.num_classes
    return {
        "parameters": sum(p.numel() for p in prepared.model.parameters()),
        "diverged": True,
        "train_loss": math.log(classes),
        "test_accuracy": 1 / classes,
        "train_loss_by_epoch": [],
    }


EXPERIMENT = Experiment(
    name="deep_start",
    question="Which first weights let sixteen plain convolutions start, with and without batch norm?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            depths=(2, 2, 4),
            width=2,
            train_images=60,
            test_images=40,
            epochs=1,
            batch_size=30,
            gains=(0.5, 1.0),
            rates=(0.02,),
        ),
        "laptop": Settings(data="cifar10", train_images=1_500, test_images=500, epochs=4),
        "gpu": Settings(data="cifar10", train_images=None, test_images=None, epochs=20, width=64, batch_size=128),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("train_loss", "test_accuracy"),
    diverged=diverged,
)

if __name__ == "__main__":
    main(EXPERIMENT)
