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
    from matplotlib.figure import Figure
    from torch import Tensor, nn

FORMAT = 1


@dataclass(eq=False)
class Run:
    """What happened in a training.

    Attributes:
        history: one dict for each finished epoch: "epoch" (from 1), "train_loss" and "train_accuracy"
            (means over the epoch's batches as they were trained on, augmented and in training mode),
            "test_loss", "test_accuracy" (after the epoch, in evaluation mode), "lr" (of the epoch's
            last iteration) and "seconds".
        config: what was asked for: model, data, optimizer, batch size, seed, ...
        provenance: date, commit, device, versions, data source, wall time.
        stopped: True if the training was stopped before its last epoch.
        best_state: the model's weights after the best epoch, on the CPU; not part of the JSON.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    stopped: bool = False
    best_state: dict[str, Tensor] | None = field(default=None, repr=False)

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
        """The epoch with the highest test accuracy (the first of several).

        Chosen on the set that it is measured on, so it flatters: use it to pick weights, not to report.

        Raises:
            ValueError: no epoch was finished.
        """
        if not self.history:
            raise ValueError("This run has no finished epoch yet, so there is no best one.")
        return max(self.history, key=lambda row: row["test_accuracy"])

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

    def to_dict(self) -> dict[str, Any]:
        """Everything but the weights, as JSON can hold it (NaN and infinity become None)."""
        return _plain(
            {
                "format": FORMAT,
                "config": self.config,
                "provenance": self.provenance,
                "stopped": self.stopped,
                "history": self.history,
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
        )

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
        return (
            f"Two line charts of loss and accuracy by epoch, training and test, for {self.title}. "
            f"From epoch {first['epoch']} to {last['epoch']} the training loss goes from "
            f"{_said(first['train_loss'], '.2f')} to {_said(last['train_loss'], '.2f')} and the test accuracy from "
            f"{_said(first['test_accuracy'], '.1%')} to {_said(last['test_accuracy'], '.1%')}."
        )

    def plot(self) -> Figure:
        """Loss and accuracy by epoch, training and test. Show it with ``draw.show(run.plot(), run.alt)``."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        figure = Figure(figsize=(7.2, 3.0), layout="constrained")
        loss, accuracy = figure.subplots(1, 2)
        epochs = [row["epoch"] for row in self.history]
        # A marker only where a line of one point would not be seen.
        marker = "o" if len(epochs) == 1 else None
        for axis, kind, title in ((loss, "loss", "Loss"), (accuracy, "accuracy", "Accuracy")):
            for part, label in (("train", "training"), ("test", "test")):
                axis.plot(epochs, [row[f"{part}_{kind}"] for row in self.history], label=label, marker=marker)
            axis.set(title=title, xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        accuracy.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        loss.legend()
        return figure

    def __repr__(self) -> str:
        state = ", stopped" if self.stopped else ""
        if not self.history:
            return f"Run({self.title}, no finished epoch{state})"
        epochs = len(self.history)
        return (
            f"Run({self.title}, {epochs} epoch{'s' if epochs > 1 else ''}{state}, "
            f"test accuracy {self.final['test_accuracy']:.2%})"
        )

    def _repr_html_(self) -> str:
        """The first, middle and last epochs as a small table."""
        n = len(self.history)
        shown = range(n) if n <= 6 else sorted({0, n // 4, n // 2, 3 * n // 4, n - 1})
        rows = [("epoch", "loss", "accuracy", "test loss", "test accuracy")]
        for row in (self.history[i] for i in shown):
            measures = (_said(row[f"{part}_{kind}"], form) for part in ("train", "test") for kind, form in _FORMS)
            rows.append((str(row["epoch"]), *measures))
        return html_table(rows, f"{self.title}{' (stopped)' if self.stopped else ''}")


_FORMS = (("loss", ".3f"), ("accuracy", ".1%"))


def _said(number: float | None, form: str) -> str:
    """A measure in words; a dash where JSON could not hold it: a loss that was infinite or no number."""
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
