"""How strong should augmentation be? One small network, one kind of augmentation at a time, from weak to absurd.

Each kind alone is drawn out until it must do harm: shifts by half a picture, turns upside down, squares that blank
nearly all. What mixes pictures has the strengths of its papers. All trainings have the same number of steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.chapters.fitting.small import small_cnn
from cnnlab.data.augment import Augmentation, ColorShift, Crop, CutMix, Cutout, Flip, LocalWarp, Mixup, Rotate
from cnnlab.training import Cosine, Run, evaluate
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main

KINDS = {
    "crop": lambda strength: Crop(padding=int(strength)),
    "rotate": lambda strength: Rotate(degrees=strength),
    "warp": lambda strength: LocalWarp(pixels=strength),
    "color": lambda strength: ColorShift(strength=strength),
    "cutout": lambda strength: Cutout(size=int(strength)),
    "flip": lambda strength: Flip(p=strength),
    "mixup": lambda strength: Mixup(alpha=strength),
    "cutmix": lambda strength: CutMix(alpha=strength),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    epochs: int
    size: int
    train_images: int
    test_images: int
    strengths: dict[str, tuple[float, ...]]
    width: int = 12
    batch_size: int = 50
    lr: float = 3e-3
    warmup: float = 0.1


def augmentation(kind: str, strength: float) -> Augmentation | None:
    return KINDS[kind](strength) if kind != "none" else None


def cases(settings: Settings) -> list[Case]:
    own = [
        {"augment": kind, "strength": strength}
        for kind, strengths in settings.strengths.items()
        for strength in strengths
    ]
    return [{"augment": "none", "strength": 0}, *own]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"in_channels": data.shape[0], "num_classes": data.num_classes}
    model = fresh_model(lambda: small_cnn(settings.width, **shape), seed)
    model.name = f"{case['augment']} {case['strength']}"
    training = {
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "optimizer": "adam",
        "lr": settings.lr,
        "schedule": Cosine(warmup=settings.warmup),
        "augment": augmentation(case["augment"], case["strength"]),
    }
    return Prepared(model, data, training)


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    """Training accuracy is that of augmented pictures, as they came; at the end the pictures are asked as they are."""
    data = prepared.data
    fitted, tested = (evaluate(prepared.model, part, mean=data.mean, std=data.std) for part in (data.train, data.test))
    return accuracies(prepared, run) | {"fitted_accuracy": fitted.accuracy, "test_loss": tested.loss}


EXPERIMENT = Experiment(
    name="augmentation_strength",
    question="How strong should augmentation be, and does each kind have a strength at which it harms?",
    settings={
        "smoke": Settings(
            data="shapes",
            epochs=1,
            size=16,
            train_images=50,
            test_images=20,
            width=2,
            strengths={"crop": (2,), "rotate": (15,), "warp": (1,), "color": (0.5,), "cutout": (4,)}
            | {"flip": (0.5,), "mixup": (0.2,), "cutmix": (1.0,)},
        ),
        "laptop": Settings(
            data="cifar10",
            epochs=20,
            size=16,
            train_images=1_500,
            test_images=1_500,
            width=10,
            strengths={"crop": (1, 2, 4, 8), "rotate": (10, 30, 180), "color": (0.3, 1.0), "cutout": (4, 10)}
            | {"flip": (0.5,), "mixup": (1.0,), "cutmix": (1.0,)},
        ),
        "gpu": Settings(
            data="cifar10",
            epochs=60,
            size=32,
            train_images=50_000,
            test_images=10_000,
            width=64,
            batch_size=128,
            strengths={"crop": (1, 2, 4, 8, 16), "rotate": (5, 15, 45, 90, 180), "warp": (0.5, 1, 2, 4)}
            | {"color": (0.2, 0.5, 1.0), "cutout": (4, 8, 16, 24), "flip": (0.5,)}
            | {"mixup": (0.2, 0.5, 1.0), "cutmix": (0.5, 1.0)},
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "fitted_accuracy", "train_accuracy", "test_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
