"""ResNeXt: references, planted faults, the paper's table 1 and the three equal forms of its figure 3."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.models import model_info
from cnnlab.models.resnet import Bottleneck
from tests.contract import (
    TOLERANCE,
    Reference,
    count_macs,
    count_params,
    create_on_meta,
    of_library,
    randomize,
    swap_forward,
    swap_strides,
)


def cifar(cardinality: int) -> nn.Module:
    """torchvision's bottleneck, arranged as in section 5.3: a 3x3 of 64, and three stages of three blocks."""
    from torchvision.models.resnet import Bottleneck as TheirBottleneck

    layers, channels = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for planes in (64, 128, 256):
        for j in range(3):
            stride = 2 if planes > 64 and j == 0 else 1
            projection = None
            if j == 0:
                convolution = nn.Conv2d(channels, 4 * planes, 1, stride, bias=False)
                projection = nn.Sequential(convolution, nn.BatchNorm2d(4 * planes))
            layers.append(TheirBottleneck(channels, planes, stride, projection, groups=cardinality, base_width=64))
            channels = 4 * planes
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 10))


class FigureThreeA(nn.Module):
    """Figure 3 (a): one bottleneck of d channels for each path, one convolution after the other, and their sum."""

    def __init__(self, channels: int, out_channels: int, paths: int, width: int, stride: int) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Conv2d(channels, width, 1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.Conv2d(width, width, 3, stride, 1, bias=False),
                    nn.BatchNorm2d(width),
                    nn.Conv2d(width, out_channels, 1, bias=False),
                ]
            )
            for _ in range(paths)
        )
        self.bn = nn.BatchNorm2d(out_channels)  # "BN is performed right after the convolutions", here after the sum
        self.projection = None
        if channels != out_channels:
            convolution = nn.Conv2d(channels, out_channels, 1, stride, bias=False)
            self.projection = nn.Sequential(convolution, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(())
        for conv1, bn1, conv2, bn2, conv3 in self.paths:
            total = total + conv3(F.relu(bn2(conv2(F.relu(bn1(conv1(x)))))))
        return F.relu(self.bn(total) + (x if self.projection is None else self.projection(x)))

    def copy_to(self, block: Bottleneck) -> None:
        """Path i becomes rows (and for the last 1x1 columns) i d to (i + 1) d of the block's tensors."""
        with torch.no_grad():
            for i, targets in enumerate((block.conv1, block.bn1, block.conv2, block.bn2)):
                for name, tensor in targets.state_dict().items():
                    if name != "num_batches_tracked":
                        tensor.copy_(torch.cat([path[i].state_dict()[name] for path in self.paths]))
            block.conv3.weight.copy_(torch.cat([path[4].weight for path in self.paths], dim=1))
            block.bn3.load_state_dict(self.bn.state_dict())
            if self.projection is not None:
                block.shortcut.conv.load_state_dict(self.projection[0].state_dict())
                block.shortcut.bn.load_state_dict(self.projection[1].state_dict())


def _cifar(cardinality: int) -> Reference:
    return of_library(lambda: cifar(cardinality), (3, 32, 32), "counted on torchvision's bottlenecks")


REFERENCES = {
    "resnext29_8x64d_cifar": lambda: _cifar(8),
    "resnext29_16x64d_cifar": lambda: _cifar(16),
}


def _without_middle_relu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.bn3(block.conv3(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))))
    return F.relu(y + block.shortcut(x))


def _paths_shuffled(block: nn.Module, x: Tensor) -> Tensor:
    """The channels dealt out to the groups in turn, as a shuffle would: same shapes, same parameters."""
    y = F.relu(block.bn1(block.conv1(x)))
    y = y.unflatten(1, (block.conv2.groups, -1)).transpose(1, 2).flatten(1, 2)
    return F.relu(block.bn3(block.conv3(F.relu(block.bn2(block.conv2(y))))) + block.shortcut(x))


