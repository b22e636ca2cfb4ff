"""How batch size and learning rate trade speed against noise, on a surface where the answer can be computed."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["batch_and_rate"]

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5)
RULES = {"as it is": "stays", "linear": "times k", "root": "times √k"}

PANEL = Panel(
    "batch_and_rate",
    title="Batch, rate and noise",
    controls=(
        Slider("batch", 1, 512, "pictures in a batch", symbol="B", color="blue", values=BATCHES),
        Slider("rate", RATES[0], RATES[-1], "rate at a batch of 16", symbol="η", values=RATES, decimals=None),
        Slider("noise", 0, 10, "noise of one picture", symbol="σ", step=0.5, decimals=1),
        Choice("rule", "A batch k times as large: the rate", RULES),
        Choice("axis", "Count", {"pictures": "pictures", "steps": "steps"}),
    ),
    presets={
        "Small steps": {"batch": 16, "rate": 0.02, "noise": 5.0, "rule": "as it is"},
        "Larger batch, same rate": {"batch": 128, "rate": 0.05, "noise": 5.0, "rule": "as it is"},
        "Larger batch, larger rate": {"batch": 128, "rate": 0.05, "noise": 5.0, "rule": "linear"},
        "The rule breaks": {"batch": 512, "rate": 0.1, "noise": 5.0, "rule": "linear"},
        "One picture": {"batch": 1, "rate": 0.05, "noise": 5.0, "rule": "as it is"},
    },
    alt=lambda batch, rate, noise, rule, axis: (
        "The loss by pictures or by steps on a logarithmic axis: one run with its noise, the exact average of all runs "
        "and that of a batch of 16 for comparison. Sliders set batch, rate and noise. At the start a batch has "
        f"{batch} pictures and the rate at a batch of 16 is {rate:g}."
    ),
    room=215,
)


def batch_and_rate(
    batch: int = 128,
    rate: float = 0.05,
    noise: float = 5.0,
    rule: str = "linear",
    axis: str = "pictures",
    *,
    key: str | None = None,
) -> Explorer:
    """SGD on a noisy quadratic of two weights with the curvatures 1 and 0.1, whose expected loss is known exactly.

    The gradient of a batch of B pictures is that of all, plus noise of the variance σ² h / B along a direction of
    curvature h: the model of Zhang et al. (2019), who take noise to be larger where the surface is steeper.

    Args:
        batch: B, a power of two from 1 to 512.
        rate: η at a batch of 16: 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0 or 1.5.
        noise: σ, from 0 to 10.
        rule: how the rate follows the batch: "as it is", "linear" or "root".
        axis: "pictures" or "steps".
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered.
    """
    return PANEL(batch=batch, rate=rate, noise=noise, rule=rule, axis=axis, key=key)
