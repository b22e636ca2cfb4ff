"""What every model has to satisfy, and the table of references that says against what.

To add a model: register it in cnnlab/models. If it is torchvision's under the same name, that is all: its parameters,
MACs and outputs are compared with torchvision's. Otherwise give it a row in REFERENCES. Then plant at least two faults
for each new network class in FAULTS. The tests in test_models.py fail until both are there.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import cnnlab
from cnnlab.models import model_info
from cnnlab.weights import sources

TOLERANCE = 1e-5  # of max|difference| / max|logit|


@dataclass(frozen=True)
class Reference:
    """What a model is compared with."""

    params: int
    macs: int  # per image at the model's own input size
    build: Callable[[], nn.Module]  # an independent implementation with its layers in the same order
    macs_tolerance: int = 0  # where the source gives rounded numbers


# --- references that no library has --------------------------------------------------------------------------------


def lenet(last_kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * last_kernel**2, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def mlp(*sizes: int) -> nn.Module:
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def plain(stem: list[nn.Module], widths: list[int], depths: list[int], classes: int) -> nn.Module:
    """A plain network is a list of layers, and is written as one here."""
    layers, channels = list(stem), widths[0]
    for width, depth in zip(widths, depths):
        for _ in range(2 * depth):
            stride = 1 if width == channels else 2
            layers += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def imagenet_stem() -> list[nn.Module]:
    return [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]


def cifar_stem() -> list[nn.Module]:
    return [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]


class OptionA(nn.Module):
    """The paper's parameter-free shortcut, as a strided max pool of one pixel and a concatenation with zeros."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(x, kernel_size=1, stride=2)
        return torch.cat([x, torch.zeros_like(x)], dim=1)


def cifar_resnet(n: int) -> nn.Module:
    """torchvision's own basic block, arranged as in section 4.2 of the paper."""
    from torchvision.models.resnet import BasicBlock

    layers, channels = cifar_stem(), 16
    for width in (16, 32, 64):
        for _ in range(n):
            grows = width != channels
            layers.append(BasicBlock(channels, width, 2 if grows else 1, OptionA() if grows else None))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def _cifar_numbers(n: int) -> tuple[int, int]:
    """Parameters and MACs of 6n + 2 layers by arithmetic, convolution by convolution."""
    convs = [(3, 16, 32)] + [(16, 16, 32)] * 2 * n + [(16, 32, 16)] + [(32, 32, 16)] * (2 * n - 1)
    convs += [(32, 64, 8)] + [(64, 64, 8)] * (2 * n - 1)
    params = sum(9 * a * b + 2 * b for a, b, _ in convs) + 650
    return params, sum(9 * a * b * size**2 for a, b, size in convs) + 640


# --- the table -----------------------------------------------------------------------------------------------------

PROJECTION_PARAMS = sum(a * b + 2 * b for a, b in ((64, 128), (128, 256), (256, 512)))
PROJECTION_MACS = 3 * 64 * 128 * 28**2

REFERENCES: dict[str, Reference] = {
    # LeNet-5 by hand: C1 + C3 + C5 + F6 + output. Parameters as the lectures and the paper's table count them.
    "lenet5": Reference(61_706, 117_600 + 240_000 + 48_000 + 10_080 + 840, lambda: lenet(5)),
    "lenet5_28": Reference(44_426, 86_400 + 153_600 + 30_720 + 10_080 + 840, lambda: lenet(4)),
    "mlp_mnist": Reference(109_386, 109_386 - 202, lambda: mlp(784, 128, 64, 10)),
    "mlp_cifar10": Reference(6_246_410, 6_246_410 - 2_826, lambda: mlp(3072, 1536, 768, 384, 128, 10)),
    # torchvision's residual networks without their three projections (1x1 convolution and batch norm).
    "plain18": Reference(
        11_689_512 - PROJECTION_PARAMS, 1_814_073_344 - PROJECTION_MACS,
        lambda: plain(imagenet_stem(), [64, 128, 256, 512], [2, 2, 2, 2], 1000),
    ),
    "plain34": Reference(
        21_797_672 - PROJECTION_PARAMS, 3_663_761_408 - PROJECTION_MACS,
        lambda: plain(imagenet_stem(), [64, 128, 256, 512], [3, 4, 6, 3], 1000),
    ),
}  # fmt: skip
for _n in (3, 5, 7, 9, 18, 200):
    REFERENCES[f"resnet{6 * _n + 2}_cifar"] = Reference(*_cifar_numbers(_n), lambda n=_n: cifar_resnet(n))
