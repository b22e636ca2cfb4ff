"""Exercises of the chapter "Choosing a convolution"."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from cnnlab.analysis import summarize
from cnnlab.exercises import exercise, expect, judged, judged_model
from cnnlab.exercises.compare import is_blank

SEPARABLE = "depthwise separable"


BUDGET = 30_000_000


def macs(channels: float, separable: bool) -> float:
    """Of the layer of `budget`, on 28 x 28 pixels."""
    return 784 * (9 * channels + channels**2 if separable else 9 * channels**2)


@exercise("choosing/budget", "Spend thirty million")
def budget() -> dict[str, int]:
    """For the same MACs you get almost three times as many channels. Their maps, and there are two of them now, take
    almost six times the memory."""
    return {"standard": 64, SEPARABLE: 184}


budget.mistake(
    "That is over the budget. The number is to be the largest multiple of 8 that stays at 30 million or below.",
    {"standard": 72},
    {SEPARABLE: 192},
    {"standard": 66},
    when=lambda answer: any(macs(channels, name == SEPARABLE) > BUDGET for name, channels in answer.items()),
)
budget.mistake(
    "You divided the budget by 9 and by 784 and took the root, which is right for the standard one. The separable one "
    "has the root of another equation: C² + 9C.",
    {SEPARABLE: 64},
    when=lambda answer: answer["standard"] == 64 and answer[SEPARABLE] == 64,
)
budget.mistake(
    "It stays within the budget; a multiple of 8 is wanted.",
    {SEPARABLE: 191},
    {"standard": 65, SEPARABLE: 191},
    {SEPARABLE: 181},
    when=lambda answer: any(channels % 8 for channels in answer.values()),
)
budget.mistake(
    "More channels still fit.", {"standard": 56, SEPARABLE: 176}, when=lambda answer: min(answer.values()) > 0
)
budget.hints(
    "With C channels in and out, the standard layer has 784 · 9 · C² MACs.",
    "The separable one has 784 · (9 C + C²). Try multiples of 8 in a loop.",
)
budget.wrong({"standard": 0})


@exercise("choosing/bound", "Under the slope or under the flat roof")
def bound() -> dict[str, bool]:
    """Only the standard and the grouped one reach the flat roof. Early layers are like that."""
    memory = ("pointwise", "flattened", "depthwise", SEPARABLE)
    return {"standard": False, "grouped": False, **dict.fromkeys(memory, True)}


bound.mistake(
    "The pointwise one is the surprise: 32 channels are so few that each number fetched is used only 32 times, for "
    "eight bytes read and written.",
    {"pointwise": False},
)
bound.mistake(
    "You call all of them bound by memory. The standard one uses every number it fetches 288 times.",
    {"standard": True, "grouped": True},
    when=lambda answer: all(answer.values()),
)
bound.mistake(
    "Mind which way: True means that memory is the limit, so that its MACs per byte are below 5.",
    {"standard": True, "depthwise": False},
)
bound.mistake(
    "Two operators, one after the other, have the MACs of both and the traffic of both: count the map in between as "
    "well.",
    {SEPARABLE: False},
    {"flattened": False},
)
bound.hints(
    "The machine can do 100 / 20 = 5 MACs in the time of one byte. Compare each row with that.",
    "compare_convolutions(32, 32, 3, 224, measure=False) prints the MACs per byte.",
)
bound.wrong({"standard": True})


def per_byte(channels: int, kernel: int, size: int, groups: int, maps: int = 2, own: bool = True) -> float:
    """MACs for each byte of so many maps and, if they are counted, of the weights."""
    weights = channels * channels * kernel**2 / groups
    return weights * size**2 / (4 * (maps * channels * size**2 + weights * own))


@exercise(
    "choosing/intensity",
    "MACs per byte",
    cases=[(128, 3, 56, 1), (128, 3, 56, 4), (128, 3, 56, 128), (512, 3, 7, 1), (64, 1, 28, 1), (96, 7, 14, 96)],
)
def intensity(channels: int, kernel: int, size: int, groups: int) -> float:
    """As the groups go up to C it falls to k² / 8, whatever the channels: 1.125 for a 3 × 3 depthwise one."""
    return per_byte(channels, kernel, size, groups)


intensity.mistake("You count numbers. A 32-bit number is four bytes.", lambda *layer: 4 * per_byte(*layer))
intensity.mistake(
    "The weights have to be read too; at 7 × 7 pixels they are most of it.", lambda *layer: per_byte(*layer, own=False)
)
intensity.mistake("The result has to be written as well as the input read.", lambda *layer: per_byte(*layer, maps=1))
intensity.mistake(
    "With groups, an output channel has weights for C / g input channels only.",
    lambda channels, kernel, size, groups: per_byte(channels, kernel, size, 1),
)
intensity.hints(
    "Count the MACs, then the bytes: input, weights and output, four bytes a number.",
    "weights = C · C · k² / g; MACs = weights · n²; bytes = 4 · (2 · C · n² + weights).",
)
intensity.wrong(lambda *layer: 1.0)


# Other words for a row of the cheat sheet, as `row_named` leaves them.
ALIASES = {
    "1x1": "pointwise",
    "atrous": "dilated",
    "2+1d": "(2+1)d",
    "r(2+1)d": "(2+1)d",
    "separable depthwise": SEPARABLE,
    "gap": "global average pooling",
    "spatially separable": "spatial separable",
}
ROWS = (
    *("standard", "pointwise", "global average pooling", "spatial separable", "flattened", "depthwise", SEPARABLE),
    *("grouped", "channel shuffle", "dilated", "transposed", "3d", "(2+1)d"),
)


def row_named(name: object) -> str:
    """The row of the cheat sheet that a reader means: "Depthwise_Separable conv" is "depthwise separable"."""
    words = str(name).casefold().replace("×", "x").replace("-", " ").replace("_", " ").split()
    kept = [word for word in words if word not in ("a", "the", "conv", "convs", "convolution", "convolutions", "layer")]
    said = " ".join(kept).replace("1 x 1", "1x1")
    return ALIASES.get(said, said)


@judged("choosing/scenario", "Four clients")
def scenario(answer: object) -> None:
    """Three were decided by what the task demands, and only one by a budget. It is often so."""
    clients = ("phone", "outline", "gesture", "many")
    named = isinstance(answer, Mapping) and all(not is_blank(answer.get(client)) for client in clients)
    expect(named, "Give a dict with a name for each client: phone, outline, gesture and many.")
    rows = {client: row_named(answer[client]) for client in clients}
    for row in rows.values():
        expect(row in ROWS, f"{row!r} is no row of the cheat sheet. Take the names from its first column.")
    expect(
        rows["outline"] == "dilated",
        "A stride, and with it a smaller map, is what the second client cannot use. Which convolution sees far and "
        "keeps the map?",
    )
    expect(
        rows["gesture"] != "3d",
        "3D would do for the gestures. Of the two that look at time, which has a nonlinear function more, for the same "
        "parameters?",
    )
    expect(
        rows["gesture"] == "(2+1)d",
        "Frame by frame a swipe to the left looks like one to the right. Who looks at time?",
    )
    expect(
        rows["many"] == "pointwise",
        "Nothing has to be looked at around a pixel there; only the number of channels is to fall.",
    )
    expect(rows["phone"] != "depthwise", "On its own it keeps every channel apart, and nothing ever mixes them.")
    expect(
        rows["phone"] == SEPARABLE,
        "Of what looks around and mixes, which layer has the fewest parameters and MACs? Time is not the worry.",
    )


scenario.hints(
    "Ask recommend(...) with the needs of each client.",
    'recommend("budget"), recommend("far"), recommend("frames"), recommend("mix").',
)
clients_served = {"phone": SEPARABLE, "outline": "dilated", "gesture": "(2+1)D", "many": "pointwise"}
scenario.right(
    clients_served,
    {"phone": "depthwise-separable", "outline": "Dilated convolution", "gesture": "(2+1)d", "many": "1x1"},
    {"phone": "depthwise_separable", "outline": "atrous", "gesture": "R(2+1)D", "many": "1 × 1 convolution"},
)
scenario.wrong({"phone": "depthwise-separable"}, "for each client")
scenario.wrong([SEPARABLE, "dilated", "(2+1)D", "pointwise"], "for each client")
scenario.wrong({**clients_served, "many": "dense"}, "'dense' is no row")
scenario.wrong({**clients_served, "outline": "standard"}, "keeps the map")
scenario.wrong({**clients_served, "gesture": "3D"}, "3D would do")
scenario.wrong({**clients_served, "gesture": "depthwise"}, "Who looks at time")
scenario.wrong({**clients_served, "many": "grouped"}, "only the number of channels")
scenario.wrong({**clients_served, "phone": "depthwise"}, "On its own")
scenario.wrong({**clients_served, "phone": "grouped"}, "fewest parameters")


def seen_by(net: nn.Module) -> tuple[int, int]:
    """How many pixels across an output depends on, and on how many of the 64 input channels each: the least of all.

    By gradients, and with a little noise on all weights: a scale that begins at zero, as of the last normalization in
    a residual branch, hides nothing that training would bring to light.
    """
    drawn = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(2, 64, 28, 28, generator=drawn)
    x = x.to(next(net.parameters(), x)).requires_grad_()
    noisy = {name: p.detach() + 0.1 * torch.randn(p.shape, generator=drawn).to(p) for name, p in net.named_parameters()}
    y = functional_call(net, noisy, (x,))
    if not y.requires_grad:
        return 0, 0

    def reached(part: Tensor) -> Tensor:
        """The places of x on which some of these outputs depend. Shape: -> (64, 28, 28)."""
        # No two outputs weigh the same, so that what they have in common does not cancel.
        weights = torch.randn(part.shape, generator=drawn).to(part)
        (gradient,) = torch.autograd.grad((weights * part).sum(), x, retain_graph=True, allow_unused=True)
        return torch.zeros(x.shape[1:]) if gradient is None else gradient.abs().amax(0) > 0

    middle = reached(y[..., 13, 13])
    spans = [places.nonzero() for places in (middle.any(2).any(0), middle.any(1).any(0))]
    field = min(int(places.max() - places.min()) + 1 if len(places) else 0 for places in spans)
    return field, min(int(reached(y[:, k]).flatten(1).any(1).sum()) for k in range(64))


@judged_model("choosing/block", "A block of your own", input_shape=(2, 64, 28, 28), output_shape=(2, 64, 28, 28))
def block(net: nn.Module) -> None:
    """Looking far and mixing widely are cheap apart. Together, as one 7 × 7 layer, they would be 200,704."""
    found = summarize(net, (64, 28, 28))
    expect(
        found.params <= 12_000,
        f"It has {found.params:,} parameters, and 12,000 are allowed. A standard 3 × 3 layer alone has 36,864.",
    )
    expect(found.macs <= 9_000_000, f"It takes {found.macs:,} MACs, and 9,000,000 are allowed.")
    field, channels = seen_by(net)
    expect(
        field >= 7,
        f"An output sees {field} pixels across, and 7 are wanted: one large kernel, several small ones, or holes.",
    )
    expect(
        channels == 64,
        f"Some output channel depends on {channels} of the 64 input channels only. What mixes channels for the least?",
    )


block.hints(
    "A pointwise convolution mixes all channels for 64 · 64 weights. How many are then left?",
    "A depthwise convolution with a 7 × 7 kernel has 64 · 49 weights.",
)


def depthwise(kernel: int, then: nn.Module | None = None) -> nn.Sequential:
    first = nn.Conv2d(64, 64, kernel, padding=kernel // 2, groups=64, bias=False)
    return nn.Sequential(first, nn.ReLU() if then is None else then)


class Residual(nn.Module):
    """A branch added to its input, whose last scale begins at zero: at first the block only hands on what it gets."""

    def __init__(self, *branch: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*branch, nn.BatchNorm2d(64))
        nn.init.zeros_(self.branch[-1].weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def unshuffled() -> nn.Sequential:
    """Five taps that lie two pixels apart, by way of four small maps: nine pixels across."""
    spread = nn.Conv2d(256, 256, 5, padding=2, groups=256, bias=False)
    return nn.Sequential(nn.PixelUnshuffle(2), spread, nn.PixelShuffle(2), nn.Conv2d(64, 64, 1, bias=False))


block.wrong(nn.Conv2d(64, 64, 3, padding=1), "12,000 are allowed")
block.wrong(nn.Sequential(*(depthwise(3) for _ in range(20))), "9,000,000 are allowed")
block.wrong(depthwise(3, nn.Conv2d(64, 64, 1)), "3 pixels across")
block.wrong(nn.Identity(), "1 pixels across")
block.wrong(nn.Sequential(depthwise(1), nn.Conv2d(64, 64, (1, 7), padding=(0, 3), groups=64)), "1 pixels across")
block.wrong(depthwise(7), "1 of the 64")
block.wrong(depthwise(7, nn.Conv2d(64, 64, 1, groups=4)), "16 of the 64")
block.wrong(Residual(depthwise(7)), "1 of the 64")
block.right(
    depthwise(7, nn.Conv2d(64, 64, 1)),
    lambda: nn.Sequential(*(depthwise(3, nn.Identity()) for _ in range(3)), nn.Conv2d(64, 64, 1)),
    Residual(depthwise(7), nn.Conv2d(64, 64, 1)),
    unshuffled(),
)
