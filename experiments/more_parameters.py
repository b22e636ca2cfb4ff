"""Does a wider network overfit more, and what do more pictures do?

Nakkiran et al. (2020), figure 1 and section 5: with a share of wrong labels the test error of a CNN first falls with
its width, then rises until the network can just fit its training set, then falls again. Here is a small network at
nine widths, with wrong labels and (at some of them) without, and at one width with 50 to 3,200 pictures, with and
without shifts. A training has the same number of steps whatever its pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnnlab.chapters.fitting.small import relabeled, repeated, small_cnn
from cnnlab.data.augment import Crop
from cnnlab.training import Cosine, Run, evaluate
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main


@dataclass(frozen=True, kw_only=True)
class Settings:
    data: str
    size: int
    test_images: int
    widths: tuple[tuple[float, tuple[int, ...]], ...]  # share of the labels that are drawn at random, widths
    images: int  # of each width
    counts: tuple[int, ...]  # pictures, all with ``width``
    width: int
    steps: int  # of the widths
    steps_of_counts: int
    padding: int = 2  # of the shifts, in pixels
    measured: int = 5  # times that a training is measured
    batch_size: int = 50
    lr: float = 2e-3
    warmup: float = 0.1


def cases(settings: Settings) -> list[Case]:
    wide = [
        {"sweep": "width", "width": width, "pictures": settings.images, "noise": noise, "shifts": False}
        for noise, widths in settings.widths
        for width in widths
    ]
    many = [
        {"sweep": "pictures", "width": settings.width, "pictures": count, "noise": 0.0, "shifts": shifts}
        for shifts in (False, True)
        for count in settings.counts
    ]
    return wide + many


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    whole = load(settings.data, test=settings.test_images, size=settings.size)
    own = relabeled(whole.train.subset(case["pictures"], seed=seed), case["noise"], seed)
    steps = settings.steps if case["sweep"] == "width" else settings.steps_of_counts
    # An epoch is a fifth of the steps, however many passes over the pictures that makes.
    times = max(1, round(steps * settings.batch_size / settings.measured / len(own)))
    epochs = max(1, round(steps * settings.batch_size / (len(own) * times)))
    shape = {"in_channels": whole.shape[0], "num_classes": whole.num_classes}
    model = fresh_model(lambda: small_cnn(case["width"], **shape), seed)
    model.name = " ".join(str(value) for value in case.values())
    training = {
        "epochs": epochs,
        "batch_size": settings.batch_size,
        "optimizer": "adam",
        "lr": settings.lr,
        "schedule": Cosine(warmup=settings.warmup),
        "augment": Crop(padding=settings.padding) if case["shifts"] else None,
    }
    return Prepared(model, replace(whole, train=repeated(own, times)), training)


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    """Its end; the training set is asked again as a test set is."""
    data = prepared.data
    usual = {"mean": data.mean, "std": data.std}
    fitted, tested = (evaluate(prepared.model, part, **usual) for part in (data.train, data.test))
    return accuracies(prepared, run) | {
        "fitted_accuracy": fitted.accuracy,
        "fitted_loss": fitted.loss,
        "test_loss": tested.loss,
    }


EXPERIMENT = Experiment(
    name="more_parameters",
    question="Does a wider network overfit more, and what do more pictures do?",
    settings={
        "smoke": Settings(
            data="shapes",
            size=16,
            test_images=20,
            widths=((0.2, (1, 2)), (0.0, (1,))),
            images=50,
            counts=(20, 50),
            width=2,
            steps=2,
            steps_of_counts=2,
        ),
        "laptop": Settings(
            data="fashion_mnist",
            size=14,
            test_images=1_000,
            widths=((0.2, (1, 2, 3, 4, 6, 8, 12, 16, 24)), (0.0, (1, 3, 8, 24))),
            images=500,
            counts=(50, 200, 800, 3_200),
            width=8,
            steps=800,
            steps_of_counts=400,
        ),
        "gpu": Settings(
            data="cifar10",
            size=32,
            test_images=10_000,
            widths=tuple((noise, (1, 2, 3, 4, 6, 8, 10, 12, 16, 24, 32, 48, 64)) for noise in (0.0, 0.1, 0.2)),
            images=50_000,
            counts=(500, 1_000, 5_000, 10_000, 50_000),
            width=64,
            steps=100_000,
            steps_of_counts=50_000,
            padding=4,
            measured=50,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "fitted_accuracy", "test_loss", "fitted_loss"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
