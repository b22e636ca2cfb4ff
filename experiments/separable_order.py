"""What matters in a separable layer: the order of its two steps, a nonlinearity between them, segments, shortcuts?

Chollet (2017) argues that the order is unimportant, shows that a ReLU or an ELU between the two steps does harm (figure
10) and that shortcuts are essential (figure 9), and leaves open what lies between an ordinary convolution, one segment
of all channels, and a depthwise one, a segment for each. He supposes that a nonlinearity helps where a segment has many
channels, as in Inception, and harms where it has one. So the networks with 1, 4 and C segments, all of which mix first,
are trained with a ReLU between the two steps and without, at about equal parameters. The "laptop" scale has pictures of
24 x 24 pixels and no ELU; the "gpu" scale has the paper's depth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnlab.chapters.xception.small import KINDS, separable_share, small_xception
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.training import Run
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
    middle: int
    size: int | None = None
    test_images: int | None = None
    augment: bool = True
    kinds: tuple[str, ...] = tuple(KINDS)


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "kind": kind} for kind in settings.kinds]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"middle": settings.middle, "in_channels": data.shape[0], "num_classes": data.num_classes}
    model = fresh_model(lambda: small_xception(case["kind"], **shape), seed)
    model.name = case["kind"]
    augment = Compose([Flip(), Crop(padding=data.shape[1] // 8)]) if settings.augment else None
    return Prepared(model, data, training_of(settings) | {"augment": augment})


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    measured = costs_and_losses(prepared, run)
    if KINDS[prepared.model.name].segments == 1:
        # All 3 x 3 layers but the first, and kernels of the same shapes that nobody trained.
        ordinary = [m.weight.detach().cpu() for m in prepared.model.modules() if isinstance(m, nn.Conv2d)][1:]
        ordinary = [weight for weight in ordinary if weight.shape[-1] == 3]
        generator = torch.Generator().manual_seed(run.config["seed"])
        chance = [torch.randn(weight.shape, generator=generator) for weight in ordinary]
        for name, first in (("filter_first", False), ("mix_first", True)):
            measured[f"kept_{name}"] = [round(separable_share(weight, first), 4) for weight in ordinary]
            measured[f"kept_{name}_by_chance"] = [round(separable_share(weight, first), 4) for weight in chance]
    return measured


EXPERIMENT = Experiment(
    name="separable_order",
    question="In separable layers, what do the order, a nonlinearity between, the segments and the shortcuts change?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            middle=1,
            epochs=1,
            batch_size=32,
            train_images=64,
            test_images=64,
            augment=False,
            kinds=("Xception", "1 segment, ReLU", "4 segments", "no shortcuts"),
        ),
        "laptop": Settings(
            data="cifar10",
            size=24,
            middle=2,
            epochs=10,
            batch_size=64,
            lr=4e-3,
            schedule="onecycle",
            train_images=3_200,
            test_images=2_000,
            kinds=tuple(kind for kind in KINDS if kind != "ELU between"),
        ),
        "gpu": Settings(data="cifar10", middle=8, epochs=60, batch_size=128, lr=2e-3, schedule="onecycle"),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "train_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
