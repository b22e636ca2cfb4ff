"""The explorer of "Training at ImageNet scale": it plans as Plan does, and Plan's numbers are the network's."""

from __future__ import annotations

import json
from dataclasses import astuple

import pytest

from cnnlab.analysis import summarize
from cnnlab.chapters.imagenet_scale.arithmetic import MACS, PARAMETERS, PICTURES, Plan, ring_seconds
from cnnlab.chapters.imagenet_scale.scaling_plan import SCALING_PLAN_PRESETS
from cnnlab.widgets import scaling_plan
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture

PLANS = [
    *(Plan(*values) for values in SCALING_PLAN_PRESETS.values()),
    Plan(1, 8, 1, 2, 5, 0.25),
    Plan(1024, 512, 3200, 990, 60, 10.0),
    Plan(2, 8, 1, 990, 60, 1.0),
]
NAMES = ("gpus", "batch", "gigabits", "peak", "utilization", "price")


def test_the_numbers_are_those_of_resnet_50():
    found = summarize("resnet50", (3, 224, 224))
    assert (found.macs, found.params) == (MACS, PARAMETERS)


def test_it_plans_as_python_does(node):  # noqa: F811
    states = json.dumps([dict(zip(NAMES, astuple(plan))) for plan in PLANS])
    epochs = [0, 1.5, 5, 29.9, 30, 60, 89]
    asked = f"{states}.map((own) => [m.plan(own), {epochs}.map((epoch) => m.rate(m.plan(own).top, epoch))])"
    for plan, (found, rates) in zip(PLANS, node(VIEWS["scaling_plan"], asked), strict=True):
        for name in ("compute", "exchange", "step", "steps", "hours", "efficiency", "cost"):
            assert found[name] == pytest.approx(getattr(plan, name), rel=1e-9), (plan, name)
        assert found["total"] == plan.total_batch and found["top"] == pytest.approx(plan.peak_rate)
        assert rates == pytest.approx([plan.rate(epoch) for epoch in epochs])


def test_every_word_has_room(node):  # noqa: F811
    states = json.dumps([dict(zip(NAMES, astuple(plan))) for plan in PLANS])
    said = node(VIEWS["scaling_plan"], f"{states}.map((own) => [m.explain(m.plan(own)), m.advise(m.plan(own), own)])")
    room = scaling_plan().params
    assert max(len(words) for words, _ in said) <= room["room"]
    assert max(len(words) for _, words in said) <= room["hint"]
    assert "hide behind" in said[1][1] and "processors wait" in said[3][1]
    assert "beyond what linear scaling" in said[4][1] and "Alone" in said[0][1]


def test_a_ring_of_one_sends_nothing_and_two_send_everything_once():
    assert ring_seconds(1, 1e9, 1e9, 1.0) == 0
    assert ring_seconds(2, 1e9, 1e9, 0.0) == pytest.approx(1.0)
    assert ring_seconds(256, 1e9, 1e9, 0.0) == pytest.approx(2 * 255 / 256)


def test_a_plan_of_one_never_waits_and_halves_with_two():
    one, two = Plan(1), Plan(2, gigabits=3200)
    assert one.efficiency == 1 and two.hours == pytest.approx(one.hours / 2, rel=1e-3)
    assert one.steps * 256 == pytest.approx(PICTURES)
    assert Plan(8).rate(0) == 0.1 and Plan(8).rate(5) == pytest.approx(0.8) and Plan(8).rate(85) == pytest.approx(8e-4)
