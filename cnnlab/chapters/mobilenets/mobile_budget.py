"""Two dials and a budget: which of the published MobileNets fit, and which of those is the most accurate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["mobile_budget"]

WIDTHS = {"v1": (25, 50, 75, 100), "v2": (35, 50, 75, 100, 140)}  # percent
SIZES = (96, 128, 160, 192, 224)
FIRST_PHONE = 113.0  # milliseconds of version 1 on a Pixel 1: Sandler et al., table 4

COSTS = {"macs": "MACs", "phone": "Pixel 1", "here": "recorded"}


def _panel(timed: bool) -> Panel:
    return Panel(
        "mobile_budget",
        title="Two dials and a budget",
        controls=(
            Choice("version", "Network", {"v1": "Version 1", "v2": "Version 2"}),
            Slider("width", 25, 140, "width", symbol="α", color="blue", unit=" %", values=(25, 35, 50, 75, 100, 140)),
            Slider("size", 96, 224, "pixels on a side", symbol="ρ", color="green", values=SIZES),
            Choice("cost", "Cost", COSTS if timed else {key: COSTS[key] for key in ("macs", "phone")}),
            Slider(
                "budget", 5, 100, "budget, of version 1’s", color="orange", unit=" %", values=tuple(range(5, 101, 5))
            ),
        ),
        presets={
            "The first of all": {"version": "v1", "width": 100, "size": 224, "cost": "macs", "budget": 100},
            "Half as wide": {"version": "v1", "width": 50, "size": 224, "cost": "macs", "budget": 30},
            "Smaller pictures": {"version": "v1", "width": 100, "size": 128, "cost": "macs", "budget": 35},
            "A thirtieth of a second": {"version": "v2", "width": 75, "size": 160, "cost": "phone", "budget": 30},
            "The smallest": {"version": "v2", "width": 35, "size": 96, "cost": "macs", "budget": 5},
        },
        trying="Settings to try",
        alt=lambda version, width, size, cost, budget: (
            "Sliders for the width of a MobileNet, for the size of its picture and for a budget; points for 39 "
            "published networks of three versions, accuracy against cost on a logarithmic axis; a line at the budget, "
            f"and the chosen network in a ring. It starts with {version}, {width} % wide, at {size} pixels, and a "
            f"budget of {budget} %."
        ),
        room=300,
    )


def mobile_budget(
    milliseconds: Mapping[tuple[str, float, int], float] | None = None,
    version: str = "v1",
    width: int = 50,
    size: int = 224,
    cost: str = "macs",
    budget: int = 30,
    *,
    key: str | None = None,
) -> Explorer:
    """Turn the width and the resolution of a MobileNet, and see what its authors measured and what a budget allows.

    Accuracies and times on a phone are the authors' own, of ``family.FAMILY``; parameters and multiply-accumulates are
    counted. A setting that nobody published is shown with its cost alone.

    Args:
        milliseconds: (version, width, size) -> a time measured elsewhere, for the choice "recorded".
        version: "v1" or "v2".
        width: percent; 25, 50, 75 or 100 of version 1, and 35, 50, 75, 100 or 140 of version 2.
        size: 96, 128, 160, 192 or 224 pixels.
        cost: "macs", "phone", or "here" where ``milliseconds`` are given.
        budget: percent of what version 1 costs at full width and 224 pixels: 5, 10, ..., 100.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered.
    """
    from cnnlab.chapters.mobilenets.family import FAMILY
    from cnnlab.chapters.mobilenets.family import cost as counted

    times = dict(milliseconds or {})
    if version in WIDTHS and width not in WIDTHS[version]:
        raise ValueError(
            f"width={width!r} of {version!r} was not published; choose among {', '.join(map(str, WIDTHS[version]))}."
        )
    if cost == "here" and not times:
        raise ValueError("cost='here' needs milliseconds; give them, or choose 'macs' or 'phone'.")
    published = {(m.version, m.width, m.size): m for m in FAMILY}
    grid = [(v, w / 100, s) for v, widths in WIDTHS.items() for w in widths for s in SIZES]
    rows: list[list[Any]] = []
    for place in dict.fromkeys([*grid, *published]):
        member = published.get(place)
        accuracy, phone = (member.accuracy, member.phone) if member else (None, None)
        params, macs = counted(*place)
        if place == ("v1", 1.0, 224):
            phone = FIRST_PHONE
        time = times.get(place)
        rows.append([*place, params, macs, accuracy, phone, None if time is None else round(time, 2)])
    start = {"version": version, "width": width, "size": size, "cost": cost, "budget": budget}
    return _panel(bool(times))(**start, data={"rows": rows}, key=key)
