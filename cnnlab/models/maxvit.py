"""MaxViT: convolution and attention in every block, attention near and far by turns.

Z. Tu, H. Talebi, H. Zhang, F. Yang, P. Milanfar, A. Bovik, Y. Li: MaxViT: Multi-Axis Vision Transformer, ECCV 2022,
figures 2 and 3, table 1. https://arxiv.org/abs/2204.01697

    stage    output       MaxViT-T
    stem     112 x 112    3x3, 64, stride 2; 3x3, 64
    S1       56 x 56      2 blocks of 64
    S2       28 x 28      2 blocks of 128
    S3       14 x 14      5 blocks of 256
    S4       7 x 7        2 blocks of 512
    head     1 x 1        average, layer norm, dense layer of 512 with tanh, 1000-d dense layer
    31M parameters, 5.6e9 "FLOPs" (MACs); the first block of a stage halves the image

    a block = MBConv     1x1 to four times the channels, 3x3 depthwise, squeeze and excitation, 1x1 back
            + window     attention among the 7 x 7 pixels of a window, windows side by side; MLP
            + grid       attention among 7 x 7 pixels that lie H / 7 and W / 7 apart, spread over the picture; MLP

Attention between all pixels costs the square of their number. Both kinds here are among 49 pixels at a time, so the
cost grows with the number of pixels; two pixels that no window joins are joined by way of a grid, wherever a map has
no more than 7 x 7 = 49 pixels a side. (In S1, which has 56, a window holds pixels of 7 of 8 grids.) The attention's
scores have a trained number added for every difference of places (13 x 13 of them in each head), and MBConv sees
neighborhoods anyway: there are no position vectors as in vit.py.

``small_input=True`` is for pictures of 32 pixels: neither the stem nor S1 halves the image (32, 32, 16, 8, 4), and
windows and grids are 4 x 4. maxvit_cifar, of no paper, is a small network of this kind, about as costly as
vit_small_cifar.

Differs from the paper in:
  - As in torchvision, scores are divided by the root of all channels; the authors' code takes those of one head (32).
  - As in torchvision, a shortcut that halves the image averages 3x3 pixels, zeros of the border included, and is
    followed by a 1x1 convolution in S1 too; the authors average 2x2 and project where the channels change. Padding is
    the same on both sides. GELU is exact; the authors' is the approximation by tanh.
  - Weights start normally distributed with deviation 0.02 and biases at 0, as in the authors' code and torchvision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, DropPath, SqueezeExcite, drop_path_rates
from cnnlab.models import Network, Paper, Published, Size, register_variants
from cnnlab.models.vit import MLP

__all__ = [
    "MaxViTVariant",
    "VARIANTS",
    "CIFAR_VARIANTS",
    "PUBLISHED",
    "PAPER",
    "BATCH_NORM",
    "MBConv",
    "RelativeAttention",
    "partition",
    "unpartition",
    "PartitionAttention",
    "Block",
    "MaxViT",
]


@dataclass(frozen=True)
class MaxViTVariant:
    stem: int  # channels
    channels: tuple[int, int, int, int]  # in S1, S2, S3, S4
    blocks: tuple[int, int, int, int]
    head_dim: int = 32  # channels of one head
    drop_path: float = 0.2  # stochastic depth of the last block
    small_input: bool = False

    @property
    def input_size(self) -> Size:
        return (3, 32, 32) if self.small_input else (3, 224, 224)

    @property
    def window(self) -> int:
        """Pixels, height and width, of a window and of a grid."""
        return 4 if self.small_input else 7

    @property
    def strides(self) -> tuple[int, ...]:
        """Of the stem, S1, S2, S3, S4."""
        return (1, 1, 2, 2, 2) if self.small_input else (2, 2, 2, 2, 2)


VARIANTS = {"maxvit_t": MaxViTVariant(stem=64, channels=(64, 128, 256, 512), blocks=(2, 2, 5, 2))}
CIFAR_VARIANTS = {
    "maxvit_cifar": MaxViTVariant(stem=32, channels=(32, 64, 128, 256), blocks=(1, 1, 2, 1), small_input=True)
}
PUBLISHED = {"maxvit_t": Published(83.62, None, "table 2, trained on ImageNet-1K at 224 px, one crop")}
PAPER = Paper(2022, "Tu et al., MaxViT: Multi-Axis Vision Transformer", "https://arxiv.org/abs/2204.01697")
BATCH_NORM = {"eps": 1e-3, "momentum": 0.01}


class MBConv(nn.Module):
    """An inverted residual with squeeze and excitation. Shape: (N, C, H, W) -> (N, K, H / stride, W / stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int, drop_path: float) -> None:
        super().__init__()
        hidden = 4 * channels
        self.identity = stride == 1 and in_channels == channels
        if not self.identity:
            self.pool = nn.AvgPool2d(kernel_size=3, stride=2, padding=1) if stride == 2 else nn.Identity()
            self.shortcut = nn.Conv2d(in_channels, channels, kernel_size=1)
        self.norm = nn.BatchNorm2d(in_channels, **BATCH_NORM)
        self.expand = ConvNormAct(in_channels, hidden, kernel=1, activation=nn.GELU, **BATCH_NORM)
        self.depthwise = ConvNormAct(hidden, hidden, 3, stride, groups=hidden, activation=nn.GELU, **BATCH_NORM)
        self.se = SqueezeExcite(hidden, channels // 4, activation=nn.SiLU)
        self.project = nn.Conv2d(hidden, channels, kernel_size=1)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(self.norm(x)))  # (N, 4 K, H', W')
        y = self.project(self.se(y))  # (N, K, H', W')
        return self.drop_path(y) + (x if self.identity else self.shortcut(self.pool(x)))


