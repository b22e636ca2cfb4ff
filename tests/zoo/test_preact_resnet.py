"""Pre-activation ResNet: references, planted faults, the paper's depths, parameters and order of layers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.models import model_info
from tests.contract import Reference, count_params, create_on_meta, of_library, swap_forward, swap_strides


class Add(nn.ModuleList):
    """Branches of the same input, added: torch 7's ConcatTable and CAddTable, in which the authors' code is written."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([branch(x) for branch in self]).sum(dim=0)


def activation(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU()]


def conv(channels: int, filters: int, kernel: int, stride: int = 1) -> nn.Module:
    return nn.Conv2d(channels, filters, kernel, stride, kernel // 2, bias=False)


def preactivated(channels: int, *layers: nn.Module, shortcut: nn.Module | None = None) -> nn.Module:
    """A unit: its first batch norm and ReLU are shared with the shortcut where that is a convolution."""
    if shortcut is None:
        return Add([nn.Sequential(*activation(channels), *layers), nn.Identity()])
    return nn.Sequential(*activation(channels), Add([nn.Sequential(*layers), shortcut]))


def cifar_bottlenecks(n: int) -> nn.Module:
    """Unit by unit as in the authors' resnet-pre-act.lua: 16, 64, 128, 256 channels, the stride in the first 1x1."""
    layers, channels = [conv(3, 16, 3)], 16
    for i, width in enumerate((16, 32, 64)):
        for j in range(n):
            stride, grows = (2 if i and not j else 1), j == 0
            layers.append(
                preactivated(
                    channels,
                    *[conv(channels, width, 1, stride), *activation(width), conv(width, width, 3)],
                    *[*activation(width), conv(width, 4 * width, 1)],
                    shortcut=conv(channels, 4 * width, 1, stride) if grows else None,
                )
            )
            channels = 4 * width
    return nn.Sequential(*layers, *activation(256), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


class _OptionA(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(x, kernel_size=1, stride=2)
        return torch.cat([x, torch.zeros_like(x)], dim=1)


def cifar_basic(n: int) -> nn.Module:
    """110 layers by the paper's text: identities and option A of x itself; conv1 is activated before the first unit."""
    layers, channels = [conv(3, 16, 3), *activation(16)], 16
    for i, width in enumerate((16, 32, 64)):
        for j in range(n):
            grows, first = width != channels, i == j == 0
            body = [] if first else activation(channels)
            body += [conv(channels, width, 3, 2 if grows else 1), *activation(width), conv(width, width, 3)]
            layers.append(Add([nn.Sequential(*body), _OptionA() if grows else nn.Identity()]))
            channels = width
    return nn.Sequential(*layers, *activation(64), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def imagenet(*blocks: int) -> nn.Module:
    """timm's ResNetV2 with batch norm, and two things moved: where the first activation stands, and one definition.

    timm has the first batch norm and ReLU after the max pool, the paper "right after conv1". timm defines the
    projection of a unit first, we last.
    """
    from timm.layers import BatchNormAct2d, create_conv2d
    from timm.models.resnetv2 import ResNetV2

    network = ResNetV2(layers=list(blocks), conv_layer=create_conv2d, norm_layer=BatchNormAct2d)
    first = network.stages[0].blocks[0]
    network.stem = nn.Sequential(network.stem.conv, first.norm1, network.stem.pool)
    first.norm1 = nn.Identity()
    for stage in network.stages:
        projection = stage.blocks[0].downsample
        del stage.blocks[0].downsample
        stage.blocks[0].downsample = projection
    return network


def _imagenet(*blocks: int) -> Reference:
    return of_library(lambda: imagenet(*blocks), (3, 224, 224), "counted on timm's ResNetV2")


def _bottlenecks(n: int) -> Reference:
    return of_library(lambda: cifar_bottlenecks(n), (3, 32, 32), "counted on the authors' arrangement, written again")


REFERENCES = {
    "preact_resnet50": lambda: _imagenet(3, 4, 6, 3),
    "preact_resnet101": lambda: _imagenet(3, 4, 23, 3),
    "preact_resnet152": lambda: _imagenet(3, 8, 36, 3),
    "preact_resnet200": lambda: _imagenet(3, 24, 36, 3),
    "preact_resnet110_cifar": lambda: of_library(
        lambda: cifar_basic(18), (3, 32, 32), "counted on the paper's text, written again"
    ),
    "preact_resnet164_cifar": lambda: _bottlenecks(18),
    "preact_resnet1001_cifar": lambda: _bottlenecks(111),
}

# A thousand layers.
FULL = frozenset({"preact_resnet1001_cifar"})


def _relu_after_the_sum(unit: nn.Module, x: Tensor) -> Tensor:
    return F.relu(type(unit).forward(unit, x))


def _projection_of_x(unit: nn.Module, x: Tensor) -> Tensor:
    y = unit.conv1(F.relu(unit.bn1(x)))
    return unit.conv3(F.relu(unit.bn3(unit.conv2(F.relu(unit.bn2(y)))))) + unit.projection(x)


def _identity_of_the_activated(unit: nn.Module, x: Tensor) -> Tensor:
    activated = F.relu(unit.bn1(x))
    return unit.conv2(F.relu(unit.bn2(unit.conv1(activated)))) + unit.shortcut(activated)


def _without_the_last_relu(network: nn.Module, x: Tensor) -> Tensor:
    x = network.stages(network.pool(F.relu(network.bn1(network.conv1(x)))))
    return network.fc(network.bn(x).mean(dim=(2, 3)))


def _first_unit_splits_before_the_activation(network: nn.Module, x: Tensor) -> Tensor:
    """As if the activation after conv1 belonged to the first unit's branch alone."""
    x = network.conv1(x)
    first = network.stages[0][0]
    y = first.conv2(F.relu(first.bn2(first.conv1(F.relu(network.bn1(x)))))) + x
    y = network.stages[1:](network.stages[0][1:](y))
    return network.fc(F.relu(network.bn(y)).mean(dim=(2, 3)))


FAULTS = {
    "preact_resnet50": {
        "stride on the first 1x1": lambda m: swap_strides(m.stages[3][0].conv1, m.stages[3][0].conv2),
        "no relu at the end": lambda m: swap_forward(m, _without_the_last_relu),
    },
    "preact_resnet110_cifar": {
        "relu after the sum": lambda m: swap_forward(m.stages[0][3], _relu_after_the_sum),
        "shortcut of the activated input": lambda m: swap_forward(m.stages[1][0], _identity_of_the_activated),
        "identity of the activated input": lambda m: swap_forward(m.stages[2][5], _identity_of_the_activated),
        "first unit splits too early": lambda m: swap_forward(m, _first_unit_splits_before_the_activation),
    },
    "preact_resnet164_cifar": {
        "stride on the 3x3": lambda m: swap_strides(m.stages[1][0].conv1, m.stages[1][0].conv2),
        "projection of x itself": lambda m: swap_forward(m.stages[2][0], _projection_of_x),
    },
}


@pytest.mark.parametrize("depth", [110, 164, 1001])
def test_depths_count_the_layers(depth: int):
    """The paper: "6n + 2" with two convolutions in a unit and 9n + 2 with three; projections are not counted."""
    variant = model_info(f"preact_resnet{depth}_cifar").variant
    assert sum(variant.blocks) * (3 if variant.bottleneck else 2) + 2 == depth


def test_depths_of_imagenet():
    """Section 5: "Our ResNet-200 has 16 more 3-layer bottleneck Residual Units than ResNet-152 [...] on the feature
    map of 28 x 28"."""
    for depth in (50, 101, 152, 200):
        assert 3 * sum(model_info(f"preact_resnet{depth}").variant.blocks) + 2 == depth
    fewer, more = (model_info(f"preact_resnet{depth}").variant.blocks for depth in (152, 200))
    assert [b - a for a, b in zip(fewer, more)] == [0, 16, 0, 0]


@pytest.mark.parametrize(("depth", "millions"), [(110, 1.7), (164, 1.7), (1001, 10.2)])
def test_parameters_of_the_paper(depth: int, millions: float):
    """Table 4 prints 1.7M for ResNet-164 and 10.2M for ResNet-1001: the latter without batch norm, with it 10.3M."""
    model = create_on_meta(f"preact_resnet{depth}_cifar")
    weights = sum(p.numel() for p in model.parameters() if p.dim() > 1)
    assert round(weights / 1e6, 1) == millions
    assert round(count_params(model) / 1e6, 1) == {110: 1.7, 164: 1.7, 1001: 10.3}[depth]


def test_sizes_of_the_stages():
    sizes = {}
    for name in ("preact_resnet110_cifar", "preact_resnet164_cifar", "preact_resnet50"):
        model = create_on_meta(name).eval()
        x, sizes[name] = torch.empty(1, *model.input_size, device="meta"), []
        x = model.pool(model.conv1(x))
        for stage in model.stages:
            x = stage(x)
            sizes[name].append(tuple(x.shape[1:3]))
    assert sizes["preact_resnet110_cifar"] == [(16, 32), (32, 16), (64, 8)]
    assert sizes["preact_resnet164_cifar"] == [(64, 32), (128, 16), (256, 8)]
    assert sizes["preact_resnet50"] == [(256, 56), (512, 28), (1024, 14), (2048, 7)]


def test_nothing_interrupts_the_shortcut():
    """Equation 4: x_L = x_l + the sum of the units' F. With every F zero, a stage hands on its input exactly."""
    model = cnnlab.create_model("preact_resnet110_cifar").eval()
    for unit in model.stages[0]:
        nn.init.zeros_(unit.conv2.weight)
    x = torch.randn(1, 16, 8, 8)
    assert torch.equal(model.stages[0](x), x)
    old = cnnlab.create_model("resnet110_cifar").eval()  # 2015: the ReLU after the sum takes the negative numbers
    for block in old.stage1:
        nn.init.zeros_(block.conv2.weight)
    torch.testing.assert_close(old.stage1(x), F.relu(x))


@pytest.mark.full
def test_a_thousand_layers_need_statistics():
    """As the model file says: NaN in evaluation mode when new, and numbers after one pass in training mode."""
    torch.manual_seed(0)
    model, x = cnnlab.create_model("preact_resnet1001_cifar"), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert model.eval()(x).isnan().any()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        assert model.train()(x).isfinite().all()
        assert model.eval()(x).isfinite().all()
