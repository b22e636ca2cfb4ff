"""At equal width, does the gap between standard and depthwise separable layers close, in wider networks or longer runs?

The networks of `cnnlab.convolutions.trial.width_network`, which the chapter "Depthwise separable convolutions" trains
for 128 steps at one width: ten kinds of drawn shapes on 20 x 20 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.convolutions.trial import width_network
from cnnlab.data.shapes import load_shapes
from experiments.common import Case, Experiment, Prepared, accuracies, main, one_cycle


@dataclass(frozen=True)
class Settings:
    train_images: int
    test_images: int
    widths: tuple[int, ...]
    epochs: tuple[int, ...]  # of 16 steps each where there are 2048 images
    batch_size: int = 128
    lr: float = 0.03
    size: int = 20


def cases(settings: Settings) -> list[Case]:
    return [
        {"kind": kind, "width": width, "epochs": epochs}
        for epochs in settings.epochs
        for width in settings.widths
        for kind in ("standard", "separable")
    ]


def prepare(case: Case, seed: int, settings: Settings) -> Prepared:
    data = load_shapes(settings.train_images, settings.size, test=settings.test_images, rotation=20)
    kind, width = case["kind"], case["width"]
    return one_cycle(lambda: width_network(kind, width, data.num_classes), data, case, seed, settings)


EXPERIMENT = Experiment(
    name="separable_width",
    question="At equal width, how far behind are separable layers, by width and by length of training?",
    settings={
        "smoke": Settings(train_images=128, test_images=64, widths=(4,), epochs=(1,)),
        "laptop": Settings(train_images=2048, test_images=1000, widths=(4, 8, 16), epochs=(8, 32)),
        "gpu": Settings(train_images=8192, test_images=4000, widths=(4, 8, 16, 32, 64), epochs=(8, 64)),
    },
    cases=cases,
    prepare=prepare,
    measure=accuracies,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
