"""How should a fixed number of weights be spent: on depth, on width, or on paths?

Zagoruyko and Komodakis (2016) measured that few wide layers learn as well as many thin ones, and in fewer seconds. Xie
et al. (2017) kept parameters and multiplications and split a bottleneck into 2, 4, 8 and 32 paths (their table 3). Here
are both in small, on stacks of blocks of one size: three shapes of as many weights, for as many epochs and for about as
many seconds; and four cardinalities whose weights differ by two percent at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from cnnlab.chapters.beyond_resnet.stacks import bottleneck_stack, residual_stack
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main, sgd_of


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    size: int | None = None  # pixels on a side; None: as they come
    train_images: int | None = None
    test_images: int | None = None
    # Blocks, channels and epochs: blocks x channels^2 is the same in all.
    shapes: tuple[tuple[int, int, int], ...]
    # Paths and the channels of each, in bottlenecks between maps of ``channels``.
    paths: tuple[tuple[int, int], ...]
    epochs: int  # of the stacks with paths
    blocks: int = 6
    channels: int = 64
    batch_size: int = 128
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: float = 0.1


def cases(settings: Settings) -> list[Case]:
    deep = [
        {"block": "basic", "blocks": blocks, "width": width, "paths": 1, "epochs": epochs}
        for blocks, width, epochs in settings.shapes
    ]
    split = [
        {"block": "bottleneck", "blocks": settings.blocks, "width": each, "paths": paths, "epochs": settings.epochs}
        for paths, each in settings.paths
    ]
    return deep + split


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"blocks": case["blocks"], "in_channels": data.shape[0], "num_classes": data.num_classes}

    def build() -> nn.Module:
        if case["block"] == "basic":
            return residual_stack(width=case["width"], **shape)
        return bottleneck_stack(case["paths"], case["width"], channels=settings.channels, **shape)

    model = fresh_model(build, seed)
    model.name = " ".join(str(value) for value in case.values())
    return Prepared(model, data, sgd_of(settings) | {"epochs": case["epochs"]})


EXPERIMENT = Experiment(
    name="depth_or_width",
    question="At as many weights, what learns more: many thin blocks, few wide ones, or many paths in a block?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            train_images=64,
            test_images=32,
            batch_size=32,
            shapes=((4, 4, 1), (1, 8, 1)),
            paths=((1, 4), (2, 3)),
            epochs=1,
            blocks=1,
            channels=8,
        ),
        "laptop": Settings(
            data="fashion_mnist",
            size=16,
            train_images=4_000,
            test_images=1_000,
            # A step of the 8 x 16 takes half as long as one of the 32 x 8, and one of the 2 x 32 a third.
            shapes=((32, 8, 6), (8, 16, 6), (2, 32, 6), (8, 16, 12), (2, 32, 18)),
            paths=((1, 16), (2, 10), (4, 6), (32, 1)),
            epochs=6,
        ),
        "gpu": Settings(
            data="cifar10",
            shapes=((32, 16, 40), (8, 32, 40), (2, 64, 40), (8, 32, 80), (2, 64, 120)),
            paths=((1, 16), (2, 10), (4, 6), (32, 1)),
            epochs=60,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=accuracies,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
