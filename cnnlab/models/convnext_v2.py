"""ConvNeXt V2: layer scale leaves, global response normalization comes, and the family grows in both directions.

S. Woo, S. Debnath, R. Hu, X. Chen, Z. Liu, I. S. Kweon, S. Xie: ConvNeXt V2: Co-designing and Scaling ConvNets with
Masked Autoencoders, CVPR 2023, sections 3 and 4, figure 5, tables 9 to 11 and 14. https://arxiv.org/abs/2301.00808

                  channels                blocks         parameters    "FLOPs" (MACs)
    Atto   (A)    40, 80, 160, 320        2, 2, 6, 2           3.7M            0.55e9
    Femto  (F)    48, 96, 192, 384        2, 2, 6, 2           5.2M            0.78e9
    Pico   (P)    64, 128, 256, 512       2, 2, 6, 2           9.1M            1.37e9
    Nano   (N)    80, 160, 320, 640       2, 2, 8, 2          15.6M            2.45e9
    Tiny   (T)    96, 192, 384, 768       3, 3, 9, 3          28.6M            4.47e9
    Base   (B)    128, 256, 512, 1024     3, 3, 27, 3           89M            15.4e9
    Large  (L)    192, 384, 768, 1536     3, 3, 27, 3          198M            34.4e9
    Huge   (H)    352, 704, 1408, 2816    3, 3, 27, 3          660M             115e9

Everything is as in convnext.py but the block. Many channels of the wide layer inside a V1 block turn out dead or alike
("feature collapse") when the network is trained to fill in masked pictures. Global response normalization (GRN) makes
them compete: with G_c the length (L2 norm) of channel c over the whole picture and N_c = G_c / mean(G),

    y_c = gamma_c * x_c * N_c + beta_c + x_c

so that what responds more than the other channels is raised. gamma and beta start at 0: the layer starts as the
identity. Layer scale has become useless beside it and is gone.

``small_input=True`` is for pictures of 32 pixels: the stem's patches are 2x2, stride 2, so that the last stage ends at
2 x 2, as in convnext.py.

Differs from the paper in:
  - Nothing in the layers. The paper pre-trains the network as a masked autoencoder with sparse convolutions; here is
    the network that is fine-tuned afterwards, which works on whole pictures.
  - Parameters are drawn as in convnext.py.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import DropPath
from cnnlab.models import Paper, Published, register_variants
from cnnlab.models.convnext import EPS, ConvNeXt, ConvNeXtVariant

__all__ = ["VARIANTS", "PUBLISHED", "PAPER", "GRN", "Block", "ConvNeXtV2"]

VARIANTS = {  # stochastic depth as in fine-tuning, tables 9 to 11 of the appendix
    "convnextv2_atto": ConvNeXtVariant(channels=(40, 80, 160, 320), blocks=(2, 2, 6, 2), drop_path=0.1),
    "convnextv2_femto": ConvNeXtVariant(channels=(48, 96, 192, 384), blocks=(2, 2, 6, 2), drop_path=0.0),
    "convnextv2_pico": ConvNeXtVariant(channels=(64, 128, 256, 512), blocks=(2, 2, 6, 2), drop_path=0.0),
    "convnextv2_nano": ConvNeXtVariant(channels=(80, 160, 320, 640), blocks=(2, 2, 8, 2), drop_path=0.1),
    "convnextv2_tiny": ConvNeXtVariant(channels=(96, 192, 384, 768), blocks=(3, 3, 9, 3), drop_path=0.2),
    "convnextv2_base": ConvNeXtVariant(channels=(128, 256, 512, 1024), blocks=(3, 3, 27, 3), drop_path=0.1),
    "convnextv2_large": ConvNeXtVariant(channels=(192, 384, 768, 1536), blocks=(3, 3, 27, 3), drop_path=0.2),
    "convnextv2_huge": ConvNeXtVariant(channels=(352, 704, 1408, 2816), blocks=(3, 3, 27, 3), drop_path=0.3),
}
_SOURCE = "table 14, trained on ImageNet-1K at 224 px as a masked autoencoder, then fine-tuned; one crop"
_TOP1 = {
    "atto": 76.7,
    "femto": 78.5,
    "pico": 80.3,
    "nano": 81.9,
    "tiny": 83.0,
    "base": 84.9,
    "large": 85.8,
    "huge": 86.3,
}
PUBLISHED = {f"convnextv2_{size}": Published(top1, None, _SOURCE) for size, top1 in _TOP1.items()}
PAPER = Paper(
    2023,
    "Woo et al., ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders",
    "https://arxiv.org/abs/2301.00808",
)


class GRN(nn.Module):
    """Global response normalization, algorithm 1. Shape: (N, H, W, C) -> (N, H, W, C): channels last.

    It looks at all of the picture, so that what it does to a pixel depends on every other one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))  # the paper's gamma
        self.bias = nn.Parameter(torch.zeros(channels))  # the paper's beta

    def forward(self, x: Tensor) -> Tensor:
        response = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)  # (N, 1, 1, C)
        response = response / (response.mean(dim=3, keepdim=True) + 1e-6)  # against the mean of the channels
        return self.weight * (x * response) + self.bias + x


class Block(nn.Module):
    """x + F(x) with GRN inside, figure 5 right. Shape: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, drop_path: float) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, kernel_size=7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=EPS)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = GRN(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dwconv(x)  # (N, C, H, W)
        y = self.norm(y.permute(0, 2, 3, 1))  # (N, H, W, C)
        y = self.grn(F.gelu(self.pwconv1(y)))  # (N, H, W, 4 C)
        y = self.pwconv2(y).permute(0, 3, 1, 2)  # (N, C, H, W)
        return x + self.drop_path(y)


@register_variants(
    VARIANTS,
    family="ConvNeXt V2",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    smallest=32,
    library="timm",
    published=PUBLISHED,
)
class ConvNeXtV2(ConvNeXt):
    """ConvNeXt with the block of version 2. Shape: (N, C, H, W) -> (N, num_classes)."""

    block: ClassVar[type[nn.Module]] = Block
