"""Three of the race's families with four times its epochs: does its order hold when there is more time to learn?

The first, the middle and the newest that came out far behind: VGG, ResNet and ConvNeXt. All else is as in
``experiments/race.py``.
"""

from __future__ import annotations

from dataclasses import replace

from experiments import race
from experiments.common import main

_LONGER = {"racers": ("VGG", "ResNet", "ConvNeXt")}

EXPERIMENT = replace(
    race.EXPERIMENT,
    name="longer_race",
    question="Does the race's order hold with four times its epochs?",
    settings={
        "smoke": race.EXPERIMENT.settings["smoke"],
        "laptop": replace(race.EXPERIMENT.settings["laptop"], epochs=32, **_LONGER),
        "gpu": replace(race.EXPERIMENT.settings["gpu"], epochs=240, **_LONGER),
    },
)

if __name__ == "__main__":
    main(EXPERIMENT)
