"""Post-training quantization: weights, and if wished what the layers read, on a grid of 2**bits steps."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cnnlab.compress.layers import checked_bits, weighted
from cnnlab.errors import unknown_name
from cnnlab.modes import evaluating

__all__ = ["quantize"]

_PER = ("tensor", "channel")


def quantize(
    model: nn.Module,
    bits: int = 8,
    *,
    per: Literal["tensor", "channel"] = "channel",
    calibration: Tensor | None = None,
    layers: Iterable[str] | None = None,
) -> nn.Module:
    """A copy whose weights are rounded as whole numbers of ``bits`` bits times a scale would hold them.

    The weight w becomes s round(w / s), where s is the largest weight divided by 2**(bits - 1) - 1: of the layer, or of
    each output channel. The numbers are still stored as floats (rounding as torch's ``fake_quantize_*`` does), so the
    copy tells what is lost in accuracy, and not what is gained in time.

    Args:
        model: stays as it is.
        bits: 2 to 16.
        per: "tensor", one scale for the weights of a layer; "channel", one for each of its output channels.
        calibration: a batch as the network takes it. If given, what each layer reads is rounded too, to 2**bits steps
            between the smallest and the largest number that it read from this batch. None leaves it.
        layers: names of convolutions and dense layers; None is all of them.

    Raises:
        ValueError: bits outside these limits, an unknown way of ``per`` or layer.
    """
    bits = checked_bits("bits", bits, 2, 16)
    if per not in _PER:
        raise unknown_name("per", per, _PER)
    copied = copy.deepcopy(model)
    found = weighted(copied, layers)
    high = 2 ** (bits - 1) - 1
    ranges = {} if calibration is None else _ranges(copied, found, calibration)
    with torch.no_grad():
        for name, module in found.items():
            weight = module.weight
            if per == "tensor":
                largest = weight.abs().amax().expand(len(weight))
            else:
                largest = weight.flatten(1).abs().amax(1)
            scale = (largest / high).clamp_min(torch.finfo(weight.dtype).tiny)
            zero = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
            weight.copy_(torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -high, high))
            if name in ranges:
                module.register_forward_pre_hook(_Rounded(*ranges[name], 2**bits - 1))
    return copied


class _Rounded:
    """Rounds what a layer reads: to ``steps`` steps between two numbers, of which zero is always one."""

    def __init__(self, low: float, high: float, steps: int) -> None:
        self.steps = steps
        self.scale = max(high - low, 1e-12) / steps
        self.zero = min(steps, max(0, round(-low / self.scale)))

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        x = torch.fake_quantize_per_tensor_affine(inputs[0], self.scale, self.zero, 0, self.steps)
        return (x, *inputs[1:])


def _ranges(model: nn.Module, layers: dict[str, nn.Module], x: Tensor) -> dict[str, tuple[float, float]]:
    """The smallest and the largest number that each layer reads of this batch; zero is always between."""
    seen: dict[str, tuple[float, float]] = {}

    def note(name: str, read: Tensor) -> None:
        low, high = seen.get(name, (0.0, 0.0))
        seen[name] = (min(low, float(read.min())), max(high, float(read.max())))

    handles = [
        module.register_forward_pre_hook(lambda _, inputs, name=name: note(name, inputs[0]))
        for name, module in layers.items()
    ]
    with evaluating(model), torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return seen
