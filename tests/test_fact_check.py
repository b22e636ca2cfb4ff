"""The numbers on the fact-check page, computed again."""

from __future__ import annotations

import re
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
import torch

from cnnlab.analysis import summarize
from cnnlab.arithmetic import output_size, same_padding, transposed_output_size
from cnnlab.chapters.googlenet.inception_module import MODULES
from cnnlab.convolutions import grid_coverage
from cnnlab.meta import on_meta
from cnnlab.models import create_model
from cnnlab.models.efficientnet import ALPHA, BETA, GAMMA, VARIANTS

PAGE = re.sub(r"\s+", " ", (Path(__file__).parent.parent / "book" / "fact-check.md").read_text(encoding="utf-8"))


def section(claim: str) -> str:
    """What the page says under the heading that holds ``claim``."""
    found = [part for part in PAGE.split("### ")[1:] if claim in part.split("”")[0] or claim in part[:160]]
    assert len(found) == 1, f"{len(found)} rows of the fact check hold {claim!r}"
    return found[0]


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [(25.8, 16.4, 36), (26.2, 16.4, 37), (26.17, 15.32, 41), (28.2, 15.3, 46)],
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


def test_what_is_told_of_alexnet():
    from math import prod

    from cnnlab.data.augment import PCAColor

    counted = {name: summarize(name) for name in ("alexnet_2012", "vgg16", "googlenet")}
    layers = [x for x in counted["alexnet_2012"].layers if x.kind in ("Conv2d", "Linear")]
    neurons = [prod(x.output_shape[1:]) for x in layers]
    text = section("253,440 neurons")
    assert 55 * 48 * 96 == 253_440 and f"{neurons[0]:,}" in text and f"{sum(neurons):,}" in text

    billions = [counted[name].macs / 1e9 for name in counted]
    assert [round(billions[0], 2), round(2 * billions[0], 2), *(round(b, 1) for b in billions[1:])] == [
        *(0.72, 1.45, 15.5, 1.5)
    ]
    assert section("AlexNet takes 1.5 billion FLOPs") and 0.45 < billions[0] / billions[2] < 0.55

    kept = ("Conv2d", "LocalResponseNorm", "MaxPool2d", "Linear")
    outputs = sum(prod(x.output_shape[1:]) for x in counted["alexnet_2012"].layers if x.kind in kept)
    needed = 4 * (3 * counted["alexnet_2012"].params + 128 * (2 * outputs + 3 * 224**2))
    assert f"{needed / 1e9:.1f} GB of {3 * 2**30 / 1e9:.1f}" in section("did not fit into 3 GB")

    text = section("2048 times larger")
    assert f"{2 * (256 - 224 + 1) ** 2:,}" in text and f"{(192 / 224) ** 2:.0%}".replace("%", " %") in text

    color = PCAColor()
    vectors, values = torch.tensor(color.eigenvectors), torch.tensor(color.eigenvalues)
    sizes = [25.5 * (vectors * scale).norm(dim=1).mean() for scale in (values, 255 * values, values.sqrt())]
    assert [round(float(size)) for size in (sizes[0], sizes[2])] == [3, 7]
    assert 750 < sizes[1] < 850 and section("color augmentation")
    assert section("six times faster")


def test_zfnets_width_and_its_bill():
    narrow, wide, alexnet = (summarize(name) for name in ("zfnet", "zfnet_wide", "alexnet_2012"))
    text = section("layers 3 to 5 have 512")
    assert f"{wide.params / 1e6:.1f} million" in text and f"{narrow.params / 1e6:.1f}." in text
    text = section("Smaller kernels made ZFNet")
    assert f"{narrow.macs / 1e6:,.0f} million" in text and f"AlexNet {alexnet.macs / 1e6:.0f}:" in text
    assert f"{narrow.macs / alexnet.macs:.1f} times the work" in text
    assert f"does {wide.macs / alexnet.macs:.1f} times as much" in text


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


def test_googlenet_is_counted_without_and_with_its_heads():
    text = section("GoogLeNet has 5 million")
    whole, alexnet = (summarize(name).params for name in ("googlenet_2014", "alexnet_2012"))
    with on_meta():
        model = create_model("googlenet_2014")
    heads = sum(p.numel() for head in (model.head4a, model.head4d) for p in head.parameters())
    assert f"{whole:,}" in text and f"{whole - heads:,}" in text
    assert f"{alexnet / (whole - heads):.1f} times" in text


def test_inception_v3_is_counted_without_and_with_its_head():
    text = section("Inception v3 has 23 million")
    with on_meta():
        model = create_model("inception_v3")
    whole, head = (sum(p.numel() for p in net.parameters()) for net in (model, model.auxiliary))
    assert f"{whole:,}" in text and f"{whole - head:,}" in text


def test_smoothing_gives_the_right_class_its_share_too():
    text = section("Label smoothing of 0.1")
    for classes in (10, 1000):
        assert f"{0.9 + 0.1 / classes:g} of " in text


