"""Squeeze and excitation adds weights, and it adds a look at the whole picture: which of the two helps?

Hu et al. (2017), section 7.1, keep the weights and take the average away ("NoSqueeze", here "local"): about a third of
the gain is left. Two more controls are ours. "constant" keeps the weights too, and feeds them with ones instead of
averages, so that the gate is the same for every picture and could be folded into the batch norm before it. And when a
network has been trained, its gates are held at their average over training pictures, or swapped between test pictures:
what that costs is what the gates knew about *this* picture. "one layer" and "ECA" ask whether the gate has to be a
bottleneck pair (Wang et al., 2020, table 2). All kinds begin with the same weights outside their gates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnnlab.chapters.senet.gates import KINDS, gates_of, instead, small_senet
from cnnlab.data import ImageSet
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.training import Run, evaluate
from experiments.common import (
    AdamOnCosine,
    Case,
    Experiment,
    Prepared,
    accuracies,
    load,
    main,
    training_of,
)

ASKED = 500  # training pictures over which the gates are averaged


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    width: int = 16
    blocks: int = 2
    reduction: int = 4
    size: int | None = None
    test_images: int | None = None
    watched: int = 500  # of them, measured after each epoch; all are at the end
    augment: bool = True
    kinds: tuple[str, ...] = tuple(KINDS)


@dataclass(frozen=True)
class Gated(Prepared):
    """A training about to start, and the test pictures that are for its end, in no order."""

    test: ImageSet


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "kind": kind} for kind in settings.kinds]


def prepare(case: Case, seed: int, settings: Settings) -> Gated:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"width": settings.width, "blocks": settings.blocks, "reduction": settings.reduction}
    ends = {"in_channels": data.shape[0], "num_classes": data.num_classes}
    model = small_senet(case["kind"], **shape, **ends, seed=seed)
    model.name = case["kind"]
    augment = Compose([Flip(), Crop(padding=data.shape[1] // 8)]) if settings.augment else None
    # Some sets are sorted by class, and a gate of the same class would be no stranger's.
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))
    watched = data.subset(test=min(settings.watched, len(data.test)))
    return Gated(model, watched, training_of(settings) | {"augment": augment}, data.test[order])


def measure(prepared: Gated, run: Run) -> dict[str, Any]:
    """The accuracies, and those of the trained network with its gates held or swapped."""
    model, data = prepared.model.eval(), prepared.data
    where = next(model.parameters()).device
    asked = data.train.subset(min(ASKED, len(data.train)))
    gates = gates_of(model, data.preprocess.normalized(asked.images).to(where))
    labels = asked.labels.to(where)

    def accuracy(change: dict[str, Callable[[Tensor], Tensor]]) -> float:
        with instead(model, change):
            return evaluate(model, prepared.test, mean=data.mean, std=data.std).accuracy

    return {
        **accuracies(prepared, run),
        "test_accuracy": accuracy({}),
        "held_accuracy": accuracy({name: held_at(scale) for name, scale in gates.items()}),
        "swapped_accuracy": accuracy(dict.fromkeys(gates, swapped)),
        "between_classes": {name: apart(scale, labels)[0] for name, scale in gates.items()},
        "within_classes": {name: apart(scale, labels)[1] for name, scale in gates.items()},
    }


def apart(scale: Tensor, labels: Tensor) -> tuple[float, float]:
    """Standard deviations of a gate's numbers, averaged over its channels: of the classes' means, and in a class."""
    classes = [scale[labels == label] for label in labels.unique()]
    between = torch.stack([own.mean(dim=0) for own in classes]).std(dim=0)
    within = torch.stack([own.std(dim=0) for own in classes]).mean(dim=0)
    return round(between.mean().item(), 4), round(within.mean().item(), 4)


def held_at(scale: Tensor) -> Callable[[Tensor], Tensor]:
    """A gate that is the same for every picture: its average over some."""
    usual = scale.mean(dim=0)[:, None, None]
    return lambda _: usual


def swapped(scale: Tensor) -> Tensor:
    """Each picture gets the gates of the one before it in the batch, whose pictures stand in no order."""
    return scale.roll(1, dims=0)


EXPERIMENT = Experiment(
    name="gate_or_capacity",
    question="Does squeeze and excitation help by what it sees in a picture, or by the weights that it adds?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            width=4,
            blocks=1,
            reduction=2,
            epochs=1,
            batch_size=32,
            train_images=64,
            test_images=64,
            augment=False,
        ),
        "laptop": Settings(
            data="cifar10",
            blocks=1,
            epochs=14,
            batch_size=64,
            lr=3e-3,
            train_images=5_000,
            test_images=4_000,
            schedule="onecycle",
        ),
        "gpu": Settings(
            data="cifar10", width=64, blocks=3, reduction=16, epochs=100, batch_size=128, lr=2e-3, schedule="onecycle"
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "held_accuracy", "swapped_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
