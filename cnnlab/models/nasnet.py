"""NASNet-A: two cells found by search on CIFAR-10, stacked for ImageNet.

B. Zoph, V. Vasudevan, J. Shlens, Q. V. Le: Learning Transferable Architectures for Scalable Image Recognition,
CVPR 2018 (arXiv 2017), figures 2 and 4, tables 2 and 3. https://arxiv.org/abs/1707.07012

                                      mobile, 4 @ 1056, 224 px   large, 6 @ 4032, 331 px
    conv 3x3, stride 2, no padding    111 x 111, 32              165 x 165, 96
    2 reduction cells                 28 x 28, 88                42 x 42, 336
    N normal cells                    28 x 28, 264               42 x 42, 1008
    reduction cell, N normal cells    14 x 14, 528               21 x 21, 2016
    reduction cell, N normal cells    7 x 7, 1056                11 x 11, 4032
    average pool, dense layer         1000                       1000
    parameters, multiply-adds         5.3M, 564e6                88.9M, 23.8e9

A cell has two inputs, the output h of the cell below it and that of the cell before that one, both brought to the
cell's width. Five sums are formed of two operations each (NORMAL_CELL and REDUCTION_CELL below) and joined. In a
reduction cell, operations on the inputs have stride 2. "N @ F": N normal cells in a row, F channels at the end.

``small_input=True`` is for pictures of 32 pixels, as the paper does it for CIFAR: the first convolution keeps stride 1,
and no reduction cells stand before the first normal ones. Maps are then 32 x 32, 16 x 16 and 8 x 8.

Differs from the paper in:
  - ``NASNetVariant(..., auxiliary=True)`` has the auxiliary classifier (weight 0.4); timm leaves it out, and so does
    the plain name. Scheduled drop path, which needs to know how far training is, is left out.
  - nasnetalarge is timm's: its average pools of stride 2 count the zeros around the picture as pixels. In TensorFlow,
    where the weights come from, and in nasnet_mobile no pool counts them.
  - Batch norm averages with momentum 0.1 as in timm; the authors' 0.0003 needs very long training.
  - Convolutions start from He's normal distribution over the fan-out, the dense layer from torch's default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, pad_same
from cnnlab.models import Network, Paper, Published, Size, register_variants

__all__ = [
    "EPS",
    "Separable",
    "Maximum",
    "Average",
    "Term",
    "Table",
    "H",
    "BEFORE",
    "NORMAL_CELL",
    "REDUCTION_CELL",
    "JOINED",
    "NASNetVariant",
    "MOBILE",
    "VARIANTS",
    "MOBILE_PUBLISHED",
    "PUBLISHED",
    "PAPER",
    "Halve",
    "Cell",
    "auxiliary_classifier",
    "NASNet",
]

EPS = 1e-3  # of every batch norm


class Separable(nn.Module):
    """Twice ReLU, depthwise, 1x1, batch norm. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        padding = kernel // 2 if stride == 1 else 0  # otherwise by pad_same
        self.depthwise1 = nn.Conv2d(in_channels, in_channels, kernel, stride, padding, groups=in_channels, bias=False)
        self.pointwise1 = nn.Conv2d(in_channels, channels, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels, eps=EPS)
        self.depthwise2 = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
        self.pointwise2 = nn.Conv2d(channels, channels, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels, eps=EPS)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(x) if self.stride == 1 else pad_same(F.relu(x), self.kernel, self.stride)
        y = self.bn1(self.pointwise1(self.depthwise1(y)))  # (N, K, H', W')
        return self.bn2(self.pointwise2(self.depthwise2(F.relu(y))))


