"""Does a convolutional network beat a multilayer perceptron with the same training, and by how much?

The MLPs of a comparison that is often taught against LeNet-5, with one recipe for all: Adam, cosine learning rate, no
augmentation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F

from cnnlab.data import Dataset, ImageSet
from cnnlab.models import create_model
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
    pairs: tuple[tuple[str, str], ...]  # (data, model)
    test_images: int | None = None


PAIRS = (
    ("mnist", "mlp_mnist"),
    ("mnist", "lenet5_28"),
    ("fashion_mnist", "mlp_mnist"),
    ("fashion_mnist", "lenet5_28"),
    ("cifar10", "lenet5"),
    ("cifar10", "mlp_cifar10"),
    ("mnist", "lenet5"),
)


def cases(settings: Settings) -> list[Case]:
    return [{"data": data, "model": model} for data, model in settings.pairs]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(case["data"], settings.train_images, settings.test_images)
    side = {"lenet5": 32, "lenet5_28": 28, "mlp_mnist": 28, "mlp_cifar10": 32}[case["model"]]
    if data.name == "digits":
        data = data.resized(side)  # the smoke scale's 8 x 8 digits
    elif data.shape[1] < side:
        data = framed(data, side)
    channels = data.shape[0]
    model = fresh_model(lambda: create_model(case["model"], num_classes=data.num_classes, in_channels=channels), seed)
    return Prepared(
        model,
        data,
        training_of(settings),
    )


def framed(data: Dataset, side: int) -> Dataset:
    """The images in the middle of a black ``side`` x ``side`` frame, as LeNet-5's paper has them at 32."""
    parts = []
    for part in (data.train, data.test):
        before = (side - part.shape[1]) // 2
        after = side - part.shape[1] - before
        images = F.pad(part.images, (before, after, before, after))  # (N, C, side, side)
        parts.append(ImageSet(images, part.labels, part.classes))
    return Dataset.from_sets(data.name, *parts, source=f"{data.source}, in a {side} x {side} frame")


EXPERIMENT = Experiment(
    name="mlp_vs_lenet",
    question="How much better than a multilayer perceptron is LeNet-5, trained alike?",
    settings={
        "smoke": Settings(pairs=(("digits", "mlp_mnist"), ("digits", "lenet5_28")), epochs=2, train_images=600),
        "laptop": Settings(pairs=PAIRS, epochs=8),
        "gpu": Settings(pairs=PAIRS, epochs=20),
    },
    cases=cases,
    prepare=prepare,
    measure=accuracies,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
