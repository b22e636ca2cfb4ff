"""The small networks of the chapter on Xception, and how near a kernel is to a separable one."""

from __future__ import annotations

import pytest
import torch

from cnnlab.analysis import summarize
from cnnlab.chapters.xception.small import KINDS, Kind, separable_share, small_xception, unit


def test_the_networks_of_the_spectrum_have_equal_parameters_and_nearly_equal_macs():
    costs = {kind: summarize(small_xception(kind), (3, 24, 24)) for kind in KINDS if "segment" in kind}
    full = costs["C segments"]
    for cost in costs.values():
        assert cost.params == pytest.approx(full.params, rel=0.02)
        assert cost.macs == pytest.approx(full.macs, rel=0.03)


def test_no_output_of_a_segment_sees_another_segment():
    with torch.random.fork_rng(devices=[]):
        own = unit(6, 8, Kind(mix_first=True, segments=4)).eval()
        x = torch.randn(1, 8, 5, 5)
        more = x.clone()
        more[:, 2:4] += 1  # the second segment of what the 1x1 puts out
        changed = (own[1](more) - own[1](x)).abs().amax((0, 2, 3)) > 1e-6
    assert changed.tolist() == [False, False, True, True] + 4 * [False]


@pytest.mark.parametrize(("kind", "steps"), [("Xception", "looks mixes"), ("C segments, ReLU", "mixes bends looks")])
def test_a_unit_takes_its_steps_in_the_order_of_its_kind(kind, steps):
    names = {(1, 1): "mixes", (3, 3): "looks", None: "bends"}
    found = [names[getattr(step, "kernel_size", None)] for step in unit(4, 8, KINDS[kind])[:-1]]
    assert " ".join(found) == steps


def test_without_shortcuts_only_their_weights_are_missing():
    cost = {kind: summarize(small_xception(kind), (3, 24, 24)).params for kind in ("Xception", "no shortcuts")}
    projections = sum(before * after + 2 * after for before, after in ((16, 32), (32, 64)))
    assert cost["Xception"] - cost["no shortcuts"] == projections


def test_a_kernel_that_is_separable_keeps_all_its_energy_in_its_own_order_alone():
    with torch.random.fork_rng(devices=[]):
        mix, filters, after = torch.randn(6, 4, 1, 1), torch.randn(1, 4, 3, 3), torch.randn(6, 1, 3, 3)
    assert separable_share(mix * filters) == pytest.approx(1, abs=1e-5)
    assert separable_share(mix * after, mix_first=True) == pytest.approx(1, abs=1e-5)
    assert separable_share(mix * after) < 0.95 and separable_share(mix * filters, mix_first=True) < 0.95


def test_the_share_is_that_of_the_nearest_pair():
    with torch.random.fork_rng(devices=[]):
        weight = torch.randn(5, 3, 3, 3)
    left = 0.0
    for c in range(3):
        u, s, v = torch.linalg.svd(weight[:, c].flatten(1))
        left += (weight[:, c].flatten(1) - s[0] * torch.outer(u[:, 0], v[0])).square().sum().item()
    assert separable_share(weight) == pytest.approx(1 - left / weight.square().sum().item(), abs=1e-5)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'5 segments'.*4 segments"):
        small_xception("5 segments")
