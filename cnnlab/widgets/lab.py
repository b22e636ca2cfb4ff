"""The training lab: choose a network, data and an optimizer; train, stop, compare.

The clock. A kernel runs one thing at a time, so a training loop inside a button's callback would not hear Stop
until it ended, and threads are no way out (Colab does not deliver their widget messages). The lab therefore lets
the browser keep time: a hidden ``widgets.Play`` ticks, each tick trains for about 0.2 s through
``Trainer.run_for`` and then updates bar, text and curves. Between two ticks the kernel hears everything else, Stop
included. A browser slows the ticks of a hidden tab; `TrainingLab.run_in_cell` trains at full speed, ended
by the notebook's interrupt button.

The poster. A widget is dead where no kernel is behind the page, and its place would be an empty hole. Each
execution request says whether somebody sits in front of it (``allow_stdin``: JupyterLab, Notebook, VS Code and
Colab say yes; nbclient, nbconvert and nbval, which make and check the committed outputs, say no). With
somebody there, displaying the lab shows the widgets; else it emits a poster: plain HTML, the same bytes each
time, with no widget in it. So a built page, GitHub and a notebook opened without a kernel show the poster.
`TrainingLab.show` shows the widgets in any case.
"""

from __future__ import annotations

import html
import math
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from cnnlab.draw.palette import css
from cnnlab.widgets import lab_pictures
from cnnlab.widgets.lab_poster import poster
from cnnlab.widgets.lab_runs import AUGMENTATIONS, TICK_SECONDS, LabRun, Settings, State, duration, make_augmentation

if TYPE_CHECKING:
    from cnnlab.data import Dataset
    from cnnlab.training import Run

LEARNING_RATES: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)
_START_LR = {"sgd": 3e-2, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}
_REDRAW_SECONDS = 1.0  # how often the ring that marks the epoch in progress moves on
_BATCH_SIZES = (16, 32, 64, 128, 256, 512)


