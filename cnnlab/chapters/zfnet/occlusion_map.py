"""A gray square to move over a photograph, and what a network says of what is left."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from itertools import chain
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Pick, Select
from cnnlab.widgets.photos import packed_photo

__all__ = ["occlusion_map"]

PHOTO = 160  # pixels a side on the page


def occlusion_map(photos: Mapping[str, Any], record: Mapping[str, Any], *, key: str | None = None) -> Explorer:
    """Choose a photo and the size of a square, move it, and read off what the network says.

    Nothing is computed on the page: every answer was recorded, by ``python -m experiments.occlusion_maps``.

    Args:
        photos: name -> uint8 (H, H, 3), the square that the network read.
        record: ``cnnlab.recorded("occlusion_maps")``: of each photo the class that was asked about, its probability,
            and for each size of the square the probability and the first answer at each place.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a photo of the record is missing, or is not square.
    """
    missing = sorted(set(record["photos"]) - set(photos))
    if missing:
        raise ValueError(f"photos lacks {', '.join(map(repr, missing))}: give every photo of the record.")
    shown = {}
    for name, own in record["photos"].items():
        sizes = {}
        for size, seen in own["sizes"].items():
            per_mille, best = (list(chain(*seen[part])) for part in ("per mille", "best"))
            sizes[size] = {
                "rows": len(seen["best"]),
                # Steps of half a percent are fine enough to be read, and each is a byte.
                "half percents": b64encode(bytes(round(value / 5) for value in per_mille)).decode(),
                "best": b64encode(bytes(best)).decode(),
                "says": seen["says"],
            }
        photo = packed_photo(f"photos[{name!r}]", photos[name], PHOTO)
        shown[name] = {"image": photo, "class": own["class"], "plain": own["plain"], "sizes": sizes}
    first = next(iter(shown))
    offered = list(shown[first]["sizes"])
    middle = offered[len(offered) // 2]
    rows = shown[first]["sizes"][middle]["rows"]
    panel = Panel(
        "occlusion_map",
        title="Cover a part",
        controls=(
            Select("photo", "Photo", {name: name.split("_")[0] for name in shown}),
            Choice("size", "Square", {size: f"{size} px" for size in offered}),
            Pick("spot", "Places of the square. The arrow keys move it.", sets=("column", "row")),
        ),
        variables={"column": rows // 2, "row": rows // 2},
        alt=lambda photo, size: (
            f"A photograph with a gray square on it, and beside it a map: bright where the square costs the network's "
            f"answer most. It starts with the photo {photo!r} and a square of {size} pixels in the middle."
        ),
        room=125,
        hint=135,
    )
    data = {"side": record["side"], "stride": record["stride"], "photos": shown}
    return panel(photo=first, size=middle, data=data, key=key)
