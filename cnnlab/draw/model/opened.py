"""A model whose own ``forward`` has skips and branches: a U where its maps shrink and grow again, else side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cnnlab.analysis import Summary
from cnnlab.draw.model.blocks import BOX_HEIGHT, box_width, draw_box
from cnnlab.draw.model.canvas import ROLE_COLOR, Canvas, Picture, num, text_width
from cnnlab.draw.model.detail import flow, reach
from cnnlab.draw.model.items import Bundle, Item, Level, Step, levels_of, minor, shape_text
from cnnlab.draw.model.words import alt_of, grouped

__all__ = ["draw_opened"]

_GAP, _BEND = 16.0, 10.0
_BETWEEN = 56.0  # the columns of a U, at least: the arrows across need to be seen


def draw_opened(summary: Summary, items: Sequence[Item], expand: bool) -> Picture:
    """A whole model, from top to bottom; ``expand`` draws every repeated layer instead of one of them with "×3"."""
    canvas = Canvas()
    levels = levels_of(items)
    if levels is not None:
        _draw_u(canvas, levels, shape_text(summary.input_size[1:]), expand)
    else:
        _draw_flow(canvas, items, shape_text(summary.input_size[1:]), expand)
    groups = [(x, n) for x, n in grouped(items, expand) if not minor(x)]
    return canvas.picture(f"{summary.model_name}: blocks, skips and branches", alt_of(summary, groups), least=330)


# --- a U -------------------------------------------------------------------------------------------------------------

_Groups = list[tuple[Item, int]]


def _draw_u(canvas: Canvas, levels: Sequence[Level], first: str, expand: bool) -> None:
    """Each size of the maps is a storey: down on the left, across, and up on the right."""

    def shown(items: Sequence[Item]) -> _Groups:
        return [(_shaped(x), n) for x, n in grouped(items, expand) if not minor(x)]

    lefts = [shown(level.left) for level in levels]
    # What makes the maps larger stands in the storey below the one that it leads to.
    rights = [shown([*level.right, *level.up]) for level in levels]
    joins = [level.join for level in levels]
    skips = [[_shaped(x) for x in level.skip if not minor(x)] for level in levels]
    wide_left = max((box_width(x) for groups in lefts for x, _ in groups), default=60.0)
    wide_right = max(
        *(box_width(x) for groups in rights for x, _ in groups),
        *(box_width(join) for join in joins if join is not None and join.role != "add"),
        60.0,
    )
    counts = max((text_width(f"×{n}", 12) + 6 for groups in lefts for _, n in groups if n > 1), default=0.0)
    across = max((sum(box_width(x) + _GAP for x in skip) + 2 * _GAP for skip in skips), default=0.0)
    x, far = 0.0, wide_left / 2 + max(_BETWEEN, across, counts + 14) + wide_right / 2
    canvas.text(x, 0, first, 11.5, muted=True)
    y = 8.0
    way_up = y  # where the way up from the storey below arrives
    for storey, (left, right, join, skip) in enumerate(zip(lefts, rights, joins, skips, strict=True)):
        meets = 0.0 if join is None else 9.0 if join.role == "add" else BOX_HEIGHT / 2
        room = max(len(left) * (BOX_HEIGHT + _GAP), len(right) * (BOX_HEIGHT + _GAP))
        turn = y + room + 12 + meets
        at = y
        for item, count in left:
            canvas.path(f"M{num(x)} {num(at)}V{num(at + _GAP - 1)}", "ink", arrow=True)
            _counted_box(canvas, x, at + _GAP, wide_left, item, count)
            at += _GAP + BOX_HEIGHT
        up = turn - (meets if join is not None else _BEND)
        for item, count in right:
            canvas.path(f"M{num(far)} {num(up)}V{num(up - _GAP + 1)}", "ink", arrow=True)
            _counted_box(canvas, far, up - _GAP - BOX_HEIGHT, wide_right, item, count)
            up -= _GAP + BOX_HEIGHT
        if storey:  # to the joint above
            canvas.path(f"M{num(far)} {num(up)}V{num(way_up + 1)}", "ink", arrow=True)
        else:
            canvas.path(f"M{num(far)} {num(up)}V{num(y)}", "ink", arrow=True)
            last = [*levels[0].right, *levels[0].up]
            shape = last[-1].shape if last else levels[0].join.shape if levels[0].join else ()
            canvas.text(far, 0, shape_text(shape), 11.5, muted=True)
        if join is None:  # the bottom of the U
            canvas.path(
                f"M{num(x)} {num(at)}V{num(turn - _BEND)}Q{num(x)} {num(turn)} {num(x + _BEND)} {num(turn)}"
                f"H{num(far - _BEND)}Q{num(far)} {num(turn)} {num(far)} {num(turn - _BEND)}",
                "ink",
            )
            canvas.room(x, turn, far, turn + 2)
            break
        canvas.path(f"M{num(x)} {num(at)}V{num(turn + meets)}", "ink")
        canvas.dot(x, turn)
        _across(canvas, skip, x, far - (9 if join.role == "add" else wide_right / 2), turn, join.role)
        if join.role == "add":
            canvas.joint(far, turn, "add")
        else:
            draw_box(canvas, far - wide_right / 2, turn, wide_right, _shaped(join))
        y = way_up = turn + meets


def _across(canvas: Canvas, skip: Sequence[Item], x: float, end: float, y: float, role: str) -> None:
    color = ROLE_COLOR[role]
    at = x + (end - x - sum(box_width(item) + _GAP for item in skip)) / 2
    begin = x
    for item in skip:
        canvas.path(f"M{num(begin)} {num(y)}H{num(at - 1)}", color, 1.9, arrow=True)
        draw_box(canvas, at, y, box_width(item), item)
        begin = at + box_width(item)
        at = begin + _GAP
    canvas.path(f"M{num(begin)} {num(y)}H{num(end - 1)}", color, 1.9, arrow=True, css_class="cnnlab-skip")


def _counted_box(canvas: Canvas, x: float, top: float, width: float, item: Item, count: int) -> None:
    draw_box(canvas, x - width / 2, top + BOX_HEIGHT / 2, width, item)
    if count > 1:
        canvas.text(x + width / 2 + 4, top + BOX_HEIGHT / 2 + 4, f"×{count}", 12, "start", bold=True)


def _shaped(item: Item) -> Item:
    """With its result's shape in the box, as there are no headings that say it."""
    return replace(item, detail=shape_text(item.shape)) if isinstance(item, Step) else item


