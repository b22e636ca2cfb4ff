"""ResNeXt: many narrow paths in a block in place of a wide one.

S. Xie, R. Girshick, P. Dollar, Z. Tu, K. He: Aggregated Residual Transformations for Deep Neural Networks, CVPR 2017
(arXiv 2016), table 1 and section 5.3. https://arxiv.org/abs/1611.05431

    stage      output       ResNet-50                      ResNeXt-50 (32x4d)
    conv1      112 x 112    7x7, 64, stride 2
    conv2_x    56 x 56      3x3 max pool, stride 2, then
                            [1x1 64, 3x3 64, 1x1 256] x 3  [1x1 128, 3x3 128, C = 32, 1x1 256] x 3
    conv3_x    28 x 28      [128, 128, 512] x 4            [256, 256, 512] x 4
    conv4_x    14 x 14      [256, 256, 1024] x 6           [512, 512, 1024] x 6
    conv5_x    7 x 7        [512, 512, 2048] x 3           [1024, 1024, 2048] x 3
    fc         1 x 1        average pool, 1000-d dense layer
    parameters              25.5M                          25.0M
    "FLOPs" (MACs)          4.1e9                          4.2e9

"32x4d" is cardinality C = 32 and width d = 4: a block of conv2_x is the sum of 32 bottlenecks of 4 channels. Figure 3
draws that sum in three equal ways: (a) 32 bottlenecks that are added; (b) their first two layers side by side, joined
by one 1x1; (c) one bottleneck of 32 * 4 = 128 channels whose 3x3 is a convolution in 32 groups. (c) is what is built
here, with the bottleneck of resnet.py: a ResNet-50 is "1x64d". Each stage doubles d and keeps C.

The ResNeXt-29 for CIFAR has a 3x3 stem of 64 channels and three stages of three blocks; "8x64d" is C = 8 and d = 64.

``small_input=True`` is for pictures of 32 pixels: conv1 is 3x3 with stride 1 and there is no pooling after it, as in
resnet.py. ResNeXt-29 has that stem anyway, and only three stages.

Differs from the paper in:
  - Nothing in the layers for ImageNet: the 3x3 has the stride in the paper too. "32x8d" is torchvision's, not the
    paper's, which goes from 32x4d to 64x4d.
  - The blocks for CIFAR are the ones of 2015, as in the authors' code. By their notes the paper's own results (3.65 %
    and 3.58 % errors in table 7) came from pre-activated blocks, and these ones are better.
  - Convolutions start from He's normal distribution over the fan-out, batch norm at 1 and 0, as in resnet.py.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.resnet import Bottleneck, ResNet, ResNetVariant

__all__ = [
    "DEPTH_50",
    "DEPTH_101",
    "VARIANTS",
    "TIMM_VARIANTS",
    "CIFAR_VARIANTS",
    "PUBLISHED",
    "TIMM_PUBLISHED",
    "PAPER",
    "ResNeXt",
    "CIFARResNeXt",
]

DEPTH_50, DEPTH_101 = (3, 4, 6, 3), (3, 4, 23, 3)
VARIANTS = {
    "resnext50_32x4d": ResNetVariant(DEPTH_50, bottleneck=True, cardinality=32, base_width=4),
    "resnext101_32x8d": ResNetVariant(DEPTH_101, bottleneck=True, cardinality=32, base_width=8),
    "resnext101_64x4d": ResNetVariant(DEPTH_101, bottleneck=True, cardinality=64, base_width=4),
}
TIMM_VARIANTS = {
    "resnext101_32x4d": ResNetVariant(DEPTH_101, bottleneck=True, cardinality=32, base_width=4),
}
CIFAR_VARIANTS = {  # no blocks in conv5_x: it does not exist
    "resnext29_8x64d_cifar": ResNetVariant((3, 3, 3, 0), bottleneck=True, cardinality=8, small_input=True),
    "resnext29_16x64d_cifar": ResNetVariant((3, 3, 3, 0), bottleneck=True, cardinality=16, small_input=True),
}
PUBLISHED = {
    "resnext50_32x4d": Published(77.8, None, "table 3, 1 crop: 22.2 % error"),
    "resnext101_64x4d": Published(79.6, 94.7, "table 4, 1 crop: 20.4 % and 5.3 % errors"),
}
TIMM_PUBLISHED = {
    "resnext101_32x4d": Published(78.8, 94.4, "table 4, 1 crop: 21.2 % and 5.6 % errors"),
}
PAPER = Paper(
    2016, "Xie et al., Aggregated Residual Transformations for Deep Neural Networks", "https://arxiv.org/abs/1611.05431"
)


@register_variants(
    TIMM_VARIANTS,
    family="ResNeXt",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="timm",
    published=TIMM_PUBLISHED,
)
@register_variants(
    VARIANTS,
    family="ResNeXt",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    library="torchvision",
    published=PUBLISHED,
)
class ResNeXt(ResNet):
    """A ResNet whose bottlenecks are ``cardinality`` paths wide. Shape: (N, C, H, W) -> (N, num_classes)."""


@register_variants(
    CIFAR_VARIANTS, family="ResNeXt (CIFAR)", paper=PAPER, input_size=(3, 32, 32), num_classes=10, head="fc"
)
class CIFARResNeXt(Network):
    """A 3x3 stem, three stages, an average, a dense layer. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: ResNetVariant, num_classes: int = 10, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = ResNet.stage(Bottleneck, 64, 64, variant.blocks[0], 1, variant)
        self.conv3 = ResNet.stage(Bottleneck, 256, 128, variant.blocks[1], 2, variant)
        self.conv4 = ResNet.stage(Bottleneck, 512, 256, variant.blocks[2], 2, variant)
        self.fc = nn.Linear(1024, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))  # (N, 64, 32, 32), sizes for 32 px
        x = self.conv2(x)  # (N, 256, 32, 32)
        x = self.conv3(x)  # (N, 512, 16, 16)
        x = self.conv4(x)  # (N, 1024, 8, 8)
        x = x.mean(dim=(2, 3))  # (N, 1024): global average pooling
        return self.fc(x)  # (N, num_classes)
