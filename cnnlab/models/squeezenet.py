"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters.

F. N. Iandola, S. Han, M. W. Moskewicz, K. Ashraf, W. J. Dally, K. Keutzer: SqueezeNet: AlexNet-level accuracy with
50x fewer parameters and <0.5MB model size, arXiv 2016, table 1 and figure 2. https://arxiv.org/abs/1602.07360

    layer     output (227 px)    filter / stride    squeeze 1x1    expand 1x1    expand 3x3    parameters
    conv1     111 x 111 x 96     7x7 / 2                                                           14,208
    maxpool1  55 x 55 x 96       3x3 / 2
    fire2     55 x 55 x 128                         16             64            64                11,920
    fire3     55 x 55 x 128                         16             64            64                12,432
    fire4     55 x 55 x 256                         32             128           128               45,344
    maxpool4  27 x 27 x 256      3x3 / 2
    fire5     27 x 27 x 256                         32             128           128               49,440
    fire6     27 x 27 x 384                         48             192           192              104,880
    fire7     27 x 27 x 384                         48             192           192              111,024
    fire8     27 x 27 x 512                         64             256           256              188,992
    maxpool8  13 x 13 x 512      3x3 / 2
    fire9     13 x 13 x 512                         64             256           256              197,184
    conv10    13 x 13 x 1000     1x1 / 1                                                          513,000
    avgpool10 1 x 1 x 1000                                                                      1,248,424 in all

The table calls its input 224 x 224, but its sizes are those of 227. A fire module squeezes its input to few channels
with 1x1 convolutions and expands them again, one half with 1x1, the other with 3x3. Figure 2 adds bypasses: simple
ones, the identity, around fire3, fire5, fire7 and fire9, where the channels do not change, and in the complex version
also 1x1 convolutions around the other four. Version 1.1 is the authors' of later in 2016, outside the paper: a smaller
conv1 and earlier pooling, 2.35 times fewer MACs at 224 pixels.

``small_input=True`` is for pictures of 32 pixels: conv1 is 3x3 with stride 1 and there is no pooling after it, so that
fire9 works on 8 x 8.

Differs from the paper in:
  - Nothing in the layers. The pooling windows may stick out of the image (Caffe's habit, ``ceil_mode``), and a ReLU
    follows conv10, which the text does not mention: so in the authors' file and in torchvision.
  - Input of 224 pixels, as torchvision's weights expect.
  - Table 3 gives the complex bypass network 7.7 MB; the four 1x1 convolutions of figure 2 make 6.1.
  - Convolutions start from He's uniform distribution over the fan-in with zero biases, and conv10 from a normal
    distribution of 0.01, as in torchvision; the authors' file has Glorot's uniform distribution over the fan-in.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "SqueezeNetVariant",
    "V1_0",
    "VARIANTS",
    "VARIANTS_1_1",
    "BYPASS_VARIANTS",
    "PUBLISHED",
    "BYPASS_PUBLISHED",
    "PAPER",
    "Fire",
    "SqueezeNet",
]


@dataclass(frozen=True)
class SqueezeNetVariant:
    conv1_channels: int
    conv1_kernel: int
    pool_after: tuple[int, ...]  # the numbers of the layers with a max pool after them, beside conv1
    simple_bypass: bool = False  # the identity around the fire modules that keep the channels
    complex_bypass: bool = False  # a 1x1 convolution around those that do not
    small_input: bool = False


V1_0 = {"conv1_channels": 96, "conv1_kernel": 7, "pool_after": (4, 8)}
VARIANTS = {
    "squeezenet1_0": SqueezeNetVariant(**V1_0),
}
VARIANTS_1_1 = {
    "squeezenet1_1": SqueezeNetVariant(conv1_channels=64, conv1_kernel=3, pool_after=(3, 5)),
}
BYPASS_VARIANTS = {
    "squeezenet1_0_simple_bypass": SqueezeNetVariant(**V1_0, simple_bypass=True),
    "squeezenet1_0_complex_bypass": SqueezeNetVariant(**V1_0, simple_bypass=True, complex_bypass=True),
}
PUBLISHED = {
    "squeezenet1_0": Published(57.5, 80.3, "table 3, without bypass"),
}
BYPASS_PUBLISHED = {
    "squeezenet1_0_simple_bypass": Published(60.4, 82.5, "table 3"),
    "squeezenet1_0_complex_bypass": Published(58.8, 82.0, "table 3"),
}
PAPER = Paper(
    2016,
    "Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
    "https://arxiv.org/abs/1602.07360",
)


