"""Two marks far apart, alike or not: which networks see both, and at distances that they were not trained on?

Four networks of about as many parameters (cnnlab/chapters/limits/far.py): two convolutions whose fields end before the
second mark, eight, four that are dilated, and one convolution with a block of self-attention. Each is trained on all
six distances, or on the three small ones alone, and asked at all six.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from cnnlab.analysis import summarize
from cnnlab.chapters.limits.far import GAPS, NETWORKS, far_network, pairs, pairs_data
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, main, training_of

ALL, NEAR = "all", "near"


@dataclass(frozen=True, kw_only=True)
class Settings:
    train_images: int
    test_images: int
    epochs: int
    networks: tuple[str, ...] = tuple(NETWORKS)
    batch_size: int = 128
    optimizer: str = "adamw"
    lr: float = 3e-3
    schedule: str = "onecycle"
    near: tuple[int, ...] = GAPS[:3]


def cases(settings: Settings) -> list[Case]:
    return [{"trained on": which, "network": name} for which in (ALL, NEAR) for name in settings.networks]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    gaps = GAPS if case["trained on"] == ALL else settings.near
    data = pairs_data(settings.train_images, settings.test_images, seed, gaps)
    model = fresh_model(lambda: far_network(case["network"]), seed)
    model.name = case["network"]
    return Prepared(model, data, training_of(settings))


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    """The usual, and the share that is right at each distance, of other pictures than those of the test."""
    asked, gap = pairs(3 * len(prepared.data.test), 20_000)
    model = prepared.model.cpu().eval()
    with torch.no_grad():
        x = prepared.data.preprocess.normalized(asked.images)
        said = torch.cat([model(some) for some in x.split(100)]).argmax(1)
    right = said == asked.labels
    return accuracies(prepared, run) | {
        "macs": summarize(prepared.model, prepared.data.shape).macs,
        "right_by_distance": [round(float(right[gap == each].double().mean()), 4) for each in GAPS],
    }


EXPERIMENT = Experiment(
    name="far_apart",
    question="Which of four networks see that two marks are alike, by their distance, and beyond what they trained on?",
    settings={
        "smoke": Settings(train_images=64, test_images=32, epochs=1, networks=("small", "attention")),
        "laptop": Settings(train_images=4_000, test_images=1_000, epochs=8),
        "gpu": Settings(train_images=20_000, test_images=2_000, epochs=30),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "right_by_distance"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
