"""The explorer of "Squeezing out accuracy": what it says is what cnnlab.evaluation computes."""

from __future__ import annotations

import base64
import json

import numpy
import pytest
import torch

from cnnlab.evaluation import Answers, combined, paired
from cnnlab.widgets import ask_again
from tests.explorers import MAKERS, VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture


def test_it_counts_as_python_does(node):  # noqa: F811
    params = MAKERS["ask_again"]().params
    data, labels = params["data"], torch.tensor(params["data"]["labels"])
    tables = {}
    for name, (_, text) in data["ways"].items():
        levels = numpy.frombuffer(base64.b64decode(text), "uint8").reshape(3, 50, 4)
        table = torch.from_numpy((levels / 255.0) ** 2)
        tables[name] = table / table.sum(-1, keepdim=True)
    states = [
        {"n0": a, "n1": b, "n2": c, "way": way}
        for a, b, c in ((True, False, False), (True, True, True), (False, True, True))
        for way in data["ways"]
    ]
    asked = f"{json.dumps(states)}.map((s) => [m.measure(s, data), m.explain(m.measure(s, data), data, s)])"
    expression = f"((data) => {asked})(m.decode({json.dumps(data)}))"
    before = Answers("before", tables["once"][0], labels, tuple("abcd"))
    for state, (found, said) in zip(states, node(VIEWS["ask_again"], expression), strict=True):
        members = [i for i in range(3) if state[f"n{i}"]]
        each = [Answers("one", tables[state["way"]][i], labels, tuple("abcd")) for i in members]
        after = combined(each)
        compared, judged = paired(before, after), after.calibration(10)
        assert found["corrected"] == len(compared.corrected) and found["corrupted"] == len(compared.corrupted)
        assert found["right"] == after.right.sum() and found["passes"] == len(members) * data["ways"][state["way"]][0]
        assert [row[0] for row in found["bins"]] == judged.count.tolist()
        assert found["ece"] == pytest.approx(judged.ece, abs=2e-3)
        if members != [0] or state["way"] != "once":
            wanted = "below 0.001" if compared.p_value < 0.001 else f"= {compared.p_value:.3f}"
            assert f"(p {wanted})" in said


def test_one_network_stays_chosen(node):  # noqa: F811
    off = {"n0": False, "n1": False, "n2": False, "way": "once"}
    asked = f"['n1', 'way', 'preset'].map((moved) => m.settle({json.dumps(off)}, moved, {{ networks: 3 }}))"
    assert node(VIEWS["ask_again"], asked) == [{"n1": True}, {"n0": True}, {"n0": True}]


def test_it_says_what_is_wrong():
    for ways, labels in ({}, [0]), ({"a": (1, numpy.ones((2, 3, 4)))}, [0]), ({"a": (1, numpy.ones((7, 1, 4)))}, [0]):
        with pytest.raises(ValueError, match=r"ways must give one shape \(networks, N, classes\)"):
            ask_again(ways, labels)
