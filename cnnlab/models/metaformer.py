"""ConvFormer and CAFormer: one transformer without its attention, and what stands in attention's place.

W. Yu, C. Si, P. Zhou, M. Luo, Y. Zhou, J. Feng, S. Yan, X. Wang: MetaFormer Baselines for Vision, TPAMI 2024 (arXiv
2022), section 2. https://arxiv.org/abs/2210.13452

    stage      output     ConvFormer-S18                CAFormer-S18
    stem       56 x 56    7x7, 64, stride 4             the same
    stage 1    56 x 56    3 blocks of 64, convolution   the same
    stage 2    28 x 28    3 blocks of 128, convolution  the same
    stage 3    14 x 14    9 blocks of 320, convolution  9 blocks of 320, attention
    stage 4    7 x 7      3 blocks of 512, convolution  3 blocks of 512, attention
    head       1 x 1      average, layer norm, 2048 hidden units, layer norm, 1000-d dense layer
    parameters            27M                           26M
    "MACs"                3.9e9                         4.1e9

A block is x + mixer(norm(x)), then x + MLP(norm(x)): a transformer's, where the mixer, the one part that carries
anything from pixel to pixel, is left open. The authors had put an average of 3x3 pixels there before, and it did well
(MetaFormer Is Actually What You Need for Vision, 2021). Here it is either

    convolution    1x1 to twice the channels, StarReLU, 7x7 depthwise, 1x1 back (MobileNetV2's, without norms)
    attention      among all pixels, in heads of 32 channels, with no vectors or numbers for places: where a pixel lies,
                   attention knows from what the convolutions before it have left in it

StarReLU is s * relu(x)^2 + b with two trained numbers: a square costs a multiplication, where GELU has some seventy
floating-point operations. In the last two stages every shortcut is multiplied by trained numbers, one for each channel.

``small_input=True`` is for pictures of 32 pixels: the stem is 3x3 and does not shrink, so that the stages are of 32,
16, 8 and 4 pixels. convformer_cifar and caformer_cifar, of no paper, are small networks of these kinds.

Differs from the paper in:
  - Nothing in the layers. 1x1 convolutions are dense layers over the last axis of (N, H, W, C), as in the authors'
    code, in every stage.
  - The truncated normal distribution of deviation 0.02 is a plain one here: the authors' code truncates it at +-2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnlab.layers import DropPath, drop_path_rates
from cnnlab.models import Network, Paper, Published, Size, register_variants

__all__ = [
    "MetaFormerVariant",
    "VARIANTS",
    "CIFAR_VARIANTS",
    "PUBLISHED",
    "PAPER",
    "EPS",
    "CONVFORMER",
    "CAFORMER",
    "MIXERS",
    "StarReLU",
    "Scale",
    "SeparableConv",
    "Attention",
    "MLP",
    "Block",
    "Stage",
    "MetaFormer",
]

CONVFORMER = ("convolution",) * 4
CAFORMER = ("convolution", "convolution", "attention", "attention")


@dataclass(frozen=True)
class MetaFormerVariant:
    mixers: tuple[str, str, str, str]  # what each stage mixes pixels by: keys of MIXERS
    channels: tuple[int, int, int, int] = (64, 128, 320, 512)
    blocks: tuple[int, int, int, int] = (3, 3, 9, 3)
    drop_path: float = 0.2  # stochastic depth of the last block
    small_input: bool = False

    @property
    def input_size(self) -> Size:
        return (3, 32, 32) if self.small_input else (3, 224, 224)


VARIANTS = {"convformer_s18": MetaFormerVariant(CONVFORMER), "caformer_s18": MetaFormerVariant(CAFORMER)}
_SMALL = {"channels": (32, 64, 128, 256), "blocks": (1, 1, 2, 1), "small_input": True}
CIFAR_VARIANTS = {
    "convformer_cifar": MetaFormerVariant(CONVFORMER, **_SMALL),
    "caformer_cifar": MetaFormerVariant(CAFORMER, **_SMALL),
}
PUBLISHED = {
    "convformer_s18": Published(83.0, None, "trained on ImageNet-1K at 224 px, one crop"),
    "caformer_s18": Published(83.6, None, "trained on ImageNet-1K at 224 px, one crop"),
}
PAPER = Paper(2022, "Yu et al., MetaFormer Baselines for Vision", "https://arxiv.org/abs/2210.13452")
EPS = 1e-6  # of every layer norm


class StarReLU(nn.Module):
    """s * relu(x)^2 + b, section 2.2. Shape: any -> the same."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x.relu().square() + self.bias


