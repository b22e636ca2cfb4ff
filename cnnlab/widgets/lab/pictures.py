"""What the labs draw: curves of all runs, and of a classifier the confusion matrix and the wrong pictures.

Each picture is a matplotlib ``Figure`` object (no pyplot: a kernel may run callbacks on another thread) written
as SVG of one fixed size, with a text alternative. Its colors are the page's variables, so it follows light and
dark, and it scales down to a phone without a blur.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from cnnlab.draw import plots
from cnnlab.draw.embed import figure_html
from cnnlab.draw.palette import SERIES, light
from cnnlab.errors import unknown_name
from cnnlab.widgets.lab.runs import Task, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from cnnlab.widgets.lab.runs import LabRun

__all__ = ["CLASSIFICATION", "VIEWS", "color_of", "draw", "empty", "new_figure"]

_SIZE = (4.8, 3.1)  # inches; small, so that its letters are still letters on a phone
_WRONG = 10  # pictures
_DASHED = (0, (2, 1.5))
_NOT_YET = "The first epoch is not finished yet."


def color_of(number: int) -> str:
    """The palette name of a run's line."""
    return SERIES[(number - 1) % len(SERIES)]


def draw(view: str, runs: Sequence[LabRun], chosen: LabRun | None, task: Task | None = None) -> str:
    """One view as HTML.

    Args:
        view: one of ``task.views``.
        runs: all runs, for the curves.
        chosen: the run that the other views show.
        task: None for `CLASSIFICATION`.

    Raises:
        ValueError: no such view.
    """
    task = CLASSIFICATION if task is None else task
    makers: dict[str, Callable[[], tuple[Figure, str]]] = {
        **{name: partial(_curves, runs, key, name, task) for name, key in task.curves.items()},
        **{name: partial(make, chosen) for name, make in task.pictures.items()},
    }
    if view not in makers:
        raise unknown_name("view", view, task.views)
    from cnnlab.draw.style import figure_svg

    with _book_style():
        figure, alt = makers[view]()
        svg = figure_svg(figure, salt=f"lab {view}", tight=False)
    # Hosts give a figure margins; on a phone they are a fifth of the width.
    plain = "<style>.cnnlab-lab-picture figure{margin:0}</style>"
    return f'<div class="cnnlab-lab-picture">{plain}{figure_html(svg, alt)}</div>'


@contextmanager
def _book_style() -> Iterator[None]:
    """The book's plotting style for a moment, without changing what the reader has set."""
    import matplotlib

    from cnnlab.draw.style import use_style

    with matplotlib.rc_context():
        use_style()
        matplotlib.rcParams["font.size"] = 9
        yield


def new_figure(layout: str | None = "constrained") -> Figure:
    """Of the size that all views have."""
    from matplotlib.figure import Figure

    return Figure(figsize=_SIZE, layout=layout or "none")


def empty(said: str) -> tuple[Figure, str]:
    """A sentence in place of a picture."""
    figure = new_figure()
    figure.text(0.5, 0.5, said, ha="center", va="center", color=light("muted"), wrap=True)
    return figure, said


def _curves(runs: Sequence[LabRun], kind: str, title: str, task: Task) -> tuple[Figure, str]:
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = new_figure(layout=None)  # drawn every second or so: a fixed frame halves what that costs
    axis = figure.add_axes((0.115, 0.145, 0.865, 0.76))
    # A run that is over takes the room that it used, not what it was meant to.
    last = max([run.settings.epochs if run.state == "training" else len(run.history) for run in runs] + [0]) or 5
    shown = [run for run in runs if run.history or run.now]
    trained = kind == "loss" or task.while_training
    for run in shown:
        color = light(color_of(run.number))
        now = run.now
        epochs = [row["epoch"] for row in run.history]
        marker = "o" if len(epochs) < 12 else None
        test = [row[f"{run.part}_{kind}"] for row in run.history]
        axis.plot(epochs, test, color=color, marker=marker, markersize=3)
        ahead = ([now["at"]], [now[kind]]) if now and kind in now else ([], [])
        if trained:
            train = [row[f"train_{kind}"] for row in run.history]
            axis.plot(epochs + ahead[0], train + ahead[1], color=color, linestyle=_DASHED, linewidth=1.3)
        # A ring: the epoch in progress.
        axis.plot(*ahead, color=color, marker="o", markersize=5, markerfacecolor="none")
        where = (epochs[-1], test[-1]) if epochs else (ahead[0][0], ahead[1][0]) if ahead[0] else None
        if where is None:
            continue
        beside = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontweight": "bold"}
        axis.annotate(str(run.number), where, color=color, **beside)
    axis.set(xlim=(0, last * 1.06), xlabel="epoch", title=title)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if task.percent and kind == task.measure:
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    elif kind == task.measure:
        axis.set_ylim(bottom=0)
    if not shown:
        axis.set_ylim(0, 1)
        return figure, f"Empty axes: no epoch is finished yet. {title} by epoch will be drawn here."
    ink = light("muted")
    keys = [
        Line2D([], [], color=ink, linestyle=line, label=name)
        for line, name in (("-", parts_of(shown)), *([(_DASHED, "training")] if trained else []))
    ]
    # Beside the title, where no curve comes.
    axis.legend(handles=keys, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0, borderaxespad=0.4)
    said = [f"run {run.label}, {_reached(run, kind, trained)}" for run in shown]
    parts = f"{'training and ' if trained else ''}{parts_of(shown)}"
    what = kind if kind == "loss" else task.said
    return figure, f"Line chart of {what} by epoch, {parts}. {'; '.join(said)}."


