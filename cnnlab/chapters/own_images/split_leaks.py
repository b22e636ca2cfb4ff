"""Which pictures a split sets aside, which of them have a sibling among the rest, and what a neighbor is worth."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["Visits", "split_leaks"]

# Name of a class -> visits -> shots: uint8 (H, W, 3).
Visits = Mapping[str, Sequence[Sequence[Any]]]

SIDE = 40  # pixels of a picture on the page
SHARES = (10, 20, 30, 40, 50)
SEEDS = 31
MOST = 255  # pictures: a neighbor's number is one byte

PANEL = Panel(
    "split_leaks",
    title="What a split lets through",
    controls=(
        Choice("by", "Set aside", {"picture": "single pictures", "visit": "whole visits"}),
        Slider("share", SHARES[0], SHARES[-1], "% to test", values=SHARES, color="orange"),
        Slider("shots", 1, 9, "shots of a visit", color="green"),
        Slider("seed", 0, SEEDS - 1, "seed"),
    ),
    alt=lambda by, share, shots, seed: (
        "Each row is a class, each small picture a visit, with a dot for each of its shots: blue ones are learned "
        "from, orange ones tested on, and a tested one with a sibling among the blue ones has a red ring. At the "
        f"start {share} % are set aside, by {'single pictures' if by == 'picture' else 'whole visits'}, with "
        f"{shots} shot{'s' if shots > 1 else ''} of each visit. A sentence says how many are told rightly by "
        "their nearest neighbor."
    ),
    room=190,
    hint=150,
)


def split_leaks(visits: Visits, features: Any, *, key: str | None = None) -> Explorer:
    """Set pictures aside one by one or by whole visits, and see how well the nearest neighbor does on them.

    Args:
        visits: name of a class -> its visits -> their shots, uint8 (H, W, 3), equally many for each. The first shot of
            each visit is shown, 40 pixels a side.
        features: what tells how near two pictures are, by the angle between them. Shape: (classes x visits x shots, K),
            in this order.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: fewer than two classes or visits, other numbers of visits or shots in another class, more than 255
            pictures, or features of another number.
    """
    import numpy as np

    sizes = {len(own) for own in visits.values()}, {len(shots) for own in visits.values() for shots in own}
    if len(visits) < 2 or any(len(size) != 1 for size in sizes) or min(sizes[0]) < 2:
        raise ValueError(
            f"visits has {len(visits)} classes with {sorted(sizes[0])} visits of {sorted(sizes[1])} shots: give two "
            "classes or more, each with equally many visits (two or more) of equally many shots."
        )
    (each,), (shots,) = sizes
    count = len(visits) * each * shots
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or len(matrix) != count or not 1 <= shots <= 9 or count > MOST:
        raise ValueError(
            f"features has shape {matrix.shape} for {count} pictures with {shots} shots of each visit: give a row for "
            f"each picture, at most {MOST} of them and 9 shots."
        )
    matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True).clip(1e-12)
    like = matrix @ matrix.T
    np.fill_diagonal(like, -2)  # a picture is no neighbor of its own
    order = np.argsort(-like, axis=1, kind="stable")[:, :-1].astype(np.uint8)
    data = {
        "classes": list(visits),
        "visits": each,
        "shots": shots,
        "side": SIDE,
        "near": b64encode(order.tobytes()).decode(),
        "sheet": _sheet(visits, each),
    }
    return PANEL(by="picture", share=20, shots=shots, seed=0, data=data, key=key)


def _sheet(visits: Visits, each: int) -> str:
    """The first shot of each visit, a row for each class, as one picture."""
    import numpy as np
    from PIL import Image

    sheet = Image.new("RGB", (SIDE * each, SIDE * len(visits)))
    for row, own in enumerate(visits.values()):
        for column, shots in enumerate(own):
            pixels = np.asarray(shots[0])
            if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
                raise ValueError(f"a shot has shape {pixels.shape} and type {pixels.dtype}; give uint8 (H, W, 3).")
            small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            sheet.paste(small, (SIDE * column, SIDE * row))
    file = BytesIO()
    sheet.save(file, "JPEG", quality=72)
    return "data:image/jpeg;base64," + b64encode(file.getvalue()).decode()
