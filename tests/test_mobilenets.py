"""The small networks, the family and the stages of the chapter on MobileNets."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.chapters.mobilenets.family import FAMILY, cost, mobilenet
from cnnlab.chapters.mobilenets.small import KINDS, Kind, Stage, small_mobilenet
from cnnlab.chapters.mobilenets.stages import Untrimmed, untrimmed
from cnnlab.meta import on_meta


def test_all_kinds_cost_the_same():
    costs = {kind: summarize(small_mobilenet(kind), (3, 24, 24)) for kind in KINDS}
    for kind, bill in costs.items():
        rel = 0.02 if kind.startswith("even") else 1e-9
        assert bill.params == pytest.approx(costs["linear"].params, rel=rel)
        assert bill.macs == pytest.approx(costs["linear"].macs, rel=rel)


@pytest.mark.parametrize(
    ("kind", "negative"),
    [(Kind(), True), (Kind(relu="inside"), False), (Kind(relu="after"), False), (Kind(shortcut="wide"), True)],
)
def test_a_relu_stands_at_the_narrow_end_where_its_kind_says_so(kind, negative):
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        stage = Stage(8, 12, 3, 2, kind)
        x = stage(torch.randn(2, 8, 6, 6).abs())
    assert x.shape == (2, 12, 3, 3) and bool((x < -0.1).any()) is negative


@pytest.mark.parametrize(("shortcut", "narrow", "wide"), [("narrow", 2, 0), ("wide", 0, 1), ("none", 0, 0)])
def test_shortcuts_join_what_their_kind_says(shortcut, narrow, wide):
    """With projections that put out zeros only narrow shortcuts leave anything; with their signals alone, wide ones."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        stage = Stage(8, 12, 3, 1, Kind(shortcut=shortcut)).eval()
        seen = []
        for depthwise in stage.depthwise:
            depthwise.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        for project in list(stage.project)[1:]:
            project.bn.weight.zero_()
            project.bn.bias.zero_()
        first = []
        stage.project[0].register_forward_hook(lambda *call: first.append(call[2]))
        out = stage(torch.randn(2, 8, 5, 5))
        fresh = stage.expand[2](torch.zeros(2, 12, 5, 5))
    assert torch.equal(out, first[0] if narrow else torch.zeros_like(out))
    if shortcut == "wide":  # the third block expands zeros, and gets the second's map on top
        assert torch.allclose(seen[2], fresh + seen[1])
    elif shortcut == "none":
        assert torch.allclose(seen[2], fresh)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'linera'.*linear"):
        small_mobilenet("linera")


@pytest.mark.parametrize(("version", "width", "size"), [("v1", 0.25, 128), ("v2", 0.35, 96), ("v3 small", 1.0, 224)])
def test_a_members_cost_is_what_summarize_counts(version, width, size):
    with on_meta():
        bill = summarize(mobilenet(version, width), (3, size, size))
    assert cost(version, width, size) == (bill.params, bill.macs)


def test_the_family_is_the_published_one():
    by = {(m.version, m.width, m.size): m for m in FAMILY}
    assert len(FAMILY) == len(by) == 16 + 21 + 2
    assert by["v1", 0.5, 160].accuracy == 59.1 and by["v1", 0.5, 160].phone is None
    assert (by["v2", 0.35, 96].accuracy, by["v2", 0.35, 96].phone) == (45.5, 4.5)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mobilenet("v3 large", 0.75), "width=0.75 is not built"),
        (lambda: cost("v1", 1.0, 200), "multiple of 32"),
        (lambda: cost("v3 small", 1.0, 128), "224 for version 3"),
    ],
)
def test_what_is_not_in_the_family_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_the_stage_before_it_was_trimmed_fits_the_same_network():
    with on_meta():
        net, trimmed = untrimmed(), mobilenet("v3 large")
    assert isinstance(net.end, Untrimmed)
    ours, theirs = summarize(net, (3, 224, 224)), summarize(trimmed, (3, 224, 224))
    # Expanding is in both; a projection and a widening at 49 places against a dense layer at one.
    own = 49 * (9 * 960 + 960 * 320 + 320 * 1280)
    assert ours.macs - theirs.macs == own - 960 * 1280
    assert [m.out_channels for m in net.end.modules() if isinstance(m, nn.Conv2d)] == [960, 960, 320, 1280]
