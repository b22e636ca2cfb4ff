"""A model in words: what its items are called, and the text alternative of a drawing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cnnlab.analysis import Summary
from cnnlab.draw.model.items import Bundle, Item, Step, shape_text

__all__ = ["said_of", "alt_of", "woven", "grouped"]


def said_of(item: Item) -> str:
    """An item as part of a sentence: "conv 3×3 with 64 and stride 2 to 64@56×56"."""
    if isinstance(item, Bundle):
        inside = ", ".join(said_of(x) for branch in item.branches[:1] for x in branch)
        if item.is_residual:
            over = "an identity shortcut" if not item.shortcut else f"a shortcut through {_chain(item.shortcut)}"
            return f"a residual block of {inside} with {over}, giving {shape_text(item.shape)}"
        if item.tangled:
            return f"{_a(item.kind.strip('_'))} giving {shape_text(item.shape)}"
        if item.own:
            ways = [", ".join(said_of(x) for x in branch) for branch in item.branches]
            met = f"{item.join.label} to {shape_text(item.shape)}"
            if len(ways) == 2 and "" in ways:
                return f"({''.join(ways)}) with a skip past it; {met}"
            return f"{len(ways)} branches ({' | '.join(way or 'unchanged' for way in ways)}); {met}"
        count = len(item.branches)
        return f"{_a(item.kind.strip('_'))} of {count} parallel branches, giving {shape_text(item.shape)}"
    words = item.label
    if item.role == "conv":
        words += f" with {item.detail.replace(', ', ' and ')}" if "stride" in item.detail else ""
    return f"{words} to {shape_text(item.shape)}"


def _a(noun: str) -> str:
    """With its article, by the sound: a U-Net, a UNet, an SEBottleneck, an Inception, a Unit."""
    letters = re.match(r"[A-Z]+(?![a-z])", noun)
    spelled = letters is not None and (len(letters[0]) <= 2 or not set(letters[0]) & set("AEIOU"))
    if spelled or re.match(r"U(Net|$)", noun):  # said letter by letter
        vowel = noun[0] in "AEFHILMNORSX"
    else:
        vowel = noun[:1] in set("AEIOUaeiou") and not re.match(r"(?i)(uni(?!n)|use|eu)", noun)
    return f"{'an' if vowel else 'a'} {noun}"


def _chain(items: Sequence[Item]) -> str:
    return " and ".join(x.label if isinstance(x, Step) else x.kind for x in items)


def alt_of(summary: Summary, groups: list[tuple[Item, int]]) -> str:
    """The text alternative of a whole model's drawing."""
    said = []
    for item, count in groups:
        said.append(said_of(item) if count == 1 else f"{count} times in a row {said_of(item)}")
    start = shape_text(summary.input_size[1:])
    return f"Drawing of {summary.model_name}, from its input of {start} onwards: " + "; ".join(said) + "."


def woven(items: Sequence[Item]) -> list[str]:
    """Lines that say what the drawing cannot show: where the model's own ``forward`` crosses its branches."""
    return [
        line
        for x in items
        if isinstance(x, Bundle) and x.own and x.tangled
        for line in (f"The box {x.kind} is all that the model's own forward weaves;", "draw_block draws a part of it.")
    ]


def grouped(items: Sequence[Item], expand: bool = False) -> list[tuple[Item, int]]:
    """Neighbors that would look the same, with their number."""
    groups: list[tuple[Item, int]] = []
    for item in items:
        if not expand and groups and groups[-1][0].signature == item.signature:
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
        else:
            groups.append((item, 1))
    return groups
