"""The small networks of the chapter on hybrids."""

from __future__ import annotations

import pytest
import torch

from cnnlab.analysis import summarize
from cnnlab.chapters.hybrids.orders import ORDERS, RelativeAttention, staged
from cnnlab.models.maxvit import RelativeAttention as OfMaxViT


def test_the_four_orders_cost_the_same_at_both_depths():
    for blocks in (1, 2):
        macs = [summarize(staged(order, blocks=blocks), (3, 32, 32)).macs for order in ORDERS]
        assert max(macs) < 1.03 * min(macs)


def test_letters_say_what_mixes():
    network = staged("T-T-C-C", blocks=1)
    mixers = [type(layer.mixer).__name__ for layer in network if hasattr(layer, "mixer")]
    assert mixers == ["RelativeAttention", "RelativeAttention", "SeparableConv", "SeparableConv"]
    with pytest.raises(ValueError, match="order='C-T-C-T'"):
        staged("C-T-C-T")


def _shuffled(x: torch.Tensor) -> torch.Tensor:
    """The sixteen pieces of 8 x 8 pixels in the reverse order."""
    pieces = x.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3).flip(2)  # (N, 3, 16, 8, 8)
    return pieces.unflatten(2, (4, 4)).permute(0, 1, 2, 4, 3, 5).reshape(x.shape)


@pytest.mark.parametrize(
    ("order", "positions", "blind"),
    [("T-T-T-T", False, True), ("T-T-T-T", True, False), ("C-C-T-T", False, False)],
)
def test_attention_alone_without_positions_is_blind_to_where_patches_lie(order: str, positions: bool, blind: bool):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = staged(order, positions=positions, blocks=1).eval().double()
        for layer in network:
            if hasattr(layer, "mixer") and isinstance(layer.mixer, RelativeAttention):
                torch.nn.init.normal_(layer.mixer.bias)
        x = torch.randn(1, 3, 32, 32, dtype=torch.double)
    with torch.no_grad():
        change = (network(x) - network(_shuffled(x))).abs().max()
    assert (change < 1e-9) == blind


def test_its_attention_is_maxvits_but_for_the_scale():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        own, theirs = RelativeAttention(8, 4, 3), OfMaxViT(8, 4, 3)
        torch.nn.init.normal_(own.bias)
        x = torch.randn(2, 3, 3, 8)
    with torch.no_grad():
        theirs.qkv.weight.copy_(own.qkv.weight)
        theirs.qkv.weight[:8] *= 2**0.5  # the root of 8 there, of a head's 4 here
        theirs.proj.weight.copy_(own.proj.weight)
        theirs.relative_position_bias_table.copy_(own.bias)
        theirs.qkv.bias.zero_()
        theirs.proj.bias.zero_()
        assert torch.allclose(own(x).flatten(1, 2), theirs(x.reshape(2, 1, 9, 8))[:, 0], atol=1e-6)
