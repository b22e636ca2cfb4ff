"""Worked examples that are often taught, counted on the layers themselves."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from cnnlab.analysis import summarize
from cnnlab.convolutions.depthwise import DepthwiseConv2d
from cnnlab.convolutions.pointwise import PointwiseConv2d
from cnnlab.convolutions.standard import StandardConv2d
from cnnlab.meta import on_meta

__all__ = ["Step", "WorkedExample", "worked_examples"]


@dataclass(frozen=True)
class Step:
    """One layer of an example, without its bias.

    Attributes:
        output: shape (K, H', W').
        macs: multiplications.
    """

    name: str
    output: tuple[int, int, int]
    params: int
    macs: int


@dataclass(frozen=True, repr=False)
class WorkedExample:
    """What an example that is often taught comes to.

    Attributes:
        title: What is computed.
        steps: The layers, one after the other.
        printed: The multiplications as they are usually given; empty where none are.
    """

    title: str
    steps: tuple[Step, ...]
    printed: str

    @property
    def macs(self) -> int:
        """Multiplications of all steps."""
        return sum(step.macs for step in self.steps)

    @property
    def params(self) -> int:
        """Weights of all steps."""
        return sum(step.params for step in self.steps)

    def __str__(self) -> str:
        lines = [f"{self.title} (as often taught: {self.printed})" if self.printed else self.title]
        total = Step("together", self.steps[-1].output, self.params, self.macs)
        for step in (*self.steps, total) if len(self.steps) > 1 else self.steps:
            shape = " x ".join(map(str, step.output))
            lines.append(f"  {step.name:<10}{shape:>14}{step.params:>11,} weights{step.macs:>14,} multiplications")
        return "\n".join(lines)

    __repr__ = __str__


def worked_examples() -> dict[str, WorkedExample]:
    """The examples by name, each counted by `cnnlab.summarize` on the layers that it describes.

    Most come in pairs: an expensive layer, and a cheaper way to an output of the same shape.
    """
    with on_meta():
        reduce = PointwiseConv2d(192, 32, bias=False)
        branch, branch_256 = (StandardConv2d(c, 32, kernel=5, bias=False) for c in (192, 256))
        squeeze, squeeze_256 = (PointwiseConv2d(c, 16, bias=False) for c in (192, 256))
        branch_16 = StandardConv2d(16, 32, kernel=5, bias=False)
        standard_3 = StandardConv2d(3, 5, kernel=3, padding=0, bias=False)
        filter_3, mix_3 = DepthwiseConv2d(3, kernel=3, padding=0, bias=False), PointwiseConv2d(3, 5, bias=False)
        standard_5 = StandardConv2d(3, 128, kernel=5, padding=0, bias=False)
        filter_5, mix_5 = DepthwiseConv2d(3, kernel=5, padding=0, bias=False), PointwiseConv2d(3, 128, bias=False)
    return {
        "pointwise": _count("1x1 from 28x28x192 to 28x28x32", 28, {"1x1": reduce}),
        "inception": _count("5x5 branch on 28x28x192", 28, {"5x5": branch}, "120M"),
        "inception bottleneck": _count(
            "5x5 branch on 28x28x192, bottleneck of 16", 28, {"1x1": squeeze, "5x5": branch_16}, "2.4M + 10.0M = 12.4M"
        ),
        "inception 256": _count("5x5 branch on 28x28x256", 28, {"5x5": branch_256}, "120M"),
        "inception 256 bottleneck": _count(
            "5x5 branch on 28x28x256, bottleneck of 16",
            28,
            {"1x1": squeeze_256, "5x5": branch_16},
            "3.2M + 10M = 13.2M",
        ),
        "standard 3x3": _count("3x3 on 6x6x3, 5 filters", 6, {"3x3": standard_3}, "2160"),
        "separable 3x3": _count(
            "3x3 on 6x6x3, depthwise separable", 6, {"depthwise": filter_3, "pointwise": mix_3}, "432 + 240 = 672"
        ),
        "standard 5x5": _count("5x5 on 12x12x3, 128 filters", 12, {"5x5": standard_5}, "614,400"),
        "separable 5x5": _count(
            "5x5 on 12x12x3, depthwise separable",
            12,
            {"depthwise": filter_5, "pointwise": mix_5},
            "4800 + 24,576 = 29,376",
        ),
    }


def _count(title: str, size: int, layers: dict[str, nn.Conv2d], printed: str = "") -> WorkedExample:
    channels = next(iter(layers.values())).in_channels
    summary = summarize(nn.Sequential(*layers.values()), (channels, size, size))
    rows = [layer for layer in summary.layers if layer.depth == 1]
    steps = (Step(name, row.output_shape[1:], row.params, row.macs) for name, row in zip(layers, rows))
    return WorkedExample(title, tuple(steps), printed)
