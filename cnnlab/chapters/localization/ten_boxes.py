"""A box that one moves, suppression, and the curve by which a detector is judged."""

from __future__ import annotations

import torch

from cnnlab.detection import Objects
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Pick, Slider

__all__ = ["ten_boxes", "SCENE", "predictions", "truths"]

# Units of the picture, 120 wide and 80 high. The first box is the one that is moved.
SCENE = {
    "size": [120, 80],
    "objects": [[8, 14, 38, 58], [50, 20, 80, 66], [60, 24, 92, 68]],
    "boxes": [
        [22, 30, 52, 74, 0.8],
        [9, 16, 37, 60, 0.92],
        [14, 10, 44, 52, 0.55],
        [51, 22, 81, 66, 0.88],
        [48, 16, 78, 60, 0.47],
        [62, 25, 94, 69, 0.71],
        [56, 20, 88, 64, 0.38],
        [98, 4, 118, 22, 0.64],
        [20, 60, 44, 78, 0.3],
        [88, 50, 116, 76, 0.21],
    ],
}


def truths() -> Objects:
    """The three objects, of one class."""
    boxes = torch.tensor(SCENE["objects"], dtype=torch.float32)
    return Objects(boxes, torch.zeros(len(boxes), dtype=torch.int64))


def predictions(x: float, y: float) -> Objects:
    """The ten boxes, the first with its upper left corner at x, y."""
    boxes = torch.tensor(SCENE["boxes"], dtype=torch.float32)
    own = boxes[0, :4]
    boxes[0, :4] = own + torch.tensor([x, y] * 2) - own[:2].repeat(2)
    return Objects(boxes[:, :4], torch.zeros(len(boxes), dtype=torch.int64), boxes[:, 4])


PANEL = Panel(
    "ten_boxes",
    title="Ten boxes, three objects",
    controls=(
        Pick("picture", "The picture. The arrow keys move your box.", sets=("x", "y"), hover=False),
        Slider("overlap", 0.1, 1, "suppress above an IoU of", color="blue", step=0.05, decimals=2),
        Slider("least", 0, 0.9, "leave out below a score of", color="orange", step=0.05, decimals=2),
        Slider("need", 0.3, 0.95, "found from an IoU of", color="green", step=0.05, decimals=2),
    ),
    variables={"x": 22, "y": 30},
    presets={
        "As usual": {"overlap": 0.5, "least": 0, "need": 0.5},
        "Nothing suppressed": {"overlap": 1, "least": 0, "need": 0.5},
        "Too much suppressed": {"overlap": 0.3, "least": 0, "need": 0.5},
        "A strict judge": {"overlap": 0.5, "least": 0, "need": 0.85},
    },
    alt=lambda overlap, least, need: (
        "Three dashed objects, two of which overlap, and ten predicted boxes with their scores; one of them can be "
        "moved. Beside them a curve of precision against recall. At the start boxes are suppressed above an IoU of "
        f"{overlap:g}, those below a score of {least:g} are left out, and an object is found from an IoU of {need:g} "
        "on. Sentences give the IoU of the box that is moved, what stays, what is right and the average precision."
    ),
    room=150,
    hint=150,
)


def ten_boxes(
    overlap: float = 0.5, least: float = 0.0, need: float = 0.5, *, x: int = 22, y: int = 30, key: str | None = None
) -> Explorer:
    """Move one of ten boxes, and see what suppression keeps, what counts as found, and the average precision.

    Args:
        overlap: the IoU above which the less sure of two boxes is dropped, 0.1 to 1.
        least: boxes of a lower score are left out, 0 to 0.9.
        need: the IoU from which on an object is found, 0.3 to 0.95.
        x, y: the upper left corner of the box that is moved, in a picture 120 wide and 80 high.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a value that its control does not offer.
    """
    return PANEL(overlap=overlap, least=least, need=need, x=x, y=y, data=SCENE, key=key)
