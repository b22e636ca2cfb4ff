"""EfficientNetV2: planted faults and the paper's tables 4 and 7."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cnnlab.analysis import summarize
from cnnlab.layers import DropPath
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from cnnlab.models.efficientnet import MBConv
from cnnlab.models.efficientnet_v2 import FusedMBConv
from tests.contract import count_macs, count_params, create_on_meta, set_eps, swap_forward, swap_strides


def _every_eps(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            set_eps(module, 1e-5)


def _activation_after_the_sum(block: nn.Module, x: Tensor) -> Tensor:
    return block.widen.activation(x + block.widen.bn(block.widen.conv(x)))


FAULTS = {
    "efficientnet_v2_s": {
        "stride one stage earlier": lambda m: swap_strides(
            m.stages.stage6[0].depthwise.conv, m.stages.stage5[0].depthwise.conv
        ),
        "torch's eps everywhere": _every_eps,
        "eps of one batch norm": lambda m: set_eps(m.stages.stage2[0].widen.bn),
        "relu for swish in one block": lambda m: setattr(m.stages.stage3[1].widen, "activation", nn.ReLU()),
        "swish after narrowing": lambda m: setattr(m.stages.stage2[1].narrow, "activation", nn.SiLU()),
        "activation after the sum": lambda m: swap_forward(m.stages.stage1[0], _activation_after_the_sum),
        "input not added": lambda m: setattr(m.stages.stage1[1], "residual", False),
        "no excitation": lambda m: setattr(m.stages.stage4[0], "excite", nn.Identity()),
    },
}

TABLE_4 = [  # operator, stride, channels, layers
    ("Conv3x3", 2, 24, 1),
    ("Fused-MBConv1, k3x3", 1, 24, 2),
    ("Fused-MBConv4, k3x3", 2, 48, 4),
    ("Fused-MBConv4, k3x3", 2, 64, 4),
    ("MBConv4, k3x3, SE0.25", 2, 128, 6),
    ("MBConv6, k3x3, SE0.25", 1, 160, 9),
    ("MBConv6, k3x3, SE0.25", 2, 256, 15),
    ("Conv1x1 & Pooling & FC", 1, 1280, 1),
]


def test_stages_of_the_papers_table_4():
    model = create_on_meta("efficientnet_v2_s")
    x = torch.empty(1, 3, 384, 384, device="meta")
    side, in_channels = 384, 3
    for stage, (operator, stride, channels, layers) in zip(
        [model.stem, *model.stages, model.last], TABLE_4, strict=True
    ):
        x, side = stage(x), side // stride
        assert x.shape == (1, channels, side, side), operator
        blocks = [m for m in stage.modules() if isinstance(m, (MBConv, FusedMBConv))]
        assert len(blocks) == (layers if "MBConv" in operator else 0)
        for block in blocks:
            if operator.startswith("Fused"):
                assert type(block) is FusedMBConv
                assert operator == f"Fused-MBConv{block.widen.conv.out_channels // in_channels}, k3x3"
                assert block.widen.conv.groups == 1
                assert block.widen.conv.kernel_size == (3, 3)
            else:
                assert operator == f"MBConv{block.widen.conv.out_channels // in_channels}, k3x3, SE0.25"
                assert block.excite.reduce.out_channels == 0.25 * in_channels
                assert block.depthwise.conv.kernel_size == (3, 3)
            in_channels = channels
        in_channels = channels


def test_parameters_of_fused_stages_by_arithmetic():
    summary = summarize("efficientnet_v2_s")
    assert summary["stages.stage1"].params == 2 * (9 * 24 * 24 + 2 * 24)
    first = 9 * 24 * 96 + 2 * 96 + 96 * 48 + 2 * 48
    other = 9 * 48 * 192 + 2 * 192 + 192 * 48 + 2 * 48
    assert summary["stages.stage2"].params == first + 3 * other


@pytest.mark.parametrize(
    ("name", "millions", "flops"), [("s", 22, 8.8e9), ("m", 54, 24e9), ("l", 120, 53e9)], ids=["s", "m", "l"]
)
def test_parameters_and_macs_of_the_papers_table_7(name: str, millions: int, flops: float):
    model = create_on_meta(f"efficientnet_v2_{name}")
    assert count_params(model) / 1e6 == pytest.approx(millions, rel=0.026)
    assert count_macs(model, model.input_size) == pytest.approx(flops, rel=0.06)


def test_the_small_network_of_the_papers_first_version_had_24_million_parameters():
    info = model_info("efficientnet_v2_s")
    *stages, last = info.variant.stages
    with on_meta():
        model = info.network(replace(info.variant, stages=(*stages, replace(last, channels=272))))
    more = 1792 - 1280  # channels of stage 7: 1x1 convolution from 272, batch norm, dense layer to 1000
    assert round((count_params(model) + more * (272 + 2 + 1000)) / 1e6) == 24
    assert round(count_params(create_on_meta("efficientnet_v2_s")) / 1e6, 1) == 21.5


def test_a_fused_block_costs_more_than_what_it_replaces():
    """The same widths: the dense 3x3 has 9 C wide weights where 1x1 and depthwise 3x3 have (C + 9) wide."""
    fused, other = (
        block(48, 48, expansion=4, stride=1, drop=0.0, eps=1e-3, **more)
        for block, more in ((FusedMBConv, {}), (MBConv, {"kernel": 3}))
    )
    excitation = count_params(other.excite) + 2 * 192  # and one batch norm less
    assert count_params(fused) - (count_params(other) - excitation) == (9 * 48 - 48 - 9) * 192


def test_stochastic_depth_rises_to_nearly_a_fifth():
    model = create_on_meta("efficientnet_v2_s")
    rates = [m.probability for m in model.modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0.2 * i / 40 for i in range(40)])
