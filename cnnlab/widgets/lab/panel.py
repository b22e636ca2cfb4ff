"""The lab's widgets and the lines of text on them; nothing here trains."""

from __future__ import annotations

import html
import time
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets

from cnnlab.draw.palette import css
from cnnlab.widgets.lab import pictures
from cnnlab.widgets.lab.clocks import BUTTON_STYLE, Clock
from cnnlab.widgets.lab.runs import STARTS, TRAINS, LabRun, Settings, Task, duration, parts_of

__all__ = ["LEARNING_RATES", "BATCH_SIZES", "IN_A_CELL", "Panel", "alert", "progress_text"]

LEARNING_RATES: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)
BATCH_SIZES: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
IN_A_CELL = "{lab}.latest().run_in_cell()"
_START_LR = {"sgd": 3e-2, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}
_REDRAW_SECONDS = 1.0  # how often the ring that marks the epoch in progress moves on
_LATE_SECONDS = 5.0  # without a tick, after which the panel says so
_LATE = (
    "Nothing has moved for {seconds:.0f} seconds: one step takes long, or this page has no clock that ticks. "
    "One epoch now trains without a clock; until the epoch ends, it does not hear Stop."
)
_STYLE = (
    f"{BUTTON_STYLE}"
    # Shown at the end of its animation, that is if nothing has put a new element in its place by then. Where animations
    # are switched off it is shown from the start.
    ".cnnlab-lab-late{animation:cnnlab-lab-late 5s;margin-top:0.25rem}"
    "@keyframes cnnlab-lab-late{from,to{visibility:hidden;max-height:0;margin:0;overflow:hidden}}"
    ".cnnlab-lab-hint{opacity:0.8;line-height:1.4}.cnnlab-lab-hint code{overflow-wrap:anywhere}"
)