class TrainingLab:
    """A panel that trains networks while you watch.

    Args:
        models: names of `cnnlab.list_models`; each is built for the data's channels and classes.
        datasets: names of `cnnlab.data.list_datasets`, or data sets of your own (`cnnlab.data.Dataset`).
            Named ones are loaded at the network's size.
        optimizers: names that `cnnlab.fit` takes.
        epochs, batch_size: what the panel starts with.
        limit: at most this many training and as many test pictures of a named set; None for all.
        seed: of the parameters and of the order of the pictures, the same for every run.

    Attributes:
        runs: a `LabRun` for each press on Train; ``lab.runs[-1].run.plot()`` goes on in code.
        panel: the ipywidgets box.

    Raises:
        ValueError: an unknown model, data set or optimizer; the message names the nearest ones.
    """

    def __init__(
        self,
        models: Sequence[str] = ("lenet5_28", "mlp_mnist"),
        datasets: Sequence[str | Dataset] = ("mnist", "fashion_mnist", "digits"),
        *,
        optimizers: Sequence[str] = ("sgd", "adam", "rmsprop"),
        epochs: int = 5,
        batch_size: int = 128,
        limit: int | None = None,
        seed: int = 0,
    ) -> None:
        self.limit, self.seed = limit, seed
        self.runs: list[LabRun] = []
        self._loaded: dict[tuple[str, int], Dataset] = {}
        self._own: dict[str, Dataset] = {}
        self._models = _known_models(models)
        self._datasets = self._known_datasets(datasets)
        self._optimizers = _known_optimizers(optimizers)
        if batch_size not in _BATCH_SIZES:
            raise ValueError(
                f"batch_size={batch_size!r} is not on the panel; it offers {', '.join(map(str, _BATCH_SIZES))}."
            )
        if not 1 <= epochs <= 200:
            raise ValueError(f"epochs={epochs!r} is not on the panel; give 1 to 200.")
        self._count = 0
        self._drawn: Any = None  # what the picture shows, so that it is drawn again only when that changes
        self._drawn_at = self._drawing_took = 0.0
        # A kernel may deliver widget messages on a thread of their own while a cell runs.
        self._busy = threading.Lock()
        self._build(epochs, batch_size)
        self._draw()

    def _known_datasets(self, datasets: Sequence[str | Dataset]) -> list[str]:
        """Their names; those that are data sets themselves are kept in ``_own``."""
        from cnnlab.data import Dataset, dataset_info

        for entry in _list("datasets", datasets):
            if isinstance(entry, Dataset):
                self._own[entry.name] = entry
            else:
                dataset_info(entry)  # raises, and names the nearest
        return [entry if isinstance(entry, str) else entry.name for entry in datasets]

    # What a reader calls

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
        )

    @property
    def current(self) -> LabRun | None:
        """The run that is training now, if any."""
        return self.runs[-1] if self.runs and self.runs[-1].state == "training" else None

    def train(self) -> None:
        """What Train does: begin a run with the present settings; the clock drives it. During a run: nothing."""
        if self.current is None and self._begin():
            self._set_playing(True)

    def stop(self) -> None:
        """What Stop does: end the run after the present tick; its history stays. Without a run: nothing."""
        run = self.current
        self._set_playing(False)
        if run is not None:
            run.trainer.stop()
            self._end(run, "stopped")

    def clear(self) -> None:
        """Forget all runs that are not training."""
        self.runs = [run for run in self.runs if run.state == "training"]
        self._say("")
        if not self.runs:
            self._count = 0
            self.bar.value, self.bar.bar_style = 0.0, ""
            self.status.value = _status("Ready.")
        self._refresh_runs()
        self._draw()

    def run_in_cell(self) -> Run | None:
        """Train one run with the present settings in this cell, at full speed; the interrupt button ends it.

        The panel, where it is shown, follows along; the cell shows the curves too.

        Returns:
            The record of the run (also in ``self.runs``), or None when it could not begin (the reason is printed).
        """
        from IPython.display import display

        self.stop()
        if not self._begin():
            print(self._message)
            return None
        run = self.runs[-1]
        shown = display(self._cell_output(), raw=True, display_id=True)
        drawn = self._drawn_at
        try:
            while self._advance(run):
                if shown is not None and drawn != self._drawn_at:
                    drawn = self._drawn_at
                    shown.update(self._cell_output(), raw=True)
        except KeyboardInterrupt:
            self.stop()
        if shown is not None:
            shown.update(self._cell_output(), raw=True)
        if run.state == "failed":
            print(self._message)
        return run.run

    def show(self) -> None:
        """Show the widgets, whatever is in front of this kernel."""
        from IPython.display import display

        display(self.panel)

    # Display

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if somebody_there():
            self.show()
        else:
            display(self._repr_mimebundle_(), raw=True)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """The poster."""
        return {"text/plain": repr(self), "text/html": poster(self._models, self._datasets)}

    def __repr__(self) -> str:
        return f"TrainingLab(models={self._models!r}, datasets={self._datasets!r})"

    def _cell_output(self) -> dict[str, str]:
        return {"text/plain": self._status_text, "text/html": self.picture.value + self.status.value}

    # One run

    def _begin(self) -> bool:
        """Make model, data and trainer; False, with the reason on the panel, where that fails."""
        settings = self.settings
        self._say("")
        self._set_status(f"Loading {settings.data} ...")
        self.train_button.disabled = True
        try:
            run = self._make_run(settings)
        except Exception as error:
            self._say(self._explain(error, settings))
            self._set_status("Ready.")
            self.train_button.disabled = False
            return False
        self._count = run.number
        self.runs.append(run)
        self.stop_button.disabled = False
        self.bar.value, self.bar.bar_style = 0.0, "info"
        self._set_status(f"Run {run.label}: starting.")
        self._refresh_runs()
        self._draw()
        return True

    def _make_run(self, settings: Settings) -> LabRun:
        import torch

        from cnnlab.models import create_model, model_info
        from cnnlab.training import Trainer

        _, height, _ = model_info(settings.model).input_size
        data = self._load(settings.data, height)
        with torch.random.fork_rng(devices=[]):  # equal settings start from equal parameters
            torch.manual_seed(self.seed)
            model = create_model(settings.model, num_classes=data.num_classes, in_channels=data.shape[0])
        trainer = Trainer(
            model,
            data,
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            optimizer=settings.optimizer,
            lr=settings.lr,
            augment=make_augmentation(settings.augmentation, height),
            seed=self.seed,
        )
        return LabRun(self._count + 1, settings, model, data, trainer)

    def _load(self, name: str, size: int) -> Dataset:
        from cnnlab.data import load_dataset

        if (name, size) not in self._loaded:
            own = self._own.get(name)
            if own is None:
                data = load_dataset(name, size=size, limit=self.limit)
            else:
                data = own if own.shape[1:] == (size, size) else own.resized(size)
            self._loaded[name, size] = data
        return self._loaded[name, size]

    def _advance(self, run: LabRun) -> bool:
        """Train for one tick and bring the panel up to date; False when the run is over.

        A tick trains or draws, so that Stop waits for the longer of the two and never for both.
        """
        if self._is_stale():
            self._refresh_runs()
            self._draw()
            return True
        try:
            more = run.trainer.run_for(TICK_SECONDS)
        except Exception as error:
            self._say(self._explain(error, run.settings))
            self._end(run, "failed")
            return False
        if run.state != "training":  # Stop came while the tick ran
            return False
        if not more:
            self._end(run, "finished")
            return False
        self._refresh(run)
        return True

    def _end(self, run: LabRun, state: State) -> None:
        self._set_playing(False)
        run.state = state
        self.train_button.disabled, self.stop_button.disabled = False, True
        self.bar.bar_style = {"finished": "success", "stopped": "warning", "failed": "danger"}[state]
        self._refresh(run)
        self._refresh_runs()
        self._draw()

    def _refresh(self, run: LabRun) -> None:
        self.bar.value = 1.0 if run.state == "finished" else run.trainer.fraction
        self._set_status(_progress_text(run))

    def _explain(self, error: Exception, settings: Settings) -> str:
        """An error in words, with what can be done about it; what has been reached stays."""
        from cnnlab.data import DatasetUnavailable
        from cnnlab.training import OutOfMemory, TrainingDiverged

        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, DatasetUnavailable):
            remedy = "Choose digits here: they come with cnnlab and need no network."
            if "digits" not in self._datasets:
                remedy = "digits and shapes come with cnnlab: TrainingLab(datasets=['digits'])."
            return f"{said} {remedy}"
        if isinstance(error, TrainingDiverged):
            return f"{said} In this lab: choose a learning rate below {settings.lr:g} and train again."
        if isinstance(error, OutOfMemory) or "out of memory" in said.lower():
            return f"{said} In this lab: choose a batch size below {settings.batch_size} and train again."
        if isinstance(error, MemoryError):
            return f"The computer has no memory left. {said} Choose a smaller network, or limit=... for fewer pictures."
        return f"{settings.model} could not be trained on {settings.data}: {said}"

    # The panel

    def _build(self, epochs: int, batch_size: int) -> None:
        wide = widgets.Layout(flex="1 1 230px", max_width="310px", min_width="0")
        style = {"description_width": "95px"}

        def menu(label: str, options: Sequence, value: Any) -> widgets.Dropdown:
            return widgets.Dropdown(description=label, options=options, value=value, layout=wide, style=style)

        first = self._optimizers[0]
        self.model = menu("Model", self._models, self._models[0])
        self.data = menu("Data", self._datasets, self._datasets[0])
        self.optimizer = menu("Optimizer", self._optimizers, first)
        self.lr = widgets.SelectionSlider(
            description="Learning rate",
            options=[(f"{lr:g}", lr) for lr in LEARNING_RATES],
            value=_START_LR.get(first, 1e-3),
            layout=wide,
            style=style,
        )
        self.augmentation = menu("Augmentation", AUGMENTATIONS, "none")
        self.epochs = widgets.BoundedIntText(
            description="Epochs", value=epochs, min=1, max=200, layout=wide, style=style
        )
        self.batch_size = menu("Batch size", _BATCH_SIZES, batch_size)
        self.optimizer.observe(self._on_optimizer, "value")

        button = widgets.Layout(width="auto", min_width="84px")
        self.train_button = widgets.Button(description="Train", button_style="primary", icon="play", layout=button)
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True, layout=button)
        self.clear_button = widgets.Button(description="Clear runs", icon="trash", layout=button)
        self.train_button.on_click(lambda _: self.train())
        self.stop_button.on_click(lambda _: self.stop())
        self.clear_button.on_click(lambda _: self.clear())

        self.bar = widgets.FloatProgress(
            value=0.0, min=0.0, max=1.0, layout=widgets.Layout(width="auto", max_width="620px")
        )
        self.status = widgets.HTML(_status("Ready."))
        self.message = widgets.HTML()
        self.view = widgets.ToggleButtons(options=lab_pictures.VIEWS, value="Accuracy", style={"button_width": "auto"})
        # A layout of its own: this menu comes and goes, the others stay.
        self.chosen = widgets.Dropdown(
            description="of run",
            layout=widgets.Layout(flex="1 1 230px", max_width="310px", min_width="0", display="none"),
            style={"description_width": "50px"},
        )
        self.picture = widgets.HTML(layout=widgets.Layout(width="auto", max_width="560px"))
        self.table = widgets.HTML(layout=widgets.Layout(width="auto", max_width="100%", overflow="auto"))
        self.view.observe(lambda _: self._draw(), "value")
        self.chosen.observe(lambda _: self._drawn != self._what_to_draw() and self._draw(), "value")

        # Hidden, not absent: the browser's view of it is what ticks.
        self.clock = widgets.Play(value=0, min=0, max=10**9, step=1, interval=60, layout=widgets.Layout(display="none"))
        self.clock.observe(self._on_tick, "value")

        row = widgets.Layout(display="flex", flex_flow="row wrap", width="100%")
        choices = (self.model, self.data, self.optimizer, self.lr, self.augmentation, self.epochs, self.batch_size)
        self.panel = widgets.VBox(
            [
                widgets.Box(choices, layout=row),
                widgets.Box([self.train_button, self.stop_button, self.clear_button], layout=row),
                self.bar,
                self.status,
                self.message,
                widgets.Box([self.view, self.chosen], layout=row),
                self.picture,
                self.table,
                self.clock,
            ],
            layout=widgets.Layout(width="100%", max_width="720px"),
        )

    def _on_tick(self, _: Any) -> None:
        run = self.current
        if run is None:
            self._set_playing(False)
        elif self._busy.acquire(blocking=False):
            try:
                self._advance(run)
            finally:
                self._busy.release()

    def _on_optimizer(self, change: Any) -> None:
        self.lr.value = _START_LR.get(change["new"], 1e-3)

    def _set_playing(self, playing: bool) -> None:
        # ipywidgets 7 keeps the same trait under a private name.
        name = "playing" if self.clock.has_trait("playing") else "_playing"
        setattr(self.clock, name, playing)

    def _say(self, message: str) -> None:
        """An error on the panel, in words; "" takes it away."""
        self._message = message
        box = f"border-left:4px solid {css('red')};padding:0.25rem 0.75rem;line-height:1.4;overflow-wrap:anywhere"
        inside = f'<div role="alert" style="{box}">{html.escape(message)}</div>' if message else ""
        self.message.value = inside

    def _set_status(self, text: str) -> None:
        self._status_text = text
        self.status.value = _status(text)

    def _refresh_runs(self) -> None:
        self.table.value = _table(self.runs)
        options = [(run.label, run.number) for run in self.runs]
        if list(self.chosen.options) != options:
            self.chosen.options = options
            if options:
                self.chosen.value = options[-1][1]

    def _chosen_run(self) -> LabRun | None:
        return next((run for run in self.runs if run.number == self.chosen.value), self.runs[-1] if self.runs else None)

    @property
    def _curves_shown(self) -> bool:
        return self.view.value in ("Accuracy", "Loss")

    def _what_to_draw(self) -> tuple:
        """All that the picture depends on."""
        chosen = self._chosen_run()
        about = [run for run in self.runs if self._curves_shown or run is chosen]
        return (self.view.value, *((run.number, run.state, len(run.history)) for run in about))

    def _is_stale(self) -> bool:
        """Whether the picture should be drawn again: something is new, and drawing takes no more than a sixth."""
        since = time.monotonic() - self._drawn_at
        if since < 5 * self._drawing_took:
            return False
        moving = self._curves_shown and since > _REDRAW_SECONDS
        return moving or self._drawn != self._what_to_draw()

    def _draw(self) -> None:
        begun = time.monotonic()
        chosen = self._chosen_run()
        self._drawn = self._what_to_draw()
        self.chosen.layout.display = "none" if self._curves_shown or len(self.runs) < 2 else ""
        try:
            self.picture.value = lab_pictures.draw(self.view.value, self.runs, chosen)
        except Exception as error:  # a picture that fails must not end a training
            self._say(f"The picture could not be drawn: {error}")
        self._drawn_at = time.monotonic()
        self._drawing_took = self._drawn_at - begun