def test_shaken_distributions_do_not_take_the_help_of_batch_norm_away():
    """Four times as far in a step, and better than without a norm: with every seed."""
    from cnnlab import recorded

    rows = {(one["norm"], one["lr"]): one for one in recorded("batch_norm")["summary"] if one["batch"] > 2}
    for rate in (0.01, 0.03, 0.1):
        plain, noisy = rows["none", rate], rows["noisy batch norm", rate]
        assert noisy["test_accuracy"]["min"] > plain["test_accuracy"]["max"]
        assert 2.5 < noisy["shift"]["mean"] / plain["shift"]["mean"] < 5


def test_xception_is_smaller_than_inception_v3_and_multiplies_more():
    text = section("The industry standard for efficiency")
    xception, inception = summarize("legacy_xception"), summarize("inception_v3")
    with on_meta():
        head = create_model("inception_v3").auxiliary
    smaller = 1 - xception.params / (inception.params - sum(p.numel() for p in head.parameters()))
    assert f"{xception.params:,}" in text and f"is {smaller:.0%} smaller".replace("%", " %") in text
    assert f"{xception.macs / 1e9:.2f} billion multiply-adds where that takes {inception.macs / 1e9:.2f}" in text


def test_efficientnet_b7_is_not_128_times_b0():
    text = section("EfficientNet-B7 is φ = 7")
    b0, b7 = summarize("efficientnet_b0").macs, summarize("efficientnet_b7").macs
    assert f"takes {b7 / b0:.0f} times B0's" in text and f"{37 / 0.39:.0f} times" in text
    step = ALPHA * BETA**2 * GAMMA**2
    assert f"= {step:.2f} and not 2, so seven make {step**7:.0f}" in text
    own = VARIANTS["efficientnet_b7"]
    phis = (log(own.depth, ALPHA), log(own.width, BETA), log(own.resolution / 224, GAMMA))
    assert "depth it would be φ = {:.1f}, by its width {:.1f}, by its pictures {:.1f}".format(*phis) in text


def test_no_inception_module_squeezes_to_16_before_its_3x3():
    rows = MODULES.values()
    assert min(row[2] for row in rows) == 96 and {row[4] for row in rows} >= {16}
    for channels, _, reduce3x3, c3x3, reduce5x5, c5x5, *_ in rows:
        three = reduce3x3 * (channels + 9 * c3x3)
        assert three > reduce5x5 * (channels + 25 * c5x5), "the 3 x 3 is the dearest branch"


def test_resnet_152_and_vgg_19_are_counted_in_multiply_adds():
    import torchvision

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

    from cnnlab.meta import on_meta
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


def test_separable_layers_never_save_as_many_times_as_the_kernel_has_taps():
    from cnnlab.convolutions import DepthwiseSeparableConv2d, StandardConv2d

    text = section("nine to ten times cheaper")
    for kernel, filters, said in ((3, 5, "3.2-fold"), (3, 512, "8.8-fold"), (5, 100_000, "approach 25")):
        shape = (2, kernel, kernel)
        one = summarize(StandardConv2d(2, filters, kernel, padding=0, bias=False), shape).macs
        two = summarize(DepthwiseSeparableConv2d(2, filters, kernel, padding=0, bias=False), shape).macs
        assert one / two < kernel**2 and said in text
        assert f"{one / two:.1f}" in (said.split("-")[0], "25.0")


def test_mobilenet_with_and_without_separable_layers():
    from cnnlab.convolutions import recorded_latency
    from cnnlab.models.mobilenet_v1 import MobileNetV1, MobileNetV1Variant

    text = section("The loss in accuracy is marginal")
    full = summarize(MobileNetV1(MobileNetV1Variant(width=1.0, separable=False)), (3, 224, 224))
    assert f"{full.macs / 1e6:,.0f} and {summarize('mobilenetv1_100').macs / 1e6:.0f} million" in text
    rows = recorded_latency("standard", "depthwise separable")
    whole, split = rows
    assert f"{whole.macs / split.macs:.1f} times fewer" in text
    assert 1 < whole.cpu.median / split.cpu.median < 7


def test_shares_of_mobilenet():
    text = section("MobileNet spends 95 %")
    network, summary = create_model("mobilenetv1_100"), summarize("mobilenetv1_100")
    macs = {layer.name: layer.macs for layer in summary.layers}
    convolutions = {n: m for n, m in network.named_modules() if isinstance(m, torch.nn.Conv2d)}
    mixing = sum(macs[n] for n, m in convolutions.items() if m.kernel_size == (1, 1))
    full = sum(macs[n] for n, m in convolutions.items() if m.kernel_size == (3, 3) and m.groups == 1)
    assert f"{mixing / summary.macs:.2%}".replace("%", " %") in text
    assert f"{full / summary.macs:.2%}".replace("%", " %") in text


def test_the_inception_branch_with_192_and_with_256_channels():
    from cnnlab.convolutions import worked_examples

    text, examples = section("5 × 5 branch on 28"), worked_examples()
    for name in ("inception", "inception 256", "inception bottleneck", "inception 256 bottleneck"):
        assert f"{examples[name].macs / 1e6:.1f} million" in text.replace(
            "160.6 million. The 120.4", "160.6 million. 120.4"
        )


