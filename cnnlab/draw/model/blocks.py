"""Boxes like lines of text: one residual block a line, its shortcut arching over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cnnlab.analysis import Summary
from cnnlab.draw.model.canvas import ROLE_COLOR, Canvas, Picture, num, text_width
from cnnlab.draw.model.items import Bundle, Item, Step, minor, shape_text
from cnnlab.draw.model.words import alt_of, grouped, woven

__all__ = ["BOX_HEIGHT", "lines_of", "box_width", "role_of", "draw_box", "draw_blocks"]

BOX_HEIGHT, _GAP, _PAD = 38.0, 20.0, 12.0
_ROW_WIDTH = 372.0  # boxes wrap here, so that the drawing fits a phone


def lines_of(item: Item) -> tuple[str, str]:
    """The two lines in an item's box: what it is, and how large."""
    if isinstance(item, Step):
        return item.label, item.detail or shape_text(item.shape)
    name = item.kind.strip("_")
    if item.join.role == "multiply":
        # Squeeze-and-excitation modules go by their name. Another long name is of a block that multiplies somewhere
        # inside: it would not say so.
        return name if len(name) <= 14 or "Excit" in name else "gate", str(item.shape[0])
    return name, shape_text(item.shape)


def box_width(item: Item) -> float:
    first, second = lines_of(item)
    return max(58.0, text_width(first, 12) * 1.08 + 16, text_width(second, 10.5) + 14)


def role_of(item: Item) -> str:
    return item.role if isinstance(item, Step) else "bundle"


def draw_box(canvas: Canvas, x: float, middle: float, width: float, item: Item) -> None:
    first, second = lines_of(item)
    canvas.paper(x, middle - BOX_HEIGHT / 2, width, BOX_HEIGHT, 7, "paper")
    canvas.box(x, middle - BOX_HEIGHT / 2, width, BOX_HEIGHT, ROLE_COLOR[role_of(item)], 7)
    canvas.text(x + width / 2, middle - 3, first, 12, bold=True)
    canvas.text(x + width / 2, middle + 12, second, 10.5, muted=True)


def draw_blocks(summary: Summary, items: Sequence[Item], expand: bool) -> Picture:
    """A whole model; ``expand`` draws every repeated block instead of one of them with "×3"."""
    groups = [(x, n) for x, n in grouped(items, expand) if not minor(x)]
    canvas = Canvas()
    title = f"{summary.model_name}: blocks and shortcuts"
    alt = alt_of(summary, groups)
    if not _is_staged(groups):  # no headings will say the shapes, so the boxes do
        groups = [
            (replace(x, detail=shape_text(x.shape)) if isinstance(x, Step) and len(x.shape) == 3 else x, n)
            for x, n in groups
        ]
    rows = _rows(groups, summary.input_size[1:])
    # Boxes of one width put the additions in one column, when the longest block still fits a line.
    blocks = [_boxes_of(x) for x, _ in groups if isinstance(x, Bundle) and x.is_residual]
    uniform = max((box_width(x) for boxes in blocks for x in boxes), default=0.0)
    if any(len(boxes) * (uniform + _GAP) > _ROW_WIDTH - 64 for boxes in blocks):
        uniform = 0.0
    back, left = 0.0, 22.0  # where the way back to the next row runs; where rows begin
    y = 0.0
    exit_at: _Exit | None = None
    for row in rows:
        if row.heading:
            name, shape = row.heading
            y += 20
            canvas.text(left, y, name, 12, "start", bold=True)
            if shape:
                canvas.text(
                    left + text_width(name, 12) * 1.06 + (9 if name else 0), y, shape, 11.5, "start", muted=True
                )
            y += 10
        if isinstance(row.items[0][0], Bundle) and row.items[0][0].is_residual:
            y, exit_at = _residual_row(canvas, row.items[0], back, left, y, exit_at, uniform)
        else:
            y, exit_at = _plain_row(canvas, row.items, back, left, y, exit_at)
        y += 16
    note = woven(items)
    for line in note:
        y += 15
        canvas.text(left, y, line, 10.5, "start", muted=True)
    return canvas.picture(title, " ".join([alt, *note]), least=330)