def somebody_there() -> bool:
    """Whether a person may be looking: the request being executed allows input, or this is Colab."""
    if "google.colab" in sys.modules:
        return True
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))


def _progress_text(run: LabRun) -> str:
    done, of = len(run.history), run.settings.epochs
    best = f"Test accuracy {run.history[-1]['test_accuracy']:.1%}." if run.history else ""
    if run.state == "training":
        left = run.trainer.seconds_left
        time_left = "" if left is None else f", about {duration(left)} left"
        share = f"{run.trainer.fraction:.0%}"
        return f"Run {run.number}: epoch {min(done + 1, of)} of {of}, {share}{time_left}. {best}".strip()
    how = {"finished": "finished", "stopped": "stopped", "failed": "ended by an error"}[run.state]
    return f"Run {run.number} {how} after {done} of {of} epochs. {best}".strip()


def _status(text: str) -> str:
    return f'<div role="status" class="cnnlab-lab-status" style="line-height:1.4">{html.escape(text)}</div>'


def _table(runs: Sequence[LabRun]) -> str:
    if not runs:
        return ""
    head = ("run", "model", "data", "optimizer", "rate", "augment", "batch", "epochs", "test", "training", "")
    cell = "padding:0.15rem 0.5rem;text-align:left;white-space:nowrap"
    rows = []
    for run in runs:
        s = run.settings
        swatch = f'<span style="color:{css(lab_pictures.color_of(run.number))}" aria-hidden="true">&#9632;</span> '
        last = run.history[-1] if run.history else None
        test, train = (_percent(last and last[f"{part}_accuracy"]) for part in ("test", "train"))
        values = (s.model, s.data, s.optimizer, f"{s.lr:g}", s.augmentation, s.batch_size)
        values += (f"{len(run.history)}/{s.epochs}", test, train, run.state)
        cells = "".join(f'<td style="{cell}">{html.escape(str(value))}</td>' for value in values)
        rows.append(f'<tr><th scope="row" style="{cell}">{swatch}{run.number}</th>{cells}</tr>')
    heads = "".join(f'<th scope="col" style="{cell};opacity:0.75">{name}</th>' for name in head)
    return (
        '<div class="cnnlab-figure" style="overflow-x:auto" tabindex="0" role="region" aria-label="Runs">'
        f'<table style="border-collapse:collapse;line-height:1.4"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _percent(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.1%}"


def _known_models(names: Sequence[str]) -> list[str]:
    from cnnlab.models import model_info

    chosen = _list("models", names)
    for name in chosen:
        model_info(name)  # raises, and names the nearest
    return chosen


def _known_optimizers(names: Sequence[str]) -> list[str]:
    from cnnlab.errors import unknown_name
    from cnnlab.training.optimizers import DEFAULT_LR

    chosen = _list("optimizers", names)
    for name in chosen:
        if name not in DEFAULT_LR:
            raise unknown_name("optimizers", name, DEFAULT_LR)
    return chosen


def _list(argument: str, names: Sequence) -> list:
    if isinstance(names, str) or not names:
        raise ValueError(f"{argument}={names!r}: give a list of one or more names.")
    return list(names)