for _n in (3, 5, 7, 9, 18):
    REFERENCES[f"plain{6 * _n + 2}_cifar"] = Reference(
        *_cifar_numbers(_n), lambda n=_n: plain(cifar_stem(), [16, 32, 64], [n] * 3, 10)
    )

# Compared in the full suite only: deep or large, and built of the same blocks as a smaller one.
SLOW = frozenset(
    {"resnet34", "resnet101", "resnet152", "plain34"}
    | {f"{kind}{depth}_cifar" for kind in ("resnet", "plain") for depth in (32, 44, 110, 1202)}
)


def reference(name: str) -> Reference | None:
    """The row of a model, made from torchvision's own metadata where it is torchvision's; None if there is none."""
    if model_info(name).library == "torchvision":
        from torchvision.models import get_model

        row = sources(name)[0]
        return Reference(row.params, row.macs, lambda: get_model(name), macs_tolerance=500_000)
    return REFERENCES.get(name)


# --- planted faults ------------------------------------------------------------------------------------------------


def _forward(module: nn.Module, forward: Callable[[nn.Module, Tensor], Tensor]) -> None:
    module.forward = types.MethodType(forward, module)


def _basic_without_last_relu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
    return y if block.shortcut is None else y + block.shortcut(x)


def _basic_without_middle_relu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.bn2(block.conv2(block.bn1(block.conv1(x))))
    return F.relu(y if block.shortcut is None else y + block.shortcut(x))


def _basic_relu_before_sum(block: nn.Module, x: Tensor) -> Tensor:
    return F.relu(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))) + block.shortcut(x)


def _bottleneck_without_middle_relu(block: nn.Module, x: Tensor) -> Tensor:
    y = block.bn3(block.conv3(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))))
    return F.relu(y + block.shortcut(x))


def _bottleneck_branches_swapped(block: nn.Module, x: Tensor) -> Tensor:
    """The shortcut's batch norm on the main branch and the other way round: same shapes, same parameters."""
    y = block.shortcut.bn(block.conv3(F.relu(block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x))))))))
    return F.relu(y + block.bn3(block.shortcut.conv(x)))


def _move_stride(block: nn.Module) -> None:
    block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


def _eps(norm: nn.Module) -> None:
    norm.eps = 1e-3


