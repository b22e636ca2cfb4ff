"""The small networks of the chapter on ViT, where they look, and what is done to their pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlab import widgets
from cnnlab.analysis import summarize
from cnnlab.chapters.vit.looking import attention_distance, attention_weights
from cnnlab.chapters.vit.small import KINDS, packed, shifted, shuffled_patches, small, unpacked
from tests.explorers import MAKERS


def drawn(kind: str = "ViT") -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return small(kind).eval()


def pictures(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, 24, 24, generator=torch.Generator().manual_seed(1))


def test_all_kinds_take_about_the_same_multiplications():
    macs = {kind: summarize(small(kind), (3, 24, 24)).macs for kind in KINDS}
    assert all(0.9 < own / macs["ViT"] < 1.1 for own in macs.values()), macs
    with pytest.raises(ValueError, match="'RNN'.*CNN"):
        small("RNN")


@pytest.mark.parametrize("kind", KINDS)
def test_only_without_positions_the_order_of_patches_does_not_matter(kind):
    net, x = drawn(kind), pictures()
    with torch.no_grad():
        apart = (net(x) - net(shuffled_patches(x))).abs().max().item()
    assert (apart < 1e-5) == (kind == "ViT, no positions"), apart


def test_a_network_without_positions_trains_without_them():
    net = drawn("ViT, no positions")
    net(pictures()).sum().backward()
    assert net.encoder.position.grad is None and not net.encoder.position.any()


def test_shuffled_patches_are_the_same_patches_in_an_order_of_each_picture():
    x = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    mixed = shuffled_patches(x, patch=4)
    for before, after in zip(x, mixed, strict=True):
        cut = [own.unfold(1, 4, 4).unfold(2, 4, 4).permute(1, 2, 0, 3, 4).flatten(2) for own in (before, after)]
        cut = [{tuple(patch) for patch in own.flatten(0, 1).tolist()} for own in cut]
        assert cut[0] == cut[1] and not torch.equal(before, after)
    assert torch.equal(mixed, shuffled_patches(x, patch=4)) and mixed.dtype == x.dtype
    with pytest.raises(ValueError, match="patches of 3"):
        shuffled_patches(x, patch=3)


def test_shifted_repeats_the_edge():
    x = torch.arange(5).expand(1, 1, 2, 5)
    assert shifted(x, 2)[0, 0, 0].tolist() == [0, 0, 0, 1, 2]
    assert torch.equal(shifted(x, 0), x)


def test_weights_outlive_their_packing():
    net, other = drawn(), small()
    unpacked(packed(net), other)
    for p, own in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(p.half().float(), own)
    with pytest.raises(ValueError, match="53,994 numbers and this network has 26,546"):
        unpacked(packed(net), small("CNN"))


def test_attention_weights_are_those_that_the_network_uses():
    net, x = drawn(), pictures()
    weights = attention_weights(net, x)
    assert weights.shape == (4, 2, 4, 37, 37)
    assert torch.allclose(weights.sum(dim=4), torch.ones(()), atol=1e-5)
    first = net.encoder.blocks[0]
    tokens = net.patches(x).flatten(2).transpose(1, 2)
    tokens = torch.cat([net.class_token.expand(2, -1, -1), tokens], dim=1) + net.encoder.position
    q, k, v = first.attention.queries_keys_values(first.norm1(tokens))
    assert torch.allclose(weights[0] @ v, F.scaled_dot_product_attention(q, k, v), atol=1e-5)
    assert not any(block.attention._forward_hooks for block in net.encoder.blocks)


def test_attention_distance_of_looks_that_are_known():
    own = torch.eye(10)
    right = torch.eye(10).roll(1, dims=1)
    assert attention_distance(own) == 0
    # Six patches look at their right neighbor, two at the start of the next row, and the last at the class token:
    # (6 x 1 + 2 x sqrt(1 + 4)) / 9, the last one's share being nothing over nothing, unless a little goes to itself.
    right[9, 9] = 1e-6
    assert attention_distance(right).item() == pytest.approx((6 + 2 * 5**0.5) / 9, abs=1e-4)
    with pytest.raises(ValueError, match="between 8 tokens"):
        attention_distance(torch.eye(8))


def test_the_explorer_carries_the_weights_and_refuses_others():
    explorer = MAKERS["patch_attention"]()
    assert explorer.params["data"]["side"] == 3 and explorer.params["data"]["heads"] == 2
    photo = np.zeros((8, 8, 3), "uint8")
    for weights, says in (
        (np.ones((2, 1, 2, 9, 9)), {"a": ("b", 1.0)}),
        (np.ones((2, 2, 2, 10, 10)), {"a": ("b", 1.0)}),
        (np.ones((2, 1, 2, 10, 10)), {}),
    ):
        with pytest.raises(ValueError, match="weights of shape"):
            widgets.patch_attention({"a": photo}, weights, says)
