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
