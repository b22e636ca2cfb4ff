"""Can a network that generalizes learn labels that mean nothing, and does anything on the way tell the two apart?

Zhang et al. (2017), section 2: networks of CIFAR-10's usual kinds fit random labels, shuffled pixels and noise without
a training error. This is a small copy, with a small network and few pictures, and with what is said to prevent
overfitting switched on for the true labels and for the random ones alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from cnnlab.chapters.fitting.small import relabeled, small_cnn
from cnnlab.data import Dataset, ImageSet
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.training import Cosine, Run, evaluate
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main

DROPOUT, DECAY = 0.5, 0.05


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    epochs: int
    size: int
    train_images: int
    test_images: int
    width: int
    batch_size: int = 50
    lr: float = 3e-3
    warmup: float = 0.1


PENALIZED, AUGMENTED = "decay and dropout", "shifts and mirrors"
# What the labels are, what the pictures are, and what is done against overfitting.
KINDS = (
    ("true", "as they are", "nothing"),
    ("true", "as they are", PENALIZED),
    ("true", "as they are", AUGMENTED),
    ("half random", "as they are", "nothing"),
    ("random", "as they are", "nothing"),
    ("random", "as they are", PENALIZED),
    ("random", "as they are", AUGMENTED),
    ("true", "shuffled alike", "nothing"),
    ("random", "noise", "nothing"),
)
SHARES = {"true": 0.0, "half random": 0.5, "random": 1.0}


def cases(settings: Settings) -> list[Case]:
    return [{"labels": labels, "pixels": pixels, "against": against} for labels, pixels, against in KINDS]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    whole = load(settings.data, settings.train_images, settings.test_images, settings.size)
    data = with_pixels(whole, case["pixels"], seed)
    data = replace(data, train=relabeled(data.train, SHARES[case["labels"]], seed))
    shape = {"in_channels": data.shape[0], "num_classes": data.num_classes}
    penalized = case["against"] == PENALIZED
    dropout = DROPOUT if penalized else 0.0
    model = fresh_model(lambda: small_cnn(settings.width, dropout=dropout, **shape), seed)
    model.name = " ".join(str(value) for value in case.values())
    training = {
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "optimizer": "adamw",
        "lr": settings.lr,
        "weight_decay": DECAY if penalized else 0.0,
        "schedule": Cosine(warmup=settings.warmup),
        "augment": Compose([Flip(), Crop(padding=settings.size // 8)]) if case["against"] == AUGMENTED else None,
    }
    return Prepared(model, data, training)


def with_pixels(data: Dataset, pixels: str, seed: int) -> Dataset:
    """The same set, or all pictures with their pixels in one other order, or noise in place of pictures."""
    if pixels == "as they are":
        return data
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(data.shape[1] * data.shape[2], generator=generator)

    def changed(part: ImageSet) -> ImageSet:
        if pixels == "noise":
            drawn = torch.randint(256, part.images.shape, generator=generator).to(torch.uint8)
            return replace(part, images=drawn)
        return replace(part, images=part.images.flatten(2)[:, :, order].view(part.images.shape))

    return Dataset.from_sets(data.name, changed(data.train), changed(data.test), f"{data.source}, {pixels}")


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    """The accuracies by epoch are those of training; at the end the training set is asked again as a test set is."""
    data = prepared.data
    fitted = evaluate(prepared.model, data.train, mean=data.mean, std=data.std)
    whole = [row["train_accuracy"] >= 0.999 for row in run.history]
    return accuracies(prepared, run) | {
        "fitted_accuracy": fitted.accuracy,
        "fitted_loss": fitted.loss,
        "epochs_to_fit": whole.index(True) + 1 if any(whole) else None,
        "train_loss_by_epoch": [round(row["train_loss"], 5) for row in run.history],
    }


EXPERIMENT = Experiment(
    name="random_labels",
    question="Can a network that generalizes learn random labels by heart, and does regularization prevent it?",
    settings={
        "smoke": Settings(data="shapes", epochs=1, size=16, train_images=50, test_images=20, width=2),
        "laptop": Settings(data="cifar10", epochs=30, size=16, train_images=1_000, test_images=1_000, width=16),
        "gpu": Settings(data="cifar10", epochs=100, size=32, train_images=50_000, test_images=10_000, width=64),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "fitted_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
