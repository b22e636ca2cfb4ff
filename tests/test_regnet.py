"""The spaces of the chapter on RegNet: what is drawn from them, what it costs, and what populations say."""

from __future__ import annotations

from itertools import groupby, pairwise

import pytest
import torch
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.chapters.regnet.spaces import SPACES, AnyNet, Design, bands, best, cost, edf, sample, whole_groups
from cnnlab.models.regnet import VARIANTS, RegNet, RegNetVariant, quantized_widths, stages
from cnnlab.weights import transplant

WINDOW = (600_000, 660_000, (1, 28, 28))


def drawn(space: str, count: int) -> list[Design]:
    return [sample(space, f"{space} {number}", *WINDOW) for number in range(count)]


def test_a_design_of_one_ratio_and_one_group_width_is_a_regnet():
    variant = RegNetVariant(6, 8, 9.0, 1.8, group_width=4, paper_rounding=True, small_input=True)
    rows = stages(variant)
    design = Design(tuple(d for d, _ in rows), tuple(w for _, w in rows), (1,) * 4, (4,) * 4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs, ours = RegNet(variant).eval(), AnyNet(design).eval()
        transplant(theirs.stages[1:], ours.stages[1:])  # the stem differs, and with it what stage 1 reads
        x = torch.randn(2, rows[0][1], 8, 8)
    assert len(rows) == 4 and torch.allclose(ours.stages[1:](x), theirs.stages[1:](x), atol=1e-5)


def test_widths_are_made_of_whole_groups_as_the_paper_makes_them():
    for variant in VARIANTS.values():
        paper = RegNetVariant(**vars(variant) | {"paper_rounding": True})
        before = [width for width, _ in groupby(quantized_widths(variant))]
        assert [whole_groups(w, 1, variant.group_width)[0] for w in before] == [w for _, w in stages(paper)]
    with pytest.raises(ValueError, match="width 20 is not made of whole groups of 8 with ratio 1: give 16"):
        Design((1,), (20,), (1,), (8,))


@pytest.mark.parametrize("space", SPACES)
def test_what_is_drawn_is_of_its_space_and_costs_what_was_asked(space):
    designs = drawn(space, 12)
    assert designs == drawn(space, 12) and len(set(designs)) == 12
    for design in designs:
        assert WINDOW[0] <= cost(design, WINDOW[2]).macs <= WINDOW[1]
    alike = [len(set(design.ratios)) == 1 for design in designs]
    rising = [a <= b for d in designs for row in (d.widths, d.depths) for a, b in pairwise(row)]
    assert all(alike) == (space != "A") and all(rising) == (space == "E")
    if space == "RegNet":
        assert all(a <= b for design in designs for a, b in pairwise(design.widths))
    counted = summarize(AnyNet(designs[0], 1), WINDOW[2])
    assert (cost(designs[0], WINDOW[2]).params, cost(designs[0], WINDOW[2]).macs) == (counted.params, counted.macs)


def test_activations_are_what_the_convolutions_put_out():
    design, found = drawn("A", 1)[0], []
    net = AnyNet(design, 1)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, y: found.append(y[0].numel()))
    net.eval()(torch.zeros(1, 1, 28, 28))
    assert sum(found) == cost(design, WINDOW[2]).activations


@pytest.mark.slow
def test_what_no_space_holds_is_refused():
    with pytest.raises(ValueError, match="space='B' is not known"):
        sample("B", "0", *WINDOW)
    with pytest.raises(ValueError, match="leave nothing of space 'A' .* widen the window"):
        sample("A", "0", 5, 6)


def test_populations_are_told_by_their_distribution_and_their_best():
    errors = [0.1, 0.2, 0.2, 0.4]
    assert edf(errors, [0.0, 0.1, 0.2, 0.3, 0.5]) == [0, 0, 0.25, 0.75, 1]
    low, high = bands(errors, [0.05, 0.25, 0.5], draws=200)
    assert low[0] == high[0] == 0 and low[2] == high[2] == 1 and low[1] < 0.75 < high[1]
    # With twelve values, whoever has the best among three drawn is seldom in the worse half.
    assert best(range(12), range(12), draws=500)[0] == 0
    assert best(range(12), range(12), draws=500)[1] <= 3 and best(range(12), range(12), draws=500)[2] >= 6