class RelativeAttention(nn.Module):
    """Self-attention within each group of window * window tokens. Shape: (N, G, T, D) -> (N, G, T, D)."""

    def __init__(self, dim: int, head_dim: int, window: int) -> None:
        super().__init__()
        self.heads = dim // head_dim
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        # One trained number for each head and each difference of places, from -(window - 1) to window - 1 both ways.
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, self.heads))
        places = torch.cartesian_prod(torch.arange(window), torch.arange(window))  # (T, 2): row and column
        down, right = (places[:, None] - places[None]).add(window - 1).unbind(2)  # each (T, T)
        self.register_buffer("relative_position_index", down * (2 * window - 1) + right)

    def forward(self, x: Tensor) -> Tensor:
        n, groups, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(n, groups, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5).unbind(0)  # each (N, G, heads, T, D / heads)
        bias = self.relative_position_bias_table[self.relative_position_index]  # (T, T, heads)
        scores = q @ k.transpose(3, 4) / math.sqrt(dim) + bias.permute(2, 0, 1)  # (N, G, heads, T, T)
        y = scores.softmax(dim=4) @ v
        return self.proj(y.transpose(2, 3).flatten(3))  # (N, G, T, D)


def partition(x: Tensor, size: int) -> Tensor:
    """Windows of ``size`` x ``size`` pixels. Shape: (N, C, H, W) -> (N, H W / size^2, size^2, C)."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // size, size, w // size, size).permute(0, 2, 4, 3, 5, 1)
    return x.reshape(n, -1, size * size, c)


def unpartition(x: Tensor, size: int, height: int) -> Tensor:
    """The inverse of :func:`partition`. Shape: (N, G, size^2, C) -> (N, C, height, W)."""
    n, groups, _, c = x.shape
    rows = height // size
    x = x.reshape(n, rows, groups // rows, size, size, c).permute(0, 5, 1, 3, 2, 4)
    return x.reshape(n, c, height, -1)


class PartitionAttention(nn.Module):
    """Attention and MLP within windows, or within grids. Shape: (N, C, H, H) -> (N, C, H, H), H a multiple of window.

    The pixels at one place of every window make up a grid. So 7 x 7 windows of H / 7 pixels each, with groups and
    tokens changing places, give grids of 7 x 7 pixels.
    """

    def __init__(self, channels: int, variant: MaxViTVariant, grid: bool, drop_path: float) -> None:
        super().__init__()
        self.window = variant.window
        self.grid = grid
        self.norm1 = nn.LayerNorm(channels)
        self.attention = RelativeAttention(channels, variant.head_dim, variant.window)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLP(channels, 4 * channels, dropout=0.0)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        size = height // self.window if self.grid else self.window
        x = partition(x, size)  # (N, G, T, C)
        if self.grid:
            x = x.transpose(1, 2)
        x = x + self.drop_path(self.attention(self.norm1(x)))
        x = x + self.drop_path(self.mlp(self.norm2(x)))
        if self.grid:
            x = x.transpose(1, 2)
        return unpartition(x, size, height)


class Block(nn.Module):
    """MBConv, attention in windows, attention in grids. Shape: (N, C, H, W) -> (N, K, H / stride, W / stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int, variant: MaxViTVariant, drop_path: float) -> None:
        super().__init__()
        self.mbconv = MBConv(in_channels, channels, stride, drop_path)
        self.window = PartitionAttention(channels, variant, grid=False, drop_path=drop_path)
        self.grid = PartitionAttention(channels, variant, grid=True, drop_path=drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return self.grid(self.window(self.mbconv(x)))


@register_variants(CIFAR_VARIANTS, family="MaxViT", paper=PAPER, num_classes=10, head="fc", fixed_size=True)
@register_variants(
    VARIANTS,
    family="MaxViT",
    paper=PAPER,
    num_classes=1000,
    head="fc",
    fixed_size=True,
    library="torchvision",
    published=PUBLISHED,
)
class MaxViT(Network):
    """A stem, four stages and a head. Shape: (N, C, 224, 224), or (N, C, 32, 32) -> (N, num_classes)."""

    def __init__(self, variant: MaxViTVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        rates = iter(drop_path_rates(variant.drop_path, sum(variant.blocks)))

        def stage(number: int) -> nn.Sequential:
            """Blocks of one size, of which the first changes the channels and halves the image."""
            channels, before = variant.channels[number - 1], (variant.stem, *variant.channels)[number - 1]
            first = Block(before, channels, variant.strides[number], variant, next(rates))
            rest = [Block(channels, channels, 1, variant, next(rates)) for _ in range(variant.blocks[number - 1] - 1)]
            return nn.Sequential(first, *rest)

        self.stem = ConvNormAct(in_channels, variant.stem, 3, variant.strides[0], activation=nn.GELU, **BATCH_NORM)
        self.stem2 = nn.Conv2d(variant.stem, variant.stem, kernel_size=3, padding=1)
        self.s1, self.s2, self.s3, self.s4 = stage(1), stage(2), stage(3), stage(4)
        dim = variant.channels[-1]
        self.norm = nn.LayerNorm(dim)
        self.hidden = nn.Linear(dim, dim)
        self.fc = nn.Linear(dim, num_classes, bias=False)

        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem2(self.stem(x))  # (N, 64, 112, 112), sizes for MaxViT-T and 224 px
        x = self.s1(x)  # (N, 64, 56, 56)
        x = self.s2(x)  # (N, 128, 28, 28)
        x = self.s3(x)  # (N, 256, 14, 14)
        x = self.s4(x)  # (N, 512, 7, 7)
        x = self.norm(x.mean(dim=(2, 3)))  # (N, 512)
        return self.fc(self.hidden(x).tanh())  # (N, num_classes)
