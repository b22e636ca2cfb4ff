"""Inception v4: planted faults, and the sizes and widths of the paper's figures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.models.inception_v3 import ReductionA
from cnnlab.models.inception_v4 import InceptionA, InceptionB, InceptionC, ReductionB
from tests.contract import create_on_meta, output_shapes, set_eps, swap_forward


def _pooling_last(block: nn.Module, x: Tensor) -> Tensor:
    """The first pair of branches in the other order: as many channels, others."""
    return torch.cat([block.conv3x3(x), block.pool(x)], dim=1)


def _in_a_row(block: nn.Module, x: Tensor) -> Tensor:
    """3x1 on what 1x3 was to be applied to, and the other way round."""
    return torch.cat([block.conv3x1(x), block.conv1x3(x)], dim=1)


FAULTS = {
    "inception_v4": {
        "average counts the padding": lambda m: setattr(m.grid35[0].pool[0], "count_include_pad", True),
        "branches of the stem swapped": lambda m: swap_forward(m.stem[3], _pooling_last),
        "1x3 and 3x1 swapped": lambda m: swap_forward(m.grid8[2].conv3x3[1], _in_a_row),
        "eps of one batch norm": lambda m: set_eps(m.grid17[6].double7x7[4].bn),
        "a reduction that averages": lambda m: setattr(m.reduction_b, "pool", nn.AvgPool2d(3, 2)),
    },
}


def test_output_sizes_of_figures_3_and_9():
    network = create_on_meta("inception_v4")
    assert output_shapes(network.stem, (3, 299, 299)) == {
        "0": (32, 149, 149),
        "1": (32, 147, 147),
        "2": (64, 147, 147),
        "3": (160, 73, 73),  # "73x73x160"
        "4": (192, 71, 71),  # "71x71x192"
        "5": (384, 35, 35),  # "35x35x384"
    }
    seen = output_shapes(network, (3, 299, 299))
    assert {name: seen[name] for name in ("grid35", "reduction_a", "grid17", "reduction_b", "grid8", "fc")} == {
        "grid35": (384, 35, 35),
        "reduction_a": (1024, 17, 17),
        "grid17": (1024, 17, 17),
        "reduction_b": (1536, 8, 8),
        "grid8": (1536, 8, 8),
        "fc": (1000,),
    }
    kinds = [type(module) for grid in (network.grid35, network.grid17, network.grid8) for module in grid]
    assert kinds == [InceptionA] * 4 + [InceptionB] * 7 + [InceptionC] * 3  # "4 x", "7 x", "3 x" in figure 9


def _widths(module: nn.Module) -> dict[str, list[int]]:
    """Branch -> output channels of its convolutions, in order."""
    return {
        name: [layer.out_channels for layer in branch.modules() if isinstance(layer, nn.Conv2d)]
        for name, branch in module.named_children()
    }


def test_widths_of_figures_4_to_8_and_table_1():
    network = create_on_meta("inception_v4")
    assert _widths(network.grid35[0]) == {
        "conv1x1": [96], "conv3x3": [64, 96], "double3x3": [64, 96, 96], "pool": [96],
    }  # fmt: skip
    assert _widths(network.grid17[0]) == {
        "conv1x1": [384], "conv7x7": [192, 224, 256], "double7x7": [192, 192, 224, 224, 256], "pool": [128],
    }  # fmt: skip
    assert _widths(network.grid8[0]) == {
        "conv1x1": [256], "conv3x3": [384, 256, 256], "double3x3": [384, 448, 512, 256, 256], "pool": [256],
    }  # fmt: skip
    # Table 1, "Inception-v4": k = 192, l = 224, m = 256, n = 384.
    assert _widths(network.reduction_a) == {"conv3x3": [384], "double3x3": [192, 224, 256], "pool": []}
    assert _widths(network.reduction_b) == {"conv3x3": [192, 192], "conv7x7": [256, 256, 320, 320], "pool": []}


@pytest.mark.parametrize("side", [35, 36, 17, 3])
def test_reductions_halve_any_map_without_padding(side: int):
    half = (side - 1) // 2
    reduced = ReductionA(384, 192, 224, 256, 384)(torch.randn(2, 384, side, side))
    assert reduced.shape == (2, 1024, half, half)
    assert ReductionB()(torch.randn(2, 1024, side, side)).shape == (2, 1536, half, half)


def test_dropout_and_initial_distribution():
    network = cnnlab.create_model("inception_v4")
    assert network.dropout.p == pytest.approx(0.2)  # figure 9: "Dropout (keep 0.8)"
    weight = network.grid17[3].double7x7[1].conv.weight  # 7x1 on 192 channels
    assert weight.std().item() == pytest.approx((2 / (7 * 192)) ** 0.5, rel=0.01)
