"""EfficientNet-Lite0 inside the page: what it takes a photograph for, its maps, and what it says of a covered one."""

from __future__ import annotations

from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, PhotoInput, Select

__all__ = ["your_photo"]

RECORD = "photo_in_page"


def your_photo(picture: str = "cat", *, stage: str = "stage4", key: str | None = None) -> Explorer:
    """Ask a pretrained network about a photograph, your own too, in the page itself: no photo leaves it.

    The network comes when it is asked for, from a file that the built book has beside its pages, and computes in a
    worker: five answers, the strongest maps of a stage, and how much of the first answer is left when a gray square
    covers a part. Elsewhere, in a notebook, what is recorded of the photographs is shown, and the photo lab answers.

    Args:
        picture: the photograph to start from, one of those recorded.
        stage: the stage whose maps are shown at the start: "stem", "stage2" to "stage8" or "last".
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a picture or a stage that there is not.
    """
    from cnnlab.results import recorded

    kept = recorded(RECORD)
    photos: dict[str, Any] = kept["photos"]
    stages: dict[str, Any] = kept["stages"]
    panel = Panel(
        "your_photo",
        title="Your photo, asked in the page",
        controls=(
            Select("picture", "Photo", {"": "your own"} | {name: own["label"] for name, own in photos.items()}),
            PhotoInput("photo", "A photo of your own"),
            Select("stage", "Look into", {name: own["label"] for name, own in stages.items()}),
        ),
        alt=lambda picture, stage: (
            "A photograph and the five most probable of a thousand classes, with a bar for the probability of each; a "
            "photo of your own can be chosen, dropped, pasted or taken, and the network computes in the page. Below it "
            "are maps of a chosen stage, and over the photograph how much of the first answer is lost where a gray "
            f"square lies. At the start it is {photos[picture]['label'] if picture else 'empty'}, taken for "
            f"{photos[picture]['top'][0][0] if picture else 'nothing yet'}."
        ),
        room=150,
        hint=120,
        variables={
            "own": None,
            "problem": "",
            "network": "asleep",
            "done": None,
            "answer": None,
            "maps": None,
            "cover": None,
            "covering": False,
        },
    )
    return panel(
        picture=picture,
        stage=stage,
        data={
            "network": kept["network"],
            "megabytes": kept["megabytes"],
            "photos": photos,
            "stages": {name: {"maps": own["maps"]} for name, own in stages.items()},
        },
        key=key,
    )
