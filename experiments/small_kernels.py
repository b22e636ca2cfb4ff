"""Two 3 x 3 convolutions with a ReLU between, the same two without it, and one 5 x 5: which learns best?

Simonyan and Zisserman (2015), section 4.1: their network B, ten convolutions of 3 x 3 in five pairs, against one with
five of 5 x 5, whose top-1 error was 7 points higher. The third kind is ours. It has B's weights, B's fields and B's
multiplications, and lacks only the ReLU inside each pair, so that it tells the ReLU's share from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.chapters.vgg.small import KINDS, small_vgg
from cnnlab.data.augment import Compose, Crop, Flip
from experiments.common import (
    AdamOnCosine,
    Case,
    Experiment,
    Prepared,
    accuracies,
    fresh_model,
    load,
    main,
    training_of,
)


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    depths: tuple[int, ...] = (2, 2, 2, 2, 2)
    width: int = 8
    size: int | None = None
    test_images: int | None = None
    augment: bool = True
    kinds: tuple[str, ...] = tuple(KINDS)


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "kind": kind} for kind in settings.kinds]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    channels, side, _ = data.shape
    shape = {"width": settings.width, "side": side, "in_channels": channels, "num_classes": data.num_classes}
    model = fresh_model(lambda: small_vgg(settings.depths, case["kind"], **shape), seed)
    model.name = case["kind"]
    augment = Compose([Flip(), Crop(padding=4)]) if settings.augment else None
    return Prepared(model, data, training_of(settings) | {"augment": augment})


EXPERIMENT = Experiment(
    name="small_kernels",
    question="Are two 3 x 3 convolutions better than one 5 x 5 that sees as much, and is it the ReLU between them?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            depths=(2, 2),
            width=4,
            epochs=1,
            batch_size=32,
            train_images=96,
            test_images=64,
            augment=False,
        ),
        "laptop": Settings(
            data="cifar10",
            epochs=12,
            batch_size=64,
            lr=2e-3,
            train_images=5_000,
            test_images=2_000,
            schedule="onecycle",
        ),
        "gpu": Settings(data="cifar10", width=64, epochs=60, lr=1e-3, schedule="onecycle"),
    },
    cases=cases,
    prepare=prepare,
    measure=accuracies,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
