"""What does a dense network give for its parameters, and for its seconds, beside a residual one?

Huang et al. (2017), figures 3 and 4 (middle): DenseNet-BC against pre-activation ResNets at equal parameters; the
seconds are not in the paper. The "laptop" scale has three blocks of four 3x3 convolutions in either kind, on a part of
CIFAR-10, with a first convolution of stride 2, which makes all that follows a quarter as dear. Two residual networks
have about the parameters of the two dense ones, and two are wider. "dense, direct" is the dense network whose layers
learn from the gradient of their block's reader alone, never through a later layer: the "implicit deep supervision" of
the paper's section 5, taken at its word. The "gpu" scale is the paper's recipe without its deepest networks.

For the dense networks the record keeps which layer reads which: the mean absolute weights, as in the paper's figure 5,
and how many test pictures fewer are right when one link is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnlab.chapters.densenet.reading import losses, weights
from cnnlab.chapters.densenet.small import DirectBlock, small
from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.models.densenet import DenseNet
from cnnlab.training import Run, evaluate
from experiments.common import Case, Experiment, Prepared, accuracies, fresh_model, load, main, sgd_of, step_ms

CASES = (
    ("dense", 4),
    ("dense", 8),
    ("dense, direct", 8),
    ("residual", 4),
    ("residual", 8),
    ("residual", 16),
    ("residual", 20),
)
# Of the test set: on them each link is cut, one by one.
CUT_IMAGES = 400


@dataclass(frozen=True)
class Settings:
    data: str
    epochs: int
    cases: tuple[tuple[str, int], ...] = CASES
    blocks: int = 3
    depth: int = 4
    stride: int = 2
    batch_size: int = 64
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    warmup: float = 0.1
    size: int | None = None
    train_images: int | None = None
    test_images: int | None = None
    crop: int = 4


def cases(settings: Settings) -> list[Case]:
    return [{"data": settings.data, "kind": kind, "width": width} for kind, width in settings.cases]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load(settings.data, settings.train_images, settings.test_images, settings.size)
    shape = {"blocks": settings.blocks, "depth": settings.depth, "stride": settings.stride}
    shape |= {"in_channels": data.shape[0], "classes": data.num_classes}
    model = fresh_model(lambda: small(case["kind"], case["width"], **shape), seed)
    model.name = f"{case['kind']} {case['width']}"
    augment = Compose([Flip(), Crop(padding=settings.crop)])
    return Prepared(model, data, sgd_of(settings) | {"augment": augment})


def measure(prepared: Prepared, run: Run) -> dict[str, Any]:
    model, data = prepared.model, prepared.data
    measured = accuracies(prepared, run) | {"step_ms": step_ms(model, data.shape), "reads": [], "cuts": []}
    if not isinstance(model, DenseNet) or isinstance(model.stages[0], DirectBlock):
        return measured
    some = data.test.subset(min(CUT_IMAGES, len(data.test)))

    def score() -> float:
        return evaluate(model, some, mean=data.mean, std=data.std).accuracy

    return measured | {"reads": _rounded(weights(model)), "cuts": _rounded(losses(model, score))}


def _rounded(table: list[list[list[float]]]) -> list[list[list[float]]]:
    return [[[round(value, 5) for value in row] for row in block] for block in table]


EXPERIMENT = Experiment(
    name="dense_or_residual",
    question="What does a dense network give for its parameters, and for its seconds, beside a residual one?",
    settings={
        "smoke": Settings(
            data="shapes",
            cases=(("dense", 4), ("dense, direct", 4), ("residual", 4)),
            epochs=1,
            blocks=2,
            depth=2,
            batch_size=32,
            size=16,
            crop=2,
            train_images=96,
            test_images=64,
        ),
        "laptop": Settings(data="cifar10", epochs=8, train_images=3_600, test_images=1_000),
        "gpu": Settings(
            data="cifar10",
            cases=tuple((kind, width) for kind, width in CASES if kind != "residual")
            + (("residual", 8), ("residual", 16), ("residual", 32)),
            epochs=300,
            depth=16,
            stride=1,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=measure,
    measures=("test_accuracy", "train_accuracy", "step_ms"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
