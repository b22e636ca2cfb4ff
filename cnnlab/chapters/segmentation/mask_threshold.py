"""A threshold over a network's probabilities, and what becomes of the mask: counts, overlaps, objects."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["mask_threshold"]

LEVELS = 16  # of a probability on the page
SHOWS = {"outcome": "right and wrong", "boundary": "boundaries", "picture": "the picture"}


def mask_threshold(picture: Any, probability: Any, truth: Any, *, key: str | None = None) -> Explorer:
    """Move a threshold over a mask's probabilities, move and fatten the mask, and see what each measure makes of it.

    Args:
        picture: uint8, gray. Shape: (H, W).
        probability: that a pixel belongs to an object; the page carries sixteen levels. Shape: (H, W).
        truth: bool. Shape: (H, W).
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: arrays of different shapes, or a probability outside 0 to 1.
    """
    import numpy as np

    picture, probability, truth = (np.asarray(each) for each in (picture, probability, truth))
    if picture.ndim != 2 or not picture.shape == probability.shape == truth.shape:
        raise ValueError(
            f"picture, probability and truth have the shapes {picture.shape}, {probability.shape} and {truth.shape}; "
            "give three of one shape, (H, W)."
        )
    if probability.min() < 0 or probability.max() > 1:
        raise ValueError(
            f"probability runs from {probability.min():.3g} to {probability.max():.3g}; give numbers from 0 to 1, such "
            "as scores.softmax(1)[0, 1]."
        )
    panel = Panel(
        "mask_threshold",
        title="Where an object ends",
        controls=(
            Slider("cut", 1, LEVELS - 1, "threshold, sixteenths", color="blue"),
            Slider("grow", -3, 3, "grow by", unit=" px", color="orange"),
            Slider("shift", -6, 6, "shift by", unit=" px", color="green"),
            Slider("band", 1, 6, "boundary's width", unit=" px"),
            Choice("shows", "Show", SHOWS),
        ),
        presets={
            "As it came": {"cut": 8, "grow": 0, "shift": 0},
            "A pixel too fat": {"cut": 8, "grow": 1, "shift": 0},
            "Three pixels aside": {"cut": 8, "grow": 0, "shift": 3},
        },
        alt=lambda cut, grow, shift, band, shows: (
            "A piece of a picture with a network's mask over it: blue where it is right, orange where it invents, red "
            f"where it misses. At the start the threshold is {cut} sixteenths. Sentences give IoU, Dice, "
            f"boundary IoU with a band of {band} pixels, and how many pieces hang together."
        ),
        trying="Masks to try",
        room=110,
        hint=150,
    )
    gray = np.minimum(picture.astype(int) // LEVELS, LEVELS - 1)
    levels = np.rint(probability * (LEVELS - 1)).astype(int)
    data = {
        "height": picture.shape[0],
        "width": picture.shape[1],
        "gray": "".join(f"{value:x}" for value in gray.ravel()),
        "levels": "".join(f"{value:x}" for value in levels.ravel()),
        "truth": b64encode(np.packbits(truth.astype(bool).ravel()).tobytes()).decode(),
    }
    return panel(cut=8, grow=0, shift=0, band=2, shows="outcome", data=data, key=key)