def _reached(run: LabRun, kind: str, trained: bool) -> str:
    if not run.history:
        return "in its first epoch"
    row = run.history[-1]

    def said(part: str) -> str:
        value = row[f"{part}_{kind}"]
        return f"{value:.1%}" if run.task.percent and kind == run.task.measure else f"{value:.3f}"

    also = f", training {said('train')}" if trained else ""
    return f"after epoch {row['epoch']}: {run.part} {said(run.part)}{also}"


def _confusion(run: LabRun | None) -> tuple[Figure, str]:
    if run is None:
        return empty("Train a model to see what it confuses.")
    evaluation = run.evaluation()
    if evaluation is None:
        return empty(_NOT_YET)
    confusion, classes = evaluation.confusion, evaluation.classes
    figure = new_figure()
    plots.confusion(confusion, classes, title=f"Confusion on the {run.part} pictures", axis=figure.subplots())
    off = confusion.clone().fill_diagonal_(0)
    right = f"{evaluation.accuracy:.1%} of {len(evaluation.labels)} {run.part} pictures are right"
    alt = f"Confusion matrix of run {run.label}: {right}"
    if off.sum() == 0:
        return figure, f"{alt}; there is no mistake."
    worst = divmod(off.argmax().item(), len(classes))
    often = off.max().item()
    times = "once" if often == 1 else f"{often} times"
    return figure, f"{alt}. The commonest mistake: {classes[worst[0]]} taken for {classes[worst[1]]}, {times}."


def _mistakes(run: LabRun | None) -> tuple[Figure, str]:
    if run is None:
        return empty("Train a model to see the pictures that it gets wrong.")
    evaluation = run.evaluation()
    if evaluation is None:
        return empty(_NOT_YET)
    wrong = evaluation.mistakes
    if not len(wrong):
        return empty(f"No mistakes: every {run.part} picture is right.")
    figure = new_figure()
    figure.suptitle(
        f"{len(wrong)} of {len(evaluation.labels)} {run.part} pictures are wrong; the surest mistakes:",
        fontsize=9,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    axes = figure.subplots(2, _WRONG // 2)
    said = []
    for axis in axes.flat:
        axis.axis("off")
    for axis, index in zip(axes.flat, wrong.tolist()):
        picture = run.measured[index : index + 1].pixels[0].permute(1, 2, 0).cpu().numpy()  # (C, H, W) -> (H, W, C)
        is_, taken = (evaluation.classes[int(part[index])] for part in (evaluation.labels, evaluation.predictions))
        axis.imshow(picture[..., 0] if picture.shape[2] == 1 else picture, vmin=0, vmax=1)
        axis.set_title(f"{is_},\nsaid {taken}", fontsize=7.5, fontweight="normal", loc="center")
        said.append(f"{is_} taken for {taken}")
    return (
        figure,
        f"The {len(said)} {run.part} pictures that run {run.label} is surest about and wrong: {'; '.join(said)}.",
    )


CLASSIFICATION = Task(
    name="classification",
    measure="accuracy",
    said="accuracy",
    curves={"Accuracy": "accuracy", "Loss": "loss"},
    pictures={"Confusion": _confusion, "Mistakes": _mistakes},
    percent=True,
    while_training=True,
)
VIEWS: tuple[str, ...] = CLASSIFICATION.views
