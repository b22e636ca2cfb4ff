"""At equal MACs, which convolution learns most, and does the order survive longer training?

The networks of `cnnlab.convolutions.trial`, which the chapter "Choosing a convolution" trains for 150 steps, trained
for about as long and for longer: 5 kinds of drawn shapes, turned by any angle, on 16 x 16 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.convolutions.trial import TRIAL_LAYERS, trial_network
from cnnlab.data.shapes import load_shapes
from experiments.common import Case, Experiment, Prepared, accuracies, main, one_cycle

CLASSES = ("circle", "square", "triangle", "star", "cross")


@dataclass(frozen=True)
class Settings:
    train_images: int
    test_images: int
    epochs: tuple[int, ...]  # of 32 steps each where there are 1024 images
    batch_size: int = 32
    lr: float = 0.02
    size: int = 16


def cases(settings: Settings) -> list[Case]:
    return [{"kind": kind, "epochs": epochs} for epochs in settings.epochs for kind in TRIAL_LAYERS]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load_shapes(settings.train_images, settings.size, test=settings.test_images, classes=CLASSES)
    return one_cycle(lambda: trial_network(case["kind"], num_classes=data.num_classes), data, case, seed, settings)


EXPERIMENT = Experiment(
    name="equal_macs",
    question="At equal MACs, which kind of convolution learns most in 160, 512 and 2,048 steps?",
    settings={
        "smoke": Settings(train_images=64, test_images=64, epochs=(1,)),
        "laptop": Settings(train_images=1024, test_images=2000, epochs=(5, 16, 64)),
        "gpu": Settings(train_images=8192, test_images=4000, epochs=(5, 16, 64)),
    },
    cases=cases,
    prepare=prepare,
    measure=accuracies,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
