"""Accuracy against cost, one point for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Control, Panel, Pick, Select, Toggle

__all__ = ["model_chart"]

_ROW_FIELDS = ("name", "family", "year", "params", "macs", "acc1", "acc5", "size", "latency", "extra", "recipes")
_OPTIONAL_FIELDS = ("family", "year", "acc5", "size", "latency", "extra", "recipes")
# What a row of `model_table` says and no point shows, or under another name.
_OF_THE_TABLE = (
    "paper",
    "url",
    "chapter",
    "recipe",
    "checkpoint1",
    "checkpoint5",
    "published1",
    "published5",
    "published_by",
)

COSTS: dict[str, str] = {"params": "Parameters", "macs": "MACs", "latency": "Time"}
ACCURACIES: dict[str, str] = {"acc1": "Top-1", "acc5": "Top-5"}
# Of one network at one size: what it printed, and what torchvision measured.
RECIPES: dict[str, str] = {
    "paper": "the paper’s",
    "own": "its time’s",
    "new": "2021’s",
    "extra": "extra pictures",
}


def model_chart(
    rows: Sequence[Mapping[str, Any]],
    *,
    x: str = "params",
    y: str = "acc1",
    family: str | None = None,
    frontier: bool = True,
    key: str | None = None,
) -> Explorer:
    """Accuracy against cost, one point per model, with names on hover or focus and all numbers as a table.

    Args:
        rows: one mapping per model: ``name``, ``params`` and ``macs`` (counts, per image), ``acc1`` (percent), and
            if known ``family``, ``year``, ``acc5`` (percent), ``size`` (pixels along a side), ``latency``
            (milliseconds), ``extra`` (True where the network saw other pictures first) and ``recipes`` (of the same
            network at the same size: a key of ``RECIPES`` -> its top-1 and its top-5 accuracy, which may be None).
            `cnnlab.catalog.zoo.chart_points` makes them. The rows of `model_table` are understood too.
        x: "params", "macs" or "latency", on a logarithmic axis.
        y: "acc1" or "acc5".
        family: the family in color at the start.
        frontier: whether the Pareto frontier shows at the start.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for no rows, a missing or misspelt field, a value that cannot be drawn, or an unknown choice.
    """
    if not rows:
        raise ValueError("rows is empty; give one mapping per model, for example {'name': 'resnet18', 'family': ...}.")
    for argument, given, allowed in (("x", x, ("params", "macs", "latency")), ("y", y, ("acc1", "acc5"))):
        if given not in allowed:
            raise unknown_name(argument, given, allowed)
    for index, row in enumerate(rows):
        for name in row:
            if name not in _ROW_FIELDS and name not in _OF_THE_TABLE:
                raise unknown_name(f"a field of rows[{index}]", name, _ROW_FIELDS)
    same = {"checkpoint1": "acc1", "checkpoint5": "acc5"}
    rows = [{same.get(name, name): value for name, value in row.items()} for row in rows]
    rows = [row if row.get("family") else row | {"family": "other"} for row in rows]
    table = []
    for index, row in enumerate(rows):
        for name in _ROW_FIELDS:
            if row.get(name) is None and name not in _OPTIONAL_FIELDS:
                raise ValueError(
                    f"rows[{index}] ({row.get('name', 'no name')}) has no {name!r}; every model needs one."
                )
        if not (row["params"] > 0 and row["macs"] > 0):
            raise ValueError(
                f"rows[{index}] ({row['name']}): params and macs must be positive; the axis is logarithmic."
            )
        for name in ("acc1", "acc5"):
            if row.get(name) is not None and not 0 <= row[name] <= 100:
                raise ValueError(
                    f"rows[{index}] ({row['name']}): {name}={row[name]!r} is not a percentage from 0 to 100."
                )
        for recipe, pair in (row.get("recipes") or {}).items():
            if recipe not in RECIPES:
                raise unknown_name(f"a recipe of rows[{index}]", recipe, RECIPES)
            if len(pair) != 2 or not all(value is None or 0 <= value <= 100 for value in pair):
                raise ValueError(
                    f"rows[{index}] ({row['name']}): recipes[{recipe!r}]={pair!r} is not a pair of percentages; give "
                    "top-1 and top-5, None for one that is not known."
                )
        table.append([row.get(name) for name in _ROW_FIELDS[:-2]])
    families = {row["family"] for row in rows}
    if family is not None and family not in families:
        raise unknown_name("family", family, families)
    for argument, given in (("x", x), ("y", y)):
        if not any(row.get(given) is not None for row in rows):
            raise ValueError(f"{argument}={given!r}, but no row has it.")
    best = max((row for row in rows if row.get(y) is not None), key=lambda row: row[y])
    up = {"acc1": "top-1 accuracy", "acc5": "top-5 accuracy"}[y]
    across = {"params": "parameters", "macs": "multiply-accumulates per image", "latency": "milliseconds"}[x]
    extra = any(row.get("extra") for row in rows)
    recipes = [recipe for recipe in RECIPES if any(recipe in (row.get("recipes") or {}) for row in rows)]
    for line, row in zip(table, rows):
        line += [bool(row.get("extra")), [(row.get("recipes") or {}).get(recipe) for recipe in recipes]]
    timed = any(row.get("latency") is not None for row in rows)
    start = {"x": x, "y": y, "family": family, "frontier": bool(frontier)}
    controls: list[Control] = [
        Choice("x", "Cost", COSTS if timed else {key: COSTS[key] for key in ("params", "macs")}),
        Choice("y", "Accuracy", ACCURACIES),
        Select("family", "Family", {None: "none"} | {name: name for name in sorted(families, key=str.casefold)}),
    ]
    if len(recipes) > 1:
        compared = {recipe: RECIPES[recipe] for recipe in recipes if recipe != "extra"}
        controls.append(Select("recipe", "Recipe", {"best": "recommended"} | compared | {"compare": "compare all"}))
        start["recipe"] = "best"
    controls.append(Toggle("frontier", "Frontier"))
    if extra:
        controls.append(Toggle("extra", "Extra pictures"))
        start["extra"] = True
    controls.append(
        Pick("picture", "Models by accuracy and cost. Arrow keys go from point to point.", sets=("at",), role="group")
    )
    held = {control.name for control in controls}
    unheld = {"recipe": "best", "extra": True, "at": -1, "picked": False, "hover": False, "open": False}
    panel = Panel(
        "model_chart",
        title="Accuracy and cost of every model",
        controls=tuple(controls),
        alt=lambda **_: (
            f"Points for {len(rows)} models of {len(families)} families: {up} against {across}, "
            f"on a logarithmic axis. {best['name']} is the most accurate, at {best[y]:.1f} %."
        ),
        room=270,
        variables={name: value for name, value in unheld.items() if name not in held} | {"by": 1, "down": True},
    )
    data = {"rows": table, "timed": timed, "recipes": [[recipe, RECIPES[recipe]] for recipe in recipes]}
    return panel(data=data, key=key, **start)
