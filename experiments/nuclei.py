"""What skips, upsampling, augmentation and weights at the borders bring: small U-Nets on nuclei of one picture.

The picture, of the 2018 Data Science Bowl (BBBC038, CC0), comes with the package stardist: 512 x 512 pixels, 125
nuclei. The split is by place: squares of its left part teach, its right part tests, and 32 columns lie between them.

- case ``skips: False`` joins zeros in the place of the maps of the way down, at equal parameters;
- ``up`` is the way of upsampling;
- ``pictures`` is the number of squares that teach, ``augment`` what is done to them: nothing; shifts, mirrors and
  turns; or elastic deformation and brightness besides, as in the paper;
- ``border`` weighs pixels between near nuclei more, as the paper's equation 2 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnnlab import segmentation
from cnnlab.data.augment import Compose, Flip, LocalWarp, Rotate
from cnnlab.data.shapes import draw_shapes
from cnnlab.models.unet import UNet, UNetVariant
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, fresh_model, main
from experiments.pieces import Batch, Pieces, packaged, weighted_loss

GAP, WIDE = 32, 240  # columns between the two parts, and of each of them
SHOWN = (slice(288, 384), slice(124, 220))  # of the right part, stored as an example
WAYS = {
    "none": Compose([]),
    "turns": Compose([Flip(), Rotate(180)]),
    "elastic": Compose([LocalWarp(pixels=8, nodes=5), Flip(), Rotate(180)]),
}
WHOLE = {"skips": True, "up": "transposed", "pictures": 8, "augment": "elastic", "border": False}


@dataclass(frozen=True)
class Settings:
    data: str
    steps: int
    channels: tuple[int, ...]
    side: int = 112
    batch_size: int = 4
    lr: float = 3e-3
    border_weight: float = 10.0  # w0 of the paper's equation 2
    border_width: float = 5.0  # sigma there, in pixels
    near: int = 2  # pixels, of boundary IoU


@dataclass(frozen=True)
class Picture:
    """Both parts, normalized alike. Shape of each: (H, W)."""

    name: str
    source: str
    left: Tensor
    left_objects: Tensor
    left_weight: Tensor  # of the paper's equation 2, beside 1
    right: Tensor
    right_objects: Tensor
    bytes: Tensor  # of the right part


def cases(settings: Settings) -> list[Case]:
    built = [WHOLE | {"skips": skips, "up": up} for skips in (True, False) for up in ("transposed", "bilinear")]
    taught = [WHOLE | {"pictures": count, "augment": way} for count in (2, 8) for way in WAYS]
    return [*built, *(case for case in taught if case != WHOLE), WHOLE | {"border": True}]


@cache
def picture(settings: Settings) -> Picture:
    if settings.data == "shapes":
        drawn = draw_shapes(16, 128, seed=0, scale=(0.2, 0.3))
        gray = torch.cat(drawn.images.float().mean(1).view(4, 512, 128).unbind(), 1)
        numbers = drawn.masks.long() * torch.arange(1, 17)[:, None, None]
        objects = torch.cat(numbers.view(4, 512, 128).unbind(), 1)
        name, source = "shapes", "drawn by cnnlab"
    else:
        from PIL import Image

        gray, objects = (
            torch.from_numpy(np.array(Image.open(packaged("stardist", "data/images", f"{which}2d.tif"))).astype(int))
            for which in ("img", "mask")
        )
        gray = gray.float()
        name, source = "nuclei", "stardist 0.9.2 (BSD-3), img2d.tif: 2018 Data Science Bowl, BBBC038 (CC0)"
    right = slice(WIDE + GAP, WIDE + GAP + WIDE)
    mean, std = gray[:, :WIDE].mean(), gray[:, :WIDE].std()
    x = (gray - mean) / std
    seen = (255 * gray[:, right] / gray[:, right].quantile(0.998)).clamp(0, 255).byte()
    left = numbered(objects[:, :WIDE])
    weight = settings.border_weight * between(left, settings.border_width)
    return Picture(name, source, x[:, :WIDE], left, weight, x[:, right], numbered(objects[:, right]), seen)


def numbered(objects: Tensor) -> Tensor:
    """1, 2, ... in place of numbers with gaps."""
    numbers = torch.unique(objects[objects > 0])
    return torch.where(objects > 0, torch.searchsorted(numbers, objects.contiguous()) + 1, 0)


def between(objects: Tensor, sigma: float) -> Tensor:
    """exp(-(d1 + d2)^2 / (2 sigma^2)), of the distances to the nearest and the second nearest object; 0 on objects."""
    reach = int(4 * sigma)
    first = torch.full(objects.shape, 1e6)
    second = first.clone()
    for mask in segmentation.masks_of(objects):
        rows, columns = mask.nonzero().unbind(1)
        top, left = max(0, int(rows.min()) - reach), max(0, int(columns.min()) - reach)
        around = (slice(top, int(rows.max()) + reach + 1), slice(left, int(columns.max()) + reach + 1))
        edge = segmentation.boundary(mask, 1)[around].nonzero().float()
        there = torch.cartesian_prod(*(torch.arange(side) for side in mask[around].shape)).float()
        distance = torch.cdist(there, edge).amin(1).view(mask[around].shape)
        nearer = distance < first[around]
        second[around] = torch.where(nearer, first[around], torch.minimum(second[around], distance))
        first[around] = torch.minimum(first[around], distance)
    return torch.exp(-((first + second) ** 2) / (2 * sigma**2)) * (objects == 0)


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    given = picture(settings)
    squares = corners(settings.side, given.left.shape)
    chosen = [squares[(seed + i * len(squares) // case["pictures"]) % len(squares)] for i in range(case["pictures"])]

    def draw() -> Batch:
        return batch(given, chosen, case, settings)

    variant = UNetVariant(
        channels=settings.channels,
        padding=1,
        bilinear=case["up"] == "bilinear",
        batch_norm=True,
        dropout=0.0,
        skips=case["skips"],
    )
    model = fresh_model(lambda: UNet(variant, num_classes=2), seed)
    model.case = (case, seed, settings)
    data = Pieces(given.name, given.source, (1, settings.side, settings.side), settings.steps, draw)
    training = {"epochs": 1, "optimizer": "adam", "lr": settings.lr, "schedule": "onecycle", "loss": weighted_loss}
    return Prepared(model, data, {**training, "metrics": {}})


def corners(side: int, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Of the squares that teach: two in a row, as many rows as fit."""
    return [(row * shape[0] // 4, column) for row in range(4) for column in (0, shape[1] - side)]


def batch(given: Picture, chosen: list[tuple[int, int]], case: Case, settings: Settings) -> Batch:
    """Squares of the left part. What an augmentation brings in from outside counts nothing."""
    side, parts = settings.side, []
    for pick in torch.randint(len(chosen), (settings.batch_size,)).tolist():
        top, left = chosen[pick]
        place = (slice(top, top + side), slice(left, left + side))
        weight = 1 + given.left_weight[place] if case["border"] else torch.ones(side, side)
        parts.append(torch.stack([given.left[place], (given.left_objects[place] > 0).float(), weight]))
    both = torch.stack(parts)  # (N, 3, side, side)
    if case["augment"] != "none":
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        both, _ = WAYS[case["augment"]](both, torch.zeros(len(both), dtype=torch.long), generator)
    x, mask, weight = both.unbind(1)
    if case["augment"] == "elastic":
        x = x * torch.empty(len(x), 1, 1).uniform_(0.75, 1.33)
    return x[:, None], {"map": (mask > 0.5).long(), "weight": weight * (weight > 0.9)}


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    case, seed, settings = prepared.model.case
    given = picture(settings)
    prepared.model.eval()
    with torch.inference_mode():
        scores = prepared.model(given.right[None, None])
    probability = scores.softmax(1)[0, 1]
    found, true = probability > 0.5, given.right_objects > 0
    counted = segmentation.overlap(found.long(), true.long(), 2)
    pieces = segmentation.components(found, neighbors=4, smallest=20)
    matches = segmentation.match(segmentation.masks_of(pieces), segmentation.masks_of(given.right_objects))
    measured = {
        "parameters": run.config["parameters"],
        "dice": float(counted.dice[1]),
        "iou": float(counted.iou[1]),
        "boundary_iou": float(segmentation.boundary_iou(found, true, settings.near)),
        "objects": float(pieces.max()),
        "true_objects": float(given.right_objects.max()),
        "paired": float(len(matches.pairs)),
        "panoptic_quality": matches.panoptic_quality,
        "train_loss": run.final["train_loss"],
    }
    return measured | ({"example": example(given, probability, case)} if seed == 0 else {})


def example(given: Picture, probability: Tensor, case: Case) -> dict[str, Any]:
    """A piece of the right part: where the network says nucleus and, of one case, all that is known."""
    kept: dict[str, Any] = {"mask": runs(probability[SHOWN] > 0.5)}
    if case == WHOLE:
        kept["picture"] = given.bytes[SHOWN].numpy().tobytes().hex()
        kept["probability"] = "".join(f"{value:x}" for value in (probability[SHOWN] * 15).round().int().flatten())
        kept["objects"] = [runs(mask) for mask in segmentation.masks_of(numbered(given.right_objects[SHOWN]))]
    return kept


def runs(mask: Tensor) -> dict[str, Any]:
    coded = segmentation.encode_runs(mask)
    return {"size": coded["size"], "counts": segmentation.string_of(coded["counts"])}


EXPERIMENT = Experiment(
    name="nuclei",
    question="What do skips, upsampling, augmentation and weights at the borders bring a U-Net on nuclei?",
    settings={
        "smoke": Settings("shapes", 2, (4, 8, 16, 32, 64), side=64, batch_size=2),
        "laptop": Settings("nuclei", 200, (8, 16, 32, 64, 128)),
        "gpu": Settings("nuclei", 2_000, (32, 64, 128, 256, 512)),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("dice", "iou", "boundary_iou", "objects", "paired", "panoptic_quality", "train_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
