"""The explorer of "Your own images": its splits tear what they should, and its neighbors are the nearest ones."""

from __future__ import annotations

import json
from base64 import b64decode
from itertools import product

import numpy as np
import pytest

from cnnlab.widgets import split_leaks
from tests.explorers import MAKERS, VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture

CLASSES, VISITS, SHOTS = 4, 5, 3
STATES = [
    {"by": by, "share": share, "shots": shots, "seed": seed}
    for by, share, shots, seed in product(("picture", "visit"), (10, 20, 50), (1, 2, 3), (0, 7, 30))
]


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(CLASSES * VISITS * SHOTS, 6)) + np.repeat(
        3 * np.random.default_rng(1).normal(size=(CLASSES * VISITS, 6)), SHOTS, axis=0
    )


@pytest.fixture(scope="module")
def data(features: np.ndarray) -> dict:
    visits = {
        str(c): [[np.full((8, 8, 3), 10 * c + v, "uint8")] * SHOTS for v in range(VISITS)] for c in range(CLASSES)
    }
    return split_leaks(visits, features).params["data"]


def test_neighbors_are_the_nearest_by_angle(data: dict, features: np.ndarray):
    n = len(features)
    order = np.frombuffer(b64decode(data["near"]), "uint8").reshape(n, n - 1)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for row in (0, 17, n - 1):
        assert sorted([*order[row], row]) == list(range(n))
        assert (np.diff((unit @ unit[row])[order[row]]) <= 1e-12).all()


def test_a_split_keeps_what_it_should_and_counts_what_it_says(node, data: dict, features: np.ndarray):  # noqa: F811
    order = np.frombuffer(b64decode(data["near"]), "uint8").reshape(len(features), -1)
    given = {**data, "near": None, "sheet": ""}
    code = (
        f"(() => {{ const d = {json.dumps(given)}; d.near = Uint8Array.from({json.dumps(order.ravel().tolist())});"
        f"return {json.dumps(STATES)}.map((s) => {{ const p = m.split(s, d); const f = m.measure(p, d);"
        "return [p, f, m.explain(s, f), m.over(s, d)]; }); })()"
    )
    for state, (part, found, said, over) in zip(STATES, node(VIEWS["split_leaks"], code), strict=True):
        kept = [i for i in range(len(part)) if i % SHOTS < state["shots"]]
        assert [i for i, own in enumerate(part) if own] == kept
        tested = [i for i in kept if part[i] == "test"]
        visit = [i // SHOTS for i in range(len(part))]
        each = [sum(i // (SHOTS * VISITS) == c for i in tested) for c in range(CLASSES)]
        units = VISITS * (state["shots"] if state["by"] == "picture" else 1)
        wanted = max(1, min(units - 1, int(units * state["share"] / 100 + 0.5)))
        assert each == [wanted * (1 if state["by"] == "picture" else state["shots"])] * CLASSES
        learned = {visit[i] for i in kept if part[i] == "train"}
        assert found["siblings"] == [i for i in tested if visit[i] in learned]
        if state["by"] == "visit" or state["shots"] == 1:
            assert not found["siblings"]
        first = [next(j for j in order[i] if part[j] == "train") for i in tested]
        right = [i for i, j in zip(tested, first, strict=True) if i // (SHOTS * VISITS) == j // (SHOTS * VISITS)]
        assert found["tested"] == tested and found["right"] == right
        assert f"{len(right)} of {len(tested)} rightly" in said
        assert len(over) == 31 and over[state["seed"]] == pytest.approx(len(right) / len(tested))


def test_it_says_what_is_wrong():
    shot = np.zeros((8, 8, 3), "uint8")
    one = {"a": [[shot], [shot]], "b": [[shot], [shot]]}
    with pytest.raises(ValueError, match="visits has 1 classes"):
        split_leaks({"a": one["a"]}, np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"with \[1, 2\] visits"):
        split_leaks({"a": one["a"], "b": [[shot]]}, np.ones((3, 3)))
    with pytest.raises(ValueError, match=r"shape \(3, 2\) for 4 pictures"):
        split_leaks(one, np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"a shot has shape \(8, 8\)"):
        split_leaks({"a": [[shot[..., 0]], [shot]], "b": one["b"]}, np.ones((4, 2)))
    assert "whole visits" not in MAKERS["split_leaks"]().alt