class Maximum(nn.Module):
    """Max pooling. Shape: (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(pad_same(x, self.kernel, self.stride, -torch.inf), self.kernel, self.stride)


class Average(Maximum):
    """Average pooling of the pixels that exist. Shape: as Maximum."""

    counts_zeros = False  # True in timm's nasnetalarge, where the stride is 2

    def forward(self, x: Tensor) -> Tensor:
        ones = torch.ones_like(x[:1, :1])
        y, exist = (F.avg_pool2d(pad_same(t, self.kernel, self.stride), self.kernel, self.stride) for t in (x, ones))
        return y if self.counts_zeros and self.stride > 1 else y / exist


class Term(NamedTuple):  # half of a sum: an operation on a state of the cell
    operation: type[nn.Module]
    state: int
    kernel: int = 3


Table = tuple[tuple[Term, Term], ...]
H, BEFORE = 0, 1  # states of a cell: the output of the cell below, that of the cell before it; the sums are 2 to 6
NORMAL_CELL = (
    (Term(Separable, H, kernel=5), Term(Separable, BEFORE, kernel=3)),  # 2
    (Term(Separable, BEFORE, kernel=5), Term(Separable, BEFORE, kernel=3)),  # 3
    (Term(Average, H), Term(nn.Identity, BEFORE)),  # 4
    (Term(Average, BEFORE), Term(Average, BEFORE)),  # 5
    (Term(Separable, H, kernel=3), Term(nn.Identity, H)),  # 6
)
REDUCTION_CELL = (
    (Term(Separable, H, kernel=5), Term(Separable, BEFORE, kernel=7)),  # 2
    (Term(Maximum, H), Term(Separable, BEFORE, kernel=7)),  # 3
    (Term(Average, H), Term(Separable, BEFORE, kernel=5)),  # 4
    (Term(nn.Identity, 3), Term(Average, 2)),  # 5
    (Term(Separable, 2, kernel=3), Term(Maximum, H)),  # 6
)
JOINED = {NORMAL_CELL: (BEFORE, 2, 3, 4, 5, 6), REDUCTION_CELL: (3, 4, 5, 6)}  # the states that make the output


@dataclass(frozen=True)
class NASNetVariant:
    cells: int  # N of "N @ F"
    filters: int  # F
    stem: int  # channels of the first convolution
    input_size: Size
    skip_reductions: bool = False  # the cell after a reduction cell has the same BEFORE as that
    counts_zeros: bool = False
    auxiliary: bool = False
    small_input: bool = False


MOBILE = {"nasnet_mobile": NASNetVariant(cells=4, filters=1056, stem=32, input_size=(3, 224, 224))}
VARIANTS = {"nasnetalarge": NASNetVariant(6, 4032, 96, (3, 331, 331), skip_reductions=True, counts_zeros=True)}
MOBILE_PUBLISHED = {"nasnet_mobile": Published(74.0, 91.6, "table 3, single network, single crop")}
PUBLISHED = {"nasnetalarge": Published(82.7, 96.2, "table 2, single network, single crop")}
PAPER = Paper(
    2017,
    "Zoph et al., Learning Transferable Architectures for Scalable Image Recognition",
    "https://arxiv.org/abs/1707.07012",
)


class Halve(nn.Module):
    """Half of K from the even pixels, half from the odd. Shape: (N, C, H, W) -> (N, K, ceil(H / 2), ceil(W / 2))."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(in_channels, channels // 2, kernel_size=1, bias=False)
        self.odd = nn.Conv2d(in_channels, channels // 2, kernel_size=1, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        moved = F.pad(x, (-1, 1, -1, 1))  # one pixel to the top left
        return self.bn(torch.cat([self.even(x[:, :, ::2, ::2]), self.odd(moved[:, :, ::2, ::2])], dim=1))


class Cell(nn.Module):
    """Figure 4. Shape: (N, C, H, W) and (N, B, H or 2 H, W or 2 W) -> (N, 6 or 4 times K, H or H / 2, W or W / 2)."""

    def __init__(self, table: Table, channels: int, before: int, width: int, *, larger: bool, first: bool) -> None:
        super().__init__()
        self.table, self.joined = table, JOINED[table]
        one = {"kernel": 1, "eps": EPS, "activation": None}
        if not first and not larger:  # timm's order of definition, in which parameters are matched
            self.before = ConvNormAct(before, width, **one)
        self.current = ConvNormAct(channels, width, **one)
        if first or larger:  # the first cell takes BEFORE as it is; larger: a reduction lies between the inputs
            self.before = nn.Identity() if first else Halve(before, width)
        self.sums = nn.ModuleList()
        for terms in table:
            self.sums.append(nn.ModuleList())
            for operation, state, kernel in terms:
                in_channels = before if first and state == BEFORE else width
                stride = 2 if table is REDUCTION_CELL and state in (H, BEFORE) else 1
                self.sums[-1].append(operation(in_channels, width, kernel, stride))

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        states = [self.current(F.relu(x)), self.before(F.relu(before))]
        for (one, other), (left, right) in zip(self.sums, self.table):
            states.append(one(states[left.state]) + other(states[right.state]))
        return torch.cat([states[i] for i in self.joined], dim=1)


def auxiliary_classifier(channels: int, side: int, num_classes: int) -> nn.Module:
    """Shape: (N, channels, side, side) -> (N, num_classes); larger maps are averaged."""
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(kernel_size=5, stride=3),
        ConvNormAct(channels, 128, kernel=1, eps=EPS),
        ConvNormAct(128, 768, kernel=(side - 5) // 3 + 1, padding=0, eps=EPS),  # one pixel remains
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(768, num_classes),
    )


@register_variants(
    MOBILE, family="NASNet", paper=PAPER, num_classes=1000, head="fc", smallest=3, published=MOBILE_PUBLISHED
)
@register_variants(
    VARIANTS, family="NASNet", paper=PAPER, num_classes=1000, head="fc", smallest=3, library="timm", published=PUBLISHED
)
class NASNet(Network):
    """A convolution, cells, an average, a dense layer. Shape: (N, C, H, W) -> (N, num_classes); with ``auxiliary=True``
    in training (logits, [auxiliary logits])."""

    def __init__(self, variant: NASNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        n, w, small = variant.cells, variant.filters // 24, variant.small_input  # at the end 6 states of width 4 w
        stride, padding = (1, 1) if small else (2, 0)
        self.conv0 = ConvNormAct(in_channels, variant.stem, 3, stride, padding, eps=EPS, activation=None)
        plan = [[] if small else [(REDUCTION_CELL, w // 4), (REDUCTION_CELL, w // 2)], [(NORMAL_CELL, w)] * n]
        plan += [[(REDUCTION_CELL, k * w)] + [(NORMAL_CELL, k * w)] * n for k in (2, 4)]
        self.stages = nn.ModuleList()
        channels, before, larger = variant.stem, variant.stem, False
        for stage in plan:
            self.stages.append(nn.ModuleList())
            for table, width in stage:
                first = len(self.stages) == 1 and not self.stages[0]
                cell = Cell(table, channels, before, width, larger=larger, first=first)
                larger = table is REDUCTION_CELL
                cell.keeps_before = variant.skip_reductions and larger and len(self.stages) > 1
                before = before if cell.keeps_before else channels
                channels = len(JOINED[table]) * width
                self.stages[-1].append(cell)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(channels, num_classes)
        self.auxiliary = None
        if variant.auxiliary:
            self.auxiliary_weights = (0.4,)
            side = 16 if small else -(-variant.input_size[1] // 16)
            self.auxiliary = auxiliary_classifier(channels // 2, side, num_classes)

        for module in self.modules():
            if isinstance(module, Average):
                module.counts_zeros = variant.counts_zeros
            if isinstance(module, nn.Conv2d):
                fan_out = module.weight[0, 0].numel() * module.out_channels / module.groups
                nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        x = before = self.conv0(x)  # (N, 32, 111, 111), sizes for nasnet_mobile and 224 px
        auxiliary = []
        for number, stage in enumerate(self.stages):  # to 28, 28, 14 and 7 pixels
            for cell in stage:
                x, before = cell(x, before), before if cell.keeps_before else x
            if number == 2 and self.training and self.auxiliary is not None:
                auxiliary.append(self.auxiliary(x))
        x = F.relu(x).mean(dim=(2, 3))  # (N, 1056): global average pooling
        x = self.fc(self.dropout(x))  # (N, num_classes)
        return (x, auxiliary) if auxiliary else x
