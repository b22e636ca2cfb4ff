"""Which layer of a dense block reads which: by the weights, as in the paper, and by what is lost without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from cnnlab.models.densenet import BottleneckLayer, DenseBlock, DenseNet

__all__ = ["Link", "links", "weights", "losses"]


@dataclass(frozen=True)
class Link:
    """One source that one reader reads.

    Attributes:
        block: number of the dense block, from 0.
        reader: number of the layer that reads; the number of layers stands for what comes after the block, the
            transition or the classifier.
        source: 0 for what came into the block, j for its layer number j.
        layer: the convolution (or the classifier) that reads.
        maps: which of its input channels the source fills.
    """

    block: int
    reader: int
    source: int
    layer: nn.Conv2d | nn.Linear
    maps: slice


def links(model: DenseNet) -> Iterator[Link]:
    """Every link of a dense network: block by block, reader by reader, source by source."""
    stages = list(model.stages)
    for number, place in enumerate(range(0, len(stages), 2)):
        block = stages[place]
        assert isinstance(block, DenseBlock)
        bottleneck = isinstance(block[0], BottleneckLayer)
        growth = (block[0].conv2 if bottleneck else block[0].conv).out_channels
        readers = [layer.conv1 if bottleneck else layer.conv for layer in block]
        readers.append(stages[place + 1].conv if place + 1 < len(stages) else model.fc)
        first = _channels(readers[0])
        for reader, layer in enumerate(readers):
            edges = [0, *(first + growth * j for j in range(reader + 1))]
            for source, (low, high) in enumerate(pairwise(edges)):
                yield Link(number, reader, source, layer, slice(low, high))


def weights(model: DenseNet) -> list[list[list[float]]]:
    """The mean absolute weight of each link, as [block][reader][source]: figure 5 of the paper."""
    return _table(links(model), lambda link: link.layer.weight[:, link.maps].abs().mean().item())


def losses(model: DenseNet, score: Callable[[], float]) -> list[list[list[float]]]:
    """How far ``score()`` falls when one link is cut, as [block][reader][source].

    A reader whose link is cut gets each map of that source as its mean over the batch and all positions: it still
    knows what is usual, and nothing about the picture at hand.
    """
    whole = score()

    def fall(link: Link) -> float:
        handle = link.layer.register_forward_pre_hook(lambda _, inputs: (_averaged(inputs[0], link.maps),))
        try:
            return whole - score()
        finally:
            handle.remove()

    return _table(links(model), fall)


def _channels(layer: nn.Conv2d | nn.Linear) -> int:
    return layer.weight.shape[1]


def _averaged(x: Tensor, maps: slice) -> Tensor:
    x = x.clone()
    others = [axis for axis in range(x.dim()) if axis != 1]
    x[:, maps] = x[:, maps].mean(dim=others, keepdim=True)
    return x


def _table(all_links: Iterator[Link], value: Callable[[Link], float]) -> list[list[list[float]]]:
    table: list[list[list[float]]] = []
    for link in all_links:
        if link.block == len(table):
            table.append([])
        if link.reader == len(table[-1]):
            table[-1].append([])
        table[-1][-1].append(value(link))
    return table
