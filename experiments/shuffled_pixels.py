"""What is left of LeNet-5's lead when neighboring pixels are no longer neighbors?

One fixed permutation moves the pixels of every image, training and test alike. It takes no information
away, and a multilayer perceptron, which never knew which pixels were neighbors, cannot tell the
difference. A convolution can.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

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

PERMUTATION_SEED = 2012  # one permutation for all trainings, so that the seeds differ in training alone


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: tuple[str, ...]
    size: int | None = None


def cases(settings: Settings) -> list[Case]:
    return [
        {"data": data, "model": model, "pixels": pixels}
        for data in settings.data
        for pixels in ("in place", "shuffled")
        for model in ("mlp_mnist", "lenet5_28")
    ]


def shuffled(data: Dataset) -> Dataset:
    """Every image with its pixels moved by the same permutation."""
    _, height, width = data.shape
    order = torch.randperm(height * width, generator=torch.Generator().manual_seed(PERMUTATION_SEED))
    parts = [
        ImageSet(part.images.flatten(2)[:, :, order].reshape(part.images.shape), part.labels, part.classes)
        for part in (data.train, data.test)
    ]
    return Dataset.from_sets(data.name, *parts, source=data.source)


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(case["data"], settings.train_images, None, settings.size)
    if case["pixels"] == "shuffled":
        data = shuffled(data)
    model = fresh_model(lambda: create_model(case["model"], num_classes=data.num_classes), seed)
    return Prepared(
        model,
        data,
        training_of(settings),
    )


EXPERIMENT = Experiment(
    name="shuffled_pixels",
    question="What is left of LeNet-5's lead over an MLP when one fixed permutation scatters the pixels?",
    settings={
        "smoke": Settings(data=("digits",), epochs=2, train_images=600, size=28),
        "laptop": Settings(data=("mnist",), epochs=5),
        "gpu": Settings(data=("mnist", "fashion_mnist"), epochs=20),
    },
    cases=cases,
    prepare=prepare,
    measure=accuracies,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
