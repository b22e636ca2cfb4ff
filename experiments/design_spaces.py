"""Are networks of a narrower space better? Populations drawn from four spaces, each network trained a little.

Radosavovic et al. (2020) train 500 networks a space for ten epochs of ImageNet, all of 360 to 400 million MACs, and
compare the distributions of their errors: sharing the bottleneck ratio and the group width changes nothing (A to C),
rising widths and depths help (C to E), a linear rule for the widths helps once more (RegNet). Here the networks are
for pictures of 28 pixels. Each seed draws its own networks, so that three seeds are three samples of a space. The case
"one" is a single network of the RegNet space trained again and again: what its errors differ by is chance.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from cnnlab.chapters.regnet.spaces import SPACES, AnyNet, Design, cost, sample
from cnnlab.data import ImageSet
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.training import Run, evaluate
from experiments.common import Case, Experiment, Prepared, fresh_model, load, main, sgd_of

ONE = "one"


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    epochs: int
    networks: int  # of each space and seed
    repeats: int  # of the single network, for each seed
    low: int  # multiply-accumulates of a picture
    high: int
    size: int | None = None  # pixels on a side; None: as they come
    train_images: int | None = None
    test_images: int | None = None
    watched: int = 200  # test pictures measured after each epoch; all are at the end
    batch_size: int = 64
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.1
    clip_norm: float | None = 5.0
    augment: bool = False


@dataclass(frozen=True)
class Drawn(Prepared):
    """A training about to start, its network's design, and the test pictures that are for its end."""

    design: Design
    test: ImageSet


def cases(settings: Settings) -> list[Case]:
    """One network of each space after the other, so that an experiment that is stopped has as many of each."""
    drawn = [{"space": space, "number": n} for n in range(settings.networks) for space in SPACES]
    return drawn + [{"space": ONE, "number": n} for n in range(settings.repeats)]


def prepare(case: Case, seed: int, settings: Settings) -> Drawn:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    window = (settings.low, settings.high, data.shape)
    if case["space"] == ONE:
        design = sample("RegNet", "the same network again", *window)
    else:
        design = sample(case["space"], f"{case['space']} {case['number']} {seed}", *window)
    start = 100 * seed + case["number"]
    model = fresh_model(lambda: AnyNet(design, data.shape[0], data.num_classes), start)
    model = model.to(memory_format=torch.channels_last)  # a third faster on processors
    model.name = f"{case['space']} {case['number']}"
    augment = Compose([Flip(), Crop(padding=data.shape[1] // 8)]) if settings.augment else None
    # Some sets are sorted by class, and those watched must be of all classes.
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))
    watched = data.subset(test=min(settings.watched, len(data.test)))
    return Drawn(model, watched, sgd_of(settings) | {"augment": augment}, design, data.test[order])


def measure(prepared: Drawn, run: Run) -> dict[str, Any]:
    data = prepared.data
    return {
        **asdict(prepared.design),
        **asdict(cost(prepared.design, data.shape, data.num_classes)),
        "test_accuracy": evaluate(prepared.model, prepared.test, mean=data.mean, std=data.std).accuracy,
        "train_accuracy": run.final["train_accuracy"],
        "train_loss": run.final["train_loss"],
    }


EXPERIMENT = Experiment(
    name="design_spaces",
    question="Are the errors of networks lower, as a population, when the space that they are drawn from is narrower?",
    settings={
        "smoke": Settings(
            data="digits",
            epochs=1,
            networks=1,
            repeats=1,
            low=20_000,
            high=200_000,
            size=8,
            train_images=64,
            test_images=64,
            batch_size=32,
        ),
        "laptop": Settings(
            data="fashion_mnist",
            epochs=6,
            networks=14,
            repeats=4,
            low=600_000,
            high=660_000,
            train_images=1_600,
            test_images=4_000,
        ),
        "gpu": Settings(
            data="cifar10", epochs=30, networks=100, repeats=20, low=7_200_000, high=8_000_000, augment=True
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "train_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
