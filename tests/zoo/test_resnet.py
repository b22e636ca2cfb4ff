"""ResNet and the plain networks, for ImageNet and for CIFAR: references, planted faults, the paper's tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from tests.contract import Reference, count_macs, create_on_meta, set_eps, swap_forward, swap_strides


def plain(stem: list[nn.Module], widths: list[int], depths: list[int], classes: int) -> nn.Module:
    """A plain network is a list of layers, and is written as one here."""
    layers, channels = list(stem), widths[0]
    for width, depth in zip(widths, depths):
        for _ in range(2 * depth):
            stride = 1 if width == channels else 2
            layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def imagenet_stem() -> list[nn.Module]:
    return [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]


def cifar_stem() -> list[nn.Module]:
    return [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]


class OptionA(nn.Module):
    """The paper's parameter-free shortcut, as a strided max pool of one pixel and a concatenation with zeros."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(x, kernel_size=1, stride=2)
        return torch.cat([x, torch.zeros_like(x)], dim=1)


def cifar_resnet(n: int) -> nn.Module:
    """torchvision's own basic block, arranged as in section 4.2 of the paper."""
    from torchvision.models.resnet import BasicBlock

    layers, channels = cifar_stem(), 16
    for width in (16, 32, 64):
        for _ in range(n):
            grows = width != channels
            layers.append(BasicBlock(channels, width, 2 if grows else 1, OptionA() if grows else None))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def _cifar_numbers(n: int) -> tuple[int, int]:
    """Parameters and MACs of 6n + 2 layers by arithmetic, convolution by convolution."""
    convs = [(3, 16, 32)] + [(16, 16, 32)] * 2 * n + [(16, 32, 16)] + [(32, 32, 16)] * (2 * n - 1)
    convs += [(32, 64, 8)] + [(64, 64, 8)] * (2 * n - 1)
    params = sum(9 * a * b + 2 * b for a, b, _ in convs) + 650
    return params, sum(9 * a * b * size**2 for a, b, size in convs) + 640


PROJECTION_PARAMS = sum(a * b + 2 * b for a, b in ((64, 128), (128, 256), (256, 512)))
PROJECTION_MACS = 3 * 64 * 128 * 28**2

REFERENCES = {
    "plain18": Reference(
        11_689_512 - PROJECTION_PARAMS,
        1_814_073_344 - PROJECTION_MACS,
        lambda: plain(imagenet_stem(), [64, 128, 256, 512], [2, 2, 2, 2], 1000),
        "torchvision's resnet18 less its three projections (1x1 convolution and batch norm)",
    ),
    "plain34": Reference(
        21_797_672 - PROJECTION_PARAMS,
        3_663_761_408 - PROJECTION_MACS,
        lambda: plain(imagenet_stem(), [64, 128, 256, 512], [3, 4, 6, 3], 1000),
        "torchvision's resnet34 less its three projections",
    ),
}
for _n in (3, 5, 7, 9, 18, 200):
    REFERENCES[f"resnet{6 * _n + 2}_cifar"] = Reference(
        *_cifar_numbers(_n), lambda n=_n: cifar_resnet(n), "section 4.2, convolution by convolution; table 6 below"
    )
for _n in (3, 5, 7, 9, 18):
    REFERENCES[f"plain{6 * _n + 2}_cifar"] = Reference(
        *_cifar_numbers(_n), lambda n=_n: plain(cifar_stem(), [16, 32, 64], [n] * 3, 10), "section 4.2"
    )

# Too deep to count in every run: thousands of layers.
FULL = frozenset({"resnet1202_cifar"})


def _basic_without_last_relu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
    return y if block.shortcut is None else y + block.shortcut(x)


def _basic_without_middle_relu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.bn2(block.conv2(block.bn1(block.conv1(x))))
    return F.relu(y if block.shortcut is None else y + block.shortcut(x))


def _basic_relu_before_sum(block: nn.Module, x: Tensor) -> Tensor:
    return F.relu(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))) + block.shortcut(x)


def _bottleneck_without_middle_relu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.bn3(block.conv3(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))))
    return F.relu(y + block.shortcut(x))


def _bottleneck_branches_swapped(block: nn.Module, x: Tensor) -> Tensor:
    """The shortcut's batch norm on the main branch and the other way round: same shapes, same parameters."""
    y = block.shortcut.bn(block.conv3(F.relu(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x))))))))
    return F.relu(y + block.bn3(block.shortcut.conv(x)))


