"""The gates of the chapter "SENet": what they read, what they weigh, and what becomes of one that reads nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnlab.chapters.senet.gates import KINDS, Gate, gates_of, instead, small_senet
from cnnlab.layers import SqueezeExcite
from cnnlab.weights import transplant

GATED = [kind for kind in KINDS if kind != "plain"]
SHAPE = {"width": 8, "blocks": 1, "reduction": 2, "num_classes": 5}


def pictures(n: int = 3) -> torch.Tensor:
    return torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("kind", "count"),
    [("SE", 8 * 4 + 4 + 4 * 8 + 8), ("constant", 76), ("local", 76), ("one layer", 64), ("ECA", 3)],
)
def test_a_gate_has_the_weights_of_its_kind(kind, count):
    gate = Gate(kind, 8, 4)
    assert sum(p.numel() for p in gate.parameters()) == count
    assert gate(torch.randn(2, 8, 3, 3)).shape == (2, 8, 3, 3)


def test_the_gate_is_the_zoos_squeeze_and_excitation():
    gate, ours = Gate("SE", 8, 4), SqueezeExcite(8, 4)
    transplant(ours, gate)
    x = torch.randn(2, 8, 5, 5)
    assert torch.allclose(gate(x), ours(x), atol=1e-6)


@pytest.mark.parametrize("kind", GATED)
def test_which_gates_depend_on_the_picture_and_on_its_place(kind):
    gate, x = Gate(kind, 8, 4), torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(1))
    numbers = gate.sigmoid(gate.excite(gate.squeeze(x)))
    assert numbers.shape == ((1 if kind == "constant" else 2), 8, *((5, 5) if kind == "local" else (1, 1)))
    if kind != "constant":
        assert not torch.allclose(numbers[0], numbers[1])


def test_networks_of_a_seed_differ_in_their_gates_alone():
    nets = [small_senet(kind, **SHAPE, seed=3) for kind in KINDS]
    outside = [{n: p for n, p in net.named_parameters() if ".gate." not in n} for net in nets]
    for own in outside[1:]:
        assert own.keys() == outside[0].keys()
        assert all(torch.equal(own[name], outside[0][name]) for name in own)
    other = small_senet("plain", **SHAPE, seed=4)
    assert not torch.equal(other.fc.weight, nets[0].fc.weight)


def test_a_constant_gate_can_be_folded_into_the_batch_norm_before_it():
    net = small_senet("constant", **SHAPE).eval()
    before, scales = net(pictures()), gates_of(net, pictures())
    with torch.no_grad():
        for name, scale in scales.items():
            assert torch.equal(scale[0], scale[1])
            block = net.get_submodule(name)
            block.bn2.weight *= scale[0]
            block.bn2.bias *= scale[0]
            block.gate = nn.Identity()
    assert torch.allclose(net(pictures()), before, atol=1e-5)


def test_gates_can_be_held_and_switched_off_and_come_back():
    net = small_senet("SE", **SHAPE).eval()
    x = pictures()
    before, scales = net(x), gates_of(net, x)
    assert list(scales) == ["stage1.0", "stage2.0", "stage3.0"]
    assert [scale.shape for scale in scales.values()] == [(3, 8), (3, 16), (3, 32)]
    with instead(net, {name: lambda s: s for name in scales}):
        assert torch.equal(net(x), before)
    with instead(net, dict.fromkeys(scales, torch.zeros_like)):  # a closed gate leaves the shortcut alone
        closed = net(x)
    assert not torch.allclose(closed, before)
    assert torch.equal(net(x), before)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(ValueError, match="'ECA'"):
        small_senet("eca")
    with pytest.raises(ValueError, match="reduction=9 is not allowed with width=8: give a number from 1 to 8"):
        small_senet("SE", width=8, reduction=9)
    with (
        pytest.raises(ValueError, match="stage9.0"),
        instead(small_senet("SE", **SHAPE), {"stage9.0": torch.ones_like}),
    ):
        pass
