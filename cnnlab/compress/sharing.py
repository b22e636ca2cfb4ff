"""Weight sharing: each layer keeps a short list of numbers, its codebook, and each weight says which of them it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from cnnlab.compress.layers import checked_bits, weighted
from cnnlab.errors import whole_number

__all__ = ["kmeans", "share_weights", "settle"]


def kmeans(values: Tensor, count: int, *, steps: int = 100) -> tuple[Tensor, Tensor]:
    """One-dimensional k-means from centers that are spread evenly between the extremes (Han et al., 2016, section 3.2).

    Args:
        values: any numbers. Shape: (n,).
        count: how many centers; one to which no value is nearest stays where it is.
        steps: at most so many; it ends when no center moves.

    Returns:
        The centers in rising order, and for each value the number of the nearest one. Shapes: (count,), (n,).

    Raises:
        ValueError: no values, or ``count`` is no positive whole number.
    """
    count = whole_number("count", count, "Give the number of centers.")
    if values.dim() != 1 or not len(values):
        raise ValueError(f"values has the shape {tuple(values.shape)}; give one row of numbers, (n,), n at least 1.")
    # Sorted, the values of a center are a stretch, and its mean a difference of running sums.
    ordered, order = values.double().sort()
    sums = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])
    centers = torch.linspace(float(ordered[0]), float(ordered[-1]), count, dtype=torch.float64, device=values.device)
    for _ in range(steps):
        ends = _ends(ordered, centers)
        sizes = ends.diff()
        means = (sums[ends[1:]] - sums[ends[:-1]]) / sizes.clamp_min(1)
        moved = torch.where(sizes > 0, means, centers)
        if torch.equal(moved, centers):
            break
        centers = moved
    sizes = _ends(ordered, centers).diff()
    nearest = torch.empty(len(values), dtype=torch.long, device=values.device)
    nearest[order] = torch.arange(count, device=values.device).repeat_interleave(sizes)
    return centers.to(values.dtype), nearest


def _ends(ordered: Tensor, centers: Tensor) -> Tensor:
    """Where each center's stretch of the sorted values begins, and where the last one ends. Shape: (count + 1,)."""
    between = torch.searchsorted(ordered, (centers[1:] + centers[:-1]) / 2)
    return torch.cat([between.new_zeros(1), between, between.new_full((1,), len(ordered))])


class _Shared(nn.Module):
    """The weight as a function of its codebook, so that a number's gradient is the sum over all weights that are it."""

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        self.register_buffer("codes", codes)  # 0 is the zero that pruning left

    def forward(self, codebook: Tensor) -> Tensor:
        return torch.cat([codebook.new_zeros(1), codebook])[self.codes]

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The codebook of a weight that takes few values."""
        codebook = weight.new_zeros(int(self.codes.max()) + 1)
        codebook[self.codes.flatten()] = weight.flatten()
        return codebook[1:]


def share_weights(
    model: nn.Module, bits: int | Mapping[str, int], *, layers: Iterable[str] | None = None
) -> dict[str, Tensor]:
    """Give each layer a codebook of 2**bits numbers, by k-means of its weights, in place.

    Weights that are zero stay zero; in a layer that has some, zero is one of the 2**bits. From then on the parameters
    of these layers are their codebooks: :func:`cnnlab.fit` fine-tunes them, each number by the sum of the gradients of
    all weights that are it. :func:`settle` makes plain weights of them again.

    Args:
        model: any network.
        bits: for the number of a weight in its codebook, 1 to 8; or name of a layer -> bits.
        layers: names of convolutions and dense layers; None is all of them, or those that ``bits`` names.

    Returns:
        Name of a layer -> its codebook, zero left out, as it begins. Shape of each: (2**bits,) or less.

    Raises:
        ValueError: bits outside these limits, an unknown layer, or one that shares its weights already.
    """
    if isinstance(bits, Mapping) and layers is None:
        layers = list(bits)
    found = weighted(model, layers)
    books: dict[str, Tensor] = {}
    for name, module in found.items():
        own = bits.get(name) if isinstance(bits, Mapping) else bits
        own = checked_bits("bits" if not isinstance(bits, Mapping) else f"bits[{name!r}]", own)
        if parametrize.is_parametrized(module, "weight"):
            raise ValueError(f"model: {name} shares its weights already; call settle(model) first.")
        weight = module.weight.detach()
        used = weight != 0
        count = 2**own - (0 if bool(used.all()) else 1)
        if not used.any():
            raise ValueError(f"model: all weights of {name} are zero; leave it out of layers, or prune less.")
        centers, nearest = kmeans(weight[used], count)
        # A center to which no weight is nearest has no place in the codebook.
        present, nearest = nearest.unique(return_inverse=True)
        codes = torch.zeros(weight.shape, dtype=torch.long, device=weight.device)
        codes[used] = nearest + 1
        books[name] = centers[present].clone()
        with torch.no_grad():
            module.weight[used] = books[name][nearest]
        parametrize.register_parametrization(module, "weight", _Shared(codes))
    return books


def settle(model: nn.Module) -> nn.Module:
    """Plain weights again where :func:`share_weights` put codebooks, in place. No value changes."""
    for module in model.modules():
        if parametrize.is_parametrized(module, "weight") and isinstance(module.parametrizations.weight[0], _Shared):
            weight = nn.Parameter(module.weight.detach().clone())
            # Not torch's remove_parametrizations: a copy shares the class that it takes the weight away from.
            others = dict(module._parameters)
            del module.parametrizations
            module.__class__ = type(module).__bases__[0]
            module._parameters.clear()
            module.register_parameter("weight", weight)
            module._parameters.update(others)
    return model
