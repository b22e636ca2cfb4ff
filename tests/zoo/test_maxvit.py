"""MaxViT: planted faults and the paper's table 1. torchvision has the same network."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.models import maxvit
from cnnlab.models.maxvit import RelativeAttention, partition, unpartition
from tests.contract import (
    Reference,
    count_macs,
    count_params,
    create_on_meta,
    of_library,
    set_eps,
    swap_forward,
    swap_strides,
)


def _scaled_by_one_head(attention: nn.Module, x: Tensor) -> Tensor:
    """The authors' own scale: see "Differs from the paper in"."""
    n, groups, tokens, dim = x.shape
    qkv = attention.qkv(x).reshape(n, groups, tokens, 3, attention.heads, dim // attention.heads)
    q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)
    bias = attention.relative_position_bias_table[attention.relative_position_index].permute(2, 0, 1)
    scores = q @ k.transpose(3, 4) / math.sqrt(dim // attention.heads) + bias
    return attention.proj((scores.softmax(dim=4) @ v).transpose(2, 3).flatten(3))


def _transposed_bias(model: nn.Module) -> None:
    attention = model.s2[0].grid.attention
    attention.relative_position_index.copy_(attention.relative_position_index.T.clone())


def _without_squeeze(block: nn.Module, x: Tensor) -> Tensor:
    y = block.project(block.depthwise(block.expand(block.norm(x))))
    return y + x


def _attention_and_mlp_beside(layer: nn.Module, x: Tensor) -> Tensor:
    size, height = layer.window, x.shape[2]
    x = partition(x, size)
    x = x + layer.attention(layer.norm1(x)) + layer.mlp(layer.norm2(x))
    return unpartition(x, size, height)


def _grid_first(block: nn.Module, x: Tensor) -> Tensor:
    return block.window(block.grid(block.mbconv(x)))


def _torchvision_for_cifar() -> Reference:
    """torchvision's network for 128 px, which has the same sizes from S1 on when nothing halves the image before."""
    from torchvision.models.maxvit import MaxVit

    def build() -> nn.Module:
        network = MaxVit(
            input_size=(128, 128), stem_channels=32, partition_size=4, block_channels=[32, 64, 128, 256],
            block_layers=[1, 1, 2, 1], head_dim=32, stochastic_depth_prob=0.2, num_classes=10,
        )  # fmt: skip
        mbconv = network.blocks[0].layers[0].layers.MBconv
        mbconv.proj = nn.Identity()
        network.stem[0][0].stride = mbconv.layers.conv_b[0].stride = (1, 1)
        return network

    return of_library(build, (3, 32, 32), "torchvision's blocks, of these sizes")


REFERENCES = {"maxvit_cifar": _torchvision_for_cifar}

FAULTS = {
    "maxvit_cifar": {
        "scale of one head": lambda m: swap_forward(m.s3[1].window.attention, _scaled_by_one_head),
        "places the other way round": _transposed_bias,
        "grid attention in windows": lambda m: setattr(m.s2[0].grid, "grid", False),
        "grid before window": lambda m: swap_forward(m.s1[0], _grid_first),
        "MLP beside attention": lambda m: swap_forward(m.s4[0].window, _attention_and_mlp_beside),
        "no squeeze and excitation": lambda m: swap_forward(m.s3[1].mbconv, _without_squeeze),
        "shortcut's pool without the border": lambda m: setattr(m.s2[0].mbconv.pool, "count_include_pad", False),
        "stride on the expansion": lambda m: swap_strides(m.s4[0].mbconv.expand.conv, m.s4[0].mbconv.depthwise.conv),
        "eps of one batch norm": lambda m: set_eps(m.s3[0].mbconv.norm),
        "eps of one layer norm": lambda m: set_eps(m.s1[0].grid.norm2),
    },
}


def test_the_papers_table_1():
    """MaxViT-T: 64 channels in the stem; B = 2, 2, 5, 2; C = 64, 128, 256, 512; 31M parameters, 5.6e9 "FLOPs"."""
    model = create_on_meta("maxvit_t")
    assert round(count_params(model) / 1e6) == 31
    assert f"{count_macs(model, model.input_size) / 1e9:.1f}" == "5.6"
    x = model.stem2(model.stem(torch.empty(1, 3, 224, 224, device="meta")))
    sizes, blocks = [x.shape[1:3]], []
    for stage in (model.s1, model.s2, model.s3, model.s4):
        x = stage(x)
        sizes.append(x.shape[1:3])
        blocks.append(len(stage))
    assert [tuple(size) for size in sizes] == [(64, 112), (64, 56), (128, 28), (256, 14), (512, 7)]
    assert blocks == [2, 2, 5, 2]


def test_partition_and_its_inverse():
    x = torch.arange(2 * 3 * 8 * 12).reshape(2, 3, 8, 12)
    windows = partition(x, 4)
    assert windows.shape == (2, 6, 16, 3)
    assert torch.equal(windows[1, 4].T.reshape(3, 4, 4), x[1, :, 4:8, 4:8])  # the fifth of two rows of three
    assert torch.equal(unpartition(windows, 4, height=8), x)


@pytest.mark.parametrize(("grid", "reach"), [(False, "window"), (True, "grid")])
def test_attention_reaches_a_window_or_a_grid_and_nothing_else(grid: bool, reach: str):
    torch.manual_seed(0)
    variant = maxvit.VARIANTS["maxvit_t"]
    layer = maxvit.PartitionAttention(64, variant, grid=grid, drop_path=0.0).double()
    x = torch.randn(1, 64, 28, 28, dtype=torch.double)
    y = x.clone()
    y[0, 5, 9, 20] += 1  # one channel: layer norm would take away the same number in all of them
    with torch.no_grad():
        changed = (layer(x) - layer(y)).abs().amax(dim=(0, 1)) > 1e-9
    rows, columns = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    if reach == "window":  # 7 x 7 around (9, 20)
        wanted = (rows // 7 == 1) & (columns // 7 == 2)
    else:  # every fourth pixel both ways
        wanted = (rows % 4 == 1) & (columns % 4 == 0)
    assert torch.equal(changed, wanted)
    assert changed.sum() == 49


def test_a_block_sees_the_whole_picture():
    """On 32 x 32 pixels by squeeze and excitation alone: a window of 4 holds pixels of only 4 of the 8 grids."""
    torch.manual_seed(0)
    block = cnnlab.create_model("maxvit_cifar").eval().double().s1[0]
    x = torch.randn(1, 32, 32, 32, dtype=torch.double)
    y = x.clone()
    y[0, :, 3, 30] += 1
    with torch.no_grad():
        assert ((block(x) - block(y)).abs().amax(dim=(0, 1)) > 0).all()


def test_relative_position_bias_depends_on_the_difference_alone():
    attention = RelativeAttention(dim=8, head_dim=4, window=3)
    index = attention.relative_position_index
    assert index.shape == (9, 9)
    assert index.unique().tolist() == list(range(25))
    place = {(r, c): 3 * r + c for r in range(3) for c in range(3)}
    assert index[place[2, 1], place[1, 0]] == index[place[1, 2], place[0, 1]]  # both one down and one right
    assert index[place[0, 0], place[0, 1]] != index[place[0, 1], place[0, 0]]


def test_cost_grows_with_the_number_of_pixels():
    layer = maxvit.PartitionAttention(64, maxvit.VARIANTS["maxvit_t"], grid=True, drop_path=0.0).to("meta")
    assert count_macs(layer, (64, 112, 112)) == 4 * count_macs(layer, (64, 56, 56))


def test_small_input_sizes():
    model = create_on_meta("maxvit_t", small_input=True)
    x = model.stem2(model.stem(torch.empty(1, 3, 32, 32, device="meta")))
    assert [(x := stage(x)).shape[2] for stage in (model.s1, model.s2, model.s3, model.s4)] == [32, 16, 8, 4]
    assert model.s1[0].window.attention.relative_position_bias_table.shape == (49, 2)
