"""A photograph that is moved, or whose numbers are pushed a little, and what a network says of it at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Select, Slider
from cnnlab.widgets.photos import packed_photo

__all__ = ["pushed_photo", "PUSHES"]

PHOTO = 128  # pixels a side on the page
WAYS = {"sign": "as the gradient says", "coin": "by a coin", "moved": "moved"}
# What the slider's steps are: of 255, of 255, and pixels.
PUSHES = {
    "sign": (0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4),
    "coin": (0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4),
    "moved": (0, 2, 4, 6, 8, 10, 12, 14, 16),
}


def pushed_photo(
    photos: Mapping[str, Any],
    answers: Mapping[str, Mapping[str, Sequence[tuple[str, float, float]]]],
    *,
    key: str | None = None,
) -> Explorer:
    """Choose a photo, a way and how far; see the picture, the answer, and the first answer's probability along the way.

    Args:
        photos: name -> uint8 (256, 256, 3), of which the network sees the middle 224 pixels when nothing is moved.
        answers: name of a photo -> way -> for each of the nine steps of ``PUSHES`` the answer, its probability, and
            that of the first step's answer.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: no photo, one without answers, or another number of steps.
    """
    if not photos or set(photos) != set(answers):
        raise ValueError(f"photos has {list(photos)} and answers {list(answers)}; give the same names, one or more.")
    for name, ways in answers.items():
        for way, steps in PUSHES.items():
            if len(ways.get(way, ())) != len(steps):
                raise ValueError(
                    f"answers[{name!r}][{way!r}] has {len(ways.get(way, ()))} steps; give the {len(steps)} of PUSHES."
                )
    panel = Panel(
        "pushed_photo",
        title="How little it takes",
        controls=(
            Select("photo", "Photo", dict(enumerate(photos))),
            Choice("way", "The numbers go", WAYS),
            Slider("step", 0, 8, "how far"),
        ),
        alt=lambda photo, way, step: (
            f"A photograph, at the start {list(photos)[photo]!r}, and a curve of the probability of the network's "
            "first answer while the numbers of the picture are pushed further, or the picture is moved. A sentence "
            "says what the network answers."
        ),
        room=170,
        hint=110,
    )
    data = {
        "photos": [packed_photo(f"photos[{name!r}]", photo, PHOTO) for name, photo in photos.items()],
        "pushes": {way: list(steps) for way, steps in PUSHES.items()},
        "answers": [
            {way: [[said, round(p, 3), round(first, 3)] for said, p, first in answers[name][way]] for way in PUSHES}
            for name in photos
        ],
    }
    return panel(photo=0, way="sign", step=0, data=data, key=key)
