"""The chapter "Under- and overfitting": its small network, its labels, and the arithmetic of its two explorers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlab.chapters.fitting.augment_photo import PLACES, STILL
from cnnlab.chapters.fitting.small import relabeled, repeated, small_cnn
from cnnlab.data import ImageSet
from cnnlab.widgets import augment_photo
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture

PHOTO = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype="uint8")


def test_the_network_grows_with_the_square_of_its_width():
    count = {width: sum(p.numel() for p in small_cnn(width).parameters()) for width in (8, 16)}
    convolutions = 9 * (2 + 8 + 32) * 64  # of the last three, at width 8
    assert count[8] == convolutions + 9 * 8 + 2 * (8 + 16 + 32 + 64) + 64 * 10 + 10
    assert 3.6 < count[16] / count[8] < 4
    assert small_cnn(4, in_channels=3, num_classes=5, dropout=0.5)(torch.rand(2, 3, 14, 14)).shape == (2, 5)
    for wrong in ({"width": 0}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            small_cnn(**wrong)


def test_labels_are_drawn_for_a_share_of_the_pictures():
    images = ImageSet(torch.zeros(1000, 1, 8, 8), torch.zeros(1000, dtype=torch.int64), tuple("abcd"))
    half = relabeled(images, 0.5, seed=1)
    assert 0.3 < (half.labels != 0).float().mean() < 0.45  # a quarter of those drawn is right by chance
    assert torch.equal(half.labels, relabeled(images, 0.5, seed=1).labels)
    assert torch.equal(relabeled(images, 0).labels, images.labels)
    assert len(set(relabeled(images, 1).labels.tolist())) == 4
    assert len(repeated(half, 3)) == 3000
    with pytest.raises(ValueError, match="share"):
        relabeled(images, 1.5)


# --- one photo, augmented ---


def photo(node, state, expression):  # noqa: F811
    """``expression`` of the state ``s`` and the decoded data ``d``, as JavaScript."""
    data = json.dumps(augment_photo(PHOTO).params["data"])
    whole = json.dumps({**STILL, **PLACES, "strength": 100, "draw": 0, **state})
    return node(VIEWS["augment_photo"], f"((s, d) => {expression})({whole}, m.decode({data}))")


@pytest.mark.parametrize("state", [{}, {"turn": 30}, {"shear": -20, "turn": 5}, {"mirrored": True, "light": 80}])
def test_pixels_are_moved_as_torch_moves_them(node, state):  # noqa: F811
    found = np.asarray(photo(node, state, "m.seen(s, d)")).reshape(24, 24, 3)
    x = torch.from_numpy(PHOTO).permute(2, 0, 1)[None].double()
    angle, slope = math.radians(state.get("turn", 0)), math.tan(math.radians(state.get("shear", 0)))
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = torch.tensor([[1.0, slope], [0.0, 1.0]]) @ turn
    grid = F.affine_grid(F.pad(matrix, (0, 1))[None].double(), list(x.shape), align_corners=False)
    wanted = F.grid_sample(x, grid, align_corners=False)[0].permute(1, 2, 0)
    wanted = wanted.flip(1) if state.get("mirrored") else wanted
    assert np.abs(found - wanted.numpy() * state.get("light", 100) / 100).max() < 1e-3


def test_points_go_where_their_pixels_went(node):  # noqa: F811
    states = [{"turn": -40, "shear": 24, "warp": 7, "crop": 60, "cx": 0.9, "cy": 0.2, "mirrored": True}, {"warp": 8}]
    for state in states:
        back = photo(node, state, "[[0.3, 0.4], [0.7, 0.6]].map(([x, y]) => m.source(s, ...m.target(s, x, y)))")
        assert np.asarray(back) == pytest.approx(np.asarray([[0.3, 0.4], [0.7, 0.6]]), abs=1e-4)


def test_what_is_said_and_drawn(node):  # noqa: F811
    assert photo(node, {}, "m.explain(s, d)") == "The upright box fits it. 3 of 3 key points are in the picture."
    assert "the left eye is now the right one" in photo(node, {"mirrored": True}, "m.notes(s, d)")
    assert "larger than what it encloses" in photo(node, {"turn": 5, "crop": 100}, "m.explain(s, d)")
    assert "has left" in photo(node, {"crop": 50}, "m.explain(s, d)")
    draws = photo(node, {}, "d.draws.map((_, i) => m.drawn(i, {strength: 200}, d))")
    assert all(50 <= own["crop"] <= 100 and -45 <= own["turn"] <= 45 and 0 <= own["erase"] <= 60 for own in draws)
    none = photo(node, {}, "m.drawn(3, {strength: 0}, d)")
    assert {name: none[name] for name in STILL} == STILL


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"photo": PHOTO[..., 0]}, "give square uint8"),
        ({"box": (0.5, 0, 0.4, 1)}, "each below its end"),
        ({"points": {"nose": (0.5, 1.5)}}, "'nose' is at"),
    ],
)
def test_a_bad_photo_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        augment_photo(**arguments)


# --- polynomials ---


def test_fits_are_ridge_regressions(node):  # noqa: F811
    asked = "((o) => [o, m.fits(o, -2), o.xs.map(m.basis)])(m.sample({points: 12, noise: 0.3}, 3))"
    sample, fits, rows = node(VIEWS["bias_and_variance"], asked)
    xs, ys, rows = np.asarray(sample["xs"]), np.asarray(sample["ys"]), np.asarray(rows)
    legendre = np.polynomial.legendre.legvander(xs, 30) * np.sqrt(2 * np.arange(31) + 1)
    assert rows == pytest.approx(legendre, abs=1e-9)
    for degree in (0, 3, 11, 30):
        h = legendre[:, : degree + 1]
        wanted = np.linalg.solve(h.T @ h / 12 + 1e-2 * np.eye(degree + 1), h.T @ ys / 12)
        assert np.asarray(fits[degree]) == pytest.approx(wanted, abs=1e-7)


def test_errors_fall_rise_and_fall_again(node):  # noqa: F811
    base = {"degree": 14, "points": 15, "noise": 0.3, "penalty": -9, "seed": 0}
    asked = f"((s) => [m.errors(s), m.errors({{...s, penalty: -2}}), m.verdict(s, m.errors(s))])({json.dumps(base)})"
    bare, penalized, said = node(VIEWS["bias_and_variance"], asked)
    tests = [own["test"] for own in bare]
    assert min(tests[3:7]) < 0.25 and tests[14] > 10 and tests[30] < 1
    assert all(own["test"] == pytest.approx(own["bias"] + own["variance"] + 0.09) for own in bare)
    assert bare[14]["train"] < 1e-3 < bare[5]["train"] < bare[0]["train"]
    assert max(own["test"] for own in penalized) < 1
    assert "as many coefficients as points" in said
