"""A task whose answer lies in two places: marks in one row, some pixels apart, that are alike or not.

And four networks of about as many parameters for it, which differ in how far apart two pixels may be to meet in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from cnnlab.data import Dataset, ImageSet
from cnnlab.errors import unknown_name, whole_number

__all__ = ["SIDE", "MARK", "GAPS", "NETWORKS", "marks", "pairs", "pairs_data", "far_network", "Attending"]

SIDE = 32  # pixels of a picture
MARK = 4  # pixels of a mark
GAPS = (6, 10, 14, 18, 22, 26)  # pixels from the left edge of one mark to that of the other
_SHAPES = (
    (".##.", "#..#", "#..#", ".##."),  # a ring
    ("#..#", ".##.", ".##.", "#..#"),  # a cross
    ("#...", "#...", "#...", "####"),  # a corner
    ("####", ".##.", ".##.", ".##."),  # a post
)


def marks() -> Tensor:
    """The four marks, 0 or 1. Shape: (4, 4, 4)."""
    return torch.tensor([[[float(sign == "#") for sign in row] for row in shape] for shape in _SHAPES])


def pairs(count: int, seed: int, gaps: Sequence[int] = GAPS, noise: float = 0.15) -> tuple[ImageSet, Tensor]:
    """Pictures with two marks each: gray ones on noise, at any height, half of them alike.

    Every mark is as frequent in pictures of the one class as in those of the other, on the left as on the right: one
    mark alone says nothing.

    Returns:
        the pictures, uint8 (N, 1, 32, 32), of the classes "different" and "same"; and the distances. Shape: (N,).

    Raises:
        ValueError: a count that is no positive whole number, or a distance at which marks overlap or leave the picture.
    """
    count = whole_number("count", count, "Give how many pictures, such as 1000.")
    for gap in gaps:
        if not MARK <= gap <= SIDE - MARK:
            raise ValueError(f"gaps has {gap}; allowed is {MARK} to {SIDE - MARK}, the distance of the left edges.")
    generator = torch.Generator().manual_seed(seed)

    def drawn(high: int) -> Tensor:
        return torch.randint(high, (count,), generator=generator)

    gap = torch.tensor(list(gaps))[drawn(len(gaps))]
    labels, left = drawn(2), drawn(len(_SHAPES))
    right = torch.where(labels == 1, left, (left + 1 + drawn(len(_SHAPES) - 1)) % len(_SHAPES))
    top = drawn(SIDE - MARK + 1)
    start = (torch.rand(count, generator=generator) * (SIDE - MARK - gap + 1)).long()
    images = noise * torch.rand(count, 1, SIDE, SIDE, generator=generator)
    known = marks()
    for i in range(count):
        for which, at in ((left[i], int(start[i])), (right[i], int(start[i] + gap[i]))):
            images[i, 0, int(top[i]) : int(top[i]) + MARK, at : at + MARK] += (1 - noise) * known[which]
    pixels = (255 * images).round().to(torch.uint8)
    return ImageSet(pixels, labels, ("different", "same")), gap


def pairs_data(train: int, test: int, seed: int = 0, gaps: Sequence[int] = GAPS) -> Dataset:
    """The task as a data set; training and test pictures are drawn apart."""
    return Dataset.from_sets(
        "pairs of marks", pairs(train, seed, gaps)[0], pairs(test, seed + 10_000, gaps)[0], "drawn by cnnlab"
    )


# --- the networks ---------------------------------------------------------------------------------------------------


class Attending(nn.Module):
    """Every place reads from every place, then from itself: a block of a vision transformer, norms first.

    Shape: (N, C, H, W) -> (N, C, H, W).
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        z = x.flatten(2).mT  # (N, H W, C)
        y = self.norm1(z)
        z = z + self.attention(y, y, y, need_weights=False)[0]
        z = z + self.mlp(self.norm2(z))
        return z.mT.unflatten(2, x.shape[2:])  # (N, C, H, W)


def _conv(channels: int, dilation: int = 1, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, channels, 3, stride, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    ]


def _network(width: int, body: list[nn.Module]) -> nn.Sequential:
    stem = [nn.Conv2d(1, width, MARK, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))


def _convolutions(width: int, dilations: Sequence[int]) -> nn.Sequential:
    return _network(width, [layer for dilation in dilations for layer in _conv(width, dilation)])


def _attention(width: int) -> nn.Sequential:
    return _network(width, [*_conv(width, stride=2), Attending(width)])


# Name -> how it is built: some 19,000 to 20,000 parameters each.
NETWORKS = {
    "small": partial(_convolutions, 32, (1, 1)),
    "deep": partial(_convolutions, 16, (1,) * 8),
    "dilated": partial(_convolutions, 23, (1, 2, 4, 8)),
    "attention": partial(_attention, 32),
}


def far_network(name: str) -> nn.Sequential:
    """One of the four, with fresh parameters. Shape: (N, 1, 32, 32) -> (N, 2).

    Raises:
        ValueError: an unknown name.
    """
    if name not in NETWORKS:
        raise unknown_name("name", name, NETWORKS)
    return NETWORKS[name]()
