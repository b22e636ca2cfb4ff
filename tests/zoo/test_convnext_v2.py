"""ConvNeXt V2: planted faults and the paper's table of variants. timm has the same networks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.models.convnext_v2 import GRN
from tests.contract import count_macs, count_params, create_on_meta, set_eps, swap_forward


def _mean_over_pixels(grn: nn.Module, x: Tensor) -> Tensor:
    """Normalizes each channel over the picture, where GRN compares channels."""
    length = x.norm(dim=3, keepdim=True)
    return grn.weight * (x * length / (length.mean(dim=(1, 2), keepdim=True) + 1e-6)) + grn.bias + x


def _without_the_sum(grn: nn.Module, x: Tensor) -> Tensor:
    length = x.norm(dim=(1, 2), keepdim=True)
    return grn.weight * (x * length / (length.mean(dim=3, keepdim=True) + 1e-6)) + grn.bias


def _mean_for_length(grn: nn.Module, x: Tensor) -> Tensor:
    mean = x.abs().mean(dim=(1, 2), keepdim=True)
    return grn.weight * (x * mean / (mean.mean(dim=3, keepdim=True) + 1e-6)) + grn.bias + x


def _grn_before_gelu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.norm(block.dwconv(x).permute(0, 2, 3, 1))
    return x + block.pwconv2(F.gelu(block.grn(block.pwconv1(y)))).permute(0, 3, 1, 2)


FAULTS = {
    "convnextv2_atto": {
        "GRN over the pixels": lambda m: swap_forward(m.res3.blocks[0].grn, _mean_over_pixels),
        "GRN without its input added": lambda m: swap_forward(m.res5.blocks[1].grn, _without_the_sum),
        "GRN with a mean for the length": lambda m: swap_forward(m.res4.blocks[2].grn, _mean_for_length),
        "GRN before the activation": lambda m: swap_forward(m.res2.blocks[1], _grn_before_gelu),
        "eps of a norm": lambda m: set_eps(m.norm),
        "padding of a depthwise convolution": lambda m: setattr(m.res4.blocks[5].dwconv, "padding_mode", "circular"),
    },
}

TABLE = [  # the authors' table of models, "#params" and "FLOPs"
    ("convnextv2_atto", "3.7", 0.55e9, 0.01e9),
    ("convnextv2_femto", "5.2", 0.78e9, 0.01e9),
    ("convnextv2_pico", "9.1", 1.37e9, 0.01e9),
    ("convnextv2_nano", "15.6", 2.45e9, 0.01e9),
    ("convnextv2_tiny", "28.6", 4.47e9, 0.02e9),  # 4.456e9, which the paper on V1 rounds to 4.5e9
    ("convnextv2_base", "89", 15.4e9, 0.1e9),
    ("convnextv2_large", "198", 34.4e9, 0.1e9),
    ("convnextv2_huge", "660", 115e9, 0.5e9),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "millions", "macs", "rounding"), TABLE)
def test_parameters_and_macs_of_the_papers_table(name: str, millions: str, macs: float, rounding: float):
    model = create_on_meta(name)
    decimals = len(millions.partition(".")[2])
    assert f"{count_params(model) / 1e6:.{decimals}f}" == millions
    assert abs(count_macs(model, model.input_size) - macs) <= rounding


def test_version_2_differs_from_version_1_by_grn_for_layer_scale():
    first, second = create_on_meta("convnext_tiny"), create_on_meta("convnextv2_tiny")
    channels = [96] * 3 + [192] * 3 + [384] * 9 + [768] * 3
    assert count_params(second) - count_params(first) == sum(2 * 4 * c - c for c in channels)


def test_grn_is_the_formula_of_algorithm_1():
    torch.manual_seed(0)
    grn, x = GRN(3), torch.randn(2, 4, 5, 3)
    assert torch.equal(grn(x), x)  # gamma and beta are 0: the identity
    with torch.no_grad():
        grn.weight.copy_(torch.tensor([1.0, 2.0, -1.0]))
        grn.bias.copy_(torch.tensor([0.5, 0.0, 1.0]))
        lengths = [[sum(v * v for v in x[n, :, :, c].flatten().tolist()) ** 0.5 for c in range(3)] for n in range(2)]
        for n, c in ((0, 0), (1, 2), (0, 1)):
            share = lengths[n][c] / (sum(lengths[n]) / 3 + 1e-6)
            wanted = grn.weight[c] * x[n, 3, 2, c] * share + grn.bias[c] + x[n, 3, 2, c]
            torch.testing.assert_close(grn(x)[n, 3, 2, c], wanted)


def test_grn_sees_the_whole_picture():
    torch.manual_seed(0)
    block = cnnlab.create_model("convnextv2_atto").eval().res2.blocks[0]
    nn.init.ones_(block.grn.weight)
    x = torch.randn(1, 40, 20, 20)
    y = x.clone()
    y[:, :, 19, 19] += 10
    with torch.no_grad():
        assert (block(x) - block(y))[0, :, 0, 0].abs().max() > 1e-6  # far outside of the 7x7 window
