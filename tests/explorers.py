"""Every explorer with something to show, for the tests of what all of them have to satisfy."""

from __future__ import annotations

from collections.abc import Callable

from cnnlab import chapters, widgets

ROWS = [
    {"name": "small", "family": "A", "year": 2012, "params": 1_000_000, "macs": 50_000_000, "acc1": 60.0, "acc5": 80.0},
    {"name": "large", "family": "B", "params": 90_000_000, "macs": 9_000_000_000, "acc1": 81.5, "size": 224},
]
VIEWS = {path.stem: path for path in chapters.files("*.js")}
NAMES = sorted(VIEWS)
# An explorer is a function of the same name in cnnlab.widgets that can be called without arguments, but for these.
MAKERS: dict[str, Callable[..., widgets.Explorer]] = {name: getattr(widgets, name) for name in NAMES}
MAKERS["model_chart"] = lambda key=None: widgets.model_chart(ROWS, key=key)
