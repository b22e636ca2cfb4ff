"""RegNet: planted faults, the networks of the paper's figures 15 and 16, and two ways to round a width."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.analysis import summarize
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from cnnlab.models.regnet import VARIANTS, Block, quantized_widths, stages
from tests.contract import Reference, count_macs, count_params, create_on_meta, set_eps, swap_forward, swap_strides


def _regnet_y_128gf() -> nn.Module:
    from torchvision.models import get_model

    return get_model("regnet_y_128gf")


REFERENCES = {
    # torchvision lists first the weights for 384 px, where it costs 374.57e9.
    "regnet_y_128gf": Reference(
        644_812_894,
        127_518_000_000,
        _regnet_y_128gf,
        "torchvision RegNet_Y_128GF_Weights.IMAGENET1K_SWAG_LINEAR_V1.meta: num_params, _ops at 224 px",
        macs_tolerance=500_000,
    ),
}


def _relu_before_the_sum(block: Block, x: Tensor) -> Tensor:
    return F.relu(block.conv3(block.excite(block.conv2(block.conv1(x))))) + block.shortcut(x)


def _batch_norms_swapped(block: Block, x: Tensor) -> Tensor:
    """The shortcut's batch norm on the other branch: same shapes, same parameters."""
    y = block.excite(block.conv2(block.conv1(x)))
    return F.relu(block.shortcut.bn(block.conv3.conv(y)) + block.conv3.bn(block.shortcut.conv(x)))


def _excitation_at_the_end(block: Block, x: Tensor) -> Tensor:
    return F.relu(block.excite(block.conv3(block.conv2(block.conv1(x)))) + block.shortcut(x))


