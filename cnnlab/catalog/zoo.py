"""Every registered network in one table: paper, cost, accuracy and where that comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cnnlab.analysis import summarize
from cnnlab.catalog.lineage import chapter_of
from cnnlab.catalog.torchvision_zoo import extra_data
from cnnlab.meta import on_meta
from cnnlab.models import ModelInfo, create_model, list_models, model_info
from cnnlab.weights import sources
from cnnlab.weights.source import Source
from cnnlab.weights.torchvision_weights import torchvision_entry

__all__ = ["RECIPES", "Accuracy", "ZooRow", "zoo_table", "chart_points", "table_rows"]

# Recipe -> what it means. Two networks may be compared within "new"; in "own" each has that of its time and authors.
RECIPES: dict[str, str] = {
    "paper": "the paper's own figure, often of several crops",
    "own": "torchvision's first checkpoint, by the recipe of the network's paper or near it",
    "new": "torchvision's training recipe of 2021, the same for all",
    "extra": "fine-tuned after other pictures than ImageNet's",
}


@dataclass(frozen=True)
class Accuracy:
    """One accuracy of a network on ImageNet, at the size of its row.

    Attributes:
        recipe: how it was trained, a key of ``RECIPES``.
        top1: percent; top5 as well, None where the source does not say.
        source: torchvision's name of the checkpoint, or the paper's table.
    """

    recipe: str
    top1: float
    top5: float | None
    source: str


@dataclass(frozen=True)
class ZooRow:
    """One network: its paper, its cost by our own count, and its accuracy with the source of that.

    What stands in a row belongs together: costs and the checkpoint's accuracy are those of one input size.

    Attributes:
        size: height and width of the published input, in pixels.
        macs: per image of that size.
        published1: percent, as the paper printed it for this very network; None where it printed nothing.
        published_by: which table, how many crops.
        dataset: of the published figures.
        checkpoint1: percent, as torchvision measured the checkpoint that it recommends at this size, one crop.
        checkpoint: torchvision's name for it.
        extra_data: whether that checkpoint saw other pictures before ImageNet's 1.28 million.
        recipes: all accuracies on ImageNet at this size, by recipe.
    """

    name: str
    family: str
    year: int | None  # this and the next two are None where a network of one's own does not say
    paper: str | None
    url: str | None
    size: int
    params: int
    macs: int
    published1: float | None
    published5: float | None
    published_by: str | None
    dataset: str | None
    checkpoint1: float | None
    checkpoint5: float | None
    checkpoint: str | None
    extra_data: bool = False
    recipes: tuple[Accuracy, ...] = ()


def zoo_table(pattern: str = "*", *, own: bool = False) -> list[ZooRow]:
    """A row for every model that matches a shell pattern; sizes and costs come from one traced pass each.

    Args:
        pattern: of the names.
        own: also the networks of :func:`cnnlab.register` that say their ``input_size``.
    """
    measured: dict[str, list[Source]] = {}
    for source in sources(pattern):
        if source.library == "torchvision" and source.crop == model_info(source.name).input_size[1]:
            measured.setdefault(source.name, []).append(source)
    rows = []
    for name in list_models(pattern, own=own):
        if model_info(name).input_size is None:
            continue
        info, published = model_info(name), model_info(name).published
        own = measured.get(name, [])
        # The recommended checkpoint may be one for larger pictures: then the first of those for the row's size.
        official = next((source for source in own if source.default), own[0] if own else None)
        with on_meta():
            model = create_model(name)
        summary = summarize(model)
        rows.append(
            ZooRow(
                name=name,
                family=info.family,
                year=info.year,
                paper=info.paper,
                url=info.url,
                size=info.input_size[1],
                params=summary.params,
                macs=summary.macs,
                published1=published.top1 if published else None,
                published5=published.top5 if published else None,
                published_by=published.source if published else None,
                dataset=published.dataset if published else None,
                checkpoint1=official.top1 if official else None,
                checkpoint5=official.top5 if official else None,
                checkpoint=official.weights if official else None,
                extra_data=official is not None and extra_data(official.weights),
                recipes=_recipes(info, own),
            )
        )
    return rows


def chart_points(rows: Iterable[ZooRow], milliseconds: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """What `cnnlab.widgets.model_chart` takes: a point for each row with a checkpoint.

    Args:
        milliseconds: name -> time of one image of the row's size, for the networks whose time is known.
    """
    times = milliseconds or {}
    return [
        {"name": row.name, "family": row.family, "year": row.year, "params": row.params, "macs": row.macs}
        | {"acc1": row.checkpoint1, "acc5": row.checkpoint5, "size": row.size, "latency": times.get(row.name)}
        | {"extra": row.extra_data, "recipes": {a.recipe: (a.top1, a.top5) for a in row.recipes}}
        for row in rows
        if row.checkpoint1 is not None
    ]


def table_rows(rows: Iterable[ZooRow], milliseconds: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """What `cnnlab.widgets.model_table` takes: a mapping for each row.

    Args:
        milliseconds: name -> time of one image of the row's size, for the networks whose time is known.
    """
    times = milliseconds or {}
    fields = ("name", "year", "paper", "url", "params", "macs", "size", "checkpoint1", "checkpoint5")
    return [
        {field: getattr(row, field) for field in (*fields, "published1", "published5")}
        | {"latency": times.get(row.name), "extra": row.extra_data, "chapter": chapter_of(row.name)}
        | {"recipe": next((own.recipe for own in row.recipes if own.source == row.checkpoint), None)}
        | {
            "published_by": row.published_by
            if row.dataset in (None, "ImageNet")
            else f"{row.dataset}: {row.published_by}"
        }
        for row in rows
    ]


def _recipes(info: ModelInfo, checkpoints: Iterable[Source]) -> tuple[Accuracy, ...]:
    found = {}
    if info.published and info.published.dataset == "ImageNet":
        paper = info.published
        found["paper"] = Accuracy("paper", paper.top1, paper.top5, paper.source)
    for source in checkpoints:
        docs = " ".join(torchvision_entry(source.name, source.weights).meta["_docs"].split())
        recipe = "extra" if extra_data(source.weights) else "new" if "new training recipe" in docs else "own"
        if source.top1 is not None:
            found.setdefault(recipe, Accuracy(recipe, source.top1, source.top5, source.weights))
    return tuple(found[recipe] for recipe in RECIPES if recipe in found)
