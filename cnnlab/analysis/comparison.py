"""Several models as one table: what `summarize` gives for a list of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from cnnlab.analysis.cells import AXES, field_numbers
from cnnlab.analysis.summary import InputSize, Summary, summarize
from cnnlab.errors import unknown_name
from cnnlab.tables import html_table, human, human_bytes, latex_table, text_table

if TYPE_CHECKING:
    import pandas

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, repr=False)
class Comparison:
    """One row for each model. ``print`` it, show it in a notebook, or take its numbers.

    Attributes:
        summaries: name -> `Summary` of that model, layer by layer; ``table["resnet18"]`` is short for it.
    """

    summaries: dict[str, Summary]

    def __getitem__(self, name: str) -> Summary:
        """The summary of the model of this name."""
        if name not in self.summaries:
            raise unknown_name("model", name, self.summaries)
        return self.summaries[name]

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame, numbers unformatted.

        ``field_height`` and ``field_width`` are what one position of the last map sees (`Summary.sees`), in pixels,
        missing where that is the whole image (``field_is_global``) or not known.
        """
        import pandas

        axes = max(len(summary.input_size) - 2 for summary in self.summaries.values())
        sides = AXES.get(axes, ())
        columns = ["model", "input_size", "params", "trainable", "frozen", "macs", "activation_bytes"]
        columns += ["field_is_global", *(f"field_{side}" for side in sides)]
        rows = []
        for name, x in self.summaries.items():
            numbers = [x.params, x.trainable, x.frozen, x.macs, x.activation_bytes]
            is_global, *seen = field_numbers(x.sees, len(x.input_size) - 2)
            seen = [None] * len(sides) if len(x.input_size) - 2 < axes else seen[: len(sides)]
            rows.append([name, "x".join(map(str, x.input_size[1:])), *numbers, is_global, *seen])
        return pandas.DataFrame(rows, columns=columns).astype({f"field_{side}": "Int64" for side in sides})

    def to_csv(self, path: str | os.PathLike | None = None) -> str | None:
        """The same as CSV: the text, or nothing where it went to a file."""
        return self.to_dataframe().to_csv(path, index=False)

    def to_latex(self) -> str:
        """The printed table as a LaTeX ``tabular``."""
        return latex_table(self._rows("×"))

    @property
    def caption(self) -> str:
        """One sentence on what the columns mean."""
        sizes = {summary.input_size[1:] for summary in self.summaries.values()}
        on = f" on {_shape(next(iter(sizes)), ' × ')}" if len(sizes) == 1 else ""
        return (
            f"{len(self.summaries)} models{on}: MACs and activations per image; Sees: pixels that one position of the "
            "last map depends on"
        )

    def _rows(self, times: str) -> list[tuple[str, ...]]:
        every = list(self.summaries.values())
        sized = len({summary.input_size[1:] for summary in every}) > 1
        frozen = any(summary.frozen for summary in every)
        size, split = ("Input",) if sized else (), ("Trainable", "Frozen") if frozen else ()
        rows = [("Model", *size, "Parameters", *split, "MACs", "Activations", "Sees")]
        for name, x in self.summaries.items():
            size = (_shape(x.input_size[1:], times),) if sized else ()
            split = (human(x.trainable), human(x.frozen)) if frozen else ()
            numbers = human(x.macs), human_bytes(x.activation_bytes), "" if x.sees is None else str(x.sees)
            rows.append((name, *size, human(x.params), *split, *numbers))
        return rows

    def __str__(self) -> str:
        # Consoles and log files of many systems know no ×.
        return text_table(self._rows("x"), self.caption.replace("×", "x"))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self._rows("×"), self.caption)


def compare(
    models: Sequence[nn.Module | str] | Mapping[str, nn.Module | str],
    input_size: InputSize = None,
    *,
    depth: int | None = None,
) -> Comparison:
    """See `summarize`.

    Raises:
        ValueError: no models, or one that cannot be summarized; the message names it.
        TypeError: an entry is neither a module nor a name.
    """
    if not models:
        raise ValueError(f"model={models!r} is empty; give one or more models, or names of cnnlab.create_model.")
    named = models.items() if isinstance(models, Mapping) else ((None, model) for model in models)
    found: dict[str, Summary] = {}
    for place, (name, model) in enumerate(named):
        try:
            summary = summarize(model, input_size, depth=depth)
        except (ValueError, TypeError) as error:
            raise type(error)(f"{name or f'model[{place}]'}: {error}") from None
        label = str(name) if name is not None else summary.model_name
        again = 2
        while label in found:  # two ResNets of different depth have one class
            label, again = f"{summary.model_name} ({again})", again + 1
        found[label] = summary
    return Comparison(found)


def _shape(shape: Sequence[int], times: str) -> str:
    return times.join(map(str, shape))
