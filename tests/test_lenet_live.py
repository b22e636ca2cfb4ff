"""LeNet-5 inside the page: its pictures, its numbers and its words are Python's own."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from base64 import b64decode
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from cnnlab.chapters.lenet.lenet_live import LAYERS, trained
from cnnlab.results import recorded
from cnnlab.widgets import lenet_live
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture, which skips where there is no Node

PEN = 1.25
STILL = {"across": 0, "down": 0, "turn": 0, "noise": 0}
DATA = lenet_live().params["data"]


@pytest.fixture
def ask(node):  # noqa: F811
    """``ask(values, expression)``: the expression's value for each v of the values; ``m`` the module, ``data`` its."""

    def asked(values: list[Any], expression: str) -> list[Any]:
        code = f"""
        import {{ readFileSync }} from "node:fs";
        import * as m from "{VIEWS["lenet_live"].as_uri()}";
        import {{ readNetwork }} from "{VIEWS["lenet_live"].parents[2].as_uri()}/widgets/static/engine/network.js";
        import {{ bytes }} from "{VIEWS["lenet_live"].parents[2].as_uri()}/widgets/static/core.js";
        const [raw, values] = JSON.parse(readFileSync(0));
        const data = {{ ...raw, lenet: readNetwork(raw.lenet), mlp: readNetwork(raw.mlp) }};
        data.pictures = raw.pictures.map((own) => ({{ ...own, pixels: bytes(own.pixels) }}));
        const plain = (key, value) => ArrayBuffer.isView(value) ? [...value] : value;
        console.log(JSON.stringify(values.map((v) => {expression}), plain));
        """
        command = [shutil.which("node"), "--input-type=module", "-e", code]
        job = json.dumps([DATA, values])
        done = subprocess.run(command, input=job, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return asked


# --- from strokes to a picture ---------------------------------------------------------------------------------------


def covered(lines: np.ndarray) -> np.ndarray:
    """Of each of 28 x 28 pixels, the share that a round pen covers along lines (n, 4) of x, y, x, y."""
    y, x = np.mgrid[:28, :28] + 0.5
    ink = np.zeros((28, 28))
    for ax, ay, bx, by in lines:
        length = (bx - ax) ** 2 + (by - ay) ** 2
        t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1) if length else 0
        away = np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay))
        ink = np.maximum(ink, np.clip(PEN + 0.5 - away, 0, 1))
    return ink


def as_mnist(strokes: list[list[float]]) -> np.ndarray:
    """Fitted into 20 x 20 pixels, soft edges, the center of mass in the middle of 28 x 28."""
    lines = []
    for stroke in strokes:
        points = np.array(stroke).reshape(-1, 2)
        lines += [np.r_[a, b] for a, b in pairwise(points)] or [np.r_[points[0], points[0]]]
    if not lines:
        return np.zeros((28, 28))
    ends = np.array(lines).reshape(-1, 2)
    low, high = ends.min(axis=0), ends.max(axis=0)
    scaled = (np.array(lines).reshape(-1, 2, 2) - (low + high) / 2) * (20 - 2 * PEN) / max(*(high - low), 0.1)
    first = covered((scaled + 14).reshape(-1, 4))
    y, x = np.mgrid[:28, :28] + 0.5
    center = np.array([(first * x).sum(), (first * y).sum()]) / first.sum()
    return np.floor(255 * covered((scaled + 28 - center).reshape(-1, 4)) + 0.5)


def scribbles(count: int) -> list[list[list[float]]]:
    drawn = np.random.default_rng(0)
    made = [[], [[0.5, 0.5]], [[0.2, 0.2, 0.2, 0.8]], [[0.1, 0.1, 0.12, 0.11]]]
    for _ in range(count):
        strokes = drawn.integers(1, 4)
        made.append([np.round(drawn.random(2 * drawn.integers(1, 9)), 3).tolist() for _ in range(strokes)])
    return made


