"""The numbers on the fact-check page, computed again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from cnnlab.analysis import summarize
from cnnlab.convolutions import grid_coverage
from cnnlab.convolutions.arithmetic import output_size, same_padding, transposed_output_size
from cnnlab.models import create_model

PAGE = re.sub(r"\s+", " ", (Path(__file__).parent.parent / "book" / "fact-check.md").read_text(encoding="utf-8"))


def section(claim: str) -> str:
    """What the page says under the heading that holds ``claim``."""
    found = [part for part in PAGE.split("### ")[1:] if claim in part.split("”")[0] or claim in part[:160]]
    assert len(found) == 1, f"{len(found)} rows of the fact check hold {claim!r}"
    return found[0]


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [(25.8, 16.4, 36), (26.2, 16.4, 37), (26.2, 15.3, 42), (28.2, 15.3, 46)],
    ids=lambda value: str(value),
)
def test_relative_reductions_of_alexnet(before, after, percent):
    text = section("AlexNet cut the error")
    assert round(100 * (1 - after / before)) == percent
    assert f"{before}" in text and f"{after}" in text and f"{percent} %" in text


def test_no_pair_of_alexnet_numbers_gives_half():
    assert all(1 - after / before < 0.5 for before in (25.8, 26.2, 28.2) for after in (15.3, 16.4))


def test_alexnet_sizes():
    assert output_size(224, 11, stride=4) == 54
    assert output_size(227, 11, stride=4) == output_size(224, 11, stride=4, padding=2) == 55
    assert "224 gives 54" in section("AlexNet takes 224")


def test_even_kernels_cannot_keep_the_size():
    with pytest.raises(ValueError, match="odd"):
        same_padding(2)


def test_lenet_parameters():
    text = section("LeNet-5 has 44,426")
    for model in (create_model("lenet5"), create_model("lenet5_28"), create_model("lenet5", in_channels=3)):
        assert f"{sum(p.numel() for p in model.parameters()):,}" in text


def test_lenet_has_fewer_parameters_and_more_macs_than_the_perceptron():
    lenet, perceptron = summarize("lenet5_28"), summarize("mlp_mnist")
    text = section("The smaller network")
    assert f"{lenet.params:,}" in text and f"{perceptron.params:,}" in text
    assert lenet.params < perceptron.params and lenet.macs > perceptron.macs


def test_resnet_152_and_vgg_19_are_counted_in_multiply_adds():
    import torchvision

    from cnnlab.analysis.trace import on_meta

    with on_meta():
        vgg = torchvision.models.vgg19()
    assert round(summarize(vgg, (3, 224, 224)).macs / 1e9, 1) == 19.6
    # The paper's 11.3e9 is for the stride on the first 1 x 1 convolution; on the 3 x 3 it is a little more.
    assert 11.3 < summarize("resnet152").macs / 1e9 < 11.6
    assert "19.6 billion" in PAGE and "11.3 billion" in PAGE


def test_dilation_has_holes():
    ways = grid_coverage(3, (2, 2, 2))
    text = section("Dilation expands the receptive field")
    assert f"{len(ways)} × {len(ways)} pixels" in text
    assert f"read {int((ways > 0).sum())} of its {ways.numel()}" in text
    seen = torch.zeros(13, 14, dtype=torch.bool)
    seen[:, :13] = ways > 0
    assert not (seen & seen.roll(1, 1)).any()  # the neighbor to the right


def test_fields_of_equal_and_of_doubling_rates():
    text = section("grows exponentially with dilation")
    assert "1, 2, 4, 8" in text
    for layers in range(1, 8):
        assert len(grid_coverage((1, 3), [2] * layers)[0]) == 4 * layers + 1
        assert len(grid_coverage((1, 3), [2**i for i in range(layers)])[0]) == 2 ** (layers + 1) - 1


def test_padding_alone_is_no_transposed_convolution():
    import torch
    import torch.nn.functional as F

    from cnnlab.convolutions import insert_zeros

    x, w = torch.randn(1, 1, 5, 5).double(), torch.randn(1, 1, 3, 3).double()
    truth = F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1)
    around = F.conv2d(F.pad(x, (4, 3, 4, 3)), w.flip(2, 3))
    spread = F.pad(insert_zeros(x, 2), (1, 2, 1, 2))
    assert around.shape == truth.shape and not torch.allclose(around, truth)
    assert torch.allclose(F.conv2d(spread, w.flip(2, 3)), truth)
    once = F.conv2d(F.pad(x, (2, 2, 2, 2)), w.flip(2, 3))  # stride 1: zeros around are enough
    assert torch.allclose(once, F.conv_transpose2d(x, w))
    assert f"only {x.numel()} of the {spread.numel()} numbers" in section("Put paddings into")


def test_neither_convolution_has_to_change_the_size():
    assert output_size(9, 3, padding=1) == transposed_output_size(9, 3, padding=1) == 9
    assert (output_size(9, 3), transposed_output_size(9, 3)) == (7, 11)
    assert "adds two pixels" in section("Regular convolution reduces")


def test_a_divisible_kernel_can_make_a_checkerboard():
    import torch

    from cnnlab.convolutions import TransposedConv2d

    torch.manual_seed(0)
    layer = TransposedConv2d(8, 8, kernel=4, stride=2, bias=False)
    y = layer(torch.ones(1, 8, 8, 8))[..., 4:-4, 4:-4]
    assert (y - y.mean((2, 3), keepdim=True)).square().mean() > 0.4 * y.square().mean()
    even = torch.ones(1, 1, 3, 3) * torch.tensor([0.5, 1, 0.5])[:, None] * torch.tensor([0.5, 1, 0.5])
    flat = torch.nn.functional.conv_transpose2d(torch.ones(1, 1, 8, 8), even, stride=2)[..., 2:-2, 2:-2]
    assert torch.equal(flat, torch.ones_like(flat))  # kernel 3 and stride 2, and no checkerboard
    assert section("A kernel that the stride divides")


def test_what_the_two_gpus_of_alexnet_saved():
    from dataclasses import replace

    from cnnlab.analysis import on_meta
    from cnnlab.models.alexnet import VARIANTS, AlexNet

    text = section("Splitting AlexNet over two GPUs")
    with on_meta():
        cut, whole = (AlexNet(replace(VARIANTS["alexnet_2012"], groups=groups)) for groups in (2, 1))
    kernels = [sum(p.numel() for p in net.parameters() if p.dim() == 4) for net in (cut, whole)]
    counted = [summarize(net, (3, 227, 227)) for net in (cut, whole)]
    assert f"({kernels[0]:,} against {kernels[1]:,})" in text
    for ratio, percent in (
        (kernels[0] / kernels[1], 38),
        (counted[0].params / counted[1].params, 2),
        (counted[0].macs / counted[1].macs, 36),
    ):
        assert round(100 * (1 - ratio)) == percent and f"{percent} %" in text


def test_how_far_a_channel_shuffle_reaches():
    from cnnlab.convolutions import connections, shuffled_order

    assert "Sixteen channels in eight groups need four layers" in section("A channel shuffle lets every group")

    def seen(channels, groups, layers):
        layer = connections(channels, channels, groups).long()
        paths = layer
        for _ in range(layers - 1):
            paths = layer @ (paths > 0).long()[shuffled_order(channels, groups)]
        return int((paths > 0).sum(1).min())

    assert seen(16, 8, 3) < 16 and seen(16, 8, 4) == 16
    for channels, groups in ((12, 3), (12, 4), (16, 4), (16, 8), (24, 4), (24, 6)):
        assert (seen(channels, groups, 2) == channels) == (channels // groups >= groups)
    assert shuffled_order(12, 12) == list(range(12)) and seen(12, 12, 9) == 1


def test_a_convolution_does_not_see_how_channels_vary_together():
    """Its output at one place is the same whatever the other pictures and places are, so that no correlation enters."""
    assert "adds channels up with fixed weights" in section("Cross-channel layers explicitly model")
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 6, 1, 1, generator=generator, dtype=torch.float64)
    x = torch.randn(8, 6, 5, 5, generator=generator, dtype=torch.float64)
    alike = x[:, :1].expand(-1, 6, -1, -1).clone()  # six equal channels
    alike[0] = x[0]
    convolved = torch.nn.functional.conv2d
    assert torch.equal(convolved(x, weight)[0], convolved(alike, weight)[0])


def test_macs_give_the_order_of_times_and_not_the_ratio():
    from scipy.stats import spearmanr

    from cnnlab.convolutions import recorded_latency

    text = section("Nine times fewer")
    rows = []
    for channels in (32, 128, 512):
        table = recorded_latency(channels=channels)
        standard, depthwise = table["standard"], table["depthwise"]
        assert standard.macs == channels * depthwise.macs and f"{channels}" in text
        assert standard.cpu.median / depthwise.cpu.median < channels / 2
        rows += [row for row in table if row.macs]
    assert spearmanr([row.macs for row in rows], [row.cpu.median for row in rows]).statistic > 0.85
    equal = [row.cpu.median for row in rows if f"{row.macs:,}" in text]
    assert len(equal) == 9 and max(equal) > 4 * min(equal)


def test_depthwise_layers_are_not_at_the_limit_of_memory():
    from cnnlab.convolutions import compare_convolutions, recorded_latency

    assert "9/8" in section("because memory is the limit")
    for channels in (32, 128, 512):
        for size in (7, 28, 224):
            row = compare_convolutions(channels, channels, 3, size, measure=False)["depthwise"]
            assert row.intensity < 9 / 8
        depthwise, shuffle = recorded_latency("depthwise", "channel shuffle", channels=channels)
        assert 1 <= depthwise.bytes_moved / shuffle.bytes_moved < 1.03
        assert shuffle.cpu.median < depthwise.cpu.median / 3


def test_orders_of_a_separable_layer_differ_in_kernels_and_not_in_counts():
    from torch import nn

    from cnnlab.convolutions import DepthwiseConv2d, DepthwiseSeparableConv2d, PointwiseConv2d

    torch.manual_seed(0)
    usual = DepthwiseSeparableConv2d(6, 6, bias=False)
    other = nn.Sequential(PointwiseConv2d(6, 6, bias=False), DepthwiseConv2d(6, 3, bias=False))
    counts = [(s.params, s.macs) for s in (summarize(net, (6, 9, 9)) for net in (usual, other))]
    assert counts[0] == counts[1]
    for net, axis in ((usual, 0), (other, 1)):
        dots = torch.zeros(6, 6, 9, 9)
        dots[range(6), range(6), 4, 4] = 1  # one input channel at a time
        kernels = net(dots)[:, :, 3:6, 3:6].flatten(2)  # (C, K, 9)
        ranks = [torch.linalg.matrix_rank(kernels.select(axis, i), rtol=1e-4).item() for i in range(6)]
        across = [torch.linalg.matrix_rank(kernels.select(1 - axis, i), rtol=1e-4).item() for i in range(6)]
        assert ranks == [1] * 6 and across == [6] * 6
    assert section("order of filtering and mixing")


def test_channels_are_not_the_third_axis():
    clip, picture = torch.randn(1, 3, 8, 9, 10), torch.randn(1, 3, 9, 10)
    flat, deep = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv3d(3, 4, 3)
    assert flat.weight.shape[1:] == (3, 3, 3)  # three extents, two directions
    assert flat(picture).shape == (1, 4, 7, 8) and deep(clip).shape == (1, 4, 6, 7, 8)
    assert section("A 3D convolution slides through")


def test_frames_as_channels_are_a_3d_kernel_as_deep_as_the_clip():
    import torch.nn.functional as F

    clip, weight = torch.randn(2, 1, 8, 6, 7).double(), torch.randn(4, 8, 3, 3).double()
    deep = F.conv3d(clip, weight[:, None])
    assert deep.shape[2] == 1 and torch.allclose(deep[:, :, 0], F.conv2d(clip[:, 0], weight))
    later = clip.roll(1, dims=2)
    assert not torch.allclose(F.conv2d(later[:, 0], weight), deep[:, :, 0])
    assert "one place in time" in section("Frames stacked as channels")


def test_2plus1d_has_the_parameters_of_3d():
    from cnnlab.convolutions import compare_convolutions, mid_channels

    table = compare_convolutions(64, 64, measure=False)
    deep, split = table["3D"], table["(2+1)D"]
    text = section("A (2+1)D convolution is cheaper")
    assert deep.params == split.params and f"{deep.params:,}" in text
    assert deep.macs == split.macs and split.activation_bytes > deep.activation_bytes
    assert f"with {mid_channels(64, 64)} channels" in text
