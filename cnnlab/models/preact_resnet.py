"""Pre-activation ResNet: a shortcut that nothing interrupts, and networks of a thousand layers.

K. He, X. Zhang, S. Ren, J. Sun: Identity Mappings in Deep Residual Networks, ECCV 2016, figure 4 (e), tables 3 to 5 and
the appendix. https://arxiv.org/abs/1603.05027

    CIFAR       output     110                  164                        1001
    conv1       32 x 32    3x3, 16
    stage 1     32 x 32    18 x [3x3, 16] x 2   18 x [1x1, 3x3, 1x1]       111 x [1x1, 3x3, 1x1]    16 (64)
    stage 2     16 x 16    18, 32 channels      18                         111                      32 (128)
    stage 3     8 x 8      18, 64 channels      18                         111                      64 (256)
    fc          1 x 1      batch norm, ReLU, average pool, 10-d dense layer
    parameters             1.7M                 1.7M                       10.2M (weights of convolutions alone)
    test error %           6.37                 5.46                       4.92

    ImageNet    output     152                       200
    conv1       112 x 112  7x7, 64, stride 2
                56 x 56    3x3 max pool, stride 2
    stages 1-4  56 to 7    3, 8, 36, 3 bottlenecks   3, 24, 36, 3 bottlenecks
    fc          1 x 1      batch norm, ReLU, average pool, 1000-d dense layer

A unit of 2015 computes relu(F(x) + x) and F ends in a batch norm. Here it is F(x) + x, and F begins with the batch norm
and the ReLU, before each convolution: between two units nothing happens to x, so that signals and gradients pass from
any unit to any other. The first unit gets conv1's output already activated; after the last unit's sum there is one more
batch norm and ReLU.

Where the size changes, a bottleneck's shortcut is a 1x1 convolution of the *activated* input, without a batch norm of
its own. The basic units of 110 layers have shortcuts without parameters (option A of 2015), of x itself.

A new network of 1001 layers answers NaN in evaluation mode: its batch norms know no statistics before the first step of
training, and the sum grows in each unit until it overflows.

``small_input=True`` is for pictures of 32 pixels: conv1 is 3x3 with stride 1 and there is no pooling after it. The
networks for CIFAR are built so anyway.

Differs from the paper in:
  - The paper's text leaves open which convolution has the stride. For CIFAR it is the first 1x1, as in the authors'
    code; for ImageNet the 3x3, as in Facebook's (fb.resnet.torch), whose ResNet-200 is this one, and in timm's.
  - The paper trains no pre-activation ResNet-50 or 101: they are the units of this paper in the depths of 2015's.
  - Nothing is said of where the new channels of option A go; here they come last.
  - Convolutions start from He's normal distribution over the fan-out, as in the authors' code; the dense layer uniform
    in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.layers import he_normal_
from cnnlab.models import Network, Paper, Published, register_variants
from cnnlab.models.resnet_cifar import PaddedShortcut

__all__ = [
    "PreActResNetVariant",
    "VARIANTS",
    "CIFAR_VARIANTS",
    "PUBLISHED",
    "CIFAR_PUBLISHED",
    "PAPER",
    "PreActBlock",
    "PreActBottleneck",
    "PreActResNet",
]


@dataclass(frozen=True)
class PreActResNetVariant:
    blocks: tuple[int, ...]  # units in each stage
    widths: tuple[int, ...] = (64, 128, 256, 512)  # channels of their 3x3 convolutions; the first is conv1's too
    bottleneck: bool = True  # units of 1x1, 3x3, 1x1 in place of 3x3, 3x3
    stride_on_1x1: bool = False  # of a bottleneck: halve the image in the first convolution, not in the 3x3
    small_input: bool = False


VARIANTS = {
    "preact_resnet50": PreActResNetVariant(blocks=(3, 4, 6, 3)),
    "preact_resnet101": PreActResNetVariant(blocks=(3, 4, 23, 3)),
    "preact_resnet152": PreActResNetVariant(blocks=(3, 8, 36, 3)),
    "preact_resnet200": PreActResNetVariant(blocks=(3, 24, 36, 3)),
}
_CIFAR = {"widths": (16, 32, 64), "stride_on_1x1": True, "small_input": True}
CIFAR_VARIANTS = {
    "preact_resnet110_cifar": PreActResNetVariant(blocks=(18, 18, 18), bottleneck=False, **_CIFAR),
    "preact_resnet164_cifar": PreActResNetVariant(blocks=(18, 18, 18), **_CIFAR),
    "preact_resnet1001_cifar": PreActResNetVariant(blocks=(111, 111, 111), **_CIFAR),
}
PUBLISHED = {
    "preact_resnet152": Published(78.9, 94.5, "table 5, 1 crop of 320, scale augmentation: 21.1 % and 5.5 % errors"),
    "preact_resnet200": Published(79.3, 94.7, "table 5, 1 crop of 320, scale augmentation: 20.7 % and 5.3 % errors"),
}
CIFAR_PUBLISHED = {
    f"preact_resnet{depth}_cifar": Published(round(100 - error, 2), None, f"table 3: {error} % error", "CIFAR-10")
    for depth, error in {110: 6.37, 164: 5.46, 1001: 4.92}.items()
}
PAPER = Paper(2016, "He et al., Identity Mappings in Deep Residual Networks", "https://arxiv.org/abs/1603.05027")


class PreActBlock(nn.Module):
    """Batch norm, ReLU, 3x3, twice. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)).

    ``first``: the input comes from conv1, activated already.
    """

    expansion = 1

    def __init__(
        self, in_channels: int, channels: int, stride: int, variant: PreActResNetVariant, first: bool = False
    ) -> None:
        super().__init__()
        self.bn1 = None if first else nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.shortcut = PaddedShortcut(channels - in_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.bn1 is None else F.relu(self.bn1(x))
        y = self.conv1(y)  # (N, K, H', W')
        y = self.conv2(F.relu(self.bn2(y)))
        return y + self.shortcut(x)  # and no ReLU


class PreActBottleneck(nn.Module):
    """Batch norm, ReLU and a convolution, three times: 1x1 down, 3x3, 1x1 up.

    ``first``: the input comes from conv1, activated already.
    Shape: (N, C, H, W) -> (N, 4 K, ceil(H / stride), ceil(W / stride)).
    """

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int, variant: PreActResNetVariant, first: bool = False
    ) -> None:
        super().__init__()
        out_channels = self.expansion * channels
        stride1, stride2 = (stride, 1) if variant.stride_on_1x1 else (1, stride)
        self.bn1 = None if first else nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=1, stride=stride1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, stride=stride2, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, kernel_size=1, bias=False)
        self.projection = None
        if stride != 1 or in_channels != out_channels:
            self.projection = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        activated = x if self.bn1 is None else F.relu(self.bn1(x))
        y = self.conv1(activated)  # (N, K, H, W)
        y = self.conv2(F.relu(self.bn2(y)))  # (N, K, H', W')
        y = self.conv3(F.relu(self.bn3(y)))  # (N, 4 K, H', W')
        return y + (x if self.projection is None else self.projection(activated))  # and no ReLU


@register_variants(
    CIFAR_VARIANTS,
    family="Pre-activation ResNet (CIFAR)",
    paper=PAPER,
    input_size=(3, 32, 32),
    num_classes=10,
    head="fc",
    published=CIFAR_PUBLISHED,
)
@register_variants(
    VARIANTS,
    family="Pre-activation ResNet",
    paper=PAPER,
    input_size=(3, 224, 224),
    num_classes=1000,
    head="fc",
    published=PUBLISHED,
)
class PreActResNet(Network):
    """conv1, stages of units, the last activation, an average, a dense layer. Shape: (N, C, H, W) -> (N, num_classes).

    ``stages`` holds one sequence of units for each size of the image.
    """

    def __init__(self, variant: PreActResNetVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        channels = variant.widths[0]
        kernel, stride = (3, 1) if variant.small_input else (7, 2)
        self.conv1 = nn.Conv2d(in_channels, channels, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.pool = nn.Identity() if variant.small_input else nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        unit = PreActBottleneck if variant.bottleneck else PreActBlock
        self.stages = nn.Sequential()
        for i, (width, count) in enumerate(zip(variant.widths, variant.blocks)):
            out_channels = unit.expansion * width
            units = [unit(channels, width, 1 if i == 0 else 2, variant, first=i == 0)]
            units += [unit(out_channels, width, 1, variant) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*units))
            channels = out_channels
        self.bn = nn.BatchNorm2d(channels)
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))  # (N, 64, 112, 112), sizes for 224 px; (N, 16, 32, 32) on CIFAR
        x = self.pool(x)  # (N, 64, 56, 56)
        x = self.stages(x)  # (N, 2048, 7, 7); (N, 64, 8, 8) or (N, 256, 8, 8) on CIFAR
        x = F.relu(self.bn(x))  # the sum of the last unit has had no activation yet
        x = x.mean(dim=(2, 3))  # (N, 2048): global average pooling
        return self.fc(x)  # (N, num_classes)
