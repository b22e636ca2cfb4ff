"""A small network that keeps every rule of the lectures, and the ways to break one rule of it at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from cnnlab.arithmetic import conv_macs, output_size
from cnnlab.errors import unknown_name

__all__ = ["Plan", "PLANS", "plan_macs", "plan_network", "width_for"]


@dataclass(frozen=True)
class Plan:
    """Three stages of convolutions, each halving the map, and a dense part.

    Attributes:
        kernels: side of the kernels of each stage.
        channels: of each stage, in units of the network's width.
        depths: convolutions of each stage; the first has one at least, and another may be a pool alone.
        padded: with as many zeros as keep the size; False: none.
        halving: what halves the map at the end of a stage: "max" or "average", pools of 2 x 2, or "stride", a stride of
            2 in the stage's last convolution.
        first_stride: of the very first convolution.
        hidden: of the dense part: a number of units, or a rule, a key of `HIDDEN`.
        gray: the three colors are averaged first.
        resized: whether its width is chosen so that its MACs are those of the base; False: the base's width.
    """

    kernels: tuple[int, ...] = (3, 3, 3)
    channels: tuple[int, ...] = (1, 2, 4)
    depths: tuple[int, ...] = (1, 1, 1)
    padded: bool = True
    halving: str = "max"
    first_stride: int = 1
    hidden: str | int = "two thirds"
    gray: bool = False
    resized: bool = True


# Rule -> units of the hidden layer, of the numbers that enter the dense part and those that leave it.
HIDDEN = {
    "two thirds": lambda entering, leaving: round(2 * entering / 3) + leaving,
    "half of the output": lambda entering, leaving: max(1, leaving // 2),
    "four times the input": lambda entering, leaving: 4 * entering,
    "none": lambda entering, leaving: 0,
    "averages": lambda entering, leaving: 0,
}

BASE = Plan()

# What was changed -> the network; "base" keeps every rule.
PLANS = {
    "base": BASE,
    "kernels 3, 5, 7": replace(BASE, kernels=(3, 5, 7)),
    "kernels 7, 5, 3": replace(BASE, kernels=(7, 5, 3)),
    "kernels 4, 4, 4": replace(BASE, kernels=(4, 4, 4)),
    "kernels 5, 5, 5": replace(BASE, kernels=(5, 5, 5)),
    "kernels 7, 7, 7": replace(BASE, kernels=(7, 7, 7)),
    "channels alike": replace(BASE, channels=(1, 1, 1)),
    "channels halved": replace(BASE, channels=(4, 2, 1)),
    "no padding": replace(BASE, padded=False),
    "stride for pools": replace(BASE, halving="stride"),
    "first stride 2": replace(BASE, first_stride=2),
    "average pools": replace(BASE, halving="average"),
    "5 hidden": replace(BASE, hidden="half of the output", resized=False),
    "32 hidden": replace(BASE, hidden=32, resized=False),
    "4 x input hidden": replace(BASE, hidden="four times the input", resized=False),
    "none hidden": replace(BASE, hidden="none", resized=False),
    "averages": replace(BASE, hidden="averages", resized=False),
    "gray": replace(BASE, gray=True, resized=False),
}


class _Gray(nn.Module):
    """The mean of the colors. Shape: (N, C, H, W) -> (N, 1, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1, keepdim=True)


