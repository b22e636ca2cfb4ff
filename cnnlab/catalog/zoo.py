"""Every registered network in one table: paper, cost, accuracy and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlab.analysis import summarize
from cnnlab.meta import on_meta
from cnnlab.models import create_model, list_models, model_info
from cnnlab.weights import sources


@dataclass(frozen=True)
class ZooRow:
    """One network: its paper, its cost by our own count, and its accuracy with the source of that.

    Attributes:
        size: height and width of the published input, in pixels.
        macs: per image of that size.
        published1: percent, as the paper printed it for this very network; None where it printed nothing.
        published_by: which table, how many crops.
        dataset: of the published figures.
        checkpoint1: percent, as torchvision measured its recommended checkpoint, one crop.
        checkpoint: torchvision's name for it.
    """

    name: str
    family: str
    year: int
    paper: str
    url: str
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


def zoo_table(pattern: str = "*") -> list[ZooRow]:
    """A row for every model that matches a shell pattern; sizes and costs come from one traced pass each."""
    measured = {row.name: row for row in sources(pattern) if row.default and row.library == "torchvision"}
    rows = []
    for name in list_models(pattern):
        info, published, official = model_info(name), model_info(name).published, measured.get(name)
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
            )
        )
    return rows
