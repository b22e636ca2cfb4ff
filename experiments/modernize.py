"""From ResNet-50 to ConvNeXt-T, step by step, small: what does each step give, and how much of it is the recipe?

Liu et al. (2022), section 2 and table 10: on ImageNet a ResNet-50 goes from 76.1 to 78.8 % by the recipe alone, and by
twelve changes of the network from there to 82.0 %. Here every step is the same network with three stages, a third of
the blocks and an eighth of the channels, for small pictures. Everything after the first row has the recipe of 2022. The
recipe is several things at once; two more rows of the old network part them: the old recipe for as many epochs as the
new one, and the new one for as few as the old.

The recipes keep the kinds and the proportions of the paper's table 5: AdamW, a cosine with a warm-up, CutMix or mixup
(here for half of the pictures), smooth labels and stochastic depth, for 3.3 times as many epochs. Crops and flips are
in both. Left out are RandAugment and random erasing, and layer scale, which at 1e-6 needs more steps than there are
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.chapters.convnext.steps import DESIGNS, STEPS, build
from cnnlab.data.augment import Compose, Crop, CutMix, Flip, Mixup, OneOf
from cnnlab.training import Cosine
from experiments.common import Case, Experiment, Watched, costs_at_the_end, fresh_model, load, main, sgd_of, watched

OLD, NEW = "2015", "2022"


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    short: int  # epochs of the recipe of 2015
    long: int  # epochs of the recipe of 2022
    size: int | None = None
    train_images: int | None = None
    test_images: int | None = None
    watched: int = 250  # of them, measured after each epoch; all are at the end
    divisor: int = 8  # of the channels
    batch_size: int = 64
    warmup: float = 0.07  # 20 of 300 epochs
    lr: float = 0.05  # of SGD
    momentum: float = 0.9
    weight_decay: float = 1e-4
    new_lr: float = 2e-3  # of AdamW
    new_weight_decay: float = 0.05
    mixed: float = 0.5  # of the pictures
    label_smoothing: float = 0.1
    drop_path: float = 0.1
    steps: tuple[str, ...] = tuple(step.name for step in STEPS)


def cases(settings: Settings) -> list[Case]:
    first, *others = settings.steps
    rows = [(first, OLD, settings.short), (first, OLD, settings.long), (first, NEW, settings.short)]
    rows += [(step, NEW, settings.long) for step in others]
    return [{"step": step, "recipe": recipe, "epochs": epochs} for step, recipe, epochs in rows]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    new = case["recipe"] == NEW
    ends = {"in_channels": data.shape[0], "num_classes": data.num_classes}
    design, drop_path = DESIGNS[case["step"]].small(settings.divisor), settings.drop_path if new else 0.0
    model = fresh_model(lambda: build(design, **ends, drop_path=drop_path, layer_scale=None), seed)
    model.name = case["step"]
    return watched(model, data, recipe(new, case["epochs"], data.shape[1], settings), settings.watched)


def recipe(new: bool, epochs: int, side: int, settings: Settings) -> dict[str, Any]:
    """The arguments of fit."""
    steps = [Flip(), Crop(padding=side // 8)]
    if not new:
        return sgd_of(settings) | {"epochs": epochs, "augment": Compose(steps)}
    return {
        "epochs": epochs,
        "batch_size": settings.batch_size,
        "optimizer": "adamw",
        "lr": settings.new_lr,
        "weight_decay": settings.new_weight_decay,
        "schedule": Cosine(warmup=settings.warmup),
        "augment": Compose([*steps, OneOf(Mixup(0.8), CutMix(1.0), p=settings.mixed)]),
        "label_smoothing": settings.label_smoothing,
    }


EXPERIMENT = Experiment(
    name="modernize",
    question="From ResNet-50 to ConvNeXt-T: what does each step give, and how much of it is the recipe?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            divisor=32,
            short=1,
            long=2,
            batch_size=32,
            train_images=64,
            test_images=64,
            steps=("ResNet-50", "recipe", "ConvNeXt-T"),
        ),
        "laptop": Settings(data="cifar10", size=24, short=3, long=10, train_images=3_000, test_images=4_000),
        "gpu": Settings(data="cifar10", short=30, long=100, divisor=2, batch_size=128),
    },
    cases=cases,
    prepare=prepare,
    measure=costs_at_the_end,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
