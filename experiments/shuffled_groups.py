"""Is it the shuffle? ShuffleNet's units with 1, 2, 4 and 8 groups, with the channels shuffled between them and without.

Zhang et al. (2017), table 3, at one width: with one group nothing has to be exchanged, so that pair shows what chance
alone makes of two trainings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.analysis import summarize
from cnnlab.chapters.searched.shuffled import grouped_network
from cnnlab.training import Run
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main, sgd_of


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    epochs: int
    size: int | None = None
    train_images: int | None = None
    test_images: int | None = None
    width: int = 32
    units: int = 5
    batch_size: int = 64
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.1
    clip_norm: float | None = 5.0
    groups: tuple[int, ...] = (1, 2, 4, 8)


def cases(settings: Settings) -> list[Case]:
    return [{"groups": groups, "shuffle": shuffle} for groups in settings.groups for shuffle in (False, True)]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"width": settings.width, "units": settings.units}
    shape |= {"in_channels": data.shape[0], "num_classes": data.num_classes}
    model = fresh_model(lambda: grouped_network(**case, **shape), seed)
    model.name = f"{case['groups']} groups{', shuffled' if case['shuffle'] else ''}"
    return Prepared(model, data, sgd_of(settings))


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    macs = summarize(prepared.model, prepared.data.shape).macs
    return accuracies(prepared, run) | {"macs": macs, "train_loss": run.final["train_loss"]}


EXPERIMENT = Experiment(
    name="shuffled_groups",
    question="What does the shuffle bring a network of grouped convolutions, by the number of its groups?",
    settings={
        "smoke": Settings(
            data="digits",
            size=8,
            epochs=1,
            train_images=64,
            test_images=64,
            width=8,
            units=2,
            batch_size=32,
            groups=(1, 4),
        ),
        "laptop": Settings(data="cifar10", size=16, epochs=4, train_images=6_000, test_images=2_000),
        "gpu": Settings(data="cifar10", epochs=60, width=240, units=12, batch_size=128),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "train_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
