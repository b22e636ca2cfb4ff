"""BN-Inception: an independent network read from the paper's figure 5, planted faults, and what the paper counts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from cnnlab.models.bn_inception import BNInception
from tests.contract import (
    count_macs,
    count_params,
    create_on_meta,
    of_library,
    output_shapes,
    set_eps,
    swap_forward,
    swap_strides,
)

# type, output size, depth, #1x1, #3x3 reduce, #3x3, double #3x3 reduce, double #3x3, pool + projection; as printed.
FIGURE_5 = """
    (3a) 28x28x256  3  64  64  64  64  96 avg 32
    (3b) 28x28x320  3  64  64  96  64  96 avg 64
    (3c) 28x28x576  3   0 128 160  64  96 max pass-through
    (4a) 14x14x576  3 224  64  96  96 128 avg 128
    (4b) 14x14x576  3 192  96 128  96 128 avg 128
    (4c) 14x14x576  3 160 128 160 128 160 avg 128
    (4d) 14x14x576  3  96 128 192 160 192 avg 128
    (4e) 14x14x1024 3   0 128 192 192 256 max pass-through
    (5a) 7x7x1024   3 352 192 320 160 224 avg 128
    (5b) 7x7x1024   3 352 192 320 192 224 max 128
"""
ROWS = [line.split() for line in FIGURE_5.strip().splitlines()]


class _Row(nn.Module):
    """One row of the figure. The projection is whatever makes up the printed number of output channels."""

    def __init__(self, in_channels: int, out_channels: int, row: list[str]) -> None:
        super().__init__()
        from torchvision.models.inception import BasicConv2d

        one, reduce, three, reduce_double, double = (int(number) for number in row[3:8])
        self.average, self.stride = row[8] == "avg", 2 if row[9] == "pass-through" else 1
        padded = {"kernel_size": 3, "padding": 1}
        self.one = BasicConv2d(in_channels, one, kernel_size=1) if one else None
        self.reduce = BasicConv2d(in_channels, reduce, kernel_size=1)
        self.three = BasicConv2d(reduce, three, stride=self.stride, **padded)
        self.reduce_double = BasicConv2d(in_channels, reduce_double, kernel_size=1)
        self.first = BasicConv2d(reduce_double, double, **padded)
        self.second = BasicConv2d(double, double, stride=self.stride, **padded)
        projection = out_channels - one - three - double
        self.projection = BasicConv2d(in_channels, projection, kernel_size=1) if self.stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        if self.average:  # of those pixels that are there
            there = F.avg_pool2d(torch.ones_like(x[:1, :1]), 3, 1, 1)
            pooled = F.avg_pool2d(x, 3, 1, 1) / there
        else:
            pooled = F.max_pool2d(x, 3, self.stride, 1)
        parts = [] if self.one is None else [self.one(x)]
        parts += [self.three(self.reduce(x)), self.second(self.first(self.reduce_double(x)))]
        return torch.cat([*parts, pooled if self.projection is None else self.projection(pooled)], dim=1)


def reference() -> nn.Module:
    from torchvision.models.inception import BasicConv2d

    layers: list[nn.Module] = [
        nn.Conv2d(3, 24, 7, 2, 3, groups=3, bias=False),  # "separable convolution with depth multiplier 8"
        BasicConv2d(24, 64, kernel_size=1),
        nn.MaxPool2d(3, 2, 1),
        BasicConv2d(64, 64, kernel_size=1),
        BasicConv2d(64, 192, kernel_size=3, padding=1),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = 192
    for row in ROWS:
        width = int(row[1].rpartition("x")[2])
        layers.append(_Row(channels, width, row))
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


REFERENCES = {"bn_inception": lambda: of_library(reference, (3, 224, 224), "figure 5, row by row")}


def _branches_swapped(block: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([block.conv1x1(x), block.double3x3(x), block.conv3x3(x), block.pool(x)], dim=1)


def _other_reduction(block: nn.Module, x: Tensor) -> Tensor:
    """Every second pixel in place of the largest of nine."""
    return torch.cat([block.conv3x3(x), block.double3x3(x), x[:, :, ::2, ::2]], dim=1)


FAULTS = {
    "bn_inception": {
        "stride on the first 3x3": lambda m: swap_strides(
            m.inception3c.double3x3[1].conv, m.inception3c.double3x3[2].conv
        ),
        "average pooling in 5b": lambda m: m.inception5b.pool.__setitem__(0, nn.AvgPool2d(3, 1, 1)),
        "average counts the padding": lambda m: setattr(m.inception4a.pool[0], "count_include_pad", True),
        "two branches swapped": lambda m: swap_forward(m.inception4d, _branches_swapped),
        "passed through without pooling": lambda m: swap_forward(m.inception4e, _other_reduction),
        "eps of one batch norm": lambda m: set_eps(m.inception5a.double3x3[1].bn),
        "no relu after the stem": lambda m: setattr(m.conv1[1], "activation", nn.Identity()),
    },
}


def test_output_sizes_of_figure_5():
    seen = output_shapes(create_on_meta("bn_inception"), (3, 224, 224))
    assert [seen[name] for name in ("conv1", "pool1", "conv2", "pool2")] == [
        (64, 112, 112), (64, 56, 56), (192, 56, 56), (192, 28, 28),
    ]  # fmt: skip
    for row in ROWS:
        side, _, channels = (int(number) for number in row[1].split("x"))
        if row[9] == "pass-through":  # printed before its stride of 2
            side //= 2
        assert seen[f"inception{row[0][1:-1]}"] == (channels, side, side), row


def test_the_figure_contradicts_itself_in_4c_4d_and_4e():
    """Widths and printed output agree in seven rows; 128 for the projection in 4c and 4d makes 608, and 1056 of 4e."""
    channels, wrong = 192, {}
    for row in ROWS:
        one, _, three, _, double = (int(number) for number in row[3:8])
        channels = one + three + double + (channels if row[9] == "pass-through" else int(row[9]))
        printed = int(row[1].rpartition("x")[2])
        if channels != printed:
            wrong[row[0]] = (channels, printed)
    assert wrong == {"(4c)": (608, 576), "(4d)": (608, 576), "(4e)": (1056, 1024)}


@pytest.mark.parametrize(
    ("separable", "projection", "params"),
    [(True, 96, 11_188_288), (True, 128, 11_278_528), (False, 96, 11_194_984), (False, 128, 11_285_224)],
)
def test_parameters_of_the_readings_of_the_figure(separable: bool, projection: int, params: int):
    """The last is that of Caffe copies, whose convolutions have biases besides batch norm: 11,295,240."""
    info = model_info("bn_inception")
    with on_meta():
        network = BNInception(replace(info.variant, separable_stem=separable, projection_4cd=projection)).eval()
        assert network(torch.empty(1, 3, 224, 224)).shape == (1, 1000)
    assert count_params(network) == params
    if (separable, projection) == (False, 128):
        biases = sum(m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d))
        assert params + biases == 11_295_240
    assert params < 0.84 * 13.6e6  # section 4.2: "The network contains 13.6 10^6 parameters"


def test_cost_against_googlenet():
    """Appendix: "the computational cost is increased by about 30%", and parameters by 25 %, which is 60 %."""
    googlenet = create_on_meta("googlenet_2014")
    googlenet.auxiliary_weights, googlenet.head4a, googlenet.head4d = (), None, None
    macs = count_macs(googlenet, (3, 224, 224)) - 112**2 * (9_408 - 2_712)  # both with the separable first layer
    ours = create_on_meta("bn_inception")
    assert count_macs(ours, (3, 224, 224)) / macs == pytest.approx(1.29, abs=0.005)
    assert count_params(ours) / count_params(googlenet) == pytest.approx(1.60, abs=0.005)
    # "This increases the maximum depth of the network by 9 weight layers": one for each module of GoogLeNet.
    two_3x3, one_5x5 = 2 * 9, 25
    assert two_3x3 / one_5x5 == 0.72


def test_depth_of_the_modules_is_3():
    network = create_on_meta("bn_inception")
    for row in ROWS:
        module = getattr(network, f"inception{row[0][1:-1]}")
        assert sum(isinstance(layer, nn.Conv2d) for layer in module.double3x3.modules()) == int(row[2]) == 3


def test_initial_distribution_and_no_dropout():
    network = cnnlab.create_model("bn_inception")
    weight = network.inception5b.conv3x3[1].conv.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 192)) ** 0.5, rel=0.01)
    assert not any(isinstance(module, nn.Dropout) for module in network.modules())
