"""LeNet-5.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-Based Learning Applied to Document Recognition,
Proceedings of the IEEE 86(11), 1998, section II.B and figure 2. https://doi.org/10.1109/5.726791

    layer    what                               output (32 px)   parameters here   in the paper
    C1       6 convolutions 5x5                 6 x 28 x 28                  156            156
    S2       2x2 average, stride 2              6 x 14 x 14                    0             12
    C3       16 convolutions 5x5                16 x 10 x 10               2,416          1,516
    S4       2x2 average, stride 2              16 x 5 x 5                     0             32
    C5       120 convolutions 5x5               120 x 1 x 1               48,120         48,120
    F6       dense                              84                        10,164         10,164
    output   dense / RBF                        10                           850   (840, fixed)
                                                               total      61,706         60,000

Differs from the paper in:
  - C3 sees all six maps of S2. The paper connects each map of C3 to three, four or all six of them (its
    table I), to break the symmetry and to save connections.
  - S2 and S4 average. The paper's multiply the sum by a trained coefficient, add a trained bias and
    apply the activation.
  - The activation is tanh(x), where the paper has 1.7159 tanh(2x/3).
  - The output is a dense layer for cross-entropy. The paper's ten Euclidean radial basis units measure the distance
    to fixed 7x12 drawings of the digits.
  - Parameters are drawn as torch does by default, uniformly in +-1/sqrt(fan-in); the paper's in +-2.4/fan-in.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cnnlab.models.registry import register


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


@register(
    VARIANTS,
    family="LeNet",
    year=1998,
    paper="LeCun et al., Gradient-Based Learning Applied to Document Recognition",
    url="https://doi.org/10.1109/5.726791",
    num_classes=10,
    fixed_size=True,
)
class LeNet5(nn.Module):
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
