"""ShuffleNet V2: planted faults, the paper's tables."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cnnlab.convolutions.channel_shuffle import shuffle_channels
from cnnlab.models.shufflenet_v2 import BasicUnit, DownsamplingUnit
from tests.contract import count_macs, count_params, create_on_meta, set_eps, swap_forward, swap_strides


def _without_shuffle(unit: nn.Module, x: Tensor) -> Tensor:
    passing, convolved = x.chunk(2, dim=1)
    return torch.cat([passing, unit.branch(convolved)], dim=1)


def _other_half_passes(unit: nn.Module, x: Tensor) -> Tensor:
    convolved, passing = x.chunk(2, dim=1)
    return shuffle_channels(torch.cat([passing, unit.branch(convolved)], dim=1), groups=2)


def _dealt_the_other_way(unit: nn.Module, x: Tensor) -> Tensor:
    passing, convolved = x.chunk(2, dim=1)
    y = torch.cat([passing, unit.branch(convolved)], dim=1)
    return shuffle_channels(y, groups=y.shape[1] // 2)


def _branches_swapped(unit: nn.Module, x: Tensor) -> Tensor:
    return shuffle_channels(torch.cat([unit.branch(x), unit.short_branch(x)], dim=1), groups=2)


FAULTS = {
    "shufflenet_v2_x0_5": {
        "no shuffle in one unit": lambda m: swap_forward(m.stage3[4], _without_shuffle),
        "the other half passes": lambda m: swap_forward(m.stage2[1], _other_half_passes),
        "channels dealt the other way": lambda m: swap_forward(m.stage4[2], _dealt_the_other_way),
        "branches swapped": lambda m: swap_forward(m.stage4[0], _branches_swapped),
        "relu after a depthwise convolution": lambda m: setattr(m.stage3[0].branch[1], "activation", nn.ReLU()),
        "stride on the first 1x1": lambda m: swap_strides(m.stage3[0].branch[0].conv, m.stage3[0].branch[1].conv),
        "eps of one batch norm": lambda m: set_eps(m.conv5.bn, 1e-3),
        "pool not padded alike": lambda m: setattr(m, "pool", nn.MaxPool2d(3, 2, 0, ceil_mode=True)),
    },
}

# Table 5: output channels of stage2, stage3, stage4, conv5; "FLOPs"; "# of Weights".
TABLE_5 = {
    "x0_5": ((48, 96, 192, 1024), 41, "1.4"),
    "x1_0": ((116, 232, 464, 1024), 146, "2.3"),
    "x1_5": ((176, 352, 704, 1024), 299, "3.5"),
    "x2_0": ((244, 488, 976, 2048), 591, "7.4"),
}


@pytest.mark.parametrize("name", TABLE_5)
def test_table_5(name: str):
    channels, million_macs, million_weights = TABLE_5[name]
    model = create_on_meta(f"shufflenet_v2_{name}")
    seen: list[tuple[int, ...]] = []
    for stage in (model.conv1, model.pool, model.stage2, model.stage3, model.stage4, model.conv5):
        stage.register_forward_hook(lambda m, x, y: seen.append(tuple(y.shape[1:3])))
    model.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    assert seen == [(24, 112), (24, 56), *zip(channels, (28, 14, 7, 7))]
    for stage, repeat in ((model.stage2, 3), (model.stage3, 7), (model.stage4, 3)):
        assert [type(unit) for unit in stage] == [DownsamplingUnit] + repeat * [BasicUnit]
    assert f"{count_params(model) / 1e6:.1f}" == million_weights
    # 40.5, 144.9, 295.8, 583.3: the paper's are 0.8 to 1.4 % more, and it does not say what it counts.
    assert 1.007 < million_macs / (count_macs(model, (3, 224, 224)) / 1e6) < 1.014


def test_half_of_the_channels_reach_the_next_unit_unchanged():
    """Section 3.2: "half of feature channels ... directly go through the block and join the next block"."""
    unit = BasicUnit(8).eval()
    x = torch.randn(1, 8, 5, 5)
    with torch.no_grad():
        y = unit(x)
    assert torch.equal(y[:, ::2], x[:, :4])
    assert not torch.equal(y[:, 1::2], x[:, 4:])


def test_guideline_1_equal_widths():
    """G1: "Equal channel width minimizes memory access cost": every layer of a basic unit has it."""
    model = create_on_meta("shufflenet_v2_x1_0")
    for unit in model.modules():
        if isinstance(unit, BasicUnit):
            assert all(layer.conv.in_channels == layer.conv.out_channels for layer in unit.branch)
