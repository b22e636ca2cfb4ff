"""What the experiments of the chapter "Pose" share: stick figures, networks of equal MACs, and what is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab import pose
from cnnlab.analysis import summarize
from cnnlab.data import Dataset
from cnnlab.data.figures import FIGURE_JOINTS, load_figures
from cnnlab.models.simple_baselines import SMALL, ConvTrunk, SimpleBaseline, SimpleBaselineVariant
from cnnlab.training import Run
from experiments.common import Prepared

__all__ = ["NEAR", "PointNetwork", "TrainedOnFigures", "figures", "heat_map_network", "judged", "measured"]

SIZE = 48
JOINTS = len(FIGURE_JOINTS)
NEAR = 0.05  # PCK: of the picture's side, 2.4 pixels
TRUNK = (16, 32, 48, 64)


@dataclass(frozen=True, kw_only=True)
class TrainedOnFigures:
    """Adam in one cycle for the same number of steps, however many pictures there are."""

    test_images: int
    steps: int
    batch_size: int = 32
    lr: float = 0.01
    sigma: float = 1.0

    def fit(self, train_images: int) -> dict[str, Any]:
        """The arguments of fit that all trainings here share."""
        batches = -(-train_images // self.batch_size)
        return {
            "epochs": max(1, round(self.steps / batches)),
            "batch_size": self.batch_size,
            "optimizer": "adam",
            "lr": self.lr,
            "schedule": "onecycle",
        }


def figures(train_images: int, test_images: int) -> Dataset:
    """Stick figures of 48 pixels whose batches teach joints; the first pictures of a larger set are a smaller one."""
    key = (train_images, test_images)
    if key not in _DRAWN:
        _DRAWN[key] = load_figures(train_images, SIZE, test=test_images).teaching("keypoints")
    return _DRAWN[key]


_DRAWN: dict[tuple[int, int], Dataset] = {}


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


def judged(read: Callable[[Tensor], Tensor]) -> dict[str, Any]:
    """The measures of fit, by what reads points off an output."""
    return {"error": pose.PointError(read), "pck": pose.PCK(read, SIZE, NEAR)}


def measured(prepared: Prepared, run: Run) -> dict[str, Any]:
    """What each training records."""
    return {
        "parameters": run.config["parameters"],
        "macs": summarize(prepared.model, prepared.data.shape).macs,
        "error": run.final["test_error"],
        "pck": run.final["test_pck"],
        "error_by_epoch": [round(row["test_error"], 4) for row in run.history],
    }


@torch.no_grad()
def outputs(prepared: Prepared, change: Callable[[nn.Module, Tensor], Tensor] = lambda model, x: model(x)) -> Tensor:
    """What the trained network says of the test pictures."""
    data, model = prepared.data, prepared.model.eval()
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (data.mean, data.std))
    return torch.cat([change(model, (part - mean) / std) for part in data.test.pixels.split(250)])
