"""What makes a training go on: the page that shows the lab asks for one short tick after another.

A kernel does one thing at a time, so a loop inside a button's callback would not hear Stop until it ended. Threads are
no way out: Colab does not deliver what their widgets say (googlecolab/colabtools#3373). So the page keeps time. How it
can be made to differs, and is chosen by what is there (`choose_clock`):

- `StartedClock`, ipywidgets 8 (JupyterLab 4, Notebook 7, VS Code): a hidden ``Play``, which starts when Python sets
  ``playing``.
- `PressedClock`, ipywidgets 7 (classic Notebook 6): there nothing comes of setting ``_playing`` in Python; only a press
  on the ``Play``'s own button starts it. So that button, dressed up, is the lab's Train button.
- `ColabClock`, Google Colab: a button and a script of our own, which calls the kernel through Colab's documented
  ``google.colab.output.register_callback`` and ``google.colab.kernel.invokeFunction``.

`StartedClock` can be started from Python; with the other two somebody has to press Train.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import ipywidgets as widgets

from cnnlab.draw.palette import css

__all__ = ["BUTTON_STYLE", "Clock", "StartedClock", "PressedClock", "ColabClock", "choose_clock"]

# Milliseconds between two ticks of a Play: short beside a tick's work, long enough for the kernel to hear the rest.
_INTERVAL = 60
_LAST = 10**9
_BUTTON = {"width": "auto", "min_width": "84px"}
_serial = itertools.count(1)

# Our own button, and the first button of a Play where it is the lab's Train button.
_LOOK = (
    f"background:{css('blue')};color:{css('paper')};border:none;border-radius:2px;height:28px;line-height:28px;"
    "min-width:84px;padding:0 10px;font-size:13px;cursor:pointer"
)
BUTTON_STYLE = (
    f".cnnlab-lab-train,.cnnlab-lab-play button:first-child{{{_LOOK}}}"
    ".cnnlab-lab-train:disabled,.cnnlab-lab-play button:first-child:disabled{opacity:0.6;cursor:default}"
    ".cnnlab-lab-play button:not(:first-child){display:none}"
    '.cnnlab-lab-play button:first-child::after{content:"\\00a0 Train" / "Train"}'
    '.cnnlab-lab-play .fa-play::before{content:"\\f04b" / ""}'  # for the eye alone
)


class Clock:
    """Asks for ticks while it runs.

    Args:
        press: called when the reader presses Train.
        pause: called when the reader stops the clock itself (a Play that shows its pause button).
        tick: called for each tick.

    Attributes:
        control: the widget by which the reader trains, for the row of buttons.
        hidden: widgets that the page must have, though nobody sees them.
    """

    control: widgets.Widget
    hidden: tuple[widgets.Widget, ...] = ()

    def __init__(self, press: Callable[[], None], pause: Callable[[], None], tick: Callable[[], None]) -> None:
        self._press, self._pause, self._tick = press, pause, tick

    @property
    def running(self) -> bool:
        """Whether ticks are to be expected."""
        raise NotImplementedError

    def start(self) -> bool:
        """Begin to tick; False where only a press on ``control`` does that."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the ticks; one that is under way may still arrive."""
        raise NotImplementedError

    def enable(self, on: bool) -> None:
        """Whether Train may be pressed."""
        self.control.disabled = not on

    def markup(self) -> str:
        """HTML that has to be displayed before the panel, or ""."""
        return ""


class _PlayClock(Clock):
    """What the two clocks made of a Play have in common."""

    def __init__(self, **callbacks: Callable[[], None]) -> None:
        super().__init__(**callbacks)
        self.play = widgets.Play(value=0, min=0, max=_LAST, step=1, interval=_INTERVAL)
        # ipywidgets 7 keeps these traits under private names.
        self._playing = "playing" if self.play.has_trait("playing") else "_playing"
        self.play.observe(self._on_value, "value")

    @property
    def running(self) -> bool:
        return getattr(self.play, self._playing)

    def stop(self) -> None:
        setattr(self.play, self._playing, False)

    def _on_value(self, change: Any) -> None:
        if self.running:
            self._tick()