class Fire(nn.Module):
    """Squeeze with 1x1, expand with 1x1 and 3x3. Shape: (N, C, H, W) -> (N, 2 expand, H, W).

    Args:
        in_channels: C.
        squeeze: filters of the squeeze layer (the paper's s1x1).
        expand: filters of each half of the expand layer (e1x1 and e3x3, which are equal throughout).
        variant: which bypasses there are.
    """

    def __init__(self, in_channels: int, squeeze: int, expand: int, variant: SqueezeNetVariant) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, kernel_size=1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, kernel_size=1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, kernel_size=3, padding=1)
        self.bypass = None
        if in_channels == 2 * expand:
            self.bypass = nn.Identity() if variant.simple_bypass else None
        elif variant.complex_bypass:
            self.bypass = nn.Conv2d(in_channels, 2 * expand, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.squeeze(x))  # (N, squeeze, H, W)
        y = torch.cat([F.relu(self.expand1x1(y)), F.relu(self.expand3x3(y))], dim=1)  # (N, 2 expand, H, W)
        return y if self.bypass is None else y + self.bypass(x)


@register_variants(
    BYPASS_VARIANTS,
    family="SqueezeNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="conv10",
    after="ReLU and global average pooling",
    smallest=21,
    published=BYPASS_PUBLISHED,
)
@register_variants(
    VARIANTS_1_1,
    family="SqueezeNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="conv10",
    after="ReLU and global average pooling",
    smallest=17,
    library="torchvision",
)
@register_variants(
    VARIANTS,
    family="SqueezeNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="conv10",
    after="ReLU and global average pooling",
    smallest=21,
    library="torchvision",
    published=PUBLISHED,
)
class SqueezeNet(Network):
    """A convolution, eight fire modules, a convolution, an average. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: SqueezeNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()

        def pool_after(layer: int) -> nn.Module:
            pooled = layer in variant.pool_after
            return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True) if pooled else nn.Identity()

        channels = variant.conv1_channels
        if variant.small_input:
            self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=3, padding=1)
            self.pool1 = nn.Identity()
        else:
            self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=variant.conv1_kernel, stride=2)
            self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.fire2 = Fire(channels, 16, 64, variant)
        self.fire3 = Fire(128, 16, 64, variant)
        self.pool3 = pool_after(3)
        self.fire4 = Fire(128, 32, 128, variant)
        self.pool4 = pool_after(4)
        self.fire5 = Fire(256, 32, 128, variant)
        self.pool5 = pool_after(5)
        self.fire6 = Fire(256, 48, 192, variant)
        self.fire7 = Fire(384, 48, 192, variant)
        self.fire8 = Fire(384, 64, 256, variant)
        self.pool8 = pool_after(8)
        self.fire9 = Fire(512, 64, 256, variant)
        self.dropout = nn.Dropout(p=0.5)
        self.conv10 = nn.Conv2d(512, num_classes, kernel_size=1)

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.conv10.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))  # (N, 96, 109, 109), sizes of version 1.0 for 224 px
        x = self.pool1(x)  # (N, 96, 54, 54)
        x = self.fire3(self.fire2(x))  # (N, 128, 54, 54)
        x = self.fire4(self.pool3(x))  # (N, 256, 54, 54); version 1.1 pools before fire4
        x = self.fire5(self.pool4(x))  # (N, 256, 27, 27)
        x = self.fire7(self.fire6(self.pool5(x)))  # (N, 384, 27, 27); version 1.1 pools before fire6
        x = self.fire8(x)  # (N, 512, 27, 27)
        x = self.fire9(self.pool8(x))  # (N, 512, 13, 13)
        x = F.relu(self.conv10(self.dropout(x)))  # (N, num_classes, 13, 13)
        return x.mean(dim=(2, 3))  # (N, num_classes): global average pooling