class Scale(nn.Module):
    """Each channel times a trained number. Shape: (..., C) -> (..., C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class SeparableConv(nn.Module):
    """What mixes pixels in ConvFormer: fixed weights, near by. Shape: (N, H, W, C) -> (N, H, W, C)."""

    def __init__(self, channels: int, kernel: int = 7) -> None:
        super().__init__()
        inside = 2 * channels
        self.pwconv1 = nn.Linear(channels, inside, bias=False)
        self.act = StarReLU()
        self.dwconv = nn.Conv2d(inside, inside, kernel, padding=kernel // 2, groups=inside, bias=False)
        self.pwconv2 = nn.Linear(inside, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.pwconv1(x)).permute(0, 3, 1, 2)  # (N, 2 C, H, W)
        return self.pwconv2(self.dwconv(y).permute(0, 2, 3, 1))


class Attention(nn.Module):
    """What mixes pixels in CAFormer's last stages: weights made on the spot, over the whole picture.

    Shape: (N, H, W, C) -> (N, H, W, C).
    """

    def __init__(self, channels: int, head_dim: int = 32) -> None:
        super().__init__()
        self.heads = channels // head_dim
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels, bias=False)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        """Shape: (N, heads, T, d) twice -> (N, heads, T, T)."""
        return (q / math.sqrt(q.shape[3])) @ k.transpose(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, channels = x.shape
        qkv = self.qkv(x).reshape(n, height * width, 3, self.heads, channels // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, heads, T, d)
        y = self.scores(q, k).softmax(dim=3) @ v
        return self.proj(y.transpose(1, 2).reshape(n, height, width, channels))


MIXERS: dict[str, Callable[[int], nn.Module]] = {"convolution": SeparableConv, "attention": Attention}


class MLP(nn.Module):
    """Two dense layers on each pixel by itself. Shape: (..., C) -> (..., C)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden, bias=False)
        self.act = StarReLU()
        self.fc2 = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    """A transformer's block with any mixer, of the shape that it keeps. Shape: (N, H, W, C) -> (N, H, W, C)."""

    def __init__(
        self, mixer: nn.Module, channels: int, hidden: int, drop_path: float = 0.0, scaled: bool = False
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=EPS, bias=False)
        self.mixer = mixer
        self.shortcut1 = Scale(channels) if scaled else nn.Identity()
        self.norm2 = nn.LayerNorm(channels, eps=EPS, bias=False)
        self.mlp = MLP(channels, hidden)
        self.shortcut2 = Scale(channels) if scaled else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shortcut1(x) + self.drop_path(self.mixer(self.norm1(x)))
        return self.shortcut2(x) + self.drop_path(self.mlp(self.norm2(x)))


class Stage(nn.Module):
    """Halves the picture, except in the first stage, and goes through blocks that keep the size.

    Shape: (N, H, W, C) -> (N, ceil(H / 2), ceil(W / 2), K), in the first (N, H, W, C) -> (N, H, W, C).
    """

    def __init__(self, in_channels: int, channels: int, blocks: list[Block]) -> None:
        super().__init__()
        self.halves = in_channels != channels
        if self.halves:
            self.norm = nn.LayerNorm(in_channels, eps=EPS, bias=False)
            self.downsample = nn.Conv2d(in_channels, channels, kernel_size=3, stride=2, padding=1)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        if self.halves:
            x = self.downsample(self.norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.blocks(x)


@register_variants(CIFAR_VARIANTS, family="MetaFormer", paper=PAPER, num_classes=10, head="fc", smallest=8)
@register_variants(
    VARIANTS,
    family="MetaFormer",
    paper=PAPER,
    num_classes=1000,
    head="fc",
    smallest=32,
    library="timm",
    published=PUBLISHED,
)
class MetaFormer(Network):
    """A stem, four stages and a head of two dense layers. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: MetaFormerVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        rates = iter(drop_path_rates(variant.drop_path, sum(variant.blocks)))

        def stage(number: int) -> Stage:
            channels, count = variant.channels[number - 1], variant.blocks[number - 1]
            before = variant.channels[max(number - 2, 0)]
            mixer, scaled = MIXERS[variant.mixers[number - 1]], number > 2
            blocks = [Block(mixer(channels), channels, 4 * channels, next(rates), scaled) for _ in range(count)]
            return Stage(before, channels, blocks)

        first, last = variant.channels[0], variant.channels[-1]
        kernel, stride, padding = (3, 1, 1) if variant.small_input else (7, 4, 2)
        self.stem = nn.Conv2d(in_channels, first, kernel, stride, padding)
        self.stem_norm = nn.LayerNorm(first, eps=EPS, bias=False)
        self.stage1, self.stage2, self.stage3, self.stage4 = stage(1), stage(2), stage(3), stage(4)
        self.norm = nn.LayerNorm(last, eps=EPS)
        self.hidden = nn.Linear(last, 4 * last)
        self.hidden_norm = nn.LayerNorm(4 * last, eps=EPS)
        self.fc = nn.Linear(4 * last, num_classes)

        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(x).permute(0, 2, 3, 1))  # (N, 56, 56, 64), sizes for S18 and 224 px
        x = self.stage1(x)  # (N, 56, 56, 64)
        x = self.stage2(x)  # (N, 28, 28, 128)
        x = self.stage3(x)  # (N, 14, 14, 320)
        x = self.stage4(x)  # (N, 7, 7, 512)
        x = self.norm(x.mean(dim=(1, 2)))  # (N, 512): global average pooling
        x = self.hidden_norm(self.hidden(x).relu().square())  # (N, 2048)
        return self.fc(x)  # (N, num_classes)
