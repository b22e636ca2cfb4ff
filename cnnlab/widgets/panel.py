"""An explorer declared as its controls: what each may be, what it is called, and which settings are worth a look.

The declaration is a `Panel` in ``cnnlab/chapters/<chapter>/<name>.py``. The view beside it, ``<name>.js``, is a pure
function of the state: it reads no page and keeps nothing. Checks, messages, controls, presets, keyboard, pointer,
speech, resizing and the text alternative come from here and from ``static/panel.js``. In Python::

    PANEL = Panel(
        "name",
        title="...",
        controls=(Slider("n", 1, 9, "input"), Toggle("counts", "Counts"), Pick("picture", "Pixels. The arrow keys ...",
                  sets=("x", "y")), Steps("play", loop=True)),
        alt=lambda n, counts: f"... At the start there are {n}.",
        room=215,                        # letters of the longest text; hint=135: of the longest hint
        presets={"Two": {"n": 2}},       # any part of the state
        variables={"x": 0, "y": 0},      # state without a control of its own, and where it starts
    )
    PANEL(n=3, counts=False, key=key)    # PANEL(..., x=2, data={...}, alt="...") where the caller decides

In JavaScript::

    import { panel, picking, sliding, stepping, toggling } from "../../widgets/static/panel.js";
    const view = ({ n, counts, x, y }, width, data, colors) => ({ ... });
    export const explore = panel(view, { kinds: { sliding, toggling, picking, stepping }, limits, steps, layout });

What a view returns, all of it but ``text`` optional (and if ever, then always):

- ``text``, the sentences that are spoken; ``hint``; ``picture`` (of core's ``sized`` and ``svg``); ``facts`` ([[name,
  value]]); ``parts`` ({name: what stands in ``own.part(name)``}). A node with the attributes ``pressing({by: 3},
  "key")`` sets that when it is pressed; ``focus`` is the key that gets the focus when a part that had it is drawn anew,
  else the key that had it, the part's first, or the picture.
- ``place(px, py, wide, tall, name)``: what the pointer sets there ({x, y}) or null, in pixels of the part ``name``, a
  `Pick` or one that ``own.part`` made with ``hover`` False (pressing) or True (also moving); ``leave``: what it sets
  when it leaves (with ``presses``);
- ``images`` ({name: {width, height, data}}): RGBA for ``own.part(name, {}, "canvas")``, not painted again while
  ``data`` is the same array; ``glide({x, y})`` draws what moves, with the places in between;
- ``cells`` ({name of a `Numbers`: attributes of each field}).

The options of ``panel``, all but ``kinds`` and ``layout`` optional, all pure:

- ``kinds``: the makers of the controls declared, imported from panel.js, so that an output carries no other: sliding
  (for `Slider`), choosing (`Choice`), listing (`Select`), toggling (`Toggle`), counting (`Count`), typing (`Numbers`),
  searching (`Search`), picking (`Pick`), stepping (`Steps`), drawing of pad.js (`Pad`), and photographing of camera.js
  (`PhotoInput`);
- ``limits(state, data)`` -> {name: {low, high, values, hidden}}: what a control offers now; values are put within;
- ``settle(state, moved, data)`` -> what else changes with it; ``moved`` names the control, or is "preset" or "place";
- ``steps(state, data)`` -> {count, at, to(number) -> change, end}: for a `Steps`; ``end`` is where Finish goes;
- ``move(state, dx, dy, shift, name, data, width)`` -> change: a `Pick`'s arrow keys, where they do not add to its
  variables;
- ``decode(data)``: once, what the view gets as ``data``;
- ``also``: [painting, gliding, scrolling] from panel.js, where the view returns ``images``, ``glide`` or ``scroll``
  ({part: [top, bottom]}, what is kept in view); ``presses``: that of panel.js, where it uses ``pressing``;
- ``layout(own)`` -> nodes, of ``own.presets(...)``, ``.sliders``, ``.choices``, ``.steps``, ``.picture``, ``.text``,
  ``.hint``, ``.facts``, ``.control(name)``, ``.bar(...names or nodes)``, ``.part(name, attrs, tag, hover)``,
  ``.set(change)``, ``.data``. A `Pick` called "picture" is ``own.picture``; under another name it is ``own.control``.

Arithmetic is exported by the view's module and tested in Node (``tests/test_explorer_arithmetic.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer, whole

__all__ = [
    "Control",
    "Slider",
    "Choice",
    "Select",
    "Toggle",
    "Count",
    "Numbers",
    "Search",
    "Pick",
    "Steps",
    "Pad",
    "PhotoInput",
    "Panel",
]


class Control:
    """What stands in a panel. ``kind`` names its maker in ``static/panel.js``."""

    kind: ClassVar[str]
    holds: ClassVar[bool] = True  # whether the state has a value of its name

    def declared(self) -> dict[str, Any]:
        """What the script is told: every field but those left as they are."""
        said = {own.name: getattr(self, own.name) for own in fields(self) if own.name != "why"}
        left = {own.name: own.default for own in fields(self)}
        if "options" in said:
            said["options"] = [*self.options.items()]
        return {"kind": self.kind} | {name: value for name, value in said.items() if value != left[name]}


@dataclass(frozen=True)
class Slider(Control):
    """A number from ``low`` to ``high``. ``symbol`` and ``color`` tie it to a formula; ``why`` ends the error message.

    A ``step`` of 1 means whole numbers; ``decimals`` is how many are shown, None as few as tell it; ``unit`` follows.
    With ``values`` it offers these instead (and ``low``, ``high`` are their ends).
    """

    kind = "sliding"
    name: str
    low: float
    high: float
    label: str
    symbol: str = ""
    color: str = ""
    step: float = 1
    decimals: int | None = 0
    unit: str = ""
    values: tuple[float, ...] | None = None
    why: str = ""

    def checked(self, value: Any) -> float:
        """The value if the slider offers it, else a ValueError."""
        if self.values is not None:
            if isinstance(value, bool) or value not in self.values:
                offered = ", ".join(map(str, self.values))
                raise ValueError(f"{self.name}={value!r} is not offered; choose among {offered}. {self.why}".rstrip())
            return value
        if self.step == 1:
            return whole(self.name, value, int(self.low), int(self.high), self.why)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError(
                f"{self.name}={value!r} is not from {self.low} to {self.high}, which is what the slider offers."
            )
        return value


@dataclass(frozen=True)
class Choice(Control):
    """One of several values, as buttons of which one is down. ``options``: value -> what its button says."""

    kind = "choosing"
    name: str
    label: str
    options: Mapping[Any, str]

    def checked(self, value: Any) -> Any:
        """The value if it is offered, else a ValueError."""
        if value not in self.options:
            raise unknown_name(self.name, value, self.options)
        return value


@dataclass(frozen=True)
class Select(Choice):
    """One of many values, in a list that opens. With ``hidden`` the label is only spoken."""

    kind = "listing"
    hidden: bool = False


@dataclass(frozen=True)
class Toggle(Control):
    """True or False: a button that stays down."""

    kind = "toggling"
    name: str
    label: str

    def checked(self, value: Any) -> bool:
        """The value if it is True or False, else a ValueError."""
        if not isinstance(value, bool):
            raise ValueError(f"{self.name}={value!r} is neither True nor False; give one of them.")
        return value


@dataclass(frozen=True)
class Count(Control):
    """A whole number that two buttons raise and lower: "Add a layer", "Remove the last"."""

    kind = "counting"
    name: str
    low: int
    high: int
    more: str
    less: str

    def checked(self, value: Any) -> int:
        """The value if it is allowed, else a ValueError."""
        return whole(self.name, value, self.low, self.high)


@dataclass(frozen=True)
class Numbers(Control):
    """A grid of numbers to type: the state has a list, row by row.

    ``names`` are what a screen reader calls the fields (else a square kernel's "weight, row 1, column 2"); ``chosen``
    is the variable that holds which field had the focus last; ``decimals`` is how many are written at most.
    """

    kind = "typing"
    name: str
    low: float
    high: float
    label: str
    step: float | None = None
    decimals: int = 2
    names: tuple[str, ...] | None = None
    chosen: str = ""

    def checked(self, value: Any) -> list[float]:
        """The numbers as a list if all are within the limits, else a ValueError."""
        for number, own in enumerate(value):
            if isinstance(own, bool) or not isinstance(own, int | float) or not self.low <= own <= self.high:
                raise ValueError(f"{self.name}[{number}]={own!r} is not a number from {self.low} to {self.high}.")
        return list(value)


@dataclass(frozen=True)
class Search(Control):
    """A field for words to look for."""

    kind = "searching"
    name: str
    label: str
    placeholder: str = ""

    def checked(self, value: Any) -> str:
        """The value if it is text, else a ValueError."""
        if not isinstance(value, str):
            raise ValueError(f"{self.name}={value!r} is not text; give the words to look for.")
        return value


@dataclass(frozen=True)
class Pick(Control):
    """A picture that can hold the focus: arrow keys and the pointer set the variables ``sets``.

    The frame stays while what is in it is drawn anew. Without ``hover`` only a press counts. ``role`` is "group" where
    what stands in it takes the focus.
    """

    kind = "picking"
    holds = False
    name: str
    label: str
    sets: tuple[str, ...]
    hover: bool = True
    role: str = "application"


@dataclass(frozen=True)
class Steps(Control):
    """A row to step and play: Back, Next, Play, the end, and "step 3 of 12". With ``loop`` it goes around."""

    kind = "stepping"
    holds = False
    name: str
    ms: int = field(default=650, kw_only=True)
    loop: bool = False
    finish: str = "Finish"


@dataclass(frozen=True)
class Pad(Control):
    """A square to draw on, with mouse, finger or keys. The state has its strokes, each [x, y, x, y, ...] from 0 to 1.

    ``pen`` is the variable that holds [x, y, whether it is down], which the arrow keys move and the space bar lowers.
    """

    kind = "drawing"
    name: str
    label: str
    pen: str

    def checked(self, value: Any) -> list[list[float]]:
        """The strokes as lists if they are pairs of numbers from 0 to 1, else a ValueError."""
        for number, stroke in enumerate(value):
            pairs = len(stroke) >= 2 and len(stroke) % 2 == 0
            if not pairs or any(
                isinstance(v, bool) or not isinstance(v, int | float) or not 0 <= v <= 1 for v in stroke
            ):
                raise ValueError(
                    f"{self.name}[{number}]={stroke!r} is no stroke; give x, y, x, y, ..., each from 0 to 1."
                )
        return [list(stroke) for stroke in value]


@dataclass(frozen=True)
class PhotoInput(Control):
    """A button on which a photograph of the reader's is chosen, dropped or pasted, and one for the camera.

    The view's state gets it as ``own`` ({key, data, width, height, name}; RGBA, upright, on white), ``picture`` becomes
    "", and what cannot be read is told in ``problem``: three variables of the panel.
    """

    kind = "photographing"
    holds = False
    name: str
    label: str


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
        hint: the same for the hint; 0 where there is none.
        trying: what a screen reader calls the presets.
        variables: state that no control holds -> its value at the start.

    Raises:
        ValueError: in a call, for a value that a control does not offer; in a declaration, for a preset that one
            does not offer or that names no control.
    """

    name: str
    title: str
    controls: tuple[Control, ...]
    alt: Callable[..., str]
    room: int
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hint: int = 0
    trying: str = "Settings to try"
    variables: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {control.name: control for control in self.controls if control.holds}
        for preset, values in self.presets.items():
            for name, value in values.items():
                if name in known:
                    known[name].checked(value)
                elif name not in self.variables:
                    raise unknown_name(f"a control of preset {preset!r}", name, [*known, *self.variables])

    def __call__(self, *, key: str | None = None, data: Any = None, alt: str | None = None, **values: Any) -> Explorer:
        held = {control.name: control.checked(values.pop(control.name)) for control in self.controls if control.holds}
        state = held | {name: values.pop(name, start) for name, start in self.variables.items()}
        if values:
            raise unknown_name("a control", next(iter(values)), state)
        params = {
            "state": state,
            "controls": [control.declared() for control in self.controls],
            "presets": [*self.presets.items()],
            "room": self.room,
            "hint": self.hint,
            "trying": self.trying,
        }
        return Explorer(
            self.name,
            params if data is None else params | {"data": data},
            key=key,
            title=self.title,
            alt=self.alt(**held) if alt is None else alt,
        )