class _OtherPixels(nn.Module):
    """Subsampling that starts at the second pixel."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 1, 0, 1))[:, :, 1::2, 1::2]
        return torch.cat([x, torch.zeros_like(x)], dim=1)


class _ZerosFirst(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, ::2, ::2]
        return torch.cat([torch.zeros_like(x), x], dim=1)


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


Fault = Callable[[nn.Module], None]
FAULTS: dict[str, dict[str, Fault]] = {
    "lenet5": {
        "max pooling": lambda m: setattr(m, "s2", nn.MaxPool2d(2)),
        "relu for tanh": lambda m: setattr(m, "activation", nn.ReLU()),
        "no activation after C3": lambda m: _forward(m, _lenet_without_activation),
    },
    "mlp_mnist": {
        "relu on the logits": lambda m: _forward(m, _mlp_relu_on_logits),
        "pixels by column": lambda m: _forward(m, _mlp_columns_first),
    },
    "resnet18": {
        "stride on the second convolution": lambda m: _move_stride(m.conv3[0]),
        "eps of one batch norm": lambda m: _eps(m.conv4[1].bn2),
        "no relu after the sum": lambda m: _forward(m.conv2[0], _basic_without_last_relu),
        "relu before the sum": lambda m: _forward(m.conv5[1], _basic_relu_before_sum),
    },
    "resnet50": {
        "stride on the first 1x1": lambda m: _move_stride(m.conv4[0]),
        "eps of one batch norm": lambda m: _eps(m.conv5[2].bn3),
        "eps of a shortcut": lambda m: _eps(m.conv2[0].shortcut.bn),
        "no relu in the middle": lambda m: _forward(m.conv3[2], _bottleneck_without_middle_relu),
        "branches swapped": lambda m: _forward(m.conv5[0], _bottleneck_branches_swapped),
        "pool not padded alike": lambda m: setattr(m, "pool", nn.MaxPool2d(3, 2, 0, ceil_mode=True)),
    },
    "plain18": {
        "stride on the second convolution": lambda m: _move_stride(m.conv5[0]),
        "no relu in the middle": lambda m: _forward(m.conv2[0], _basic_without_middle_relu),
    },
    "resnet20_cifar": {
        "shortcut takes other pixels": lambda m: setattr(m.stage2[0], "shortcut", _OtherPixels()),
        "zeros before the channels": lambda m: setattr(m.stage3[0], "shortcut", _ZerosFirst()),
        "eps of one batch norm": lambda m: _eps(m.stage1[0].bn1),
        "no shortcut in one block": lambda m: setattr(m.stage3[2], "shortcut", None),
    },
    "plain20_cifar": {
        "no relu at the end of a block": lambda m: _forward(m.stage2[1], _basic_without_last_relu),
        "stride on the second convolution": lambda m: _move_stride(m.stage3[0]),
    },
}


# --- tools ---------------------------------------------------------------------------------------------------------


def randomize(network: nn.Module, size: tuple[int, int, int], seed: int = 0) -> None:
    """Every parameter and statistic at random, such that signals neither die nor explode at any depth.

    Batch-norm statistics are taken from one random batch and then disturbed: with statistics far from the signal's, a
    deep plain network's output would no longer depend on its input, and would agree with anything.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(like: Tensor) -> Tensor:
        return 0.5 + torch.rand(like.shape, generator=generator)

    def normal(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator)

    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        for name, p in network.named_parameters():
            if p.dim() > 1:
                p.copy_(normal(p) * (2 / p[0].numel()) ** 0.5)
            else:
                p.copy_(uniform(p) if name.endswith("weight") else 0.2 * normal(p))
        momenta = [m.momentum for m in norms]
        for m in norms:
            m.momentum = 1.0
        network.train()(torch.randn(2, *size, generator=generator))
        for m, momentum in zip(norms, momenta):
            m.momentum = momentum
            m.running_mean.add_(0.2 * normal(m.running_mean) * m.running_var.sqrt())
            m.running_var.mul_(uniform(m.running_var))
    network.eval()


def sizes(name: str) -> list[int]:
    """Heights and widths to compare at: the published one and, where any size goes, an odd or even neighbor."""
    info = model_info(name)
    return [info.input_size[1]] if info.fixed_size else [info.input_size[1], info.input_size[1] + 1]


def small_input(name: str, batch: int = 2, channels: int | None = None) -> Tensor:
    """A cheap input that the model takes."""
    info = model_info(name)
    side = info.input_size[1] if info.fixed_size else max(info.smallest, min(64, info.input_size[1]))
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels or info.input_size[0], side, side, generator=generator)


def relative_difference(theirs: nn.Module, ours: nn.Module, x: Tensor) -> float:
    """max|difference| / max|logit|, infinite for outputs that are not finite."""
    with torch.inference_mode():
        a, b = theirs.eval()(x), ours.eval()(x)
    assert a.shape == b.shape
    assert torch.isfinite(a).all()
    if not torch.isfinite(b).all():
        return float("inf")
    return ((a - b).abs().max() / a.abs().max()).item()


def count_macs(name: str) -> int:
    """Multiply-accumulates per image, counted by torch operator by operator; nothing is computed."""
    with torch.device("meta"):
        model = cnnlab.create_model(name).eval()
        x = torch.empty(1, *model.input_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(x)
    return counter.get_total_flops() // 2
