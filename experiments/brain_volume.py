"""Whether a network that sees a volume beats one that sees its slices: gray and white matter of a brain.

The volume comes with the package nilearn: the T1-weighted average of 152 heads (ICBM 152, 2009), with maps of how
likely a voxel is gray or white matter. Three things are done to it. It is halved, to voxels of 2 mm. It gets noise,
since an average of 152 heads has next to none, and brightness alone would tell its matters apart. And it is cut into
slabs of slices from bottom to top, some to learn from and others to be asked about, with two slices between them: its
left half is the mirror of its right, so that a split by halves would ask about what was learned.

- case ``network`` is a small 3D U-Net; one of the same channels whose kernels have no depth ("slices"); and a wider one
  of that kind with about the volume's arithmetic ("slices, wide");
- ``annotated: few`` has classes for one slice in four of the slabs that teach, as in the 3D U-Net's paper.
"""

from __future__ import annotations

import gzip
import itertools
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab import segmentation
from cnnlab.analysis import summarize
from cnnlab.models.unet3d import SLICES, SMALL, UNet3d
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, fresh_model, main
from experiments.pieces import Batch, Pieces, packaged, weighted_loss

MATTERS = ("neither", "gray", "white")
NETWORKS = {
    "volume": SMALL,
    "slices": SLICES,
    "slices, wide": replace(SLICES, channels=((6, 12), (12, 24), (24, 48))),
}
# Slices of 2 mm, from bottom to top.
TEACH = ((8, 24), (36, 44), (56, 72))
ASK = ((26, 34), (46, 54))


@dataclass(frozen=True)
class Settings:
    data: str
    steps: int
    piece: tuple[int, int, int] = (8, 48, 48)
    batch_size: int = 2
    lr: float = 5e-3
    noise: float = 30.0  # deviation, of 255
    every: int = 4  # the slices that have classes where few have


def cases(settings: Settings) -> list[Case]:
    return [{"network": network, "annotated": kept} for kept in ("all", "few") for network in NETWORKS]


@cache
def volume(settings: Settings) -> tuple[Tensor, Tensor]:
    """Brightness with noise, about normal, and the class of each voxel. Shape: (D, H, W) of both."""
    if settings.data == "balls":
        places = torch.stack(torch.meshgrid(*(torch.linspace(-1, 1, side) for side in (76, 48, 48)), indexing="ij"))
        inside = places.norm(dim=0)
        classes = (inside < 0.9).long() + (inside < 0.5).long()
        bright = classes * 90.0
    else:
        t1, gray, white = (halved(read(which)) for which in ("t1", "gm", "wm"))
        classes = (gray > 127.5).long() + 2 * (white > 127.5).long()
        bright = t1
    noise = torch.randn(bright.shape, generator=torch.Generator().manual_seed(0))
    return (bright + settings.noise * noise - 90) / 80, classes


def read(which: str) -> Tensor:
    """A file of NIfTI, whose 352 bytes of header the numbers follow, the first axis fastest. Shape: (D, H, W)."""
    name = f"mni_icbm152_{which}_tal_nlin_sym_09a_converted.nii.gz"
    raw = gzip.decompress(packaged("nilearn", "datasets/data", name).read_bytes())
    return torch.from_numpy(np.frombuffer(raw[352:], np.uint8).reshape(189, 233, 197).copy()).float()


@cache
def mirror_difference(settings: Settings) -> float:
    """The largest difference between a voxel, as the package has it, and the one across the middle."""
    t1 = volume(settings)[0] if settings.data == "balls" else read("t1")
    return float((t1 - t1.flip(2)).abs().max())


