"""Network in Network: references, planted faults, sizes that the authors' files give."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.models import model_info
from tests.contract import Reference, count_params, create_on_meta, swap_forward
from tests.zoo.test_zfnet import EdgePool


class EdgeAverage(nn.Module):
    """3x3 windows, 2 apart; one that hangs over the edge is the average of the pixels that exist."""

    def forward(self, x: Tensor) -> Tensor:
        odd = [(side - 3) % 2 for side in x.shape[2:]]
        sums, counts = (
            F.avg_pool2d(F.pad(image, (0, odd[1], 0, odd[0])), 3, 2, divisor_override=1)
            for image in (x, torch.ones_like(x))
        )
        return sums / counts


class MeanOfMaps(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).sum(2) / (x.shape[2] * x.shape[3])


def mlpconv(channels: int, a: int, b: int, c: int, kernel: int, stride: int, padding: int) -> list[nn.Module]:
    convs = (nn.Conv2d(channels, a, kernel, stride, padding), nn.Conv2d(a, b, 1), nn.Conv2d(b, c, 1))
    return [layer for conv in convs for layer in (conv, nn.ReLU())]


def nin_cifar() -> nn.Module:
    return nn.Sequential(
        *mlpconv(3, 192, 160, 96, 5, 1, 2), EdgePool(),
        *mlpconv(96, 192, 192, 192, 5, 1, 2), EdgeAverage(),
        *mlpconv(192, 192, 192, 10, 3, 1, 1), MeanOfMaps(),
    )  # fmt: skip


def nin_imagenet() -> nn.Module:
    return nn.Sequential(
        *mlpconv(3, 96, 96, 96, 11, 4, 0), EdgePool(),
        *mlpconv(96, 256, 256, 256, 5, 1, 2), EdgePool(),
        *mlpconv(256, 384, 384, 384, 3, 1, 1), EdgePool(),
        *mlpconv(384, 1024, 1024, 1000, 3, 1, 1), MeanOfMaps(),
    )  # fmt: skip


# Filters, inputs to each, output side, as in the authors' Caffe files.
CIFAR = [
    *[(192, 25 * 3, 32), (160, 192, 32), (96, 160, 32)],
    *[(192, 25 * 96, 16), (192, 192, 16), (192, 192, 16)],
    *[(192, 9 * 192, 8), (192, 192, 8), (10, 192, 8)],
]
IMAGENET = [
    *[(96, 121 * 3, 54), (96, 96, 54), (96, 96, 54)],
    *[(256, 25 * 96, 27), (256, 256, 27), (256, 256, 27)],
    *[(384, 9 * 256, 13), (384, 384, 13), (384, 384, 13)],
    *[(1024, 9 * 384, 6), (1024, 1024, 6), (1000, 1024, 6)],
]


def _numbers(layers: list[tuple[int, int, int]]) -> tuple[int, int]:
    return sum(n * (i + 1) for n, i, _ in layers), sum(n * i * side**2 for n, i, side in layers)


SOURCE = (
    "the authors' Caffe file, layer by layer: 'conv1 num_output: {}, cccp1 num_output: {}, cccp2 num_output: {}' ..."
)
REFERENCES = {
    "nin_cifar": Reference(*_numbers(CIFAR), nin_cifar, SOURCE.format(192, 160, 96)),
    "nin_imagenet": Reference(*_numbers(IMAGENET), nin_imagenet, SOURCE.format(96, 96, 96)),
}


def _no_middle_relu(block: nn.Module, x: Tensor) -> Tensor:
    return F.relu(block.cccp2(block.cccp1(F.relu(block.conv(x)))))


def _no_last_relu(block: nn.Module, x: Tensor) -> Tensor:
    return block.cccp2(F.relu(block.cccp1(F.relu(block.conv(x)))))


FAULTS = {
    "nin_cifar": {
        "no relu inside": lambda m: swap_forward(m.layers.mlpconv2, _no_middle_relu),
        "no relu at the end": lambda m: swap_forward(m.layers.mlpconv3, _no_last_relu),
        "max pool for average pool": lambda m: setattr(m.layers, "pool2", nn.MaxPool2d(3, 2, ceil_mode=True)),
        "windows inside the image": lambda m: setattr(m.layers, "pool1", nn.MaxPool2d(3, 2)),
        "zeros counted in the average": lambda m: setattr(m.layers, "pool2", nn.AvgPool2d(3, 2, padding=1)),
    },
}


@pytest.mark.parametrize(("name", "layers"), [("nin_cifar", CIFAR), ("nin_imagenet", IMAGENET)])
def test_sizes_of_the_maps(name: str, layers: list[tuple[int, int, int]]):
    model, found = create_on_meta(name).eval(), []
    for conv in model.modules():
        if isinstance(conv, nn.Conv2d):
            conv.register_forward_hook(lambda m, x, y: found.append((y.shape[1], m.weight[0].numel(), y.shape[2])))
    model(torch.empty(1, *model_info(name).input_size, device="meta"))
    assert found == layers


def test_the_authors_file_is_of_29_megabytes():
    """Their readme of nin_imagenet: "a snapshot of size 29MB, compared to AlexNet which is about 230MB"."""
    assert round(4 * count_params(create_on_meta("nin_imagenet")) / 2**20) == 29
    assert round(4 * count_params(create_on_meta("alexnet_2012")) / 2**20, -1) == 230


def test_no_dense_layers_and_dropout_after_all_mlpconv_layers_but_the_last():
    model = create_on_meta("nin_cifar")
    assert not any(isinstance(m, nn.Linear) for m in model.modules())
    kinds = [type(m).__name__ for m in model.layers]
    assert kinds == ["MLPConv", "MaxPool2d", "Dropout", "MLPConv", "AvgPool2d", "Dropout", "MLPConv"]
