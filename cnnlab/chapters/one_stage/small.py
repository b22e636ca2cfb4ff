"""Three small detectors, and pictures of small and large shapes: what the chapter and its recorded experiment train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from cnnlab.data import Dataset
from cnnlab.data.shapes import load_shapes
from cnnlab.detection import Grid, Objects, Pyramid, area, pairwise
from cnnlab.errors import unknown_name
from cnnlab.models import retinanet, yolo_v1

__all__ = [
    "CLASSES",
    "SIDE",
    "SMALL_BELOW",
    "DETECTORS",
    "LOSSES",
    "crowds",
    "shapes",
    "quick_yolo",
    "detector",
    "of_size",
    "predicted",
]

CLASSES = ("circle", "cross", "star", "triangle")
SIDE = 64  # of a picture, in pixels
SMALL_BELOW = 14.0  # an object is small if the root of its box's area is below this, in pixels

# Kind -> what it is, in words.
DETECTORS = {
    "grid": "8 x 8 cells with two boxes each, YOLO v1's target and loss",
    "one map": "six anchors at each place of one 8 x 8 map",
    "pyramid": "two anchors at each place of maps of 16 x 16, 8 x 8, 4 x 4 and 2 x 2",
}
# What anchors pay for their classes: fields of a Pyramid.
LOSSES = {
    "focal": {},
    "cross-entropy": {"alpha": None, "gamma": 0.0},
    "hardest 3": {"alpha": None, "gamma": 0.0, "hardest": 3},
}


def crowds(n: int, seed: int = 0, *, test: int = 300, size: int = SIDE) -> Dataset:
    """Pictures of one to four shapes of four kinds, their boxes 6 to 60 pixels wide, for a detector."""
    ways = {"objects": (1, 4), "classes": CLASSES, "rotation": 20.0, "scale": (0.1, 0.48)}
    return load_shapes(n, size, seed, test=test, **ways).teaching("objects")


def shapes(n: int, seed: int = 0, *, test: int = 200) -> Dataset:
    """Pictures of 48 pixels with one or two large shapes of three kinds, for a detector that has a few seconds."""
    ways = {"objects": (1, 2), "classes": ("circle", "cross", "triangle"), "rotation": 20.0, "scale": (0.2, 0.48)}
    return load_shapes(n, 48, seed, test=test, **ways).teaching("objects")


def quick_yolo(num_classes: int = 3) -> yolo_v1.YOLOv1:
    """The detector that is trained on the page: five convolutions, 6 x 6 cells. Shape: (N, 3, 48, 48) -> (N, C, 6, 6).

    Its first layer steps by 4: most of a small network's time goes into large maps.
    """
    layers = ((5, 32, 4), (3, 64, 2), (3, 64, 1), (3, 64, 1), (3, 64, 1))
    return yolo_v1.YOLOv1(replace(yolo_v1.SMALL, layers=layers, picture=(48, 48), cells=6), num_classes)


def detector(kind: str, loss: str = "focal") -> tuple[nn.Module, Grid | Pyramid]:
    """A network of one of three kinds on the same eight convolutions, and what its output means.

    Args:
        kind: a key of `DETECTORS`.
        loss: a key of `LOSSES`; the grid has its own, and takes "focal" for that.

    Raises:
        ValueError: an unknown kind or loss.
    """
    if kind not in DETECTORS:
        raise unknown_name("kind", kind, DETECTORS)
    if loss not in LOSSES:
        raise unknown_name("loss", loss, LOSSES)
    if kind == "grid":
        layers = ((3, 16, 2), (3, 16, 1), (3, 32, 2), (3, 32, 1), (3, 64, 2), (3, 64, 1), (3, 64, 1), (3, 64, 1))
        net = yolo_v1.YOLOv1(replace(yolo_v1.SMALL, layers=layers, cells=8), len(CLASSES))
        return net, net.grid
    net = retinanet.RetinaNet(retinanet.SMALL if kind == "pyramid" else retinanet.ONE_MAP, len(CLASSES))
    return net, replace(net.pyramid, **LOSSES[loss])


def of_size(
    predictions: Sequence[Objects], truths: Sequence[Objects], wanted: Callable[[Tensor], Tensor]
) -> tuple[list[Objects], list[Objects]]:
    """Both, for a mean precision over objects of some sizes, as COCO has it for small, medium and large.

    Objects of other sizes are ignored, which is neither to be found nor wrong to find; predictions of other sizes are
    left out, if they found nothing of the wanted ones.

    Args:
        wanted: of the square roots of areas, in pixels, which count: (n,) -> (n,), bool.
    """
    found, shown = [], []
    for predicted, truth in zip(predictions, truths, strict=True):
        counts = wanted(area(truth.boxes).sqrt())
        near = (pairwise(predicted.boxes, truth.boxes[counts]) >= 0.5).any(1)
        found.append(predicted[wanted(area(predicted.boxes).sqrt()) | near])
        shown.append(replace(truth, ignored=~counts))
    return found, shown


def predicted(
    net: nn.Module, decode: Callable[[Tensor], list[Objects]], pictures: Tensor, batch_size: int = 50
) -> list[Objects]:
    """What a network finds in normalized pictures. Shape: (N, C, H, W) -> N entries."""
    net.eval()
    with torch.no_grad():
        return [one for some in pictures.split(batch_size) for one in decode(net(some))]
