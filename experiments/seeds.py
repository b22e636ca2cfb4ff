"""How far do trainings lie apart that differ in nothing but their seed, and when is one recipe better than another?

Two networks of one build, one of them a little wider, are each trained with many seeds on the same pictures, and asked
about the same ten thousand others. The seed draws the first weights and the order of the batches. The record keeps for
every training which answers were right, one bit each, so that a page can draw smaller test sets out of it, pick a
"best" network on one half and look it up on the other, and hold McNemar's test on two networks against the truth about
two recipes. X. Bouthillier et al. (2021), "Accounting for variance in machine learning benchmarks", do it at scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.chapters.measuring.bits import packed
from cnnlab.evaluation import Answers
from cnnlab.training import Run, evaluate
from cnnlab.transfer import trial_network
from experiments.common import (
    AdamOnCosine,
    Case,
    Experiment,
    Watched,
    accuracies,
    fresh_model,
    load,
    main,
    training_of,
)


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    widths: tuple[int, ...]
    test_images: int | None = None
    watched: int = 500  # of them, measured after each epoch; all are at the end


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "width": width} for width in settings.widths]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = load(case["data"], settings.train_images, settings.test_images)
    model = fresh_model(lambda: trial_network(data.num_classes, data.shape[0], case["width"]), seed)
    model.name = f"{case['width']} channels"
    watched = data.subset(test=min(settings.watched, len(data.test)))
    return Watched(model, watched, training_of(settings), data.test)


def measure(prepared: Watched, run: Run) -> dict[str, Any]:
    """The accuracy on all test pictures, which of them were right, the accuracy in each class, and the calibration."""
    data = prepared.data
    found = evaluate(prepared.model, prepared.test, mean=data.mean, std=data.std)
    said = Answers(run.config["model"], found.logits.softmax(dim=1), found.labels, found.classes)
    known = said.calibration()
    return {
        **accuracies(prepared, run),
        "test_accuracy": found.accuracy,
        "test_loss": found.loss,
        "ece": known.ece,
        "bias": known.bias,
        "class_accuracy": [round(share, 4) for share in found.class_accuracy.tolist()],
        "test_images": len(prepared.test),
        "right": packed(said.right),
    }


EXPERIMENT = Experiment(
    name="seeds",
    question="How far do equal trainings with other seeds lie apart, and how often does the worse recipe win?",
    settings={
        "smoke": Settings(
            data="digits", widths=(4, 5), epochs=1, batch_size=32, lr=1e-2, train_images=64, test_images=100, watched=50
        ),
        "laptop": Settings(
            data="fashion_mnist",
            widths=(12, 14),
            epochs=8,
            batch_size=50,
            lr=1e-2,
            schedule="onecycle",
            train_images=3_000,
        ),
        "gpu": Settings(data="cifar10", widths=(64, 72), epochs=30, batch_size=128, lr=1e-2, schedule="onecycle"),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "test_loss", "ece"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
