"""Does a network give the same answer for a picture that was moved by a pixel, and what helps?

One small network with maxima of 2 x 2, or with a blur before every second pixel is dropped (Zhang, 2019), each trained
on pictures in the middle of their frame, and with crops that move them by up to three pixels. Counted are the test
pictures whose answer stays when they are moved by one to three pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.chapters.limits.smooth import pooled_network
from cnnlab.data import Dataset
from cnnlab.data.augment import Crop
from cnnlab.training import Run
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
from experiments.shifted_digits import shifted

SIDE = 32
POOLS, CROPS = ("maxima", "blurred maxima"), ("in the middle", "moved")
MOVES = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    size: int | None = None
    test_images: int | None = None
    width: int = 16
    lr: float = 3e-3
    schedule: str = "onecycle"


def cases(settings: Settings) -> list[Case]:
    return [{"pool": pool, "trained on pictures": crop} for crop in CROPS for pool in POOLS]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = framed(load(settings.data, settings.train_images, settings.test_images, settings.size), SIDE)
    blurred = case["pool"] == POOLS[1]
    model = fresh_model(lambda: pooled_network(blurred, data.num_classes, settings.width), seed)
    model.name = case["pool"]
    crop = Crop(padding=max(MOVES)) if case["trained on pictures"] == CROPS[1] else None
    return Prepared(model, data, training_of(settings) | {"augment": crop})


def _said(model: nn.Module, data: Dataset, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([model(data.preprocess.normalized(some)).softmax(1) for some in images.split(250)])


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    data, model = prepared.data, prepared.model.cpu().eval()
    images = data.test.images
    still = _said(model, data, images)
    kept, moved = [], []
    for far in MOVES:
        said = [_said(model, data, shifted(images, *to)) for to in ((far, 0), (-far, 0), (0, far), (0, -far))]
        kept.append(sum(float((own.argmax(1) == still.argmax(1)).double().mean()) for own in said) / 4)
        right = data.test.labels[:, None]
        moved.append(sum(float((own - still).gather(1, right).abs().mean()) for own in said) / 4)
    return accuracies(prepared, run) | {
        "kept_by_move": [round(share, 4) for share in kept],
        "p_moved_by_move": [round(change, 4) for change in moved],
    }


EXPERIMENT = Experiment(
    name="anti_aliasing",
    question="How many answers stay when a picture moves by a few pixels, with a blur before subsampling and without?",
    settings={
        "smoke": Settings(data="digits", epochs=1, size=28, train_images=64, test_images=32, width=4),
        "laptop": Settings(data="fashion_mnist", epochs=8, train_images=5_000, test_images=1_000),
        "gpu": Settings(data="fashion_mnist", epochs=30),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "kept_by_move", "p_moved_by_move"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
