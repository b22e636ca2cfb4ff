"""Four small trained networks to take parts out of, and what that costs each of them.

On Fashion-MNIST, at a few million multiply-accumulates: ResNet-20 and the plain network of its depth at half their
width, GoogLeNet and MobileNet at an eighth of theirs. Then, of test pictures:

- each block of the first two gives place to what its shortcut would be, every second pixel and maps of zeros where the
  size changes (Veit, Wilber, Belongie, 2016, did so with ResNets of CIFAR-10 and one VGG);
- each branch of each of GoogLeNet's modules gives zeros;
- the weights of ResNet and MobileNet, batch norms folded into them, are rounded to a few bits, with one scale for a
  layer or one for each output channel.

The first seed's weights are kept, batch norms folded, as numbers of 8 bits, MobileNet's of 16.

Veit, Wilber, Belongie: Residual networks behave like ensembles of relatively shallow networks. NIPS 2016.
https://arxiv.org/abs/1605.06431
"""

from __future__ import annotations

import copy
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cnnlab import compress
from cnnlab.chapters.resnet.taken_apart import BLOCKS, build, without_block
from cnnlab.chapters.shipping.folding import folded
from cnnlab.data.augment import Flip
from cnnlab.models.googlenet import Inception
from cnnlab.ship.packing import packed_weights
from cnnlab.training import Cosine, Run, evaluate
from experiments.common import Case, Experiment, Watched, costs_at_the_end, fresh_model, load, main, watched

KEPT = 0  # the seed whose weights are kept
BITS = {"ResNet": 8, "plain": 8, "GoogLeNet": 8, "MobileNet": 16}  # of the weights that are kept
ROUNDED = (2, 3, 4, 5, 6, 8)
PER_CLASS = 6  # test pictures for the page
BRANCHES = ("conv1x1", "conv3x3", "conv5x5", "pool")
LICENSE = "Fashion-MNIST, Zalando SE; MIT license"


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    models: tuple[str, ...] = ("ResNet", "plain", "GoogLeNet", "MobileNet")
    batch_size: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.02
    warmup: float = 0.1
    train_images: int | None = None
    test_images: int | None = None
    watched: int = 500  # of them, measured after each epoch; all are at the end
    asked: int | None = None  # of the test pictures, when parts are taken out


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "model": model} for model in settings.models]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = load(settings.data, settings.train_images, settings.test_images, 28)
    model = fresh_model(lambda: build(case["model"], data.shape[0], data.num_classes), seed)
    model.name = case["model"]
    named = ("epochs", "batch_size", "lr", "weight_decay")
    recipe = {name: getattr(settings, name) for name in named}
    recipe |= {"optimizer": "adamw", "schedule": Cosine(warmup=settings.warmup), "augment": Flip()}
    prepared = watched(model, data, recipe, settings.watched)
    prepared.model.asked = settings.asked
    return prepared


def measure(prepared: Watched, run: Run) -> dict[str, Any]:
    data, model = prepared.data, prepared.model.eval()
    kind = run.config["model"]
    test = prepared.test[: model.asked] if model.asked else prepared.test

    def accuracy(network: nn.Module) -> float:
        return evaluate(network, test, mean=data.mean, std=data.std).accuracy

    measured = costs_at_the_end(prepared, run) | {"asked": len(test), "whole": accuracy(model)}
    if kind in ("ResNet", "plain"):
        measured["without"] = {block: accuracy(without_block(model, block)) for block in BLOCKS}
    if kind == "GoogLeNet":
        measured["without"] = {name: accuracy(without) for name, without in without_branches(model)}
    if kind in ("ResNet", "MobileNet"):
        whole = folded(model)
        measured["rounded"] = {
            per: {str(bits): accuracy(compress.quantize(whole, bits, per=per)) for bits in ROUNDED}
            for per in ("tensor", "channel")
        }
    if run.config["seed"] == KEPT:
        measured |= {"mean": list(data.mean), "std": list(data.std)}
        measured["weights"] = packed_weights(folded(model), BITS[kind])
        if kind == "ResNet":
            measured |= {"license": LICENSE, "classes": list(data.classes), "pictures": pictures(data)}
    return measured


def without_branches(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """("3a conv1x1", a copy whose branch gives zeros), ... of every module."""
    found = []
    for name, module in model.named_modules():
        if isinstance(module, Inception):
            for branch in BRANCHES:
                copied = copy.deepcopy(model)
                part = getattr(copied.get_submodule(name), branch)
                part.register_forward_hook(lambda module, given, output: torch.zeros_like(output))
                found.append((f"{name.removeprefix('inception')} {branch}", copied))
    return found


def pictures(data: Any) -> dict[str, Any]:
    """The first test pictures of each class: their labels, and uint8 pixels of all, picture by picture, row by row."""
    test = data.test
    places = [
        place for label in range(data.num_classes) for place in (test.labels == label).nonzero()[:PER_CLASS, 0].tolist()
    ]
    pixels = test.images[places].round().byte().numpy()
    return {"labels": test.labels[places].tolist(), "pixels": b64encode(pixels.tobytes()).decode()}


EXPERIMENT = Experiment(
    name="look_inside",
    question="What does a small trained network lose by a block, a branch, or the last bits of its weights?",
    settings={
        "smoke": Settings("digits", 1, ("ResNet", "MobileNet"), train_images=64, test_images=32),
        "laptop": Settings("fashion_mnist", 4, train_images=12_000, test_images=4_000, asked=1_000),
        "gpu": Settings("fashion_mnist", 20),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "whole"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
