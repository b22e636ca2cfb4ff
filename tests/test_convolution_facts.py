"""What the convolutions are said to be: sizes, separability, who sees whom, checkerboards, errors and costs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import cnnlab.convolutions as lib
from cnnlab import arithmetic, summarize
from cnnlab.convolutions.cost import bytes_moved

pytestmark = pytest.mark.usefixtures("one_thread")


def examples(count: int) -> settings:
    return settings(max_examples=count, deadline=None, derandomize=True, database=None)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- sizes and formulas ----------------------------------------------------------------------------------------------


@examples(300)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 5), st.integers(0, 4), st.integers(1, 3))
def test_transposed_output_size_is_what_torch_gives(n: int, k: int, s: int, p: int, more: int, d: int) -> None:
    try:
        expected = F.conv_transpose1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), None, s, p, more, 1, d).shape[-1]
    except RuntimeError:
        expected = 0
    if expected < 1:
        with pytest.raises(ValueError, match="padding="):
            arithmetic.transposed_output_size(n, k, s, p, more, d)
        return
    size = arithmetic.transposed_output_size(n, k, s, p, more, d)
    assert size == expected == lib.show_transposed_output_size(n, k, s, p, more, d).value
    if more < s and size + 2 * p >= arithmetic.extent(k, d):
        assert arithmetic.output_size(size, k, s, p, d) == n


def test_formulas_show_their_numbers() -> None:
    shown = lib.show_output_size(28, 5, stride=2, padding=2, dilation=1)
    assert shown.value == int(shown) == lib.output_size(28, 5, 2, 2) == 14
    assert "(28 + 2*2 - 1*(5 - 1) - 1) / 2" in repr(shown)
    assert str(shown).endswith("= 14")
    layers = [(7, 2), (3, 2), (3,), (3, 1, 2)]
    seen = lib.show_receptive_field(layers)
    assert seen.value == lib.receptive_field_of(layers)[-1][0]
    assert len(seen.lines) == 5
    assert "2*(3 - 1)*4" in seen.lines[-1]
    for formula in (shown, seen, lib.show_transposed_output_size(7, 4, 2, 1)):
        latex = formula._repr_latex_()
        assert latex.startswith("$$")
        assert latex.count("{") == latex.count("}")
    with pytest.raises(ValueError, match=r"layers\[1\]"):
        lib.show_receptive_field([(3,), (3, 1, 1, 1)])


def test_doctests() -> None:
    tried = 0
    for found in pkgutil.iter_modules(lib.__path__):
        failed, attempted = doctest.testmod(importlib.import_module(f"cnnlab.convolutions.{found.name}"))
        assert failed == 0, found.name
        tried += attempted
    assert tried >= 10


def test_public_names() -> None:
    modules = {found.name for found in pkgutil.iter_modules(lib.__path__)}
    assert not modules & set(lib.__all__)  # an imported module would hide the function of its name
    for name in lib.__all__:
        assert getattr(lib, name).__doc__, name
    code = "import sys, cnnlab.convolutions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- separability ----------------------------------------------------------------------------------------------------

SOBEL = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
LAPLACE = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])


@examples(100)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 10_000))
def test_product_of_column_and_row_is_separable(height: int, width: int, seed: int) -> None:
    column, row = normal(height, seed=seed), normal(width, seed=seed + 1)
    kernel = column[:, None] * row
    assert lib.is_separable(kernel)
    assert lib.is_separable(kernel.float())
    found = lib.best_rank1(kernel)
    assert found.error < 1e-12
    torch.testing.assert_close(found.column[:, None] * found.row, kernel)
    assert found.column[found.column.abs().argmax()] > 0
    assert lib.is_separable(normal(height, width, seed=seed + 2)) == (min(height, width) == 1)


@examples(100)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 10_000))
def test_best_rank1_is_best(height: int, width: int, seed: int) -> None:
    kernel = normal(height, width, seed=seed)
    found = lib.best_rank1(kernel)
    error = (kernel - found.column[:, None] * found.row).norm() / kernel.norm()
    torch.testing.assert_close(found.error, error)
    for other in range(5):  # a random row, with the column that suits it best
        row = normal(width, seed=seed + other)
        column = kernel @ row / (row @ row)
        assert (kernel - column[:, None] * row).norm() / kernel.norm() >= error - 1e-12


@examples(60)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 10_000))
def test_separate_is_the_best_pair_of_layers(k: int, c: int, height: int, width: int, seed: int) -> None:
    weight = normal(k, c, height, width, seed=seed)
    most, before = min(c * height, k * width), 2.0
    for mid in range(1, most + 1):
        column, row, error = lib.separate(weight, mid)
        assert column.shape == (mid, c, height, 1) and row.shape == (k, mid, 1, width)
        found = (weight - lib.compose_separable(column, row)).norm() / weight.norm()
        torch.testing.assert_close(error, found, atol=1e-7, rtol=0)
        assert found < before + 1e-12
        before = float(found)
        other = normal(k, mid, 1, width, seed=seed + 1)  # random rows, with the columns that suit them best
        a, b = other[:, :, 0].permute(0, 2, 1).reshape(-1, mid), weight.permute(0, 3, 1, 2).reshape(k * width, -1)
        assert (b - a @ torch.linalg.lstsq(a, b).solution).norm() / weight.norm() >= found - 1e-9
    assert found < 1e-7
    if k == c == 1:
        torch.testing.assert_close(lib.separate(weight, 1).error, lib.best_rank1(weight[0, 0]).error)


def test_a_separable_layer_is_not_bound_to_separable_kernels() -> None:
    weight = lib.compose_separable(normal(3, 4, 5, 1), normal(6, 3, 1, 5, seed=1))  # M = 3
    assert torch.linalg.matrix_rank(weight).unique().tolist() == [3]
    assert torch.linalg.matrix_rank(weight.permute(1, 2, 0, 3).reshape(20, 30)) == 3
    assert lib.separate(weight, 3).error < 1e-7 < 1e-2 < lib.separate(weight, 2).error


def test_separability_of_known_kernels() -> None:
    line = torch.arange(-2.0, 3.0)
    distance = line[:, None] ** 2 + line**2
    for kernel in (SOBEL, SOBEL.T, SOBEL.long(), torch.ones(5, 5), torch.exp(-distance / 2), torch.zeros(3, 3)):
        assert lib.is_separable(kernel)
    for kernel in (LAPLACE, LAPLACE.long(), torch.eye(3), (distance < 5).float()):
        assert not lib.is_separable(kernel)
    found = lib.best_rank1(torch.stack([SOBEL, LAPLACE, torch.zeros(3, 3)]))
    assert found.column.shape == found.row.shape == (3, 3)
    assert found.error[0] < 1e-6
    assert found.error[1] == pytest.approx((6**0.5 - 2) / 20**0.5)  # singular values sqrt(6) + 2 and sqrt(6) - 2
    assert found.error[2] == 0
    torch.testing.assert_close(found.column[0] / found.column[0, 0], torch.tensor([1.0, 2.0, 1.0]))


# --- who sees whom ---------------------------------------------------------------------------------------------------


def reaches(network: nn.Module, channels: int) -> Tensor:
    """Which input channel moves each output channel, by the gradient. Shape: -> (K, C)."""
    x = normal(1, channels, 3, 3).float().requires_grad_()
    y = network(x).mean(dim=(2, 3))[0]
    return torch.stack([torch.autograd.grad(one, x, retain_graph=True)[0][0].abs().sum((1, 2)) > 0 for one in y])


@pytest.mark.parametrize(("c", "k", "groups"), [(6, 4, 2), (4, 4, 4), (6, 9, 3), (5, 3, 1)])
def test_connections_are_what_gradients_find(c: int, k: int, groups: int) -> None:
    assert torch.equal(lib.connections(c, k, groups), reaches(lib.GroupedConv2d(c, k, groups), c))


def test_only_a_shuffle_crosses_groups() -> None:
    first, second = lib.GroupedConv2d(8, 8, 2, kernel=1), lib.GroupedConv2d(8, 8, 2, kernel=1)
    assert torch.equal(reaches(nn.Sequential(first, second), 8), lib.connections(8, 8, 2))
    assert reaches(nn.Sequential(first, lib.ChannelShuffle(2), second), 8).all()
    wires, order = lib.connections(8, 8, 2).int(), lib.shuffled_order(8, 2)
    assert (wires @ wires[order] > 0).all()
    assert not (wires @ wires > 0).all()
    x = torch.arange(24.0).reshape(1, 24, 1)
    for groups in (1, 2, 3, 4, 6, 8, 12, 24):
        assert torch.equal(lib.shuffle_channels(lib.shuffle_channels(x, groups), 24 // groups), x)


@pytest.mark.parametrize("dilations", [(1,), (2, 2), (1, 2, 5), (3, 1), ((1, 2), (2, 3))])
def test_grid_coverage_is_the_gradient_of_a_stack_of_ones(dilations: tuple) -> None:
    ways = lib.grid_coverage(3, dilations)
    stack = nn.Sequential(*(lib.DilatedConv2d(1, 1, 3, d, padding=0, bias=False) for d in dilations))
    for module in stack:
        nn.init.ones_(module.weight)
    x = torch.zeros(1, 1, *ways.shape, requires_grad=True)
    y = stack(x)
    assert y.shape == (1, 1, 1, 1)
    y.sum().backward()
    assert torch.equal(x.grad[0, 0].long(), ways)
    assert summarize(stack, (1, *ways.shape)).layers[0].receptive_field.size == tuple(ways.shape)


def test_gridding() -> None:
    same = lib.grid_coverage(3, (2, 2, 2))
    assert same.shape == (13, 13)
    assert int(same.sum()) == 9**3
    assert int((same > 0).sum()) == 7 * 7  # every second pixel of every second row
    assert (lib.grid_coverage(3, (1, 2, 4)) > 0).all()
    assert (lib.grid_coverage(3, (1, 2, 5)) > 0).all()  # Wang et al. 2018, section 3.2: (1, 2, 5) leaves no hole,
    assert not (lib.grid_coverage(3, (1, 2, 9)) > 0).all()  # (1, 2, 9) does


# --- transposed convolutions -----------------------------------------------------------------------------------------


@examples(100)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 6), st.integers(0, 1))
def test_overlap_counts_are_stamps_of_ones(kernel: int, stride: int, size: int, padding: int) -> None:
    if stride * (size - 1) + kernel > 2 * padding:
        counts = lib.overlap_counts(kernel, stride, size, padding)
        ones = torch.ones(1, 1, size, size)
        stamped = F.conv_transpose2d(ones, torch.ones(1, 1, kernel, kernel), stride=stride, padding=padding)
        assert torch.equal(counts, stamped[0, 0].long())


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_overlap_is_even_if_the_stride_divides_the_kernel(kernel: int, stride: int) -> None:
    inside = lib.overlap_counts(kernel, stride, size=12)[kernel:-kernel, kernel:-kernel]
    assert (len(inside.unique()) == 1) == (kernel % stride == 0)


def test_checkerboard_and_its_remedy() -> None:
    flat = torch.ones(1, 1, 10, 10)
    stamps, resized = lib.TransposedConv2d(1, 1, 3, 2, bias=False), lib.ResizeConv2d(1, 1, 3, 2, bias=False)
    nn.init.ones_(stamps.weight)
    nn.init.ones_(resized.conv.weight)
    assert stamps(flat)[..., 4:-4, 4:-4].unique().tolist() == [1, 2, 4]
    assert resized(flat)[..., 4:-4, 4:-4].unique().tolist() == [9]


@examples(60)
@given(st.data(), st.integers(1, 3), st.integers(1, 3), st.integers(0, 10_000))
def test_transposed_is_the_transpose(data: st.DataObject, c: int, k: int, seed: int) -> None:
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = data.draw(pair), data.draw(pair), data.draw(pair)
    padding = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    least = [max(1, arithmetic.extent(n, d) - 2 * p) for n, d, p in zip(kernel, dilation, padding)]
    size = tuple(data.draw(st.integers(n, n + 4)) for n in least)
    x, weight = normal(2, c, *size, seed=seed), normal(k, c, *kernel, seed=seed + 1)
    matrix = lib.convolution_matrix(weight, size, stride, padding, dilation)
    y = lib.standard_conv2d(x, weight, None, stride, padding, dilation)
    torch.testing.assert_close(x.flatten(1) @ matrix.T, y.flatten(1))
    # Of the sizes that shrink to y's, output_padding chooses x's.
    more = []
    for n, out, a, s, p, d in zip(size, y.shape[2:], kernel, stride, padding, dilation):
        more.append(n - (s * (out - 1) - 2 * p + arithmetic.extent(a, d)))
    back = lib.transposed_conv2d(y, weight, None, stride, padding, more, dilation=dilation)
    torch.testing.assert_close(back.flatten(1), y.flatten(1) @ matrix)


def test_inserted_zeros() -> None:
    x = torch.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    spread = lib.insert_zeros(x, (2, 3))
    assert spread.shape == (1, 1, 3, 7)
    assert torch.equal(spread[:, :, ::2, ::3], x)
    assert spread.count_nonzero() == 6
    assert torch.equal(lib.insert_zeros(x, 1), x)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_bilinear_kernel_is_interpolation(factor: int) -> None:
    x, kernel = normal(1, 1, 5, 6), lib.bilinear_kernel(factor)[None, None]
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    larger = lib.transposed_conv2d(x, kernel, None, factor, factor // 2)
    assert larger.shape == expected.shape
    inside = (..., slice(factor, -factor), slice(factor, -factor))
    torch.testing.assert_close(larger[inside], expected[inside])
    repeated = lib.transposed_conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, None, factor, factor // 2)
    torch.testing.assert_close(repeated[inside], expected)  # the border too, where the border is repeated


# --- other identities ------------------------------------------------------------------------------------------------


def test_dense_layers_in_disguise() -> None:
    """A 1x1 convolution is a dense layer at every pixel; it and global average pooling may change places."""
    x, weight, bias = normal(2, 5, 3, 4), normal(7, 5, seed=1), normal(7, seed=2)
    y = lib.pointwise_conv2d(x, weight[:, :, None, None], bias)
    torch.testing.assert_close(y, F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2))
    torch.testing.assert_close(lib.global_average_pool(y), F.linear(lib.global_average_pool(x), weight, bias))
    whole = torch.full((5, 1, 3, 4), 1 / 12, dtype=torch.float64)
    torch.testing.assert_close(lib.depthwise_conv2d(x, whole).flatten(1), lib.global_average_pool(x))


def test_effective_kernel() -> None:
    weight = normal(2, 3, 3, 2)
    kernel = lib.effective_kernel(weight, (2, 3))
    assert kernel.shape == (2, 3, 5, 4)
    assert torch.equal(kernel[..., ::2, ::3], weight)
    assert kernel.count_nonzero() == weight.numel()
    assert torch.equal(lib.effective_kernel(weight, 1), weight)


@examples(50)
@given(st.integers(1, 64), st.integers(1, 64), st.sampled_from([1, 3, (3, 5, 5), (1, 3, 3)]))
def test_mid_channels_match_the_parameters_of_3d(c: int, k: int, kernel: Any) -> None:
    time, height, width = (kernel,) * 3 if isinstance(kernel, int) else kernel
    whole = arithmetic.conv_params(c, k, (time, height, width), bias=False)
    each = height * width * c + time * k
    middle = lib.mid_channels(c, k, kernel)
    assert 0 <= whole - middle * each < each or (middle == 1 and whole < each)


def test_mid_channels_are_torchvisions() -> None:
    from torchvision.models.video.resnet import Conv2Plus1D, r2plus1d_18

    with torch.device("meta"):
        network = r2plus1d_18()
    first_of_block = [m.conv1[0] for m in network.modules() if hasattr(m, "conv1")]
    assert len(first_of_block) == 8
    for block in first_of_block:
        assert isinstance(block, Conv2Plus1D)
        assert block[0].out_channels == lib.mid_channels(block[0].in_channels, block[3].out_channels)


# --- what is refused -------------------------------------------------------------------------------------------------

X = torch.zeros(1, 4, 5, 5)
W = torch.zeros(6, 4, 3, 3)
BACK = torch.zeros(4, 6, 3, 3)
LATERAL, VERTICAL, HORIZONTAL = torch.zeros(6, 4, 1, 1), torch.zeros(6, 1, 3, 1), torch.zeros(6, 1, 1, 3)
CLIP = torch.zeros(1, 2, 4, 5, 5)

# what is wrong -> (the attempt, what the message must say)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no batch": (lambda: lib.standard_conv2d(X[0], W), r"x has shape \(4, 5, 5\); give a batch \(N, C, H, W\)"),
    "empty": (lambda: lib.standard_conv2d(X[:, :, :0], W), r"x has shape \(1, 4, 0, 5\).*1 or more"),
    "flat": (lambda: lib.global_average_pool(torch.zeros(2, 3)), r"x has shape \(2, 3\).*give \(N, C, H, W\)"),
    "whole numbers": (lambda: lib.global_average_pool(X.long()), r"x is torch.int64.*x.float\(\)"),
    "channels": (lambda: lib.standard_conv2d(X, W[:, :3]), r"weight has shape \(6, 3, 3, 3\).*C / groups.*\(any, 4"),
    "channels, by loops": (lambda: lib.conv2d_loops(X, W[:, :3]), r"weight has shape \(6, 3, 3, 3\)"),
    "axes of the weight": (lambda: lib.standard_conv2d(X, W[0]), r"weight has shape \(4, 3, 3\)"),
    "bias": (lambda: lib.standard_conv2d(X, W, torch.zeros(5)), r"bias has shape \(5,\).*\(K,\) = \(6\)"),
    "type": (lambda: lib.standard_conv2d(X, W.double()), r"weight is torch.float64.*weight.to\(x.dtype\)"),
    "kernel too large": (
        lambda: lib.standard_conv2d(X, torch.zeros(6, 4, 3, 7)),
        r"width: kernel=7 does not fit into size=5 with padding=0.*input of at least 7, a padding of at least 1",
    ),
    "holes too large": (lambda: lib.dilated_conv2d(X, W, dilation=3), r"height: kernel=3 with dilation=3"),
    "stride": (lambda: lib.standard_conv2d(X, W, stride=0), r"stride=0 is too small; stride must be 1 or more"),
    "negative stride": (lambda: lib.standard_conv2d(X, W, stride=(1, -1)), r"stride=\(1, -1\) is too small"),
    "padding": (lambda: lib.standard_conv2d(X, W, padding=-1), r"padding=-1 is too small; padding must be 0"),
    "dilation": (lambda: lib.standard_conv2d(X, W, dilation=0), r"dilation=0 is too small"),
    "three strides": (lambda: lib.standard_conv2d(X, W, stride=(1, 1, 1)), r"stride=\(1, 1, 1\).*2 of them"),
    "half a stride": (lambda: lib.standard_conv2d(X, W, stride=1.5), r"stride=1.5 is not understood"),
    "1x1": (lambda: lib.pointwise_conv2d(X, W), r"weight has shape \(6, 4, 3, 3\).*\(any, 4, 1, 1\)"),
    "column": (lambda: lib.spatial_separable_conv2d(X, W, W), r"column has shape.*\(M, C, height, 1\)"),
    "row": (
        lambda: lib.spatial_separable_conv2d(X, W[..., :1], W[:, :, :1]),
        r"row has shape \(6, 4, 1, 3\).*\(K, M, 1, width\) = \(any, 6, 1, any\)",
    ),
    "kernel's axes": (lambda: lib.best_rank1(torch.ones(3)), r"kernel has shape \(3,\); give \(height, width\)"),
    "whole kernel": (lambda: lib.best_rank1(SOBEL.long()), r"kernel is torch.int64.*kernel.double\(\)"),
    "weight's axes": (lambda: lib.separate(SOBEL, 1), r"shape \(3, 3\); give floating-point \(K, C, height, width\)"),
    "too many between": (
        lambda: lib.separate(W, 13),
        r"mid_channels=13 is out of range;.* exact with 12, so use 1 to 12",
    ),
    "two kernels": (lambda: lib.is_separable(torch.ones(2, 3, 3)), r"shape \(2, 3, 3\).*best_rank1"),
    "lateral": (lambda: lib.flattened_conv2d(X, W, VERTICAL, HORIZONTAL), r"lateral has shape"),
    "vertical": (lambda: lib.flattened_conv2d(X, LATERAL, W, HORIZONTAL), r"vertical has shape.*\(6, 1, any, 1\)"),
    "horizontal": (lambda: lib.flattened_conv2d(X, LATERAL, VERTICAL, W), r"horizontal has shape.*\(6, 1, 1, any\)"),
    "biases": (
        lambda: lib.flattened_conv2d(X, LATERAL, VERTICAL, HORIZONTAL, (X, X)),
        "biases holds 2 tensors; give three",
    ),
    "depthwise": (lambda: lib.depthwise_conv2d(X, W[:, :1]), r"groups=4 does not divide out_channels=6.*: 1, 2\."),
    "groups": (
        lambda: lib.grouped_conv2d(X, W, groups=3),
        r"groups=3 does not divide in_channels=4.*in_channels=4 and out_channels=6: 1, 2\.",
    ),
    "no groups": (lambda: lib.grouped_conv2d(X, W, groups=0), "groups=0 is too small"),
    "connections": (lambda: lib.connections(4, 6, 4), "groups=4 does not divide out_channels=6"),
    "shuffle": (lambda: lib.shuffle_channels(X, 3), r"groups=3 does not divide channels=4.*: 1, 2, 4\."),
    "nothing to shuffle": (lambda: lib.shuffle_channels(X[0, 0, 0], 1), r"x has shape \(5,\)"),
    "effective size": (lambda: lib.effective_kernel(3, 2), r"weight is 3;.*extent\(kernel, dilation\)"),
    "no layers": (lambda: lib.grid_coverage(3, ()), "dilations is empty"),
    "transposed": (lambda: lib.transposed_conv2d(X, W), r"weight has shape \(6, 4, 3, 3\).*\(4, any"),
    "output padding": (
        lambda: lib.transposed_conv2d(X, BACK, stride=2, output_padding=2),
        r"height: output_padding=2 is not below stride=2 or dilation=1.*at most 1",
    ),
    "output padding by insertion": (
        lambda: lib.transposed_by_insertion(X, BACK, output_padding=(0, 1)),
        r"width: output_padding=1 is not below stride=1",
    ),
    "nothing left": (
        lambda: lib.transposed_conv2d(X, BACK, padding=4),
        r"height: padding=4 cuts 8 pixels off an output of 7.*at most 3",
    ),
    "insertion": (lambda: lib.insert_zeros(X, 0), "stride=0 is too small"),
    "negative size": (lambda: lib.overlap_counts(3, 2, size=-1), "size=-1 is too small"),
    "size": (lambda: lib.show_output_size(-5, 3), "size=-5 is too small; size must be 1 or more"),
    "factor": (lambda: lib.bilinear_kernel(0), "factor=0 is too small"),
    "image for a clip": (lambda: lib.standard_conv3d(X, W), r"x has shape.*give a batch \(N, C, T, H, W\)"),
    "flat kernel for a clip": (lambda: lib.standard_conv3d(CLIP, W), r"weight has shape \(6, 4, 3, 3\)"),
    "time": (lambda: lib.standard_conv3d(CLIP, torch.zeros(3, 2, 5, 3, 3)), r"time: kernel=5 does not fit into size=4"),
    "spatial": (
        lambda: lib.space_time_conv3d(CLIP, torch.zeros(3, 2, 3, 3, 3), torch.zeros(4, 3, 3, 1, 1)),
        r"spatial has shape \(3, 2, 3, 3, 3\)",
    ),
    "temporal": (
        lambda: lib.space_time_conv3d(CLIP, torch.zeros(3, 2, 1, 3, 3), torch.zeros(4, 2, 3, 1, 1)),
        r"temporal has shape \(4, 2, 3, 1, 1\)",
    ),
    "layer: groups": (lambda: lib.GroupedConv2d(4, 6, 3), "groups=3 does not divide in_channels=4"),
    "layer: even kernel": (lambda: lib.StandardConv2d(4, 6, 4), r"kernel=4 with dilation=1.*odd kernel"),
    "layer: even kernel, and what to do": (lambda: lib.StandardConv2d(4, 6, 4), 'Or padding="same"'),
    "layer: same with a stride": (lambda: lib.StandardConv2d(4, 6, 3, 2, "same"), r"stride=\(2, 2\).*use stride=1"),
    "same with a stride": (lambda: lib.standard_conv2d(X, W, None, 2, "same"), r"stride=\(2, 2\).*use stride=1"),
    "another word": (lambda: lib.standard_conv2d(X, W, None, 1, "full"), """padding='full'.*"same" or "valid"."""),
    "half a kernel": (lambda: lib.best_rank1(SOBEL.bfloat16()), r"kernel is torch.bfloat16.*kernel.float\(\)"),
    "half a weight": (lambda: lib.separate(W.half(), 2), r"weight is torch.float16.*weight.float\(\)"),
    "layer: no channels": (lambda: lib.PointwiseConv2d(0, 6), "in_channels=0 is too small"),
    "layer: kernel": (lambda: lib.StandardConv2d(4, 6, (3, 0)), r"kernel=\(3, 0\) is too small"),
    "layer: multiplier": (lambda: lib.DepthwiseConv2d(4, multiplier=0), "multiplier=0 is too small"),
    "layer: middle": (lambda: lib.SpatialSeparableConv2d(4, 6, mid_channels=0), "mid_channels=0 is too small"),
    "layer: output padding": (
        lambda: lib.TransposedConv2d(4, 6, 3, stride=2, padding=1, output_padding=2),
        "output_padding=2 is not below stride=2",
    ),
    "layer: chosen twice": (lambda: lib.TransposedConv2d(4, 6, output_padding=1), "output_padding=1 means nothing"),
    "layer: no such padding": (lambda: lib.TransposedConv2d(4, 6, kernel=4, stride=1), "kernel=4.*odd kernel"),
    "layer: mode": (lambda: lib.ResizeConv2d(4, 6, mode="bilnear"), "Did you mean 'bilinear'"),
    "layer: shuffle": (lambda: lib.ChannelShuffle(0), "groups=0 is too small"),
    "forward: channels": (lambda: lib.StandardConv2d(3, 6)(X), r"weight has shape \(6, 3, 3, 3\)"),
    "forward: size": (lambda: lib.StandardConv2d(4, 6, 7, padding=0)(X), "height: kernel=7 does not fit into size=5"),
    "forward: transposed": (lambda: lib.TransposedConv2d(3, 6)(X), r"weight has shape \(3, 6, 4, 4\)"),
    "forward: time": (lambda: lib.StandardConv3d(2, 3, 5, padding=0)(CLIP), "time: kernel=5 does not fit into size=4"),
    "forward: shuffle": (lambda: lib.ChannelShuffle(3)(X), "groups=3 does not divide channels=4"),
    "forward: one picture to shuffle": (lambda: lib.ChannelShuffle(2)(X[0]), r"\(4, 5, 5\).*x\[None\] is a batch"),
    "forward: one picture to pool": (lambda: lib.GlobalAveragePool()(X[0]), r"\(4, 5, 5\).*x\[None\] is a batch"),
    "forward: one picture to enlarge": (lambda: lib.ResizeConv2d(4, 4)(X[0]), r"\(4, 5, 5\).*x\[None\] is a batch"),
    "forward: one clip": (lambda: lib.Conv2Plus1d(2, 3)(CLIP[0]), r"\(2, 4, 5, 5\).*x\[None\] is a batch"),
    "forward: map": (lambda: lib.GlobalAveragePool()(X[0, 0]), r"x has shape \(5, 5\)"),
    "cost: size": (lambda: lib.compare_convolutions(4, 8, 3, 0), "size=0 is too small"),
    "cost: kernel": (lambda: lib.compare_convolutions(4, 8, 2, 8), "odd kernel"),
    "cost: groups": (lambda: lib.compare_convolutions(6, 8, 3, 8), "groups=4 does not divide in_channels=6"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_values_and_a_remedy(name: str) -> None:
    attempt, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        attempt()


def test_other_failures_of_a_layer_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*args: Any) -> Tensor:
        raise RuntimeError("out of memory")

    for base, made, x in (
        (nn.Conv2d, lib.StandardConv2d(4, 6), X),
        (nn.ConvTranspose2d, lib.TransposedConv2d(4, 6), X),
        (nn.Conv3d, lib.StandardConv3d(2, 3), CLIP),
    ):
        monkeypatch.setattr(base, "forward", out_of_memory)
        with pytest.raises(RuntimeError, match="out of memory"):
            made(x)


# --- cost ------------------------------------------------------------------------------------------------------------


@examples(25)
@given(st.integers(2, 8), st.integers(1, 8), st.sampled_from([1, 3, 5]), st.integers(2, 20), st.integers(1, 3))
def test_counts_are_the_formulas(c: int, k: int, kernel: int, size: int, dilation: int) -> None:
    groups, frames = 2, 5
    c, k = groups * c, groups * k
    table = lib.compare_convolutions(c, k, kernel, size, measure=False, groups=groups, dilation=dilation, frames=frames)
    area, pixels, middle = kernel**2, size**2, lib.mid_channels(c, k, kernel)
    # parameters, how many places they are applied at, and what one output sees
    expected = {
        "standard": (c * k * area, pixels, kernel),
        "pointwise": (c * k, pixels, 1),
        "spatial separable": (kernel * c * k + kernel * k * k, pixels, kernel),
        "flattened": (k * (c + 2 * kernel), pixels, kernel),
        "depthwise": (c * area, pixels, kernel),
        "depthwise separable": (c * area + c * k, pixels, kernel),
        "grouped": (c * k * area // groups, pixels, kernel),
        "channel shuffle": (0, pixels, 1),
        "dilated": (c * k * area, pixels, arithmetic.extent(kernel, dilation)),
        "transposed": (c * k * area, pixels, ceil(kernel / 2)),
        "3D": (c * k * area * kernel, frames * pixels, kernel),
        "(2+1)D": (middle * (area * c + kernel * k), frames * pixels, kernel),
        "global average pooling": (0, pixels, "global"),
    }
    assert [row.name for row in table] == list(expected)
    for name, (params, places, seen) in expected.items():
        row = table[name]
        assert (row.params, row.macs, row.receptive_field) == (params, params * places, str(seen)), name
    number = 4  # bytes
    assert table["standard"].activation_bytes == number * k * pixels
    assert table["flattened"].activation_bytes == number * 3 * k * pixels
    assert table["depthwise separable"].activation_bytes == number * (c + k) * pixels
    assert table["channel shuffle"].activation_bytes == number * c * pixels
    assert table["transposed"].activation_bytes == number * k * 4 * pixels
    assert table["global average pooling"].activation_bytes == number * c
    assert table["standard"].bytes_moved == number * (c * pixels + c * k * area + k * pixels)
    assert table["depthwise"].bytes_moved == number * (2 * c * pixels + c * area)
    ratio = Fraction(table["depthwise separable"].macs, table["standard"].macs)
    assert ratio == Fraction(1, k) + Fraction(1, area)  # Howard et al. 2017, section 3.1


def test_bytes_moved_sees_into_lists() -> None:
    class Join(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, x.flatten(2).unflatten(2, x.shape[2:])], dim=1)

    assert bytes_moved(summarize(Join(), (3, 4, 4))) == 4 * (48 + 48 + 96)


def test_comparison_prints_everywhere() -> None:
    table = lib.compare_convolutions(8, 16, 3, 8, measure=False)
    text, html, frame = str(table), table._repr_html_(), table.to_dataframe()
    assert len(frame) == len(table) == 13
    assert not [column for column in frame if column.startswith(("cpu", "gpu"))]
    for row in table:
        assert row.name in text
        assert row.name in html
    assert frame.set_index("name").loc["standard", "macs"] == 16 * 8 * 9 * 64
    assert "From 8 to 16 channels" in text
    assert repr(table) == text == str(lib.compare_convolutions(8, 16, 3, 8, measure=False))  # the same on every run
    assert table["depthwise"].rate("cpu") is None
    assert lib.compare_convolutions(4, 4, 3, 8, measure=False)["channel shuffle"].intensity == 0
    with pytest.raises(ValueError, match="Did you mean 'depthwise'"):
        table["dephtwise"]


def test_latency_is_measured() -> None:
    table = lib.compare_convolutions(8, 16, 3, 8, repeats=6, frames=2, batch=2)
    for row in table:
        assert 0 < row.cpu.lower <= row.cpu.median <= row.cpu.upper
        assert (row.gpu is not None) == torch.cuda.is_available()
    row = table["standard"]
    assert row.rate("cpu") == pytest.approx(2 * row.macs / (row.cpu.median / 1000) / 1e9)
    assert {"cpu_ms", "cpu_lower", "cpu_upper", "cpu_gmacs"} <= set(table.to_dataframe())
    assert "CPU ms" in str(table)
    assert "batch of 2" in str(table)
    assert "GMAC/s" in table._repr_html_()
    layers = {"one": (nn.Identity(), (1, 1))}
    once = lib.measure_latency(layers, repeats=1)["one"]
    assert once.lower == once.median == once.upper > 0
    assert lib.measure_latency(layers, repeats=3, seconds=0)["one"].median > 0


def test_worked_examples_that_are_often_taught() -> None:
    examples_ = lib.worked_examples()
    counted = {name: (example.macs, *(step.macs for step in example.steps)) for name, example in examples_.items()}
    assert counted == {
        "pointwise": (4_816_896, 4_816_896),
        "inception": (120_422_400, 120_422_400),
        "inception bottleneck": (12_443_648, 2_408_448, 10_035_200),
        "inception 256": (160_563_200, 160_563_200),  # and not the 120 M that one lecture prints
        "inception 256 bottleneck": (13_246_464, 3_211_264, 10_035_200),
        "standard 3x3": (2160, 2160),
        "separable 3x3": (672, 432, 240),
        "standard 5x5": (614_400, 614_400),
        "separable 5x5": (29_376, 4800, 24_576),
    }
    outputs = [example.steps[-1].output for example in examples_.values()]
    assert outputs == [(32, 28, 28)] * 5 + [(5, 4, 4)] * 2 + [(128, 8, 8)] * 2
    assert Fraction(672, 2160) == Fraction(1, 5) + Fraction(1, 9)
    assert examples_["pointwise"].params == 192 * 32
    for example in examples_.values():
        assert f"{example.macs:,} multiplications" in str(example)


@pytest.mark.parametrize("channels", [32, 128, 512])
def test_recorded_latencies_stand_beside_todays_counts(channels: int) -> None:
    recorded = lib.recorded_latency(channels=channels)
    counted = lib.compare_convolutions(channels, channels, 3, {32: 224, 128: 56, 512: 14}[channels], measure=False)
    assert [row.name for row in recorded] == [row.name for row in counted]
    for now, then in zip(counted, recorded):
        assert (now.params, now.macs, now.bytes_moved) == (then.params, then.macs, then.bytes_moved)
        assert then.cpu is not None and 0 < then.cpu.lower <= then.cpu.median <= then.cpu.upper
    assert counted["standard"].macs == 462_422_016
    assert re.search(r"recorded on 20\d\d-\d\d-\d\d, batch of 1, \d+ threads of .+, torch 2", recorded.caption)
    two = lib.recorded_latency("depthwise", "standard", channels=channels)
    assert [row.name for row in two] == ["depthwise", "standard"]


def test_a_table_shows_its_subject() -> None:
    """The pages show tables of times in a column of 650 pixels: some 80 letters, and the times first."""
    recorded = lib.recorded_latency()
    head, _, first, *_ = str(recorded).splitlines()
    assert re.split("  +", head) == ["Convolution", "CPU ms", "MACs", "GMAC/s", "MACs per byte", "CPU ms, middle half"]
    assert re.split("  +", first) == ["standard", "4.81", "462 M", "96.2", "122", "4.59 to 5"]
    assert len(head) < 90
    few = lib.recorded_latency("standard", "pointwise").only("params", "cpu")
    assert few.caption == lib.recorded_latency("standard").caption
    assert [line.split()[:3] for line in str(few).splitlines()[2:4]] == [
        ["standard", "147", "k"],
        ["pointwise", "16.4", "k"],
    ]
    assert "Parameters" in few._repr_html_() and "GMAC" not in few._repr_html_()
    assert few["pointwise"] == recorded["pointwise"] and {"macs", "cpu_lower"} <= set(few.to_dataframe())
    with pytest.raises(ValueError, match="column='mac' is not known. Did you mean 'macs'"):
        recorded.only("mac")
    with pytest.raises(ValueError, match="column='gpu rate': no time was measured on the GPU"):
        recorded.only("gpu rate")


def test_recorded_latency_says_what_there_is() -> None:
    with pytest.raises(ValueError, match="channels=64 was not measured; recorded are 32, 128, 512"):
        lib.recorded_latency(channels=64)
    with pytest.raises(ValueError, match="'depthwis' is not known. Did you mean 'depthwise'"):
        lib.recorded_latency("depthwis")
