"""Four stages, each of convolution or of attention, in any order: the networks of the recorded comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.models.metaformer import EPS, Attention, Block, SeparableConv

__all__ = ["RelativeAttention", "ORDERS", "staged"]


class RelativeAttention(Attention):
    """Attention among all places of a square map, with a trained number for every difference of places.

    Shape: (N, side, side, C) -> the same.

    Args:
        channels: C.
        head_dim: channels of a head.
        side: height and width.
    """

    def __init__(self, channels: int, head_dim: int, side: int) -> None:
        super().__init__(channels, head_dim)
        self.bias = nn.Parameter(torch.zeros((2 * side - 1) ** 2, self.heads))
        places = torch.cartesian_prod(torch.arange(side), torch.arange(side))  # (T, 2): row and column
        down, right = (places[:, None] - places[None] + side - 1).unbind(2)  # each (T, T)
        self.register_buffer("index", down * (2 * side - 1) + right, persistent=False)

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return super().scores(q, k) + self.bias[self.index].permute(2, 0, 1)


class _Places(nn.Module):
    """(N, C, H, W) -> (N, H, W, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


class _Merge(nn.Module):
    """Two by two places become one of other channels. Shape: (N, H, W, C) -> (N, H / 2, W / 2, K)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_channels, eps=EPS)
        self.conv = nn.Conv2d(in_channels, channels, kernel_size=2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class _Mean(nn.Module):
    """(N, H, W, C) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(1, 2))


# Order of the stages -> channels of the first one and hidden units of its MLP, at which all cost about the same for
# 32 x 32 pixels (within two percent). Attention is dear where there are many places, so that comes out narrow.
ORDERS: dict[str, tuple[int, int]] = {
    "C-C-C-C": (17, 67),
    "C-C-T-T": (16, 69),
    "T-T-C-C": (12, 55),
    "T-T-T-T": (12, 48),
}


def staged(
    order: str = "C-C-T-T", *, positions: bool = True, blocks: int = 2, in_channels: int = 3, num_classes: int = 10
) -> nn.Sequential:
    """Patches of 2 x 2 pixels, four stages of MetaFormer blocks, an average and a dense layer.

    For 32 x 32 pixels the stages have 16 x 16, 8 x 8, 8 x 8 and 4 x 4 places, and 1, 2, 2 and 4 times the first one's
    channels. Between sizes, 2 x 2 places are merged. Nothing overlaps outside of C, and nothing pads: whatever passes
    from one patch to another goes through the mixers.

    Shape: (N, in_channels, 32, 32) -> (N, num_classes); without positions, or with C alone, any multiple of 8.

    Args:
        order: a key of `ORDERS`: C for a separable convolution of 3 x 3, T for attention among all places.
        positions: whether attention has a trained number for every difference of places.
        blocks: of each stage.

    Raises:
        ValueError: an unknown order.
    """
    if order not in ORDERS:
        raise unknown_name("order", order, ORDERS)
    width, hidden = ORDERS[order]
    layers: list[nn.Module] = [nn.Conv2d(in_channels, width, kernel_size=2, stride=2), _Places()]
    before = width
    for letter, times, side in zip(order.split("-"), (1, 2, 2, 4), (16, 8, 8, 4), strict=True):
        channels = times * width
        if channels != before:
            layers.append(_Merge(before, channels))
        for _ in range(blocks):
            if letter == "C":
                mixer: nn.Module = SeparableConv(channels, kernel=3)
            else:
                mixer = RelativeAttention(channels, width, side) if positions else Attention(channels, width)
            layers.append(Block(mixer, channels, times * hidden))
        before = channels
    layers.extend([_Mean(), nn.LayerNorm(before, eps=EPS), nn.Linear(before, num_classes)])
    network = nn.Sequential(*layers)
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
