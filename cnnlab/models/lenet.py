"""LeNet-5, as published and as it is taught.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-Based Learning Applied to Document Recognition,
Proceedings of the IEEE 86(11), 1998, section II.B and figure 2. https://doi.org/10.1109/5.726791

    layer    what                               output (32 px)   lenet5    lenet5_1998, the paper
    C1       6 convolutions 5x5                 6 x 28 x 28         156            156
    S2       2x2 average, stride 2              6 x 14 x 14           0             12
    C3       16 convolutions 5x5                16 x 10 x 10      2,416          1,516
    S4       2x2 average, stride 2              16 x 5 x 5            0             32
    C5       120 convolutions 5x5               120 x 1 x 1      48,120         48,120
    F6       dense                              84               10,164         10,164
    output   dense / RBF                        10                  850   (840, fixed)
                                                      total      61,706         60,000

lenet5 (and lenet5_28, which takes MNIST's pictures without a frame) differs from the paper in:
  - C3 sees all six maps of S2. The paper connects each map of C3 to three, four or all six of them (its
    table I), to break the symmetry and to save connections.
  - S2 and S4 average. The paper's multiply the sum by a trained coefficient, add a trained bias and
    apply the activation.
  - The activation is tanh(x), where the paper has 1.7159 tanh(2x/3).
  - The output is a dense layer for cross-entropy. The paper's ten Euclidean radial basis units measure the distance
    to fixed 7x12 drawings of the digits.
  - Parameters are drawn as torch does by default, uniformly in +-1/sqrt(fan-in); the paper's in +-2.4/fan-in.

lenet5_1998 has all of these as published. Differs from the paper in:
  - The code of a class is 84 times +1 or -1 at random, the same in every network, and not the drawing of a digit:
    there are as many classes as one likes. The paper too names random codes as an alternative.
  - The outputs are minus the squared distances, so that the largest one wins and cross-entropy applies to them. That
    is the paper's equation 9 without its constant j. These distances start near 84 and move fast: learning rates of
    about 0.001 train this network where lenet5 takes 0.05.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnlab.models import Network, Paper, Published, register_variants

__all__ = [
    "TABLE_1",
    "PAPER",
    "LeNet1998Variant",
    "VARIANTS_1998",
    "PUBLISHED_1998",
    "Squash",
    "Subsampling",
    "PartialConvolution",
    "RBF",
    "LeNet1998",
    "LeNetVariant",
    "VARIANTS",
    "LeNet5",
]

# Which maps of S2 each of the 16 maps of C3 sees: table I, column by column.
TABLE_1 = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 0), (5, 0, 1)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 0), (4, 5, 0, 1), (5, 0, 1, 2)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)

PAPER = Paper(
    1998, "LeCun et al., Gradient-Based Learning Applied to Document Recognition", "https://doi.org/10.1109/5.726791"
)


# --- as published --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LeNet1998Variant:
    code_seed: int = 0  # of the random codes of the classes


VARIANTS_1998 = {
    "lenet5_1998": LeNet1998Variant(),
}
PUBLISHED_1998 = {
    "lenet5_1998": Published(99.05, None, "section III.B: 0.95 % error; 0.8 % with distorted training images", "MNIST"),
}


class Squash(nn.Module):
    """1.7159 tanh(2x/3), which maps 1 to 1 and -1 to -1 and bends most there. Shape: (...) -> (...)."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(2 / 3 * x)


