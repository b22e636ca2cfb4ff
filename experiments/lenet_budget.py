"""Is LeNet-5 on Fashion-MNIST unfinished after eight epochs, or too small?

LeNet-5 as in ``mlp_vs_lenet``, with one thing changed: twice as many epochs, or twice as many maps and units in each
layer. The multilayer perceptron gets the longer training as well. What the two reach in eight epochs is recorded there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from cnnlab.data import ImageSet
from cnnlab.models import create_model
from cnnlab.training import Run, evaluate
from experiments.common import (
    AdamOnCosine,
    Case,
    Experiment,
    Prepared,
    accuracies,
    fresh_model,
    load,
    main,
    training_of,
)


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    long: int  # epochs of the longer training
    size: int | None = None


def cases(settings: Settings) -> list[Case]:
    short, long = settings.epochs, settings.long
    return [
        {"network": "mlp", "epochs": long},
        {"network": "lenet, twice as wide", "epochs": short},
        {"network": "lenet", "epochs": long},
    ]


class WideLeNet(nn.Sequential):
    """LeNet-5 for 28 x 28 pixels with twice the maps and units. Shape: (N, 1, 28, 28) -> (N, num_classes)."""

    name = "lenet5_28, twice as wide"

    def __init__(self, num_classes: int) -> None:
        super().__init__(
            *(nn.Conv2d(1, 12, 5), nn.Tanh(), nn.AvgPool2d(2)),  # (N, 12, 12, 12)
            *(nn.Conv2d(12, 32, 5), nn.Tanh(), nn.AvgPool2d(2)),  # (N, 32, 4, 4)
            *(nn.Conv2d(32, 240, 4), nn.Tanh(), nn.Flatten()),  # (N, 240)
            *(nn.Linear(240, 168), nn.Tanh(), nn.Linear(168, num_classes)),
        )


def build(network: str, num_classes: int) -> nn.Module:
    if network == "mlp":
        return create_model("mlp_mnist", num_classes=num_classes)
    if network == "lenet, twice as wide":
        return WideLeNet(num_classes)
    return create_model("lenet5_28", num_classes=num_classes)


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, None, settings.size)
    model = fresh_model(lambda: build(case["network"], data.num_classes), seed)
    return Prepared(model, data, training_of(settings) | {"epochs": case["epochs"]})


def measure(prepared: Prepared, run: Run) -> dict[str, object]:
    data, test = prepared.data, prepared.data.test
    found = evaluate(prepared.model, ImageSet(test.images, test.labels, test.classes), mean=data.mean, std=data.std)
    cells = test.labels * data.num_classes + found.logits.argmax(1)
    counts = torch.bincount(cells, minlength=data.num_classes**2).reshape(data.num_classes, -1)
    return {**accuracies(prepared, run), "classes": list(test.classes), "confusion": counts.tolist()}


EXPERIMENT = Experiment(
    name="lenet_budget",
    question="Is LeNet-5 on Fashion-MNIST unfinished after eight epochs, or too small?",
    settings={
        "smoke": Settings(data="digits", epochs=1, long=2, train_images=300, size=28),
        "laptop": Settings(data="fashion_mnist", epochs=8, long=16),
        "gpu": Settings(data="fashion_mnist", epochs=20, long=40),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