def plan_network(plan: Plan, width: float, shape: Sequence[int] = (3, 32, 32), num_classes: int = 10) -> nn.Sequential:
    """The network of a plan: in each stage convolutions with batch norm and ReLU, then what halves the map.

    An even kernel gets the odd zero of its padding at the left and the top, so that it keeps the size as an odd one.

    Shape: (N, C, H, W) -> (N, num_classes).

    Args:
        width: channels that a 1 of ``plan.channels`` stands for; products are rounded, and 1 at least.
        shape: (C, H, W) of a picture, with H = W.
        num_classes: outputs.

    Raises:
        ValueError: an unknown way to halve or rule, or a picture that one of the layers does not fit into.
    """
    _check(plan)
    body = nn.Sequential()
    if plan.gray:
        body.append(_Gray())
    layers = _layers(plan, width, shape)
    for layer in layers:
        low, high = (layer.kernel // 2, (layer.kernel - 1) // 2) if plan.padded else (0, 0)
        if low != high:
            body.append(nn.ZeroPad2d((low, high, low, high)))
        padding = low if low == high else 0
        body.append(nn.Conv2d(layer.before, layer.after, layer.kernel, layer.stride, padding, bias=False))
        body.extend([nn.BatchNorm2d(layer.after), nn.ReLU()])
        for _ in range(layer.pools):
            body.append(nn.AvgPool2d(2) if plan.halving == "average" else nn.MaxPool2d(2))
    last = layers[-1]
    return nn.Sequential(*body, *_dense_part(plan, last.after, last.side >> last.pools, num_classes))


def _dense_part(plan: Plan, channels: int, side: int, num_classes: int) -> list[nn.Module]:
    if plan.hidden == "averages":
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]
    entering = channels * side * side
    hidden = _hidden(plan, entering, num_classes)
    if not hidden:
        return [nn.Flatten(), nn.Linear(entering, num_classes)]
    return [nn.Flatten(), nn.Linear(entering, hidden), nn.ReLU(), nn.Linear(hidden, num_classes)]


def _hidden(plan: Plan, entering: int, leaving: int) -> int:
    return plan.hidden if isinstance(plan.hidden, int) else HIDDEN[plan.hidden](entering, leaving)


def _layers(plan: Plan, width: float, shape: Sequence[int]) -> list[_Layer]:
    """Every convolution; a stage without one is a pool alone, which the layer before it takes upon itself."""
    before, side, _ = shape
    before = 1 if plan.gray else before
    found: list[_Layer] = []
    for stage, (kernel, units, depth) in enumerate(zip(plan.kernels, plan.channels, plan.depths, strict=True)):
        after = max(1, round(units * width))
        for number in range(depth):
            last = number == depth - 1
            stride = plan.first_stride if stage == number == 0 else 1
            if last and plan.halving == "stride":
                stride *= 2
            side = output_size(side + (kernel - 1 if plan.padded else 0), kernel, stride)
            pools = int(last and plan.halving != "stride")
            found.append(_Layer(before, after, kernel, stride, side, pools))
            before, side = after, side >> pools
        if not depth:
            found[-1] = replace(found[-1], pools=found[-1].pools + 1)
            side >>= 1
    return found


@dataclass(frozen=True)
class _Layer:
    """One convolution, the side of its map, and how many pools follow."""

    before: int
    after: int
    kernel: int
    stride: int
    side: int
    pools: int


def plan_macs(plan: Plan, width: float, shape: Sequence[int] = (3, 32, 32), num_classes: int = 10) -> int:
    """Multiply-accumulates of `plan_network` for one picture, by arithmetic alone; arguments and errors as there."""
    _check(plan)
    layers = _layers(plan, width, shape)
    total = sum(conv_macs(layer.before, layer.after, layer.kernel, layer.side) for layer in layers)
    channels, side = layers[-1].after, layers[-1].side >> layers[-1].pools
    entering = channels if plan.hidden == "averages" else channels * side * side
    hidden = _hidden(plan, entering, num_classes)
    return total + (entering * hidden + hidden * num_classes if hidden else entering * num_classes)


def width_for(plan: Plan, macs: int, shape: Sequence[int] = (3, 32, 32), num_classes: int = 10) -> float:
    """The width, in quarters of a channel, at which the network's MACs are nearest to ``macs``."""
    widths = [quarters / 4 for quarters in range(4, 4 * 128)]
    return min(widths, key=lambda width: abs(plan_macs(plan, width, shape, num_classes) - macs))


def _check(plan: Plan) -> None:
    if plan.halving not in ("max", "average", "stride"):
        raise unknown_name("halving", plan.halving, ("max", "average", "stride"))
    if not isinstance(plan.hidden, int) and plan.hidden not in HIDDEN:
        raise unknown_name("hidden", plan.hidden, HIDDEN)
    if plan.depths[0] < 1:
        raise ValueError(f"depths={plan.depths} begins with an empty stage; give the first one 1 or more.")
