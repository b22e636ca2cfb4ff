"""What the chapter on training brings beside its page: a network, and two explorers whose arithmetic is torch's."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from cnnlab.analysis import summarize
from cnnlab.chapters.training_a_cnn.network import OPTIMIZERS, small_cnn
from cnnlab.chapters.training_a_cnn.optimizer_paths import OWN
from cnnlab.training import Recipe
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture


def test_the_network_is_the_same_from_the_same_seed_and_leaves_torchs_randomness_alone() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        before = torch.get_rng_state()
        one, two, other = small_cnn(3, 16, width=4), small_cnn(3, 16, width=4), small_cnn(3, 16, width=4, seed=1)
        assert torch.equal(before, torch.get_rng_state())
    assert all(map(torch.equal, one.state_dict().values(), two.state_dict().values()))
    assert not torch.equal(one[0].weight, other[0].weight)
    assert summarize(one, (3, 16, 16)).params == 27 * 4 + 4 + 9 * 4 * 8 + 8 + 10 * 8 * 16 + 10


def test_fit_takes_each_optimizer_as_it_is_told() -> None:
    for options in OPTIMIZERS.values():
        Recipe(epochs=1, lr=0.1, **options)


SURFACES = [
    {"stretch": 30, "tilt": 20, "noise": 0.0, "steps": 40, **OWN},
    {"stretch": 3, "tilt": 45, "noise": 0.5, "steps": 15, **dict.fromkeys(OWN, 0.1)},
    {"stretch": 10, "tilt": 0, "noise": 0.0, "steps": 200, **OWN, "sgd": 2.1},
]


def torchs_walk(state: dict[str, Any], name: str, begin: list[float], shakes: list[list[float]]) -> list[list[float]]:
    """The same walk by torch's optimizer, with gradients by autograd."""
    weights = torch.tensor(begin, dtype=torch.float64, requires_grad=True)
    made = {
        "sgd": lambda **o: torch.optim.SGD([weights], **o),
        "momentum": lambda **o: torch.optim.SGD([weights], momentum=0.9, **o),
        "rmsprop": lambda **o: torch.optim.RMSprop([weights], **o),
        "adam": lambda **o: torch.optim.Adam([weights], **o),
        "adamw": lambda **o: torch.optim.AdamW([weights], weight_decay=0.1, **o),
    }
    optimizer = made[name](lr=state[name])
    angle = torch.deg2rad(torch.tensor(float(state["tilt"]), dtype=torch.float64))
    back = torch.stack([torch.stack([angle.cos(), angle.sin()]), torch.stack([-angle.sin(), angle.cos()])])
    curvature = torch.tensor([1 / state["stretch"], 1.0], dtype=torch.float64)
    lowest = torch.tensor([1.2, 0.4], dtype=torch.float64)
    path = [weights.tolist()]
    for shake in shakes:
        optimizer.zero_grad()
        (0.5 * curvature * (back @ (weights - lowest)) ** 2).sum().backward()
        weights.grad += state["noise"] * torch.tensor(shake, dtype=torch.float64)
        optimizer.step()
        path.append(weights.tolist())
    return path


def test_the_walks_are_torchs(node) -> None:  # noqa: F811
    asked = "({begin: m.begin(s.tilt), shakes: m.shakes(s.steps), walks: m.WALKERS.map(([n]) => [n, m.walk(s, n)])})"
    for state, found in zip(SURFACES, node(VIEWS["optimizer_paths"], f"{json.dumps(SURFACES)}.map((s) => {asked})")):
        for name, path in found["walks"]:
            wanted = torchs_walk(state, name, found["begin"], found["shakes"])[: len(path)]
            assert torch.allclose(torch.tensor(path), torch.tensor(wanted), rtol=1e-9, atol=1e-9), (state, name)
            assert len(path) == state["steps"] + 1 or abs(torch.tensor(path[-1]).norm()) > 50


def test_a_tilt_is_seen_by_those_that_look_at_single_weights(node) -> None:  # noqa: F811
    """SGD and momentum only turn with the valley; what divides each weight's gradient by its size does not."""
    states = [{**SURFACES[0], "tilt": tilt} for tilt in (0, 45)]
    asked = "m.WALKERS.map(([n]) => { const p = m.walk(s, n); return [n, m.height(p[p.length - 1], s)]; })"
    straight, tilted = map(dict, node(VIEWS["optimizer_paths"], f"{json.dumps(states)}.map((s) => {asked})"))
    for name in ("sgd", "momentum"):
        assert straight[name] == pytest.approx(tilted[name], rel=1e-9)
    for name in ("rmsprop", "adam", "adamw"):
        assert tilted[name] != pytest.approx(straight[name], rel=0.1)


NOISY = [
    {"batch": 128, "rate": 0.05, "noise": 5, "rule": "linear"},
    {"batch": 4, "rate": 0.1, "noise": 2, "rule": "root"},
    {"batch": 512, "rate": 0.5, "noise": 3, "rule": "as it is"},
]


def test_the_expected_loss_is_the_average_of_many_runs_and_ends_at_its_floor(node) -> None:  # noqa: F811
    asked = "((r) => [r, m.expected(s, r, 30), m.expected(s, r, 4000)[4000], m.floor(s, r)])(m.rateOf(s))"
    found = node(VIEWS["batch_and_rate"], f"{json.dumps(NOISY)}.map((s) => {asked})")
    curvatures = torch.tensor(node(VIEWS["batch_and_rate"], "m.CURVATURES"), dtype=torch.float64)
    dice = torch.Generator().manual_seed(0)
    for state, (rate, losses, long, floor) in zip(NOISY, found):
        k = state["batch"] / 16
        assert rate == pytest.approx(state["rate"] * {"linear": k, "root": k**0.5, "as it is": 1}[state["rule"]])
        assert long == pytest.approx(floor, rel=1e-6)
        weights = curvatures.rsqrt().expand(40_000, 2)
        spread = state["noise"] * (curvatures / state["batch"]).sqrt()
        for step in range(31):
            loss = (0.5 * curvatures * weights**2).sum(1).mean().item()
            assert loss == pytest.approx(losses[step], rel=0.05), (state, step)
            noise = spread * torch.randn(weights.shape, generator=dice, dtype=torch.float64)
            weights = weights - rate * (curvatures * weights + noise)


def test_a_run_without_noise_is_its_average_and_beyond_two_nothing_holds(node) -> None:  # noqa: F811
    still = json.dumps({"batch": 16, "rate": 0.1, "noise": 0, "rule": "as it is"})
    wild = json.dumps({"batch": 512, "rate": 0.1, "noise": 5, "rule": "linear"})
    asked = f"[m.sample({still}, 0.1, 50), m.expected({still}, 0.1, 50), m.explain({wild}), m.expected({wild}, 3.2, 9)]"
    run, mean, said, grown = node(VIEWS["batch_and_rate"], asked)
    assert run == pytest.approx(mean) and "grows with each step" in said and grown[-1] > 1000
