"""Exercises of the chapter "Xception"."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.exercises import as_tensor, exercise, expect, judged, judged_model, output
from cnnlab.exercises.examples import counted, normal
from cnnlab.models.xception import Module


@exercise(
    "xception/segments",
    "What a point of the spectrum weighs",
    cases=[(64, 64, 1), (64, 64, 64), (96, 192, 3), (192, 96, 4), (128, 256, 256)],
)
def segments(channels: int, filters: int, segments: int) -> int:
    """Only the second term feels the segments: at one a channel it has shrunk to 9 K, and mixing is all the cost."""
    return channels * filters + 9 * filters * filters // segments


segments.mistake(
    "You divided the 1 x 1 as well. It mixes all channels, whatever the segments.",
    lambda channels, filters, segments: (channels * filters + 9 * filters * filters) // segments,
)
segments.mistake(
    "You divided both sides of the 3 x 3 by the segments. That is one segment's share, and there are several.",
    lambda channels, filters, segments: channels * filters + 9 * (filters // segments) ** 2,
)
segments.mistake(
    "You filter what comes in. In Inception's order the 1 x 1 comes first, so the 3 x 3 gets its K channels.",
    lambda channels, filters, segments: channels * filters + 9 * channels * filters // segments,
    lambda channels, filters, segments: channels * filters + 9 * channels * channels // segments,
)
segments.mistake(
    "The 1 x 1 is missing.",
    lambda channels, filters, segments: 9 * filters * filters // segments,
)
segments.hints(
    "Two layers: a 1 x 1 from C to K, and a grouped 3 x 3 from K to K.",
    "Each of the K kernels of the second sees K / segments channels, nine weights for each.",
)
segments.wrong(lambda channels, filters, segments: 7)
segments.right(
    lambda channels, filters, segments: sum(
        p.numel()
        for layer in (
            nn.Conv2d(channels, filters, 1, bias=False, device="meta"),
            nn.Conv2d(filters, filters, 3, groups=segments, bias=False, device="meta"),
        )
        for p in layer.parameters()
    )
)


def towers(seed: int, count: int, channels: int, width: int) -> tuple[list[Tensor], list[Tensor]]:
    mixes = [counted(width, channels, 1, 1) + 10 * (seed + i) for i in range(count)]
    return mixes, [normal(width, width, 3, 3, seed=10 * seed + i) for i in range(count)]


@exercise(
    "xception/one-large", "One large convolution", cases=[towers(0, 3, 5, 2), towers(1, 2, 3, 4), towers(2, 1, 2, 3)]
)
def one_large(mixes: list[Tensor], looks: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The towers of figure 2 were never apart: they were rows of one matrix, and groups of one convolution."""
    return torch.cat(mixes), torch.cat(looks)


one_large.mistake(
    "The first axis counts outputs, and it is the outputs that are stacked.",
    lambda mixes, looks: (torch.cat(mixes, dim=1), torch.cat(looks, dim=1)),
    when=lambda answer: as_tensor(answer(*towers(0, 3, 5, 2))[0]).shape == (2, 15, 1, 1),
)
one_large.mistake(
    "You gave the towers an axis of their own. A convolution's weights have four axes: stack along one that is there.",
    lambda mixes, looks: (torch.stack(mixes), torch.stack(looks)),
    when=lambda answer: as_tensor(answer(*towers(0, 3, 5, 2))[0]).dim() == 5,
)
one_large.mistake(
    "Your towers' outputs come in another order than the towers.",
    lambda mixes, looks: (torch.cat(mixes[::-1]), torch.cat(looks[::-1])),
)
one_large.hints(
    "All towers read the same channels, so their 1 x 1 kernels can stand below each other in one weight.",
    "A grouped convolution keeps its groups' weights below each other: (K, members, 3, 3).",
)
one_large.wrong(lambda mixes, looks: (mixes[0], looks[0]))
one_large.right(lambda mixes, looks: (torch.stack(mixes).flatten(0, 1), torch.stack(looks).flatten(0, 1)))

WIDTH = 16


