"""The record of one training: history, configuration, provenance; a plot and a JSON file."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.files import replacing
from cnnlab.tables import html_table

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure
    from torch import Tensor, nn

__all__ = ["FORMAT", "Run", "write_json", "read_json"]

FORMAT = 1


@dataclass(eq=False)
class Run:
    """What happened in a training.

    Attributes:
        history: one dict for each finished epoch: "epoch" (from 1), "train_loss" and "train_accuracy"
            (means over the epoch's batches as they were trained on, augmented and in training mode),
            "test_loss", "test_accuracy" (after the epoch, in evaluation mode), "lr" (of the epoch's
            last iteration) and "seconds". With a validation set "validation_loss" and so on stand in place of
            those of the test; other measures than accuracy have their own names. With an average of the weights
            (``ema=``) "ema_loss" and "ema_accuracy" are its own, on the same set.
        config: what was asked for: model, data, optimizer, batch size, seed, ...
        provenance: date, commit, device, versions, data source, wall time.
        stopped: True if the training was stopped before its last epoch.
        tested: with a validation set what the test set said in the end, by the best epoch's weights: "epoch",
            "test_loss", "test_accuracy" or what else is measured; None before, and without one. "ema_loss" and so on
            are of the last epoch's average.
        best_state: the model's weights after the best epoch, on the CPU; not part of the JSON.
        ema_state: the average of the weights after the last epoch, likewise; None without ``ema=``.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False
    tested: dict[str, Any] | None = None
    best_state: dict[str, Tensor] | None = field(default=None, repr=False)
    ema_state: dict[str, Tensor] | None = field(default=None, repr=False)

    @property
    def measured_part(self) -> str:
        """What was measured after each epoch: "validation", "test", or "train" where nothing else was."""
        row = self.history[-1] if self.history else {}
        return next((part for part in ("validation", "test") if any(n.startswith(f"{part}_") for n in row)), "train")

    @property
    def measures(self) -> list[str]:
        """The names of what was measured beside the loss, such as "accuracy"."""
        part = f"{self.measured_part}_"
        row = self.history[-1] if self.history else {f"{part}accuracy": None}
        return [name.removeprefix(part) for name in row if name.startswith(part) and name != f"{part}loss"]

    def headline(self, decimals: int = 1) -> str:
        """The last epoch's first measure in words: "test accuracy 93.1%"; the loss where there is no measure."""
        part, kind = self.measured_part, (self.measures or ["loss"])[0]
        form = f".{decimals}%" if kind.endswith("accuracy") else _form(kind)
        return f"{'training' if part == 'train' else part} {_words(kind)} {_said(self.final[f'{part}_{kind}'], form)}"

    @property
    def final(self) -> dict[str, Any]:
        """The last finished epoch. This is the figure to report: it was not chosen by looking at the test set.

        Raises:
            ValueError: no epoch was finished.
        """
        if not self.history:
            raise ValueError("This run has no finished epoch yet, so there is no final one.")
        return self.history[-1]

    @property
    def best(self) -> dict[str, Any]:
        """The epoch with the highest accuracy, or without one the lowest loss (the first of several).

        Of the validation set; without one of the test set, on which it is then chosen and measured, so that it
        flatters: use it to pick weights, not to report. Where nothing was measured, of the training.

        Raises:
            ValueError: no epoch was finished.
        """
        if not self.history:
            raise ValueError("This run has no finished epoch yet, so there is no best one.")
        part = self.measured_part
        if f"{part}_accuracy" in self.history[-1] and part != "train":
            return max(self.history, key=lambda row: row[f"{part}_accuracy"])
        return min(self.history, key=lambda row: math.inf if (loss := row[f"{part}_loss"]) is None else loss)

    def restore_best(self, model: nn.Module) -> None:
        """Give ``model`` the weights of the best epoch.

        Raises:
            ValueError: the run has none (it was loaded from JSON, or no epoch was finished).
        """
        if self.best_state is None:
            raise ValueError(
                "This run carries no weights: they live in the session that trained it, "
                "and in the file given as checkpoint=, not in the run's JSON."
            )
        model.load_state_dict(self.best_state)

    def restore_ema(self, model: nn.Module) -> None:
        """Give ``model`` the average of the weights, batch norm's statistics with them.

        Raises:
            ValueError: there is none: trained without ``ema=``, loaded from JSON, or no epoch was finished.
        """
        if self.ema_state is None:
            raise ValueError(
                "This run carries no average of the weights: train with fit(..., ema=0.999), in this session or with "
                "checkpoint=."
            )
        model.load_state_dict(self.ema_state)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the weights, as JSON can hold it (NaN and infinity become None)."""
        return _plain(
            {
                "format": FORMAT,
                "config": self.config,
                "provenance": self.provenance,
                "stopped": self.stopped,
                "history": self.history,
                **({} if self.tested is None else {"tested": self.tested}),
            }
        )

    def save(self, path: str | Path) -> Path:
        """Write the run as JSON; the file is complete or absent, never half written."""
        return write_json(Path(path).expanduser(), self.to_dict())

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read a run that :meth:`save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a run of this format.
        """
        try:
            content = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a saved run: {error}. Run.save() writes such files.") from error
        if not isinstance(content, dict) or content.get("format") != FORMAT or "history" not in content:
            raise ValueError(f"{path} is not a saved run of format {FORMAT}. Run.save() writes such files.")
        return cls(
            history=content["history"],
            config=content.get("config", {}),
            provenance=content.get("provenance", {}),
            stopped=content.get("stopped", False),
            tested=content.get("tested"),
        )

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each finished epoch, with the columns of :attr:`history`."""
        import pandas

        return pandas.DataFrame(self.history)

    @property
    def title(self) -> str:
        """For example "lenet5 on mnist"."""
        return f"{self.config.get('model', 'model')} on {self.config.get('data', 'data')}"

    @property
    def alt(self) -> str:
        """One or two sentences that say what :meth:`plot` shows, for readers who cannot see it."""
        if not self.history:
            return f"Empty axes: {self.title} has no finished epoch yet."
        first, last = self.history[0], self.history[-1]
        part, kinds = self.measured_part, ["loss", *self.measures]
        number = {1: "One line chart", 2: "Two line charts", 3: "Three line charts"}
        charts = number.get(len(kinds), f"{len(kinds)} line charts")
        moves = f"the training loss goes from {_said(first['train_loss'], '.2f')} to {_said(last['train_loss'], '.2f')}"
        key, form = f"{part}_{kinds[-1]}", ".2f" if len(kinds) == 1 else _form(kinds[-1])
        if key != "train_loss":
            said = f"{'training' if part == 'train' else part} {_words(kinds[-1])}"
            moves += f" and the {said} from {_said(first[key], form)} to {_said(last[key], form)}"
        return (
            f"{charts} of {_listed([_words(kind) for kind in kinds])} by epoch, "
            f"{'training' if part == 'train' else f'training and {part}'}, for {self.title}. "
            f"From epoch {first['epoch']} to {last['epoch']} {moves}."
        )

    def plot(self) -> Figure:
        """Loss and measures by epoch, training and test (or validation).

        Show it with ``draw.show(run.plot(), run.alt)``.
        """
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        kinds, part = ["loss", *self.measures], self.measured_part
        figure = Figure(figsize=(max(3.6 * len(kinds), 4.0), 3.0), layout="constrained")
        axes = figure.subplots(1, len(kinds), squeeze=False)[0]
        epochs = [row["epoch"] for row in self.history]
        # A marker only where a line of one point would not be seen.
        marker = "o" if len(epochs) == 1 else None
        for axis, kind in zip(axes, kinds, strict=True):
            of_average = ("ema",) if f"ema_{kind}" in (self.history or [{}])[0] else ()
            for of in ("train", part, *of_average) if part != "train" else ("train",):
                label = {"train": "training", "ema": f"{part}, averaged weights"}.get(of, of)
                values = [row.get(f"{of}_{kind}") for row in self.history]
                if of == part or None not in values:  # what is measured of a whole set is not measured while training
                    axis.plot(epochs, values, label=label, marker=marker)
            axis.set(title=_words(kind).capitalize(), xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if kind.endswith("accuracy"):
                axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        axes[0].legend()
        return figure

    def __repr__(self) -> str:
        state = ", stopped" if self.stopped else ""
        if not self.history:
            return f"Run({self.title}, no finished epoch{state})"
        epochs = len(self.history)
        return f"Run({self.title}, {epochs} epoch{'s' if epochs > 1 else ''}{state}, {self.headline(2)})"

    def _repr_html_(self) -> str:
        """The first, middle and last epochs as a small table."""
        n = len(self.history)
        shown = range(n) if n <= 6 else sorted({0, n // 4, n // 2, 3 * n // 4, n - 1})
        kinds, measured = ["loss", *self.measures], self.measured_part
        parts = ("train",) if measured == "train" else ("train", measured)
        rows = [
            ("epoch", *(_words(kind) if of == "train" else f"{of} {_words(kind)}" for of in parts for kind in kinds))
        ]
        for row in (self.history[i] for i in shown):
            found = (_said(row.get(f"{of}_{kind}"), _form(kind)) for of in parts for kind in kinds)
            rows.append((str(row["epoch"]), *found))
        return html_table(rows, f"{self.title}{' (stopped)' if self.stopped else ''}")


def _form(kind: str) -> str:
    return ".1%" if kind.endswith("accuracy") else ".3f"


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _said(number: float | None, form: str) -> str:
    """A measure in words; a dash where there is none, or where JSON could not hold an infinite loss or no number."""
    return "–" if number is None else format(number, form)


def write_json(path: str | Path, content: Any) -> Path:
    """Write JSON so that a reader of ``path`` sees the old file or the new one, never a part."""
    path = Path(path)
    with replacing(path) as part:
        part.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _plain(value: Any) -> Any:
    """JSON has no NaN, no infinity and no tuples."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def read_json(path: str | Path) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: the file holds no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} holds no JSON ({error}). Delete or repair it.") from error
