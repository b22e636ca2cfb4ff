"""A space of 59 cells, every one trained: what do searches find in it, and does a network of shared weights rank it?

Dong and Yang (2020) trained all 15,625 cells of a space of six edges, so that searches could be compared by looking
their results up. This space has three edges (``cnnlab.chapters.searched.cells``) and is trained here, three seeds a
cell. The test pictures are halved: searches see the accuracy on one half, and what they found is judged on the other.
"one-shot" is a supernet: all cells in one training, each step with one of them, and then each cell's accuracy with the
shared weights.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from cnnlab.analysis import summarize
from cnnlab.chapters.searched.cells import CELLS, CellNetwork, Supernet
from cnnlab.data import Dataset, ImageSet
from cnnlab.environment import device
from cnnlab.training import Run, evaluate
from experiments.common import Case, Experiment, Prepared, fresh_model, load, main, sgd_of

ONE_SHOT = "one-shot"


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    epochs: int
    one_shot_epochs: int
    size: int | None = None
    train_images: int | None = None
    test_images: int | None = None
    width: int = 8
    batch_size: int = 64
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.1
    clip_norm: float | None = 5.0
    cells: tuple[str, ...] = CELLS


@dataclass(frozen=True)
class Halved(Prepared):
    """A training, and the data with all test pictures: every other one is searched on, the rest are judged on."""

    whole: Dataset


def cases(settings: Settings) -> list[Case]:
    return [{"cell": cell} for cell in (*settings.cells, ONE_SHOT)]


def prepare(case: Case, seed: int, settings: Settings) -> Halved:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"in_channels": data.shape[0], "num_classes": data.num_classes}
    fit = sgd_of(settings)
    if case["cell"] == ONE_SHOT:
        model = fresh_model(lambda: Supernet(settings.width, **shape), seed)
        # Each step trains a part of the weights only, which torch's fused SGD, the default, does not bear.
        kept = {name: fit.pop(name) for name in ("momentum", "weight_decay")}
        fit["optimizer"] = torch.optim.SGD(model.parameters(), fit.pop("lr"), **kept)
        fit["epochs"] = settings.one_shot_epochs
    else:
        model = fresh_model(lambda: CellNetwork(case["cell"], settings.width, **shape), seed)
    model.name = case["cell"]
    # What counts is measured once, at the end; after each epoch a few pictures will do.
    return Halved(model, data.subset(test=min(100, len(data.test))), fit, data)


def measure(prepared: Halved, run: Run) -> dict[str, Any]:
    model, data = prepared.model, prepared.whole
    searched, judged = data.test[0::2], data.test[1::2]

    def accuracy(half: ImageSet) -> float:
        found = evaluate(model, half, mean=data.mean, std=data.std, batch_size=len(half))
        return round(found.accuracy, 5)

    measured: dict[str, Any] = {"parameters": run.config["parameters"]}
    if isinstance(model, Supernet):
        said = {}
        for cell in CELLS:
            model.cell = cell
            said[cell] = accuracy(searched)
        model.cell = max(said, key=said.__getitem__)
        measured["said"] = said  # accuracy of each cell with the shared weights
    cost = summarize(model, data.shape)
    return measured | {
        "macs": cost.macs,
        "milliseconds": round(_milliseconds(model, data.shape), 4),
        "search_accuracy": accuracy(searched),
        "test_accuracy": accuracy(judged),
        "train_accuracy": run.final["train_accuracy"],
    }


def _milliseconds(model: torch.nn.Module, shape: tuple[int, int, int]) -> float:
    """The best of thirty passes of one picture."""
    picture = torch.zeros(1, *shape, device=device())
    model.eval().to(device())
    took = []
    with torch.no_grad():
        for _ in range(30):
            began = time.perf_counter()
            model(picture).sum().item()  # waits for a graphics card
            took.append(time.perf_counter() - began)
    return 1000 * min(took)


EXPERIMENT = Experiment(
    name="search",
    question="Of a space of cells, which one is best, what do searches find, and do shared weights rank them rightly?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            epochs=1,
            one_shot_epochs=1,
            train_images=64,
            test_images=64,
            width=4,
            batch_size=32,
            cells=("00i", "3a1", "3i3"),
        ),
        "laptop": Settings(
            data="cifar10", size=16, epochs=4, one_shot_epochs=32, train_images=4_000, test_images=4_000
        ),
        "gpu": Settings(data="cifar10", epochs=30, one_shot_epochs=300, width=16, batch_size=128),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("search_accuracy", "test_accuracy", "milliseconds"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