# Where the way to the next row leaves (x, y), and the height at which it turns back.
_Exit = tuple[float, float, float]


@dataclass
class _Row:
    items: list[tuple[Item, int]]
    heading: tuple[str, str] | None


def _is_staged(groups: list[tuple[Item, int]]) -> bool:
    sizes = {item.shape[1:] for item, _ in groups if len(item.shape) == 3}
    convolutions = sum(n for item, n in groups if isinstance(item, Bundle) or item.role == "conv")
    return convolutions >= 2 * len(sizes) or any(isinstance(x, Bundle) and x.is_residual for x, _ in groups)


def _rows(groups: list[tuple[Item, int]], first: tuple[int, ...]) -> list[_Row]:
    """One residual block a row; other items side by side as far as they fit.

    In a network of stages (more than one convolution for each size of the map) a new size begins a row with a
    heading; a short one such as LeNet simply flows.
    """
    staged = _is_staged(groups)
    rows: list[_Row] = []
    heading: tuple[str, str] | None = ("input", shape_text(first))
    stage: tuple[object, ...] = ()
    width = 0.0
    fresh = True
    for item, count in groups:
        residual = isinstance(item, Bundle) and item.is_residual
        is_map = len(item.shape) >= 2 and item.shape[1:] != (1,) * (len(item.shape) - 1)
        here = (item.shape[1:], _stage_name(item) if residual else "")
        if residual:
            begins = here != stage
        else:
            begins = staged and is_map and role_of(item) != "pool" and here[0] != (stage[:1] or here[:1])[0]
        if begins:
            if rows:
                heading = (_stage_name(item), shape_text(item.shape))
            fresh = True
        if is_map:
            stage = here
        wide = box_width(item) + _GAP + (text_width(f"×{count}", 12) + 4 if count > 1 else 0)
        if residual or fresh or width + wide - _GAP > _ROW_WIDTH:
            rows.append(_Row([], heading))
            heading, width = None, 0.0
        rows[-1].items.append((item, count))
        width += wide
        fresh = residual
    return rows


def _stage_name(item: Item) -> str:
    """The stage that an item belongs to, by its module's name: conv2 for conv2.0; nothing for features.3."""
    stem, _, last = item.name.rpartition(".")
    if not stem:
        return last
    return stem if isinstance(item, Bundle) and last.isdigit() and stem != "features" else ""


def _enter(canvas: Canvas, back: float, x: float, middle: float, exit_at: _Exit | None, arrow: bool) -> None:
    """The way from the end of the last row to the beginning of this one."""
    if exit_at is None:
        canvas.path(f"M{num(back)} {num(middle)}H{num(x)}", "ink", arrow=arrow)
        canvas.dot(back, middle)
        canvas.room(back - 3, middle, back, middle)
        return
    ex, ey, turn = exit_at
    r = 7.0
    canvas.path(
        f"M{num(ex)} {num(ey)}V{num(turn - r)}Q{num(ex)} {num(turn)} {num(ex - r)} {num(turn)}H{num(back + r)}"
        f"Q{num(back)} {num(turn)} {num(back)} {num(turn + r)}V{num(middle - r)}"
        f"Q{num(back)} {num(middle)} {num(back + r)} {num(middle)}H{num(x)}",
        "ink",
        arrow=arrow,
    )
    canvas.room(back - 2, turn, ex, middle)


def _plain_row(
    canvas: Canvas,
    items: list[tuple[Item, int]],
    back: float,
    left: float,
    y: float,
    exit_at: _Exit | None,
) -> tuple[float, _Exit]:
    middle = y + BOX_HEIGHT / 2 + 4
    x = left + 6
    _enter(canvas, back, x - 1, middle, exit_at, arrow=True)
    for i, (item, count) in enumerate(items):
        if i:
            canvas.path(f"M{num(x - _GAP)} {num(middle)}H{num(x - 1)}", "ink", arrow=True)
        width = box_width(item)
        draw_box(canvas, x, middle, width, item)
        x += width
        if count > 1:
            canvas.text(x + 4, middle - 8, f"×{count}", 12, "start", bold=True)
            x += text_width(f"×{count}", 12) + 4
        exit_at = (x - width / 2, middle + BOX_HEIGHT / 2, middle + BOX_HEIGHT / 2 + 9)
        x += _GAP
    return middle + BOX_HEIGHT / 2, exit_at if exit_at else (x, middle, middle)


