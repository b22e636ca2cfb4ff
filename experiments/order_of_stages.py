"""Convolution early and attention late, or the other way round? Four orders at equal MACs, with few pictures.

Dai et al. (2021), CoAtNet, sections 2.2 and 4.3, compare C-C-C-C, C-C-C-T, C-C-T-T and C-T-T-T, all of which begin with
convolutions, and choose the third. They rule T-T-C-C and its like out by an argument: convolution is the better at
local patterns, so it has to come first. That argument is put to the test here. Attention has a trained number for every
difference of places, as in CoAtNet; C-C-T-T and T-T-T-T are trained without it as well, as CAFormer is, where attention
learns of places only what convolutions before it leave behind, and nothing if there are none.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.chapters.hybrids.orders import staged
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

CASES = (
    ("C-C-C-C", True),
    ("C-C-T-T", True),
    ("T-T-C-C", True),
    ("T-T-T-T", True),
    ("C-C-T-T", False),
    ("T-T-T-T", False),
)


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    blocks: int
    size: int | None = None
    test_images: int | None = None
    augment: bool = True
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    cases: tuple[tuple[str, bool], ...] = CASES


def cases(settings: Settings) -> list[Case]:
    return [{"order": order, "positions": positions} for order, positions in settings.cases]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"blocks": settings.blocks, "in_channels": data.shape[0], "num_classes": data.num_classes}
    model = fresh_model(lambda: staged(case["order"], positions=case["positions"], **shape), seed)
    model.name = case["order"] if case["positions"] else f"{case['order']}, no positions"
    training = training_of(settings) | {"weight_decay": settings.weight_decay, "clip_norm": settings.clip_norm}
    augment = Compose([Flip(), Crop(padding=data.shape[1] // 8)]) if settings.augment else None
    return Prepared(model, data, training | {"augment": augment})


EXPERIMENT = Experiment(
    name="order_of_stages",
    question="At equal MACs and with few pictures, should convolution or attention come first?",
    settings={
        "smoke": Settings(
            data="digits",
            size=32,
            blocks=1,
            epochs=1,
            batch_size=32,
            train_images=64,
            test_images=32,
            augment=False,
            optimizer="adamw",
            cases=(("C-C-T-T", True), ("T-T-C-C", True), ("T-T-T-T", False)),
        ),
        "laptop": Settings(
            data="cifar10",
            blocks=1,
            epochs=8,
            batch_size=64,
            optimizer="adamw",
            lr=3e-3,
            schedule="onecycle",
            train_images=3_200,
            test_images=2_000,
        ),
        "gpu": Settings(
            data="cifar10",
            blocks=2,
            epochs=100,
            batch_size=128,
            optimizer="adamw",
            lr=2e-3,
            schedule="onecycle",
            train_images=10_000,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=costs_and_losses,
    measures=("test_accuracy", "train_accuracy", "train_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