def test_a_bottleneck_limits_the_rank():
    from skimage import data

    text = section("without losing information")
    torch.manual_seed(0)
    a, b = torch.randn(16, 192).double(), torch.randn(32 * 25, 16).double()
    assert torch.linalg.matrix_rank(b @ a) == 16 and "rank 16 at most" in text
    energy = torch.linalg.svdvals(torch.randn(32 * 25, 192).double()) ** 2
    assert energy[:16].sum() / energy.sum() < 0.2
    photo = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].double()
    blocks = torch.nn.functional.pixel_unshuffle(photo, 8)[0].flatten(1)  # (192, 4096)
    varying = blocks - blocks.mean(1, keepdim=True)
    energy = torch.linalg.svdvals(varying) ** 2
    assert f"the best 16 keep {100 * energy[:16].sum() / energy.sum():.1f} % of the variance" in text
    mixtures = torch.linalg.qr(torch.randn(100, 192, 16).double()).Q
    kept = (mixtures.mT @ varying).square().sum((1, 2)) / varying.square().sum()
    assert abs(kept.mean() - 1 / 12) < 0.02 and "a twelfth on average" in text


def test_an_average_inherits_what_the_layers_before_it_do_to_shifts():
    from torch import nn

    torch.manual_seed(0)
    answers = {}
    for mode in ("zeros", "circular"):
        first, second = (nn.Conv2d(c, 8, 3, padding=1, padding_mode=mode).double() for c in (1, 8))
        net = nn.Sequential(first, nn.ReLU(), nn.MaxPool2d(2), second, nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        x = torch.randn(1, 1, 16, 16).double()
        answers[mode] = [net(x.roll((by, by), (2, 3))).flatten() for by in range(3)]
    still, odd, even = answers["circular"]
    assert torch.allclose(still, even) and not torch.allclose(still, odd)
    assert not torch.allclose(answers["zeros"][0], answers["zeros"][2])
    assert "moved by multiples of its strides" in section("does not care where the object is")


def test_what_an_average_saves_in_vgg_16():
    from torch import nn

    from cnnlab.convolutions import conv_params
    from cnnlab.meta import on_meta

    with on_meta():
        net = create_model("vgg16")
    dense = sum(p.numel() for m in net.modules() if isinstance(m, nn.Linear) for p in m.parameters())
    whole = sum(p.numel() for p in net.parameters())
    text = section("saves millions of parameters")
    assert f"{dense:,} are in its dense layers" in text and f"would have {conv_params(512, 1000, 1):,}" in text
    assert f"saves {(dense - 513_000) // 10**6} of the {whole // 10**6} million" in text


def test_layers_of_separable_steps_have_kernels_of_higher_rank():
    from cnnlab.convolutions import SpatialSeparableConv2d, compose_separable, is_separable, separate

    torch.manual_seed(0)
    layer = SpatialSeparableConv2d(6, 10, 5, mid_channels=4, bias=False).double()
    weight = compose_separable(layer.column.weight, layer.row.weight).detach()  # (10, 6, 5, 5)
    assert torch.linalg.matrix_rank(weight).unique().tolist() == [4]
    assert not any(is_separable(kernel) for kernel in weight.flatten(0, 1))
    assert separate(weight, 4).error < 1e-7 < separate(weight, 3).error
    assert f"all {weight.shape[0] * weight.shape[1]} kernels have rank 4" in section("The kernel must have rank 1")


def test_a_strided_separable_3x3_saves_nothing():
    from cnnlab.convolutions import SpatialSeparableConv2d, StandardConv2d

    macs = {
        (make, stride): summarize(make(64, 64, 3, stride, bias=False), (64, 56, 56)).macs
        for make in (StandardConv2d, SpatialSeparableConv2d)
        for stride in (1, 2)
    }
    assert 3 * macs[SpatialSeparableConv2d, 1] == 2 * macs[StandardConv2d, 1]
    assert macs[SpatialSeparableConv2d, 2] == macs[StandardConv2d, 2]
    assert f"{macs[StandardConv2d, 2]:,} multiplications" in section("A separable 3 × 3")


def test_random_kernels_have_half_of_their_energy_in_rank_1():
    torch.manual_seed(0)
    for kernels in (torch.rand(5000, 5, 5) - 0.5, torch.randn(5000, 5, 5)):
        energy = torch.linalg.svdvals(kernels).square()
        assert 0.5 < energy[:, 0].sum() / energy.sum() < 0.56
    assert "half of its energy" in section("Learned kernels are nearly separable")


def test_sevens_of_inception_v3():
    from cnnlab.meta import on_meta

    with on_meta():
        model = create_model("inception_v3")
    kernels = {name: m.kernel_size for name, m in model.named_modules() if isinstance(m, torch.nn.Conv2d)}
    sizes = {row.name: row.output_shape[2:] for row in summarize("inception_v3").layers if row.output_shape}
    sevens = [name for name, kernel in kernels.items() if 7 in kernel]
    text = section("Inception v3 replaces 5 × 5")
    assert f"all {len(sevens)} layers" in text and {sizes[name] for name in sevens} == {(17, 17)}
    assert {kernels[name] for name in sevens} == {(1, 7), (7, 1)}
    assert {sizes[name] for name, kernel in kernels.items() if kernel in ((1, 3), (3, 1))} == {(8, 8)}


def test_the_lateral_filter_is_the_one_across_channels():
    from cnnlab.convolutions import FlattenedConv2d

    layer = FlattenedConv2d(4, 6, 5)
    assert layer.lateral.weight.shape == (6, 4, 1, 1)
    assert (layer.vertical.weight.shape, layer.horizontal.weight.shape) == ((6, 1, 5, 1), (6, 1, 1, 5))
    assert "comes first" in section("Flattened convolution")


def test_wrong_normalizations_of_a_pretrained_network():
    from cnnlab import recorded
    from cnnlab.weights import find_source

    top1 = {row["way"]: row["top-1"] for row in recorded("preprocessing")["ways"]}
    text = section("normalize with ImageNet's mean")
    right, imagenet, shares, bytes_ = (
        top1[way] for way in ("as it was trained", "ImageNet's mean and std", "pixels 0 to 1", "pixels 0 to 255")
    )
    assert bytes_ < imagenet < shares < right
    assert f"about {imagenet} of 1000 photographs instead of {right}" in text
    assert f"{shares} are right" in text and f"it is {bytes_}" in text
    assert find_source("tf_efficientnet_lite0", "imagenet").mean == (0.5,) * 3
    assert find_source("resnet50", "imagenet").mean == (0.485, 0.456, 0.406)


def test_what_seven_googlenets_brought():
    text = section("Train three to fifteen networks")
    for one, seven in (("10.07", "8.09"), ("7.89", "6.67")):
        assert one in text and seven in text and 1 < float(one) - float(seven) < 2
    assert "18.2 to 16.4" in text


def test_an_average_has_at_most_the_mean_loss_and_is_less_sure():
    assert "the loss of the mean is at most the mean of the losses" in section("Ensembles give better probabilities")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        p = (3 * torch.randn(5, 200, 10)).softmax(2)
    mean = p.mean(0)
    assert (-mean.log() <= (-p.log()).mean(0) + 1e-6).all()
    assert mean.amax(1).mean() < p.amax(2).mean()


def test_where_vgg_keeps_its_parameters_and_its_work():
    text = section("VGG is slow because")
    counted = summarize("vgg16")
    dense = [counted[name] for name in ("fc6", "fc7", "fc8")]
    assert counted.params == 138_357_544 and sum(layer.params for layer in dense) == 123_642_856
    assert "123.6 of the 138.4 million" in text
    assert round(100 * sum(layer.macs for layer in dense) / counted.macs, 1) == 0.8 and "0.8 %" in text


def test_what_is_told_of_densenet():
    from cnnlab import recorded
    from cnnlab.chapters.densenet.memory import kept
    from cnnlab.models import model_info
    from cnnlab.weights import sources

    text = section("ResNets but better")
    macs, memory, params = {}, {}, {}
    for name in ("densenet121", "resnet50"):
        with on_meta():
            model = create_model(name).train()
        counted = summarize(model, (3, 224, 224))
        params[name], macs[name] = counted.params, counted.macs
        memory[name] = kept(model, torch.empty(1, 3, 224, 224, device="meta"))
    share = {key: of["densenet121"] / of["resnet50"] for key, of in (("p", params), ("m", macs), ("k", memory))}
    assert f"{share['p']:.0%} of".replace("%", " %") in text and f"{share['m']:.0%} of".replace("%", " %") in text
    assert f"{share['k']:.1f} times as much" in text
    ms = {row["name"]: row["ours_ms"] for row in recorded("latency")["models"]}
    assert f"{ms['densenet121']:.0f} milliseconds" in text and f"takes {ms['resnet50']:.0f}," in text
    assert f"{sources('resnet50')[0].top1 - sources('densenet121')[0].top1:.1f} points" in text

    layers = model_info("densenet121").variant.layers
    text = section("every layer is connected")
    assert f"{sum(layers) * (sum(layers) + 1) // 2:,}" in text and f"{sum(layers)} layers" in text
    assert f"has {sum(n * (n + 1) // 2 for n in layers)}." in text
    assert 2 * sum(model_info("densenet264").variant.layers) + 5 == 265 and "265" in section("DenseNet-264")
    dear = [64 + j * 32 for j in range(layers[0]) if 64 + j * 32 <= 7.2 * 32]
    assert f"all {len(dear)} layers" in section("A bottleneck saves") and len(dear) == layers[0]


def test_what_gates_add_to_resnet_50():
    from cnnlab.models.resnet import VARIANTS, ResNet

    with on_meta():
        plain = ResNet(replace(VARIANTS["resnet50"], stride_on_1x1=True))
    base, gated = summarize(plain, (3, 224, 224)).macs, summarize("legacy_seresnet50").macs
    blocks = [(3, 256, 56), (4, 512, 28), (6, 1024, 14), (3, 2048, 7)]
    pair = sum(n * 2 * c * c // 16 for n, c, _ in blocks)
    numbers = sum(n * c * side**2 for n, c, side in blocks)
    assert gated - base == pair
    text = section("0.26 % more")
    for share in (3.87 / 3.86 - 1, pair / base, (pair + 2 * numbers) / base):
        assert f"{share:.2%}".replace("%", " %") in text or f"{share:.3%}".replace("%", " %") in text
    single = section("an average, a dense layer")
    assert f"{512**2:,}" in single and f"{2 * 512**2 // 16:,}" in single
    assert f"{sum(n * c * c for n, c, _ in blocks) / 1e6:.1f} million" in single


def test_what_is_told_of_squeezenet():
    alexnet, small, later = (summarize(name) for name in ("alexnet", "squeezenet1_0", "squeezenet1_1"))
    text = section("50x smaller than AlexNet and 3x faster")
    assert f"{small.params:,}" in text and f"{alexnet.params:,}" in text
    assert round(alexnet.params / small.params) == 49 and "a forty-ninth" in text
    assert [round(own.macs / 1e6) for own in (small, alexnet, later)] == [819, 714, 349]
    assert all(f"{million}" in text for million in (819, 714, 349))
    assert round(small.activation_bytes / alexnet.activation_bytes) == 11 and "eleven times" in text
    printed = summarize("squeezenet1_0", (3, 227, 227)).macs / 1e6
    assert round(printed) == 833 and round(2 * printed) == 1665
    assert "833 million" in section("1,700 million multiply-adds") and "1,665 million" in section("1,700 million")
    divided = section("363x (or 510x)")
    assert (round(4.8 / 0.66, 1), round(4.8 / 0.47, 1), round(6.9 / 0.47)) == (7.3, 10.2, 15)
    assert "7.3 and 10.2" in divided


def test_what_a_regnet_takes_beside_an_efficientnet():
    from cnnlab import recorded

    ours = {one["name"]: one["ours_ms"] for one in recorded("latency")["models"]}
    text = section("RegNets are five times")
    assert 504 / 94 > 5 and f"{ours['regnet_x_8gf']:.0f} and {ours['efficientnet_b5']:.0f} for one picture" in text


def test_what_is_told_of_hybrids():
    from cnnlab import recorded, runs_by
    from cnnlab.models.maxvit import RelativeAttention
    from cnnlab.models.metaformer import Attention, SeparableConv

    reached = len({row % 8 for row in range(7)}) / 8  # the grids of a window's rows, where 8 windows fit
    assert f"{reached**2:.0%} of".replace("%", " %") in section("sees the whole picture") and 56 / 7 == 8
    with on_meta():
        full = summarize(Attention(64), (56, 56, 64)).macs
        near = summarize(RelativeAttention(64, 32, 7), (64, 49, 64)).macs
        kernel = summarize(SeparableConv(64), (56, 56, 64)).macs
        counted = [summarize(create_model(f"{name}_s18"), (3, 224, 224)) for name in ("caformer", "convformer")]
    dense = 4 * 56**2 * 64**2
    text = section("Depthwise attention made")
    assert f"{(near - dense) / 1e6:.0f} million" in text and f"{(full - dense) / 1e6:,.0f} million" in text
    assert near == kernel
    attention, convolution = (f"{own.params / 1e6:.1f}" for own in counted)
    assert f"{attention} million parameters in place of {convolution}" in section("ConvFormer has a convolutional stem")

    runs = runs_by(recorded("order_of_stages"), "order", "positions")
    text = section("convolutions have to come first")
    for order in ("C-C-T-T", "T-T-C-C", "C-C-C-C", "T-T-T-T"):
        mean = sum(run["test_accuracy"] for run in runs[order, True]) / 3
        assert f"{100 * mean:.1f}" in text, order


def test_what_is_told_of_design_rules():
    from cnnlab.chapters.design_rules.rules import findings
    from cnnlab.results import recorded, runs_by

    record = recorded("rules")
    found = {(own.rule.kept, own.broken): own for own in findings(record)}

    def gains(kept, broken):
        return [round(100 * gain, 1) for gain in found[kept, broken].gains.values()]

    assert gains("kernels 3, 5, 7", "base") == [-1.0, -1.9, -11.9]
    assert "1.0, 1.9 and 11.9 points" in section("Smaller filters in earlier layers")
    units = section("Two thirds of the inputs")
    least, *_, most = sorted(gains("base", "5 hidden"))
    assert (round(least), round(most)) == (11, 57) and "11 to 57 points" in units
    assert gains("base", "4 x input hidden")[2] == -5.7 and "won 5.7 points" in units
    asked = [(9217 * 7144 + 7145 * 1000), (25089 * 17725 + 17726 * 1000)]
    assert [round(count / 1e6) for count in asked] == [73, 462] and "73 and 462 million" in units
    for name, count in zip(("alexnet", "vgg16"), asked, strict=True):
        assert summarize(name).params < count
    many, few = (runs_by(record, "data", "change")["shapes", name] for name in ("4 x input hidden", "32 hidden"))
    shares = [
        round(100 * sum(run[f"{part}_accuracy"] for run in runs) / len(runs))
        for runs in (many, few)
        for part in ("train", "test")
    ]
    assert shares == [95, 82, 71, 59] and "71 % and 59 %" in section("An excess of hidden nodes")
    first = found["base", "first stride 2"].says
    assert first == {"fashion_mnist": "helps", "cifar10": "harms", "shapes": "helps"}
    pools = found["base", "average pools"]
    assert [*pools.says.values()] == ["helps", "unclear", "helps"]
    assert [round(100 * pools.gains[name]) for name in ("fashion_mnist", "shapes")] == [2, 14]
    assert gains("base", "gray")[1] == 11.5 and found["base", "kernels 4, 4, 4"].verdict == "no difference"

    curve = recorded("how_many_layers")
    shares = {(run["data"], run["kept"], run["layers"]): 100 * run["test_accuracy"]["mean"] for run in curve["summary"]}
    told = section("2 or 3 layers")
    for data in ("fashion_mnist", "cifar10"):
        # Three layers are one network, at equal width and at equal cost.
        costs = {
            layers: share for (name, kept, layers), share in shares.items() if (name, kept) == (data, "equal cost")
        }
        costs[3] = shares[data, "equal width", 3]
        assert max(costs, key=costs.get) == 3
        assert f"{costs[3]:.1f}" in told and f"{costs[9]:.1f}" in told
    widths = {
        layers: share for (name, kept, layers), share in shares.items() if name == "fashion_mnist" and "width" in kept
    }
    assert max(widths, key=widths.get) == 6


def test_what_detectors_compute_twice():
    from cnnlab.detection import iou
    from cnnlab.results import recorded

    macs = recorded("detector_cost")["macs"]
    fast = {n: macs["trunk"] + n * macs["head"] for n in (300, 2000)}
    text = section("Faster R-CNN made the network faster")
    assert f"{fast[300] / 1e9:.1f}" == "17.8" and f"{(fast[300] + macs['rpn']) / 1e9:.1f}" == "18.9"
    assert "18.9 billion MACs" in text and "has 17.8" in text
    text = section("R-CNN ran the network 2,000 times")
    assert f"makes {2000 * macs['whole'] / fast[2000]:.0f} times fewer" in text
    first = next(n for n in range(1, 100) if n * macs["whole"] > macs["trunk"] + n * macs["head"])
    assert f"from {first} proposals on" in text
    square = torch.tensor([0.0, 0, 60, 60])
    moves = [(20, 0), (30, 0), (12, 12)]
    found = [iou(square, square + torch.tensor([x, y] * 2)).item() for x, y in moves]
    text = section("An IoU of 0.5 means")
    assert [round(value, 2) for value in found] == [0.5, 0.33, 0.47] and "0.33" in text and "0.47" in text


def test_class_0_of_torchvisions_detectors_is_nothing():
    from torchvision.models.detection.roi_heads import RoIHeads

    tool = RoIHeads(None, None, None, 0.5, 0.5, 512, 0.25, None, 0.05, 0.5, 100)
    box = torch.tensor([[10.0, 10, 30, 30]])
    _, (taught,) = tool.assign_targets_to_proposals([box], [box], [torch.tensor([0])])
    assert taught.tolist() == [0] and "0 is background" in section("Number your classes from 0")


def test_what_is_told_of_pose():
    from cnnlab import pose
    from cnnlab.models.simple_baselines import VARIANTS, SimpleBaseline
    from cnnlab.results import recorded, runs_by

    with on_meta():
        model = SimpleBaseline(VARIANTS["resnet50"]).eval()
    layers = summarize(model, (3, 256, 192)).layers
    ours = sum(layer.macs for layer in layers if layer.kind in ("Conv2d", "ConvTranspose2d"))
    theirs = ours + 3 * sum(layer.macs for layer in layers if layer.kind == "ConvTranspose2d")
    text = section("8.9 GFLOPs")
    assert f"{ours / 1e9:.2f} billion" in text and f"{theirs / 1e9:.2f} billion" in text
    assert 8.9 < theirs / 2**30 < 9

    points = torch.rand(2000, 1, 2, generator=torch.Generator().manual_seed(0)) * 64 + 32
    maps, _ = pose.heat_maps(points, (32, 32), stride=4, sigma=1.0)
    off = {
        way: pose.distances(pose.decode(maps, stride=4, method=way).points, points).mean().item()
        for way in ("argmax", "taylor")
    }
    assert f"{off['argmax']:.1f} pixels off" in section("as precise as its cells") and off["taylor"] < 1e-3

    runs = runs_by(recorded("mirrored_joints"), "way")
    means = {way: sum(run["twins"] for run in each) / len(each) for way, each in runs.items()}
    text = section("Mirrored pictures are free")
    assert f"{means['names exchanged']:.1f} pixels off in place of {means['no flips']:.1f}" in text
    assert f"names kept, {means['names kept']:.1f}" in text


@torch.no_grad()
def test_what_is_read_where_nothing_is_written():
    from cnnlab.chapters.lenet.lenet_live import trained
    from cnnlab.results import recorded

    text = section("Softmax says how sure")
    kept = [run for run in recorded("lenet_live")["results"] if "weights" in run]
    for run in kept:
        empty = torch.full((1, 1, 28, 28), -run["mean"][0] / run["std"][0])
        share, digit = trained(run["model"])(empty).softmax(dim=1)[0].max(dim=0)
        assert (
            f"{100 * run['rounded_test_accuracy']:.1f} %" in text
            and f"says “{digit}” with {share:.0%}".replace("%", " %") in text
        )


def test_what_is_told_of_segmentation():
    from torch import nn

    from cnnlab import segmentation
    from cnnlab.chapters.segmentation.exercises import answered, dice
    from cnnlab.data.shapes import draw_shapes
    from cnnlab.models import unet3d
    from cnnlab.results import recorded

    assert answered(572, 4) == 388 and "388 of 572" in section("as large as the picture")
    assert f"a Dice of {dice(0.5):.3f}" in section("stricter than Dice")
    drawn = draw_shapes(64, 48, 1, objects=(2, 4), classes=("circle", "bar"), scale=(0.3, 0.45))
    count = int((drawn.object_labels >= 0).sum())
    classes = (drawn.masks * (drawn.object_labels + 1)[:, :, None, None]).amax(1)
    pieces = sum(int(segmentation.components(one == k, smallest=8).max()) for one in classes for k in (1, 2))
    assert f"Of {count} circles" in section("contains the objects") and f"give {pieces}." in section("contains the obj")
    with torch.device("meta"):
        model = unet3d.UNet3d(unet3d.PUBLISHED)
    normalizing = sum(p.numel() for m in model.modules() if isinstance(m, nn.BatchNorm3d) for p in m.parameters())
    rest = sum(p.numel() for p in model.parameters()) - normalizing
    assert f"{rest:,}" in PAGE and f"adds {normalizing:,}" in section("3D U-Net has")
    record = {
        (row["skips"], row["up"], row["pictures"], row["augment"]): row["boundary_iou"]["mean"]
        for row in recorded("nuclei")["summary"]
        if not row["border"]
    }
    told = [record[skips, up, 8, "elastic"] for skips in (True, False) for up in ("transposed", "bilinear")]
    text = section("A learned up-convolution draws")
    assert f"{told[0]:.2f} and {told[1]:.2f}" in text and f"{told[2]:.2f} against {told[3]:.2f}" in text
    text = section("Elastic deformation is")
    for count in (2, 8):
        plain, turned, bent = (record[True, "transposed", count, way] for way in ("none", "turns", "elastic"))
        assert f"from {plain:.2f} to {turned:.2f}" in text and bent < turned


def test_what_is_told_of_eight_bits():
    from cnnlab import recorded

    record = recorded("eight_bits")
    rows = {row["form"].removeprefix("onnx: "): row for row in record["rows"]}
    kept = {form: round(100 * row["agree"] / record["pictures"]) for form, row in rows.items()}
    assert (kept["per channel"], kept["per tensor"]) == (96, 86) and record["pictures"] == 300
    for form in ("per channel", "per tensor"):
        assert rows[form]["agree by probability"][-1] == rows[form]["of so many"][-1]
    assert section("Eight bits cost a percent or two") and section("leave them as floats")
    plain, floats = kept["per tensor"], "per tensor, depthwise stay floats"
    assert abs(kept[floats] - plain) <= 1 and kept[f"{floats}, loaded as well"] > plain + 5
    times = ("per channel", "per tensor", "float", "per channel, unsigned")
    assert [round(rows[form]["processor ms"]) for form in times] == [4, 9, 9, 40]
    assert "4, 9, 9 and 40" in section("Int8 is faster")
    one, noise = (kept[f"per channel, ranges of {what}"] for what in ("1 picture", "noise"))
    assert abs(one - kept["per channel"]) <= 1 and noise < one - 5
    assert section("Calibrate with as many")


def test_what_is_told_of_the_limits():
    from cnnlab import recorded
    from cnnlab.results import runs_by

    means = {
        key: [sum(column) / len(runs) for column in zip(*(run["right_by_distance"] for run in runs), strict=True)]
        for key, runs in runs_by(recorded("far_apart"), "trained on", "network").items()
    }
    assert section("CNNs cannot relate distant things")
    assert max(means["all", "small"][2:]) < 0.6
    assert min(min(means["all", name]) for name in ("deep", "dilated", "attention")) > 0.98
    assert max(means["near", name][-1] for name in ("deep", "dilated")) < 0.75 and means["near", "attention"][-1] > 0.95

    record = recorded("pretrained_limits")
    pushed = {way: next(row for row in rows if row["by"] == 1) for way, rows in record["ways"].items() if "sign" in way}
    start = record["plain"]["right"]
    assert section("Networks are robust to noise")
    assert pushed["coin's sign"]["right"] > 0.95 * start and pushed["gradient's sign"]["right"] < 0.4 * start
    both = next(row for row in record["two pictures"] if row["by"] == 8)
    assert both["fine"] > 3 * both["coarse"] and section("CNNs recognize shapes")


def test_what_is_told_of_parts_taken_out():
    from cnnlab import recorded
    from cnnlab.results import runs_by

    runs = runs_by(recorded("look_inside"), "model")
    text = section("lose any of its blocks")
    without = {name: [run["without"].items() for run in runs[name]] for name in ("ResNet", "plain")}
    residual = [(block, share) for own in without["ResNet"] for block, share in own]
    later = [share for block, share in residual if not block.endswith(".0")]
    first = [share for block, share in residual if block.endswith(".0")]
    plain = [share for own in without["plain"] for _, share in own]
    for shares, told in ((later, "{} to {} %"), (first, "{} to {};"), (plain, "{} to {}, whichever")):
        assert told.format(round(100 * min(shares)), round(100 * max(shares))) in text

    text = section("learns which filter size")
    lost = {}
    for branch in ("conv3x3", "conv1x1", "conv5x5", "pool"):
        each = [
            run["whole"] - share
            for run in runs["GoogLeNet"]
            for name, share in run["without"].items()
            if name.endswith(branch)
        ]
        lost[branch] = sum(each) / len(each)
    most, next_most, *least = (round(100 * share) for share in lost.values())
    assert f": {most} points" in text and f", {next_most} without" in text
    assert "{} and {} without the".format(*least) in text


def test_what_is_told_of_a_mobilenets_last_bits():
    from cnnlab import recorded
    from cnnlab.chapters.resnet.taken_apart import trained
    from cnnlab.chapters.shipping.folding import folded
    from cnnlab.results import runs_by

    runs = runs_by(recorded("look_inside"), "model")["MobileNet"]
    mean = {
        (per, bits): sum(run["rounded"][per][bits] for run in runs) / len(runs)
        for per in ("tensor", "channel")
        for bits in ("4", "6", "8")
    }
    whole = sum(run["whole"] for run in runs) / len(runs)
    text = section("MobileNets break at eight bits")
    assert all(mean[per, "8"] > whole - 0.01 and mean[per, "6"] > whole - 0.01 for per in ("tensor", "channel"))
    assert f"{100 * mean['tensor', '4']:.0f} % with one scale a layer and {100 * mean['channel', '4']:.0f} with" in text

    def spread(model):
        steps = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d) and m.groups > 1]
        largest = [step.weight.detach().abs().amax((1, 2, 3)) for step in steps]
        ratios = [float(each.max() / each.median()) for each in largest]
        return min(ratios), max(ratios)

    lite = folded(create_model("tf_efficientnet_lite0", weights="imagenet").eval())
    assert "{:.1f} to {:.1f} times the middle".format(*spread(trained("MobileNet"))) in text
    assert "Lite0's {:.0f} to {:.0f} times".format(*spread(lite)) in text


