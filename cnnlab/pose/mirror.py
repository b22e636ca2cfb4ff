"""Left and right: what a mirror does to points and maps of a body with a left and a right side.

The mirrored picture of a left hand shows a right hand. So whoever mirrors pictures exchanges the names too, by *pairs*
of points that change places, such as ((1, 2), (3, 4)).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["Pairs", "both_ways", "mirrored", "mirrored_maps"]

Pairs = Sequence[tuple[int, int]]


def mirrored(target: Tensor, width: float, pairs: Pairs) -> Tensor:
    """Points of the mirrored picture.

    Args:
        target: Shape: (..., P, 2), or (..., P, 3), whose third column moves along.
        width: of the picture, in pixels: x becomes width - x.
        pairs: numbers of the points that change places; () for none.

    Returns:
        Shape: that of ``target``.

    Raises:
        ValueError: a pair that names no point, or one point twice.
    """
    turned = target.clone()
    turned[..., 0] = width - target[..., 0]
    return turned[..., _order(pairs, target.shape[-2]), :]


def mirrored_maps(maps: Tensor, pairs: Pairs) -> Tensor:
    """Heat maps of the mirrored picture: cells from right to left, maps of pairs exchanged. Shape: (N, P, H, W), kept.

    Since cells have their middles at 0.5, 1.5, ..., a map of the mirrored points is the mirrored map, to the last bit;
    where pixels and cells are both counted from 0 and a cell c stands for the pixel stride * c, it is not, which the
    code of Simple Baselines mends by a shift of a cell ("SHIFT_HEATMAP"). J. Huang et al.: The Devil Is in the Details,
    CVPR 2020. https://arxiv.org/abs/1911.07524

    Raises:
        ValueError: as for :func:`mirrored`.
    """
    return maps.flip(3)[:, _order(pairs, maps.shape[1])]


def both_ways(model: nn.Module, x: Tensor, pairs: Pairs) -> Tensor:
    """The mean of what a network says of pictures and, turned back, of their mirror images: the "flip test".

    Shape: (N, C, H, W) -> (N, P, H', W').

    Raises:
        ValueError: as for :func:`mirrored`.
    """
    return (model(x) + mirrored_maps(model(x.flip(3)), pairs)) / 2


def _order(pairs: Pairs, count: int) -> list[int]:
    order = list(range(count))
    named = [one for pair in pairs for one in pair]
    whole = all(isinstance(one, int) and 0 <= one < count for one in named)
    if not whole or len(set(named)) != len(named) or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"pairs={tuple(pairs)!r} must be pairs of different point numbers, 0 to {count - 1}, each named once."
        )
    for one, other in pairs:
        order[one], order[other] = other, one
    return order
