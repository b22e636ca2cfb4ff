"""What the labs that train have in common: what Train, Stop and their like do.

Ticks. The page asks for one tick after another (see ``clocks``); each trains for about 0.2 s through
``Trainer.run_for`` and then updates bar, text and curves. Between two ticks the kernel hears everything else, Stop
included. A browser slows the ticks of a hidden tab. Two ways need no clock: `Lab.train_one_epoch`, which hears
nothing until the epoch ends, and `Lab.run_in_cell`, ended by the notebook's interrupt button.

Where nobody sits in front of the kernel, displaying a lab gives its poster (see ``poster``).
`Lab.show` shows the widgets in any case.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from cnnlab.widgets.lab.choices import check_start, explain, known_optimizers
from cnnlab.widgets.lab.clocks import choose_clock
from cnnlab.widgets.lab.interrupts import hear_interrupts
from cnnlab.widgets.lab.panel import Panel, progress_text
from cnnlab.widgets.lab.poster import Offer, somebody_there
from cnnlab.widgets.lab.runs import LabRun, Settings, State, train_tick

if TYPE_CHECKING:
    from typing import Self

    from cnnlab.training import Run
    from cnnlab.widgets.lab.runs import Task

__all__ = ["Lab"]


class Lab:
    """A panel that trains networks while you watch; what it trains, and on what, its subclasses say.

    Args:
        models, datasets, optimizers: what the menus offer, by name.
        epochs, batch_size: what the panel starts with.
        seed: of the parameters and of the order of the pictures, the same for every run.
        pretrained, start, trains: as for :class:`Panel`.

    Attributes:
        runs: a `LabRun` for each training; ``lab.runs[-1].run.plot()`` goes on in code.
        panel: the widgets, an ipywidgets box.
        clock: what makes the training go on in the front end at hand.

    Raises:
        ValueError: an unknown optimizer, or a start that the panel does not offer.
    """

    task: ClassVar[Task]  # what is measured and drawn
    _latest: ClassVar[Lab | None] = None

    def __init__(
        self,
        models: Sequence[str],
        datasets: Sequence[str],
        optimizers: Sequence[str],
        *,
        epochs: int,
        batch_size: int,
        seed: int,
        pretrained: Sequence[str] = (),
        start: str = "fresh",
        trains: str = "all",
    ) -> None:
        self.seed = seed
        self.runs: list[LabRun] = []
        self._models, self._datasets = list(models), list(datasets)
        optimizers = known_optimizers(optimizers)
        check_start(epochs, batch_size)
        self._count = 0
        self._slowest = 0.0  # seconds of the present run's longest tick
        self._interrupted = False  # while data loaded
        # A kernel may deliver widget messages on a thread of their own while a cell runs: who trains holds this.
        self._busy = threading.Lock()
        self.clock = choose_clock()(press=self.train, pause=self.stop, tick=self._on_tick)
        self.panel = Panel(
            self._models,
            self._datasets,
            optimizers,
            epochs=epochs,
            batch_size=batch_size,
            clock=self.clock,
            task=self.task,
            lab=type(self).__name__,
            pretrained=pretrained,
            start=start,
            trains=trains,
        )
        self.panel.stop.on_click(lambda _: self.stop())
        self.panel.one_epoch.on_click(lambda _: self.train_one_epoch())
        self.panel.clear.on_click(lambda _: self.clear())
        hear_interrupts(self)
        type(self)._latest = self

    # What a lab is made of

    def _make(self, number: int, settings: Settings) -> LabRun:
        """Network, data and trainer for a run, which has yet to begin."""
        raise NotImplementedError

    def _offer(self) -> Offer:
        """What the poster says of the menus."""
        return Offer(self._models, self._datasets, self.panel.optimizer.value, self.panel.lr.value)

    def _poster(self) -> str:
        """What stands for the panel where no kernel is behind the page, as HTML."""
        raise NotImplementedError

    # What a reader calls

    @classmethod
    def latest(cls) -> Self:
        """The lab that was made or used last: the panel above, where the cell that shows it did not keep it.

        Raises:
            RuntimeError: there is none yet.
        """
        latest = cls.__dict__.get("_latest")
        if latest is None:
            raise RuntimeError(
                f"There is no {cls.__name__} yet in this kernel. Run the cell that shows one, or make one."
            )
        return latest

    @property
    def settings(self) -> Settings:
        """The choices on the panel now."""
        return self.panel.settings

    @property
    def current(self) -> LabRun | None:
        """The run that is training now, if any; it may wait for the clock."""
        return self.runs[-1] if self.runs and self.runs[-1].state == "training" else None

    def train(self) -> None:
        """What Train does: begin a run with the present settings, or go on with the one that waits.

        The clock drives it. Where only a press on the panel's own Train button starts that clock, this begins the run
        and says so there.
        """
        if self.current is None and not self._begin():
            self.clock.stop()
            return
        if self.clock.start():
            self._allow(train=False, stop=True)
            self._beat(f"Run {self.runs[-1].label}: starting.")
        else:
            self._wait("Press Train on the panel")

    def train_one_epoch(self) -> None:
        """What One epoch now does: train to the end of the epoch in progress, or of a new run's first, without a clock.

        Nothing else is heard until then, Stop included; the kernel's interrupt button is.
        """
        if (self.current is None and not self._begin()) or not self._busy.acquire(blocking=False):
            return
        run = self.runs[-1]
        try:
            end = run.trainer.epoch + 1
            self._allow(train=False, stop=False)
            while self._advance(run, end) and run.trainer.epoch < end:
                pass
        finally:
            self._busy.release()
        if self._ended_meanwhile(run):
            return
        if self.clock.running:
            self._allow(train=False, stop=True)
        else:
            self._refresh(run)
            self._wait("One epoch now or Train")

    def stop(self) -> None:
        """What Stop does: end the run after the present tick; its history stays. Without a run: nothing."""
        run = self.current
        self.clock.stop()
        if run is None:
            return
        run.trainer.stop()
        if self._busy.acquire(blocking=False):
            try:
                self._ended_meanwhile(run)
            finally:
                self._busy.release()
        # Else a tick is under way on another thread: it ends the run, and then says with what.

    def interrupted(self) -> None:
        """The kernel's interrupt button, where it raises nothing: stop at the end of the batch, or of the loading."""
        self._interrupted = True
        if self.current is not None:
            self.current.trainer.stop()

    def clear(self) -> None:
        """Forget all runs that are not training."""
        self.runs = [run for run in self.runs if run.state == "training"]
        self.panel.say_message("")
        if not self.runs:
            self._count = 0
            self.panel.bar.value, self.panel.bar.bar_style = 0.0, ""
            self.panel.say_status("Ready.")
        self.panel.show_runs(self.runs)
        self.panel.draw(self.runs)

    def run_in_cell(self) -> Run | None:
        """Train one run with the present settings in this cell, at full speed; the interrupt button ends it.

        The panel, where it is shown, follows along; the cell shows the curves too.

        Returns:
            The record of the run (also in ``self.runs``), or None when it could not begin (the reason is printed).
        """
        from IPython.display import display

        self.stop()
        if not self._begin():
            print(self.panel.said[1] or "Interrupted before the training began.")
            return None
        run = self.runs[-1]
        self._allow(train=False, stop=True)
        shown = display(self._cell_output(), raw=True, display_id=True)
        drawn = self.panel.drawn_at
        with self._busy:
            try:
                while self._advance(run):
                    if shown is not None and drawn != self.panel.drawn_at:
                        drawn = self.panel.drawn_at
                        shown.update(self._cell_output(), raw=True)
            except KeyboardInterrupt:  # between two ticks
                run.trainer.stop()
        self._ended_meanwhile(run)
        if shown is not None:
            shown.update(self._cell_output(), raw=True)
        if run.state == "failed":
            print(self.panel.said[1])
        return run.run

    def show(self) -> None:
        """Show the widgets, whatever is in front of this kernel."""
        from IPython.display import HTML, display

        before = self.clock.markup()
        if before:
            display(HTML(before))
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
        return {"text/plain": repr(self), "text/html": self._poster()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(models={self._models!r}, datasets={self._datasets!r})"

    def _cell_output(self) -> dict[str, str]:
        status = self.panel.said[0]
        return {"text/plain": status, "text/html": f"{self.panel.picture.value}<p>{html.escape(status)}</p>"}

    # One run

    def _begin(self) -> bool:
        """Make model, data and trainer; False, with the reason on the panel, where that fails or is interrupted."""
        type(self)._latest = self
        settings = self.settings
        self.panel.say_message("")
        self.panel.say_status(f"Loading {settings.data} ...")
        self._allow(train=False, stop=False)
        self.panel.one_epoch.disabled = True
        self._interrupted = False
        try:
            run = self._make(self._count + 1, settings)
            if self._interrupted:
                raise KeyboardInterrupt
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, Exception):
                self.panel.say_message(explain(error, settings, self._datasets))
            self.panel.say_status("Ready.")
            self._allow(train=True, stop=False)
            return False
        finally:
            self.panel.one_epoch.disabled = False
        self._count, self._slowest = run.number, 0.0
        self.runs.append(run)
        self.panel.bar.value, self.panel.bar.bar_style = 0.0, "info"
        self.panel.say_status(f"Run {run.label}: starting.")
        self.panel.show_runs(self.runs)
        self.panel.draw(self.runs)
        return True

    def _on_tick(self) -> None:
        run = self.current
        if run is None:
            self.clock.stop()
        elif self._busy.acquire(blocking=False):
            try:
                self._advance(run)
            finally:
                self._busy.release()
            self._ended_meanwhile(run)

    def _advance(self, run: LabRun, epoch: int | None = None) -> bool:
        """Train for one tick and bring the panel up to date; False when the run is over.

        A tick trains or draws, so that Stop waits for the longer of the two and never for both.

        Args:
            run: the run.
            epoch: not beyond this many finished epochs.
        """
        begun = time.monotonic()
        try:
            if self.panel.is_stale(self.runs):
                self.panel.show_runs(self.runs)
                self.panel.draw(self.runs)
                return True
            more = train_tick(run.trainer, epoch)
        except KeyboardInterrupt:  # the kernel's interrupt button is a Stop
            run.trainer.stop()
            more = False
        except Exception as error:
            self.panel.say_message(explain(error, run.settings, self._datasets))
            self._end(run, "failed")
            return False
        self._slowest = max(self._slowest, time.monotonic() - begun)
        if not more:
            self._end(run, "stopped" if run.run.stopped else "finished")
            return False
        self._refresh(run)
        return True

    def _ended_meanwhile(self, run: LabRun) -> bool:
        """End a run whose trainer has been told to stop, if nobody has yet. Whether the run is over."""
        if run.state == "training" and run.run.stopped:
            self._end(run, "stopped")
        return run.state != "training"

    def _end(self, run: LabRun, state: State) -> None:
        self.clock.stop()
        run.state = state
        self._allow(train=True, stop=False)
        self.panel.bar.bar_style = {"finished": "success", "stopped": "warning", "failed": "danger"}[state]
        self._refresh(run)
        self.panel.show_runs(self.runs)
        self.panel.draw(self.runs)

    def _allow(self, *, train: bool, stop: bool) -> None:
        """Which buttons may be pressed."""
        self.clock.enable(train)
        self.panel.stop.disabled = not stop

    def _wait(self, goes_on: str) -> None:
        """The run goes on when the reader says so."""
        self._allow(train=True, stop=True)
        run = self.runs[-1]
        done = f"{len(run.history)} of {run.settings.epochs} epochs done"
        self.panel.say_status(f"Run {run.number} waits, {done}. {goes_on} goes on, Stop ends it.")

    def _refresh(self, run: LabRun) -> None:
        self.panel.bar.value = 1.0 if run.state == "finished" else run.trainer.fraction
        self._beat(progress_text(run))

    def _beat(self, status: str) -> None:
        """The status, which the page takes for a sign of life while the clock runs."""
        self.panel.say_status(status, late_after=3 * self._slowest if self.clock.running else None)
