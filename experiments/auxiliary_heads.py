"""Do GoogLeNet's auxiliary heads help it to train, and to be right?

Szegedy et al. (2014), section 5: two small classifiers in the middle of the network add 0.3 of their loss while it
trains, to bring gradient to its lower half and to regularize. Here the network of 2014, without batch norm, is trained
with both heads and with none, from two ways to draw the first weights: that of Caffe's file ("caffe") and the one that
came a year later ("he"). The "laptop" scale has all 22 layers at an eighth of their widths, on CIFAR-10 made half as
large. The "gpu" scale has the full widths at 32 x 32, and a third case: the upper head alone, which according to
Szegedy et al. (2016), section 4, does as well as both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnnlab.chapters.googlenet.starts import restart
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.models.googlenet import VARIANTS, GoogLeNet
from cnnlab.training import Run
from experiments.common import (
    Case,
    Experiment,
    Prepared,
    accuracies,
    fresh_model,
    load,
    main,
    training_of,
)

# What the losses of the heads on 4a and 4d count; without weights the network puts out no heads.
HEADS: dict[str, tuple[float, ...]] = {"none": (), "upper": (0.0, 0.3), "both": (0.3, 0.3)}


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    size: int | None  # pixels on a side; None: as they come
    narrow: int  # divides all widths
    epochs: int
    batch_size: int
    lr: float
    optimizer: str = "adam"
    schedule: str = "cosine"
    clip_norm: float = 1.0
    augment: bool = True
    train_images: int | None = None  # None: all
    test_images: int | None = None
    starts: tuple[str, ...] = ("caffe", "he")
    heads: tuple[str, ...] = ("none", "both")


def cases(settings: Settings) -> list[Case]:
    return [{"start": start, "heads": heads} for start in settings.starts for heads in settings.heads]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    variant = replace(VARIANTS["googlenet_2014"], small_input=True, narrow=settings.narrow)
    model = fresh_model(lambda: restart(GoogLeNet(variant, data.num_classes, data.shape[0]), case["start"]), seed)
    model.auxiliary_weights = HEADS[case["heads"]]
    training = training_of(settings) | {"clip_norm": settings.clip_norm}
    if settings.augment:
        training["augment"] = Compose([Flip(), Crop(padding=data.shape[1] // 8)])
    return Prepared(model, data, training)


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    return {
        **accuracies(prepared, run),
        "first_train_loss": run.history[0]["train_loss"],
        "train_loss": run.final["train_loss"],
        "train_loss_by_epoch": [round(row["train_loss"], 5) for row in run.history],
    }


EXPERIMENT = Experiment(
    name="auxiliary_heads",
    question="Does a deep network without batch norm train faster, or end better, with auxiliary heads?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            narrow=8,
            epochs=1,
            batch_size=16,
            lr=0.002,
            augment=False,
            train_images=32,
            test_images=32,
            starts=("caffe",),
        ),
        "laptop": Settings(
            data="cifar10", size=16, narrow=8, epochs=10, batch_size=32, lr=0.002, train_images=3_500, test_images=1_000
        ),
        "gpu": Settings(
            data="cifar10", size=None, narrow=1, epochs=60, batch_size=128, lr=0.001, heads=("none", "upper", "both")
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "first_train_loss", "train_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
