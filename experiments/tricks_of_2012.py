"""Which of AlexNet's novelties can be seen in a small network: ReLU, response norm, overlapping pooling, dropout?

Krizhevsky, Sutskever and Hinton (2012), figure 1: a network of four layers with ReLUs reaches 25 % training error on
CIFAR-10 six times faster than one with tanh units, without regularization and each at its own best learning rate.
Which network that was is not told beyond its four layers, nor how it started; here both kinds start in today's way, at
three rates each. Sections 3.3, 3.4 and 4.2: response normalization, overlapping pooling and dropout, switched one by
one on the network with ReLUs. For the first the paper gives 13 and 11 % test error without and with it on CIFAR-10,
again with four layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.chapters.alexnet.four_layers import four_layers
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, fresh_model, load, main

GOAL = 0.25  # training error
TRICKS: dict[str, dict[str, Any]] = {
    "response norm": {"norm": True},
    "no overlap": {"overlap": False},
    "dropout": {"dropout": 0.5},
}


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    train_images: int | None
    test_images: int | None
    rates: tuple[float, ...]
    trick_rate: float
    tricks: tuple[str, ...] = tuple(TRICKS)
    batch_size: int = 32
    momentum: float = 0.9
    width: int = 16


def cases(settings: Settings) -> list[Case]:
    speed = [{"units": units, "lr": lr, "trick": "none"} for lr in settings.rates for units in ("relu", "tanh")]
    return speed + [{"units": "relu", "lr": settings.trick_rate, "trick": name} for name in settings.tricks]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images)
    switches = TRICKS.get(case["trick"], {})
    model = fresh_model(
        lambda: four_layers(
            case["units"],
            width=settings.width,
            in_channels=data.shape[0],
            num_classes=data.num_classes,
            side=data.shape[1],
            **switches,
        ),
        seed,
    )
    model.name = " ".join(str(value) for value in case.values())
    training = {"epochs": settings.epochs, "batch_size": settings.batch_size, "schedule": "constant"}
    return Prepared(model, data, {**training, "optimizer": "sgd", "lr": case["lr"], "momentum": settings.momentum})


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    errors = [1 - row["train_accuracy"] for row in run.history]
    return {
        "parameters": run.config["parameters"],
        "train_error": errors[-1],
        "test_error": 1 - run.final["test_accuracy"],
        "epochs_to_goal": epochs_to(GOAL, errors),
        "train_error_by_epoch": [round(error, 5) for error in errors],
        "test_error_by_epoch": [round(1 - row["test_accuracy"], 5) for row in run.history],
    }


def epochs_to(goal: float, errors: list[float]) -> float | None:
    """Epochs until the training error has come down to ``goal``, with a straight line between two; None: not reached.

    The error of an epoch is the mean over it, so it belongs to the epoch's middle.
    """
    for number, error in enumerate(errors):
        if error <= goal:
            if number == 0:
                return 0.5
            before = errors[number - 1]
            return round(number - 0.5 + (before - goal) / (before - error), 2)
    return None


EXPERIMENT = Experiment(
    name="tricks_of_2012",
    question="Do ReLUs learn six times faster than tanh units, and what do AlexNet's other novelties bring?",
    settings={
        "smoke": Settings(
            data="shapes",
            epochs=2,
            train_images=64,
            test_images=64,
            rates=(0.005,),
            trick_rate=0.005,
            tricks=("response norm",),
            width=4,
        ),
        "laptop": Settings(
            data="cifar10",
            epochs=18,
            train_images=2500,
            test_images=2000,
            rates=(0.0025, 0.005, 0.01),
            trick_rate=0.005,
        ),
        "gpu": Settings(
            data="cifar10",
            epochs=40,
            train_images=None,
            test_images=None,
            rates=(0.0025, 0.005, 0.01, 0.02),
            trick_rate=0.005,
            batch_size=128,
            width=32,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("train_error", "test_error"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
