"""Where a Vision Transformer looks: its attention weights, and over what distance they reach."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cnnlab.models.vit import VisionTransformer

__all__ = ["attention_weights", "attention_distance"]


def attention_weights(net: VisionTransformer, x: Tensor) -> Tensor:
    """What each token (row) takes from each, in every layer and head. Shape: (N, C, S, S) -> (layers, N, heads, T, T).

    The class token, where there is one, is token 0; the patches follow row by row.
    """
    seen: list[Tensor] = []

    def note(attention: Any, inputs: tuple[Tensor], _output: Tensor) -> None:
        q, k, _ = attention.queries_keys_values(inputs[0])
        seen.append(attention.weights(q, k))

    handles = [block.attention.register_forward_hook(note) for block in net.encoder.blocks]
    try:
        with torch.no_grad():
            net(x)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(seen)


def attention_distance(weights: Tensor) -> Tensor:
    """How far patches look on average, in patches. Shape: (..., T, T) -> (...), with a class token as token 0.

    Figure 7 of Dosovitskiy et al. (2021): the distance between the middles of two patches, averaged with the attention
    weights between them, over all patches that ask. What goes to the class token is left out.

    Raises:
        ValueError: T is not 1 and a square.
    """
    side = round((weights.shape[-1] - 1) ** 0.5)
    if side < 1 or 1 + side**2 != weights.shape[-1]:
        raise ValueError(f"weights between {weights.shape[-1]} tokens: give a class token and a square of patches.")
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()], dim=1).to(weights)  # (patches, 2)
    apart = torch.cdist(places, places)  # (patches, patches)
    among = weights[..., 1:, 1:]
    return (among * apart).sum(-1).div(among.sum(-1)).mean(-1)
