"""How long a forward pass takes on this machine."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Latency", "measure_latency"]


@dataclass(frozen=True)
class Latency:
    """How long one forward pass takes, in milliseconds: the median of many, and the middle half around it.

    Attributes:
        lower: a quarter of the passes were quicker.
        upper: a quarter were slower.
    """

    median: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.lower:.3g} to {self.upper:.3g})"


def measure_latency(
    layers: dict[str, tuple[nn.Module, tuple[int, ...]]],
    *,
    repeats: int = 25,
    seconds: float = 1.0,
    device: str = "cpu",
) -> dict[str, Latency]:
    """How long a forward pass of each layer takes, in evaluation mode and without gradients.

    The layers take turns, so that a moment in which the machine is busy with something else falls on all of them. Quick
    layers run several times in each turn, until a turn takes a millisecond: clocks are coarse.

    Args:
        layers: name -> (layer, shape of its input, batch included).
        repeats: turns of each layer.
        seconds: after which a slow layer takes no more turns, though never fewer than five if ``repeats`` allows.
        device: "cpu" or "cuda".
    """
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    prepared = {name: (m.to(device).eval(), torch.randn(shape, device=device)) for name, (m, shape) in layers.items()}

    def one_pass(module: nn.Module, x: Tensor, passes: int) -> float:
        wait()
        start = time.perf_counter()
        for _ in range(passes):
            module(x)
        wait()
        return (time.perf_counter() - start) / passes

    turns: dict[str, list[float]] = {name: [] for name in prepared}
    with torch.inference_mode():
        passes = {}
        for name, (module, x) in prepared.items():
            one_pass(module, x, 2)  # the first pass chooses algorithms and asks for memory
            passes[name] = max(1, min(100, round(1e-3 / one_pass(module, x, 2))))
        for _ in range(repeats):
            for name, (module, x) in prepared.items():
                if len(turns[name]) < 5 or sum(turns[name]) * passes[name] < 1000 * seconds:
                    turns[name].append(1000 * one_pass(module, x, passes[name]))
    result = {}
    for name, measured in turns.items():
        lower, median, upper = statistics.quantiles(measured, n=4) if repeats > 1 else measured * 3
        result[name] = Latency(median, lower, upper)
    return result
