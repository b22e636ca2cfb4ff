"""Is it the large kernel or the large stride of a first layer that leaves dead and aliased filters behind?

Zeiler and Fergus went from AlexNet's 11 x 11 kernels at stride 4 to 7 x 7 at stride 2, both changes at once, and from
18.1 to 16.5 % top-5 errors. Here are all four combinations in small, on pictures of 32 x 32 pixels: 9 x 9 or 5 x 5
kernels, stride 4 or 2. As in ZFNet the second layer has stride 2 where the first one has no 4, so that all that follows
is the same, and with it every parameter but those of the first kernels.

Measured on the test pictures, at the first layer: a filter is *dead* if its map, ReLU and all, varies less than a tenth
as much as the middle one's; *folded* is the share of the maps' variance at frequencies that the stride cannot carry
(``cnnlab.explain.folded_share``). At the output: how many answers stay the same when the picture moves by one pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.data import Dataset
from cnnlab.data.augment import Flip
from cnnlab.explain import folded_share
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main

KERNELS = {"9x9": 9, "5x5": 5}
STRIDES = {"stride 4": 4, "stride 2": 2}
MEASURED = 500  # test pictures at most whose maps are looked at


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    width: int
    batch_size: int = 64
    lr: float = 2e-3
    train_images: int | None = None
    test_images: int | None = None


def cases(settings: Settings) -> list[Case]:
    return [{"kernel": kernel, "stride": stride} for kernel in KERNELS for stride in STRIDES]


def network(kernel: int, stride: int, width: int, channels: int, num_classes: int) -> nn.Sequential:
    """Shape: (N, channels, 32, 32) -> (N, num_classes)."""
    return nn.Sequential(
        *(nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2), nn.ReLU()),
        *(nn.Conv2d(width, 2 * width, 5, 4 // stride, padding=2), nn.ReLU(), nn.MaxPool2d(2)),  # (N, 2 width, 4, 4)
        *(nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU(), nn.Flatten()),
        nn.Linear(32 * width, num_classes),
    )


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, 32)
    kernel, stride = KERNELS[case["kernel"]], STRIDES[case["stride"]]
    model = fresh_model(lambda: network(kernel, stride, settings.width, data.shape[0], data.num_classes), seed)
    training = {"epochs": settings.epochs, "batch_size": settings.batch_size, "optimizer": "adam", "lr": settings.lr}
    return Prepared(model, data, {**training, "schedule": "onecycle", "augment": Flip()})


@torch.no_grad()
def first_maps(model: nn.Sequential, x: Tensor) -> Tensor:
    """What the first layer would say at every place, ReLU and all. Shape: (N, C, 32, 32) -> (N, width, 32, 32)."""
    first = model[0]
    return nn.functional.conv2d(x, first.weight, first.bias, padding=first.padding).relu()


def dead_share(maps: Tensor) -> float:
    """The share of channels that vary less than a tenth as much as the middle one."""
    spread = maps.transpose(0, 1).flatten(1).std(dim=1)
    return (spread < 0.1 * spread.median()).float().mean().item()


@torch.no_grad()
def same_answers(model: nn.Module, x: Tensor) -> float:
    """The share of answers that stay when the picture is moved by one pixel to the side; borders are cut alike."""
    before, after = (model(part).argmax(dim=1) for part in (x, torch.roll(x, 1, dims=3)))
    return (before == after).float().mean().item()


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    data: Dataset = prepared.data
    model = prepared.model.eval()
    x = data.preprocess.normalized(data.test.images[:MEASURED])
    maps = first_maps(model, x)
    folded = folded_share(maps, model[0].stride[0])
    return {
        **accuracies(prepared, run),
        "dead": dead_share(maps),
        "folded": folded.nanmean().item(),
        "more than half folded": (folded > 0.5).float().mean().item(),
        "same after one pixel": same_answers(model, x),
    }


EXPERIMENT = Experiment(
    name="first_layer",
    question="Is it the large kernel or the large stride of a first layer that leaves dead and aliased filters?",
    settings={
        "smoke": Settings(data="shapes", epochs=1, width=8, train_images=200, test_images=60),
        "laptop": Settings(data="cifar10", epochs=12, width=32, train_images=10_000, test_images=2_000),
        "gpu": Settings(data="cifar10", epochs=40, width=96),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "dead", "folded", "more than half folded", "same after one pixel"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