class Panel(widgets.VBox):
    """All that is on the panel: menus, buttons, bar, texts, picture and table of runs.

    Args:
        models, datasets, optimizers: the menus' entries.
        epochs, batch_size, start, trains: what it starts with.
        pretrained: the models that there are weights for; the menus of weights and of what trains are shown with them.
        clock: whose control is the Train button.
        task: what is measured and drawn.
        lab: the name of the lab's class, for the line about code.
    """

    def __init__(
        self,
        models: Sequence[str],
        datasets: Sequence[str],
        optimizers: Sequence[str],
        *,
        epochs: int,
        batch_size: int,
        clock: Clock,
        task: Task,
        lab: str,
        pretrained: Sequence[str] = (),
        start: str = STARTS[0],
        trains: str = TRAINS[0],
    ) -> None:
        wide = widgets.Layout(flex="1 1 230px", max_width="310px", min_width="0")
        style = {"description_width": "95px"}

        def menu(label: str, options: Sequence, value: Any) -> widgets.Dropdown:
            return widgets.Dropdown(description=label, options=options, value=value, layout=wide, style=style)

        self._task = task
        first = optimizers[0]
        self.model = menu("Model", models, models[0])
        self.data = menu("Data", datasets, datasets[0])
        self.optimizer = menu("Optimizer", optimizers, first)
        self.lr = widgets.SelectionSlider(
            description="Learning rate",
            options=[(f"{lr:g}", lr) for lr in LEARNING_RATES],
            value=self._start_lr(first),
            layout=wide,
            style=style,
        )
        self.augmentation = menu("Augmentation", task.augmentations, "none")
        self.epochs = widgets.BoundedIntText(
            description="Epochs", value=epochs, min=1, max=200, layout=wide, style=style
        )
        self.batch_size = menu("Batch size", BATCH_SIZES, batch_size)
        self.optimizer.observe(self._on_optimizer, "value")
        self._pretrained = frozenset(pretrained)
        self.start, self.trains = menu("Weights", STARTS, start), menu("Trains", TRAINS, trains)
        for each in (self.start, self.trains):  # they come and go, the others stay
            each.layout = widgets.Layout(flex="1 1 230px", max_width="310px", min_width="0")
        self.model.observe(lambda _: self._show_strategies(), "value")
        self._show_strategies()

        button = widgets.Layout(width="auto", min_width="84px")
        self.stop = widgets.Button(description="Stop", icon="stop", disabled=True, layout=button)
        self.one_epoch = widgets.Button(
            description="One epoch now",
            icon="step-forward",
            layout=button,
            tooltip="Train to the end of one epoch at once; Stop is not heard until then",
        )
        self.clear = widgets.Button(description="Clear runs", icon="trash", layout=button)

        self.bar = widgets.FloatProgress(
            value=0.0, min=0.0, max=1.0, layout=widgets.Layout(width="auto", max_width="620px")
        )
        self.status = widgets.HTML()
        self.message = widgets.HTML()
        self.view = widgets.ToggleButtons(options=task.views, value=task.views[0], style={"button_width": "auto"})
        # A layout of its own: this menu comes and goes, the others stay.
        self.chosen = widgets.Dropdown(
            description="of run",
            layout=widgets.Layout(flex="1 1 230px", max_width="310px", min_width="0", display="none"),
            style={"description_width": "50px"},
        )
        self.picture = widgets.HTML(layout=widgets.Layout(width="auto", max_width="560px"))
        self.table = widgets.HTML(layout=widgets.Layout(width="auto", max_width="100%", overflow="auto"))
        hint = widgets.HTML(
            f"<style>{_STYLE}</style>"
            '<div class="cnnlab-lab-hint">Without the panel, at full speed: '
            f"<code>from cnnlab.widgets import {lab}; {IN_A_CELL.format(lab=lab)}</code> in a cell of its own trains "
            "with these choices; the kernel's interrupt button ends it.</div>"
        )
        self.said = ("", "")  # status and message, as plain text
        self._beats = 0
        self._runs: Sequence[LabRun] = ()
        self._drawn: Any = None  # what the picture shows, so that it is drawn again only when that changes
        self.drawn_at = self._drawing_took = 0.0

        row = widgets.Layout(display="flex", flex_flow="row wrap", width="100%")
        choices = (
            self.model,
            self.start,
            self.trains,
            self.data,
            self.optimizer,
            self.lr,
            self.augmentation,
            self.epochs,
            self.batch_size,
        )
        super().__init__(
            [
                widgets.Box(choices, layout=row),
                widgets.Box([clock.control, self.stop, self.one_epoch, self.clear], layout=row),
                self.bar,
                self.status,
                self.message,
                widgets.Box([self.view, self.chosen], layout=row),
                self.picture,
                self.table,
                hint,
                *clock.hidden,
            ],
            layout=widgets.Layout(width="100%", max_width="720px"),
        )
        self.view.observe(lambda _: self.draw(self._runs), "value")
        self.chosen.observe(self._on_chosen, "value")
        self.say_status("Ready.")
        self.draw(())

    @property
    def settings(self) -> Settings:
        """The choices on the panel now."""
        return Settings(
            model=self.model.value,
            data=self.data.value,
            optimizer=self.optimizer.value,
            lr=self.lr.value,
            augmentation=self.augmentation.value,
            epochs=self.epochs.value,
            batch_size=self.batch_size.value,
            start=self.start.value if self._has_weights else STARTS[0],
            trains=self.trains.value if self._has_weights else TRAINS[0],
        )

    @property
    def _has_weights(self) -> bool:
        return self.model.value in self._pretrained

    def _show_strategies(self) -> None:
        for each in (self.start, self.trains):
            each.layout.display = "" if self._has_weights else "none"

    def say_status(self, text: str, *, late_after: float | None = None) -> None:
        """The line below the bar.

        Args:
            text: the line.
            late_after: the seconds after which the page adds, by itself, that nothing has moved, unless it hears of
                another status before; None for never. At least five.
        """
        self.said = (text, self.said[1])
        late = ""
        if late_after is not None:
            seconds = max(_LATE_SECONDS, late_after)
            said = html.escape(_LATE.format(seconds=seconds))
            late = f'<div class="cnnlab-lab-late" style="animation-duration:{seconds:.1f}s">{said}</div>'
        self._beats += 1  # an equal line must be news too: it starts the animation again
        self.status.value = (
            f'<div style="line-height:1.4" data-beat="{self._beats}">'
            f'<div role="status" class="cnnlab-lab-status">{html.escape(text)}</div>{late}</div>'
        )

    def say_message(self, text: str) -> None:
        """An error on the panel, in words; "" takes it away."""
        self.said = (self.said[0], text)
        self.message.value = alert(text) if text else ""

    def show_runs(self, runs: Sequence[LabRun]) -> None:
        """The table of runs, and the menu that chooses one of them."""
        self._runs = runs
        self.table.value = _table(runs, self._task)
        options = [(run.label, run.number) for run in runs]
        if list(self.chosen.options) != options:
            self.chosen.options = options
            if options:
                self.chosen.value = options[-1][1]

    def is_stale(self, runs: Sequence[LabRun]) -> bool:
        """Whether the picture should be drawn again: something is new, and drawing takes no more than a sixth."""
        since = time.monotonic() - self.drawn_at
        if since < 5 * self._drawing_took:
            return False
        moving = self._curves_shown and since > _REDRAW_SECONDS
        return moving or self._drawn != self._what_to_draw(runs)

    def draw(self, runs: Sequence[LabRun]) -> None:
        """The view that is chosen."""
        begun = time.monotonic()
        self._runs = runs
        self._drawn = self._what_to_draw(runs)
        self.chosen.layout.display = "none" if self._curves_shown or len(runs) < 2 else ""
        try:
            self.picture.value = pictures.draw(self.view.value, runs, self._chosen_run(runs), self._task)
        except Exception as error:  # a picture that fails must not end a training
            self.say_message(f"The picture could not be drawn: {error}")
        self.drawn_at = time.monotonic()
        self._drawing_took = self.drawn_at - begun

    def _on_optimizer(self, change: Any) -> None:
        self.lr.value = self._start_lr(change["new"])

    def _start_lr(self, optimizer: str) -> float:
        return (_START_LR | self._task.rates).get(optimizer, 1e-3)

    def _on_chosen(self, change: Any) -> None:
        if self._drawn != self._what_to_draw(self._runs):
            self.draw(self._runs)

    def _chosen_run(self, runs: Sequence[LabRun]) -> LabRun | None:
        return next((run for run in runs if run.number == self.chosen.value), runs[-1] if runs else None)

    @property
    def _curves_shown(self) -> bool:
        return self.view.value in self._task.curves

    def _what_to_draw(self, runs: Sequence[LabRun]) -> tuple:
        """All that the picture depends on."""
        chosen = self._chosen_run(runs)
        about = [run for run in runs if self._curves_shown or run is chosen]
        return (self.view.value, *((run.number, run.state, len(run.history)) for run in about))


