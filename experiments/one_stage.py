"""Detectors that look once: a grid, anchors on one map, a pyramid; and three losses for anchors that see nothing.

The networks share their eight convolutions, their pictures and their training. Against the grid's own loss stand three
for anchors (Lin et al., Focal Loss for Dense Object Detection, 2017): the focal loss, the plain cross-entropy, and the
cross-entropy of the hardest three background anchors for each that has an object (Liu et al., SSD, 2016).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.chapters.one_stage.small import CLASSES, SMALL_BELOW, crowds, detector, of_size, predicted
from cnnlab.data import batches
from cnnlab.detection import BACKGROUND, Objects, Pyramid, focal_loss, mean_average_precision
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, fresh_model, main

CASES = (
    ("grid", "its own"),
    ("one map", "focal"),
    ("pyramid", "focal"),
    ("pyramid", "cross-entropy"),
    ("pyramid", "hardest 3"),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    train_images: int
    test_images: int
    epochs: int
    batch_size: int = 32
    lr: float = 3e-3
    clip_norm: float = 10.0
    least: float = 0.05  # scores below are left out of mAP
    repeats: int = 20  # pictures that speed is measured with
    cases: tuple[tuple[str, str], ...] = CASES


@dataclass(frozen=True)
class Detecting(Prepared):
    """A training about to start, and what its output means."""

    meaning: Any
    settings: Settings


def cases(settings: Settings) -> list[Case]:
    return [{"detector": kind, "loss": loss} for kind, loss in settings.cases]


def prepare(case: Case, seed: int, settings: Settings) -> Detecting:
    data = crowds(settings.train_images, seed, test=settings.test_images)
    loss = "focal" if case["detector"] == "grid" else case["loss"]
    model, meaning = fresh_model(lambda: detector(case["detector"], loss), seed)
    model.name = f"{case['detector']}, {case['loss']}"
    training = {name: getattr(settings, name) for name in ("epochs", "batch_size", "lr", "clip_norm")}
    training |= {"optimizer": "adamw", "schedule": "onecycle", "loss": meaning.loss, "metrics": {}}
    return Detecting(model, data, training, meaning, settings)


def milliseconds(model: nn.Module, decode: Any, pictures: torch.Tensor) -> tuple[float, float]:
    """Processor time for one picture, the median of several: through the network, and from its output to boxes."""
    model.eval()
    network, boxes = [], []
    with torch.no_grad():
        for picture in pictures:
            began = time.process_time()
            output = model(picture[None])
            between = time.process_time()
            decode(output)
            network.append(between - began)
            boxes.append(time.process_time() - between)
    middle = len(network) // 2
    return round(1000 * sorted(network)[middle], 3), round(1000 * sorted(boxes)[middle], 3)


def background_share(model: nn.Module, pyramid: Pyramid, x: torch.Tensor, y: list[Objects]) -> float:
    """The share of the plain cross-entropy that anchors pay which see nothing."""
    with torch.no_grad():
        logits = model.eval()(x)[..., 4:]
    labels = pyramid.target(y).labels
    wanted = torch.nn.functional.one_hot(labels.clamp(min=0), pyramid.num_classes) * (labels >= 0)[..., None]
    cost = focal_loss(logits, wanted, alpha=None, gamma=0.0).sum(2)
    return float(cost[labels == BACKGROUND].sum() / cost[(labels == BACKGROUND) | (labels >= 0)].sum())


def measure(prepared: Detecting, run: Run) -> dict[str, Any]:
    model, meaning, data = prepared.model.cpu(), prepared.meaning, prepared.data
    x, y = next(batches(data.test, len(data.test), mean=data.mean, std=data.std))
    decode = partial(meaning.decode, least=prepared.settings.least)
    found = predicted(model, decode, x)

    def precision(
        predictions: list[Objects], truths: list[Objects], limits: tuple[float, ...] | None = (0.5,)
    ) -> float:
        return round(mean_average_precision(predictions, truths, len(CLASSES), thresholds=limits).mean, 5)

    network, boxes = milliseconds(model, partial(meaning.decode, least=0.3), x[: prepared.settings.repeats])
    measured = {
        "parameters": run.config["parameters"],
        "macs": summarize(model, data.shape).macs,
        "map": precision(found, y),
        "map_coco": precision(found, y, None),
        "map_small": precision(*of_size(found, y, lambda side: side < SMALL_BELOW)),
        "map_large": precision(*of_size(found, y, lambda side: side >= SMALL_BELOW)),
        "network_ms": network,
        "boxes_ms": boxes,
        "found": sum(len(one) for one in found) / len(found),
        "train_loss_by_epoch": [round(row["train_loss"], 5) for row in run.history],
        "test_loss_by_epoch": [round(row["test_loss"], 5) for row in run.history],
    }
    if isinstance(meaning, Pyramid):
        measured["background_share"] = round(background_share(model, meaning, x, y), 5)
    return measured


EXPERIMENT = Experiment(
    name="one_stage",
    question="What do anchors, a pyramid and the focal loss bring to a detector that looks once?",
    settings={
        "smoke": Settings(train_images=48, test_images=16, epochs=1, batch_size=16, repeats=3),
        "laptop": Settings(train_images=2000, test_images=400, epochs=6),
        "gpu": Settings(train_images=20_000, test_images=2_000, epochs=20),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("map", "map_coco", "map_small", "map_large", "network_ms", "boxes_ms"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
