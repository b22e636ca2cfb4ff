"""Does a picture of "where the network looks" depend on what the network has learned?

J. Adebayo et al.: Sanity Checks for Saliency Maps, NeurIPS 2018. https://arxiv.org/abs/1810.03292

The weights are put out of order, from the head downwards, and the map is made again. One that hardly changes showed the
picture and not the network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from cnnlab.models.network import parts_in_order

__all__ = ["randomized", "sanity_check", "rank_correlation"]


def randomized(model: nn.Module, *, seed: int = 0, cascading: bool = True) -> Iterator[tuple[str, nn.Module]]:
    """(name of the part, a copy in which that part has fresh weights), from the head to the first layer.

    A part is a direct child of the model, and where a child is a sequence, each of its members is one. Weights are
    permuted within each tensor rather than drawn from a distribution, so that every layer keeps its scale; batch norms'
    statistics are permuted with them.

    Args:
        model: is not changed.
        seed: of the permutations.
        cascading: each copy has the fresh weights of the ones before it too, as in the paper's main figure; False
            changes one part at a time.
    """
    generator = torch.Generator().manual_seed(seed)
    current = copy.deepcopy(model)
    names = [name for name, part in parts_in_order(model) if any(True for _ in part.parameters())]
    for name in reversed(names):
        if not cascading:
            current = copy.deepcopy(model)
        part = current.get_submodule(name)
        with torch.no_grad():
            for tensor in (*part.parameters(), *part.buffers()):
                if tensor.is_floating_point() and tensor.numel() > 1:
                    order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
                    tensor.copy_(tensor.flatten()[order].view_as(tensor))
        yield name, copy.deepcopy(current)


def sanity_check(
    explain: Callable[[nn.Module], Tensor], model: nn.Module, *, seed: int = 0, cascading: bool = True
) -> dict[str, float]:
    """How alike a map of the model and of its randomized copies are: name of the part -> rank correlation.

    Near 1 all the way down, the map does not show what was learned; it should fall towards 0.

        sanity_check(lambda m: cnnlab.explain.grad_cam(m, x, target=282, relu=False), model)

    Args:
        explain: makes the map of a model. Give the class, or each copy is asked about its own.
        model, seed, cascading: as in :func:`randomized`.
    """
    plain = explain(model)
    return {
        name: rank_correlation(plain, explain(other))
        for name, other in randomized(model, seed=seed, cascading=cascading)
    }


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's: the correlation of the ranks, 1 for the same order, -1 for the opposite. Equal values share a rank.

    NaN where one of the two is constant.

    Raises:
        ValueError: the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"maps of shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be compared.")
    first, second = (_ranks(t) for t in (a, b))
    first, second = first - first.mean(), second - second.mean()
    return (first @ second / (first.norm() * second.norm())).item()


def _ranks(values: Tensor) -> Tensor:
    _, places, counts = values.flatten().double().unique(sorted=True, return_inverse=True, return_counts=True)
    ends = counts.cumsum(0).double()
    return (ends - (counts - 1) / 2)[places]
