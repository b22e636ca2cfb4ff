"""An explorer declared as its controls: what each may be, what it is called, and which settings are worth a look.

The view beside the declaration is a pure function ``(state, width) -> {text, picture}``; checks, messages, sliders,
presets, keyboard and resizing come from here and from ``static/panel.js``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer, whole


@dataclass(frozen=True)
class Slider:
    """A number from ``low`` to ``high``. ``symbol`` and ``color`` tie it to a formula; ``why`` ends the error message.

    A ``step`` of 1 means whole numbers; ``decimals`` is how many are shown.
    """

    name: str
    low: float
    high: float
    label: str
    symbol: str = ""
    color: str = ""
    step: float = 1
    decimals: int = 0
    why: str = ""

    def checked(self, value: Any) -> float:
        """The value if the slider offers it, else a ValueError."""
        if self.step == 1:
            return whole(self.name, value, int(self.low), int(self.high), self.why)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError(
                f"{self.name}={value!r} is not from {self.low} to {self.high}, which is what the slider offers."
            )
        return value


@dataclass(frozen=True)
class Choice:
    """One of several values, as buttons of which one is down. ``options``: value -> what its button says."""

    name: str
    label: str
    options: Mapping[Any, str]

    def checked(self, value: Any) -> Any:
        """The value if there is a button for it, else a ValueError."""
        if value not in self.options:
            raise unknown_name(self.name, value, self.options)
        return value


@dataclass(frozen=True)
class Panel:
    """A declared explorer; called with a value for each control it gives the `Explorer`.

    Args:
        name: the stem of its files in ``cnnlab/chapters/<chapter>``.
        title: the heading, and the name that a screen reader announces.
        controls: in the order in which they stand.
        alt: makes the text alternative out of the controls' values.
        room: letters of the longest text that the view can say, which keep their place.
        presets: name -> the values that it sets.

    Raises:
        ValueError: in a call, for a value that a control does not offer; in a declaration, for a preset that one
            does not offer or that names no control.
    """

    name: str
    title: str
    controls: tuple[Slider | Choice, ...]
    alt: Callable[..., str]
    room: int
    presets: Mapping[str, Mapping[str, Any]]

    def __post_init__(self) -> None:
        known = {control.name: control for control in self.controls}
        for preset, values in self.presets.items():
            for name, value in values.items():
                if name not in known:
                    raise unknown_name(f"a control of preset {preset!r}", name, known)
                known[name].checked(value)

    def __call__(self, *, key: str | None = None, **values: Any) -> Explorer:
        state = {control.name: control.checked(values.pop(control.name)) for control in self.controls}
        if values:
            raise unknown_name("a control", next(iter(values)), state)
        controls = [
            {"kind": "slider"} | {name: value for name, value in asdict(control).items() if name != "why"}
            if isinstance(control, Slider)
            else {"kind": "choice", "name": control.name, "label": control.label, "options": [*control.options.items()]}
            for control in self.controls
        ]
        return Explorer(
            self.name,
            {"state": state, "controls": controls, "presets": [*self.presets.items()], "room": self.room},
            key=key,
            title=self.title,
            alt=self.alt(**state),
        )
