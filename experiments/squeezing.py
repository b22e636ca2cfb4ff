"""What asking more networks, and asking them more often, brings: gains beside what they corrupt and what they cost.

Small networks (`cnnlab.transfer.trial_network`) on a part of Fashion-MNIST. With each seed five of them are trained
that differ in their first weights alone; order and augmentation of the pictures are the seed's:

- case ``networks: k`` is the ensemble of the first k, compared with the first one;
- ``times: 9`` asks each network about a picture and eight shifted and mirrored copies, as it was trained;
- case ``wide`` is one network with about the arithmetic of five, asked once;
- case ``constant rate`` trains without a falling rate, with and without a moving average of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from cnnlab import evaluation
from cnnlab.data import Dataset
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.training import Run, fit
from cnnlab.transfer import trial_network
from experiments.common import Case, Experiment, Prepared, fresh_model, load, main, training_of

COPIES = 8


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    width: int
    wide: int  # about five times the multiply-accumulates
    networks: int = 5
    train_images: int | None = None
    test_images: int | None = None
    shift: int = 2
    mirror: float = 0.5
    ema: float = 0.99
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float = 5e-3
    schedule: str = "onecycle"


def cases(settings: Settings) -> list[Case]:
    together = [{"kind": "ensemble", "networks": k} for k in range(1, settings.networks + 1)]
    return [*together, {"kind": "wide", "networks": 1}, {"kind": "constant rate", "networks": 1}]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = pictures(settings)
    training = {**training_of(settings), "augment": augmentation(settings)}
    if case["kind"] == "wide":
        return Prepared(network(data, settings.wide, 100 * seed), data, training)
    if case["kind"] == "constant rate":
        # SGD: what an average is to settle is its wandering
        training |= {"optimizer": "sgd", "lr": 0.05, "schedule": None, "ema": settings.ema}
        return Prepared(network(data, settings.width, 100 * seed), data, training)
    return Prepared(network(data, settings.width, 100 * seed + case["networks"] - 1), data, training)


def pictures(settings: Settings) -> Dataset:
    return load(settings.data, settings.train_images, settings.test_images)


def augmentation(settings: Settings) -> Compose:
    return Compose([Crop(settings.shift), Flip(settings.mirror)])


def network(data: Dataset, width: int, seed: int) -> nn.Module:
    return fresh_model(lambda: trial_network(data.num_classes, data.shape[0], width), seed)


Said = tuple[evaluation.Answers, evaluation.Answers]
_KNOWN: dict[tuple[Any, ...], Said] = {}


def said(model: nn.Module, settings: Settings) -> Said:
    """Asked once, and nine times."""
    data = pictures(settings)
    return evaluation.answers(model, data), evaluation.augmented(model, data, augmentation(settings), COPIES)


def member(number: int, seed: int, settings: Settings) -> Said:
    """What a network of the ensemble says; trained here, if this process did not train it before."""
    key = (number, seed, settings)
    if key not in _KNOWN:
        prepared = prepare({"kind": "ensemble", "networks": number + 1}, seed, settings)
        # As common.main trains it.
        fit(prepared.model, prepared.data, **prepared.fit, seed=seed)
        _KNOWN[key] = said(prepared.model, settings)
    return _KNOWN[key]


@cache
def first(seed: int, settings: Settings) -> evaluation.Answers:
    """What all are compared with: the first network, asked once."""
    return member(0, seed, settings)[0]


def measure_with(settings: Settings, case: Case, seed: int, prepared: Prepared, run: Run) -> dict[str, Any]:
    k = case["networks"]
    mine = said(prepared.model, settings)
    if case["kind"] == "ensemble":
        _KNOWN[k - 1, seed, settings] = mine
        each = [member(number, seed, settings) for number in range(k)]
    else:
        each = [mine]
    once, often = (evaluation.combined([one[way] for one in each]) for way in (0, 1))
    found: dict[str, Any] = {"parameters": run.config["parameters"], "macs": once.macs}
    for name, asked in (("once", once), ("often", often)):
        compared, judged = evaluation.paired(first(seed, settings), asked), asked.calibration()
        found |= {
            f"{name}_accuracy": asked.accuracy,
            f"{name}_corrected": float(len(compared.corrected)),
            f"{name}_corrupted": float(len(compared.corrupted)),
            f"{name}_loss": judged.loss,
            f"{name}_ece": judged.ece,
            f"{name}_bias": judged.bias,
        }
    found["ema_accuracy"] = run.final.get("ema_accuracy", once.accuracy)
    found["train_accuracy"] = run.final["train_accuracy"]
    return found


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    settings, case, seed = prepared.about
    return measure_with(settings, case, seed, prepared, run)


@dataclass(frozen=True)
class About(Prepared):
    """A training that knows which case it is: what an ensemble says depends on its other members."""

    about: tuple[Settings, Case, int] = ()  # type: ignore[assignment]


def about(case: Case, seed: int, settings: Settings) -> About:
    prepared = prepare(case, seed, settings)
    return About(prepared.model, prepared.data, prepared.fit, (settings, case, seed))


EXPERIMENT = Experiment(
    name="squeezing",
    question="What do ensembles, augmented copies and averaged weights gain, corrupt and cost?",
    settings={
        "smoke": Settings("digits", 2, 8, 18, networks=2, train_images=100, test_images=100, shift=1, mirror=0.0),
        "laptop": Settings("fashion_mnist", 8, 16, 36, train_images=4_000, test_images=4_000),
        "gpu": Settings("fashion_mnist", 20, 48, 108),
    },
    cases=cases,
    prepare=about,
    measure=measure,
    measures=(
        "once_accuracy",
        "once_corrected",
        "once_corrupted",
        "once_loss",
        "once_ece",
        "once_bias",
        "often_accuracy",
        "often_corrected",
        "often_corrupted",
        "often_ece",
        "ema_accuracy",
    ),
)

if __name__ == "__main__":
    main(EXPERIMENT)
