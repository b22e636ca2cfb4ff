"""A space of cells small enough to train all of it: three edges, five operations each, as in NAS-Bench-201.

A cell has an input, a middle and an output. The middle is an operation of the input; the output is the sum of an
operation of the middle and one of the input itself. A cell is written as three letters: what is done from input to
middle, from middle to output, and from input to output. "3a1" is a 3x3 convolution followed by an average, plus a 1x1
convolution.

X. Dong, Y. Yang: NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search, ICLR 2020, has one more
node and so six edges: 5^6 cells. https://arxiv.org/abs/2001.00326
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.layers import he_normal_

__all__ = ["OPERATIONS", "EDGES", "DRAWINGS", "CELLS", "canonical", "neighbors", "CellNetwork", "Supernet"]

OPERATIONS = {"0": "nothing", "i": "as it is", "a": "average 3x3", "1": "conv 1x1", "3": "conv 3x3"}
EDGES = ("input to middle", "middle to output", "input to output")
DRAWINGS = tuple("".join(letters) for letters in product(OPERATIONS, repeat=len(EDGES)))


def canonical(cell: str) -> str:
    """The one drawing that stands for all that compute the same as ``cell``; "000" where nothing gets through.

    Where an edge of the way through the middle is missing, the other one is of no use; where one passes its input as it
    is, the way is the other alone; and two single operations side by side may change places.

    Raises:
        ValueError: no cell is written so.
    """
    if cell not in DRAWINGS:
        raise unknown_name("cell", cell, DRAWINGS)
    first, second, direct = cell
    through = "0" if "0" in (first, second) else (first + second).replace("i", "", 1)
    if len(through) == 2:
        return cell
    one, other = sorted((through, direct), key=list(OPERATIONS).index)
    return f"{one}i{other}" if one != "0" else f"00{other}"


CELLS = tuple(cell for cell in DRAWINGS if canonical(cell) == cell != "000")


def neighbors(cell: str) -> list[str]:
    """The drawings that differ from ``cell`` in one edge, twelve of them."""
    return [
        cell[:edge] + letter + cell[edge + 1 :]
        for edge in range(len(EDGES))
        for letter in OPERATIONS
        if letter != cell[edge]
    ]


def _operation(letter: str, channels: int, *, averages: bool) -> nn.Module | None:
    """Shape: (N, C, H, W) -> (N, C, H, W). ``averages``: the batch norm keeps averages for evaluation."""
    if letter == "0":
        return None
    if letter == "i":
        return nn.Identity()
    if letter == "a":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    conv = nn.Conv2d(channels, channels, int(letter), padding=int(letter) // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(channels, track_running_stats=averages))


class _Cell(nn.Module):
    """Some operations for each edge; ``forward`` is told which ones to use. Shape: (N, C, H, W), in and out."""

    def __init__(self, letters: tuple[str, str, str], channels: int, *, averages: bool) -> None:
        super().__init__()
        self.edges = nn.ModuleList()
        for offered in letters:
            made = {letter: _operation(letter, channels, averages=averages) for letter in offered}
            self.edges.append(nn.ModuleDict({letter: own for letter, own in made.items() if own is not None}))

    def forward(self, x: Tensor, cell: str) -> Tensor:
        first, second, direct = ((edge, letter) for edge, letter in zip(self.edges, cell, strict=True))
        parts = []
        if "0" not in cell[:2]:
            parts.append(second[0][second[1]](first[0][first[1]](x)))
        if cell[2] != "0":
            parts.append(direct[0][direct[1]](x))
        return torch.stack(parts).sum(dim=0) if len(parts) > 1 else parts[0] if parts else torch.zeros_like(x)


def _reduction(channels: int, *, averages: bool) -> nn.Sequential:
    """Shape: (N, C, H, W) -> (N, 2 C, H / 2, W / 2)."""
    conv = nn.Conv2d(channels, 2 * channels, kernel_size=1, bias=False)
    return nn.Sequential(nn.ReLU(), nn.AvgPool2d(2), conv, nn.BatchNorm2d(2 * channels, track_running_stats=averages))


class _Stacked(nn.Module):
    """A 3x3 convolution, three cells with a halving of the map and a doubling of the channels between them, an average.

    Shape: (N, in_channels, H, W) -> (N, num_classes).
    """

    def __init__(
        self, letters: tuple[str, str, str], width: int, in_channels: int, num_classes: int, *, averages: bool
    ) -> None:
        super().__init__()
        conv = nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False)
        self.stem = nn.Sequential(conv, nn.BatchNorm2d(width, track_running_stats=averages))
        self.cells = nn.ModuleList(_Cell(letters, width << stage, averages=averages) for stage in range(3))
        self.reductions = nn.ModuleList(_reduction(width << stage, averages=averages) for stage in range(2))
        self.fc = nn.Linear(width << 2, num_classes)
        he_normal_(self, "fan_out")

    def answer(self, x: Tensor, cell: str) -> Tensor:
        x = self.cells[0](self.stem(x), cell)
        for reduction, stage in zip(self.reductions, self.cells[1:], strict=True):
            x = stage(reduction(x), cell)
        return self.fc(x.relu().mean(dim=(2, 3)))


class CellNetwork(_Stacked):
    """One cell of the space, three times. Shape: (N, in_channels, H, W) -> (N, num_classes).

    Args:
        cell: three letters of `OPERATIONS`.
        width: channels of the first cell; the others have two and four times as many.

    Raises:
        ValueError: no cell is written so.
    """

    def __init__(self, cell: str, width: int = 8, *, in_channels: int = 3, num_classes: int = 10) -> None:
        canonical(cell)  # refuses what is none
        super().__init__(tuple(cell), width, in_channels, num_classes, averages=True)
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(x, self.cell)


class Supernet(_Stacked):
    """All cells in one network that share their weights: each step of training takes one of them, drawn evenly.

    In evaluation it is the cell named by ``cell``. Batch norms take the statistics of the batch also then, since those
    of another cell would be wrong: evaluate in one large, mixed batch.

    Shape: (N, in_channels, H, W) -> (N, num_classes).
    """

    def __init__(self, width: int = 8, *, in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__(("".join(OPERATIONS),) * 3, width, in_channels, num_classes, averages=False)
        self.cell = "3i3"

    def forward(self, x: Tensor) -> Tensor:
        drawn = CELLS[int(torch.randint(len(CELLS), ()))] if self.training else self.cell
        return self.answer(x, drawn)
