"""Does a deeper network without shortcuts have a higher training error, and do shortcuts mend that?

He et al. (2015), section 4.2 and figure 6: plain and residual networks of 20 and 56 layers on CIFAR-10. The
"gpu" scale is the paper's recipe (64,000 iterations of 128 images, SGD with momentum 0.9 and weight decay
0.0001, learning rate 0.1 divided by 10 at half and three quarters, random crops and flips). The "laptop" scale
is a small copy that some hours of one CPU core can bear: the same networks at the same 32 x 32 pixels, with a
fifth of the images and far fewer iterations. A run that was cut off goes on at its last minute's checkpoint, and a
finished one is in the record at once, so that the same command may be given as often as the machine allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.models import create_model
from cnnlab.training import Run, Step, evaluate
from experiments.common import Case, Experiment, Prepared, fresh_model, load, main, sgd_of

MODELS = ("plain20_cifar", "plain56_cifar", "resnet20_cifar", "resnet56_cifar")


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    batch_size: int
    size: int | None  # pixels on a side; None: as they come
    crop: int  # padding of the random crops
    train_images: int | None
    test_images: int | None
    schedule: str  # "paper" or "cosine"
    warmup: float
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    clip_norm: float | None = None
    models: tuple[str, ...] = MODELS


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "model": model} for model in settings.models]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    model = fresh_model(
        lambda: create_model(case["model"], num_classes=data.num_classes, in_channels=data.shape[0]), seed
    )
    training = sgd_of(settings) | {"augment": Compose([Flip(), Crop(padding=settings.crop)])}
    if settings.schedule == "paper":
        training["schedule"] = Step(warmup=settings.warmup)
    return Prepared(model, data, training)


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    data = prepared.data
    # The paper plots the error on the batches as they are trained on; this one is on the still network.
    still = evaluate(prepared.model, data.train, mean=data.mean, std=data.std)
    return {
        "parameters": run.config["parameters"],
        "iterations": run.config["epochs"] * -(-len(data.train) // run.config["batch_size"]),
        "train_error": 1 - run.final["train_accuracy"],
        "test_error": 1 - run.final["test_accuracy"],
        "train_error_without_augmentation": 1 - still.accuracy,
        "train_loss": run.final["train_loss"],
        "train_error_by_epoch": [round(1 - row["train_accuracy"], 5) for row in run.history],
        "test_error_by_epoch": [round(1 - row["test_accuracy"], 5) for row in run.history],
        "train_loss_by_epoch": [round(row["train_loss"], 5) for row in run.history],
    }


EXPERIMENT = Experiment(
    name="degradation",
    question="Is the training error of 56 plain layers higher than that of 20, and is it so with shortcuts?",
    settings={
        "smoke": Settings(
            data="shapes",
            epochs=2,
            batch_size=32,
            size=16,
            crop=2,
            train_images=96,
            test_images=64,
            schedule="cosine",
            warmup=0.1,
            models=("plain20_cifar", "resnet20_cifar"),
        ),
        "laptop": Settings(
            data="cifar10",
            epochs=10,
            batch_size=64,
            size=None,
            crop=4,
            train_images=10_000,
            test_images=1_000,
            schedule="cosine",
            warmup=0.1,
        ),
        "gpu": Settings(
            data="cifar10",
            epochs=164,  # 64,124 iterations
            batch_size=128,
            size=None,
            crop=4,
            train_images=None,
            test_images=None,
            schedule="paper",
            warmup=0.0,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("train_error", "test_error", "train_error_without_augmentation"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
