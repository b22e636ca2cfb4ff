"""Five optimizers walk down one surface, whose shape, noise and rates can be set."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Slider

__all__ = ["optimizer_paths"]

RATES = (0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 1.9, 2.1)
STRETCHES = (1, 3, 10, 30, 100)
NAMES = {"sgd": "SGD", "momentum": "momentum", "rmsprop": "RMSProp", "adam": "Adam", "adamw": "AdamW"}
COLORS = ("blue", "orange", "green", "violet", "red")

# Each at a rate that suits the surface of the start.
OWN = {"sgd": 1.5, "momentum": 0.2, "rmsprop": 0.05, "adam": 0.2, "adamw": 0.2}

PANEL = Panel(
    "optimizer_paths",
    title="Five walks downhill",
    controls=(
        Slider("stretch", 1, 100, "valley’s stretch", values=STRETCHES),
        Slider("tilt", 0, 45, "valley’s tilt", step=5, unit="°"),
        Slider("noise", 0, 1, "gradient’s noise", step=0.05, decimals=2),
        Slider("steps", 5, 200, "steps taken", step=5),
        *(
            Slider(name, RATES[0], RATES[-1], f"{said}’s rate", color=color, values=RATES, decimals=None)
            for (name, said), color in zip(NAMES.items(), COLORS, strict=True)
        ),
    ),
    presets={
        "A round bowl": {"stretch": 1, "tilt": 0, "noise": 0.0, "steps": 40, **OWN},
        "A valley": {"stretch": 30, "tilt": 0, "noise": 0.0, "steps": 40, **OWN},
        "The same, tilted": {"stretch": 30, "tilt": 45, "noise": 0.0, "steps": 40, **OWN},
        "All at 0.1": {"stretch": 30, "tilt": 20, "noise": 0.0, "steps": 40, **dict.fromkeys(NAMES, 0.1)},
        "With noise": {"stretch": 30, "tilt": 20, "noise": 0.5, "steps": 100, **OWN},
        "Too fast": {"stretch": 10, "tilt": 20, "noise": 0.0, "steps": 40, **OWN, "sgd": 2.1},
    },
    alt=lambda stretch, tilt, noise, steps, **rates: (
        "A valley seen from above with the walks of five optimizers into it, and below it the height that each has "
        "reached, step by step. Sliders set how long and how tilted the valley is, the noise, the steps and the rate "
        f"of each optimizer. At the start its sides curve {stretch} times as much as its length, and {steps} steps are "
        "taken."
    ),
    room=200,
)


def optimizer_paths(
    stretch: int = 30,
    tilt: int = 20,
    noise: float = 0.0,
    steps: int = 40,
    *,
    sgd: float = OWN["sgd"],
    momentum: float = OWN["momentum"],
    rmsprop: float = OWN["rmsprop"],
    adam: float = OWN["adam"],
    adamw: float = OWN["adamw"],
    key: str | None = None,
) -> Explorer:
    """SGD, momentum (0.9), RMSProp, Adam and AdamW (decay 0.1) on a quadratic valley of two weights, as torch steps.

    The steep direction has the curvature 1 and the long one 1 / stretch. Where noise is added to the gradient, all
    five get the same.

    Args:
        stretch: the ratio of the two curvatures: 1, 3, 10, 30 or 100; its root is length by width.
        tilt: degrees by which the valley and the start are turned against the weights' axes, from 0 to 45 in fives.
        noise: standard deviation of what is added to both parts of the gradient, from 0 to 1.
        steps: from 5 to 200, in fives.
        sgd, momentum, rmsprop, adam, adamw: the learning rates, of those that are offered, 0.003 to 2.1.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered.
    """
    rates = {"sgd": sgd, "momentum": momentum, "rmsprop": rmsprop, "adam": adam, "adamw": adamw}
    return PANEL(stretch=stretch, tilt=tilt, noise=noise, steps=steps, **rates, key=key)
