"""The transposed convolution: every input pixel stamps the kernel onto a larger output.

M. Zeiler, D. Krishnan, G. Taylor, R. Fergus: Deconvolutional Networks, CVPR 2010; V. Dumoulin, F. Visin: A Guide to
Convolution Arithmetic for Deep Learning, 2016, https://arxiv.org/abs/1603.07285; A. Odena, V. Dumoulin, C. Olah:
Deconvolution and Checkerboard Artifacts, Distill, 2016, https://distill.pub/2016/deconv-checkerboard.

Three ways to see it, all equal:

    stamping        `transposed_conv2d` adds x[n, c, i, j] * weight[c, k] to the output around (i s, j s)
    zero insertion  `transposed_by_insertion` puts s - 1 zeros between the pixels and convolves with the kernel turned
                    by 180 degrees
    the transpose   if C is the matrix of a convolution (`convolution_matrix`), this multiplies by C transposed. So it
                    is what carries gradients back through that convolution. It is not its inverse.

Where the stride does not divide the kernel, the stamps overlap unevenly (`overlap_counts`). Where it does, an even
output is possible and not assured: a flat map comes out flat if and only if the weights w[u], w[u + s], w[u + 2 s], ...
of every phase u = 0 ... s - 1 add up to the same, which fresh random weights do not. `ResizeConv2d`, the remedy of
Odena et al., does it whatever its weights are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.arithmetic import check_divides, enlarging_padding, extent, transposed_output_size
from cnnlab.convolutions.checks import Axes, check_batch, per_axis, summed_in_32_bits, transposed_geometry
from cnnlab.convolutions.standard import StandardConv2d, standard_conv2d
from cnnlab.errors import unknown_name

__all__ = [
    "transposed_conv2d",
    "insert_zeros",
    "transposed_by_insertion",
    "convolution_matrix",
    "overlap_counts",
    "bilinear_kernel",
    "TransposedConv2d",
    "ResizeConv2d",
]


@summed_in_32_bits
def transposed_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Axes = 0,
    output_padding: Axes = 0,
    groups: int = 1,
    dilation: Axes = 1,
) -> Tensor:
    """Stamp the kernel, one tap at a time, then cut ``padding`` pixels off every side.

    The arguments stand in the order of ``torch.nn.functional.conv_transpose2d``.

    Shape: (N, C, H, W) and (C, K / groups, height, width) -> (N, K, H', W').
    """
    geometry = transposed_geometry(x, weight, bias, stride, padding, output_padding, dilation, groups)
    (height, width), (down, right), (top, left), (apart_y, apart_x), (rows, columns), _ = geometry
    stamped = []
    for part, kernel in zip(x.chunk(groups, dim=1), weight.chunk(groups, dim=0)):
        y = x.new_zeros(x.shape[0], weight.shape[1], rows + 2 * top, columns + 2 * left)
        for u in range(height):
            for v in range(width):
                below = slice(u * apart_y, u * apart_y + down * (x.shape[2] - 1) + 1, down)
                beside = slice(v * apart_x, v * apart_x + right * (x.shape[3] - 1) + 1, right)
                y[:, :, below, beside] += torch.einsum("nchw,ck->nkhw", part, kernel[:, :, u, v])
        stamped.append(y[:, :, top : top + rows, left : left + columns])
    y = torch.cat(stamped, dim=1)
    return y if bias is None else y + bias[:, None, None]


def insert_zeros(x: Tensor, stride: Axes) -> Tensor:
    """``stride - 1`` zeros between neighboring pixels. Shape: (N, C, H, W) -> (N, C, s (H - 1) + 1, s (W - 1) + 1)."""
    check_batch(x)
    down, right = per_axis("stride", stride, 2, 1)
    spread = x.new_zeros(*x.shape[:2], extent(x.shape[2], down), extent(x.shape[3], right))
    spread[:, :, ::down, ::right] = x
    return spread


@summed_in_32_bits
def transposed_by_insertion(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Axes = 1,
    padding: Axes = 0,
    output_padding: Axes = 0,
    dilation: Axes = 1,
) -> Tensor:
    """The same by a standard convolution of stride 1: zeros between the pixels and around them, kernel turned over.

    Shape: (N, C, H, W) and (C, K, height, width) -> (N, K, H', W').
    """
    numbers = (stride, padding, output_padding, dilation)
    geometry = transposed_geometry(x, weight, bias, *numbers)
    more = per_axis("output_padding", output_padding, 2, 0)
    spread = insert_zeros(x, stride)
    # The last tap must reach the first pixel: d (k - 1) zeros, less the padding.
    # A number below 0 cuts pixels off.
    spans = [d * (k - 1) for d, k in zip(geometry.dilation, geometry.kernel)]
    top, left = (span - p for span, p in zip(spans, geometry.padding))
    spread = F.pad(spread, (left, left + more[1], top, top + more[0]))
    turned = weight.flip(2, 3).transpose(0, 1)  # (K, C, height, width), by 180 degrees
    return standard_conv2d(spread, turned, bias, dilation=geometry.dilation)


def convolution_matrix(
    weight: Tensor, size: tuple[int, int], stride: Axes = 1, padding: Axes = 0, dilation: Axes = 1
) -> Tensor:
    """The matrix C with ``C @ x.flatten()`` = the convolution of one image ``x`` (C, H, W), flattened.

    Its column for an input number is what the convolution makes of an image that is 1 there and 0 elsewhere.

    Shape: (K, C, height, width) -> (K H' W', C H W).
    """
    height, width = per_axis("size", size, 2, 1)
    pixels = weight.shape[1] * height * width
    images = torch.eye(pixels, dtype=weight.dtype).reshape(pixels, weight.shape[1], height, width)
    return standard_conv2d(images, weight, None, stride, padding, dilation).flatten(1).T


def overlap_counts(kernel: Axes, stride: Axes, size: Axes = 6, padding: Axes = 0) -> Tensor:
    """How many stamps fall on each output pixel of a transposed convolution.

    Away from the border the counts are equal if and only if the stride divides the kernel. Unequal ones are a
    checkerboard where all weights are equal, and where they agree in sign; what weights of any sign make of a flat map
    follows from their sums and not from the counts.

    Shape: ``size`` input pixels along each axis -> (H', W'), whole numbers.

    >>> overlap_counts(kernel=3, stride=2, size=(1, 4))[0].tolist()
    [1, 1, 2, 1, 2, 1, 2, 1, 1]
    """
    counts = None
    numbers = (per_axis("kernel", kernel, 2, 1), per_axis("stride", stride, 2, 1), per_axis("size", size, 2, 1))
    for k, s, n, p in zip(*numbers, per_axis("padding", padding, 2, 0)):
        kept = transposed_output_size(n, k, s, p)
        along = torch.zeros(kept + 2 * p, dtype=torch.long)
        for i in range(n):
            along[i * s : i * s + k] += 1
        along = along[p : p + kept]
        counts = along if counts is None else counts[:, None] * along[None, :]  # rows and columns are independent
    return counts


def bilinear_kernel(factor: int) -> Tensor:
    """The kernel with which a transposed convolution enlarges an image by linear interpolation.

    A triangle along each axis, 2 * factor - factor % 2 pixels wide. With ``stride=factor`` and
    ``padding=factor // 2`` the result is that of ``F.interpolate(mode="bilinear")`` except at the border, where
    interpolation repeats the last pixel and zeros lie around a convolution. Long, Shelhamer and Darrell (2015) start
    the learned upsampling of their networks from it.

    Shape: -> (width, width), double precision.
    """
    if factor < 1:
        raise ValueError(f"factor={factor} is too small; factor must be 1 or more.")
    width = 2 * factor - factor % 2
    position = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    triangle = 1 - position.abs() / factor
    return triangle[:, None] * triangle[None, :]


class TransposedConv2d(nn.ConvTranspose2d):
    """``nn.ConvTranspose2d``; what does not fit is answered with the values and the remedy.

    Shape: (N, C, H, W) -> (N, K, stride H, stride W) with the default padding.

    Args:
        in_channels, out_channels: C and K.
        kernel: height and width; one number for both. With a multiple of the stride every output pixel gets equally
            many stamps; whether they add up evenly is up to the weights.
        stride: output pixels between neighboring stamps: how many times larger the output is.
        padding: output pixels cut off each side. None for what makes the output ``stride`` times the input, which
            chooses ``output_padding`` too.
        output_padding: output pixels added below and to the right; less than the stride.
        dilation: pixels between neighboring taps.
        groups: of channels that do not see each other.
        bias: whether to add a learned number to each output channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Axes = 4,
        stride: Axes = 2,
        padding: Axes | None = None,
        output_padding: Axes = 0,
        dilation: Axes = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        check_divides(groups, in_channels=in_channels, out_channels=out_channels)
        k, s = per_axis("kernel", kernel, 2, 1), per_axis("stride", stride, 2, 1)
        d, more = per_axis("dilation", dilation, 2, 1), per_axis("output_padding", output_padding, 2, 0)
        if padding is None:
            if any(more):
                raise ValueError(
                    f"output_padding={output_padding} means nothing with padding=None, which chooses both: give both."
                )
            padding, more = zip(*(enlarging_padding(*numbers) for numbers in zip(k, s, d)))
        padding = per_axis("padding", padding, 2, 0)
        for numbers in zip(k, s, padding, more, d):  # an input of any size: large enough to outlive the padding
            transposed_output_size(2 * max(padding) + 1, *numbers)
        super().__init__(in_channels, out_channels, k, s, padding, more, groups, bias, d)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        try:
            return super().forward(x, output_size)
        except RuntimeError:
            numbers = (self.stride, self.padding, self.output_padding, self.dilation, self.groups)
            transposed_geometry(x, self.weight, self.bias, *numbers)
            raise  # nothing wrong with the sizes: out of memory, say


class ResizeConv2d(nn.Module):
    """Enlarge the image by interpolation, then convolve: no stamps, no checkerboard (Odena et al. 2016).

    Shape: (N, C, H, W) -> (N, K, factor H, factor W).

    Args:
        in_channels, out_channels: C and K.
        kernel: height and width, odd; one number for both.
        factor: how many times larger the output is.
        mode: of the interpolation, "nearest" or "bilinear".
        bias: whether to add a learned number to each output channel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Axes = 3,
        factor: int = 2,
        mode: str = "nearest",
        bias: bool = True,
    ) -> None:
        super().__init__()
        if mode not in ("nearest", "bilinear"):
            raise unknown_name("mode", mode, ("nearest", "bilinear"))
        if factor < 1:
            raise ValueError(f"factor={factor} is too small; factor must be 1 or more.")
        self.factor, self.mode = factor, mode
        self.conv = StandardConv2d(in_channels, out_channels, kernel, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        check_batch(x)
        x = F.interpolate(x, scale_factor=self.factor, mode=self.mode)  # (N, C, factor H, factor W)
        return self.conv(x)

    def extra_repr(self) -> str:
        return f"factor={self.factor}, mode={self.mode!r}"
