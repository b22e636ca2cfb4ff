"""Twice the arithmetic for a small EfficientNet: spend it on depth, on width, on resolution, or on all three?

Tan and Le (2019), figure 3 and table 7, scale one knob alone and find that its gain soon ends, while the three together
go on: 81.1 % on ImageNet for 1.8 billion MACs, against 78.9 to 79.1 % with depth, width or resolution alone. Here all
networks have twice the base's MACs, counted and not by formula, and the same recipe. Two more cases ask what the paper
did not. "longer" is the base itself, trained for twice as many epochs, hence at the same arithmetic of training: Bello
et al. (2021) found that the recipe is a knob like the others. "grown" is the network of "resolution", trained on
pictures of 16, 20, 24 and then 28 pixels, as EfficientNetV2 does with its sizes, for fewer MACs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.chapters.efficientnet.small import PLANS, Growing, small_efficientnet
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.training import Run, evaluate
from experiments.common import (
    AdamOnCosine,
    Case,
    Experiment,
    Watched,
    accuracies,
    fresh_model,
    load,
    main,
    training_of,
)

GROWN = (0.8, 1.0, 1.2, 1.4)  # sides of the pictures, as multiples of the base's


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    side: int = 20  # of the base's pictures
    width: float = 1.0
    test_images: int | None = None
    watched: int = 500  # of them, measured after each epoch; all are at the end
    augment: bool = True
    kinds: tuple[str, ...] = (*PLANS, "longer", "grown")


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "kind": kind} for kind in settings.kinds]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    kind = case["kind"]
    plan = {"longer": "base", "grown": "resolution"}.get(kind, kind)
    side = PLANS[plan].side(settings.side)
    data = load(settings.data, settings.train_images, settings.test_images, side)
    epochs = settings.epochs * (2 if kind == "longer" else 1)
    ends = {"in_channels": data.shape[0], "num_classes": data.num_classes}

    def build() -> nn.Module:
        net = small_efficientnet(plan, width=settings.width, **ends)
        if kind != "grown":
            return net
        sizes = tuple(round(settings.side * share) for share in GROWN)
        return Growing(net, sizes, epochs * ceil(len(data.train) / settings.batch_size))

    # With the channels last in memory a processor needs two thirds of the time; the numbers are the same.
    model = fresh_model(build, seed).to(memory_format=torch.channels_last)
    model.name = kind
    augment = Compose([Flip(), Crop(padding=side // 8)]) if settings.augment else None
    watched = data.subset(test=min(settings.watched, len(data.test)))
    return Watched(model, watched, training_of(settings) | {"augment": augment, "epochs": epochs}, data.test)


def measure(prepared: Watched, run: Run) -> dict[str, Any]:
    """The accuracies, and the cost of one picture and of the whole training in MACs (forward; a step is three)."""
    data, model = prepared.data, prepared.model
    seen = prepared.fit["epochs"] * len(data.train)
    if isinstance(model, Growing):
        each = [summarize(model.net, (data.shape[0], side, side)).macs for side in model.sizes]
        trained = seen * sum(each) / len(each)
    else:
        each = [summarize(model, data.shape).macs]
        trained = seen * each[0]
    return {
        **accuracies(prepared, run),
        "test_accuracy": evaluate(model, prepared.test, mean=data.mean, std=data.std).accuracy,
        "macs": each[-1],
        "training_macs": int(trained),
        "side": data.shape[1],
    }


EXPERIMENT = Experiment(
    name="three_knobs",
    question="Twice the arithmetic: is it spent best on depth, width, resolution, all three, or on longer training?",
    settings={
        "smoke": Settings(
            data="digits",
            side=8,
            width=0.5,
            epochs=1,
            batch_size=32,
            train_images=64,
            test_images=64,
            augment=False,
            kinds=("base", "together", "longer", "grown"),
        ),
        "laptop": Settings(
            data="cifar10",
            epochs=10,
            batch_size=64,
            lr=5e-3,
            train_images=3_600,
            test_images=4_000,
            schedule="onecycle",
        ),
        "gpu": Settings(data="cifar10", width=2.0, epochs=60, batch_size=128, lr=4e-3, schedule="onecycle"),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
