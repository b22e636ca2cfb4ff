"""The segmentation lab: train a network that gives each pixel a class, and watch the outlines become right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

__all__ = ["SEGMENTERS", "SegmentationLab"]

_PICTURES = 4


def _unet(data: Dataset, *, channels: tuple[int, ...], bilinear: bool = False) -> nn.Module:
    from cnnlab.models.unet import UNet, UNetVariant

    variant = UNetVariant(channels, padding=1, bilinear=bilinear, batch_norm=True, dropout=0.0)
    return UNet(variant, num_classes=len(data.train.mask_classes), in_channels=data.shape[0])


SEGMENTERS: dict[str, Callable[[Dataset], nn.Module]] = {
    "unet_narrow": partial(_unet, channels=(8, 16, 32, 64)),
    "unet_wide": partial(_unet, channels=(16, 32, 64, 128, 256)),
    "unet_shallow": partial(_unet, channels=(8, 16)),
}


def _masks(run: LabRun | None) -> tuple[Figure, str]:
    from cnnlab.draw.masks import mask
    from cnnlab.segmentation import classes_of, overlap

    if run is None:
        return empty("Train a network to see its masks.")
    some, output = outputs(run, _PICTURES)
    found, classes = classes_of(output), some.mask_classes
    figure = new_figure()
    figure.suptitle(f"{reached(run)}; above: what is there", fontsize=9, fontweight="bold", x=0.01, ha="left")
    axes = figure.subplots(2, _PICTURES)
    for axis in axes.flat:
        axis.axis("off")
    for number, (picture, truth, said) in enumerate(zip(some.images, some.targets, found, strict=True)):
        mask(picture, truth, classes, axis=axes[0, number], legend=False)
        mask(picture, said, classes, axis=axes[1, number], legend=False)
    each = [overlap(said, truth, len(classes)) for said, truth in zip(found, some.targets, strict=True)]
    right = ", ".join(f"{one.pixel_accuracy:.0%}" for one in each)
    return figure, (
        f"{reached(run)}. {len(each)} {run.part} pictures, above with their true masks and below with those found; of "
        f"their pixels {right} are right."
    )


class SegmentationLab(SceneLab):
    """A panel that trains networks which give each pixel a class, while you watch masks, loss and mean IoU.

    Args:
        models: "unet_narrow" (8 to 64 maps, on four levels), "unet_wide" (16 to 256, on five), "unet_shallow" (two
            levels: a pixel's class is told from little around it), classes of your own, functions that build a network,
            or networks. A class or function is called with ``in_channels=`` and ``num_classes=`` where its signature
            has them, the background among the classes. A network gives a score for each class and pixel,
            (N, C, H, W) -> (N, K, H, W).
        datasets: "one shape", "one to three shapes", "crowded shapes", or data sets with masks of your own.
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
            models of one name, or a data set without masks.
    """

    teaches = "masks"
    task = Task(
        name="segmentation",
        measure="miou",
        said="mean IoU",
        curves={"Mean IoU": "miou", "Loss": "loss"},
        pictures={"Masks": _masks},
        augmentations=PLACED_AUGMENTATIONS,
        rates={"adam": 3e-3},
    )

    def __init__(
        self,
        models: Sequence[str | Callable[..., nn.Module] | nn.Module] = tuple(SEGMENTERS),
        datasets: Sequence[str | Dataset] = tuple(SCENES),
        *,
        optimizers: Sequence[str] = ("adam", "sgd"),
        epochs: int = 10,
        batch_size: int = 16,
        pictures: int = 400,
        size: int = 48,
        seed: int = 0,
    ) -> None:
        ways = {"epochs": epochs, "batch_size": batch_size, "pictures": pictures, "size": size, "seed": seed}
        super().__init__(SEGMENTERS, models, datasets, optimizers, **ways)

    def _classes(self, data: Dataset) -> int:
        return len(data.train.mask_classes)

    def _trainer_options(self, model: nn.Module, data: Dataset) -> dict[str, Any]:
        from cnnlab.segmentation import MaskLoss, MeanIoU

        return {"loss": MaskLoss(), "metrics": {"miou": MeanIoU(self._classes(data))}}

    def _poster(self) -> str:
        grid, blue, orange, ink = (css(name) for name in ("grid", "blue", "orange", "ink"))
        frame = f'width="94" height="112" rx="4" style="fill:{grid}"'
        picture = (
            f'<rect x="268" y="28" {frame}/><rect x="374" y="28" {frame}/>'
            f'<circle cx="304" cy="64" r="22" style="fill:{blue}"/>'
            f'<path d="M334 88L352 126H316Z" style="fill:{orange}"/>'
            f'<circle cx="412" cy="66" r="20" style="fill:{blue}"/>'
            f'<path d="M440 92L460 124H426Z" style="fill:{orange}"/>'
            f'<text x="268" y="22" font-size="11" style="fill:{ink}">what is there</text>'
            f'<text x="374" y="22" font-size="11" style="fill:{ink}">what was found</text>'
        )
        shown = "two shapes in color, beside them nearly the same shapes as a network found them"
        return drawn("segmentation lab", self._offer(), picture, shown, "masks take on their shapes")
