"""The base of every explorer: one piece of HTML that computes live in the reader's browser.

No kernel, no widget machinery and no outside request: the same output works in the built page (over http and
from a file), in JupyterLab and in Colab. What a page without scripts, or a notebook that is not trusted, shows
is the text in ``alt`` and, in a stored output, a picture of the first state (see `cnnlab.widgets.stills`).

An explorer called ``name`` is declared by a `cnnlab.widgets.panel.Panel`, which tells how one is written. Its view is
the file ``cnnlab/chapters/<chapter>/<name>.js``, an ES module that exports ``explore(params)``, with its own styles in
``<name>.css``. Of ``static/core.js`` and the other modules that it imports goes into the output what it needs.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cnnlab import chapters
from cnnlab.draw.palette import css_variables
from cnnlab.errors import unknown_name
from cnnlab.widgets.shorten import shorten

__all__ = ["whole", "bundle", "Explorer"]

_STATIC = Path(__file__).resolve().parent / "static"


@cache
def _views() -> dict[str, Path]:
    return {path.stem: path for path in chapters.files("*.js")}


def _stripped(text: str) -> str:
    """Without indentation, comments, and line ends and commas that only the formatter wants. Says the same."""
    lines = (re.sub(r"(?:^|(?<=[;,{(\[])\s*)// .*", "", line.strip()) for line in text.splitlines())
    joined = re.sub(r"(?<=[{(\[,;])\n", "", "\n".join(line for line in lines if line))
    return re.sub(r",?\n?([\])}])", r"\1", joined)


@cache
def _styles(file: Path) -> str:
    """A style sheet without line ends, with those that it imports, or nothing where there is no such file."""
    text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL) if file.is_file() else ""
    text = re.sub(r'@import "([^"]+)";', lambda found: _styles((file.parent / found[1]).resolve()), text)
    return re.sub(r"\s*([{};,])\s*|(:)\s+", r"\1\2", re.sub(r"\s+", " ", text)).strip().replace(";}", "}")


_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";\n', re.MULTILINE)
_STRING = re.compile(r'"(?:\\.|[^"\\\n`$])*"')
# A name that is no property: not behind a single dot.
_NAME = re.compile(r"(?:(?<![.\w$])|(?<=\.\.\.))[A-Za-z_]\w*")
_DEFINITION = re.compile(r"^(?:export )?const (\w+) =\s", re.MULTILINE)


@cache
def _module(file: Path) -> tuple[dict[str, str], dict[str, Path]]:
    """A module's definitions, by name and stripped, and the names that it imports with the files they come from.

    A definition is a ``const`` at the left margin: what formatted modules consist of.
    """
    text = file.read_text(encoding="utf-8")
    imported = {
        name: (file.parent / path).resolve()
        for names, path in _IMPORT.findall(text)
        for name in re.findall(r"\w+", names)
    }
    text = _IMPORT.sub("", text)
    starts = [*_DEFINITION.finditer(text)]
    definitions = {}
    for start, after in zip(starts, [*starts[1:], None]):
        body = text[start.start() : after.start() if after else len(text)]
        definitions[start[1]] = _stripped(body.removeprefix("export "))
    return definitions, imported


def bundle(*roots: tuple[Path, str]) -> str:
    """Names of modules and what they use as one script without imports, each definition after those it uses.

    Args:
        roots: modules and the names that are wanted of them.

    Raises:
        ValueError: for a name that no module defines, or that two modules define.
    """
    written: dict[str, str] = {}
    homes: dict[str, Path] = {}

    def write(module: Path, name: str) -> None:
        definitions, imported = _module(module)
        if name in imported:
            return write(imported[name], name)
        if name not in definitions:
            raise ValueError(f"{module.name} has no {name!r}; it has {', '.join(definitions)}.")
        if name in homes:
            if homes[name] != module:
                raise ValueError(f"{name!r} is defined in {homes[name].name} and in {module.name}; rename one.")
            return None
        homes[name] = module  # before what it uses, so that two that use each other end
        for used in dict.fromkeys(_NAME.findall(_STRING.sub("", definitions[name]))):
            if used != name and (used in definitions or used in imported):
                write(module, used)
        written[name] = definitions[name]
        return None

    for module, name in roots:
        write(module, name)
    return "\n".join(written.values())


@cache
def _bundle(view: Path, core: Path = _STATIC / "core.js") -> str:
    """A view and what it imports, of which only what is used goes into an output."""
    return bundle((core, "start"), (view, "explore"))


@cache
def _script(view: Path) -> str:
    return shorten(_bundle(view))


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
        name: which explorer, the stem of a file ``cnnlab/chapters/<chapter>/<name>.js``.
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
        if self.name not in _views():
            raise unknown_name("name", self.name, _views(), "It is a file cnnlab/chapters/<chapter>/<name>.js.")
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
        view = _views()[self.name]
        style = (
            # Our own variables, so that the colors hold where the book's style sheet is absent.
            f".cnnlab-explorer{{{css_variables('light')}}}"
            f".cnnlab-explorer[data-mode=dark]{{{css_variables('dark')}color-scheme:dark}}\n"
            f"{_styles(_STATIC / 'core.css')}\n{_styles(view.with_suffix('.css'))}"
        )
        script = (
            f'(() => {{\n"use strict";\n{_script(view)}\n'
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
