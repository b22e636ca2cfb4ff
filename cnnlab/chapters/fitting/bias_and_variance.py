"""Polynomials through noisy points: degree, number of points, noise and penalty, and what each does to the errors."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Slider

__all__ = ["bias_and_variance"]

DEGREES = 30
POINTS = (6, 8, 10, 12, 15, 20, 30, 50)
PENALTIES = (-9, -6, -5, -4, -3, -2, -1, 0)  # powers of ten; the first is as good as none

PANEL = Panel(
    "bias_and_variance",
    title="Too simple, too free",
    controls=(
        Slider("degree", 0, DEGREES, "degree", color="orange"),
        Slider("points", POINTS[0], POINTS[-1], "points", values=POINTS, color="blue"),
        Slider("noise", 0, 1, "noise", symbol="σ", step=0.05, decimals=2),
        Slider("penalty", PENALTIES[0], PENALTIES[-1], "penalty, 10 to the", values=PENALTIES, color="green"),
        Slider("seed", 0, 19, "draw"),
    ),
    alt=lambda degree, points, noise, penalty, seed: (
        f"On the left a curve, {points} noisy points of it and a polynomial of degree {degree} fitted to them, with "
        "the fits to other draws of points as thin lines; on the right the training and the test error against the "
        "degree, from 0 to 30. Sliders change degree, points, noise and penalty."
    ),
    room=175,
    hint=165,
    presets={
        "Too simple": {"degree": 1, "points": 15, "noise": 0.3, "penalty": -9},
        "About right": {"degree": 4, "points": 15, "noise": 0.3, "penalty": -9},
        "Too free": {"degree": 14, "points": 15, "noise": 0.3, "penalty": -9},
        "Freer still": {"degree": 30, "points": 15, "noise": 0.3, "penalty": -9},
        "With a penalty": {"degree": 14, "points": 15, "noise": 0.3, "penalty": -2},
    },
)


def bias_and_variance(
    degree: int = 9, points: int = 15, noise: float = 0.3, penalty: int = -9, *, key: str | None = None
) -> Explorer:
    """Fit a polynomial to noisy points of a curve, and see training and test error, bias and variance.

    With more coefficients than points many polynomials go through all of them; the one of the smallest coefficients is
    taken, in Legendre's polynomials of length one, which is what a vanishing penalty leads to.

    Args:
        degree: 0 to 30.
        points: one of 6, 8, 10, 12, 15, 20, 30, 50.
        noise: standard deviation, 0 to 1.
        penalty: power of ten of λ in mean squared error + λ times the sum of squared coefficients, -9 to 0.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a value that is not offered.
    """
    return PANEL(degree=degree, points=points, noise=noise, penalty=penalty, seed=0, key=key)