class _OtherPixels(nn.Module):
    """Subsampling that starts at the second pixel."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 1, 0, 1))[:, :, 1::2, 1::2]
        return torch.cat([x, torch.zeros_like(x)], dim=1)


class _ZerosFirst(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, ::2, ::2]
        return torch.cat([torch.zeros_like(x), x], dim=1)


FAULTS = {
    "resnet18": {
        "stride on the second convolution": lambda m: swap_strides(m.conv3[0].conv1, m.conv3[0].conv2),
        "eps of one batch norm": lambda m: set_eps(m.conv4[1].bn2),
        "no relu after the sum": lambda m: swap_forward(m.conv2[0], _basic_without_last_relu),
        "relu before the sum": lambda m: swap_forward(m.conv5[1], _basic_relu_before_sum),
    },
    "resnet50": {
        "stride on the first 1x1": lambda m: swap_strides(m.conv4[0].conv1, m.conv4[0].conv2),
        "eps of one batch norm": lambda m: set_eps(m.conv5[2].bn3),
        "eps of a shortcut": lambda m: set_eps(m.conv2[0].shortcut.bn),
        "no relu in the middle": lambda m: swap_forward(m.conv3[2], _bottleneck_without_middle_relu),
        "branches swapped": lambda m: swap_forward(m.conv5[0], _bottleneck_branches_swapped),
        "pool not padded alike": lambda m: setattr(m, "pool", nn.MaxPool2d(3, 2, 0, ceil_mode=True)),
    },
    "plain18": {
        "stride on the second convolution": lambda m: swap_strides(m.conv5[0].conv1, m.conv5[0].conv2),
        "no relu in the middle": lambda m: swap_forward(m.conv2[0], _basic_without_middle_relu),
    },
    "resnet20_cifar": {
        "shortcut takes other pixels": lambda m: setattr(m.stage2[0], "shortcut", _OtherPixels()),
        "zeros before the channels": lambda m: setattr(m.stage3[0], "shortcut", _ZerosFirst()),
        "eps of one batch norm": lambda m: set_eps(m.stage1[0].bn1),
        "no shortcut in one block": lambda m: setattr(m.stage3[2], "shortcut", None),
    },
    "plain20_cifar": {
        "no relu at the end of a block": lambda m: swap_forward(m.stage2[1], _basic_without_last_relu),
        "stride on the second convolution": lambda m: swap_strides(m.stage3[0].conv1, m.stage3[0].conv2),
    },
}


@pytest.mark.parametrize(
    ("name", "millions"),
    [("20", "0.27"), ("32", "0.46"), ("44", "0.66"), ("56", "0.85"), ("110", "1.7"), ("1202", "19.4")],
)
def test_parameters_of_the_papers_table_6(name: str, millions: str):
    decimals = len(millions.partition(".")[2])
    assert f"{REFERENCES[f'resnet{name}_cifar'].params / 1e6:.{decimals}f}" == millions


def test_plain_and_residual_cifar_networks_have_the_same_parameters():
    for name in cnnlab.list_models("plain*_cifar"):
        assert REFERENCES[name].params == REFERENCES[name.replace("plain", "resnet")].params


@pytest.mark.parametrize(("name", "paper"), [("resnet50", 3.8e9), ("resnet101", 7.6e9), ("resnet152", 11.3e9)])
def test_macs_of_the_papers_table_1_with_the_stride_of_2015(name: str, paper: float):
    info = model_info(name)
    with on_meta():
        model = info.network(replace(info.variant, stride_on_1x1=True))
    macs = count_macs(model, info.input_size)
    # The paper prints two digits (3.86e9 as 3.8); torchvision's placement costs 0.23e9 more.
    assert abs(macs - paper) < 0.08e9
    assert count_macs(create_on_meta(name), info.input_size) - macs > 0.22e9


def test_initial_distribution_of_resnets():
    model = cnnlab.create_model("resnet18")
    weight = model.conv4[0].conv2.weight  # 3x3, 256 -> 256: std sqrt(2 / (9 * 256)) by fan-out
    assert weight.std().item() == pytest.approx((2 / (9 * 256)) ** 0.5, rel=0.01)
    assert (model.conv2[0].bn2.weight == 1).all()  # no zero initialization
    cifar = cnnlab.create_model("resnet56_cifar")
    assert cifar.stage3[0].conv1.weight.std().item() == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.03)  # fan-in


@pytest.mark.slow
def test_a_resnet_exports_with_any_height_and_width():
    model = cnnlab.create_model("resnet20_cifar").eval()
    dim = torch.export.Dim
    shapes = ({2: dim("height", min=16), 3: dim("width", min=16)},)
    program = torch.export.export(model, (torch.randn(1, 3, 32, 48),), dynamic_shapes=shapes, strict=False)
    x = torch.randn(1, 3, 33, 40)
    torch.testing.assert_close(program.module()(x), model(x), rtol=1e-4, atol=1e-4)
