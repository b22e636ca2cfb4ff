"""GoogLeNet at a fraction of its widths, and the ways in which its weights begin."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from cnnlab.chapters.googlenet.starts import STARTS, restart
from cnnlab.meta import on_meta
from cnnlab.models.googlenet import VARIANTS, GoogLeNet, GoogLeNetVariant


def narrow(by: int, **changes: object) -> GoogLeNetVariant:
    return replace(VARIANTS["googlenet_2014"], narrow=by, small_input=True, **changes)


@pytest.mark.parametrize("by", [2, 4, 8])
def test_a_narrow_googlenet_has_every_layer_at_a_fraction_of_its_width(by):
    with on_meta():
        wide, net = (GoogLeNet(narrow(one), num_classes=10, in_channels=3) for one in (1, by))
    layers = [
        (a, b)
        for a, b in zip(wide.modules(), net.modules(), strict=True)
        if isinstance(a, nn.Conv2d | nn.Linear) and a.weight.shape[0] != 10
    ]
    assert len(layers) == 57 + 2 * 2
    assert all(a.weight.shape[0] == by * b.weight.shape[0] for a, b in layers)


def test_a_narrow_googlenet_answers_once_and_in_training_three_times():
    with torch.random.fork_rng(devices=[]):
        net = GoogLeNet(narrow(8), num_classes=10, in_channels=1)
        x = torch.randn(2, 1, 16, 16)
        main, heads = net.train()(x)
        assert [t.shape for t in (main, *heads)] == [(2, 10)] * 3
        net.auxiliary_weights = ()
        assert net(x).shape == net.eval()(x).shape == (2, 10)


def test_other_fractions_are_refused():
    with pytest.raises(ValueError, match="narrow=3 does not divide all widths of table 1; use 1, 2, 4 or 8"):
        GoogLeNet(narrow(3))


@pytest.mark.parametrize("start", STARTS)
def test_starts_have_the_spread_that_they_promise(start):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = restart(nn.Sequential(nn.Conv2d(64, 128, 3), nn.Flatten(), nn.Linear(200, 300)), start)
    conv, dense = net[0], net[2]
    spread = {"he": (2 / 576) ** 0.5, "caffe": (1 / 576) ** 0.5, "small": 0.01}[start]
    assert conv.weight.std().item() == pytest.approx(spread, rel=0.02)
    assert conv.bias.unique().tolist() == pytest.approx([0.2 if start == "caffe" else 0.0])
    assert dense.bias.unique().tolist() == [0.0]
    if start == "caffe":
        assert conv.weight.abs().max() <= (3 / 576) ** 0.5


def test_an_unknown_start_is_refused():
    with pytest.raises(ValueError, match="xavier"):
        restart(nn.Conv2d(1, 1, 1), "xavier")
