"""The lectures' rules of thumb, each switched off alone in one small network: what does that cost, on three data sets?

The base keeps every rule: odd kernels of 3, stride 1, zeros at the border, a maximum pool after each convolution, twice
the channels after each pool, two thirds of the inputs and the outputs as hidden units, and color. Every other network
differs in one thing. Where that changes what a picture costs, the widths are chosen so that the multiply-accumulates
stay, within a few percent; where the dense part itself is in question, or the color, the convolutions stay as they are.

The recipe is the same for all: Adam in one cycle, no augmentation. ``load_shapes`` draws the shapes at any rotation,
which takes a small network longer than the ones of ``load_dataset("shapes")``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.chapters.design_rules.plans import PLANS, plan_macs, plan_network, width_for
from cnnlab.data import Dataset, load_shapes
from experiments.common import (
    Case,
    Experiment,
    Watched,
    costs_at_the_end,
    fresh_model,
    load,
    main,
    training_of,
    watched,
)

BASE = "base"


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: tuple[str, ...]
    epochs: int
    train_images: int
    test_images: int
    size: int | None = None
    width: int = 12  # channels of the base's first stage
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float = 3e-3
    schedule: str = "onecycle"
    watched: int = 250  # of the test pictures, measured after each epoch; all are at the end
    changes: tuple[str, ...] = tuple(PLANS)


def cases(settings: Settings) -> list[Case]:
    pairs = [(name, change) for name in settings.data for change in settings.changes]
    # A gray picture has no color to be taken away.
    return [
        {"data": name, "change": change} for name, change in pairs if change != "gray" or name in ("cifar10", "shapes")
    ]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = pictures(case["data"], settings)
    plan, shape, classes = PLANS[case["change"]], data.shape, data.num_classes
    width: float = settings.width
    if plan.resized:
        width = width_for(plan, plan_macs(PLANS[BASE], width, shape, classes), shape, classes)
    model = fresh_model(lambda: plan_network(plan, width, shape, classes), seed)
    model.name = case["change"]
    return watched(model, data, training_of(settings), settings.watched)


def pictures(name: str, settings: Any) -> Dataset:
    """A data set cut to size, the same for every seed; shapes are drawn, so there are as many as are asked for."""
    if name == "shapes":
        return load_shapes(settings.train_images, settings.size or 32, seed=0, test=settings.test_images)
    return load(name, settings.train_images, settings.test_images, settings.size)


EXPERIMENT = Experiment(
    name="rules",
    question="Which of the rules by which small networks are designed does a network miss when it is broken?",
    settings={
        "smoke": Settings(
            data=("digits",),
            epochs=1,
            train_images=64,
            test_images=64,
            size=24,
            width=2,
            batch_size=32,
            changes=(BASE, "no padding", "averages"),
        ),
        "laptop": Settings(
            data=("fashion_mnist", "cifar10", "shapes"), epochs=6, train_images=2_000, test_images=2_000
        ),
        "gpu": Settings(
            data=("fashion_mnist", "cifar10", "shapes"),
            epochs=30,
            train_images=50_000,
            test_images=10_000,
            width=48,
            batch_size=128,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=costs_at_the_end,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
