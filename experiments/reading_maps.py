"""How points are read off heat maps: the error of each method, by the size of a cell and by what the maps were taught.

Networks with cells of 2, 4 and 8 pixels behind one trunk, on stick figures of 48 x 48 pixels. Their Gaussians stand
either where the joints are, or, as in the code of many papers, in the middle of the joint's cell. How finely a map is
read is one question, and whose hand it is another: the methods' errors are those from the joint or from its twin on the
other side, whichever is nearer, and joints at their twin's place are counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnnlab import pose
from cnnlab.training import Run
from experiments.common import Case, Experiment, Watched, fresh_model, main
from experiments.joints import (
    TrainedOnFigures,
    figures,
    from_twins,
    heat_map_network,
    measured,
    outputs,
    swapped,
    watched_joints,
)

STRIDES = (2, 4, 8)
READINGS = ("argmax", "quarter", "taylor")


@dataclass(frozen=True, kw_only=True)
class Settings(TrainedOnFigures):
    train_images: int


def cases(settings: Settings) -> list[Case]:
    return [{"stride": stride, "rounded": rounded} for stride in STRIDES for rounded in (False, True)]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    stride = case["stride"]
    model = fresh_model(lambda: heat_map_network(stride), seed)
    loss = pose.HeatMapLoss(stride=stride, sigma=settings.sigma, rounded=case["rounded"])
    data = figures(settings.train_images, settings.test_images)

    def read(maps: Tensor) -> Tensor:
        return pose.decode(maps, stride=stride).points

    return watched_joints(model, data, read, settings.fit(data) | {"loss": loss})


def measure(prepared: Watched, run: Run) -> dict[str, Any]:
    maps, true = outputs(prepared), prepared.test.keypoints
    stride = prepared.model.stride
    read = {way: pose.decode(maps, stride=stride, method=way).points for way in READINGS}
    nearer = {way: torch.minimum(pose.distances(found, true), from_twins(found, true)) for way, found in read.items()}
    errors = {way: each.double().mean().item() for way, each in nearer.items()}
    return measured(prepared, run, read["taylor"]) | errors | {"swapped": swapped(read["taylor"], true)}


EXPERIMENT = Experiment(
    name="reading_maps",
    question="How far off are points read off heat maps with cells of 2, 4 and 8 pixels, by which method?",
    settings={
        "smoke": Settings(train_images=32, test_images=16, steps=2),
        "laptop": Settings(train_images=3200, test_images=1000, steps=500),
        "gpu": Settings(train_images=25600, test_images=2000, steps=4000),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("error", "pck", "swapped", *READINGS),
)

if __name__ == "__main__":
    main(EXPERIMENT)
