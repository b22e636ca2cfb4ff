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
# What a row of `model_chart` says and this table has no column for, or another name.
OF_THE_CHART = ("family", "acc1", "acc5", "recipes", "recipe")
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
        rows: one mapping per model with ``name``, ``params``, ``macs`` and, if known, the other fields of ``COLUMNS``;
            ``url``, the paper's; ``chapter``, the page of this book about it ("architectures/vgg"); ``extra`` is True
            where the accuracy is of a network that saw other pictures first, which is marked and can be left out. The
            rows of `model_chart` are understood too. None shows three models as an example.
        sort: the column that the table is sorted by at the start, of ``COLUMNS``; the name, where no row has it.
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
    fields = (*COLUMNS, "url", "extra", "chapter", *OF_THE_CHART)
    for index, row in enumerate(rows):
        for name in row:
            if name not in fields:
                raise unknown_name(f"a field of rows[{index}]", name, fields)
        for name in ("name", "params", "macs"):
            if row.get(name) is None:
                raise ValueError(
                    f"rows[{index}] ({row.get('name', 'no name')}) has no {name!r}; every model needs one."
                )
        if row.get("url") is not None and not str(row["url"]).startswith(("https://", "http://")):
            raise ValueError(f"rows[{index}] ({row['name']}): url={row['url']!r} becomes a link; give one of http(s).")
    # The chart's names for the same accuracies.
    same = {"acc1": "checkpoint1", "acc5": "checkpoint5"}
    rows = [{same.get(name, name): value for name, value in row.items() if value is not None} for row in rows]
    # A paper is said once, however many models it has.
    papers = list(dict.fromkeys((row["paper"], row.get("url")) for row in rows if "paper" in row))
    shown = [field for field in COLUMNS if any(field in row for row in rows)]
    cited = [row | {"paper": papers.index((row["paper"], row.get("url")))} if "paper" in row else row for row in rows]
    table = [[row.get(field) for field in shown] for row in cited]
    chapters: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        if "chapter" in row:
            chapters.setdefault(row["chapter"], []).append(index)
    extra = [index for index, row in enumerate(rows) if row.get("extra")]
    panel = Panel(
        "model_table",
        title="Every model of the book",
        controls=(
            Search("word", "Find", "resnet 2015, Howard …"),
            *([Toggle("extra", "Extra pictures")] if extra else []),
        ),
        alt=lambda **_: (
            f"A table of {len(rows)} models{f' from {len(papers)} papers' if papers else ''} with year, parameters, "
            "multiply-accumulates and accuracy, which sorts by any column and filters by words."
        ),
        room=140,
        presets={word: {"word": word} for word in QUICK} | {"all": {"word": ""}},
        trying="Words to try",
        variables={"by": shown.index(sort if sort in shown else "name"), "down": False, "chosen": ""}
        | ({} if extra else {"extra": True}),
    )
    start = {"word": ""} | ({"extra": True} if extra else {})
    below = sum(field in _BELOW for field in shown)
    data = {"heads": [[f, COLUMNS[f]] for f in shown], "below": below, "papers": papers, "rows": table, "extra": extra}
    data |= {"chapters": chapters} if chapters else {}
    return panel(data=data, key=key, **start)
