"""Accuracy against cost, one point for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer

__all__ = ["model_chart"]

_ROW_FIELDS = ("name", "family", "year", "params", "macs", "acc1", "acc5", "size", "latency")
_OPTIONAL_FIELDS = ("year", "acc5", "size", "latency")


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
        rows: one mapping per model: ``name``, ``family``, ``params`` and ``macs`` (counts, per image), ``acc1``
            (percent), and if known ``year``, ``acc5`` (percent), ``size`` (pixels along a side), ``latency``
            (milliseconds).
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
    table = []
    for index, row in enumerate(rows):
        for name in row:
            if name not in _ROW_FIELDS:
                raise unknown_name(f"a field of rows[{index}]", name, _ROW_FIELDS)
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
        table.append([row.get(name) for name in _ROW_FIELDS])
    families = {row["family"] for row in rows}
    if family is not None and family not in families:
        raise unknown_name("family", family, families)
    for argument, given in (("x", x), ("y", y)):
        if not any(row.get(given) is not None for row in rows):
            raise ValueError(f"{argument}={given!r}, but no row has it.")
    best = max((row for row in rows if row.get(y) is not None), key=lambda row: row[y])
    up = {"acc1": "top-1 accuracy", "acc5": "top-5 accuracy"}[y]
    across = {"params": "parameters", "macs": "multiply-accumulates per image", "latency": "milliseconds"}[x]
    return Explorer(
        "model_chart",
        {"rows": table, "x": x, "y": y, "family": family, "frontier": bool(frontier)},
        key=key,
        title="Accuracy and cost of every model",
        alt=f"Points for {len(rows)} models of {len(families)} families: {up} against {across}, "
        f"on a logarithmic axis. {best['name']} is the most accurate, at {best[y]:.1f} %.",
    )
