"""What mirrored pictures teach about a body with a left and a right: with the names of joints exchanged, and without.

Stick figures seen from the front or from behind, few of them, so that flips have something to add. The error is taken
for the three joints in the middle and for the eight that have a twin on the other side; at the end the pictures and
their mirror images are asked together, which is the usual "flip test".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from cnnlab import pose
from cnnlab.data import Dataset, augment
from cnnlab.data.figures import FIGURE_PAIRS
from cnnlab.training import Run
from experiments.common import Case, Experiment, Watched, fresh_model, main
from experiments.joints import (
    TWINS,
    TrainedOnFigures,
    figures,
    heat_map_network,
    measured,
    outputs,
    swapped,
    watched_joints,
)

STRIDE = 4
WAYS = ("no flips", "names exchanged", "names kept")


@dataclass(frozen=True, kw_only=True)
class Settings(TrainedOnFigures):
    train_images: int


def cases(settings: Settings) -> list[Case]:
    return [{"way": way} for way in WAYS]


def without_pairs(data: Dataset) -> Dataset:
    """The same pictures, of which nobody has said that left and right change places in a mirror."""
    return replace(data, train=replace(data.train, pairs=()))


def read(maps: Tensor) -> Tensor:
    return pose.decode(maps, stride=STRIDE).points


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = figures(settings.train_images, settings.test_images)
    if case["way"] == "names kept":
        data = without_pairs(data)
    training = settings.fit(data) | {"loss": pose.HeatMapLoss(stride=STRIDE, sigma=settings.sigma)}
    if case["way"] != "no flips":
        training["augment"] = augment.Flip()
    return watched_joints(fresh_model(lambda: heat_map_network(STRIDE), seed), data, read, training)


def measure(prepared: Watched, run: Run) -> dict[str, Any]:
    true = prepared.test.keypoints
    found = read(outputs(prepared))
    far = pose.distances(found, true).double()
    both = read(outputs(prepared, lambda model, x: pose.both_ways(model, x, FIGURE_PAIRS)))
    middle = [joint for joint in range(far.shape[1]) if joint not in TWINS]
    return measured(prepared, run, found) | {
        "middle": far[:, middle].mean().item(),
        "twins": far[:, TWINS].mean().item(),
        "swapped": swapped(found, true),
        "both_ways": pose.distances(both, true).double().mean().item(),
    }


EXPERIMENT = Experiment(
    name="mirrored_joints",
    question="What do mirrored pictures teach a pose network, with left and right exchanged and without?",
    settings={
        "smoke": Settings(train_images=32, test_images=16, steps=2),
        "laptop": Settings(train_images=400, test_images=1000, steps=600),
        "gpu": Settings(train_images=1600, test_images=2000, steps=4000),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("error", "pck", "middle", "twins", "swapped", "both_ways"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
