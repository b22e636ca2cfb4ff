"""What a Faster R-CNN learns in a few minutes, and whether rounding its regions to whole cells costs it anything.

Pictures of 64 pixels show one to three shapes. The feature map has a cell for 8 pixels, so that RoI pooling moves a
side by up to 4. If that harmed only how exactly boxes fit, it would show at an IoU of 0.75 and less at 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch

from cnnlab.data import Dataset, batches, load_shapes
from cnnlab.detection import mean_average_precision, pairwise
from cnnlab.models.faster_rcnn import SMALL, FasterRCNN
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, fresh_model, main, training_of

CLASSES = ("circle", "cross", "square", "star", "triangle")
PROPOSALS = (1, 2, 4, 8, 16, 32)
EXAMPLES, LIKELY = 8, 0.3  # test pictures whose boxes are recorded, and how sure those are


@dataclass(frozen=True)
class Settings:
    train: int
    test: int
    epochs: int
    batch_size: int = 16
    optimizer: str = "adam"
    lr: float = 1e-3
    schedule: str = "onecycle"


SETTINGS = {
    "smoke": Settings(train=16, test=8, epochs=1, batch_size=8),
    "laptop": Settings(train=1000, test=300, epochs=6),
    "gpu": Settings(train=10_000, test=1000, epochs=12),
}


@cache
def shapes(train: int, test: int) -> Dataset:
    """One to three shapes in each picture, turned by 20 degrees at most."""
    drawn = load_shapes(train, 64, test=test, objects=(1, 3), classes=CLASSES, rotation=20.0, scale=(0.34, 0.48))
    return drawn.teaching("objects")


def cases(settings: Settings) -> list[Case]:
    return [{"pooling": "align"}, {"pooling": "pool"}]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    variant = replace(SMALL, pooling=case["pooling"])
    model = fresh_model(lambda: FasterRCNN(variant, len(CLASSES)), seed)
    model.name = f"faster_rcnn {case['pooling']}"
    return Prepared(model, shapes(settings.train, settings.test), training_of(settings) | {"loss": model.loss})


@torch.no_grad()
def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    """Mean average precision, and the share of objects that one of the first n proposals overlaps by half."""
    model, data = prepared.model.eval(), prepared.data
    device = next(model.parameters()).device
    predictions, truths, covered = [], [], []
    for x, shown in batches(data.test, 50, mean=data.mean, std=data.std):
        output = model(x.to(device))
        predictions += [found.to("cpu") for found in model.decode(output)]
        truths += shown
        for proposals, objects in zip(model.proposals(output), shown, strict=True):
            overlaps = pairwise(objects.boxes, proposals.cpu())
            covered.append(torch.stack([overlaps[:, :n].amax(1) >= 0.5 for n in PROPOSALS], 1))
    precision = mean_average_precision(predictions, truths, len(CLASSES), thresholds=(0.5, 0.75))
    return {
        "parameters": run.config["parameters"],
        "map_at_half": precision.by_threshold[0].item(),
        "map_at_three_quarters": precision.by_threshold[1].item(),
        "precision_of_classes": precision.table[0].tolist(),
        "covered_by_proposals": torch.cat(covered).double().mean(0).tolist(),
        "examples": [
            {
                "boxes": [[round(value, 1) for value in box] for box in one.boxes.tolist()],
                "labels": one.labels.tolist(),
                "scores": [round(score, 3) for score in one.scores.tolist()],
            }
            for one in (found[found.scores >= LIKELY] for found in predictions[:EXAMPLES])
        ],
        "test_loss_by_epoch": [round(row["test_loss"], 5) for row in run.history],
    }


EXPERIMENT = Experiment(
    "two_stages",
    "Does a detector that cuts its regions out between cells do better than one that rounds them?",
    SETTINGS,
    cases,
    prepare,
    measure,
    ("map_at_half", "map_at_three_quarters", "covered_by_proposals", "precision_of_classes"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
