"""The explorer of the chapter "AlexNet": its crops and colors are those of cnnlab.data.augment."""

from __future__ import annotations

import json

import numpy
import pytest
import torch

from cnnlab.data.augment import PCAColor
from cnnlab.widgets import augmented_photo
from tests.explorers import MAKERS, VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture

PHOTO = numpy.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype="uint8")


def asked(states, expression, params):
    """``expression`` of each state ``s`` and the decoded data ``d``, as JavaScript."""
    return f"((d) => {json.dumps(states)}.map((s) => {expression}))(m.decode({json.dumps(params['data'])}))"


STATES = [
    {"left": 0, "top": 4, "mirrored": False, "a1": 0, "a2": 0, "a3": 0, "strong": False},
    {"left": 3, "top": 1, "mirrored": True, "a1": 0.3, "a2": -0.1, "a3": 0.2, "strong": False},
]


def test_it_crops_mirrors_and_shifts_as_the_augmentations_do(node):  # noqa: F811
    params = augmented_photo(PHOTO).params
    params["data"] |= {"whole": 32, "crop": 28}  # a pixel of the page for each of the photo's
    found = node(VIEWS["augmented_photo"], asked(STATES, "m.seen(s, d).rows.filter((_, i) => i % 9 === 0)", params))
    color = PCAColor()
    for state, rows in zip(STATES, found, strict=True):
        left, top = state["left"], state["top"]
        crop = torch.from_numpy(PHOTO[top : top + 28, left : left + 28].copy()).double()
        crop = crop.flip(1) if state["mirrored"] else crop
        alpha = torch.tensor([state["a1"], state["a2"], state["a3"]], dtype=torch.float64)
        vectors, values = (torch.tensor(own, dtype=torch.float64) for own in (color.eigenvectors, color.eigenvalues))
        wanted = (crop + 255 * vectors @ (alpha * values)).flatten(0, 1)[::9]
        assert numpy.asarray(rows) == pytest.approx(wanted.numpy(), abs=1e-6)


def test_a_smaller_photo_is_read_between_its_pixels(node):  # noqa: F811
    params = MAKERS["augmented_photo"]().params  # 16 pixels for 256: red rises by 16 from each to the next
    state = STATES[0] | {"left": 8, "top": 0}
    ((n, first, last),) = node(
        VIEWS["augmented_photo"], asked([state], "((k) => [k.n, k.rows[0], k.rows[13]])(m.seen(s, d))", params)
    )
    assert n == 14 and first == pytest.approx([8, 0, 90]) and last == pytest.approx([8 + 13 * 16, 0, 90])


def test_it_says_what_it_counts(node):  # noqa: F811
    params = MAKERS["augmented_photo"]().params
    said, hint, drawn = node(
        VIEWS["augmented_photo"],
        asked(STATES, "[m.explain(s, d), m.colors(s, d), m.drawn(1, d)]", params) + ".flat()",
    )[3:]
    assert "Column 3, row 1, mirrored: one of 33 × 33 × 2 = 2,178." in said
    assert f"{100 * (224 - 13) * (224 - 15) / 224**2:.1f} %" in said
    assert hint.startswith("Of 255 levels, red gets −9.7")
    draws = params["data"]["draws"]
    assert len(draws) == 90 and drawn["left"] == draws[1][0] and drawn["epoch"] == 1
    assert all(0 <= left <= 32 and 0 <= top <= 32 for left, top, *_ in draws)
    assert 0.08 < numpy.std([draw[3:] for draw in draws]) < 0.12
    assert {draw[2] for draw in draws} == {0, 1}


def test_it_says_what_is_wrong():
    for bad in (PHOTO[..., 0], PHOTO[:24], PHOTO.astype(float), PHOTO[:20, :20], numpy.uint8(3)):
        with pytest.raises(ValueError, match="give square uint8 pixels"):
            augmented_photo(bad)
