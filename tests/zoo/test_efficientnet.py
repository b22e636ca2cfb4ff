"""EfficientNet: planted faults, the paper's tables 1 and 2, and what compound scaling says of the released networks."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.analysis import summarize
from cnnlab.layers import DropPath
from cnnlab.models import model_info
from cnnlab.models.efficientnet import STAGES, MBConv, compound_scaling
from tests.contract import count_macs, count_params, create_on_meta, set_eps, swap_forward, swap_strides


def _every_eps(model: nn.Module) -> None:
    """What was trained with 1e-3 run with torch's default, and the other way round."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            set_eps(module, 1e-3 if module.eps == 1e-5 else 1e-5)


def _padded_as_tensorflow(conv: nn.Conv2d, x: Tensor) -> Tensor:
    more, less = conv.kernel_size[0] // 2, (conv.kernel_size[0] - 1) // 2
    less -= x.shape[-1] % 2 == 0
    return F.conv2d(F.pad(x, (less, more, less, more)), conv.weight, None, conv.stride, 0, 1, conv.groups)


FAULTS = {
    "efficientnet_b0": {
        "stride one stage later": lambda m: swap_strides(
            m.stages.stage5[0].depthwise.conv, m.stages.stage6[0].depthwise.conv
        ),
        "another eps everywhere": _every_eps,
        "eps of one batch norm": lambda m: set_eps(m.stages.stage4[1].narrow.bn),
        "relu for swish in one block": lambda m: setattr(m.stages.stage6[1].depthwise, "activation", nn.ReLU()),
        "relu for swish in one excitation": lambda m: setattr(m.stages.stage3[1].excite, "activation", nn.ReLU()),
        "no sigmoid": lambda m: setattr(m.stages.stage3[0].excite, "gate", nn.Identity()),
        "a piecewise sigmoid": lambda m: setattr(m.stages.stage3[0].excite, "gate", nn.Hardsigmoid()),
        "swish after narrowing": lambda m: setattr(m.stages.stage2[0].narrow, "activation", nn.SiLU()),
        "input not added": lambda m: setattr(m.stages.stage5[1], "residual", False),
        "TensorFlow's padding": lambda m: swap_forward(m.stages.stage7[0].depthwise.conv, _padded_as_tensorflow),
    },
}

TABLE_1 = [  # stage, operator, input resolution, channels, layers
    (1, "Conv3x3", 224, 32, 1),
    (2, "MBConv1, k3x3", 112, 16, 1),
    (3, "MBConv6, k3x3", 112, 24, 2),
    (4, "MBConv6, k5x5", 56, 40, 2),
    (5, "MBConv6, k3x3", 28, 80, 3),
    (6, "MBConv6, k5x5", 14, 112, 3),
    (7, "MBConv6, k5x5", 14, 192, 4),
    (8, "MBConv6, k3x3", 7, 320, 1),
    (9, "Conv1x1 & Pooling & FC", 7, 1280, 1),
]


def test_stages_of_the_papers_table_1():
    model = create_on_meta("efficientnet_b0")
    stages = [model.stem, *model.stages, model.last]
    x = torch.empty(1, 3, 224, 224, device="meta")
    for stage, (number, operator, resolution, channels, layers) in zip(stages, TABLE_1, strict=True):
        assert x.shape[2] == x.shape[3] == resolution, number
        x = stage(x)
        assert x.shape[1] == channels, number
        blocks = [m for m in stage.modules() if isinstance(m, MBConv)]
        assert len(blocks) == (layers if operator.startswith("MBConv") else 0)
        in_channels = TABLE_1[number - 2][3]
        for block in blocks:
            assert operator == f"MBConv{block.depthwise.conv.in_channels // in_channels}, k" + "x".join(
                map(str, block.depthwise.conv.kernel_size)
            )
            assert block.excite.reduce.out_channels == in_channels // 4  # "squeeze-and-excitation", ratio 0.25
            in_channels = channels
    assert x.shape == (1, 1280, 7, 7)


