"""EfficientNet-Lite: EfficientNet without what phones' chips cannot do, and with activations that 8 bits can hold.

There is no paper. R. Liu: Higher accuracy on vision models with EfficientNet-Lite, TensorFlow blog, March 2020,
https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html, and the authors'
program, ``models/official/efficientnet/lite`` in https://github.com/tensorflow/tpu, whose table this is:

                     lite0    lite1    lite2    lite3    lite4
    width            1.0      1.0      1.1      1.2      1.4
    depth            1.0      1.1      1.2      1.4      1.8
    image            224      240      260      280      300
    parameters       4.7M     5.4M     6.1M     8.2M     13.0M
    "MAdds"          407M     631M     899M     1.44B    2.64B
    top-1            75.1     76.7     77.6     79.8     81.5     as 32-bit floats
    top-1            74.4     75.9     77.0     79.0     80.2     as 8-bit integers

Three changes turn an EfficientNet into its Lite version. Squeeze-and-excitation goes, because chips for phones support
it badly. ReLU6 takes the place of swish: with swish some outputs reached from -168 to 204, and rounded to 256 steps of
that range the network fell from 75 to 46 % (the blog's numbers); ReLU6 ends at 6. And the first convolution, the last
one and the depth of the first and the last stage stay as in lite0, however far the network is scaled.

Without excitation an MBConv block is MobileNetV2's inverted residual, with kernels of 3 and 5 pixels.

Differs from the paper in (there being none, from the authors' program):
  - nothing that shows in an output: the padding is TensorFlow's, an odd pixel at the bottom and right. So it works with
    their weights, which timm converted as ``tf_efficientnet_lite0`` and so on; we keep those names.
  - In training, a running mean of batch norm takes a tenth of each batch, as timm's does; theirs takes a hundredth.
  - The table's "MAdds" are 3 to 6 % above the multiply-accumulates of convolutions and dense layer counted here (385M
    to 2.55B): it seems to count more than those, and does not say what.
  - Fresh parameters are drawn as EfficientNet's are in its own file here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from cnnlab.layers import ConvNormAct, DropPath, make_divisible, pad_same
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.efficientnet import STAGES, initialize

__all__ = [
    "EPS",
    "EfficientNetLiteVariant",
    "VARIANTS",
    "PUBLISHED",
    "PAPER",
    "SameUnit",
    "LiteBlock",
    "EfficientNetLite",
]

EPS = 1e-3  # of every batch norm


@dataclass(frozen=True)
class EfficientNetLiteVariant:
    width: float  # channels of stages 2 to 8, times lite0's
    depth: float  # layers of stages 3 to 7, times lite0's
    resolution: int  # height and width of the images
    dropout: float

    @property
    def input_size(self) -> tuple[int, int, int]:
        return (3, self.resolution, self.resolution)

    def channels(self, of_lite0: int) -> int:
        """Multiples of 8, and never more than 10 % below the wanted number."""
        return make_divisible(of_lite0 * self.width)

    def layers(self, of_lite0: int, *, fixed: bool) -> int:
        return of_lite0 if fixed else math.ceil(of_lite0 * self.depth)


VARIANTS = {
    "tf_efficientnet_lite0": EfficientNetLiteVariant(width=1.0, depth=1.0, resolution=224, dropout=0.2),
    "tf_efficientnet_lite1": EfficientNetLiteVariant(width=1.0, depth=1.1, resolution=240, dropout=0.2),
    "tf_efficientnet_lite2": EfficientNetLiteVariant(width=1.1, depth=1.2, resolution=260, dropout=0.3),
    "tf_efficientnet_lite3": EfficientNetLiteVariant(width=1.2, depth=1.4, resolution=280, dropout=0.3),
    "tf_efficientnet_lite4": EfficientNetLiteVariant(width=1.4, depth=1.8, resolution=300, dropout=0.3),
}
PUBLISHED = {
    f"tf_efficientnet_lite{i}": Published(top1, None, "the README's table, FP32 accuracy, one network and crop")
    for i, top1 in enumerate((75.1, 76.7, 77.6, 79.8, 81.5))
}
PAPER = Paper(
    2020,
    "Liu, Higher accuracy on vision models with EfficientNet-Lite (no paper; a blog post and a program)",
    "https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html",
)


class SameUnit(ConvNormAct):
    """Convolution, batch norm, ReLU6, padded as TensorFlow does: on the left and top one pixel less where it is odd.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, groups: int = 1) -> None:
        # At stride 1 both paddings are the same, and the convolution does it by itself.
        padding = None if stride == 1 else 0
        super().__init__(
            in_channels, out_channels, kernel, stride, padding, groups=groups, activation=nn.ReLU6, eps=EPS
        )
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.stride == 1 else pad_same(x, self.kernel, self.stride))


class LiteBlock(nn.Module):
    """Widen, filter each channel, narrow; then add the input where the sizes agree.

    Shape: (N, C, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels, out_channels: before widening and after narrowing.
        expansion: how many times wider in between; 1 leaves the first convolution out.
        kernel, stride: of the depthwise convolution.
        drop: probability that a picture's branch is left out in training (only where the input is added).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, expansion: int, kernel: int, stride: int = 1, drop: float = 0.0
    ) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.widen = SameUnit(in_channels, wide, kernel=1) if expansion > 1 else nn.Identity()
        self.depthwise = SameUnit(wide, wide, kernel, stride, groups=wide)
        self.narrow = ConvNormAct(wide, out_channels, kernel=1, activation=None, eps=EPS)
        self.residual = stride == 1 and in_channels == out_channels
        self.drop = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        y = self.widen(x)  # (N, expansion C, H, W)
        y = self.depthwise(y)  # (N, expansion C, H', W')
        y = self.narrow(y)  # (N, out_channels, H', W')
        return x + self.drop(y) if self.residual else y


@register_variants(
    VARIANTS,
    family="EfficientNet",
    paper=PAPER,
    num_classes=1000,
    head="fc",
    library="timm",
    published=PUBLISHED,
)
class EfficientNetLite(Network):
    """A convolution, seven stages of blocks, a convolution, an average, a dense layer.

    Shape: (N, C, H, W) -> (N, num_classes).
    """

    def __init__(self, variant: EfficientNetLiteVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        depths = [variant.layers(stage.layers, fixed=number in (2, 8)) for number, stage in enumerate(STAGES, start=2)]
        self.stem = SameUnit(in_channels, 32, kernel=3, stride=2)
        self.stages = nn.Sequential()
        channels, index = 32, 0
        for number, (stage, depth) in enumerate(zip(STAGES, depths, strict=True), start=2):
            block = partial(LiteBlock, out_channels=variant.channels(stage.channels), kernel=stage.kernel)
            blocks = nn.Sequential()
            for i in range(depth):
                stride = stage.stride if i == 0 else 1
                drop = 0.2 * index / sum(depths)  # stochastic depth: rises from block to block
                blocks.append(block(channels, expansion=stage.expansion, stride=stride, drop=drop))
                channels, index = variant.channels(stage.channels), index + 1
            self.stages.add_module(f"stage{number}", blocks)
        self.last = SameUnit(channels, 1280, kernel=1)
        self.dropout = nn.Dropout(variant.dropout)
        self.fc = nn.Linear(1280, num_classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (N, 32, 112, 112), sizes for lite0 and 224 px
        x = self.stages(x)  # (N, 320, 7, 7)
        x = self.last(x)  # (N, 1280, 7, 7)
        x = x.mean(dim=(2, 3))  # (N, 1280): global average pooling
        return self.fc(self.dropout(x))  # (N, num_classes)
