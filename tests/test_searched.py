"""The space of the chapter on search, its searches, and the stacks that test the guidelines."""

from __future__ import annotations

import random

import pytest
import torch

from cnnlab.analysis import summarize
from cnnlab.chapters.searched.cells import CELLS, DRAWINGS, CellNetwork, Supernet, canonical, neighbors
from cnnlab.chapters.searched.guidelines import GUIDELINES, SIZES, stacks
from cnnlab.chapters.searched.searches import Bench, evolution, kendall, one_shot, random_search, repeated
from cnnlab.chapters.searched.shuffled import grouped_network


def test_drawings_of_one_cell_have_its_costs_and_give_the_same_answer_with_its_weights():
    assert len(DRAWINGS) == 125 and len(CELLS) == 59
    for drawing in random.Random(0).sample(DRAWINGS, 25):
        cell = canonical(drawing)
        if cell == "000":
            continue
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            x, net = torch.randn(2, 3, 8, 8), Supernet(4).eval()
            # One weight for each kind of convolution, so that it does not matter on which edge it stands.
            for stage in net.cells:
                for edge in stage.edges[1:]:
                    edge.load_state_dict(stage.edges[0].state_dict())
            assert torch.allclose(net.answer(x, drawing), net.answer(x, cell), atol=1e-5), drawing


def test_a_cell_alone_is_the_supernet_s_at_that_cell():
    for cell in ("3a1", "00i", "3i3", "010"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            whole, alone = Supernet(4), CellNetwork(cell, 4).train()
            shared = whole.state_dict()
            alone.load_state_dict(alone.state_dict() | {k: shared[k] for k in alone.state_dict() if k in shared})
            x = torch.randn(3, 3, 8, 8)
            assert torch.allclose(whole.answer(x, cell), alone(x), atol=1e-5)


def test_a_supernet_trains_one_cell_at_a_time():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Supernet(4)
        net(torch.randn(2, 3, 8, 8)).sum().backward()
    with_gradient = {name for name, own in net.named_parameters() if own.grad is not None}
    assert 0 < len(with_gradient) < len(list(net.parameters()))
    assert summarize(net.eval(), (3, 8, 8)).macs == summarize(CellNetwork("3i3", 4), (3, 8, 8)).macs


def test_neighbors_differ_in_one_edge():
    near = neighbors("3a1")
    assert len(near) == len(set(near)) == 12
    assert all(sum(a != b for a, b in zip(cell, "3a1", strict=True)) == 1 for cell in near)
    with pytest.raises(ValueError, match="cell='3x1' is not known"):
        canonical("3x1")


def bench() -> Bench:
    worth = {cell: 0.3 + 0.04 * cell.count("3") + 0.001 * i for i, cell in enumerate(CELLS)}
    rows = {cell: {} for cell in CELLS}
    return Bench({c: [w] for c, w in worth.items()}, {c: [w] for c, w in worth.items()}, [worth], 8.0, rows)


def test_searches_make_as_many_trials_as_they_are_given_and_find_what_there_is():
    own = bench()
    best = own.worth(own.ranked()[0])
    for search in (random_search, evolution, one_shot):
        for worths in repeated(search, own, 30, 20):
            assert len(worths) == 30 and worths == sorted(worths)  # without noise a search never falls back
            assert worths[-1] <= best
    assert one_shot(own, 3, random.Random(0))[0][0] == own.ranked()[0]
    means = [sum(w[-1] for w in repeated(search, own, 30, 200)) for search in (random_search, evolution)]
    assert means[1] > means[0]  # there is a slope to climb


def test_the_oldest_of_a_population_has_no_more_children():
    own = bench()
    for seed in range(20):
        history = evolution(own, 30, random.Random(seed), population=4, sample=2)
        for place in range(4, 30):
            young = [cell for cell, _ in history[place - 4 : place]]
            assert any(history[place][0] in neighbors(cell) for cell in young)


def test_kendall_counts_pairs():
    assert kendall([1, 2, 3], [10, 20, 30]) == 1 and kendall([1, 2, 3], [3, 2, 1]) == -1
    assert kendall([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    with pytest.raises(ValueError, match="as many of each"):
        kendall([1], [1])


@pytest.mark.parametrize("name", GUIDELINES)
def test_stacks_of_a_guideline_cost_the_same_and_keep_their_shape(name):
    for size in SIZES:
        macs = {}
        for variant, (stack, shape) in stacks(name, size, blocks=1).items():
            macs[variant] = summarize(stack, shape[1:]).macs
            assert stack(torch.zeros(1, shape[1], 4, 4)).shape == (1, shape[1], 4, 4)
        assert max(macs.values()) / min(macs.values()) < 1.09, macs
        assert set(macs) == set(GUIDELINES[name].printed)


def test_only_a_shuffle_lets_groups_meet():
    for shuffle in (False, True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            units = grouped_network(4, shuffle=shuffle, width=16).eval()[1:4]
            x = torch.rand(1, 16, 6, 6)
            more = x.clone()
            more[:, :4] += 1
            changed = (units(more) - units(x)).abs().amax((0, 2, 3)) > 1e-6
        assert bool(changed[4:].any()) is shuffle