def _boxes_of(block: Bundle) -> list[Item]:
    return [x for branch in block.branches for x in branch if role_of(x) not in ("norm", "activation", "other")]


def _residual_row(
    canvas: Canvas,
    group: tuple[Item, int],
    back: float,
    left: float,
    y: float,
    exit_at: _Exit | None,
    uniform: float,
) -> tuple[float, _Exit]:
    block, count = group
    assert isinstance(block, Bundle) and block.shortcut is not None  # blocks sends only these here
    steps = _boxes_of(block)
    widths = [max(uniform, box_width(x)) for x in steps]
    projection = [x for x in block.shortcut if not (isinstance(x, Step) and x.role in ("norm", "activation"))]
    label = ", ".join(f"{lines_of(x)[0]}, {lines_of(x)[1]}" for x in projection)
    # Boxes wrap inside the card when a block is long, such as one with a gate.
    lines: list[list[int]] = [[]]
    used = 0.0
    for i, width in enumerate(widths):
        if used + width + _GAP > _ROW_WIDTH - 64 and lines[-1]:
            lines.append([])
            used = 0.0
        lines[-1].append(i)
        used += width + _GAP
    arch = 30.0 if projection else 22.0
    fork = left + _PAD + 4
    start = fork + 16
    inner = max(sum(widths[i] for i in line) + _GAP * (len(line) - 1) for line in lines)
    plus = start + inner + _GAP + 9
    right = plus + 9 + _PAD
    height = arch + 14 + len(lines) * (BOX_HEIGHT + 12) + 2
    canvas.paper(left, y, right - left, height)
    middle = y + arch + 14 + BOX_HEIGHT / 2
    top = y + arch - 8
    last = middle + (len(lines) - 1) * (BOX_HEIGHT + 12)
    _enter(canvas, back, fork, middle, exit_at, arrow=False)
    # The shortcut, in its own class so that it can be counted, styled and animated.
    bend = 12.0
    canvas.path(
        f"M{num(fork)} {num(middle)}V{num(top + bend)}Q{num(fork)} {num(top)} {num(fork + bend)} {num(top)}"
        f"H{num(plus - bend)}Q{num(plus)} {num(top)} {num(plus)} {num(top + bend)}V{num(last - 10)}",
        "red",
        1.9,
        dashed=bool(projection),
        arrow=True,
        css_class="cnnlab-shortcut " + ("projection" if projection else "identity"),
    )
    canvas.dot(fork, middle)
    if label:
        canvas.text((fork + plus) / 2, top - 5, label, 10.5)
    at = middle
    for number, line in enumerate(lines):
        x = start
        for n, i in enumerate(line):
            begin = fork if n == 0 and number == 0 else x - _GAP
            if n or number == 0:
                canvas.path(f"M{num(begin)} {num(at)}H{num(x - 1)}", "ink", arrow=True)
            draw_box(canvas, x, at, widths[i], steps[i])
            x += widths[i] + _GAP
        if number + 1 < len(lines):
            down = at + BOX_HEIGHT / 2 + 6
            canvas.path(
                f"M{num(x - _GAP)} {num(at)}H{num(x - _GAP + 7)}V{num(down)}H{num(start - 9)}"
                f"V{num(at + BOX_HEIGHT + 12)}H{num(start - 1)}",
                "ink",
                arrow=True,
            )
            at += BOX_HEIGHT + 12
        else:
            canvas.path(f"M{num(x - _GAP)} {num(at)}H{num(plus - 10)}", "ink", arrow=True)
    canvas.joint(plus, last, "add")
    if count > 1:
        canvas.text(right + 8, middle + 4, f"×{count}", 14, "start", bold=True)
    return y + height, (plus, last + 9, y + height + 8)