def test_what_is_told_of_the_race():
    from cnnlab import recorded
    from cnnlab.chapters.zoo.race import CLAIMS, REGISTERED, year
    from cnnlab.explain import rank_correlation
    from cnnlab.results import runs_by

    record = recorded("race")
    runs = runs_by(record, "family")
    mean = {name: sum(run["test_accuracy"] for run in own) / len(own) for name, own in runs.items()}
    assert set(runs) == set(REGISTERED) and record["complete"] and record["seeds"] == [0, 1, 2]
    text = section("The newer architecture is")
    kept = sum(mean[claim.better] > mean[claim.worse] for claim in CLAIMS)
    assert f"{len(mean)} families" in text and f"{kept} of {len(CLAIMS)} such orders hold" in text
    assert f"{record['planned']} trainings" in text
    first, last = max(mean, key=mean.get), min(mean, key=mean.get)
    assert f"{first} comes in first and {last} last" in text
    ranks = rank_correlation(torch.tensor([mean[name] for name in mean]), torch.tensor([year(name) for name in mean]))
    assert f"{ranks:.2f}".replace("-", "−") in text
    budget = record["settings"]
    assert f"{budget['epochs'] * -(-budget['train_images'] // budget['batch_size'])} steps" in text
    longer = runs_by(recorded("longer_race"), "family")
    gap = {
        name: [sum(run["test_accuracy"] for run in own[name]) / len(own[name]) for own in (runs, longer)]
        for name in longer
    }
    apart = [
        [round(100 * (gap[a][i] - gap[b][i])) for i in (0, 1)] for a, b in (("VGG", "ResNet"), ("ResNet", "ConvNeXt"))
    ]
    assert "VGG's lead over ResNet goes from {} points to {}".format(*apart[0]) in text
    assert "ConvNeXt's distance from {} to {}".format(*apart[1]) in text
