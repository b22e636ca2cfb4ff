"""The base of every explorer: one piece of HTML that computes live in the reader's browser.

No kernel, no widget machinery and no outside request: the same output works in the built page (over http and
from a file), in JupyterLab and in Colab. What a page without scripts, or a notebook that is not trusted, shows
is the text in ``alt`` and, in a stored output, a picture of the first state (see `cnnlab.widgets.stills`).

An explorer called ``name`` is the file ``static/<name>.js``, which defines ``explore(params)``, with its own
styles in ``static/<name>.css``. ``static/core.js`` and ``static/core.css`` stand in front of each.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from cnnlab.draw.palette import css_variables
from cnnlab.errors import unknown_name

_STATIC = files("cnnlab.widgets") / "static"


@cache
def _names() -> tuple[str, ...]:
    stems = (path.name.removesuffix(".js") for path in _STATIC.iterdir() if path.name.endswith(".js"))
    return tuple(sorted(stem for stem in stems if stem != "core"))


@cache
def _source(file: str) -> str:
    """One static file without its indentation and its whole-line comments, or nothing where there is no such file."""
    path = _STATIC / file
    if not path.is_file():
        return ""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def whole(argument: str, value: object, low: int, high: int, why: str = "") -> int:
    """``value`` if it is a whole number from ``low`` to ``high``, else a ValueError that says so."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(
            f"{argument}={value!r} is not allowed; use a whole number from {low} to {high}. {why}".rstrip()
        )
    return value


def _json(value: object) -> str:
    """JSON that is safe inside <script>: no character in it can end the element or open a comment."""
    try:
        text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"params cannot be written as JSON ({error}). Allowed: dicts, lists, strings, finite numbers, "
            "booleans and None; turn tensors and arrays into lists first."
        ) from error
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@dataclass(frozen=True)
class Explorer:
    """Something to move that needs no kernel; the last line of a cell shows it.

    Args:
        name: which explorer, the stem of a file in ``cnnlab/widgets/static``.
        params: what its script gets, as JSON-like values.
        key: a word of your own that tells two explorers with equal parameters apart on one page.
        alt: one or two sentences that say what it shows; the text where scripts do not run.
        title: the heading, and the name that a screen reader announces.

    Raises:
        ValueError: for an unknown name, an empty ``alt``, or parameters that are not JSON.
    """

    name: str
    params: Mapping[str, Any] = field(repr=False)
    key: str | None = field(default=None, kw_only=True)
    alt: str = field(kw_only=True, repr=False)
    title: str = field(kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if self.name not in _names():
            raise unknown_name("name", self.name, _names(), "An explorer is a file in cnnlab/widgets/static.")
        for argument in ("alt", "title"):
            if not getattr(self, argument).strip():
                raise ValueError(f"{argument} is empty; say in a sentence what the explorer {self.name!r} shows.")
        _json(self.params)

    @property
    def id(self) -> str:
        """The element's id: the same for the same name, parameters and key, on every machine."""
        said = _json([self.name, self.params, self.key])
        return "cnnlab-" + hashlib.sha256(said.encode()).hexdigest()[:10]

    def _repr_html_(self) -> str:
        style = (
            # Our own variables, so that the colors hold where the book's style sheet is absent.
            f".cnnlab-explorer{{{css_variables('light')}}}"
            f".cnnlab-explorer[data-mode=dark]{{{css_variables('dark')}color-scheme:dark}}\n"
            f"{_source('core.css')}\n{_source(self.name + '.css')}"
        )
        script = (
            f'(() => {{\n"use strict";\n{_source("core.js")}\n{_source(self.name + ".js")}\n'
            f"start({_json(self.id)}, {_json(self.params)}, {_json(self.title)}, explore);\n}})();"
        )
        return (
            f'<div class="cnnlab-explorer" id="{self.id}"><p><strong>{html.escape(self.title)}.</strong> '
            f"{html.escape(self.alt)} It moves in the built book, in Colab and in a trusted notebook; where it "
            "stands still: File, Trust notebook, or run the cell.</p></div>\n"
            f"<style>\n{style}\n</style>\n<script>\n{script}\n</script>"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": f"{self.title}. {self.alt}"}
