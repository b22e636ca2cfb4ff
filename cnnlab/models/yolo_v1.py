"""YOLO v1: one look at the picture, one grid of boxes and classes.

J. Redmon, S. Divvala, R. Girshick, A. Farhadi: You Only Look Once: Unified, Real-Time Object Detection, CVPR 2016,
figure 3 and section 2. https://arxiv.org/abs/1506.02640

    layers                                       output (448 px)
    7x7, 64, stride 2; pool                      64 x 112 x 112
    3x3, 192; pool                               192 x 56 x 56
    1x1, 128; 3x3, 256; 1x1, 256; 3x3, 512; pool 512 x 28 x 28
    4 times (1x1, 256; 3x3, 512);
    1x1, 512; 3x3, 1024; pool                    1024 x 14 x 14
    2 times (1x1, 512; 3x3, 1024);
    3x3, 1024; 3x3, 1024, stride 2               1024 x 7 x 7
    3x3, 1024; 3x3, 1024                         1024 x 7 x 7
    dense, dropout; dense                        4096; 30 x 7 x 7
    24 convolutions, 271,703,550 parameters, three quarters of them in the first dense layer

A leaky ReLU, 0.1 x for negative x, follows every layer but the last, which is linear. What the 30 numbers of a cell
mean, what they cost where they are wrong, and how they become boxes is :class:`cnnlab.detection.Grid`'s business. The
dense layers see the whole picture: a cell may find an object by what lies elsewhere, and a picture has one size.

    SMALL    for pictures of 64 pixels: four convolutions with batch norm, and a fifth in place of the dense layers

It is no classifier: its head has more than an output for each class, so that it is not in the registry of
:func:`cnnlab.create_model`. Build it by ``YOLOv1(PUBLISHED)``, and train it with ``loss=model.grid.loss``.

Differs from the paper in:
  - Nothing in the layers. The paper starts from weights of its first 20 convolutions, trained on ImageNet; here all
    start from torch's.
  - The order of the output's numbers: channels come first, as in all networks here, and a cell's boxes before its
    classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.detection import Grid

__all__ = ["Layer", "YOLOVariant", "PUBLISHED", "SMALL", "YOLOv1"]

Layer = tuple[int, int, int] | Literal["pool"]  # kernel, channels, stride; or 2x2 max pooling


@dataclass(frozen=True)
class YOLOVariant:
    layers: tuple[Layer, ...]
    dense: int | None = 4096  # width of the first dense layer; None: a 1x1 convolution gives the grid
    batch_norm: bool = False  # between each convolution and its leaky ReLU
    picture: tuple[int, int] = (448, 448)
    cells: int = 7
    boxes: int = 2  # in each cell


PUBLISHED = YOLOVariant(
    (
        *((7, 64, 2), "pool", (3, 192, 1), "pool"),
        *((1, 128, 1), (3, 256, 1), (1, 256, 1), (3, 512, 1), "pool"),
        *((1, 256, 1), (3, 512, 1)) * 4,
        *((1, 512, 1), (3, 1024, 1), "pool"),
        *((1, 512, 1), (3, 1024, 1)) * 2,
        *((3, 1024, 1), (3, 1024, 2), (3, 1024, 1), (3, 1024, 1)),
    )
)
SMALL = YOLOVariant(
    ((3, 16, 2), (3, 32, 2), (3, 64, 2), (3, 64, 2)), dense=None, batch_norm=True, picture=(64, 64), cells=4
)


class YOLOv1(nn.Module):
    """A box or two and a class for each cell of a grid. Shape: (N, C, H, W) -> (N, 5 B + K, S, S).

    Attributes:
        grid: what the output means: ``grid.loss(output, objects)``, ``grid.decode(output)``.
    """

    def __init__(self, variant: YOLOVariant = SMALL, num_classes: int = 20, in_channels: int = 3) -> None:
        super().__init__()
        self.grid = Grid(variant.picture, variant.cells, variant.boxes, num_classes)
        layers: list[nn.Module] = []
        channels = in_channels
        for layer in variant.layers:
            if layer == "pool":
                layers.append(nn.MaxPool2d(2))
                continue
            kernel, width, stride = layer
            layers.append(nn.Conv2d(channels, width, kernel, stride, kernel // 2, bias=not variant.batch_norm))
            if variant.batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.1))
            channels = width
        self.features = nn.Sequential(*layers)
        self.dense = variant.dense is not None
        if variant.dense is not None:
            self.fc1 = nn.Linear(channels * variant.cells**2, variant.dense)
            self.fc2 = nn.Linear(variant.dense, self.grid.channels * variant.cells**2)
        else:
            self.last = nn.Conv2d(channels, self.grid.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1024, 7, 7)
        if not self.dense:
            return self.last(x)
        x = F.leaky_relu(self.fc1(x.flatten(1)), 0.1)  # (N, 4096)
        x = self.fc2(F.dropout(x, 0.5, self.training))  # (N, 1470)
        return x.unflatten(1, (self.grid.channels, self.grid.cells, self.grid.cells))
