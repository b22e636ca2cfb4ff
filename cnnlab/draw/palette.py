"""The book's colors, once: plots, drawings, explorers and the page's CSS all read them here.

Each color has a light-mode and a dark-mode value. SVG written by this package names a color as
``var(--cnnlab-blue, #2563c9)``: inside the book (and inside our own outputs elsewhere) the variable
follows the page's mode; where nothing defines it, the light value stands.
"""

from __future__ import annotations

__all__ = ["COLORS", "SERIES", "light", "dark", "css", "css_variables"]

# name -> (on light paper, on dark paper); every series color has a contrast of 4.5 or more on its paper.
COLORS: dict[str, tuple[str, str]] = {
    "paper": ("#fdfcf9", "#14181f"),
    "surface": ("#f3f1ea", "#1e242d"),
    "ink": ("#1d2530", "#e2e7ee"),
    "muted": ("#5c6674", "#9aa5b4"),
    "grid": ("#d9d6cc", "#323b47"),
    "blue": ("#2563c9", "#7fb0ff"),
    "orange": ("#ad4a08", "#ffab5e"),
    "green": ("#1c7a48", "#6fd39b"),
    "red": ("#b8325e", "#ff8fb0"),
    "violet": ("#6d4bc3", "#b9a2ff"),
    "teal": ("#0f7680", "#5cd0d8"),
    "gold": ("#856400", "#e6c454"),
    "grey": ("#626c7a", "#9aa4b2"),
}

# The order in which lines and bars take their colors.
SERIES: tuple[str, ...] = ("blue", "orange", "green", "red", "violet", "teal", "gold", "grey")


def light(name: str) -> str:
    """The hexadecimal value on light paper."""
    return COLORS[name][0]


def dark(name: str) -> str:
    """The hexadecimal value on dark paper."""
    return COLORS[name][1]


def css(name: str) -> str:
    """The color as SVG and CSS write it: the page's variable, with the light value as fallback."""
    return f"var(--cnnlab-{name}, {light(name)})"


def css_variables(mode: str) -> str:
    """All variables of one mode ("light" or "dark") as CSS declarations."""
    index = {"light": 0, "dark": 1}[mode]
    return "".join(f"--cnnlab-{name}:{pair[index]};" for name, pair in COLORS.items())
