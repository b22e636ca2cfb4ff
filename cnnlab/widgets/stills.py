"""The still of an explorer: a picture of its first state inside its stored output, for where scripts do not run.

``tools/execute_notebooks.py`` takes it when it stores outputs. An untrusted notebook shows it beside the text; where
scripts run, the explorer replaces both. In the built page it is a file of its own that is loaded only if it is seen.
"""

from __future__ import annotations

import hashlib
import html
import re

__all__ = ["OPENING", "STILL", "is_explorer", "without", "fingerprint", "held", "tag", "put"]

OPENING = '<div class="cnnlab-explorer" id="'
STILL = re.compile(r'<img class="cnnlab-still" data-of="(\w+)"[^>]*>')
_FALLBACK_END = "</p></div>\n<style>"
_TITLE = re.compile(r"<p><strong>(.*?)\.</strong>")


def is_explorer(output: str) -> bool:
    """Whether this HTML is the output of an explorer."""
    return output.startswith(OPENING)


def without(output: str) -> str:
    """The output as the explorer wrote it."""
    return STILL.sub("", output)


def fingerprint(output: str) -> str:
    """Ten letters that stand for an output, whatever its still: a still that carries them is that output's own."""
    return hashlib.sha256(without(output).encode()).hexdigest()[:10]


def held(output: str) -> str | None:
    """The still's tag in an output if it has one that was taken from this very output, else None."""
    found = STILL.search(output)
    return found[0] if found and found[1] == fingerprint(output) else None


def tag(output: str, source: str, width: int, height: int) -> str:
    """The still's tag for an output.

    Args:
        output: the explorer's HTML.
        source: the picture as a ``data:`` address.
        width, height: at which it is shown, in CSS pixels.
    """
    title = _TITLE.search(output)
    said = html.escape(html.unescape(title[1]) if title else "the explorer", quote=True)
    return (
        f'<img class="cnnlab-still" data-of="{fingerprint(output)}" alt="Still of “{said}” as it starts" '
        f'width="{width}" height="{height}" src="{source}">'
    )


def put(output: str, still: str) -> str:
    """The output with a still (a tag) in its fallback, in place of any that it had.

    Raises:
        ValueError: for HTML that is not an explorer's output.
    """
    bare = without(output)
    if not is_explorer(bare) or _FALLBACK_END not in bare:
        raise ValueError(f"output {output[:60]!r} is not that of an explorer; give what Explorer._repr_html_ returns.")
    before, after = bare.split(_FALLBACK_END, 1)
    return f"{before}</p>{still}</div>\n<style>{after}"