FAULTS = {
    "resnext50_32x4d": {
        "stride on the first 1x1": lambda m: swap_strides(m.conv3[0].conv1, m.conv3[0].conv2),
        "channels dealt out to the groups": lambda m: swap_forward(m.conv5[1], _paths_shuffled),
    },
    "resnext29_8x64d_cifar": {
        "no relu in the middle": lambda m: swap_forward(m.conv2[1], _without_middle_relu),
        "channels dealt out to the groups": lambda m: swap_forward(m.conv4[0], _paths_shuffled),
    },
}


@pytest.mark.parametrize("stride", [1, 2])
def test_the_forms_of_figure_3_are_equal(stride: int):
    """Figure 3: "(a) [...] (b) [...] (c): A block equivalent to (a,b), implemented as grouped convolutions."""
    variant = model_info("resnext50_32x4d").variant
    theirs = FigureThreeA(64 if stride == 2 else 256, 256, paths=32, width=4, stride=stride)
    ours = Bottleneck(64 if stride == 2 else 256, 64, stride, variant)
    channels = ours.conv1.in_channels
    randomize(theirs, (channels, 14, 14))
    theirs.copy_to(ours.eval())
    x = torch.randn(2, channels, 14, 14)
    with torch.no_grad():
        a, b = theirs(x), ours(x)
    assert (a - b).abs().max() < TOLERANCE * a.abs().max()
    assert count_params(theirs) == count_params(ours)


def test_widths_of_table_1():
    model = create_on_meta("resnext50_32x4d")
    stages = (model.conv2, model.conv3, model.conv4, model.conv5)
    rows = [(s[0].conv1.out_channels, s[0].conv2.groups, s[0].conv3.out_channels, len(s)) for s in stages]
    assert rows == [(128, 32, 256, 3), (256, 32, 512, 4), (512, 32, 1024, 6), (1024, 32, 2048, 3)]
    sizes, x = [], torch.empty(1, 256, 56, 56, device="meta")
    for stage in stages[1:]:
        x = stage(x)
        sizes.append(x.shape[-1])
    assert sizes == [28, 14, 7]


@pytest.mark.parametrize(("name", "millions", "giga"), [("resnet50", 25.5, 4.1), ("resnext50_32x4d", 25.0, 4.2)])
def test_parameters_and_macs_of_table_1(name: str, millions: float, giga: float):
    """The ResNet-50's 25.557 million are printed as 25.5."""
    model = create_on_meta(name)
    assert count_params(model) / 1e6 == pytest.approx(millions, abs=0.06)
    assert round(count_macs(model, model.input_size) / 1e9, 1) == giga


@pytest.mark.parametrize(("cardinality", "width"), [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_settings_of_table_2_cost_the_same(cardinality: int, width: int):
    """Table 2: cardinality against width, for a block of conv2_x "roughly preserving" its 70 thousand parameters."""
    from dataclasses import replace

    variant = replace(model_info("resnext50_32x4d").variant, cardinality=cardinality, base_width=width)
    weights = sum(p.numel() for p in Bottleneck(256, 64, 1, variant).parameters() if p.dim() > 1)
    assert weights == cardinality * (256 * width + 9 * width**2 + width * 256)  # equation 4 of the paper
    assert weights == pytest.approx(70_000, rel=0.03)


@pytest.mark.parametrize(("name", "millions"), [("8x64d", 34.4), ("16x64d", 68.1)])
def test_parameters_of_table_7(name: str, millions: float):
    """The second's 68.16 million are printed as 68.1."""
    assert count_params(create_on_meta(f"resnext29_{name}_cifar")) / 1e6 == pytest.approx(millions, abs=0.06)


def test_initial_distribution_of_grouped_convolutions():
    weight = cnnlab.create_model("resnext50_32x4d").conv4[0].conv2.weight  # 3x3, 16 -> 512 in 32 groups
    assert weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.02)
