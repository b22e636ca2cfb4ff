"""MobileNet V2: planted faults, the paper's tables."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cnnlab.models.mobilenet_v2 import InvertedResidual
from tests.contract import count_macs, count_params, create_on_meta, set_eps, swap_forward, swap_strides


def _relu_at_the_end(block: nn.Module, x: Tensor) -> Tensor:
    y = nn.functional.relu6(block.project(block.depthwise(block.expand(x))))
    return x + y if block.shortcut else y


def _linear_depthwise(block: nn.Module, x: Tensor) -> Tensor:
    y = block.project(block.depthwise.bn(block.depthwise.conv(block.expand(x))))
    return x + y if block.shortcut else y


FAULTS = {
    "mobilenetv2_035": {
        "relu after the projection": lambda m: swap_forward(m.stage4[2], _relu_at_the_end),
        "no relu after the depthwise convolution": lambda m: swap_forward(m.stage7[0], _linear_depthwise),
        "no shortcut in one block": lambda m: setattr(m.stage6[1], "shortcut", False),
        "stride one stage later": lambda m: swap_strides(m.stage4[0].depthwise.conv, m.stage5[0].depthwise.conv),
    },
    "mobilenet_v2": {
        "relu in place of relu6": lambda m: setattr(m.stage1[0].depthwise, "activation", nn.ReLU()),
        "eps of one batch norm": lambda m: set_eps(m.conv2.bn, 1e-3),
    },
}

# Table 2: input, t, c, n, s.
TABLE_2 = [
    (112, 32, 1, 16, 1, 1),
    (112, 16, 6, 24, 2, 2),
    (56, 24, 6, 32, 3, 2),
    (28, 32, 6, 64, 4, 2),
    (14, 64, 6, 96, 3, 1),
    (14, 96, 6, 160, 3, 2),
    (7, 160, 6, 320, 1, 1),
]


def params_without_norms(network: nn.Module) -> int:
    norms = sum(count_params(m) for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    return count_params(network) - norms


def test_table_2():
    model = create_on_meta("mobilenet_v2")
    blocks = [m for m in model.modules() if isinstance(m, InvertedResidual)]
    assert len(blocks) == 17 == sum(n for *_, n, _ in TABLE_2)
    seen: list[tuple[int, ...]] = []

    def look(block: InvertedResidual, x: tuple[Tensor], y: Tensor) -> None:
        hidden, stride = block.depthwise.conv.out_channels, block.depthwise.conv.stride[0]
        seen.append((x[0].shape[2], x[0].shape[1], hidden // x[0].shape[1], y.shape[1], stride))

    for block in blocks:
        block.register_forward_hook(look)
    model.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    wanted: list[tuple[int, ...]] = []
    for size, before, t, c, n, s in TABLE_2:
        wanted += [(size, before, t, c, s)] + [(size // s, c, t, c, 1)] * (n - 1)
    assert seen == wanted
    assert sum(block.shortcut for block in blocks) == sum(n - 1 for *_, n, _ in TABLE_2) == 10


def test_no_relu_follows_a_projection():
    model = create_on_meta("mobilenet_v2")
    for block in model.modules():
        if isinstance(block, InvertedResidual):
            assert isinstance(block.project.activation, nn.Identity)
            assert isinstance(block.depthwise.activation, nn.ReLU6)


@pytest.mark.parametrize(
    ("name", "million_macs", "million_params"), [("mobilenet_v2", 300, 3.4), ("mobilenetv2_140", 585, 6.1)]
)
def test_table_4(name: str, million_macs: int, million_params: float):
    """Printed for width 1.4: 585M and 6.9M. The work is right; of parameters there are 6.1 million, norms included."""
    model = create_on_meta(name)
    assert count_macs(model, (3, 224, 224)) / 1e6 == pytest.approx(million_macs, rel=0.01)
    assert params_without_norms(model) / 1e6 == pytest.approx(million_params, abs=0.08)
    assert count_params(model) < 6.2e6


def test_range_of_section_4():
    """ "input resolutions from 96 to 224, and width multipliers of 0.35 to 1.4 ... the model size vary between 1.7M and
    6.9M parameters" """
    small = create_on_meta("mobilenetv2_035")
    assert round(count_params(small) / 1e6, 1) == 1.7
    assert small.conv2.conv.out_channels == 1280  # "all layers except the very last convolutional layer"
    assert count_macs(small, (3, 96, 96)) < 12e6


def test_small_input_ends_at_4_by_4():
    model = create_on_meta("mobilenetv2_035", small_input=True).eval()
    sizes: list[tuple[int, ...]] = []
    model.stage7.register_forward_hook(lambda m, x, y: sizes.append(tuple(y.shape[2:])))
    model(torch.empty(1, 3, 32, 32, device="meta"))
    assert sizes == [(4, 4)]
