"""Two objects over YOLO's grid: which cells must find them, what these must say, and what a fixed answer costs."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Pick, Slider

__all__ = ["grid_target"]

SIDE = 64  # pixels of the picture
SAID = {"A": (20, 22, 20, 20), "B": (46, 41, 14, 22)}  # center x and y, width and height: what the network answers
CONFIDENCE, CERTAINTY, ELSEWHERE = 0.9, 0.9, 0.1

PANEL = Panel(
    "grid_target",
    title="What a cell must say, and what an answer costs",
    controls=(
        Slider("cells", 2, 8, "cells in each direction", symbol="S", color="blue"),
        Choice("which", "Move", {"A": "the circle A", "B": "the square B"}),
        Slider("wa", 6, 40, "width of A", color="orange", unit=" px"),
        Slider("ha", 6, 40, "height of A", color="orange", unit=" px"),
        Slider("wb", 6, 40, "width of B", color="green", unit=" px"),
        Slider("hb", 6, 40, "height of B", color="green", unit=" px"),
        Pick("picture", "A picture with a grid. The arrow keys move the chosen object.", sets=("xa", "ya")),
    ),
    presets={
        "As answered": {"xa": 20, "ya": 22, "wa": 20, "ha": 20, "xb": 46, "yb": 41, "wb": 14, "hb": 22, "cells": 4},
        "Over the border": {"xa": 15, "ya": 22, "wa": 20, "ha": 20, "xb": 46, "yb": 41, "wb": 14, "hb": 22, "cells": 4},
        "Too small by 4": {"xa": 20, "ya": 22, "wa": 16, "ha": 16, "xb": 46, "yb": 41, "wb": 10, "hb": 18, "cells": 4},
        "Two in one cell": {"xa": 40, "ya": 40, "wa": 14, "ha": 14, "xb": 46, "yb": 46, "wb": 14, "hb": 22, "cells": 4},
    },
    variables={"xa": 20, "ya": 22, "xb": 46, "yb": 41},
    alt=lambda cells, which, wa, ha, wb, hb: (
        f"A picture of 64 pixels parted into {cells} by {cells} cells, with a circle and a square in it, a solid box "
        "around each, and dashed boxes where a network says that they are. The cells that hold the centers are "
        "filled. Bars below show the five terms of the loss, which grow as an object is moved away from its answer."
    ),
    room=165,
    hint=95,
)


def grid_target(cells: int = 4, *, key: str | None = None) -> Explorer:
    """Move two objects over a grid; see each cell's target, and the loss of an answer that stays where it is.

    The network has one box in each cell. It is right about where the objects are at the start.

    Args:
        cells: in each direction, 2 to 8.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a number of cells that is not offered.
    """
    data = {"side": SIDE, "said": SAID, "confidence": CONFIDENCE, "certainty": CERTAINTY, "elsewhere": ELSEWHERE}
    return PANEL(cells=cells, which="A", wa=20, ha=20, wb=14, hb=22, data=data, key=key)
