"""The channel shuffle: deal the channels out like cards, so that groups exchange what they know.

X. Zhang, X. Zhou, M. Lin, J. Sun: ShuffleNet, CVPR 2018 (arXiv 2017), section 3.1. https://arxiv.org/abs/1707.01083

With G groups of M channels, the first channel of every group comes first, then the second of every group, and so on:

    0 1 2 | 3 4 5   ->   0 3 1 4 2 5        (G = 2, M = 3)

A grouped convolution after it sees channels of all groups, if M is G or more. The shuffle has no parameters and
multiplies nothing, but moves every number: its time is that of memory. Shuffling with M groups undoes it.
"""

from __future__ import annotations

from torch import Tensor, nn

from cnnlab.arithmetic import check_divides

__all__ = ["shuffled_order", "shuffle_channels", "ChannelShuffle"]


def shuffled_order(channels: int, groups: int) -> list[int]:
    """Which channel comes to each place.

    >>> shuffled_order(6, 2)
    [0, 3, 1, 4, 2, 5]
    """
    check_divides(groups, channels=channels)
    members = channels // groups
    return [group * members + member for member in range(members) for group in range(groups)]


def shuffle_channels(x: Tensor, groups: int) -> Tensor:
    """Write the channels as a table of groups, one group to a row; read it column by column.

    Shape: (N, C, ...) -> (N, C, ...), any number of axes.
    """
    if x.dim() < 2:
        raise ValueError(f"x has shape {tuple(x.shape)} and so no channels; give (N, C, ...).")
    check_divides(groups, channels=x.shape[1])
    table = x.unflatten(1, (groups, x.shape[1] // groups))  # (N, groups, C / groups, ...)
    return table.transpose(1, 2).flatten(1, 2)  # (N, C / groups, groups, ...) -> (N, C, ...)


class ChannelShuffle(nn.Module):
    """`shuffle_channels` as a layer. Shape: (N, C, H, W) -> (N, C, H, W), or (N, C, T, H, W), or (N, C).

    Three axes are refused: in a single picture (C, H, W) it would shuffle the rows.

    Args:
        groups: of the grouped convolution before it; must divide C.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        check_divides(groups)
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() == 3:
            raise ValueError(f"x has shape {tuple(x.shape)}; give a batch (N, C, H, W). x[None] is a batch of one.")
        return shuffle_channels(x, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
