"""Who recognizes a digit that stands a few pixels beside the place where all training digits stood?

Both models train on digits in the middle of a 32 x 32 frame. The test digits are moved by 0 to 6 pixels to
the left, right, top and bottom, and the accuracy is the mean over the four directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.data import Dataset, ImageSet
from cnnlab.models import create_model
from cnnlab.models.mlp import MLP, MLPVariant
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
from experiments.mlp_vs_lenet import framed

SIDE = 32
SHIFTS = tuple(range(7))


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    size: int | None = None  # of the digits before they are framed


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "model": model} for model in ("mlp", "lenet5")]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = framed(load(settings.data, settings.train_images, None, settings.size), SIDE)

    def build() -> torch.nn.Module:
        if case["model"] == "lenet5":
            return create_model("lenet5", num_classes=data.num_classes)
        # The 128 and 64 hidden units of mlp_vs_lenet, on the pixels of the larger frame.
        model = MLP(MLPVariant(input_size=(1, SIDE, SIDE), hidden=(128, 64)), num_classes=data.num_classes)
        model.name = "mlp 1024-128-64"
        return model

    return Prepared(
        fresh_model(build, seed),
        data,
        training_of(settings),
    )


def shifted(images: Tensor, down: int, right: int) -> Tensor:
    """Images moved by whole pixels; what leaves the frame is lost and black comes in. Shape: (N, C, H, W), kept."""
    height, width = images.shape[2:]
    moved = torch.zeros_like(images)
    moved[:, :, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = images[
        :, :, max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return moved


def measure(prepared: Prepared, run: Run) -> dict[str, object]:
    data: Dataset = prepared.data
    accuracy, ink_kept = [], []
    total = data.test.images.sum(dtype=torch.int64).item()
    for distance in SHIFTS:
        directions = ((0, 0),) if distance == 0 else ((distance, 0), (-distance, 0), (0, distance), (0, -distance))
        each, kept = [], []
        for down, right in directions:
            moved = shifted(data.test.images, down, right)
            test = ImageSet(moved, data.test.labels, data.test.classes)
            each.append(evaluate(prepared.model, test, mean=data.mean, std=data.std).accuracy)
            kept.append(moved.sum(dtype=torch.int64).item() / total)
        accuracy.append(sum(each) / len(each))
        ink_kept.append(round(sum(kept) / len(kept), 5))
    return {
        **accuracies(prepared, run),
        "shifts": list(SHIFTS),
        "accuracy_by_shift": accuracy,
        "ink_kept_by_shift": ink_kept,
    }


EXPERIMENT = Experiment(
    name="shifted_digits",
    question="Trained on centered digits, who recognizes a digit moved by up to six pixels?",
    settings={
        "smoke": Settings(data="digits", epochs=2, train_images=600, size=20),
        "laptop": Settings(data="mnist", epochs=5),
        "gpu": Settings(data="mnist", epochs=20),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "accuracy_by_shift"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
