"""The detection lab: train a detector and watch its boxes find their objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from cnnlab.draw.palette import css
from cnnlab.widgets.lab.pictures import empty, new_figure
from cnnlab.widgets.lab.poster import drawn
from cnnlab.widgets.lab.runs import PLACED_AUGMENTATIONS, LabRun, Task
from cnnlab.widgets.lab.scenes import SCENES, SceneLab, outputs, reached

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import nn

    from cnnlab.data import Dataset

__all__ = ["DETECTORS", "DetectionLab"]

_PICTURES = 6
_MOST = 4  # boxes in each, the surest


def _yolo(data: Dataset, *, halvings: int = 4, boxes: int = 2) -> nn.Module:
    """YOLOv1's small variant for these pictures, with a cell for each 2^halvings pixels."""
    from cnnlab.models.yolo_v1 import SMALL, YOLOv1

    size = data.shape[1:]
    if size[0] != size[1] or size[0] % 16:
        raise ValueError(f"pictures of {size[0]} x {size[1]} have no such grid: give square ones of 16 n pixels.")
    layers = (*SMALL.layers[:halvings], *((3, 64, 1),) * (len(SMALL.layers) - halvings))
    variant = replace(SMALL, layers=layers, picture=size, cells=size[0] // 2**halvings, boxes=boxes)
    return YOLOv1(variant, data.num_classes, data.shape[0])


DETECTORS: dict[str, Callable[[Dataset], nn.Module]] = {
    "yolo_small": _yolo,
    "yolo_one_box": partial(_yolo, boxes=1),
    "yolo_fine": partial(_yolo, halvings=3),
}


def _found(run: LabRun | None) -> tuple[Figure, str]:
    from cnnlab.draw.found import boxes_on
    from cnnlab.draw.style import as_picture

    if run is None:
        return empty("Train a detector to see what it finds.")
    some, output = outputs(run, _PICTURES)
    # Unsure ones too, so that there is something to see from the first epochs on.
    found = [one[:_MOST] for one in _taught(run.model).decode(output, least=0.1)]
    figure, said = new_figure(), []
    figure.suptitle(f"{reached(run)}; dashed: what is there", fontsize=9, fontweight="bold", x=0.01, ha="left")
    axes = figure.subplots(2, _PICTURES // 2).flatten()
    for axis in axes:
        axis.axis("off")
    for axis, picture, one, truth in zip(axes, some.images, found, some.targets, strict=False):
        axis.imshow(as_picture(picture), vmin=0, vmax=1, cmap="gray")
        boxes_on(axis, one, classes=some.classes, truth=truth)
        names = [f"{some.classes[label]} ({score:.0%})" for label, score in zip(one.labels, one.scores, strict=True)]
        said.append(f"{', '.join(names) or 'nothing'}, where there is {_listed(some.classes, truth.labels)}")
    return figure, f"{reached(run)}. Found in {len(said)} {run.part} pictures: {'; '.join(said)}."


def _listed(classes: Sequence[str], labels: Any) -> str:
    return ", ".join(classes[label] for label in labels) or "nothing"


def _taught(model: nn.Module) -> Any:
    """What teaches and reads a detector: its grid, or itself."""
    taught = getattr(model, "grid", model)
    if not callable(getattr(taught, "loss", None)) or not callable(getattr(taught, "decode", None)):
        raise ValueError(
            f"{type(model).__name__} does not say how it is taught and read: give it methods loss(output, objects) "
            "and decode(output, least=0.2), which returns cnnlab.detection.Objects for each picture."
        )
    return taught


class DetectionLab(SceneLab):
    """A panel that trains detectors while you watch their boxes, the loss and the mAP at an IoU of 0.5.

    Args:
        models: "yolo_small" (a cell for 16 x 16 pixels, two boxes in each), "yolo_one_box", "yolo_fine" (a cell
            for 8 x 8 pixels), classes of your own, functions that build a network, or networks. A class or function
            is called with ``in_channels=`` and ``num_classes=`` where its signature has them. A network has methods
            ``loss(output, objects)`` and ``decode(output, least=0.2)``, or a :class:`cnnlab.detection.Grid` as
            ``grid``.
        datasets: "one shape", "one to three shapes", "crowded shapes", or data sets with boxes of your own.
        optimizers: names that `cnnlab.fit` takes.
        epochs, batch_size: what the panel starts with.
        pictures: of shapes to train on; a quarter as many are measured.
        size: of these, a multiple of 16 pixels.
        seed: of the shapes, of the parameters and of the order of the pictures, the same for every run.

    Attributes:
        runs: a `LabRun` for each training; ``lab.runs[-1].run.plot()`` goes on in code.
        panel: the widgets, an ipywidgets box.
        clock: what makes the training go on in the front end at hand.

    Raises:
        ValueError: an unknown model, data set or optimizer (the message names the nearest ones), two data sets or
            models of one name, or a data set without boxes.
    """

    teaches = "objects"
    task = Task(
        name="detection",
        measure="map",
        said="mAP",
        curves={"mAP": "map", "Loss": "loss"},
        pictures={"Boxes": _found},
        augmentations=PLACED_AUGMENTATIONS,
        rates={"adam": 3e-3, "sgd": 1e-2},
    )

    def __init__(
        self,
        models: Sequence[str | Callable[..., nn.Module] | nn.Module] = tuple(DETECTORS),
        datasets: Sequence[str | Dataset] = tuple(SCENES),
        *,
        optimizers: Sequence[str] = ("adam", "sgd"),
        epochs: int = 20,
        batch_size: int = 32,
        pictures: int = 1000,
        size: int = 64,
        seed: int = 0,
    ) -> None:
        ways = {"epochs": epochs, "batch_size": batch_size, "pictures": pictures, "size": size, "seed": seed}
        super().__init__(DETECTORS, models, datasets, optimizers, **ways)

    def _trainer_options(self, model: nn.Module, data: Dataset) -> dict[str, Any]:
        from cnnlab.detection import Precision

        taught = _taught(model)
        return {
            "loss": taught.loss,
            "metrics": {"map": Precision(partial(taught.decode, least=0.01), data.num_classes)},
        }

    def _poster(self) -> str:
        grid, blue, orange, ink = (css(name) for name in ("grid", "blue", "orange", "ink"))
        place = 'fill="none" stroke-width="2"'
        picture = (
            f'<rect x="268" y="12" width="200" height="146" rx="4" style="fill:{grid}"/>'
            f'<circle cx="326" cy="66" r="30" style="fill:{blue}" opacity="0.5"/>'
            f'<path d="M412 84L442 140H382Z" style="fill:{orange}" opacity="0.5"/>'
            f'<rect x="296" y="36" width="60" height="60" {place} stroke-dasharray="5 4" style="stroke:{ink}"/>'
            f'<rect x="291" y="40" width="62" height="62" {place} style="stroke:{blue}"/>'
            f'<rect x="382" y="84" width="60" height="56" {place} stroke-dasharray="5 4" style="stroke:{ink}"/>'
            f'<rect x="378" y="78" width="70" height="58" {place} style="stroke:{orange}"/>'
            f'<text x="292" y="34" font-size="11" style="fill:{ink}">circle 93</text>'
            f'<text x="379" y="72" font-size="11" style="fill:{ink}">triangle 71</text>'
        )
        shown = "a picture with a box around each of two shapes, and the true box dashed"
        return drawn("detection lab", self._offer(), picture, shown, "boxes move to their objects")