def test_strokes_become_what_python_makes_of_them(ask):
    every = scribbles(30)
    for strokes, found in zip(every, ask(every, "m.asMnist(v)"), strict=True):
        wanted = as_mnist(strokes)
        found = np.array(found).reshape(28, 28)
        assert np.abs(found - wanted).max() <= 1, strokes  # where half a step is rounded
        if len(strokes) == 1 and wanted[[0, -1]].sum() + wanted[:, [0, -1]].sum() == 0:
            y, x = np.mgrid[:28, :28] + 0.5
            assert abs((found * x).sum() / found.sum() - 14) < 0.1
            assert abs((found * y).sum() / found.sum() - 14) < 0.1


def test_a_small_drawing_is_a_large_one():
    large = [[0.1, 0.1, 0.9, 0.1, 0.4, 0.9]]
    small = [[0.4 + v / 4 for v in large[0]]]
    assert np.abs(as_mnist(large) - as_mnist(small)).max() <= 1
    rows, columns = np.nonzero(as_mnist(large))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (20, 21, 22)  # soft edges may touch another pixel


def test_a_picture_is_shifted_turned_and_covered_with_noise(ask):
    seven = np.array(list(b64decode(DATA["pictures"][7]["pixels"])), float).reshape(28, 28)
    moves = [
        STILL,
        STILL | {"across": 3, "down": -2},
        STILL | {"turn": 90},
        STILL | {"turn": -30},
        STILL | {"noise": 40},
    ]
    still, shifted, quarter, turned, noisy = (
        np.array(found).reshape(28, 28) for found in ask(moves, "m.moved(data.pictures[7].pixels, v)")
    )
    assert np.array_equal(still, seven)
    wanted = np.zeros((28, 28))
    wanted[:-2, 3:] = seven[2:, :-3]
    assert np.array_equal(shifted, wanted)
    assert np.abs(quarter - np.rot90(seven, -1)).max() < 1e-3  # clockwise
    angle = math.radians(-30)
    y, x = np.mgrid[:28, :28] - 13.5
    there = np.stack([math.cos(angle) * x + math.sin(angle) * y, -math.sin(angle) * x + math.cos(angle) * y], axis=-1)
    grid = torch.from_numpy(there / 14)[None].float()  # align_corners=False: from -1 to 1 between the outer edges
    bent = torch.nn.functional.grid_sample(torch.from_numpy(seven)[None, None].float(), grid, align_corners=False)
    assert np.abs(turned - bent[0, 0].numpy()).max() < 0.1
    difference = (noisy - seven)[(seven > 102) & (seven < 153) | (noisy > 0) & (seven == 0)]
    assert np.abs(noisy - seven).max() <= 102.01 and noisy.min() >= 0 and noisy.max() <= 255
    assert difference.std() > 15


# --- the networks ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def stages(pixels: np.ndarray) -> dict[str, torch.Tensor]:
    """What each layer of the recorded networks passes on, by torch."""
    lenet, mlp = trained("lenet5_28"), trained("mlp_mnist")
    x = ((torch.from_numpy(pixels).float() / 255 - DATA["mean"]) / DATA["std"]).reshape(1, 1, 28, 28)
    found = {"picture": x, "mlp": mlp(x)}
    for name in ("c1", "s2", "c3", "s4", "c5"):
        x = getattr(lenet, name)(x)
        x = x if name[0] == "s" else torch.tanh(x)
        found[name.upper()] = x
    found["F6"] = torch.tanh(lenet.f6(x.flatten(1)))
    return found | {"output": lenet.output(found["F6"])}


