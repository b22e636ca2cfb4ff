"""Does a ReLU at the narrow end of a block do harm, and do shortcuts belong to the narrow ends or to the wide ones?

Sandler et al. (2018), figure 6: MobileNet V2 on ImageNet with and without a ReLU6 behind the last layer of its blocks,
and with its shortcuts between the bottlenecks, between the expansions, or gone. This is a small copy of both. The paper
explains the first by what a ReLU destroys where channels are few; then the harm should be smaller where they are not.
So a network with as many parameters and multiplications, but equally wide everywhere, is trained with a ReLU6 at the
end of its blocks and without; and one with its ReLU6 behind the addition, where ResNet has it.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.chapters.mobilenets.small import KINDS, small_mobilenet
from cnnlab.data.augment import Compose, Crop, Flip
from experiments.common import (
    AdamOnCosine,
    Case,
    Experiment,
    Prepared,
    costs_and_losses,
    fresh_model,
    load,
    main,
    training_of,
)


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    blocks: tuple[int, int, int] = (3, 4, 3)
    size: int | None = None
    test_images: int | None = None
    augment: bool = True
    kinds: tuple[str, ...] = tuple(KINDS)


def cases(settings: Settings) -> list[Case]:
    return [{"kind": kind} for kind in settings.kinds]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"blocks": settings.blocks, "in_channels": data.shape[0], "num_classes": data.num_classes}
    model = fresh_model(lambda: small_mobilenet(case["kind"], **shape), seed)
    model.name = case["kind"]
    augment = Compose([Flip(), Crop(padding=data.shape[1] // 8)]) if settings.augment else None
    return Prepared(model, data, training_of(settings) | {"augment": augment})


EXPERIMENT = Experiment(
    name="linear_bottleneck",
    question="Does a ReLU at the narrow end of a block do harm, and which ends should a shortcut join?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            blocks=(2, 2, 2),
            epochs=1,
            batch_size=32,
            train_images=64,
            test_images=64,
            augment=False,
            kinds=("linear", "ReLU6 after", "wide shortcuts", "even, ReLU6 inside"),
        ),
        "laptop": Settings(
            data="cifar10",
            size=24,
            epochs=10,
            batch_size=64,
            lr=4e-3,
            schedule="onecycle",
            train_images=3_200,
            test_images=2_000,
        ),
        "gpu": Settings(data="cifar10", blocks=(4, 6, 5), epochs=60, batch_size=128, lr=4e-3, schedule="onecycle"),
    },
    cases=cases,
    prepare=prepare,
    measure=costs_and_losses,
    measures=("test_accuracy", "train_accuracy", "train_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
