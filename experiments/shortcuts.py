"""What may be done to a shortcut? Scaled, gated, projected, dropped: 56 layers of each, and of plain ones.

He et al. (2016), section 3 and table 1: ResNet-110 on CIFAR-10 with ten kinds of shortcut, of which only the identity
and gates that begin nearly open came out well. This is a small copy: 27 blocks of one size in place of 54 in three
stages, so that every shortcut can be changed in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cnnlab.chapters.beyond_resnet.stacks import SHORTCUTS, residual_stack
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main, sgd_of


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    epochs: int
    size: int | None = None  # pixels on a side; None: as they come
    train_images: int | None = None
    test_images: int | None = None
    blocks: int = 27
    width: int = 8
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: float = 0.1
    clip_norm: float | None = 5.0
    kinds: tuple[str, ...] = tuple(SHORTCUTS)


def cases(settings: Settings) -> list[Case]:
    return [{"shortcut": kind} for kind in settings.kinds]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"width": settings.width, "in_channels": data.shape[0], "num_classes": data.num_classes}
    model = fresh_model(lambda: residual_stack(case["shortcut"], settings.blocks, **shape), seed)
    model.name = case["shortcut"]
    return Prepared(model, data, sgd_of(settings))


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    losses = {"diverged": False, "train_loss": run.final["train_loss"]}
    return {**accuracies(prepared, run), **losses}


def diverged(prepared: Prepared) -> dict[str, Any]:
    """As one that guesses, since numbers that are none cannot be averaged; ``diverged`` says what it was."""
    classes = prepared.data.num_classes
    return {
        "parameters": sum(p.numel() for p in prepared.model.parameters()),
        "test_accuracy": 1 / classes,
        "train_accuracy": 1 / classes,
        "test_accuracy_by_epoch": [],
        "train_accuracy_by_epoch": [],
        "diverged": True,
        "train_loss": math.log(classes),
    }


EXPERIMENT = Experiment(
    name="shortcuts",
    question="Does a network of 56 layers still learn when its shortcuts are scaled, gated, projected or dropped?",
    settings={
        "smoke": Settings(
            data="digits", epochs=1, size=8, train_images=64, test_images=32, blocks=3, width=4, batch_size=32
        ),
        "laptop": Settings(data="fashion_mnist", epochs=7, size=16, train_images=3_500, test_images=1_000),
        "gpu": Settings(data="cifar10", epochs=60, blocks=54, width=32),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "train_loss"),
    diverged=diverged,
)

if __name__ == "__main__":
    main(EXPERIMENT)
