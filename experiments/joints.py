"""What the experiments of the chapter "Pose" share: stick figures, networks of equal MACs, and what is measured."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab import pose
from cnnlab.analysis import summarize
from cnnlab.data import Dataset
from cnnlab.data.figures import FIGURE_JOINTS, FIGURE_PAIRS, load_figures
from cnnlab.models.simple_baselines import SMALL, ConvTrunk, SimpleBaseline, SimpleBaselineVariant
from cnnlab.training import Run
from experiments.common import Watched

Read = Callable[[Tensor], Tensor]
SIZE = 48
JOINTS = len(FIGURE_JOINTS)
TWINS = [joint for pair in FIGURE_PAIRS for joint in pair]
NEAR = 0.05  # PCK: of the picture's side, 2.4 pixels
TRUNK = (16, 32, 48, 64)
EPOCH = 1600  # pictures; fewer are repeated, so that little is measured between the steps
WATCHED = 100  # test pictures that are looked at after each epoch


@dataclass(frozen=True, kw_only=True)
class TrainedOnFigures:
    """Adam in one cycle for the same number of steps, however many pictures there are."""

    test_images: int
    steps: int
    batch_size: int = 32
    lr: float = 0.01
    sigma: float = 1.0

    def fit(self, data: Dataset) -> dict[str, Any]:
        """The arguments of fit that all trainings here share."""
        batches = -(-len(data.train) // self.batch_size)
        return {
            "epochs": max(1, round(self.steps / batches)),
            "batch_size": self.batch_size,
            "optimizer": "adam",
            "lr": self.lr,
            "schedule": "onecycle",
        }


@functools.cache
def figures(train_images: int, test_images: int) -> Dataset:
    """Stick figures of 48 pixels whose batches teach joints; an epoch has 1,600 pictures or more."""
    data = load_figures(train_images, SIZE, test=test_images).teaching("keypoints")
    repeated = torch.arange(train_images).repeat(-(-min(EPOCH, 16 * train_images) // train_images))
    return replace(data, train=data.train[repeated])


def watched_joints(model: nn.Module, data: Dataset, read: Read, training: dict[str, Any]) -> Watched:
    """A training that looks at 100 test pictures after each epoch, and at all of them at its end."""
    measures = {"error": pose.PointError(read), "pck": pose.PCK(read, SIZE, NEAR)}
    few = replace(data, test=data.test[:WATCHED])
    return Watched(model, few, training | {"metrics": measures}, data.test)


class PointNetwork(nn.Sequential):
    """A trunk and a dense layer that ends in the points themselves. Shape: (N, 3, 48, 48) -> (N, P, 2), in pixels."""

    def __init__(self, widths: tuple[int, ...] = (20, 40, 80, 96)) -> None:
        trunk = ConvTrunk(widths, in_channels=3)
        side = SIZE // 2 ** len(widths)
        super().__init__(trunk, nn.Flatten(), nn.Linear(trunk.channels * side**2, 2 * JOINTS))
        self.name = "points"

    def forward(self, x: Tensor) -> Tensor:
        shares = super().forward(x)  # (N, 2 P), 0 in the picture's middle
        return (shares.unflatten(1, (JOINTS, 2)) + 0.5) * SIZE


def heat_map_network(stride: int = 4) -> SimpleBaseline:
    """Maps with cells of 2, 4 or 8 pixels, behind one trunk."""
    up = {2: (48, 32, 32), 4: SMALL.up, 8: (48,)}[stride]
    model = SimpleBaseline(SimpleBaselineVariant(TRUNK, up, SMALL.deviation), JOINTS)
    model.name = f"heat maps, stride {stride}"
    return model


def measured(prepared: Watched, run: Run, found: Tensor) -> dict[str, Any]:
    """What each training records, of the points found in all test pictures."""
    far = pose.distances(found, prepared.test.keypoints).double()
    return {
        "parameters": run.config["parameters"],
        "macs": summarize(prepared.model, prepared.data.shape).macs,
        "error": far.mean().item(),
        "pck": (far <= NEAR * SIZE).double().mean().item(),
        "error_by_epoch": [round(row["test_error"], 4) for row in run.history],
    }


def from_twins(found: Tensor, true: Tensor) -> Tensor:
    """How far joints are from where their twins on the other side should be. Shapes: (N, P, 2) twice -> (N, P)."""
    return pose.distances(found, pose.mirrored(true * true.new_tensor([-1, 1]), 0, FIGURE_PAIRS))


def swapped(found: Tensor, true: Tensor) -> float:
    """The share of the joints with a twin that were given the twin's place."""
    wrong = (pose.distances(found, true) > NEAR * SIZE) & (from_twins(found, true) <= NEAR * SIZE)
    return wrong[:, TWINS].double().mean().item()


@torch.no_grad()
def outputs(prepared: Watched, change: Callable[[nn.Module, Tensor], Tensor] = lambda model, x: model(x)) -> Tensor:
    """What the trained network says of all test pictures."""
    data, model = prepared.data, prepared.model.eval()
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (data.mean, data.std))
    return torch.cat([change(model, (part - mean) / std) for part in prepared.test.pixels.split(250)])
