"""RetinaNet: one look at the picture, on maps of five sizes at once.

T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollar: Focal Loss for Dense Object Detection, ICCV 2017, section 4 and
figure 3, https://arxiv.org/abs/1708.02002; its pyramid: T.-Y. Lin et al., Feature Pyramid Networks for Object
Detection, CVPR 2017 (arXiv 2016), section 3, https://arxiv.org/abs/1612.03144.

    map       of                                            stride   512 px      anchors (px)
    C3-C5     the last blocks of ResNet's conv3 to conv5    8-32     64-16       none
    P5        1x1, 256 of C5; 3x3                           32       16 x 16     128, 161, 203
    P4        1x1, 256 of C4, plus P5's map doubled; 3x3    16       32 x 32     64, 81, 102
    P3        1x1, 256 of C3, plus P4's map doubled; 3x3    8        64 x 64     32, 40, 51
    P6        3x3, stride 2 of C5                           64       8 x 8       256, 323, 406
    P7        ReLU; 3x3, stride 2 of P6                     128      4 x 4       512, 645, 813
    classes   4 times (3x3, 256; ReLU); 3x3, K A            the same weights on P3 to P7
    boxes     4 times (3x3, 256; ReLU); 3x3, 4 A            the same weights on P3 to P7
    A = 9 anchors at each place: three sizes, each 1:2, 1:1 and 2:1; 37,968,692 parameters for 80 classes

Going up, a convolutional network learns what things are and forgets where. A pyramid goes back down: each map gets what
the one above it knows. Small anchors lie on fine maps, large ones on coarse maps, and a head that is shared sees both
at the same size in cells. Before training every anchor gives each class a probability of 0.01, by the bias of the last
layer: with millions of answers for a picture, chance ones would drown the few that matter.

    ONE_MAP    for pictures of 64 pixels, ours: no pyramid, anchors of six sizes on one 8 x 8 map
    SMALL      for pictures of 64 pixels, ours: four levels, two sizes of square anchors

It is no classifier, and is not in the registry of :func:`cnnlab.create_model`. Build it by ``RetinaNet(SMALL)``, and
train it with ``loss=model.pyramid.loss``.

Differs from the paper in:
  - Boxes cost their absolute difference, as in torchvision; the paper's smooth L1 is ``Pyramid(beta=1)``.
  - P6 is made of C5, as in the paper and in torchvision's second version; torchvision's first makes it of P5.
  - Anchors lie in the middle of their cells and are not rounded to whole pixels; see :func:`cnnlab.detection.anchors`.
  - The trunk starts from torch's weights; the paper's from ImageNet's, with its batch norm frozen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.detection import Pyramid
from cnnlab.models.resnet import VARIANTS, ResNet

__all__ = [
    "RetinaNetVariant",
    "PUBLISHED",
    "ONE_MAP",
    "SMALL",
    "ResNetTrunk",
    "Trunk",
    "FeaturePyramid",
    "Head",
    "RetinaNet",
]


@dataclass(frozen=True)
class RetinaNetVariant:
    trunk: tuple[tuple[int, int], ...] | str = "resnet50"  # channels and stride of each stage; or a ResNet's name
    levels: tuple[int, ...] = (1, 2, 3)  # the trunk's stages that the pyramid stands on, from 0
    extra: int = 2  # levels above them
    channels: int = 256
    depth: int = 4  # 3x3 convolutions in a head before its last
    prior: float = 0.01  # pi: the probability of each class, before training
    picture: tuple[int, int] = (512, 512)
    size: float = 4.0  # of a level's smallest anchor, in strides
    scales: tuple[float, ...] = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)


PUBLISHED = RetinaNetVariant()
ONE_MAP = RetinaNetVariant(
    trunk=((16, 2), (32, 2), (64, 2), (64, 1)),
    levels=(3,),
    extra=0,
    channels=32,
    depth=1,
    picture=(64, 64),
    size=1.0,
    scales=tuple(2 ** (step / 2) for step in range(6)),
    ratios=(1.0,),
)
SMALL = RetinaNetVariant(
    trunk=((16, 2), (32, 2), (64, 2), (64, 2)),
    extra=1,
    channels=32,
    depth=1,
    picture=(64, 64),
    size=2.0,
    scales=(1.0, 2**0.5),
    ratios=(1.0,),
)


class ResNetTrunk(ResNet):
    """A ResNet without its head. Shape: (N, 3, H, W) -> 4 maps, (N, C_l, ceil(H / s_l), ceil(W / s_l)), s = 4 to 32."""

    def __init__(self, name: str) -> None:
        super().__init__(VARIANTS[name])
        self.channels = tuple(self.fc.in_features // 2**up for up in (3, 2, 1, 0))
        self.strides = (4, 8, 16, 32)
        del self.fc

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.pool(F.relu(self.bn1(self.conv1(x))))  # (N, 64, H / 4, W / 4)
        maps = []
        for stage in (self.conv2, self.conv3, self.conv4, self.conv5):
            maps.append(x := stage(x))
        return maps


class Trunk(nn.Module):
    """Stages of two 3x3 convolutions with batch norm, the first with the stride. Shape: (N, C, H, W) -> a map each."""

    def __init__(self, stages: tuple[tuple[int, int], ...], in_channels: int = 3) -> None:
        super().__init__()
        self.channels = tuple(channels for channels, _ in stages)
        self.strides = tuple(math.prod(stride for _, stride in stages[: number + 1]) for number in range(len(stages)))
        self.stages = nn.ModuleList()
        for channels, stride in stages:
            stage = nn.Sequential()
            for before, step in ((in_channels, stride), (channels, 1)):
                stage.append(nn.Conv2d(before, channels, kernel_size=3, stride=step, padding=1, bias=False))
                stage.append(nn.BatchNorm2d(channels))
                stage.append(nn.ReLU())
            self.stages.append(stage)
            in_channels = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            maps.append(x := stage(x))
        return maps


class FeaturePyramid(nn.Module):
    """From the coarsest map down, each plus what the map above it knows. Shape: maps (N, C_l, H_l, W_l) -> (N, K, ...).

    Args:
        in_channels: of the maps, the finest first.
        channels: K.
        extra: levels made above the coarsest map, each of half its size.
    """

    def __init__(self, in_channels: tuple[int, ...], channels: int = 256, extra: int = 2) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(before, channels, kernel_size=1) for before in in_channels)
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, kernel_size=3, padding=1) for _ in in_channels)
        befores = [in_channels[-1], *[channels] * extra][:extra]
        self.extra = nn.ModuleList(
            nn.Conv2d(before, channels, kernel_size=3, stride=2, padding=1) for before in befores
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, a=1)
                nn.init.zeros_(layer.bias)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        inner = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for level in range(len(inner) - 2, -1, -1):
            inner[level] = inner[level] + F.interpolate(inner[level + 1], size=inner[level].shape[2:], mode="nearest")
        levels = [smooth(x) for smooth, x in zip(self.smooth, inner, strict=True)]
        x = maps[-1]
        for number, down in enumerate(self.extra):
            levels.append(x := down(F.relu(x) if number else x))
        return levels


class Head(nn.Module):
    """The same few convolutions on every level. Shape: levels (N, C, H_l, W_l) -> (N, A, numbers), A anchors in all."""

    def __init__(self, channels: int, depth: int, at_each_place: int, numbers: int, bias: float = 0.0) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, kernel_size=3, padding=1) for _ in range(depth))
        self.last = nn.Conv2d(channels, at_each_place * numbers, kernel_size=3, padding=1)
        self.numbers = numbers
        for layer in (*self.convs, self.last):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.last.bias, bias)

    def forward(self, levels: list[Tensor]) -> Tensor:
        said = []
        for x in levels:
            for conv in self.convs:
                x = F.relu(conv(x))
            x = self.last(x).unflatten(1, (-1, self.numbers))  # (N, anchors at a place, numbers, H, W)
            said.append(x.permute(0, 3, 4, 1, 2).flatten(1, 3))  # (N, H W anchors at a place, numbers)
        return torch.cat(said, dim=1)


class RetinaNet(nn.Module):
    """A box and the logit of each class for each anchor. Shape: (N, C, H, W) -> (N, A, 4 + K).

    Attributes:
        pyramid: what the output means: ``pyramid.loss(output, objects)``, ``pyramid.decode(output)``. It is for
            pictures of ``variant.picture``; for others ``dataclasses.replace(model.pyramid, picture=...)``.
    """

    def __init__(self, variant: RetinaNetVariant = SMALL, num_classes: int = 80, in_channels: int = 3) -> None:
        super().__init__()
        if isinstance(variant.trunk, str):
            self.trunk: nn.Module = ResNetTrunk(variant.trunk)
        else:
            self.trunk = Trunk(variant.trunk, in_channels)
        self.levels = variant.levels
        strides = [self.trunk.strides[level] for level in variant.levels]
        strides += [strides[-1] * 2**up for up in range(1, variant.extra + 1)]
        sizes = {"size": variant.size, "scales": variant.scales, "ratios": variant.ratios}
        self.pyramid = Pyramid(variant.picture, tuple(strides), num_classes, **sizes)
        before = tuple(self.trunk.channels[level] for level in variant.levels)
        self.neck = FeaturePyramid(before, variant.channels, variant.extra)
        shape = (variant.channels, variant.depth, self.pyramid.at_each_place)
        self.boxes = Head(*shape, 4)
        self.classes = Head(*shape, num_classes, bias=-math.log((1 - variant.prior) / variant.prior))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.trunk(x)
        levels = self.neck(
            [maps[level] for level in self.levels]
        )  # (N, 256, H / 8, W / 8), (N, 256, H / 16, W / 16), ...
        return torch.cat([self.boxes(levels), self.classes(levels)], dim=2)
