"""Several trainings side by side: ``compare_runs([run, other])``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlab.tables import html_table, text_table
from cnnlab.training.run import Run

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["Comparison", "compare_runs"]

# What follows from the model and the data: two runs that differ in it differ in those too.
_FOLLOWS = {"parameters": "model", "train_images": "data", "test_images": "data", "image_shape": "data"}
# Said by their values alone.
_PLAIN = ("model", "data")
_LONGEST = 32  # characters of one value in a name


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several runs under a name each. It shows itself as a table; :meth:`plot` is the chart.

    Attributes:
        runs: name -> run, in the order in which they were given.
        differing: what their configurations differ in.
    """

    runs: dict[str, Run]
    differing: tuple[str, ...]

    @property
    def kinds(self) -> list[str]:
        """What was measured in all of them: "loss", then "accuracy" or what else there is."""
        measures = [run.measures for run in self.runs.values() if run.history] or [["accuracy"]]
        return ["loss", *(name for name in measures[0] if all(name in names for names in measures))]

    def _measured(self) -> list[tuple[Run, str]]:
        return [(run, run.measured_part if run.history else "test") for run in self.runs.values()]

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each run: its name, what the configurations differ in, and the last and the best epoch's numbers.

        Columns: "run", then each of :attr:`differing`, "epochs", loss and measures of the last epoch under the names
        that a run's history gives them, "best_epoch" and "seconds"; and with validation sets what the test set said in
        the end.
        """
        import pandas

        rows = []
        for name, (run, part) in zip(self.runs, self._measured(), strict=True):
            row: dict[str, Any] = {"run": name, **{key: run.config.get(key) for key in self.differing}}
            row["epochs"] = len(run.history)
            last = run.history[-1] if run.history else {}
            row |= {
                f"{of}_{kind}": last.get(f"{of}_{kind}") for kind in self.kinds for of in dict.fromkeys(("train", part))
            }
            row["best_epoch"] = run.best["epoch"] if run.history else None
            row["seconds"] = run.provenance.get("wall_seconds")
            row |= {key: value for key, value in (run.tested or {}).items() if key.startswith("test_")}
            rows.append(row)
        return pandas.DataFrame(rows)

    def _rows(self) -> list[tuple[str, ...]]:
        kinds = self.kinds
        same = {part for _, part in self._measured()}
        measured = same.pop() if len(same) == 1 else "measured"
        heads = [f"{of} {kind.replace('_', ' ')}" for kind in kinds for of in dict.fromkeys(("train", measured))]
        rows = [("run", "epochs", *heads, "best epoch")]
        for name, (run, part) in zip(self.runs, self._measured(), strict=True):
            last = run.history[-1] if run.history else {}
            found = [_number(last.get(f"{of}_{k}"), k) for k in kinds for of in dict.fromkeys(("train", part))]
            rows.append((name, str(len(run.history)), *found, str(run.best["epoch"]) if run.history else "–"))
        return rows

    @property
    def _caption(self) -> str:
        what = f", which differ in {_and(list(self.differing))}" if self.differing else ""
        return f"{len(self.runs)} runs after their last epochs{what}"

    @property
    def alt(self) -> str:
        """What :meth:`plot` shows in words, for readers who cannot see it."""
        ends = []
        kind = self.kinds[-1]
        for name, (run, part) in zip(self.runs, self._measured(), strict=True):
            last = run.history[-1] if run.history else {}
            ends.append(f"{name} {_number(last.get(f'{part}_{kind}'), kind)}")
        return (
            f"Line charts of {_and([k.replace('_', ' ') for k in self.kinds])} by epoch, a color for each of "
            f"{len(self.runs)} runs, training dashed. The last epoch's {kind.replace('_', ' ')}: {', '.join(ends)}."
        )

    def plot(self) -> Figure:
        """Loss and measures by epoch, a color for each run: what was measured after each epoch solid, training dashed.

        Show it with ``draw.show(comparison.plot(), comparison.alt)``.
        """
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        kinds = self.kinds
        figure = Figure(figsize=(max(3.6 * len(kinds), 4.0), 3.2), layout="constrained")
        axes = figure.subplots(1, len(kinds), squeeze=False)[0]
        for axis, kind in zip(axes, kinds, strict=True):
            for number, (name, (run, part)) in enumerate(zip(self.runs, self._measured(), strict=True)):
                epochs = [row["epoch"] for row in run.history]
                marker = "o" if len(epochs) == 1 else None
                for of, look in {"train": {"linestyle": "--", "linewidth": 1.0}, part: {"linestyle": "-"}}.items():
                    values = [_float(row.get(f"{of}_{kind}")) for row in run.history]
                    label = name.replace("$", r"\$") if of == part else None
                    axis.plot(epochs, values, color=f"C{number % 10}", marker=marker, label=label, **look)
            axis.set(title=kind.replace("_", " ").capitalize(), xlabel="epoch")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if kind.endswith("accuracy"):
                axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
        handles, names = axes[0].get_legend_handles_labels()
        handles.append(Line2D([], [], color="gray", linestyle="--", linewidth=1.0))
        figure.legend(handles, [*names, "training"], loc="outside lower center", ncols=min(3, len(handles)))
        return figure

    def __repr__(self) -> str:
        return text_table(self._rows(), self._caption)

    def _repr_html_(self) -> str:
        return html_table(self._rows(), self._caption)


def compare_runs(runs: Mapping[str, Run] | Iterable[Run]) -> Comparison:
    """Several trainings as one table and one chart.

        compared = cnnlab.training.compare_runs([run, other])
        compared                                      # the table
        draw.show(compared.plot(), compared.alt)      # the chart
        compared.to_dataframe()

    Args:
        runs: a list of what :func:`cnnlab.fit` returned or ``Run.load(path)`` has read, which are then named by what
            their configurations differ in ("lr=0.1"); or a mapping from a name to each.

    Raises:
        TypeError: something that is no run.
        ValueError: there is none.
    """
    if isinstance(runs, Run | str) or not isinstance(runs, Mapping | Iterable):
        raise TypeError(f"runs must be a list of runs, or a mapping from names to them, not {type(runs).__name__}.")
    given = list(runs.values()) if isinstance(runs, Mapping) else list(runs)
    if not given:
        raise ValueError("runs is empty: give one run or more.")
    for number, run in enumerate(given):
        if not isinstance(run, Run):
            raise TypeError(
                f"runs[{number}] is a {type(run).__name__}: give what cnnlab.fit returned, or cnnlab.Run.load(path) of "
                "a saved one."
            )
    differing = _differing(given)
    names = [str(name) for name in runs] if isinstance(runs, Mapping) else [_named(run, differing) for run in given]
    return Comparison(dict(zip(_told_apart(names), given, strict=True)), differing)


def _differing(runs: list[Run]) -> tuple[str, ...]:
    keys = dict.fromkeys(key for run in runs for key in run.config)
    found = [key for key in keys if any(run.config.get(key) != runs[0].config.get(key) for run in runs)]
    return tuple(key for key in found if _FOLLOWS.get(key) not in found)


def _named(run: Run, differing: tuple[str, ...]) -> str:
    if not differing:
        return run.title
    said = []
    for key in differing:
        value = run.config.get(key)
        text = f"{value:g}" if isinstance(value, float) else str(value)
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        said.append(text if key in _PLAIN else f"{key}={text}")
    return ", ".join(said)


def _told_apart(names: list[str]) -> list[str]:
    """Names that occur twice get a number."""
    met: dict[str, int] = {}
    for name in names:
        met[name] = met.get(name, 0) + 1
    count: dict[str, int] = {}
    told = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        told.append(f"{name} ({count[name]})" if met[name] > 1 else name)
    return told


def _number(value: float | None, kind: str) -> str:
    """A dash where there is no epoch, or where JSON could not hold it."""
    return "–" if value is None else f"{value:.1%}" if kind.endswith("accuracy") else f"{value:.3f}"


def _float(value: float | None) -> float:
    return float("nan") if value is None else value


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
