"""How many convolutions? Test accuracy against depth, at equal width, where depth costs, and at equal cost.

Three stages, each ended by a maximum pool, with the same number of 3 x 3 convolutions in each; one and two layers leave
the later stages to the pool alone. All end in the same hidden layer of 64 units, so that only the convolutions differ.
There are no shortcuts: what those change is the chapter on ResNet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cnnlab.chapters.design_rules.plans import BASE, plan_macs, plan_network, width_for
from experiments.common import Case, Experiment, Watched, costs_at_the_end, fresh_model, main, training_of, watched
from experiments.rules import Settings as OfRules
from experiments.rules import pictures

DEPTHS = {1: (1, 0, 0), 2: (1, 1, 0), 3: (1, 1, 1), 6: (2, 2, 2), 9: (3, 3, 3)}
EQUAL_WIDTH, EQUAL_COST = "equal width", "equal cost"


@dataclass(frozen=True, kw_only=True)
class Settings(OfRules):
    width: int = 8
    changes: tuple[str, ...] = ()
    depths: tuple[int, ...] = tuple(DEPTHS)
    middle: int = 3  # the depth whose width and whose cost the others share


def cases(settings: Settings) -> list[Case]:
    return [
        {"data": name, "layers": layers, "kept": kept}
        for name in settings.data
        for kept in (EQUAL_WIDTH, EQUAL_COST)
        for layers in settings.depths
        if kept == EQUAL_WIDTH or layers != settings.middle
    ]


def prepare(case: Case, seed: int, settings: Settings) -> Watched:
    data = pictures(case["data"], settings)
    shape, classes = data.shape, data.num_classes
    middle, plan = (replace(BASE, depths=DEPTHS[n], hidden=64) for n in (settings.middle, case["layers"]))
    width: float = settings.width
    if case["kept"] == EQUAL_COST:
        width = width_for(plan, plan_macs(middle, width, shape, classes), shape, classes)
    model = fresh_model(lambda: plan_network(plan, width, shape, classes), seed)
    model.name = f"{case['layers']} layers"
    return watched(model, data, training_of(settings), settings.watched)


EXPERIMENT = Experiment(
    name="how_many_layers",
    question="How does the accuracy of a small plain network grow with its layers, at equal width and at equal cost?",
    settings={
        "smoke": Settings(
            data=("digits",), epochs=1, train_images=64, test_images=64, size=8, width=2, batch_size=32, depths=(1, 3)
        ),
        "laptop": Settings(data=("fashion_mnist", "cifar10"), epochs=6, train_images=2_000, test_images=2_000),
        "gpu": Settings(
            data=("fashion_mnist", "cifar10"),
            epochs=30,
            train_images=50_000,
            test_images=10_000,
            width=32,
            batch_size=128,
        ),
    },
    cases=cases,
    prepare=prepare,
    measure=costs_at_the_end,
    measures=("test_accuracy", "train_accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT)
