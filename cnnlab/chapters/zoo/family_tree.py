"""The family tree of networks: choose one and see what it built on and what built on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Pick

__all__ = ["family_tree"]

_FIELDS = ("key", "title", "year", "paper", "url", "idea", "parents", "models")

PANEL = Panel(
    "family_tree",
    title="The family tree",
    controls=(Pick("papers", "Papers by year", sets=("at",), hover=False, role="group"),),
    alt=lambda: "A list of papers with arcs to those that each builds on.",
    room=90,
    variables={"at": 0},
)


def _some(models: Sequence[str]) -> str:
    more = len(models) - 6
    return ", ".join(models[:6]) + (f" and {more} more" if more > 0 else "")


def family_tree(
    nodes: Sequence[Mapping[str, Any]] | None = None, *, selected: str | None = None, key: str | None = None
) -> Explorer:
    """A list of papers by year, with an arc from each to those that it builds on.

    Args:
        nodes: one mapping per paper with ``key``, ``title``, ``year``, ``paper``, ``url``, ``idea`` (a sentence),
            ``parents`` (keys) and ``models`` (names), in the order of the list, and perhaps ``chapter``, the page of
            this book about it ("architectures/vgg"); None takes :func:`cnnlab.catalog.lineage.family_tree`.
        selected: the key of the paper that is open at the start; None means the first.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for no nodes, a missing field, a parent that is not among the nodes or stands below its child.
    """
    if nodes is None:
        from cnnlab.catalog.lineage import family_tree as of_registry

        nodes = of_registry()
    if not nodes:
        raise ValueError("nodes is empty; give one mapping per paper.")
    keys = []
    for index, node in enumerate(nodes):
        for name in _FIELDS:
            if name not in node:
                raise ValueError(f"nodes[{index}] has no {name!r}; every paper needs {', '.join(_FIELDS)}.")
        for parent in node["parents"]:
            if parent not in keys:
                raise ValueError(
                    f"nodes[{index}] ({node['title']}) builds on {parent!r}, which is not listed above it. "
                    f"Listed so far: {', '.join(keys) or 'none'}."
                )
        keys.append(node["key"])
    if selected is not None and selected not in keys:
        raise unknown_name("selected", selected, keys)
    rows = [
        {name: n[name] for name in ("title", "year", "paper", "url", "idea")}
        | {"parents": [keys.index(parent) for parent in n["parents"]], "models": _some(n["models"])}
        | ({"chapter": n["chapter"]} if n.get("chapter") else {})
        for n in nodes
    ]
    first, last = rows[0], rows[-1]
    return PANEL(
        at=0 if selected is None else keys.index(selected),
        data=rows,
        alt=f"A list of {len(rows)} papers from {first['year']} to {last['year']}, from {first['title']} to "
        f"{last['title']}, with arcs to the papers that each builds on. Choosing one shows its idea and its relatives.",
        key=key,
    )