def _groups_interleaved(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Groups of every g-th channel in place of g neighbors."""
    x = x.unflatten(1, (-1, conv.groups)).transpose(1, 2).flatten(1, 2)
    return F.conv2d(x, conv.weight, None, conv.stride, conv.padding, 1, conv.groups)


FAULTS = {
    "regnet_x_400mf": {
        "stride on the first 1x1": lambda m: swap_strides(m.stages.stage3[0].conv1.conv, m.stages.stage3[0].conv2.conv),
        "eps of a shortcut": lambda m: set_eps(m.stages.stage2[0].shortcut.bn),
        "relu before the sum": lambda m: swap_forward(m.stages.stage4[3], _relu_before_the_sum),
        "no relu in the middle": lambda m: setattr(m.stages.stage3[2].conv2, "activation", nn.Identity()),
        "branches swapped": lambda m: swap_forward(m.stages.stage4[0], _batch_norms_swapped),
        "other groups": lambda m: swap_forward(m.stages.stage3[1].conv2.conv, _groups_interleaved),
    },
    "regnet_y_400mf": {
        "excitation at the end": lambda m: swap_forward(m.stages.stage2[1], _excitation_at_the_end),
        "swish in an excitation": lambda m: setattr(m.stages.stage2[0].excite, "activation", nn.SiLU()),
        "a piecewise sigmoid": lambda m: setattr(m.stages.stage1[0].excite, "gate", nn.Hardsigmoid()),
        "eps of one batch norm": lambda m: set_eps(m.stages.stage3[4].conv1.bn),
    },
}

# "Network diagram legends contain all information required to implement the models": d_i, w_i, g, parameters in
# millions, "flops" in 10^9.
FIGURES = {
    "regnet_x_400mf": ([1, 2, 7, 12], [32, 64, 160, 384], 16, "5.2", "0.4"),
    "regnet_x_800mf": ([1, 3, 7, 5], [64, 128, 288, 672], 16, "7.3", "0.8"),
    "regnet_x_1_6gf": ([2, 4, 10, 2], [72, 168, 408, 912], 24, "9.2", "1.6"),
    "regnet_x_3_2gf": ([2, 6, 15, 2], [96, 192, 432, 1008], 48, "15.3", "3.2"),
    "regnet_x_8gf": ([2, 5, 15, 1], [80, 240, 720, 1920], 120, "39.6", "8.0"),
    "regnet_x_16gf": ([2, 6, 13, 1], [256, 512, 896, 2048], 128, "54.3", "15.9"),
    "regnet_x_32gf": ([2, 7, 13, 1], [336, 672, 1344, 2520], 168, "107.8", "31.7"),
    "regnet_y_400mf": ([1, 3, 6, 6], [48, 104, 208, 440], 8, "4.3", "0.4"),
    "regnet_y_800mf": ([1, 3, 8, 2], [64, 128, 320, 768], 16, "6.3", "0.8"),
    "regnet_y_1_6gf": ([2, 6, 17, 2], [48, 120, 336, 888], 24, "11.2", "1.6"),
    "regnet_y_3_2gf": ([2, 5, 13, 1], [72, 216, 576, 1512], 24, "19.4", "3.2"),
    "regnet_y_8gf": ([2, 4, 10, 1], [168, 448, 896, 2016], 56, "39.2", "8.0"),
    "regnet_y_16gf": ([2, 4, 11, 1], [224, 448, 1232, 3024], 112, "83.6", "15.9"),
    "regnet_y_32gf": ([2, 5, 12, 1], [232, 696, 1392, 3712], 232, "145.0", "32.3"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(FIGURES))
def test_networks_of_the_papers_figures_15_and_16(name: str):
    depths, widths, group_width, millions, flops = FIGURES[name]
    info = model_info(name)
    variant = replace(info.variant, paper_rounding=True)
    assert stages(variant) == list(zip(depths, widths))
    assert variant.group_width == group_width
    with on_meta():
        model = info.network(variant)
    assert f"{count_params(model) / 1e6:.1f}" == millions
    assert f"{count_macs(model, info.input_size) / 1e9:.1f}" == flops


def test_torchvisions_rounding_makes_three_other_networks():
    other = {}
    for name, variant in VARIANTS.items():
        ours, papers = stages(variant), stages(replace(variant, paper_rounding=True))
        changed = [(a, b) for (_, a), (_, b) in zip(ours, papers) if a != b]
        if changed:
            other[name] = changed
    assert other == {
        "regnet_x_400mf": [(400, 384)],  # 392 is 24.5 groups of 16
        "regnet_y_800mf": [(144, 128), (784, 768)],  # 136 is 8.5 groups, 776 is 48.5
        "regnet_y_8gf": [(224, 168)],  # 192 is 3.4 groups of 56, and 168 is less than 90 % of it
    }
    assert all((name in other) == (model_info(name).published is None) for name in FIGURES)


@pytest.mark.parametrize("name", list(VARIANTS))
def test_widths_are_torchvisions(name: str):
    from torchvision.models.regnet import BlockParams

    v = VARIANTS[name]
    theirs = BlockParams.from_init_params(v.depth, v.w_0, v.w_a, v.w_m, v.group_width)
    assert stages(v) == list(zip(theirs.depths, theirs.widths))
    assert theirs.group_widths == [min(v.group_width, width) for width in theirs.widths]


def test_widths_follow_a_line():
    """Quantized widths stay within half a step of w_m of the straight line, as in the paper's figure 10."""
    for variant in VARIANTS.values():
        for j, width in enumerate(quantized_widths(variant)):
            line = variant.w_0 + variant.w_a * j
            assert variant.w_m**-0.5 * 0.93 < width / line < variant.w_m**0.5 * 1.07


def test_sizes_and_costs_of_the_stages():
    name = "regnet_y_400mf"
    model, summary = create_on_meta(name), summarize(name)
    x = model.stem(torch.empty(1, 3, 224, 224, device="meta"))
    assert x.shape == (1, 32, 112, 112)
    channels = 32
    for number, (stage, (depth, width)) in enumerate(zip(model.stages, stages(VARIANTS[name])), start=1):
        side = x.shape[2] // 2
        x = stage(x)
        assert x.shape == (1, width, side, side)
        total = channels * width + 2 * width  # the projection
        for _ in range(depth):
            hidden = round(channels / 4)  # "SE" reduces the block's input by 4
            total += channels * width + 9 * 8 * width + width * width + 6 * width
            total += 2 * width * hidden + hidden + width
            channels = width
        assert summary[f"stages.stage{number}"].params == total


def test_shortcuts_come_first_as_in_torchvision():
    block = cnnlab.create_model("regnet_x_400mf").stages.stage1[0]
    assert [name for name, _ in block.named_children()][:2] == ["shortcut", "conv1"]


def test_initial_distribution_of_regnets():
    torch.manual_seed(0)
    model = cnnlab.create_model("regnet_x_400mf")
    grouped = model.stages.stage4[1].conv2.conv.weight  # fan-out 9 * 400 whatever the groups
    assert grouped.std().item() == pytest.approx((2 / (9 * 400)) ** 0.5, rel=0.02)
    assert model.fc.weight.std().item() == pytest.approx(0.01, rel=0.01)