class Subsampling(nn.Module):
    """Sums of 2x2 pixels, times a coefficient, plus a bias. Shape: (N, C, H, W) -> (N, C, H / 2, W / 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = 4 * nn.functional.avg_pool2d(x, kernel_size=2)  # (N, C, H / 2, W / 2)
        return self.coefficient * x + self.bias


class PartialConvolution(nn.Module):
    """C3: 5x5 convolutions of which each reads the maps that table I names. Shape: (N, 6, H, W) -> (N, 16, H-4, W-4).

    The maps that read equally many are one convolution in groups, whose input lists what each of them reads in turn.
    """

    def __init__(self) -> None:
        super().__init__()
        self.threes = nn.Conv2d(6 * 3, 6, kernel_size=5, groups=6)
        self.fours = nn.Conv2d(9 * 4, 9, kernel_size=5, groups=9)
        self.six = nn.Conv2d(6, 1, kernel_size=5)

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for conv, columns in ((self.threes, TABLE_1[:6]), (self.fours, TABLE_1[6:15]), (self.six, TABLE_1[15:])):
            reads = [number for maps in columns for number in maps]
            outputs.append(conv(x[:, reads]))
        return torch.cat(outputs, dim=1)


class RBF(nn.Module):
    """Minus the squared distance to the code of each class. Shape: (N, 84) -> (N, num_classes)."""

    def __init__(self, inputs: int, num_classes: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator("cpu").manual_seed(seed)
        bits = torch.randint(2, (num_classes, inputs), generator=generator, device="cpu")
        self.register_buffer("codes", torch.empty(num_classes, inputs))
        self.codes.copy_(2 * bits - 1)

    def forward(self, x: Tensor) -> Tensor:
        return -(x[:, None, :] - self.codes).square().sum(dim=2)


@register_variants(
    VARIANTS_1998,
    family="LeNet",
    paper=PAPER,
    input_size=(1, 32, 32),
    num_classes=10,
    head="output",
    fixed_size=True,
    published=PUBLISHED_1998,
)
class LeNet1998(Network):
    """LeNet-5 with 60,000 trained parameters. Shape: (N, C, 32, 32) -> (N, num_classes)."""

    def __init__(self, variant: LeNet1998Variant, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.s2 = Subsampling(6)
        self.c3 = PartialConvolution()
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.f6 = nn.Linear(120, 84)
        self.output = RBF(84, num_classes, variant.code_seed)
        self.squash = Squash()

        for module in self.modules():
            fan_in = 4 if isinstance(module, Subsampling) else None  # 2x2 pixels
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
            for parameter in module.parameters(recurse=False):
                nn.init.uniform_(parameter, -2.4 / fan_in, 2.4 / fan_in)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squash(self.c1(x))  # (N, 6, 28, 28)
        x = self.squash(self.s2(x))  # (N, 6, 14, 14)
        x = self.squash(self.c3(x))  # (N, 16, 10, 10)
        x = self.squash(self.s4(x))  # (N, 16, 5, 5)
        x = self.squash(self.c5(x))  # (N, 120, 1, 1)
        x = self.squash(self.f6(x.flatten(1)))  # (N, 84)
        return self.output(x)  # (N, num_classes)


# --- as taught -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LeNetVariant:
    input_size: tuple[int, int, int]
    c5_kernel: int  # all that S4 leaves of the image, so that C5 sees the whole of it
    activation: type[nn.Module] = nn.Tanh  # nn.ReLU and nn.Sigmoid are what later copies use
    pooling: type[nn.Module] = nn.AvgPool2d  # nn.MaxPool2d in many later copies


VARIANTS = {
    "lenet5": LeNetVariant(input_size=(1, 32, 32), c5_kernel=5),  # the paper's: 28 px digits in a 32 px frame
    "lenet5_28": LeNetVariant(input_size=(1, 28, 28), c5_kernel=4),  # MNIST as it comes: 44,426 parameters
}


@register_variants(VARIANTS, family="LeNet", paper=PAPER, num_classes=10, head="output", fixed_size=True)
class LeNet5(Network):
    """LeNet-5. Shape: (N, C, 32, 32) -> (N, num_classes); (N, C, 28, 28) for ``lenet5_28``."""

    def __init__(self, variant: LeNetVariant, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.s2 = variant.pooling(kernel_size=2, stride=2)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.s4 = variant.pooling(kernel_size=2, stride=2)
        self.c5 = nn.Conv2d(16, 120, kernel_size=variant.c5_kernel)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        self.activation = variant.activation()

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.c1(x))  # (N, 6, 28, 28), sizes for 32 px
        x = self.s2(x)  # (N, 6, 14, 14)
        x = self.activation(self.c3(x))  # (N, 16, 10, 10)
        x = self.s4(x)  # (N, 16, 5, 5)
        x = self.activation(self.c5(x))  # (N, 120, 1, 1)
        x = self.activation(self.f6(x.flatten(1)))  # (N, 84)
        return self.output(x)  # (N, num_classes)
