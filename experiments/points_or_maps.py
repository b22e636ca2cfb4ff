"""Heat maps or the points themselves: at equal MACs, which network says better where joints are, and from how few?

Three networks on stick figures of 48 x 48 pixels, each with about three million multiply-accumulates: one ends in a
dense layer with two numbers a joint, trained by their absolute error; one in maps of 12 x 12 cells trained towards
Gaussians and read by DARK's step; and the same with the mean place under a softmax, trained by its absolute error. All
take as many steps of Adam, from few pictures seen often to many seen rarely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab import pose
from cnnlab.training import Run
from experiments.common import Case, Experiment, Watched, fresh_model, main
from experiments.joints import (
    SIZE,
    PointNetwork,
    TrainedOnFigures,
    figures,
    heat_map_network,
    measured,
    outputs,
    watched_joints,
)

STRIDE = 4
KINDS = ("points", "heat maps", "soft")


@dataclass(frozen=True, kw_only=True)
class Settings(TrainedOnFigures):
    train_images: tuple[int, ...]


def cases(settings: Settings) -> list[Case]:
    return [{"images": images, "kind": kind} for images in settings.train_images for kind in KINDS]


def read_maps(maps: Tensor) -> Tensor:
    return pose.decode(maps, stride=STRIDE).points


def read_means(maps: Tensor) -> Tensor:
    return pose.decode(maps, stride=STRIDE, method="soft").points


def read_points(points: Tensor) -> Tensor:
    return points


READINGS = {"points": read_points, "heat maps": read_maps, "soft": read_means}


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = figures(case["images"], settings.test_images)
    builds = {"points": PointNetwork, "heat maps": heat_map_network, "soft": heat_map_network}
    model: nn.Module = fresh_model(builds[case["kind"]], seed)
    read = READINGS[case["kind"]]
    loss = pose.PointLoss(read, unit=SIZE)
    if case["kind"] == "heat maps":
        loss = pose.HeatMapLoss(stride=STRIDE, sigma=settings.sigma)
    if case["kind"] == "soft":
        # A softmax of maps that start near 0 is flat and learns nothing for long; these start livelier.
        torch.nn.init.normal_(model.last.weight, std=0.3)
    return watched_joints(model, data, read, settings.fit(data) | {"loss": loss})


def measure(prepared: Watched, run: Run) -> dict[str, Any]:
    read = prepared.fit["metrics"]["error"].read
    return measured(prepared, run, read(outputs(prepared)))


EXPERIMENT = Experiment(
    name="points_or_maps",
    question="At equal MACs, who says better where joints are, heat maps or numbers, from how few pictures?",
    settings={
        "smoke": Settings(train_images=(32,), test_images=16, steps=2),
        "laptop": Settings(train_images=(100, 800, 6400), test_images=1000, steps=600),
        "gpu": Settings(train_images=(100, 800, 6400, 25600), test_images=2000, steps=4000),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("error", "pck"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
