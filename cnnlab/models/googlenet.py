"""GoogLeNet, the first Inception network.

C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, V. Vanhoucke, A. Rabinovich: Going Deeper with
Convolutions, CVPR 2015 (arXiv 2014), table 1 and figure 3. https://arxiv.org/abs/1409.4842

    layer           output          1x1   3x3 reduce   3x3   5x5 reduce   5x5   pool proj      params     ops
    conv 7x7/2      112x112x64                                                                  2.7K [1]  34M [1]
    max pool 3x3/2  56x56x64
    conv 3x3/1      56x56x192                64        192                                      112K     360M
    max pool 3x3/2  28x28x192
    inception 3a    28x28x256        64      96        128       16        32       32          159K     128M
    inception 3b    28x28x480       128     128        192       32        96       64          380K     304M
    max pool 3x3/2  14x14x480
    inception 4a    14x14x512       192      96        208       16        48       64          364K      73M   + head
    inception 4b    14x14x512       160     112        224       24        64       64          437K      88M
    inception 4c    14x14x512       128     128        256       24        64       64          463K [2] 100M
    inception 4d    14x14x528       112     144        288       32        64       64          580K [2] 119M   + head
    inception 4e    14x14x832       256     160        320       32       128      128          840K     170M
    max pool 3x3/2  7x7x832
    inception 5a    7x7x832         256     160        320       32       128      128         1072K [2]  54M [2]
    inception 5b    7x7x1024        384     192        384       48       128      128         1388K      71M
    avg pool 7x7    1x1x1024, 40 % dropout
    linear          1000                                                                       1000K       1M

An Inception module runs four branches side by side: 1x1, 3x3, 5x5 and a 3x3 max pooling, and stacks their maps. The 1x1
convolutions before the 3x3 and the 5x5, and after the pooling, keep it affordable: they mix the channels into fewer.
Two auxiliary heads, on 4a and 4d, add 0.3 of their loss while training and are not used afterwards.

"ops" are multiply-adds in millions, and K is 1024 weights without biases. All ops follow from the widths but two:
[1] A 7x7 convolution has 9,408 weights and costs 118M. What is printed fits a depthwise convolution of multiplier 8
    with a 1x1 after it (2,712 weights, 34.0M), as the BN-Inception of the same group has it; the text has none.
[2] The widths give 498K, 591K and 1018K, and 51M for 5a; 4a, 4b, 4e and 5b are up to 21K more than printed, too.

``googlenet_2014`` is the paper's network. ``googlenet`` is torchvision's, which has official weights: batch norm in
place of biases and local response norm; the branch called 5x5 is 3x3, a mistake found when the weights were out; the
last max pooling is 2x2; dropout 20 %; and no heads, since those in the checkpoint were never trained.

``small_input=True`` is for pictures of 32 pixels: conv1 is 3x3 with stride 1 and there is no pooling after it, so that
3a works on 16 x 16 and 5b on 4 x 4. The heads then average to 4 x 4 without overlap. ``narrow`` is for a processor's.

Differs from the paper in:
  - Pooling rounds the size up and does not pad, as in Caffe's model; local response norm has Caffe's constants (5
    channels, alpha 1e-4, beta 0.75, k 1). The paper says neither.
  - Pictures of other sizes than 224 will do: the last pooling averages whatever is there, that of the heads to 4 x 4.
  - Convolutions start from He's normal distribution over the fan-in, with zero biases; dense layers uniform in
    +-1/sqrt(fan-in). The paper does not say how; torchvision's start with a standard deviation of 0.01.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, he_normal_
from cnnlab.models import Network, Paper, register_variants

__all__ = [
    "GoogLeNetVariant",
    "VARIANTS",
    "TORCHVISION_VARIANTS",
    "PAPER",
    "convolution",
    "NaiveInception",
    "Inception",
    "AuxiliaryHead",
    "GoogLeNet",
]


@dataclass(frozen=True)
class GoogLeNetVariant:
    batch_norm: bool = False  # after each convolution; otherwise biases, and local response norm in the stem
    kernel_5x5: int = 5  # of the branch called 5x5
    last_max_pool: int = 3  # height and width of the pooling before 5a
    dropout: float = 0.4
    auxiliary: bool = True  # the two heads
    small_input: bool = False
    narrow: int = 1  # divides all widths: 1, 2, 4 or 8


VARIANTS = {
    "googlenet_2014": GoogLeNetVariant(),
}
TORCHVISION_VARIANTS = {
    "googlenet": GoogLeNetVariant(batch_norm=True, kernel_5x5=3, last_max_pool=2, dropout=0.2, auxiliary=False),
}
PAPER = Paper(2014, "Szegedy et al., Going Deeper with Convolutions", "https://arxiv.org/abs/1409.4842")


def convolution(in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, batch_norm: bool) -> nn.Module:
    """Convolution and ReLU, with batch norm between them or a bias. Shape: (N, C, H, W) -> (N, K, H', W')."""
    if batch_norm:
        return ConvNormAct(in_channels, out_channels, kernel, stride, eps=1e-3)
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2), nn.ReLU())


class NaiveInception(nn.Module):
    """Figure 2a, which the paper draws to reject it: without the 1x1 convolutions that make it cheap.

    The pooling alone hands on all C channels, so every such module is wider than the one before it.
    Shape: (N, C, H, W) -> (N, c1x1 + c3x3 + c5x5 + C, H, W).
    """

    def __init__(self, in_channels: int, c1x1: int, c3x3: int, c5x5: int, *, batch_norm: bool = False) -> None:
        super().__init__()
        self.conv1x1 = convolution(in_channels, c1x1, 1, batch_norm=batch_norm)
        self.conv3x3 = convolution(in_channels, c3x3, 3, batch_norm=batch_norm)
        self.conv5x5 = convolution(in_channels, c5x5, 5, batch_norm=batch_norm)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv1x1(x), self.conv3x3(x), self.conv5x5(x), self.pool(x)], dim=1)


class Inception(nn.Module):
    """Figure 2b; the widths are a row of table 1. Shape: (N, C, H, W) -> (N, c1x1 + c3x3 + c5x5 + projection, H, W)."""

    def __init__(
        self,
        in_channels: int,
        c1x1: int,
        reduce3x3: int,
        c3x3: int,
        reduce5x5: int,
        c5x5: int,
        projection: int,
        *,
        batch_norm: bool = False,
        kernel_5x5: int = 5,
    ) -> None:
        super().__init__()
        self.conv1x1 = convolution(in_channels, c1x1, 1, batch_norm=batch_norm)
        self.conv3x3 = nn.Sequential(
            convolution(in_channels, reduce3x3, 1, batch_norm=batch_norm),
            convolution(reduce3x3, c3x3, 3, batch_norm=batch_norm),
        )
        self.conv5x5 = nn.Sequential(
            convolution(in_channels, reduce5x5, 1, batch_norm=batch_norm),
            convolution(reduce5x5, c5x5, kernel_5x5, batch_norm=batch_norm),
        )
        self.pool = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            convolution(in_channels, projection, 1, batch_norm=batch_norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv1x1(x), self.conv3x3(x), self.conv5x5(x), self.pool(x)], dim=1)


class AuxiliaryHead(nn.Module):
    """A small classifier for the middle of the network, section 5. Shape: (N, C, 14, 14) -> (N, num_classes)."""

    def __init__(self, in_channels: int, num_classes: int, *, batch_norm: bool = False, narrow: int = 1) -> None:
        super().__init__()
        self.conv = convolution(in_channels, 128 // narrow, 1, batch_norm=batch_norm)
        self.fc1 = nn.Linear(128 // narrow * 4 * 4, 1024 // narrow)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024 // narrow, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) >= 14:
            x = F.avg_pool2d(x, kernel_size=5, stride=3)  # (N, C, 4, 4) from 14 x 14
        x = F.adaptive_avg_pool2d(x, 4)  # nothing happens here with pictures of 224 px
        x = self.conv(x)  # (N, 128, 4, 4)
        x = F.relu(self.fc1(x.flatten(1)))  # (N, 1024)
        return self.fc2(self.dropout(x))  # (N, num_classes)


# No accuracies: the paper prints top-5 errors alone, 10.07 % for one network and one crop (table 3).
@register_variants(
    TORCHVISION_VARIANTS,
    family="GoogLeNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    smallest=15,
    library="torchvision",
)
@register_variants(
    VARIANTS,
    family="GoogLeNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    auxiliary=("head4a.fc2", "head4d.fc2"),
    smallest=31,
)
class GoogLeNet(Network):
    """A stem, nine Inception modules, an average and a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes); in training mode (that, [one more of that shape for each head]).
    """

    def __init__(self, variant: GoogLeNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        if variant.narrow not in (1, 2, 4, 8):
            raise ValueError(f"narrow={variant.narrow!r} does not divide all widths of table 1; use 1, 2, 4 or 8.")
        bn = {"batch_norm": variant.batch_norm}
        head = {**bn, "narrow": variant.narrow}

        def conv(in_channels: int, out_channels: int, kernel: int) -> nn.Module:
            return convolution(in_channels // variant.narrow, out_channels // variant.narrow, kernel, **bn)

        def inception(*widths: int) -> Inception:
            return Inception(*(width // variant.narrow for width in widths), **bn, kernel_5x5=variant.kernel_5x5)

        kernel, stride = (3, 1) if variant.small_input else (7, 2)
        self.conv1 = convolution(in_channels, 64 // variant.narrow, kernel, stride, **bn)
        self.pool1 = nn.Identity() if variant.small_input else nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.norm1 = nn.Identity() if variant.batch_norm else nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.conv2_reduce = conv(64, 64, 1)
        self.conv2 = conv(64, 192, 3)
        self.norm2 = nn.Identity() if variant.batch_norm else nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)
        self.pool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = inception(256, 128, 128, 192, 32, 96, 64)
        self.pool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = inception(528, 256, 160, 320, 32, 128, 128)
        self.pool4 = nn.MaxPool2d(variant.last_max_pool, stride=2, ceil_mode=True)
        self.inception5a = inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = inception(832, 384, 192, 384, 48, 128, 128)
        self.head4a = AuxiliaryHead(512 // variant.narrow, num_classes, **head) if variant.auxiliary else None
        self.head4d = AuxiliaryHead(528 // variant.narrow, num_classes, **head) if variant.auxiliary else None
        self.dropout = nn.Dropout(variant.dropout)
        self.fc = nn.Linear(1024 // variant.narrow, num_classes)
        self.auxiliary_weights = (0.3, 0.3) if variant.auxiliary else ()

        he_normal_(self, mode="fan_in")
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, list[Tensor]]:
        x = self.conv1(x)  # (N, 64, 112, 112), sizes for 224 px
        x = self.norm1(self.pool1(x))  # (N, 64, 56, 56)
        x = self.conv2(self.conv2_reduce(x))  # (N, 192, 56, 56)
        x = self.pool2(self.norm2(x))  # (N, 192, 28, 28)
        x = self.inception3b(self.inception3a(x))  # (N, 480, 28, 28)
        x = self.pool3(x)  # (N, 480, 14, 14)
        x = x4a = self.inception4a(x)  # (N, 512, 14, 14)
        x = self.inception4c(self.inception4b(x))  # (N, 512, 14, 14)
        x = x4d = self.inception4d(x)  # (N, 528, 14, 14)
        x = self.inception4e(x)  # (N, 832, 14, 14)
        x = self.pool4(x)  # (N, 832, 7, 7)
        x = self.inception5b(self.inception5a(x))  # (N, 1024, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 1024): global average pooling
        x = self.fc(self.dropout(x))  # (N, num_classes)
        if self.training and self.auxiliary_weights:
            return x, [self.head4a(x4a), self.head4d(x4d)]
        return x
