"""One block from top to bottom with everything in it: normalization, activations, branches, shortcut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnlab.analysis import Summary
from cnnlab.draw.model.blocks import BOX_HEIGHT, box_width, draw_box
from cnnlab.draw.model.canvas import ROLE_COLOR, Canvas, Picture, num, text_width
from cnnlab.draw.model.items import Bundle, Item, Step, shape_text
from cnnlab.draw.model.words import said_of

__all__ = ["draw_detail", "Titled", "draw_gallery", "reach", "flow"]

_MINOR_H, _STEP = 22.0, 16.0
_GALLERY_WIDTH, _APART = 690.0, 24.0  # of blocks side by side: what a page shows unshrunk, and between two


def draw_detail(summary: Summary, items: Sequence[Item], title: str) -> Picture:
    """A module as it was traced; ``title`` is its heading."""
    canvas = Canvas()
    first = summary.input_size[1:]
    canvas.text(0, 0, shape_text(first), 11.5, muted=True)
    y = flow(canvas, items, 0.0, 8.0)
    canvas.path(f"M0 {num(y)}v{num(_STEP)}", "ink", arrow=True)
    shape = items[-1].shape if items else first
    canvas.text(0, y + _STEP + 14, shape_text(shape), 11.5, muted=True)
    said = f"{title}: one block in detail"
    return canvas.picture(said, _told(Titled(title, summary, items)), least=300)


@dataclass(frozen=True)
class Titled:
    """A module as it was traced, and what is written above it."""

    title: str
    summary: Summary
    items: Sequence[Item]


def draw_gallery(blocks: Sequence[Titled], most: float | None = None) -> Picture:
    """Several modules side by side, in as many rows as they need; those of a row begin at one height.

    Args:
        blocks: what to draw, in order.
        most: how wide a row may be, in pixels; None is a page's.
    """
    most = _GALLERY_WIDTH if most is None else most
    canvas = Canvas()
    rows: list[list[tuple[Titled, float, float]]] = []
    room = 0.0
    for block in blocks:
        left, right, _ = reach(block.items)
        half = text_width(block.title, 12.5) * 1.06 / 2
        left, right = max(left, half), max(right, half)
        if not rows or room + left + right > most:
            rows.append([])
            room = 0.0
        rows[-1].append((block, left, right))
        room += left + right + _APART
    y = 0.0
    for row in rows:
        x = -(sum(left + right for _, left, right in row) + _APART * (len(row) - 1)) / 2
        bottoms = []
        for block, left, right in row:
            bottoms.append(_column(canvas, block, x + left, y))
            x += left + right + _APART
        y = max(bottoms) + 44
    alt = " ".join(_told(block) for block in blocks)
    return canvas.picture(", ".join(block.title for block in blocks), alt, least=300)


def _column(canvas: Canvas, block: Titled, x: float, y: float) -> float:
    canvas.text(x, y, block.title, 12.5, bold=True)
    first = block.summary.input_size[1:]
    canvas.text(x, y + 19, shape_text(first), 11.5, muted=True)
    end = flow(canvas, block.items, x, y + 27)
    canvas.path(f"M{num(x)} {num(end)}v{num(_STEP)}", "ink", arrow=True)
    canvas.text(x, end + _STEP + 14, shape_text(block.items[-1].shape if block.items else first), 11.5, muted=True)
    return end + _STEP + 14


def _told(block: Titled) -> str:
    first = block.summary.input_size[1:]
    inside = "; ".join(_in_detail(x) for x in block.items)
    return f"The block {block.title}, from an input of {shape_text(first)}: {inside}."


def _in_detail(item: Item) -> str:
    after = "".join(f", {m.label}" for m in item.minor)
    if isinstance(item, Step):
        return said_of(item) + after
    if item.tangled:
        return said_of(item)
    branches = [", ".join(_in_detail(x) for x in branch) or "the input unchanged" for branch in item.branches]
    if item.shortcut is not None:
        over = "the input itself" if not item.shortcut else ", ".join(_in_detail(x) for x in item.shortcut)
        return f"{' and '.join(branches)}; to which the shortcut adds {over}{after}"
    return f"{len(branches)} branches that {item.join.label}: {' | '.join(branches)}{after}"


def _unfolded(items: Sequence[Item]) -> list[Item]:
    """Norms and activations as items of their own again."""
    out: list[Item] = []
    for item in items:
        out.append(item)
        out.extend(item.minor)
    return out


def reach(items: Sequence[Item]) -> tuple[float, float, float]:
    """(reach to the left of the center line, to the right, height) of a series drawn downward."""
    left = right = 30.0
    height = 0.0
    for item in _unfolded(items):
        a, b, h = _item_size(item)
        left, right, height = max(left, a), max(right, b), height + _STEP + h
    return left, right, height


def _item_size(item: Item) -> tuple[float, float, float]:
    if isinstance(item, Step):
        width = _detail_width(item)
        return width / 2, width / 2, _MINOR_H if _is_minor(item) else BOX_HEIGHT
    if item.tangled:
        width = box_width(item)
        return width / 2, width / 2, BOX_HEIGHT
    parts = [reach(branch) for branch in item.branches]
    if item.shortcut is not None:
        left, right, height = parts[0]
        if item.shortcut:
            a, b, h = reach(item.shortcut)
            return left, right + 22 + a + b, max(height, h) + _STEP * 2 + 20
        return left, right + 26, height + _STEP * 2 + 20
    wide = sum(a + b for a, b, _ in parts) + 18 * (len(parts) - 1)
    return wide / 2, wide / 2, max(h for *_, h in parts) + 2 * _STEP + 30


def _is_minor(item: Item) -> bool:
    return isinstance(item, Step) and item.role in ("norm", "activation", "other")


def _detail_width(step: Step) -> float:
    if _is_minor(step):
        return text_width(step.label, 11) + 24
    return max(104.0, box_width(step))


def flow(canvas: Canvas, items: Sequence[Item], x: float, y: float) -> float:
    """Draw a series downward from (x, y); returns where it ends."""
    for item in _unfolded(items):
        if isinstance(item, Bundle) and not item.tangled:
            y = _branching(canvas, item, x, y)
            continue
        canvas.path(f"M{num(x)} {num(y)}v{num(_STEP - 1)}", "ink", arrow=True)
        y += _STEP
        if _is_minor(item):
            assert isinstance(item, Step)
            width = _detail_width(item)
            canvas.paper(x - width / 2, y, width, _MINOR_H, 11, "paper")
            canvas.box(x - width / 2, y, width, _MINOR_H, ROLE_COLOR[item.role], 11)
            canvas.text(x, y + 15, item.label, 11)
            y += _MINOR_H
        else:
            width = _detail_width(item) if isinstance(item, Step) else box_width(item)
            draw_box(canvas, x - width / 2, y + BOX_HEIGHT / 2, width, item)
            y += BOX_HEIGHT
    return y


def _branching(canvas: Canvas, bundle: Bundle, x: float, y: float) -> float:
    fork = y + 7
    parts = [reach(branch) for branch in bundle.branches]
    if bundle.shortcut is not None:
        _, right, height = parts[0]
        canvas.path(f"M{num(x)} {num(y)}V{num(fork)}", "ink")
        if bundle.shortcut:
            a, b, h = reach(bundle.shortcut)
            height = max(height, h)
            side = x + right + 22 + a
        else:
            side = x + right + 22
        end = flow(canvas, bundle.branches[0], x, fork)
        plus = fork + height + _STEP + 9
        canvas.path(f"M{num(x)} {num(end)}V{num(plus - 10)}", "ink", arrow=True)
        bend = 12.0
        kind = "projection" if bundle.shortcut else "identity"
        if bundle.shortcut:
            canvas.path(
                f"M{num(x)} {num(fork)}H{num(side - bend)}Q{num(side)} {num(fork)} {num(side)} {num(fork + bend)}",
                "red",
                1.9,
                dashed=True,
            )
            low = flow(canvas, bundle.shortcut, side, fork + bend)
            canvas.path(
                f"M{num(side)} {num(low)}V{num(plus - bend)}Q{num(side)} {num(plus)} {num(side - bend)} {num(plus)}"
                f"H{num(x + 10)}",
                "red",
                1.9,
                dashed=True,
                arrow=True,
                css_class=f"cnnlab-shortcut {kind}",
            )
        else:
            canvas.path(
                f"M{num(x)} {num(fork)}H{num(side - bend)}Q{num(side)} {num(fork)} {num(side)} {num(fork + bend)}"
                f"V{num(plus - bend)}Q{num(side)} {num(plus)} {num(side - bend)} {num(plus)}H{num(x + 10)}",
                "red",
                1.9,
                arrow=True,
                css_class=f"cnnlab-shortcut {kind}",
            )
            canvas.room(side, fork, side + 2, plus)
        canvas.dot(x, fork)
        canvas.joint(x, plus, "add")
        return plus + 9
    wide = sum(a + b for a, b, _ in parts) + 18 * (len(parts) - 1)
    at = x - wide / 2
    height = max(h for *_, h in parts)
    low = fork + height + 14
    centers = []
    for branch, (a, b, _) in zip(bundle.branches, parts, strict=True):
        center = at + a
        centers.append(center)
        end = flow(canvas, branch, center, fork)
        canvas.path(f"M{num(center)} {num(end)}V{num(low)}", "ink", arrow=True)
        at += a + b + 18
    canvas.path(
        f"M{num(min(*centers, x))} {num(fork)}H{num(max(*centers, x))}M{num(x)} {num(y)}V{num(fork)}",
        "ink",
    )
    canvas.dot(x, fork)
    if bundle.join.role == "multiply":
        canvas.path(f"M{num(min(centers))} {num(low)}H{num(max(centers))}", "ink")
        canvas.joint(x, low + 10, "multiply")
        return low + 19
    color = ROLE_COLOR[bundle.join.role]
    caption = f"{bundle.join.label}: {shape_text(bundle.shape)}"
    half = text_width(caption, 11) / 2 - 4
    start, stop = min(*centers, x - half) - 12, max(*centers, x + half) + 12
    canvas.paper(start, low, stop - start, 24, 6, "paper")
    canvas.box(start, low, stop - start, 24, color)
    canvas.text((start + stop) / 2, low + 16, caption, 11)
    return low + 24
