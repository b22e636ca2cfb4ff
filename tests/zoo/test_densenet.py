"""DenseNet: references, planted faults, the paper's tables 1 and 2."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.models import model_info
from cnnlab.models.densenet import DenseNet, DenseNetVariant, Transition
from tests.contract import Reference, count_params, create_on_meta, of_library, set_eps, swap_forward


def with_bottlenecks(growth: int, layers: int) -> nn.Module:
    """torchvision's DenseNet-BC with three blocks, and the paper's stem for CIFAR: one 3x3 and nothing after it."""
    from torchvision.models import DenseNet as TheirDenseNet

    network = TheirDenseNet(growth, (layers,) * 3, 2 * growth, num_classes=10)
    network.features.conv0 = nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False)
    network.features.norm0 = network.features.relu0 = network.features.pool0 = nn.Identity()
    return network


class Joined(nn.Module):
    """A layer and what came into it, as channels: torch 7's Concat, in which the authors' code is written."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        joined = x.new_empty(x.shape[0], x.shape[1] + y.shape[1], *x.shape[2:])
        joined[:, : x.shape[1]], joined[:, x.shape[1] :] = x, y
        return joined


def without_bottlenecks(growth: int, layers: int) -> nn.Module:
    """Section 3: batch norm, ReLU, 3x3; transitions that keep the channels; 16 channels at first."""
    network, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False)], 16
    for block in range(3):
        for _ in range(layers):
            convolution = nn.Conv2d(channels, growth, 3, padding=1, bias=False)
            network.append(Joined(nn.BatchNorm2d(channels), nn.ReLU(), convolution))
            channels += growth
        network += [nn.BatchNorm2d(channels), nn.ReLU()]
        if block < 2:
            network += [nn.Conv2d(channels, channels, 1, bias=False), nn.AvgPool2d(2)]
    return nn.Sequential(*network, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def densenet264() -> Reference:
    from torchvision.models import DenseNet as TheirDenseNet

    return of_library(lambda: TheirDenseNet(32, (6, 12, 64, 48), 64), (3, 224, 224), "counted on torchvision's class")


def _plain(growth: int, layers: int) -> Reference:
    return of_library(lambda: without_bottlenecks(growth, layers), (3, 32, 32), "counted on section 3, written again")


def _bc(growth: int, layers: int) -> Reference:
    return of_library(lambda: with_bottlenecks(growth, layers), (3, 32, 32), "counted on torchvision's class")


REFERENCES = {
    "densenet264": densenet264,
    "densenet40_12_cifar": lambda: _plain(12, 12),
    "densenet100_12_cifar": lambda: _plain(12, 32),
    "densenet100_24_cifar": lambda: _plain(24, 32),
    "densenet_bc100_12_cifar": lambda: _bc(12, 16),
    "densenet_bc190_40_cifar": lambda: _bc(40, 31),
    "densenet_bc250_24_cifar": lambda: _bc(24, 41),
}


def _new_channels_first(block: nn.Module, x: Tensor) -> Tensor:
    for layer in block:
        x = torch.cat([layer(x), x], dim=1)
    return x


def _added(block: nn.Module, x: Tensor) -> Tensor:
    """A ResNet's sum for the last layer: what the others have left is there, but not joined."""
    for layer in list(block)[:-1]:
        x = torch.cat([x, layer(x)], dim=1)
    y = block[-1](x)
    return torch.cat([x[:, : y.shape[1]] + y, x], dim=1)


def _pool_first(transition: nn.Module, x: Tensor) -> Tensor:
    """Pooling before the ReLU: fewer multiplications, the same shapes, another result."""
    return transition.conv(F.relu(transition.pool(transition.bn(x))))


def _without_the_last_relu(network: nn.Module, x: Tensor) -> Tensor:
    x = network.conv1(x)
    if network.bn1 is not None:
        x = network.pool(F.relu(network.bn1(x)))
    return network.fc(network.bn(network.stages(x)).mean(dim=(2, 3)))


FAULTS = {
    "densenet121": {
        "added in place of joined": lambda m: swap_forward(m.stages.block3, _added),
        "transition pools before its relu": lambda m: swap_forward(m.stages.transition1, _pool_first),
    },
    "densenet40_12_cifar": {
        "new channels first": lambda m: swap_forward(m.stages.block1, _new_channels_first),
        "transition pools before its relu": lambda m: swap_forward(m.stages.transition2, _pool_first),
        "no relu at the end": lambda m: swap_forward(m, _without_the_last_relu),
    },
    "densenet_bc100_12_cifar": {
        "max pooling in a transition": lambda m: setattr(m.stages.transition1, "pool", nn.MaxPool2d(2)),
        "eps of one batch norm": lambda m: set_eps(m.stages.block3[7].bn1),
    },
}


@pytest.mark.parametrize(
    ("name", "millions"),
    [("40_12", 1.0), ("100_12", 7.0), ("100_24", 27.2), ("_bc100_12", 0.8), ("_bc250_24", 15.3), ("_bc190_40", 25.6)],
)
def test_parameters_of_table_2(name: str, millions: float):
    assert round(count_params(create_on_meta(f"densenet{name}_cifar")) / 1e6, 1) == millions


@pytest.mark.parametrize(("name", "depth"), [(121, 121), (161, 161), (169, 169), (201, 201), (264, 265)])
def test_depths_count_the_layers(name: int, depth: int):
    """Two in each dense layer, three transitions, the first convolution and the last dense layer. By that count the
    column "DenseNet-264" of table 1 has 265 layers."""
    assert 2 * sum(model_info(f"densenet{name}").variant.layers) + 3 + 2 == depth


@pytest.mark.parametrize("name", cnnlab.list_models("densenet*_cifar"))
def test_depths_of_cifar(name: str):
    """ "L" in table 2; a name is densenet, "_bc" or nothing, L, k."""
    variant = model_info(name).variant
    depth, growth = name.removeprefix("densenet").removeprefix("_bc").removesuffix("_cifar").split("_")
    assert (2 if variant.bottleneck else 1) * sum(variant.layers) + 2 + 2 == int(depth)
    assert variant.growth == int(growth)
    assert ("_bc" in name) == variant.bottleneck == (variant.compression == 0.5)
    assert variant.stem == (2 * variant.growth if variant.bottleneck else 16)  # section 4.2 of the paper


@pytest.mark.slow
@pytest.mark.parametrize("depth", [121, 169, 201, 264])
def test_sizes_of_table_1(depth: int):
    model = create_on_meta(f"densenet{depth}").eval()
    x = torch.empty(1, 3, 224, 224, device="meta")
    x = model.conv1(x)
    sizes = [x.shape[2]]
    x = model.pool(x)
    for stage in model.stages:
        sizes.append(x.shape[2])
        x = stage(x)
    assert sizes == [112, 56, 56, 28, 28, 14, 14, 7]
    assert x.shape[2] == 7
    blocks = [len(model.stages.get_submodule(f"block{i}")) for i in (1, 2, 3, 4)]
    assert blocks == {121: [6, 12, 24, 16], 169: [6, 12, 32, 32], 201: [6, 12, 48, 32], 264: [6, 12, 64, 48]}[depth]


def test_parameters_of_densenet_264():
    """Layer by layer; neither torchvision nor timm registers this network."""
    k, channels, total = 32, 64, 3 * 64 * 49 + 2 * 64
    for i, layers in enumerate((6, 12, 64, 48)):
        for _ in range(layers):
            total += 2 * channels + channels * 4 * k + 2 * 4 * k + 4 * k * 9 * k
            channels += k
        if i < 3:
            total += 2 * channels + channels * channels // 2
            channels //= 2
    total += 2 * channels + 1000 * channels + 1000
    assert total == count_params(create_on_meta("densenet264")) == 33_337_704


def test_growth_of_the_channels():
    """Equation 2: layer l sees k0 + k (l - 1) channels, and hands on all of them untouched."""
    model = cnnlab.create_model("densenet_bc100_12_cifar").eval()
    block = model.stages.block1
    assert [layer.bn1.num_features for layer in block] == [24 + 12 * i for i in range(16)]
    x = torch.randn(1, 24, 8, 8)
    with torch.no_grad():
        y = block(x)
    assert y.shape[1] == 24 + 16 * 12
    assert torch.equal(y[:, :24], x)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_dropout_follows_every_convolution_but_the_first(bottleneck: bool):
    """Section 4.2: "a dropout layer after each convolutional layer (except the first one) and [...] 0.2"."""
    variant = DenseNetVariant((2, 2, 2), growth=4, stem=8, bottleneck=bottleneck, dropout=0.2, small_input=True)
    model, calls = DenseNet(variant, num_classes=10), []
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            assert module.p == 0.2
            module.register_forward_hook(lambda *_: calls.append(1))
    model(torch.randn(2, 3, 16, 16))
    assert len(calls) == sum(isinstance(m, nn.Conv2d) for m in model.modules()) - 1


def test_the_least_input():
    for name in ("densenet121", "densenet40_12_cifar"):
        model, least = create_on_meta(name).eval(), model_info(name).smallest
        model(torch.empty(1, 3, least, least, device="meta"))
        with pytest.raises(RuntimeError):
            model.forward(torch.empty(1, 3, least - 1, least - 1, device="meta"))  # past the check of create_model


def test_a_transition_could_pool_first_only_after_its_relu():
    """Pooling and a 1x1 convolution commute, pooling and the ReLU do not: one of the planted faults, seen alone."""
    transition = Transition(8, 4, dropout=0.0).eval()
    x = torch.randn(1, 8, 6, 6)
    with torch.no_grad():
        y = transition(x)
        cheaper = transition.conv(transition.pool(F.relu(transition.bn(x))))
        torch.testing.assert_close(cheaper, y)
        assert not torch.allclose(_pool_first(transition, x), y, atol=1e-3)