def test_every_number_is_cnnlab_s(ask):
    pictures = [np.array(list(b64decode(own["pixels"])), float) for own in DATA["pictures"]]
    pictures += [as_mnist(strokes).ravel() for strokes in scribbles(6)]
    for pixels, found in zip(pictures, ask([p.tolist() for p in pictures], "m.answer(v, data)"), strict=True):
        for name, wanted in stages(pixels).items():
            torch.testing.assert_close(
                torch.tensor(found[name]), wanted.flatten(), rtol=1e-4, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_a_unit_s_sum_is_what_it_passes_on(ask):
    units = []
    for layer, map_, x, y in (
        *(("C1", 1, 0, 0), ("C1", 6, 23, 11), ("S2", 4, 5, 11), ("C3", 16, 7, 2), ("C3", 3, 4, 4), ("S4", 9, 0, 3)),
        *(("C5", 77, 0, 0), ("F6", 84, 0, 0), ("output", 10, 0, 0), ("output", 1, 0, 0)),
    ):
        units.append({"layer": layer, "map": map_, "x": x, "y": y})
    seven = np.array(list(b64decode(DATA["pictures"][7]["pixels"])), float)
    wanted = stages(seven)
    found = ask(units, "m.unit(v, m.answer(data.pictures[7].pixels, data), data)")
    for unit, own in zip(units, found, strict=True):
        layer = unit["layer"]
        passes = wanted[layer][0].reshape(wanted[layer].shape[1], -1)[unit["map"] - 1]
        side = math.isqrt(len(passes))
        value = passes[unit["y"] * side + unit["x"]].item()
        assert abs(own["passes"] - value) < 1e-4
        before = own["sum"] + own.get("bias", 0)
        assert abs((before if layer[0] == "S" or layer == "output" else math.tanh(before)) - value) < 1e-4, unit
        assert len(own["inputs"]) == len(own["weights"]) == own["tiles"] * own["wide"] * own["tall"]
        assert abs(np.dot(own["inputs"], own["weights"]) - own["sum"]) < 1e-9


def test_the_record_says_where_the_weights_come_from():
    record = recorded("lenet_live")
    assert record["scale"] == "laptop" and record["seeds"] == [0, 1, 2]
    for row in record["summary"]:  # rounding the weights costs nothing that ten thousand pictures could show
        assert abs(row["test_accuracy"]["mean"] - row["rounded_test_accuracy"]["mean"]) < 5e-4
    kept = {run["model"]: run["weights"] for run in record["results"] if "weights" in run}
    assert {bits["bits"] for bits in kept["lenet5_28"].values()} == {16}
    count = sum(len(b64decode(own["data"])) for network in kept.values() for own in network.values())
    assert count < 200_000


# --- words and moves -------------------------------------------------------------------------------------------------


def test_what_it_says(ask):
    start = lenet_live().params["state"]
    states = [
        start,
        start | {"picture": "10"},
        start | {"picture": ""},
        start | {"picture": "", "strokes": [[0.5, 0.5]]},
    ]
    said = ask(states, "m.told(v, data).text")
    assert said[0].startswith("A test picture of 7. LeNet-5 reads 7 (over 99.9 %), the MLP 7 (")
    assert said[1].startswith("A test picture of 5. LeNet-5 reads ") and "LeNet-5 reads 5" not in said[1]
    assert said[2].startswith("Nothing is drawn yet") and said[3].startswith("Your drawing. LeNet-5 reads ")
    assert all(len(text) <= 97 for text in said)
    hints = ask([start | {"layer": layer, "x": 0, "y": 0} for layer in LAYERS], "m.told(v, data).hint")
    assert "the 25 products add up to" in hints[0] and "mean of the four numbers" in hints[1]
    assert "the 150 products" in hints[2] and "the 256 products" in hints[4] and "unit 0: the 84 products" in hints[6]
    assert all(len(hint) <= 130 for hint in hints)


def test_to_draw_begins_anew(ask):
    old = [[0.1, 0.1], [0.2, 0.2]]
    states = [[{"layer": "C1", "picture": picture, "strokes": old}, moved]
              for picture, moved in (("3", "strokes"), ("", "strokes"), ("3", "pen"), ("3", "layer"))]  # fmt: skip
    assert ask(states, "m.settle(...v)") == [
        {"picture": "", "strokes": [[0.2, 0.2]]},
        {},
        {},
        {"map": 1, "x": 12, "y": 12},
    ]
    assert ask([["C3", 1, 0], ["F6", 0, 1]], "m.move({ layer: v[0], map: 5, x: 2, y: 3 }, v[1], v[2])") == [
        {"x": 3, "y": 3},
        {"map": 15},
    ]


def test_what_cannot_be_shown_is_said():
    with pytest.raises(ValueError, match="picture='14' is not known"):
        lenet_live(14)
    with pytest.raises(ValueError, match="layer='C2' is not known"):
        lenet_live(layer="C2")
    assert lenet_live(None).params["state"]["picture"] == ""
