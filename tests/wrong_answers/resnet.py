"""Wrong answers to the exercises of "ResNet", and a part of the hint that each must get."""

import torch
import torch.nn.functional as F
from torch import nn


class Wrong(nn.Module):
    def __init__(self, bias=False):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(16, 16, 3, padding=1, bias=bias), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 16, 3, padding=1, bias=bias), nn.BatchNorm2d(16)

    def residual(self, x):
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


class Plain(Wrong):
    def forward(self, x):
        return F.relu(self.residual(x))


class NoLastReLU(Wrong):
    def forward(self, x):
        return self.residual(x) + x


class AddsLast(Wrong):
    def forward(self, x):
        return F.relu(self.residual(x)) + x


class Straight(Wrong):
    def forward(self, x):
        return F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))) + x)


class Biased(Wrong):
    def __init__(self):
        super().__init__(bias=True)

    def forward(self, x):
        return F.relu(self.residual(x) + x)


def padded_in_front(x, channels, stride):
    x = x[:, :, ::stride, ::stride]
    return torch.cat([torch.zeros(x.shape[0], channels - x.shape[1], *x.shape[2:]), x], dim=1)


def pooled(x, channels, stride):
    x = F.avg_pool2d(x, stride, ceil_mode=True)
    return F.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))


def unstrided(x, channels, stride):
    return F.pad(x, (0, 0, 0, 0, 0, channels - x.shape[1]))


def blocks_of(network):
    return [block for stage in (network.stage1, network.stage2, network.stage3) for block in stage]


def zero_all(network):
    for block in blocks_of(network):
        for p in block.parameters():
            nn.init.zeros_(p)


def zero_first(network):
    for block in blocks_of(network):
        nn.init.zeros_(block.bn1.weight)
        nn.init.zeros_(block.bn2.weight)


def shrink(network):
    for block in blocks_of(network):
        block.bn2.weight.data.mul_(0.1)


def only_stage1(network):
    for block in network.stage1:
        nn.init.zeros_(block.bn2.weight)


WRONG = {
    "resnet/depth": [
        (lambda blocks, bottleneck: (3 if bottleneck else 2) * sum(blocks), "dense layer have weights"),
        (lambda blocks, bottleneck: (3 if bottleneck else 2) * sum(blocks) + 1, "one of the two layers"),
        (lambda blocks, bottleneck: 2 + 2 * sum(blocks), "same for both kinds"),
        (lambda blocks, bottleneck: 2 + sum(blocks), "more than one layer"),
    ],
    "resnet/bottleneck": [
        ({"basic": 589_824, "bottleneck": 69_632}, "two convolutions"),
        ({"basic": 1_179_648, "bottleneck": 180_224}, "squeezed maps"),
        ({"basic": 1_179_648, "bottleneck": 53_248}, "left out a 1 x 1"),
        ({"basic": 4_608, "bottleneck": 69_632}, "not one slice"),
        ({"basic": 1, "bottleneck": 2}, "input channels x output channels"),
    ],
    "resnet/order": [
        ({"g(z + a)": [3, 1, 2, 3], "g(z) + a": [2, 0, 2, 3]}, "wrong way round"),
        ({"g(z + a)": [2, -3, 2, 3], "g(z) + a": [3, 1, 2, 3]}, "nothing negative"),
        ({"g(z + a)": [2, 0, 2, 3], "g(z) + a": [2, 0, 2, 3]}, "sees z alone"),
    ],
    "resnet/shortcut": [
        (padded_in_front, "zeros after them"),
        (pooled, "does not average"),
        (unstrided, "ignores the stride"),
        (lambda x, channels, stride: x[:, :, ::stride, ::stride], "slice with a step"),
    ],
    "resnet/block": [
        (Plain, "Do you add x"),
        (NoLastReLU, "after the addition"),
        (AddsLast, "g(z + a), not g(z) + a"),
        (Straight, "between the two convolutions"),
        (Biased, "bias=False"),
    ],
    "resnet/quiet": [
        (shrink, "still changes its input"),
        (only_stage1, "still changes its input"),
        (zero_all, "gradient"),
        (zero_first, "Silence only the end"),
        (3, "without calling it"),
    ],
}
