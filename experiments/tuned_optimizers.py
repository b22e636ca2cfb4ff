"""Which optimizer is best, when each has the rate that suits it? And when all have the same one?

Wilson et al. (2017) tuned the rates of SGD and of Adam and found SGD's networks to generalize better; Choi et al.
(2019) tuned more, and found that an optimizer that contains another never does worse. Here are five optimizers on one
grid of rates, whose schedule is otherwise alike. Seed 0 is for tuning alone: the page picks each optimizer's rate by
that seed's validation set, and compares by the test set with the other seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.chapters.training_a_cnn.network import OPTIMIZERS, small_cnn
from cnnlab.training import Run, evaluate
from experiments.common import Case, Experiment, Prepared, load, main

GRID = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    epochs: int
    size: int | None = None  # pixels on a side; None: as they come
    width: int = 16
    train_images: int | None = None  # a quarter of them are the validation set
    test_images: int | None = None
    batch_size: int = 64
    schedule: str = "cosine"
    rates: tuple[float, ...] = GRID
    optimizers: tuple[str, ...] = tuple(OPTIMIZERS)


def cases(settings: Settings) -> list[Case]:
    return [{"optimizer": name, "rate": rate} for name in settings.optimizers for rate in settings.rates]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size).split(0.25)
    channels, size, _ = data.shape
    model = small_cnn(channels, size, data.num_classes, width=settings.width, seed=seed)
    model.name = f"{case['optimizer']} at {case['rate']:g}"
    training = {"epochs": settings.epochs, "batch_size": settings.batch_size, "schedule": settings.schedule}
    return Prepared(model, data, training | OPTIMIZERS[case["optimizer"]] | {"lr": case["rate"]})


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    """The last epoch's, chosen by nothing."""
    data = prepared.data
    return {
        "parameters": run.config["parameters"],
        "diverged": False,
        "test_accuracy": evaluate(prepared.model, data.test, mean=data.mean, std=data.std).accuracy,
        "validation_accuracy": run.final["validation_accuracy"],
        "train_accuracy": run.final["train_accuracy"],
        "validation_accuracy_by_epoch": [round(row["validation_accuracy"], 5) for row in run.history],
        "train_loss_by_epoch": [round(row["train_loss"], 5) for row in run.history],
    }


def diverged(prepared: Prepared) -> dict[str, Any]:
    """As one that guesses: numbers that are none cannot be averaged."""
    guess = 1 / prepared.data.num_classes
    return {
        "parameters": sum(p.numel() for p in prepared.model.parameters()),
        "diverged": True,
        **dict.fromkeys(("test_accuracy", "validation_accuracy", "train_accuracy"), guess),
        "validation_accuracy_by_epoch": [],
        "train_loss_by_epoch": [],
    }


EXPERIMENT = Experiment(
    name="tuned_optimizers",
    question="Which optimizer is best, when each has its own tuned learning rate, and when all have the same one?",
    settings={
        "smoke": Settings(
            data="digits", epochs=1, size=8, width=4, train_images=128, test_images=64, batch_size=32, rates=(1e-2, 1e9)
        ),
        "laptop": Settings(data="fashion_mnist", epochs=6, size=16, train_images=4_000, test_images=2_000),
        "gpu": Settings(data="cifar10", epochs=30, width=64, batch_size=128),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "validation_accuracy", "train_accuracy"),
    diverged=diverged,
)

if __name__ == "__main__":
    main(EXPERIMENT)
