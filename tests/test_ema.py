"""The moving average of the weights: against a plain loop, resumed to the bit, and what left-behind buffers do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnlab.data import load_dataset
from cnnlab.training import EMA, Recipe, Trainer, evaluate, fit
from cnnlab.transfer import trial_network


@pytest.fixture(scope="module")
def data():
    return load_dataset("digits").subset(train=200, test=100, seed=0)


@pytest.fixture(autouse=True)
def own_stream():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def network() -> nn.Module:
    torch.manual_seed(0)
    return trial_network(10, width=8)


HOW = {"epochs": 2, "batch_size": 40, "optimizer": "adam", "lr": 0.01, "device": "cpu"}


class Watched:
    """The weights after each update."""

    def __init__(self) -> None:
        self.states = []

    def on_batch_end(self, run, trainer) -> None:
        self.states.append({name: value.clone() for name, value in trainer.model.state_dict().items()})


@pytest.mark.parametrize("rule", [EMA(0.8), EMA(0.8, warm_up=False), EMA(0.8, buffers="copied")])
def test_it_is_the_average_of_a_plain_loop(data, rule):
    watched, model = Watched(), network()
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    run = fit(model, data, **HOW, ema=rule, callbacks=[watched])
    assert len(watched.states) == 10
    for t, state in enumerate(watched.states, 1):
        d = min(0.8, t / (9 + t)) if rule.warm_up else 0.8
        for name, value in state.items():
            copied = not value.is_floating_point() or ("running" in name and rule.buffers == "copied")
            expected[name] = value.clone() if copied else d * expected[name] + (1 - d) * value
    for name, value in run.ema_state.items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=1e-5)


def test_it_is_measured_beside_the_weights_and_changes_nothing_about_them(data):
    plain, model = network(), network()
    without, run = fit(plain, data, **HOW), fit(model, data, **HOW, ema=0.9)
    for name, value in model.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name])
    for mine, other in zip(run.history, without.history, strict=True):
        assert {**mine, "seconds": 0} == {**other, "seconds": 0, **{k: mine[k] for k in ("ema_loss", "ema_accuracy")}}
    run.restore_ema(model)
    assert run.final["ema_accuracy"] == evaluate(model, data).accuracy
    assert run.final["ema_loss"] == pytest.approx(evaluate(model, data).loss) != run.final["test_loss"]
    assert run.measured_part == "test" and run.measures == ["accuracy"]
    assert "EMA(decay=0.9" in run.config["ema"] and without.config["ema"] is None and without.ema_state is None
    run.plot()


def test_with_a_validation_set_the_test_is_measured_by_both(data):
    split = data.split(0.2)
    run = fit(model := network(), split, **HOW, ema=0.7)
    assert set(run.tested) == {"epoch", "test_loss", "test_accuracy", "ema_loss", "ema_accuracy"}
    run.restore_ema(model)
    assert run.tested["ema_accuracy"] == evaluate(model, split).accuracy
    trainer = Trainer(network(), split, **HOW, ema=0.7)
    seen = []
    while trainer.step():
        seen.append(trainer.fraction)
    assert seen == sorted(seen) and trainer.fraction == 1


def test_resumed_in_the_middle_it_ends_where_the_undisturbed_one_does(data, tmp_path):
    whole = fit(network(), data, **HOW, ema=0.9)
    trainer = Trainer(network(), data, **HOW, ema=0.9, checkpoint=tmp_path / "run.pt")
    for _ in range(3):
        trainer.step()
    trainer.save(trainer.checkpoint)
    resumed = fit(network(), data, **HOW, ema=0.9, checkpoint=tmp_path / "run.pt", progress=False)
    assert resumed.final["ema_loss"] == whole.final["ema_loss"]
    for name, value in resumed.ema_state.items():
        assert torch.equal(value, whole.ema_state[name]), name
    again = fit(network(), data, **HOW, ema=0.9, checkpoint=tmp_path / "run.pt", progress=False)  # finished already
    assert all(torch.equal(value, whole.ema_state[name]) for name, value in again.ema_state.items())
    with pytest.raises(Exception, match=r"another training \(ema: "):
        fit(network(), data, **HOW, ema=0.8, checkpoint=tmp_path / "run.pt")


def test_statistics_left_behind_bring_it_down_to_guessing(data):
    """pytorch/vision#4391: averaged weights with the statistics of a network that was never trained."""
    model = network()
    start = {name: value.clone() for name, value in model.named_buffers()}
    run = fit(model, data, **{**HOW, "epochs": 25}, ema=0.9)
    assert run.final["ema_accuracy"] > 0.85
    model.load_state_dict({**run.ema_state, **start})
    assert evaluate(model, data).accuracy < 0.45


def test_shared_weights_stay_shared():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
            self.last.weight = self.first.weight

        def forward(self, x):
            return self.last(self.first(x.flatten(1)))

    torch.manual_seed(1)
    batches = [(torch.randn(6, 1, 2, 2), torch.arange(6) % 4) for _ in range(3)]
    model = Tied()
    run = fit(model, batches, validation=batches, epochs=2, lr=0.5, ema=EMA(0.5, warm_up=False), device="cpu")
    assert torch.equal(run.ema_state["first.weight"], run.ema_state["last.weight"])
    last = model.first.weight.detach().clone()
    run.restore_ema(model)
    assert not torch.equal(model.first.weight, last) and model.first.weight is model.last.weight
    assert run.final["ema_loss"] == pytest.approx(evaluate(model, batches).loss)


def test_bad_input(data):
    for given, message in (
        (1.0, r"ema: decay=1.0 must lie between 0 and 1"),
        ("yes", r"ema='yes' must be a decay such as 0.999"),
        (True, r"ema=True must be a decay"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            Recipe(epochs=1, ema=given)
    with pytest.raises(ValueError, match="buffers='kept' is not known. Allowed: 'averaged', 'copied'"):
        EMA(buffers="kept")
    with pytest.raises(ValueError, match=r"train with fit\(..., ema=0.999\)"):
        fit(model := network(), data, **{**HOW, "epochs": 1}).restore_ema(model)
