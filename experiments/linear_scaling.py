"""How far the learning rate may grow with the batch: the rule of Goyal et al. (2017) on a part of Fashion-MNIST.

A small network without batch norm, so that the size of a batch decides nothing but the steps. Case ``batch: 32 * k``
trains for as many epochs as all others, with the ``rate`` of batch 32 as it was, k times as high, or k times as high
after a warm-up. After three fifths of the training the rate falls to a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cnnlab.training import Step
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main

__all__ = ["EXPERIMENT"]

RATES = ("as it was", "times k", "times k, warm-up")


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    times: tuple[int, ...]
    base_batch: int = 32
    base_rate: float = 0.02
    warm_up: float = 0.2
    train_images: int | None = None
    test_images: int | None = None


def cases(settings: Settings) -> list[Case]:
    first = {"batch": settings.base_batch, "rate": RATES[0]}
    return [first, *({"batch": settings.base_batch * k, "rate": rate} for k in settings.times for rate in RATES)]


def network(channels: int, size: int, classes: int) -> nn.Module:
    """Two convolutions and a dense layer, without batch norm."""
    side = (size + 3) // 4
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * side * side, classes),
    )


def forgiving(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy; a network that ran away is recorded as one that guesses, and does not end the experiment."""
    return torch.nan_to_num(F.cross_entropy(logits, labels), nan=100.0, posinf=100.0)


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images)
    channels, height, _ = data.shape
    model = fresh_model(lambda: network(channels, height, data.num_classes), seed)
    model.name = f"batch {case['batch']}, rate {case['rate']}"
    times = 1 if case["rate"] == RATES[0] else case["batch"] // settings.base_batch
    warm = settings.warm_up if case["rate"] == RATES[2] else 0.0
    training = {
        "epochs": settings.epochs,
        "batch_size": case["batch"],
        "optimizer": "sgd",
        "lr": settings.base_rate * times,
        "schedule": Step((0.6,), 0.1, warmup=warm),
        "loss": forgiving,
    }
    return Prepared(model, data, training)


EXPERIMENT = Experiment(
    name="linear_scaling",
    question="Up to which batch does a learning rate that grows with it do as well, and does a warm-up help?",
    settings={
        "smoke": Settings("digits", 2, (4, 8), train_images=256, test_images=200),
        "laptop": Settings("fashion_mnist", 8, (4, 16, 32, 64, 128), train_images=8_000, test_images=4_000),
        "gpu": Settings("fashion_mnist", 20, (4, 16, 32, 64, 128, 256)),
    },
    cases=cases,
    prepare=prepare,
    measure=accuracies,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
