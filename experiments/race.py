"""Which of the zoo's families does best with equal multiply-accumulates, equal pictures and one recipe for all?

A paper compares its network with those before it, at its own size and by its own recipe. Here each family runs at the
size of ResNet-14 for pictures of 32 pixels (n = 2 of He et al., 2016, section 4.2), 26.4 million multiply-accumulates
a picture, within a tenth: the family's own blocks and plan, fewer or narrower. All have AdamW with one rate, one
schedule, flips and shifts, and batch norms that keep a tenth of each batch. What the race cannot say: who would win at
a hundred times the size, with a million pictures, or with a rate tuned for each.

The "laptop" scale has a part of CIFAR-10 and few epochs, and takes hours on one core all the same: it goes on
where it was stopped, and has every racer once before any has a second seed. "gpu" has all pictures and 60 epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

import cnnlab
from cnnlab.analysis import on_meta
from cnnlab.chapters.senet.gates import small_senet
from cnnlab.chapters.vgg.small import small_vgg
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.models import model_info
from cnnlab.models.factory import build_model
from cnnlab.models.mobilenet_v3 import SMALL
from cnnlab.training import Cosine, Run, evaluate
from experiments.common import Case, Experiment, Watched, accuracies, fresh_model, load, main, step_ms

# The hundredth of MobileNet v3's and MaxViT's papers would remember the start after a few hundred steps.
BN_MOMENTUM = 0.1
TARGET = 26_400_000  # multiply-accumulates of ResNet-14 for one picture of 32 pixels
Build = Callable[[int, int], nn.Module]  # (channels of a picture, classes) -> network


def of_zoo(name: str, **changed: Any) -> Build:
    """A network of the zoo for small pictures, with some fields of its variant changed."""

    def build(in_channels: int, num_classes: int) -> nn.Module:
        info = model_info(name)
        small = {"small_input": True} if hasattr(info.variant, "small_input") else {}
        variant = replace(info.variant, **small, **changed)
        sides = {"input_size": (in_channels, 32, 32), "smallest": min(32, info.smallest)}
        own = replace(info, variant=variant, library=None, **sides)
        return build_model(own, num_classes=num_classes, in_channels=in_channels)

    return build


def _narrow(name: str, times: float) -> dict[str, Any]:
    """The stages of Network in Network or the rows of MobileNet v3, their widths in steps of 8."""

    def eighths(width: int) -> int:
        return max(8, round(width * times / 8) * 8)

    if name == "mobilenet_v3_small":
        rows = [row._replace(expanded=eighths(row.expanded), channels=eighths(row.channels)) for row in SMALL]
        return {"rows": tuple(rows)}
    stages = model_info(name).variant.stages
    return {
        "stages": tuple(
            replace(stage, widths=tuple(None if width is None else eighths(width) for width in stage.widths))
            for stage in stages
        )
    }


def _doubling(first: int, stages: int = 4) -> tuple[int, ...]:
    return tuple(first * 2**number for number in range(stages))


def _vgg(in_channels: int, num_classes: int) -> nn.Module:
    return small_vgg((1, 1, 2, 2, 2), width=26, in_channels=in_channels, num_classes=num_classes, batch_norm=True)


def _senet(in_channels: int, num_classes: int) -> nn.Module:
    return small_senet("SE", width=32, blocks=2, in_channels=in_channels, num_classes=num_classes)


REGNET = {"depth": 13, "w_0": 16, "w_a": 12.0, "w_m": 2.5, "group_width": 8}

# Family -> how it is built at this size, oldest first.
RACERS: dict[str, Build] = {
    "MLP": of_zoo("mlp_cifar10", hidden=(4096, 2560, 1024)),
    "NiN": of_zoo("nin_cifar", **_narrow("nin_cifar", 0.32)),
    "VGG": _vgg,
    "GoogLeNet": of_zoo("googlenet", narrow=4),
    "plain": of_zoo("plain20_cifar", n=2),
    "ResNet": of_zoo("resnet20_cifar", n=2),
    "pre-activation": of_zoo("preact_resnet110_cifar", blocks=(2, 2, 2)),
    "Wide ResNet": of_zoo("wrn16_8_cifar", depth=16, widen_factor=1),
    "DenseNet": of_zoo("densenet_bc100_12_cifar", layers=(5, 5, 5), growth=8, stem=16),
    "SENet": _senet,
    "MobileNet v1": of_zoo("mobilenetv1_025", width=0.375),
    "MobileNet v2": of_zoo("mobilenetv2_035", width=0.47),
    "MobileNet v3": of_zoo("mobilenet_v3_small", **_narrow("mobilenet_v3_small", 1.25)),
    "ShuffleNet v2": of_zoo("shufflenet_v2_x0_5", channels=(84, 168, 336)),
    "MnasNet": of_zoo("mnasnet0_5", depth_multiplier=0.44),
    "NASNet": of_zoo("nasnet_mobile", cells=1, filters=312, stem=16),
    "EfficientNet": of_zoo("efficientnet_b0", width=0.4),
    "RegNetX": of_zoo("regnet_x_400mf", **REGNET),
    "RegNetY": of_zoo("regnet_y_400mf", **REGNET),
    "ViT": of_zoo("vit_small_cifar", layers=6, dim=69, heads=3),
    "MaxViT": of_zoo("maxvit_cifar", stem=16, channels=_doubling(12), blocks=(1, 1, 1, 1), head_dim=12),
    "ConvNeXt": of_zoo("convnext_tiny", channels=_doubling(25), blocks=(3, 3, 9, 3)),
    "ConvNeXt V2": of_zoo("convnextv2_atto", channels=_doubling(31)),
}


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    racers: tuple[str, ...] | None = None  # None: all
    batch_size: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip_norm: float = 1.0
    train_images: int | None = None
    test_images: int | None = None
    watched: int = 250  # of them, measured after each epoch; all are at the end
    crop: int = 4


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "family": family} for family in settings.racers or RACERS]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = load(settings.data, settings.train_images, settings.test_images, 32)
    model = fresh_model(lambda: RACERS[case["family"]](data.shape[0], data.num_classes), seed)
    model.name = case["family"]
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = BN_MOMENTUM
    named = ("epochs", "batch_size", "lr", "weight_decay", "clip_norm")
    recipe = {name: getattr(settings, name) for name in named}
    recipe |= {"optimizer": "adamw", "schedule": Cosine(warmup=settings.warmup)}
    augment = Compose([Flip(), Crop(padding=settings.crop)])
    watched = data.subset(test=min(settings.watched, len(data.test)))
    return Watched(model, watched, recipe | {"augment": augment}, data.test)


def measure(prepared: Watched, run: Run) -> dict[str, Any]:
    model, data = prepared.model, prepared.data
    measured = accuracies(prepared, run) | {"macs": macs(run.config["model"], data.shape, data.num_classes)}
    measured["test_accuracy"] = evaluate(model, prepared.test, mean=data.mean, std=data.std).accuracy
    return measured | {"step_ms": step_ms(model, data.shape)}


def macs(family: str, shape: tuple[int, ...] = (3, 32, 32), num_classes: int = 10) -> int:
    """Multiply-accumulates of a racer for one picture of this shape."""
    with on_meta():
        return cnnlab.summarize(RACERS[family](shape[0], num_classes), shape).macs


EXPERIMENT = Experiment(
    name="race",
    question="Which family does best with equal multiply-accumulates, equal pictures and one recipe for all?",
    settings={
        "smoke": Settings("shapes", 1, ("ResNet", "MobileNet v1"), batch_size=32, train_images=64, test_images=32),
        "laptop": Settings("cifar10", 8, train_images=3_000, test_images=2_000),
        "gpu": Settings("cifar10", 60, watched=2_000),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "step_ms"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
