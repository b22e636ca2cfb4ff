"""AlexNet: reference of 2012, planted faults, the paper's sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.models import model_info
from cnnlab.models.alexnet import response_norm
from tests.contract import Reference, create_on_meta, swap_forward


class SummedResponseNorm(nn.Module):
    """The formula of section 3.3, sum for sum."""

    def forward(self, a: Tensor) -> Tensor:
        count = a.shape[1]
        b = []
        for i in range(count):
            window = a[:, max(0, i - 2) : min(count - 1, i + 2) + 1]
            b.append(a[:, i] / (2 + 1e-4 * (window**2).sum(1)) ** 0.75)
        return torch.stack(b, dim=1)


class TwoGPUs(nn.Module):
    """A convolution on two GPUs that do not talk: each has half the maps and half the kernels."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // 2, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        parts = zip(x.chunk(2, 1), self.weight.chunk(2), self.bias.chunk(2))
        return torch.cat([F.conv2d(*part, padding=self.padding) for part in parts], dim=1)


def alexnet_2012() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), nn.ReLU(), SummedResponseNorm(), nn.MaxPool2d(3, 2),
        TwoGPUs(96, 256, 5, 2), nn.ReLU(), SummedResponseNorm(), nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU(), TwoGPUs(384, 384, 3, 1), nn.ReLU(), TwoGPUs(384, 256, 3, 1), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    )  # fmt: skip


# Kernels, inputs to each, and output side: section 3.5 and figure 2.
CONVS = [(96, 11 * 11 * 3, 55), (256, 5 * 5 * 48, 27), (384, 9 * 256, 13), (384, 9 * 192, 13), (256, 9 * 192, 13)]
DENSE = [(4096, 9216), (4096, 4096), (1000, 4096)]
PARAMS = sum(n * (fan_in + 1) for n, fan_in, _ in CONVS) + sum(n * (fan_in + 1) for n, fan_in in DENSE)
MACS = sum(n * fan_in * side**2 for n, fan_in, side in CONVS) + sum(n * fan_in for n, fan_in in DENSE)

REFERENCES = {
    "alexnet_2012": Reference(PARAMS, MACS, alexnet_2012, "section 3.5, layer by layer: '96 kernels of size 11x11x3'"),
}


def _one_tower(convolution: nn.Conv2d) -> None:
    """The same kernels, with the two halves of the maps swapped between them."""
    old = convolution.forward
    convolution.forward = lambda x: old(x.roll(x.shape[1] // 2, dims=1))


def _pool_before_norm(model: nn.Module, x: Tensor) -> Tensor:
    x = model.norm1(model.pool1(F.relu(model.conv1(x))))
    x = model.pool2(model.norm2(F.relu(model.conv2(x))))
    x = model.pool5(F.relu(model.conv5(F.relu(model.conv4(F.relu(model.conv3(x)))))))
    return model.fc8(F.relu(model.fc7(F.relu(model.fc6(F.adaptive_avg_pool2d(x, 6).flatten(1))))))


FAULTS = {
    "alexnet_2012": {
        "the other GPU's maps": lambda m: _one_tower(m.conv4),
        "alpha as torch counts it": lambda m: setattr(m.norm1, "alpha", 1e-4),
        "k of Caffe": lambda m: setattr(m.norm2, "k", 1.0),
        "window of three channels": lambda m: setattr(m.norm1, "size", 3),
        "pool before the normalization": lambda m: swap_forward(m, _pool_before_norm),
        "pools that do not overlap": lambda m: setattr(m, "pool1", nn.MaxPool2d(2, 2)),
    },
    "alexnet": {
        "conv1 padded on one side": lambda m: setattr(m.conv1, "padding", (1, 1)),
        "average pool": lambda m: setattr(m, "pool5", nn.AvgPool2d(3, 2)),
    },
}


def test_parameters_and_neurons_that_the_paper_prints():
    assert PARAMS == 60_965_224  # "60 million parameters"
    neurons = [n * side**2 for n, _, side in CONVS]
    assert neurons[1:] == [186_624, 64_896, 64_896, 43_264]  # figure 2
    assert neurons[0] == 290_400 != 253_440  # which figure 2 prints
    assert round(sum(neurons) + 4096 + 4096 + 1000, -4) == 660_000  # the abstract: "650,000 neurons"


@pytest.mark.parametrize("name", ["alexnet", "alexnet_2012"])
def test_sizes_of_the_maps(name: str):
    info, sizes = model_info(name), {}
    model = create_on_meta(name).eval()
    for layer in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5"):
        model.get_submodule(layer).register_forward_hook(lambda m, x, y, layer=layer: sizes.update({layer: y.shape[2]}))
    model(torch.empty(1, *info.input_size, device="meta"))
    assert list(sizes.values()) == [55, 27, 27, 13, 13, 13, 13, 6]


def test_windows_of_conv1_do_not_fit_into_224_pixels():
    assert (224 - 11) % 4 == 1
    assert (227 - 11) % 4 == 0
    assert (227 - 11) // 4 + 1 == 55


def test_an_image_of_224_pixels_with_zeros_right_and_below_is_what_the_first_code_saw():
    """Its outputs are ceil((224 - 11) / 4) + 1 = 55 and the last window is cut off."""
    conv = nn.Conv2d(3, 2, 11, 4)
    x = torch.randn(1, 3, 224, 224)
    whole = conv(F.pad(x, (0, 3, 0, 3)))
    assert whole.shape[2] == 55
    torch.testing.assert_close(whole[..., :54, :54], conv(x))


def test_the_normalization_is_the_papers_not_torchs():
    a = 30 * torch.randn(2, 9, 3, 3)
    torch.testing.assert_close(response_norm()(a), SummedResponseNorm()(a))
    torchs = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)
    assert ((torchs(a) - response_norm()(a)).abs().max() / a.abs().max()).item() > 0.01


def test_initial_values_of_2012():
    model = cnnlab.create_model("alexnet_2012")
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        layer = model.get_submodule(name)
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.03)
        assert (layer.bias == (1.0 if name in ones else 0.0)).all()


def test_dropout_stands_behind_the_dense_layers_of_2012_and_before_torchvisions():
    places = ("drop6", "drop7", "drop8")
    for name, wanted in (("alexnet_2012", [0.0, 0.5, 0.5]), ("alexnet", [0.5, 0.5, 0.0])):
        model = create_on_meta(name)
        assert [model.get_submodule(place).p for place in places] == wanted
