"""The LeNet-5 and the MLP that answer inside the page: are they the worse for weights of 16 and of 8 bits?

Trained as in mlp_vs_lenet, on MNIST. The weights of the first seed are kept, LeNet-5's as 16-bit numbers and the MLP's
as 8-bit ones with a scale for each unit, together with a few test pictures to start from.
"""

from __future__ import annotations

import copy
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from cnnlab.ship.packing import load_packed, packed_weights
from cnnlab.training import Evaluation, Run, evaluate
from experiments.common import AdamOnCosine, Case, Experiment, Prepared, accuracies, main
from experiments.mlp_vs_lenet import Settings as Trainings
from experiments.mlp_vs_lenet import prepare as prepare_training

BITS = {"lenet5_28": 16, "mlp_mnist": 8}
KEPT = 0  # the seed whose weights are kept
MISREAD = 4  # how many of the pictures that LeNet-5 misreads are kept, the surest first
LICENSE = (
    "MNIST, Yann LeCun and Corinna Cortes; Creative Commons Attribution-Share Alike 3.0, as the documentation of "
    "Keras gives it"
)


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOnCosine):
    data: str
    test_images: int | None = None


def cases(settings: Settings) -> list[Case]:
    return [{"model": model, "bits": bits} for model, bits in BITS.items()]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    pair = (settings.data, case["model"])
    trainings = Trainings(
        pairs=(pair,), epochs=settings.epochs, train_images=settings.train_images, test_images=settings.test_images
    )
    return prepare_training({"data": settings.data, "model": case["model"]}, seed, trainings)


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    data, bits = prepared.data, BITS[prepared.model.name]
    packed = packed_weights(prepared.model, bits)
    rounded = load_packed(copy.deepcopy(prepared.model), packed)
    asked = evaluate(rounded, data.test, mean=data.mean, std=data.std)
    measured = accuracies(prepared, run) | {"rounded_test_accuracy": asked.accuracy}
    if run.config["seed"] == KEPT:
        measured |= {"weights": packed, "mean": list(data.mean), "std": list(data.std)}
        if prepared.model.name == "lenet5_28":
            measured |= {"license": LICENSE, "pictures": pictures(prepared, asked)}
    return measured


def pictures(prepared: Prepared, asked: Evaluation) -> list[dict[str, Any]]:
    """The first test picture of each digit, and those misread with most confidence: uint8 pixels, row by row."""
    test = prepared.data.test
    firsts = [(test.labels == digit).nonzero()[0, 0].item() for digit in range(10)]
    places = [*firsts, *asked.mistakes[:MISREAD].tolist()]
    return [
        {
            "test_image": place,
            "label": test.labels[place].item(),
            "pixels": b64encode(test.images[place, 0].round().byte().numpy().tobytes()).decode(),
        }
        for place in places
    ]


EXPERIMENT = Experiment(
    name="lenet_live",
    question="What do weights of 16 and of 8 bits cost LeNet-5 and the MLP on MNIST?",
    settings={
        "smoke": Settings(data="digits", epochs=2, train_images=600),
        "laptop": Settings(data="mnist", epochs=8),
        "gpu": Settings(data="mnist", epochs=20),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "rounded_test_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