@judged_model(
    "xception/module",
    "A module of the middle flow",
    input_shape=(2, WIDTH, 7, 7),
    output_shape=(2, WIDTH, 7, 7),
    parameters=3 * (9 * WIDTH + WIDTH**2 + 2 * WIDTH),
)
def module(net: nn.Module) -> None:
    """The ReLU comes first and the shortcut goes around it: what is negative on the way in is there at the end."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    expect(
        len(norms) == 3,
        "One nn.BatchNorm2d of 16 channels stands behind each of the three separable convolutions. (Biases in their "
        "place give the same number of parameters.)",
    )
    x = normal(2, WIDTH, 7, 7, seed=3).float()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(normal(*p.shape, seed=p.numel()).float() * 0.3)
        left = output(net, torch.zeros_like(x)) - output(net, -x.abs())
        for norm in norms:
            norm.weight.zero_()
            norm.bias.zero_()
        still = output(net, x.clone())
    expect(
        bool((still - x.relu()).abs().max() > 1e-4) or bool((still - x).abs().max() < 1e-5),
        "With all norms at zero, x should come out, and relu(x) does. Either the ReLU is not on the branch alone, or "
        "nn.ReLU(inplace=True) has overwritten the x that the shortcut carries.",
    )
    expect(
        bool((still - x).abs().max() < 1e-5),
        "With all norms at zero the separable convolutions put out zeros, and x should come out as it went in. Add x "
        "to what the three put out, with nothing behind the addition.",
    )
    expect(
        bool((left - x.abs()).abs().max() < 1e-4),
        "The first separable convolution sees negative numbers. In Xception a ReLU precedes each of the three.",
    )


module.hints(
    "Three times: ReLU, a 3 x 3 with groups=16 and padding=1, a 1 x 1, a batch norm. No biases before a norm.",
    "forward is x + self.layers(x), where the layers begin with nn.ReLU().",
)


class Middle(nn.Module):
    """The module, right or with one thing changed."""

    def __init__(self, inplace=False, first=True, last=False, shortcut=True, norms=True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number in range(3):
            if number or first:
                layers.append(nn.ReLU(inplace))
            layers += [
                nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH, bias=not norms),
                nn.Conv2d(WIDTH, WIDTH, kernel_size=1, bias=not norms),
            ]
            if norms:
                layers.append(nn.BatchNorm2d(WIDTH))
        self.layers, self.last, self.shortcut = nn.Sequential(*layers), last, shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        if self.shortcut:
            y = y + x
        return y.relu() if self.last else y


module.wrong(lambda: Middle(norms=False), "Biases in their place")
module.wrong(lambda: Middle(inplace=True), "overwritten the x")
module.wrong(lambda: Middle(last=True), "overwritten the x")
module.wrong(lambda: Middle(shortcut=False), "Add x to")
module.wrong(lambda: Middle(first=False), "sees negative numbers")
module.right(Middle, lambda: Module(WIDTH, (WIDTH, WIDTH, WIDTH)))

LIMIT = 20_000


@judged("xception/between", "Between the extremes")
def between(answer: Any) -> None:
    """Wider or deeper in view: at a fixed price it is one or the other. Which one a task wants, only training tells."""
    expect(
        isinstance(answer, dict) and set(answer) == {"channels", "segments"},
        'Give a dictionary with the keys "channels" and "segments".',
    )
    channels, parts = (float(as_tensor(answer[key])) for key in ("channels", "segments"))
    expect(
        min(channels, parts) >= 1 and channels.is_integer() and (channels / parts).is_integer() and parts.is_integer(),
        "Both are whole numbers of 1 or more, and the segments divide the channels.",
    )
    channels, parts = int(channels), int(parts)
    weights = segments(channels, channels, parts)
    expect(weights <= LIMIT, f"Your layer has {weights:,} weights; {LIMIT:,} are allowed. What do more segments save?")
    expect(channels >= 96, "A layer of 96 channels or more is wanted. At which segments can you afford them?")
    expect(
        channels // parts >= 6,
        f"Each kernel sees {channels // parts} of {channels} channels; six or more are wanted. Use fewer segments.",
    )


between.hints(
    "The explorer shows both terms. With 96 channels, the 1 x 1 takes 9,216 weights: what is left for the 3 x 3?",
    "A kernel that sees six channels has 54 weights, whatever the width. 96 of them, and the 1 x 1?",
)
between.wrong([96, 16], "a dictionary with")
between.wrong({"channels": 96, "segments": 7}, "divide the channels")
between.wrong({"channels": 96, "segments": 4}, "are allowed")
between.wrong({"channels": 64, "segments": 8}, "96 channels or more")
between.wrong({"channels": 96, "segments": 96}, "Use fewer segments")
between.right({"channels": 96, "segments": 16}, {"channels": 96, "segments": 12}, {"channels": 104, "segments": 13})
