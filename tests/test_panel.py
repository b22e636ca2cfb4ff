"""Panels: declared controls that check what they are given and say what they offer."""

from __future__ import annotations

import pytest

from cnnlab import widgets
from cnnlab.chapters.resnet.residual_paths import PANEL
from cnnlab.widgets.panel import Choice, Panel, Slider

N = Slider("n", 1, 9, "units", why="More cannot be drawn.")
F = Slider("f", 0.5, 1.5, "factor", step=0.25, decimals=2)
KIND = Choice("kind", "Shows", {"a": "All", "b": "Both"})


def panel(**presets: dict) -> Panel:
    return Panel(
        "residual_paths",
        title="T",
        controls=(N, F, KIND),
        alt=lambda n, f, kind: f"{n}, {f}, {kind}.",
        room=99,
        presets=presets,
    )


def test_a_panel_gives_an_explorer_with_its_controls():
    explorer = panel(Two={"n": 2, "kind": "b"})(n=3, f=1.0, kind="a", key="x")
    assert explorer.params["state"] == {"n": 3, "f": 1.0, "kind": "a"}
    assert [control["name"] for control in explorer.params["controls"]] == ["n", "f", "kind"]
    assert explorer.params["controls"][2]["options"] == [("a", "All"), ("b", "Both")]
    assert explorer.params["presets"] == [("Two", {"n": 2, "kind": "b"})]
    assert (explorer.alt, explorer.title, explorer.key) == ("3, 1.0, a.", "T", "x")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": 10}, "n=10 is not allowed; use a whole number from 1 to 9. More cannot be drawn."),
        ({"n": True}, "n=True is not allowed"),
        ({"f": 2}, "f=2 is not from 0.5 to 1.5, which is what the slider offers"),
        ({"f": "1"}, "f='1' is not from 0.5"),
        ({"kind": "c"}, "kind='c' is not known"),
        ({"m": 1}, "a control='m' is not known"),
    ],
)
def test_it_says_what_is_wrong(values, message):
    with pytest.raises(ValueError, match=message):
        panel()(**{"n": 1, "f": 1.0, "kind": "a", **values})


def test_a_preset_is_held_to_the_controls():
    with pytest.raises(ValueError, match="n=12 is not allowed"):
        panel(Wrong={"n": 12})
    with pytest.raises(ValueError, match="a control of preset 'Odd'='m' is not known"):
        panel(Odd={"m": 1})


def test_residual_paths_is_one():
    assert widgets.residual_paths(8, 1.0).params == PANEL(blocks=8, gain=1.0, weighted=True).params
    with pytest.raises(ValueError, match="gain=2 is not from 0.05 to 1.5"):
        widgets.residual_paths(8, 2)
    with pytest.raises(ValueError, match="blocks=0 is not allowed"):
        widgets.residual_paths(0)
