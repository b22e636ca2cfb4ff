"""How far down are a network's layers its task's own, and how far up could any task use them?

After Yosinski et al. (2014), figure 2. The classes are cut into two halves, A and B, and a network is trained on each.
Then the first n layers of one of them are put under fresh ones, and these are trained on B:

- "BnB": B's own first n layers, frozen. Where it falls below B, layers had grown together and cannot be parted.
- "BnB+": the same, trained on.
- "AnB": A's first n layers, frozen. Where it falls below BnB, the layers are A's own.
- "AnB+": the same, trained on. Where it rises above B, having seen A helped.

The paper's network has eight layers and ImageNet's classes in two halves of 500. This one has five, four of them
convolutions, and cuts CIFAR-10 into its first and its last five classes, each with animals and vehicles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from cnnlab.data import Dataset
from cnnlab.training import Run, fit
from cnnlab.transfer.grafts import CONVOLUTIONS, graft, halves, trial_network
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main, training_of


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    width: int
    size: int | None = None  # pixels on a side; None: as they come
    train_images: int | None = None  # of all classes
    test_images: int | None = None
    batch_size: int = 128
    optimizer: str = "adam"
    lr: float = 2e-3
    schedule: str = "cosine"
    layers: tuple[int, ...] = tuple(range(1, CONVOLUTIONS + 1))


def cases(settings: Settings) -> list[Case]:
    grafted = [{"kind": kind, "layers": n} for kind in ("BnB", "BnB+", "AnB", "AnB+") for n in settings.layers]
    return [{"kind": "B", "layers": 0}, *grafted]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = tasks(settings)["B"]
    # The fresh part of a graft must not start as that of its donor did.
    model = fresh(data, settings, seed if case["kind"] == "B" else 1000 + seed)
    if case["kind"] != "B":
        donor = base(case["kind"][0], seed, settings)
        graft(donor, model, case["layers"], frozen=not case["kind"].endswith("+"))
    return Prepared(model, data, training_of(settings))


@cache
def tasks(settings: Settings) -> dict[str, Dataset]:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    return dict(zip("AB", halves(data), strict=True))


def fresh(data: Dataset, settings: Settings, seed: int) -> nn.Sequential:
    return fresh_model(lambda: trial_network(data.num_classes, data.shape[0], settings.width), seed)


@cache
def base(task: str, seed: int, settings: Settings) -> nn.Sequential:
    """The network trained on one half from scratch; B's is the very one that case "B" trains."""
    data = tasks(settings)[task]
    model = fresh(data, settings, seed)
    fit(model, data, **training_of(settings), seed=seed)
    return model


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    return accuracies(prepared, run)


EXPERIMENT = Experiment(
    name="general_to_specific",
    question="Which layers serve another task as they are, and which are their own task's?",
    settings={
        "smoke": Settings("digits", epochs=1, width=8, train_images=200, test_images=100, layers=(1, 4)),
        "laptop": Settings("cifar10", epochs=8, width=32, size=16, train_images=10_000, test_images=4_000),
        "gpu": Settings("cifar10", epochs=60, width=64),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