def halved(x: Tensor) -> Tensor:
    """To 2 mm, and cut to multiples of 4 around the brain. Shape: (189, 233, 197) -> (94, 112, 96)."""
    return F.avg_pool3d(x[None, None], 2)[0, 0, :, 2:114, 1:97]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    x, classes = volume(settings)
    depth, height, width = settings.piece
    counts = torch.zeros(x.shape)
    for low, high in TEACH:
        counts[low : high : 1 if case["annotated"] == "all" else settings.every] = 1
    starts = [z for low, high in TEACH for z in range(low, high - depth + 1, 4)]

    def draw() -> Batch:
        parts = []
        for _ in range(settings.batch_size):
            z = starts[int(torch.randint(len(starts), ()))]
            y, left = (int(torch.randint(all_ - side + 1, ())) for all_, side in zip(x.shape[1:], (height, width)))
            parts.append((slice(z, z + depth), slice(y, y + height), slice(left, left + width)))
        cut, known, weight = (torch.stack([source[part] for part in parts]) for source in (x, classes, counts))
        return cut[:, None], {"map": known, "weight": weight}

    model = fresh_model(lambda: UNet3d(NETWORKS[case["network"]], len(MATTERS), in_channels=1), seed)
    model.settings = settings
    source = (
        "drawn" if settings.data == "balls" else "nilearn 0.14.1: ICBM 152, 2009, T1 and its maps, 2 mm, with noise"
    )
    data = Pieces(settings.data, source, (1, *settings.piece), settings.steps, draw)
    training = {"epochs": 1, "optimizer": "adam", "lr": settings.lr, "schedule": "onecycle", "loss": weighted_loss}
    return Prepared(model, data, {**training, "metrics": {}})


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    settings = prepared.model.settings
    x, classes = volume(settings)
    prepared.model.eval()
    with torch.inference_mode():
        found = torch.cat([prepared.model(x[None, None, low:high])[0].argmax(0) for low, high in ASK])
    true = torch.cat([classes[low:high] for low, high in ASK])
    plain = by_brightness(settings)
    return {
        "parameters": run.config["parameters"],
        "macs": summarize(prepared.model, prepared.data.shape).macs,
        **scores(found, true),
        **{f"brightness_{name}": value for name, value in scores(plain, true).items()},
        "mirror_difference": mirror_difference(settings),
        "train_loss": run.final["train_loss"],
    }


def scores(found: Tensor, true: Tensor) -> dict[str, float]:
    dice = segmentation.overlap(found, true, len(MATTERS)).dice
    return {"gray_dice": float(dice[1]), "white_dice": float(dice[2])}


@cache
def by_brightness(settings: Settings) -> Tensor:
    """Classes by two limits of brightness alone, the best ones for what teaches: what a network has to beat."""
    x, classes = volume(settings)
    known, right = (torch.cat([source[low:high].flatten() for low, high in TEACH]) for source in (x, classes))
    grid = torch.linspace(-1, 2, 31)
    # How many of each class lie below each limit: then no pair of limits needs another look at the voxels.
    below = torch.stack([torch.stack([((known < limit) & (right == k)).sum() for limit in grid]) for k in range(3)])
    total = torch.bincount(right, minlength=3)

    def dice(low: int, high: int) -> float:
        gray = below[:, high] - below[:, low]
        white = total - below[:, high]
        return float(2 * gray[1] / (gray.sum() + total[1]) + 2 * white[2] / (white.sum() + total[2]))

    low, high = max(itertools.combinations(range(len(grid)), 2), key=lambda pair: dice(*pair))
    asked = torch.cat([x[a:b] for a, b in ASK])
    return (asked >= grid[low]).long() + (asked >= grid[high]).long()


EXPERIMENT = Experiment(
    name="brain_volume",
    question="Does a 3D U-Net beat a 2D one on gray and white matter, with all slices annotated and with few?",
    settings={
        "smoke": Settings("balls", 2, piece=(8, 16, 16)),
        "laptop": Settings("brain", 200),
        "gpu": Settings("brain", 4_000),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("gray_dice", "white_dice", "brightness_gray_dice", "brightness_white_dice", "train_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
