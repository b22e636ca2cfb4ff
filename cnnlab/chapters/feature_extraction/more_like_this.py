"""A search by picture: the pieces of photographs that are nearest to a chosen one, by several measures side by side."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Select

__all__ = ["more_like_this"]

SIDE = 48  # pixels of a piece on the page
COLUMNS = 12  # pieces in a row of the sheet that holds them all


def more_like_this(
    pictures: Any, sources: Sequence[str], nearest: Mapping[str, Any], *, key: str | None = None
) -> Explorer:
    """Choose a piece of a photograph, see its nearest by each measure, and go on from any of them.

    Args:
        pictures: uint8 (N, 3, H, H). The page carries them, 48 pixels a side, in one picture.
        sources: for each the name of the photograph that it comes from; equally many of each.
        nearest: name of a measure -> for each picture the numbers of its nearest others, nearest first. Shape: (N, k).
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: no pictures or measures, or numbers of them that do not agree.
    """
    pieces: dict[str, list[int]] = {}
    for number, source in enumerate(sources):
        pieces.setdefault(source, []).append(number)
    counts = {len(own) for own in pieces.values()}
    if not nearest or len(counts) != 1 or len(pictures) != len(sources):
        raise ValueError(
            f"{len(pictures)} pictures, {len(sources)} sources and {len(nearest)} measures: give a source for each "
            "picture, equally many pictures of each, and one measure or more."
        )
    near = {name: [[int(other) for other in row] for row in rows] for name, rows in nearest.items()}
    for name, rows in near.items():
        if len(rows) != len(sources) or any(not 0 <= other < len(rows) for row in rows for other in row):
            raise ValueError(f"nearest[{name!r}] must give for each of the {len(sources)} pictures numbers of others.")
    panel = Panel(
        "more_like_this",
        title="More like this",
        controls=(
            Select("photo", "Photograph", {name: name for name in pieces}),
            Choice("piece", "Piece", {place: str(place + 1) for place in range(counts.pop())}),
        ),
        alt=lambda photo, piece: (
            f"A piece of a photograph, and below it a row for each of {' and '.join(near)}, with the pieces that are "
            f"nearest to it by that measure. It starts with piece {piece + 1} of {photo!r}."
        ),
        room=150,
        hint=150,
    )
    data = {"sheet": _sheet(pictures), "columns": COLUMNS, "of": pieces, "from": list(sources), "near": near}
    return panel(photo=next(iter(pieces)), piece=0, data=data, key=key)


def _sheet(pictures: Any) -> str:
    """All of them in one JPEG, row by row, so that its tables are carried once."""
    import numpy as np
    from PIL import Image

    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * SIDE, rows * SIDE))
    for number, picture in enumerate(np.asarray(pictures)):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[0] != 3:
            raise ValueError(f"pictures have shape {picture.shape} and type {picture.dtype}; give uint8 (3, H, H).")
        piece = Image.fromarray(picture.transpose(1, 2, 0)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        sheet.paste(piece, (number % COLUMNS * SIDE, number // COLUMNS * SIDE))
    file = BytesIO()
    sheet.save(file, "JPEG", quality=72)
    return "data:image/jpeg;base64," + b64encode(file.getvalue()).decode()