# --- side by side ----------------------------------------------------------------------------------------------------


def _draw_flow(canvas: Canvas, items: Sequence[Item], first: str, expand: bool) -> None:
    canvas.text(0, 0, first, 11.5, muted=True)
    y = 8.0
    shape: tuple[int, ...] = ()
    for item, count in grouped(_kept(items), expand):
        begin = y
        y = flow(canvas, [item], 0.0, y)
        if count > 1:
            _, right, _ = reach([item])
            canvas.text(right + 6, (begin + y + _GAP) / 2 + 4, f"×{count}", 12, "start", bold=True)
        shape = item.shape
    canvas.path(f"M0 {num(y)}v{num(_GAP)}", "ink", arrow=True)
    canvas.text(0, y + _GAP + 14, shape_text(shape), 11.5, muted=True)


def _kept(items: Sequence[Item]) -> tuple[Item, ...]:
    """Without norms and activations, and with a box for each module that has branches of its own."""
    out: list[Item] = []
    for item in items:
        if minor(item):
            continue
        if isinstance(item, Bundle) and (item.own or item.is_residual):
            branches = tuple(_kept(branch) for branch in item.branches)
            shortcut = None if item.shortcut is None else _kept(item.shortcut)
            out.append(replace(item, branches=branches, shortcut=shortcut, minor=()))
        elif isinstance(item, Bundle):
            out.append(replace(item, tangled=True, minor=()))
        else:
            out.append(replace(item, minor=()))
    return tuple(out)
