"""LeNet-5 and the lectures' dense networks: references and planted faults."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from tests.contract import Reference, swap_forward


def lenet(last_kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * last_kernel**2, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def mlp(*sizes: int) -> nn.Module:
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


REFERENCES = {
    # C1 + C3 + C5 + F6 + output. Parameters as the lectures and the paper's table count them.
    "lenet5": Reference(
        61_706, 117_600 + 240_000 + 48_000 + 10_080 + 840, lambda: lenet(5), "by hand, layer by layer; the lectures"
    ),
    "lenet5_28": Reference(
        44_426, 86_400 + 153_600 + 30_720 + 10_080 + 840, lambda: lenet(4), "by hand, layer by layer; the lectures"
    ),
    "mlp_mnist": Reference(109_386, 109_386 - 202, lambda: mlp(784, 128, 64, 10), "the lectures: 109,386"),
    "mlp_cifar10": Reference(
        6_246_410, 6_246_410 - 2_826, lambda: mlp(3072, 1536, 768, 384, 128, 10), "the lectures: 6,246,410"
    ),
}


def _lenet_without_activation(model: nn.Module, x: Tensor) -> Tensor:
    x = model.s4(model.c3(model.s2(model.activation(model.c1(x)))))
    return model.output(model.activation(model.f6(model.activation(model.c5(x)).flatten(1))))


def _mlp_relu_on_logits(model: nn.Module, x: Tensor) -> Tensor:
    x = x.flatten(1)
    for layer in model.hidden:
        x = F.relu(layer(x))
    return F.relu(model.output(x))


def _mlp_columns_first(model: nn.Module, x: Tensor) -> Tensor:
    return type(model).forward(model, x.transpose(2, 3))


FAULTS = {
    "lenet5": {
        "max pooling": lambda m: setattr(m, "s2", nn.MaxPool2d(2)),
        "relu for tanh": lambda m: setattr(m, "activation", nn.ReLU()),
        "no activation after C3": lambda m: swap_forward(m, _lenet_without_activation),
    },
    "mlp_mnist": {
        "relu on the logits": lambda m: swap_forward(m, _mlp_relu_on_logits),
        "pixels by column": lambda m: swap_forward(m, _mlp_columns_first),
    },
}
