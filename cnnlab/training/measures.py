"""What an evaluation says class by class: precision, recall, F1, and the table and the picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnlab.tables import html_table, text_table

if TYPE_CHECKING:
    import pandas

__all__ = ["ClassTable", "class_table", "plot_confusion"]

_COLUMNS = ("class", "precision", "recall", "F1", "images")


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Precision, recall and F1 of each class; shows itself as a table whose last row is the mean over the classes.

    A class without images that nothing was taken for has none of the three (NaN) and is in no mean; otherwise what
    would be 0 / 0 counts as 0, as in scikit-learn.

    Attributes:
        classes: K names.
        precision: of the images taken for the class, the share that shows it. Shape of each: (K,), float64.
        recall: of the images that show the class, the share taken for it.
        f1: 2 * precision * recall / (precision + recall).
        images: how many show it, int64.
    """

    classes: tuple[str, ...]
    precision: Tensor
    recall: Tensor
    f1: Tensor
    images: Tensor

    @property
    def macro(self) -> dict[str, float]:
        """The means over the classes, each counting the same: "precision", "recall" and "f1"."""
        return {name: getattr(self, name).nanmean().item() for name in ("precision", "recall", "f1")}

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each class: "class", "precision", "recall", "f1" and "images"."""
        import pandas

        names = ("precision", "recall", "f1", "images")
        return pandas.DataFrame({"class": self.classes, **{name: getattr(self, name).numpy() for name in names}})

    def _rows(self) -> list[tuple[str, ...]]:
        rows = [_COLUMNS]
        shares = zip(self.precision.tolist(), self.recall.tolist(), self.f1.tolist(), strict=True)
        for name, three, count in zip(self.classes, shares, self.images.tolist(), strict=True):
            rows.append((name, *map(_percent, three), f"{count:,}"))
        return [*rows, ("mean", *map(_percent, self.macro.values()), f"{int(self.images.sum()):,}")]

    def __repr__(self) -> str:
        return text_table(self._rows(), "precision, recall and F1 of each class")

    def _repr_html_(self) -> str:
        return html_table(self._rows(), "Precision, recall and F1 of each class")


def class_table(confusion: Tensor, classes: Sequence[str]) -> ClassTable:
    """The table that follows from a confusion matrix, rows right classes and columns predictions. Shape: (K, K)."""
    right = confusion.diagonal().double()
    taken, images = confusion.sum(0), confusion.sum(1)
    there = (taken + images) > 0

    def share(of: Tensor) -> Tensor:
        return torch.where(there, right / of.double().clamp(min=1), torch.nan)

    f1 = torch.where(there, 2 * right / (taken + images).double().clamp(min=1), torch.nan)
    return ClassTable(tuple(classes), share(taken), share(images), f1, images)


def plot_confusion(
    confusion: Tensor, classes: Sequence[str], alt: str | None = None, caption: str | None = None, **options: Any
) -> None:
    """Show a confusion matrix with ``draw.confusion``; without ``alt`` its own words say what is in it."""
    from cnnlab import draw

    if alt is None and options.get("axis") is None:
        alt = _said(confusion, classes)
    draw.confusion(confusion, classes, alt, caption, **options)


def _said(confusion: Tensor, classes: Sequence[str]) -> str:
    total, right = int(confusion.sum()), int(confusion.diagonal().sum())
    said = f"Confusion matrix of {total:,} images in {len(classes)} classes, {right:,} of them classified rightly"
    wrong = confusion.clone().fill_diagonal_(0)
    if not wrong.any():
        return f"{said}; there is no mistake."
    row, column = divmod(int(wrong.argmax()), len(classes))
    times = int(wrong.max())
    return (
        f"{said}; the most frequent mistake, made {times} time{'s' if times > 1 else ''}, is to take {classes[row]} "
        f"for {classes[column]}."
    )


def _percent(share: float) -> str:
    return "–" if share != share else f"{share:.1%}"
