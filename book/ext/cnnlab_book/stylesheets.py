"""One style sheet for the whole site.

The theme and its extensions link about ten sheets, the largest of which is half icon-font rules that the book does
not use. Merging them (in link order) saves as many requests; leaving the icon font out saves 300 kB of fonts. Of what is
left, three fifths are rules for classes that no page and no script of the book knows: they would hold up every
page's first paint for nothing, and go.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import tinycss2
from sphinx.util import logging

logger = logging.getLogger(__name__)

BUNDLE = "cnnlab-site.css"
FIRST = (
    "basic.css",
    "styles/pydata-sphinx-theme.css",
)  # what the theme's own template links before the others
UNUSED = ("sphinx-thebe.css",)

_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_FONT_FACE = re.compile(r"@font-face\{[^}]*Font Awesome[^}]*\}")
_KEYFRAMES = re.compile(r"@keyframes fa-[\w-]+\{(?:[^{}]*\{[^{}]*\})*\}")
_RULE = re.compile(r"(?<=[{};])([^{}@;]+)\{([^{}]*)\}")
_ICON_SELECTOR = re.compile(r"\.fa(?![\w])|\.fa[a-z]?-|\.fa[a-z](?![\w])")


def without_icon_font(css: str) -> str:
    """The sheet without the rules and fonts of Font Awesome (``cnnlab-icons.css`` draws the icons in use)."""

    def keep(match: re.Match[str]) -> str:
        selectors = match.group(1).split(",")
        kept = [s for s in selectors if not _ICON_SELECTOR.match(s.strip())]
        return f"{','.join(kept)}{{{match.group(2)}}}" if kept else ""

    css = _KEYFRAMES.sub("", _FONT_FACE.sub("", css))
    return _RULE.sub(keep, ";" + css)[1:]


# Bootstrap's script puts these names together at run time ("bs-" + "tooltip" + "-auto").
_COMPOSED = re.compile(r"bs-(?:tooltip|popover)-")
_NAME = re.compile(r"[.#](-?[A-Za-z_][\w-]*)")
_WORD = re.compile(r"[A-Za-z_-][\w-]*")


def names_in_use(site: Path, css: str, memory: Path) -> set[str]:
    """The class and id names of a sheet that are words of the site's pages or scripts.

    Args:
        site: the built site's folder.
        css: the sheet.
        memory: where what each file holds is remembered for the next build; a file that has not changed is not
            read again.
    """
    names = set(_NAME.findall(css))
    whole = hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()
    known: dict[str, Any] = {}
    if memory.is_file():
        known = json.loads(memory.read_text(encoding="utf-8"))
    if known.get("names") != whole:
        known = {"names": whole}
    found: dict[str, Any] = {"names": whole}
    used: set[str] = set()
    for path in site.rglob("*"):
        if path.suffix in (".html", ".js"):
            place = path.relative_to(site).as_posix()
            date = path.stat().st_mtime_ns
            if known.get(place, [None])[0] == date:
                found[place] = known[place]
            else:
                words = set(_WORD.findall(path.read_text(encoding="utf-8")))
                found[place] = [date, sorted(names & words)]
            used.update(found[place][1])
    memory.write_text(json.dumps(found), encoding="utf-8")
    return used


def _is_used(selector: list[object], words: set[str]) -> bool:
    """Whether one selector can match: what stands inside :not(), :is() and :where() decides nothing."""
    plain = "".join(
        "" if node.type == "function" else node.serialize()
        for node in selector  # type: ignore[attr-defined]
    )
    return all(
        name in words or _COMPOSED.match(name)
        for name in _NAME.findall(re.sub(r"\[[^\]]*\]", "", plain))
    )


def without_unused(css: str, words: set[str]) -> str:
    """The sheet without rules that can match nothing, and without comments.

    Args:
        css: any style sheet.
        words: the names of classes and ids that occur somewhere (``names_in_use``).
    """
    return "".join(_kept(tinycss2.parse_stylesheet(css, True, True), words))


def _kept(rules: list[object], words: set[str]) -> list[str]:
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":  # type: ignore[attr-defined]
            selectors: list[list[object]] = [[]]
            for node in rule.prelude:  # type: ignore[attr-defined]
                if node.type == "literal" and node.value == ",":
                    selectors.append([])
                else:
                    selectors[-1].append(node)
            used = [
                tinycss2.serialize(s).strip() for s in selectors if _is_used(s, words)
            ]
            if used:
                content = tinycss2.serialize(rule.content).strip()  # type: ignore[attr-defined]
                kept.append(f"{','.join(used)}{{{content}}}\n")
        elif rule.type == "at-rule" and rule.at_keyword in ("media", "supports"):  # type: ignore[attr-defined]
            inner = _kept(tinycss2.parse_rule_list(rule.content, True, True), words)  # type: ignore[attr-defined]
            if inner:
                condition = tinycss2.serialize(rule.prelude).strip()  # type: ignore[attr-defined]
                kept.append(f"@{rule.at_keyword} {condition}{{{''.join(inner)}}}\n")  # type: ignore[attr-defined]
        else:
            kept.append(rule.serialize() + "\n")  # type: ignore[attr-defined]
    return kept


def write_bundle(static: Path, sheets: list[str], memory: Path) -> None:
    """Merge the linked sheets, in order, into one file in ``static``.

    Args:
        static: the built site's ``_static`` folder.
        sheets: file names as pages would have linked them ("_static/x.css").
        memory: a folder that lasts from build to build.
    """
    parts: list[str] = []
    seen: set[str] = set()
    for name in (*FIRST, *sheets):
        name = name.split("?")[0].removeprefix("_static/")
        if name in seen or name in UNUSED:
            continue
        seen.add(name)
        path = static / name
        if not path.is_file():
            logger.warning("style sheet %s is linked but missing", name)
            continue
        css = path.read_text(encoding="utf-8").replace('@charset "UTF-8";', "")
        css = _COMMENT.sub("", css)
        if name == "styles/pydata-sphinx-theme.css":
            css = without_icon_font(css)
        parts.append(css.strip())
    css = "\n".join(parts)
    used = names_in_use(static.parent, css, memory / "cnnlab-names.json")
    # Parsing takes seconds: only where a sheet has changed, or the names that occur.
    key = hashlib.sha256(f"{css}{sorted(used)}".encode()).hexdigest()
    seal, target = memory / "cnnlab-bundle.txt", static / BUNDLE
    if target.exists() and seal.exists() and seal.read_text() == key:
        return
    text = '@charset "UTF-8";\n' + without_unused(css, used)
    target.write_text(text, encoding="utf-8")
    seal.write_text(key)