def alert(text: str) -> str:
    """An error in words, as HTML."""
    box = f"border-left:4px solid {css('red')};padding:0.25rem 0.75rem;line-height:1.4;overflow-wrap:anywhere"
    return f'<div role="alert" class="cnnlab-figure" style="{box}">{html.escape(text)}</div>'


def progress_text(run: LabRun) -> str:
    """Where a run is, in a line."""
    done, of = len(run.history), run.settings.epochs
    last = run.task.value(run.history[-1][f"{run.part}_{run.task.measure}"]) if run.history else ""
    best = f"{run.part.capitalize()} {run.task.said} {last}." if last else ""
    if run.state == "training":
        left = run.trainer.seconds_left
        time_left = "" if left is None else f", about {duration(left)} left"
        share = f"{run.trainer.fraction:.0%}"
        return f"Run {run.number}: epoch {min(done + 1, of)} of {of}, {share}{time_left}. {best}".strip()
    how = {"finished": "finished", "stopped": "stopped", "failed": "ended by an error"}[run.state]
    return f"Run {run.number} {how} after {done} of {of} epochs. {best}".strip()


def _table(runs: Sequence[LabRun], task: Task) -> str:
    if not runs:
        return ""
    transfer = any(run.settings.transfers for run in runs)
    more = ("weights", "trains") if transfer else ()
    head = (
        "run",
        "model",
        *more,
        "data",
        "optimizer",
        "rate",
        "augment",
        "batch",
        "epochs",
        *((parts_of(runs), "training") if task.while_training else (f"{parts_of(runs)} {task.said}",)),
        "",
    )
    cell = "padding:0.15rem 0.5rem;text-align:left;white-space:nowrap"
    rows = []
    for run in runs:
        s = run.settings
        swatch = f'<span style="color:{css(pictures.color_of(run.number))}" aria-hidden="true">&#9632;</span> '
        last = run.history[-1] if run.history else None
        parts = (run.part, "train") if task.while_training else (run.part,)
        reached = (task.value(last and last[f"{part}_{task.measure}"]) for part in parts)
        values = (
            s.model,
            *((s.start, s.trains) if transfer else ()),
            s.data,
            s.optimizer,
            f"{s.lr:g}",
            s.augmentation,
            s.batch_size,
        )
        values += (f"{len(run.history)}/{s.epochs}", *reached, run.state)
        cells = "".join(f'<td style="{cell}">{html.escape(str(value))}</td>' for value in values)
        rows.append(f'<tr><th scope="row" style="{cell}">{swatch}{run.number}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col" style="{cell};opacity:0.75">{name}</th>' for name in head)
    return (
        '<div class="cnnlab-figure" style="overflow-x:auto" tabindex="0" role="region" aria-label="Runs">'
        f'<table style="border-collapse:collapse;line-height:1.4"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