def test_parameters_of_each_stage_by_arithmetic():
    summary = summarize("efficientnet_b0")
    in_channels = 32
    for number, stage in enumerate(STAGES, start=2):
        total = 0
        for _ in range(stage.layers):
            wide, hidden = stage.expansion * in_channels, in_channels // 4
            total += (in_channels + 2) * wide if stage.expansion > 1 else 0  # 1x1 convolution, batch norm
            total += (stage.kernel**2 + 2) * wide
            total += 2 * wide * hidden + hidden + wide
            total += (wide + 2) * stage.channels
            in_channels = stage.channels
        assert summary[f"stages.stage{number}"].params == total


TABLE_2 = [  # input size (from the authors' program), "#Params", "#FLOPs"
    (224, "5.3", 0.39e9),
    (240, "7.8", 0.70e9),
    (260, "9.2", 1.0e9),
    (300, "12", 1.8e9),
    (380, "19", 4.2e9),
    (456, "30", 9.9e9),
    (528, "43", 19e9),
    (600, "66", 37e9),
]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "row"), list(enumerate(TABLE_2)))
def test_parameters_and_macs_of_the_papers_table_2(number: int, row: tuple[int, str, float]):
    size, millions, flops = row
    model = create_on_meta(f"efficientnet_b{number}")
    decimals = len(millions.partition(".")[2])
    counted = count_params(model) / 1e6
    # B2 is printed as 9.2 and has 9.11 million.
    assert f"{counted:.{decimals}f}" == ("9.1" if number == 2 else millions)
    # What the paper calls FLOPs are MACs, within 5 % of ours (B4 is the farthest: 4.39e9).
    assert count_macs(model, (3, size, size)) == pytest.approx(flops, rel=0.05)
    published = model_info(f"efficientnet_b{number}").input_size[1]
    assert published == (288 if number == 2 else size)


def test_compound_scaling_and_the_released_multipliers():
    assert compound_scaling(0) == (1, 1, 1)
    assert compound_scaling(1).macs == pytest.approx(1.2 * 1.1**2 * 1.15**2)
    assert compound_scaling(1).macs == pytest.approx(1.92, abs=0.005)  # "approximately 2"
    # B2, not B1, is the network of phi = 1.
    variant, scaling = model_info("efficientnet_b2").variant, compound_scaling(1)
    assert (variant.width, variant.depth) == pytest.approx((scaling.width, scaling.depth))
    assert round(224 * scaling.resolution, -1) == 260
    # The exponents that B7's multipliers would need.
    b7 = model_info("efficientnet_b7").variant
    exponents = [math.log(b7.width, 1.1), math.log(b7.depth, 1.2), math.log(b7.resolution / 224, 1.15)]
    assert [round(phi, 1) for phi in exponents] == [7.3, 6.2, 7.0]


def test_b7_costs_98_times_b0_and_not_128_times():
    b0, b7 = (create_on_meta(f"efficientnet_b{i}") for i in (0, 7))
    ratio = count_macs(b7, b7.input_size) / count_macs(b0, b0.input_size)
    assert ratio == pytest.approx(97.8, abs=0.1)
    assert round(37 / 0.39) == 95  # by the paper's own table
    assert compound_scaling(7).macs == pytest.approx(96.3, abs=0.1)  # by its formula


def test_stochastic_depth_rises_to_nearly_a_fifth():
    model = create_on_meta("efficientnet_b0")
    rates = [m.probability for m in model.modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0.2 * i / 16 for i in range(16)])


def test_initial_distribution_of_efficientnets():
    torch.manual_seed(0)
    model = cnnlab.create_model("efficientnet_b0", num_classes=100)
    assert model.last.conv.weight.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.01)  # He, fan-out
    assert model.fc.weight.abs().max().item() == pytest.approx(0.1, rel=0.01)
    assert not model.fc.bias.any()
