"""U-Net: a class for every pixel.

O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015,
figure 1 and section 2. https://arxiv.org/abs/1505.04597

    contracting path        output (572 px)        expansive path                          output
    two 3x3, 64             64 x 568 x 568         up-convolution, 64; join; two 3x3       64 x 388 x 388
    pool; two 3x3, 128      128 x 280 x 280        up-convolution, 128; join; two 3x3      128 x 196 x 196
    pool; two 3x3, 256      256 x 136 x 136        up-convolution, 256; join; two 3x3      256 x 100 x 100
    pool; two 3x3, 512      512 x 64 x 64          up-convolution, 512; join; two 3x3      512 x 52 x 52
    pool; two 3x3, 1024     1024 x 28 x 28         (read from below)
                                                   last: 1x1, one map per class            2 x 388 x 388
    23 convolutions, 31,030,658 parameters

Going down, 2x2 max pooling widens what a pixel stands for and forgets where exactly things were. Going up,
up-convolutions restore the size, and the maps of the contracting path are joined to them at equal size (figure 1's gray
arrows): they still know where. Convolutions are not padded, so that every output pixel has seen real pixels only; each
takes two rows and columns away, and the maps that are joined are cropped. A picture of 572 pixels gives classes for its
inner 388. Large pictures are cut into tiles that overlap, mirrored beyond the border: the results fit together without
a seam, as long as every pooling halves an even size.

    variant                what
    unet                   the paper's; heights and widths 188, 204, ... 572, ... in steps of 16
    unet_padded            3x3 convolutions padded with zeros: the output is as large as the input, any multiple of 16
    unet_bilinear          the same, with bilinear upsampling and a 1x1 convolution in place of the up-convolution
    unet_small             a quarter of the channels, padded, with batch norm: for training in minutes
    unet_small_bilinear

Differs from the paper in:
  - Nothing in the layers of ``unet``, as the text has them. The network that the authors released also has a ReLU after
    each up-convolution, and 128 channels after the last of them. "Drop-out layers at the end of the contracting path"
    stand after its last two pairs and drop one half, as in that network; the text gives no rate.
  - unet_bilinear convolves before it upsamples. Both are linear and the weights of interpolation sum to 1, so the
    result is the same as the other way round, at a quarter of the cost.
  - The paper's weights are normal with deviation sqrt(2 / N), N being the incoming nodes of a neuron, and so are these.
    In an up-convolution of stride 2 a pixel has one per channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.models import Network, Paper, Size, register_variants

__all__ = ["UNetVariant", "SMALL", "VARIANTS", "PADDED_VARIANTS", "PAPER", "ConvPair", "Up", "crop", "Join", "UNet"]


@dataclass(frozen=True)
class UNetVariant:
    channels: tuple[int, ...] = (64, 128, 256, 512, 1024)  # down to the bottom of the U
    padding: int = 0  # of the 3x3 convolutions; 1 keeps the size
    bilinear: bool = False  # False: up-convolutions
    batch_norm: bool = False  # between each 3x3 convolution and its ReLU
    dropout: float = 0.5  # after the last two pairs of the contracting path
    skips: bool = True  # False: zeros are joined in the maps' place, to ask what they bring at equal parameters
    input_size: Size = (1, 572, 572)


SMALL = {"channels": (16, 32, 64, 128, 256), "padding": 1, "batch_norm": True, "dropout": 0.0}
VARIANTS = {"unet": UNetVariant()}
PADDED_VARIANTS = {
    "unet_padded": UNetVariant(padding=1, input_size=(1, 512, 512)),
    "unet_bilinear": UNetVariant(padding=1, bilinear=True, input_size=(1, 512, 512)),
    "unet_small": UNetVariant(**SMALL, input_size=(3, 128, 128)),
    "unet_small_bilinear": UNetVariant(**SMALL, bilinear=True, input_size=(3, 128, 128)),
}
PAPER = Paper(
    2015,
    "Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation",
    "https://arxiv.org/abs/1505.04597",
)


class ConvPair(nn.Module):
    """Two 3x3 convolutions, each with a ReLU. Shape: (N, C, H, W) -> (N, K, H - 4, W - 4); if padded (N, K, H, W)."""

    def __init__(self, in_channels: int, channels: int, variant: UNetVariant, dropout: float = 0.0) -> None:
        super().__init__()

        def conv(before: int) -> nn.Conv2d:
            return nn.Conv2d(before, channels, kernel_size=3, padding=variant.padding, bias=not variant.batch_norm)

        self.conv1 = conv(in_channels)
        self.norm1 = nn.BatchNorm2d(channels) if variant.batch_norm else nn.Identity()
        self.conv2 = conv(channels)
        self.norm2 = nn.BatchNorm2d(channels) if variant.batch_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))  # (N, K, H - 2, W - 2)
        x = F.relu(self.norm2(self.conv2(x)))  # (N, K, H - 4, W - 4)
        return self.dropout(x)


class Up(nn.Module):
    """Twice the size, half the channels. Shape: (N, C, H, W) -> (N, C / 2, 2 H, 2 W)."""

    def __init__(self, channels: int, bilinear: bool) -> None:
        super().__init__()
        self.bilinear = bilinear
        if bilinear:
            self.conv = nn.Conv2d(channels, channels // 2, kernel_size=1)
        else:
            self.conv = nn.ConvTranspose2d(channels, channels // 2, kernel_size=2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False) if self.bilinear else x


def crop(x: Tensor, like: Tensor) -> Tensor:
    """The middle of x, of the height and width of ``like``. Shape: (N, C, H, W) -> (N, C, H', W')."""
    (height, width), (h, w) = x.shape[2:], like.shape[2:]
    top, left = (height - h) // 2, (width - w) // 2
    return x[:, :, top : top + h, left : left + w]


class Join(nn.Module):
    """One step of the expansive path: upsample, put the cropped maps of the way down before it, two convolutions.

    Shape: (N, C, H, W) and (N, C / 2, H', W') -> (N, C / 2, 2 H - 4, 2 W - 4), or (N, C / 2, 2 H, 2 W) if padded.
    """

    def __init__(self, channels: int, variant: UNetVariant) -> None:
        super().__init__()
        self.skips = variant.skips
        self.up = Up(channels, variant.bilinear)
        self.pair = ConvPair(channels, channels // 2, variant)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)  # (N, C / 2, 2 H, 2 W)
        joined = crop(skip, like=x)
        return self.pair(torch.cat([joined if self.skips else torch.zeros_like(joined), x], dim=1))


@register_variants(PADDED_VARIANTS, family="U-Net", paper=PAPER, num_classes=2, head="last", smallest=16, step=16)
@register_variants(VARIANTS, family="U-Net", paper=PAPER, num_classes=2, head="last", smallest=188, step=16)
class UNet(Network):
    """Down, up, and a score per pixel and class. Shape: (N, C, H, W) -> (N, num_classes, H - 184, W - 184).

    With padding: (N, C, H, W) -> (N, num_classes, H, W).
    """

    def __init__(self, variant: UNetVariant, num_classes: int = 2, in_channels: int = 1) -> None:
        super().__init__()
        c = variant.channels
        self.down = nn.ModuleList()
        for i, channels in enumerate(c):
            dropout = variant.dropout if i >= len(c) - 2 else 0.0
            self.down.append(ConvPair(c[i - 1] if i else in_channels, channels, variant, dropout))
        self.up = nn.ModuleList(Join(channels, variant) for channels in reversed(c[1:]))
        self.last = nn.Conv2d(c[0], num_classes, kernel_size=1)

        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                incoming = module.in_channels if isinstance(module, nn.ConvTranspose2d) else module.weight[0].numel()
                nn.init.normal_(module.weight, std=(2 / incoming) ** 0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for pair in self.down[:-1]:
            skips.append(pair(x))  # (N, 64, 568, 568), then (N, 128, 280, 280), ..., sizes for 572 px
            x = F.max_pool2d(skips[-1], kernel_size=2)  # (N, 64, 284, 284), ...
        x = self.down[-1](x)  # (N, 1024, 28, 28)
        for join in self.up:
            x = join(x, skips.pop())  # (N, 512, 52, 52), (N, 256, 100, 100), ..., (N, 64, 388, 388)
        return self.last(x)  # (N, num_classes, 388, 388)
