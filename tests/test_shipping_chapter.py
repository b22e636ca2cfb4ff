"""What the chapter "Shipping a model" computes with: folded batch norms, kinds of layers, and its record."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import cnnlab
from cnnlab.chapters.shipping.folding import folded, kinds_of, rounded_reads
from cnnlab.widgets import rounded_channels


@pytest.fixture(scope="module")
def lite() -> nn.Module:
    torch.manual_seed(0)
    model = cnnlab.create_model("tf_efficientnet_lite0", num_classes=10)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model


def test_folding_changes_the_weights_and_not_the_answers(lite):
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = folded(lite)
    with torch.no_grad():
        assert torch.allclose(found(x), lite.eval()(x), atol=1e-4)
    assert not [module for module in found.modules() if isinstance(module, nn.BatchNorm2d)]
    assert not torch.equal(found.stem.conv.weight, lite.stem.conv.weight)


def test_every_layer_is_of_one_kind(lite):
    kinds = kinds_of(lite)
    names = [name for names in kinds.values() for name in names]
    layers = [name for name, module in lite.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert sorted(names) == sorted(layers)
    assert {kind: len(names) for kind, names in kinds.items()} == {
        "depthwise": 16,
        "widening": 15,
        "narrowing": 16,
        "first and last": 3,
    }
    modules = dict(lite.named_modules())
    assert all(modules[name].groups > 1 for name in kinds["depthwise"])


def test_what_is_read_is_rounded_and_the_weights_are_not():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 1))
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    other = rounded_reads(net, x)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), other.parameters(), strict=True))
    assert not torch.equal(net(x), other(x))
    assert torch.allclose(net(x), other(x), atol=0.02)


def test_an_explorer_says_what_it_cannot_show():
    with pytest.raises(ValueError, match="layers is empty"):
        rounded_channels({})
    with pytest.raises(ValueError, match="has 33 channels; 1 to 32"):
        rounded_channels({"wide": torch.ones(33, 4)})
