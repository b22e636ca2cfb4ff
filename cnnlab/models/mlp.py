"""The multilayer perceptrons that the chapter "From MLP to CNN" sets against LeNet-5.

The networks of a comparison that is often taught. ReLU between the dense layers, nothing else; training by
back-propagation is due to D. Rumelhart, G. Hinton, R. Williams: Learning Representations by Back-Propagating Errors,
Nature 323, 1986. https://doi.org/10.1038/323533a0

    mlp_mnist      784 - 128 - 64 - 10                       109,386 parameters
    mlp_cifar10    3072 - 1536 - 768 - 384 - 128 - 10      6,246,410 parameters

Parameters are drawn as torch does by default, uniformly in +-1/sqrt(fan-in).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.models import Network, Paper, register_variants

__all__ = ["MLPVariant", "VARIANTS", "PAPER", "MLP"]


@dataclass(frozen=True)
class MLPVariant:
    input_size: tuple[int, int, int]
    hidden: tuple[int, ...]  # units in each hidden layer


VARIANTS = {
    "mlp_mnist": MLPVariant(input_size=(1, 28, 28), hidden=(128, 64)),
    "mlp_cifar10": MLPVariant(input_size=(3, 32, 32), hidden=(1536, 768, 384, 128)),
}
PAPER = Paper(
    1986,
    "Rumelhart, Hinton and Williams, Learning Representations by Back-Propagating Errors",
    "https://doi.org/10.1038/323533a0",
)


@register_variants(VARIANTS, family="MLP", paper=PAPER, num_classes=10, head="output", fixed_size=True)
class MLP(Network):
    """Dense layers on the pixels in one row. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(self, variant: MLPVariant, num_classes: int = 10, in_channels: int | None = None) -> None:
        super().__init__()
        channels, height, width = variant.input_size
        sizes = ((in_channels or channels) * height * width, *variant.hidden)
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.output = nn.Linear(sizes[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)  # (N, C * H * W): which pixels were neighbors is lost here
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.output(x)
