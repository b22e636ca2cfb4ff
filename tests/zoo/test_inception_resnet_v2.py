"""Inception-ResNet v2: planted faults, residual scaling, and the sizes and widths of the paper's figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from cnnlab.models.inception_resnet_v2 import InceptionResNetA, InceptionResNetC, InceptionResNetV2
from tests.contract import count_macs, count_params, create_on_meta, output_shapes, set_eps, swap_forward


def _scaled_shortcut(block: nn.Module, x: Tensor) -> Tensor:
    return F.relu(block.scale * x + block.expand(block.branches(x)))


def _relu_before_sum(block: nn.Module, x: Tensor) -> Tensor:
    return x + block.scale * F.relu(block.expand(block.branches(x)))


FAULTS = {
    "inception_resnet_v2": {
        "scale of one residual": lambda m: setattr(m.grid35[3], "scale", 0.2),
        "the shortcut scaled": lambda m: swap_forward(m.grid17[10], _scaled_shortcut),
        "relu before the sum": lambda m: swap_forward(m.grid8[4], _relu_before_sum),
        "relu at the end of the last block": lambda m: setattr(m.grid8[9], "relu", True),
        "the last residual scaled": lambda m: setattr(m.grid8[9], "scale", 0.2),
        "average counts the padding": lambda m: setattr(m.inception.pool[0], "count_include_pad", True),
        "eps of one batch norm": lambda m: set_eps(m.grid17[0].branches.conv7x7[1].bn),
    },
}


def test_output_sizes_and_numbers_of_blocks():
    network = create_on_meta("inception_resnet_v2")
    seen = output_shapes(network, (3, 299, 299))
    # Comments of the authors' code: "35 x 35 x 320", "17 x 17 x 1088", "8 x 8 x 2080", "8 x 8 x 1536".
    assert seen == {
        "stem": (192, 35, 35),
        "inception": (320, 35, 35),
        "grid35": (320, 35, 35),
        "reduction_a": (1088, 17, 17),
        "grid17": (1088, 17, 17),
        "reduction_b": (2080, 8, 8),
        "grid8": (2080, 8, 8),
        "conv": (1536, 8, 8),
        "dropout": (1536,),
        "fc": (1000,),
    }
    # Figure 15 draws 5, 10 and 5 blocks; the released network has twice as many.
    assert [len(grid) for grid in (network.grid35, network.grid17, network.grid8)] == [10, 20, 10]


def _widths(module: nn.Module) -> list[list[int]]:
    """For each branch the output channels of its convolutions, in order."""
    return [[m.out_channels for m in branch.modules() if isinstance(m, nn.Conv2d)] for branch in module.children()]


def test_widths_of_figures_7_and_16_to_19_and_of_table_1():
    network = create_on_meta("inception_resnet_v2")
    assert _widths(network.grid35[0].branches) == [[32], [32, 32], [32, 48, 64]]
    assert _widths(network.grid17[0].branches) == [[192], [128, 160, 192]]
    assert _widths(network.grid8[0].branches) == [[192], [192, 224, 256]]
    # Table 1, "Inception-ResNet-v2": k = 256, l = 256, m = 384, n = 384.
    assert _widths(network.reduction_a) == [[384], [256, 256, 384], []]
    assert _widths(network.reduction_b) == [[256, 384], [256, 288], [256, 288, 320], []]


def test_residuals_are_scaled_between_0_1_and_0_3_but_the_last():
    """Section 3.3: "we picked some scaling factors between 0.1 and 0.3"; the last block of the code has 1, no relu."""
    network = create_on_meta("inception_resnet_v2")
    blocks = [*network.grid35, *network.grid17, *network.grid8]
    assert [block.scale for block in blocks] == [0.17] * 10 + [0.1] * 20 + [0.2] * 9 + [1.0]
    assert all(0.1 <= block.scale <= 0.3 for block in blocks[:-1])
    assert [block.relu for block in blocks] == [True] * 39 + [False]
    assert all(block.expand.bias is not None for block in blocks)  # no batch norm after it


def test_a_block_is_relu_of_x_plus_the_scaled_residual():
    block, x = InceptionResNetA(0.17).eval(), torch.randn(2, 320, 9, 9)
    residual = block.expand(block.branches(x))
    torch.testing.assert_close(block(x), (x + 0.17 * residual).clamp(min=0))
    nn.init.zeros_(block.expand.weight)
    nn.init.zeros_(block.expand.bias)
    assert torch.equal(block(x.abs()), x.abs())  # with no residual the block is the identity
    last = InceptionResNetC(1.0, relu=False).eval()
    assert (last(torch.randn(1, 2080, 3, 3)) < 0).any()


def test_cost_against_inception_v4():
    """Section 3.2: it "matches the raw cost" of Inception-v4. The released one costs 7 % more; half its blocks less."""
    v4 = count_macs(create_on_meta("inception_v4"), (3, 299, 299))
    ours = count_macs(create_on_meta("inception_resnet_v2"), (3, 299, 299))
    assert ours / v4 == pytest.approx(1.074, abs=0.001)
    info = model_info("inception_resnet_v2")
    with on_meta():
        half = InceptionResNetV2(replace(info.variant, blocks=(5, 10, 5)))
    assert count_macs(half, (3, 299, 299)) / v4 == pytest.approx(0.71, abs=0.02)
    assert count_params(half) < 0.7 * 55_843_464


def test_dropout_and_initial_distribution():
    network = cnnlab.create_model("inception_resnet_v2")
    assert network.dropout.p == pytest.approx(0.2)  # figure 15: "Dropout (keep 0.8)"
    weight = network.grid17[7].branches.conv7x7[2].conv.weight  # 7x1 on 160 channels
    assert weight.std().item() == pytest.approx((2 / (7 * 160)) ** 0.5, rel=0.01)
    assert (network.grid8[2].expand.bias == 0).all()
