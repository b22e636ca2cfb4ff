"""The network of the chapter on batch norm, the noise behind its norms, and what watches how far they move."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnlab.chapters.inception.trial import NORMS, Noise, Watch, shift, trial


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_noise_gives_each_channel_another_distribution_in_each_step_and_the_norms_on_average() -> None:
    noise, x = Noise(), torch.randn(16, 64, 12, 12)
    first, second = noise(x), noise(x)
    for out in (first, second):
        means, deviations = out.mean((0, 2, 3)), out.std((0, 2, 3))
        assert 0.35 < means.abs().max() < 0.6 and means.std() > 0.2
        assert 0.7 < deviations.min() < 0.85 and 1.15 < deviations.max() < 1.3
    assert (first.mean((0, 2, 3)) - second.mean((0, 2, 3))).abs().mean() > 0.15
    assert torch.equal(noise.eval()(x), x)


def test_a_watch_measures_the_way_of_the_mean_in_deviations() -> None:
    watch, x = Watch(2), torch.randn(8, 2, 6, 6)
    size, moved = torch.tensor([5.0, 0.01]).view(1, 2, 1, 1), torch.tensor([0.5, 0.25]).view(1, 2, 1, 1)
    deviation = (size * x).std((0, 2, 3)).view(1, 2, 1, 1)
    assert torch.equal(watch(size * x), size * x) and float(watch.steps) == 0
    watch(size * x + moved * deviation)
    assert float(watch.moved / watch.steps) == pytest.approx(0.375, abs=1e-3)
    watch.eval()(x + 100)
    watch.train()(torch.zeros_like(x))  # a dead channel has no deviation
    assert float(watch.steps) == 1
    assert set(watch.state_dict()) == {"before", "moved", "steps"}  # an interrupted training goes on with it


@pytest.mark.parametrize("norm", NORMS)
def test_a_trial_is_the_small_vgg_with_what_its_name_says(norm: str) -> None:
    net = trial(norm, (1, 2), width=4, side=8, in_channels=1)
    assert net(torch.randn(3, 1, 8, 8)).shape == (3, 10)
    layers = [type(layer).__name__ for layer in net[1] if not isinstance(layer, nn.MaxPool2d)]
    between = ["BatchNorm2d"] * norm.endswith("batch norm") + ["Noise"] * norm.startswith("nois")
    assert layers == ["Conv2d", *between, "Watch", "ReLU"] * 2


def test_noise_moves_the_distributions_and_the_norm_keeps_them_still() -> None:
    ways = {}
    for norm in NORMS:
        torch.manual_seed(0)
        net = trial(norm, (1, 1), width=4, side=8, in_channels=1)
        assert shift(net) != shift(net)  # nothing seen yet
        for _ in range(4):
            net(torch.randn(20, 1, 8, 8))
        ways[norm] = shift(net)
    assert ways["batch norm"] < 0.01 < ways["none"] < ways["noisy batch norm"]


def test_a_trial_refuses_other_norms() -> None:
    with pytest.raises(ValueError, match="norm='layer norm'"):
        trial("layer norm")
