"""All models as a table that sorts and filters in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Search, Toggle

__all__ = ["model_table"]

# Field -> heading, in the order of the columns. Numbers sort as numbers; what is None shows as a dash and sorts last.
COLUMNS: dict[str, str] = {
    "name": "model",
    "checkpoint1": "top-1 %",
    "params": "parameters",
    "macs": "MACs",
    "latency": "ms",
    "year": "year",
    "checkpoint5": "top-5 %",
    "size": "pixels",
    "published1": "paper’s\ntop-1 %",
    "published5": "paper’s\ntop-5 %",
    "published_by": "where it says so",
    "paper": "paper",
}
# What no page is wide enough for: told below the table of the model whose name is chosen.
_BELOW = ("published5", "published_by", "paper")
QUICK = ("vgg", "inception", "resnet", "mobilenet", "2012")

_EXAMPLE = (
    {"name": "lenet5", "year": 1998, "paper": "LeCun et al.", "url": "https://doi.org/10.1109/5.726791"}
    | {"params": 61_706, "macs": 416_520},
    {"name": "resnet18", "year": 2015, "paper": "He et al.", "url": "https://arxiv.org/abs/1512.03385"}
    | {"params": 11_689_512, "macs": 1_814_073_344, "checkpoint1": 69.758, "checkpoint5": 89.078},
    {"name": "resnet50", "year": 2015, "paper": "He et al.", "url": "https://arxiv.org/abs/1512.03385"}
    | {"params": 25_557_032, "macs": 4_089_184_256, "checkpoint1": 80.858, "checkpoint5": 95.434},
)


def model_table(
    rows: Sequence[Mapping[str, Any]] | None = None, *, sort: str = "year", key: str | None = None
) -> Explorer:
    """A table of models that sorts by any column and shows those whose words and year hold all that is typed.

    A model's name, chosen, tells its paper and what that printed.

    Args:
        rows: one mapping per model with ``name``, ``year``, ``paper``, ``url``, ``params``, ``macs`` and, if known, the
            other fields of ``COLUMNS``; ``extra`` is True where the accuracy is of a network that saw other pictures
            first, which is marked and can be left out. None shows three models as an example.
        sort: the column that the table is sorted by at the start, of ``COLUMNS``.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for no rows, a missing or misspelt field, or an unknown column.
    """
    rows = _EXAMPLE if rows is None else rows
    if not rows:
        raise ValueError(
            "rows is empty; give one mapping per model, for example {'name': 'resnet18', 'year': 2015, ...}."
        )
    if sort not in COLUMNS:
        raise unknown_name("sort", sort, COLUMNS)
    fields = (*COLUMNS, "url", "extra")
    for index, row in enumerate(rows):
        for name in row:
            if name not in fields:
                raise unknown_name(f"a field of rows[{index}]", name, fields)
        for name in ("name", "year", "paper", "url", "params", "macs"):
            if row.get(name) is None:
                raise ValueError(
                    f"rows[{index}] ({row.get('name', 'no name')}) has no {name!r}; every model needs one."
                )
        if not str(row["url"]).startswith(("https://", "http://")):
            raise ValueError(f"rows[{index}] ({row['name']}): url={row['url']!r} becomes a link; give one of http(s).")
    # A paper is said once, however many models it has.
    papers = list(dict.fromkeys((row["paper"], row["url"]) for row in rows))
    shown = [field for field in COLUMNS if any(row.get(field) is not None for row in rows)]
    table = [[papers.index((row["paper"], row["url"])) if f == "paper" else row.get(f) for f in shown] for row in rows]
    extra = [index for index, row in enumerate(rows) if row.get("extra")]
    panel = Panel(
        "model_table",
        title="Every model of the book",
        controls=(
            Search("word", "Find", "resnet 2015, Howard …"),
            *([Toggle("extra", "Extra pictures")] if extra else []),
        ),
        alt=lambda **_: (
            f"A table of {len(rows)} models from {len(papers)} papers with year, parameters, multiply-accumulates and "
            "accuracy, which sorts by any column and filters by words."
        ),
        room=140,
        presets={word: {"word": word} for word in QUICK} | {"all": {"word": ""}},
        trying="Words to try",
        variables={"by": shown.index(sort), "down": False, "chosen": ""} | ({} if extra else {"extra": True}),
    )
    start = {"word": ""} | ({"extra": True} if extra else {})
    below = sum(field in _BELOW for field in shown)
    data = {"heads": [[f, COLUMNS[f]] for f in shown], "below": below, "papers": papers, "rows": table, "extra": extra}
    return panel(data=data, key=key, **start)
