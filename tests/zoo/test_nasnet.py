"""NASNet-A: references of timm's cells, planted faults, figure 4 as the authors' program has it, tables 2 and 3."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.layers import pad_same
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from cnnlab.models.nasnet import (
    JOINED,
    NORMAL_CELL,
    REDUCTION_CELL,
    Average,
    Maximum,
    NASNet,
    Separable,
)
from tests.contract import Reference, count_macs, count_params, create_on_meta, set_eps, swap_forward


class _ExistingPixels(nn.AvgPool2d):
    """Average pooling of stride 2 as TensorFlow's: windows lie as with "SAME" padding and zeros are not counted."""

    def forward(self, x: Tensor) -> Tensor:
        # An odd side is padded by one on both ends, an even one at its far end alone, where ceil_mode reaches.
        padding = (x.shape[2] % 2, x.shape[3] % 2)
        return F.avg_pool2d(x, 3, 2, padding, ceil_mode=True, count_include_pad=False)


class _Mobile(nn.Module):
    """timm's cells (written for 6 @ 4032) arranged as 4 @ 1056, in the layout of the authors' mobile network."""

    def __init__(self) -> None:
        super().__init__()
        from timm.layers.pool2d_same import AvgPool2dSame
        from timm.models.nasnet import CellStem0, CellStem1, FirstCell, NormalCell, ReductionCell0

        c, same = 44, {"pad_type": "same"}
        self.conv0 = nn.Sequential(nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32, eps=1e-3))
        self.stem0 = CellStem0(32, c // 4, **same)
        self.stem1 = CellStem1(32, c // 2, **same)
        # channels of the one before, its width, channels of the current one, its width
        self.stage1 = nn.ModuleList(
            [FirstCell(c, c // 2, 2 * c, c, **same), NormalCell(2 * c, c, 6 * c, c, **same)]
            + [NormalCell(6 * c, c, 6 * c, c, **same) for _ in range(2)]
        )
        self.reduce1 = ReductionCell0(6 * c, 2 * c, 6 * c, 2 * c, **same)
        self.stage2 = nn.ModuleList(
            [FirstCell(6 * c, c, 8 * c, 2 * c, **same), NormalCell(8 * c, 2 * c, 12 * c, 2 * c, **same)]
            + [NormalCell(12 * c, 2 * c, 12 * c, 2 * c, **same) for _ in range(2)]
        )
        self.reduce2 = ReductionCell0(12 * c, 4 * c, 12 * c, 4 * c, **same)
        self.stage3 = nn.ModuleList(
            [FirstCell(12 * c, 2 * c, 16 * c, 4 * c, **same), NormalCell(16 * c, 4 * c, 24 * c, 4 * c, **same)]
            + [NormalCell(24 * c, 4 * c, 24 * c, 4 * c, **same) for _ in range(2)]
        )
        self.fc = nn.Linear(24 * c, 1000)
        for cell in (self.stem0, self.stem1, self.reduce1, self.reduce2):
            for name, module in cell.named_children():
                if isinstance(module, AvgPool2dSame):
                    setattr(cell, name, _ExistingPixels(3, 2))

    def forward(self, x: Tensor) -> Tensor:
        conv0 = self.conv0(x)
        before = self.stem0(conv0)
        x = self.stem1(conv0, before)
        for reduce, stage in ((None, self.stage1), (self.reduce1, self.stage2), (self.reduce2, self.stage3)):
            if reduce is not None:
                x, before = reduce(x, before), x
            for cell in stage:
                x, before = cell(x, before), x
        return self.fc(F.relu(x).mean((2, 3)))


REFERENCES = {
    "nasnet_mobile": Reference(
        5_289_978,
        564_000_000,
        _Mobile,
        "table 3: 5.3 M parameters, 564 M multiply-adds; 5,289,978 in the ports to PyTorch",
        macs_tolerance=500_000,
    ),
}


def _swap(first: nn.Module, second: nn.Module) -> None:
    """Exchange the parameters of two modules of equal shapes, as a wrong order of definition would."""
    kept = copy.deepcopy(first.state_dict())
    first.load_state_dict(second.state_dict())
    second.load_state_dict(kept)


def _padded_at_the_top_left(branch: Separable, x: Tensor) -> Tensor:
    y = pad_same(F.relu(x).flip(2, 3), branch.kernel, branch.stride).flip(2, 3)
    y = branch.bn1(branch.pointwise1(branch.depthwise1(y)))
    return branch.bn2(branch.pointwise2(branch.depthwise2(F.relu(y))))


def _no_second_relu(branch: Separable, x: Tensor) -> Tensor:
    y = branch.bn1(branch.pointwise1(branch.depthwise1(F.relu(x))))
    return branch.bn2(branch.pointwise2(branch.depthwise2(y)))


FAULTS = {
    "nasnet_mobile": {
        # Pairs of equal shapes: both 3x3 on BEFORE, both 7x7 on BEFORE, both 1x1 from 264 to 44, both 1x1 to 22.
        "siblings of two sums swapped": lambda m: _swap(m.stages[1][2].sums[0][1], m.stages[1][2].sums[1][1]),
        "siblings of a reduction swapped": lambda m: _swap(m.stages[2][0].sums[0][1], m.stages[2][0].sums[1][1]),
        "the two inputs' projections swapped": lambda m: _swap(m.stages[1][2].current, m.stages[1][2].before),
        "even and odd pixels swapped": lambda m: _swap(m.stages[1][0].before.even, m.stages[1][0].before.odd),
        "zeros counted in one pool": lambda m: setattr(m.stages[0][1].sums[2][0], "counts_zeros", True),
        "padding at the top left": lambda m: swap_forward(m.stages[2][0].sums[0][0], _padded_at_the_top_left),
        "the large network's input after a reduction": lambda m: setattr(m.stages[2][0], "keeps_before", True),
        "one relu left out": lambda m: swap_forward(m.stages[1][3].sums[4][0], _no_second_relu),
        "torch's eps": lambda m: set_eps(m.stages[3][4].current.bn, 1e-5),
    },
}


# --- the cells of figure 4, as the authors' program lists them --------------------------------------------------------

KINDS = {
    Separable: "separable_{0}x{0}_2",
    Average: "avg_pool_{0}x{0}",
    Maximum: "max_pool_{0}x{0}",
    nn.Identity: "none",
}


@pytest.mark.parametrize(
    ("table", "operations", "states", "used"),
    [
        (
            NORMAL_CELL,
            "separable_5x5_2 separable_3x3_2 separable_5x5_2 separable_3x3_2 avg_pool_3x3 none avg_pool_3x3 "
            "avg_pool_3x3 separable_3x3_2 none",
            [0, 1, 1, 1, 0, 1, 1, 1, 0, 0],
            [1, 0, 0, 0, 0, 0, 0],
        ),
        (
            REDUCTION_CELL,
            "separable_5x5_2 separable_7x7_2 max_pool_3x3 separable_7x7_2 avg_pool_3x3 separable_5x5_2 none "
            "avg_pool_3x3 separable_3x3_2 max_pool_3x3",
            [0, 1, 0, 1, 0, 1, 3, 2, 2, 0],
            [1, 1, 1, 0, 0, 0, 0],
        ),
    ],
    ids=["normal", "reduction"],
)
def test_cells_are_those_of_the_authors_program(table, operations: str, states: list[int], used: list[int]):
    """tensorflow/models, nasnet_utils.py: operations, hiddenstate_indices, used_hiddenstates."""
    terms = [term for pair in table for term in pair]
    assert [KINDS[term.operation].format(term.kernel) for term in terms] == operations.split()
    assert [term.state for term in terms] == states
    assert [int(state not in JOINED[table]) for state in range(7)] == used


# --- the papers' tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "millions", "multiply_adds"), [("nasnet_mobile", 5.3, 564e6), ("nasnetalarge", 88.9, 23.8e9)]
)
def test_parameters_and_macs_of_the_papers_tables_2_and_3(name: str, millions: float, multiply_adds: float):
    model = create_on_meta(name)
    assert count_params(model) / 1e6 == pytest.approx(millions, rel=2e-3)
    assert count_macs(model, model.input_size) == pytest.approx(multiply_adds, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "sides", "n", "filters"),
    [("nasnet_mobile", [111, 56, 28, 14, 7], 4, 1056), ("nasnetalarge", [165, 83, 42, 21, 11], 6, 4032)],
)
def test_sizes_and_widths_of_the_cells(name: str, sides: list[int], n: int, filters: int):
    """ "N @ F": N cells between reductions, F channels at the end; the number doubles where the size halves."""
    model = create_on_meta(name).eval()
    shapes = []
    for stage in model.stages:
        for cell in stage:
            cell.register_forward_hook(lambda module, args, output: shapes.append(output.shape[1:]))
    x = torch.empty(1, *model.input_size, device="meta")
    assert model.conv0(x).shape[2] == sides[0]
    model(x)
    wanted = [(filters // 24, sides[1], sides[1]), (filters // 12, sides[2], sides[2])]
    for reduction, side in enumerate(sides[2:]):
        width = filters // 4 * 2**reduction
        if reduction:
            wanted.append((width * 2 // 3, side, side))  # four states joined, not six
        wanted += [(width, side, side)] * n
    assert shapes == wanted


def test_the_version_for_small_pictures_is_the_papers_for_cifar():
    model = cnnlab.create_model("nasnet_mobile", small_input=True).eval()
    assert [len(stage) for stage in model.stages] == [0, 4, 5, 5]
    shapes = []
    for stage in model.stages[1:]:
        stage[-1].register_forward_hook(lambda module, args, output: shapes.append(output.shape[2]))
    with torch.no_grad():
        model(torch.randn(1, 3, 32, 32))
    assert shapes == [32, 16, 8]


# --- the auxiliary classifier -----------------------------------------------------------------------------------------


def test_auxiliary_classifier():
    info = model_info("nasnet_mobile")
    torch.manual_seed(0)
    model = NASNet(replace(info.variant, auxiliary=True), num_classes=10)
    assert model.auxiliary_weights == (0.4,)
    x = torch.randn(2, 3, 224, 224)
    logits, (auxiliary,) = model(x)
    assert logits.shape == auxiliary.shape == (2, 10)
    auxiliary.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.auxiliary.parameters())
    assert all(p.grad is None for p in model.stages[3].parameters())  # it stands after the second third
    assert all(p.grad is not None for p in model.stages[2][-1].parameters())
    with torch.no_grad():
        assert model.eval()(x).shape == (2, 10)


def test_parameters_of_the_auxiliary_classifier():
    """1x1 to 128, a convolution over the whole 6 x 6 or 4 x 4 map to 768, both with batch norm, a dense layer."""
    for name, channels, side in (("nasnet_mobile", 528, 4), ("nasnetalarge", 2016, 6)):
        info = model_info(name)
        with on_meta():
            model = NASNet(replace(info.variant, auxiliary=True))
            pooled = model.auxiliary[1](torch.empty(1, channels, *(-(-s // 16) for s in info.input_size[1:])))
        assert pooled.shape[2:] == (side, side)
        wanted = channels * 128 + 2 * 128 + side**2 * 128 * 768 + 2 * 768 + 769 * 1000
        assert count_params(model) - count_params(create_on_meta(name)) == wanted


def test_average_pools_take_the_pixels_that_exist():
    for height, width in ((7, 8), (8, 7), (5, 5), (6, 6)):
        x = torch.randn(2, 3, height, width)
        for stride in (1, 2):
            pool = Average(3, 3, 3, stride)
            by_hand = torch.empty(2, 3, -(-height // stride), -(-width // stride))
            for i in range(by_hand.shape[2]):
                for j in range(by_hand.shape[3]):
                    top, left = (
                        stride * place - (1 if stride == 1 or side % 2 else 0)
                        for place, side in ((i, height), (j, width))
                    )
                    window = x[:, :, max(top, 0) : top + 3, max(left, 0) : left + 3]
                    by_hand[:, :, i, j] = window.mean(dim=(2, 3))
            torch.testing.assert_close(pool(x), by_hand)
