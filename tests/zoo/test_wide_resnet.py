"""Wide ResNet: references, planted faults, the paper's tables of parameters."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models.wide_resnet import CIFARWideResNet, WideResNetVariant
from tests.contract import Reference, count_params, create_on_meta, of_library, set_eps, swap_forward, swap_strides
from tests.zoo.test_preact_resnet import activation, conv, preactivated


def wide(depth: int, k: int) -> nn.Module:
    """Block by block as in the authors' wide-resnet.lua, with the pieces of the pre-activation ResNet's reference."""
    layers, channels = [conv(3, 16, 3)], 16
    for i, width in enumerate((16 * k, 32 * k, 64 * k)):
        for j in range((depth - 4) // 6):
            stride = 2 if i and not j else 1
            body = [conv(channels, width, 3, stride), *activation(width), nn.Dropout(), conv(width, width, 3)]
            grows = channels != width
            layers.append(preactivated(channels, *body, shortcut=conv(channels, width, 1, stride) if grows else None))
            channels = width
    return nn.Sequential(*layers, *activation(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def _wide(depth: int, k: int) -> Reference:
    return of_library(lambda: wide(depth, k), (3, 32, 32), "counted on the authors' arrangement, written again")


REFERENCES = {
    "wrn16_8_cifar": lambda: _wide(16, 8),
    "wrn28_10_cifar": lambda: _wide(28, 10),
    "wrn28_10_dropout_cifar": lambda: _wide(28, 10),
    "wrn40_2_cifar": lambda: _wide(40, 2),
    "wrn40_4_cifar": lambda: _wide(40, 4),
}


def _relu_after_the_sum(block: nn.Module, x: Tensor) -> Tensor:
    return F.relu(type(block).forward(block, x))


def _projection_of_x(block: nn.Module, x: Tensor) -> Tensor:
    return block.conv2(F.relu(block.bn2(block.conv1(F.relu(block.bn1(x)))))) + block.projection(x)


def _without_the_last_activation(network: nn.Module, x: Tensor) -> Tensor:
    x = network.conv4(network.conv3(network.conv2(network.conv1(x))))
    return network.fc(network.bn(x).mean(dim=(2, 3)))


def _without_middle_relu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.bn3(block.conv3(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))))
    return F.relu(y + block.shortcut(x))


FAULTS = {
    "wrn40_2_cifar": {
        "stride on the second 3x3": lambda m: swap_strides(m.conv3[0].conv1, m.conv3[0].conv2),
        "projection of x itself": lambda m: swap_forward(m.conv2[0], _projection_of_x),
        "relu after the sum": lambda m: swap_forward(m.conv4[2], _relu_after_the_sum),
        "eps of the last batch norm": lambda m: set_eps(m.bn),
        "no relu at the end": lambda m: swap_forward(m, _without_the_last_activation),
    },
    "wide_resnet50_2": {
        "stride on the first 1x1": lambda m: swap_strides(m.conv4[0].conv1, m.conv4[0].conv2),
        "no relu in the middle": lambda m: swap_forward(m.conv3[1], _without_middle_relu),
    },
}

# Depth, k and "# params" of table 4.
TABLE_4 = [
    (40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (40, 8, 35.7), (28, 10, 36.5),
    (28, 12, 52.5), (22, 8, 17.2), (22, 10, 26.8), (16, 8, 11.0), (16, 10, 17.1),
]  # fmt: skip


@pytest.mark.parametrize(("depth", "k", "millions"), TABLE_4)
def test_parameters_of_table_4(depth: int, k: int, millions: float):
    with on_meta():
        model = CIFARWideResNet(WideResNetVariant(depth, k))
    assert round(count_params(model) / 1e6, 1) == millions


def test_depth_counts_the_convolutions():
    """Section 3: "WRN-n-k denotes a residual network that has a total number of convolutional layers n": with the
    three 1x1 on the shortcuts, and without the dense layer."""
    model = create_on_meta("wrn16_8_cifar")
    assert sum(isinstance(m, nn.Conv2d) for m in model.modules()) == 16


def test_sizes_of_table_1():
    model = create_on_meta("wrn28_10_cifar").eval()
    x, sizes = model.conv1(torch.empty(1, 3, 32, 32, device="meta")), []
    for group in (model.conv2, model.conv3, model.conv4):
        x = group(x)
        sizes.append((x.shape[1], x.shape[2], len(group)))
    assert sizes == [(160, 32, 4), (320, 16, 4), (640, 8, 4)]


def test_parameters_of_table_8():
    """WRN-50-2-bottleneck: 68.9M, where a ResNet-50 has 25.6M."""
    assert round(count_params(create_on_meta("wide_resnet50_2")) / 1e6, 1) == 68.9


def test_dropout_is_between_the_convolutions():
    torch.manual_seed(0)
    block = cnnlab.create_model("wrn28_10_dropout_cifar").conv3[1]
    assert block.dropout.p == 0.3
    x = torch.randn(1, 320, 4, 4)
    assert not torch.equal(block.train()(x), block(x))
    kept = {}
    block.conv2.register_forward_pre_hook(lambda module, inputs: kept.update(zeros=(inputs[0] == 0).float().mean()))
    block(x)
    assert kept["zeros"] == pytest.approx(0.5 + 0.5 * 0.3, abs=0.03)  # ReLU takes half of them, dropout 0.3 of the rest
    assert cnnlab.create_model("wrn28_10_cifar").conv3[1].dropout.p == 0