class StartedClock(_PlayClock):
    """A hidden Play, started from Python."""

    def __init__(self, **callbacks: Callable[[], None]) -> None:
        super().__init__(**callbacks)
        self.play.layout.display = "none"  # hidden, not absent: the page's view of it is what ticks
        self.hidden = (self.play,)
        self.control = widgets.Button(
            description="Train", button_style="primary", icon="play", layout=widgets.Layout(**_BUTTON)
        )
        self.control.on_click(lambda _: self._press())

    def start(self) -> bool:
        setattr(self.play, self._playing, True)
        return True


class PressedClock(_PlayClock):
    """A Play whose own button is the Train button."""

    def __init__(self, **callbacks: Callable[[], None]) -> None:
        super().__init__(**callbacks)
        if self.play.has_trait("show_repeat"):
            self.play.show_repeat = False
        self.play.add_class("cnnlab-lab-play")  # the panel's style shows its first button alone, with the word Train
        self.play.layout = widgets.Layout(**_BUTTON)
        self.control = self.play
        self._ours = self._accepted = False
        self.play.observe(self._on_playing, self._playing)

    def start(self) -> bool:
        self._accepted = self.running
        return self._accepted

    def stop(self) -> None:
        self._ours, self._accepted = True, False
        try:
            super().stop()
        finally:
            self._ours = False

    def _on_value(self, change: Any) -> None:
        # A busy page sends the press and the first tick in one message, and the tick may be heard first.
        if self._accepted:
            super()._on_value(change)

    def _on_playing(self, change: Any) -> None:
        if not self._ours:
            (self._press if change["new"] else self._pause)()


class ColabClock(Clock):
    """A button and a script in the cell's output, which call the kernel through Colab's own functions."""

    def __init__(self, **callbacks: Callable[[], None]) -> None:
        super().__init__(**callbacks)
        self.name = f"cnnlab-lab-{next(_serial)}"
        self._shown = itertools.count(1)
        self._running = self._pressed = False
        self.control = widgets.Box()  # the script puts its button here; else it stays above the panel
        self.control.add_class(self.name)

    @property
    def running(self) -> bool:
        return self._running

    def start(self) -> bool:
        self._running = self._pressed
        return self._running

    def stop(self) -> None:
        self._running = False

    def enable(self, on: bool) -> None:
        """Nothing: the script knows from the answers whether its button may be pressed."""

    def markup(self) -> str:
        from google.colab import output

        output.register_callback(self.name, self._called)
        element = f"{self.name}-output-{next(self._shown)}"
        script = files("cnnlab.widgets.lab").joinpath("colab_clock.js").read_text(encoding="utf-8")
        setup = json.dumps({"id": element, "name": self.name, "place": self.name})
        return (
            f'<div id="{element}" class="cnnlab-lab-colab" hidden>'
            '<button type="button" class="cnnlab-lab-train"><span aria-hidden="true">&#9654;</span> Train</button> '
            '<em role="status"></em></div>'
            f"<style>{BUTTON_STYLE}</style><script>{script.replace('SETUP);', f'{setup});')}</script>"
        )

    def _called(self, what: str) -> Any:
        """The script asks for "train" once, then for "tick" as long as it hears that the clock is running."""
        from IPython.display import JSON

        if what == "train":
            self._pressed = True
            try:
                self._press()
            finally:
                self._pressed = False
        elif self._running:
            self._tick()
        return JSON({"running": self._running})


def choose_clock() -> type[Clock]:
    """The clock that ticks in the front end at hand, by what this kernel has loaded."""
    if "google.colab" in sys.modules:
        return ColabClock
    return PressedClock if int(widgets.__version__.split(".")[0]) < 8 else StartedClock
