"""The drawing of LeNet's paper: stacks of feature maps that shrink and deepen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log2

from cnnlab.analysis import Summary
from cnnlab.draw.model.canvas import ROLE_COLOR, Canvas, Picture, num, text_width
from cnnlab.draw.model.items import Item, Level, Step, hidden, levels_of, minor, shape_text
from cnnlab.draw.model.words import alt_of, grouped, woven

__all__ = ["draw_volumes"]


@dataclass(frozen=True)
class _Stage:
    """A volume before it is drawn.

    Attributes:
        shape: (C, H, W) or (F,).
        words: of the operations before it, a line each; none before the input.
        name: what stands above its shape.
        step: the operation before it, if that is a single step.
    """

    shape: tuple[int, ...]
    words: list[str]
    name: str
    step: Step | None = None


@dataclass(frozen=True)
class _Form:
    """How big a volume is drawn: planes of width x height, each ``shift`` behind the last; a bar is a single plane.

    Attributes:
        units: numbers in a bar; 0 for maps.
    """

    width: float
    height: float
    planes: int = 1
    shift: float = 0.0
    units: int = 0

    @property
    def whole_width(self) -> float:
        return self.width + self.shift * (self.planes - 1)


@dataclass(frozen=True)
class _Volume:
    """A volume in its place: its form, and the box around it. The front plane is at the lower left."""

    stage: _Stage
    form: _Form
    left: float
    top: float
    bottom: float

    @property
    def right(self) -> float:
        return self.left + self.form.whole_width

    @property
    def center(self) -> float:
        return self.left + self.form.whole_width / 2

    @property
    def front_top(self) -> float:
        return self.bottom - self.form.height


def draw_volumes(summary: Summary, items: Sequence[Item]) -> Picture:
    """A whole model."""
    groups = [(x, n) for x, n in grouped(items) if not (isinstance(x, Step) and x.role in ("norm", "activation"))]
    levels = levels_of(items)
    found, skips = ([*_stages(groups)], []) if levels is None else _down_and_up(levels)
    stages = [_Stage(summary.input_size[1:], [], "input"), *found]
    largest = max((stage.shape[-1] for stage in stages if len(stage.shape) == 3), default=1)
    volumes: list[_Volume] = []
    layers: list[Canvas] = []
    places: list[float] = []  # of the operations' words: halfway between two volumes
    x = 0.0
    previous_label_end = previous_words_end = float("-inf")
    for stage in stages:
        form = _form(stage.shape, largest)
        x += 40.0 if volumes else 0.0
        # Labels above and operations below must not touch their neighbors: move right until they do not.
        half = max(text_width(shape_text(stage.shape), 11.5), text_width(stage.name, 10.5)) / 2
        center = x + form.whole_width / 2
        if center - half < previous_label_end + 9:
            x += previous_label_end + 9 - (center - half)
        if volumes:
            wide = max(text_width(word, 11) for word in stage.words) / 2
            at = (volumes[-1].right + x) / 2
            if at - wide < previous_words_end + 9:
                x += 2 * (previous_words_end + 9 - (at - wide))
            places.append((volumes[-1].right + x) / 2)
            previous_words_end = places[-1] + wide
        layer = Canvas()
        volume = _solid(layer, x, stage, form)
        volumes.append(volume)
        layers.append(layer)
        previous_label_end = volume.center + half
        x += form.whole_width
    # What connects two volumes lies beneath the later one and over the earlier one.
    canvas = Canvas()
    for layer in layers:
        canvas.parts.extend(layer.parts)
        canvas.room(layer.left, layer.top, layer.right, layer.bottom)
    for before, after in pairwise(volumes):
        _connect(canvas, before, after)
    top = min(layer.top for layer in layers) - 12
    line = max(layer.bottom for layer in layers) + 24
    for volume, at in zip(volumes, [0.0, *places], strict=True):
        canvas.text(volume.center, top, shape_text(volume.stage.shape), 11.5, bold=True)
        canvas.text(volume.center, top - 14, volume.stage.name, 10.5, muted=True)
        for row, word in enumerate(volume.stage.words):
            canvas.text(at, line + 13.5 * row, word, 11, muted=row > 0)
    for depth, (start, end, role) in enumerate(skips):
        _skip(canvas, volumes[start], volumes[end], top - (27 if start == 0 else 14), len(skips) - depth, role)
    note = woven(items)
    if levels is None and any(hidden(x) for x in items):
        note = ['Branches of the model\'s own forward: style="blocks" draws them.']
    for number, text in enumerate(note):
        canvas.text(canvas.left, canvas.bottom + (12 if number else 18), text, 10.5, "start", muted=True)
    title = f"{summary.model_name}: volumes of feature maps"
    alt = " ".join([alt_of(summary, groups), *note])
    return canvas.picture(title, alt, least=min(canvas.right - canvas.left + 16, 680))


def _down_and_up(levels: Sequence[Level]) -> tuple[list[_Stage], list[tuple[int, int, str]]]:
    """The volumes of a U in the order in which they are made, and its skips: (from, to, what they meet in).

    Volumes are counted with the input as number 0. What makes the maps larger, the joint and the first convolution
    after it make one volume.
    """
    stages: list[_Stage] = []
    starts: list[int] = []
    for level in levels:
        stages += _storey(level.left)
        starts.append(len(stages))
    skips: list[tuple[int, int, str]] = []
    for level, below, start in reversed(list(zip(levels, levels[1:], starts, strict=False))):
        assert level.join is not None  # of all levels but the last
        words = [*(x.label if isinstance(x, Step) else x.kind for x, _ in _seen(below.up)), level.join.label]
        after = _storey(level.right)
        if not after:
            after = [_Stage(level.join.shape, [], "")]
        after[0] = replace(after[0], words=[*words, *after[0].words], step=None)
        skips.insert(0, (start, len(stages) + 1, level.join.role))
        stages += after
    stages += _storey(levels[0].up)
    return stages, skips


def _storey(items: Sequence[Item]) -> list[_Stage]:
    """The volumes of one size, of which convolutions without padding take a few rows each: no volumes of their own."""
    stages: list[_Stage] = []
    for stage in _stages(_seen(items), compact=True):
        last = stages[-1] if stages else None
        if last is not None and len(last.shape) == len(stage.shape) == 3 and 0.75 < stage.shape[1] / last.shape[1] <= 1:
            pooled = last.step is not None and last.step.role == "pool"
            if pooled or last.shape[0] == stage.shape[0]:
                words = list(last.words)
                for word in stage.words:
                    words = _merged(words, [word])
                stages[-1] = replace(stage, words=words, step=None)
                continue
        stages.append(stage)
    return stages


def _seen(items: Sequence[Item]) -> list[tuple[Item, int]]:
    return [(x, n) for x, n in grouped(items) if not minor(x)]


def _skip(canvas: Canvas, a: _Volume, b: _Volume, y: float, height: int, role: str) -> None:
    """From above one volume's name to above another's; ``height`` in steps, so that skips nest."""
    bend, top = 7.0, y - 8 - 11 * height
    canvas.path(
        f"M{num(a.center)} {num(y)}V{num(top + bend)}Q{num(a.center)} {num(top)} {num(a.center + bend)} {num(top)}"
        f"H{num(b.center - bend)}Q{num(b.center)} {num(top)} {num(b.center)} {num(top + bend)}V{num(y)}",
        ROLE_COLOR[role],
        1.7,
        arrow=True,
        css_class="cnnlab-skip",
    )
    canvas.room(a.center, top, b.center, y)


def _stages(groups: list[tuple[Item, int]], compact: bool | None = None) -> list[_Stage]:
    """The volumes after the input, in their order; ``compact`` joins those of one shape, None where there are many."""
    stages: list[_Stage] = []
    compact = len(groups) > 9 if compact is None else compact
    waiting: list[str] = []
    for i, (item, count) in enumerate(groups):
        if isinstance(item, Step):
            words = item.label.split(" ") if item.label.startswith("global") else [item.label]
            if count > 1:
                words = [*words[:-1], f"{words[-1]} ×{count}"]
            step: Step | None = item
            name = item.name
        else:
            kind = "residual block" if item.is_residual else item.kind.strip("_")
            words = [kind.split(" ")[0], *kind.split(" ")[1:]] if count == 1 else [f"{count} {kind}s"]
            if item.is_residual:
                words = ["1 residual", "block"] if count == 1 else [f"{count} residual", "blocks"]
            if hidden(item):
                words = [f"{len(item.branches) + item.is_residual} branches"]
            step, name = None, item.name.rsplit(".", 1)[0]
        if stages and stages[-1].shape == item.shape and compact:
            # The same shape again: one volume, more operations before it.
            stages[-1] = replace(stages[-1], words=_merged(stages[-1].words, words), step=None)
            continue
        followed = compact and isinstance(item, Step) and item.role == "pool" and i + 1 < len(groups)
        if followed and groups[i + 1][0].shape[1:] == item.shape[1:] and len(item.shape) == 3:
            waiting += [item.label]  # a pooling and the convolution after it make one volume
            continue
        leaf = name.rsplit(".", 1)[-1]
        stages.append(_Stage(item.shape, [*waiting, *words], "" if leaf.isdigit() or compact else leaf, step))
        waiting = []
    return stages


def _merged(before: list[str], words: list[str]) -> list[str]:
    """["1 residual", "block"] twice is ["2 residual", "blocks"]; "conv 3×3" twice is "conv 3×3 ×2"."""
    if len(before) >= 2 and len(words) == 2 and "residual" in before[-2] and "residual" in words[0]:
        count = int(before[-2].split()[0]) + int(words[0].split()[0])
        return [*before[:-2], f"{count} residual", "blocks"]
    base, _, number = before[-1].partition(" ×")
    return [*before[:-1], f"{base} ×{int(number or 1) + 1}"] if base == words[-1] else [*before, *words]


def _form(shape: tuple[int, ...], largest: int) -> _Form:
    """Sides as the square root, depth as the logarithm."""
    if len(shape) == 3 and shape[1:] != (1, 1):
        height, width = (max(9.0, 86 * (side / largest) ** 0.5) for side in shape[1:])
        planes = shape[0] if shape[0] <= 8 else 8 + round(1.2 * log2(shape[0] / 8))
        return _Form(width, height, planes, shift=min(3.4, 2 + width / 30))
    units = shape[0] if len(shape) != 2 else shape[-1]
    return _Form(13.0, 20 + 9.5 * log2(max(units, 1)), units=units)


def _solid(canvas: Canvas, x: float, stage: _Stage, form: _Form) -> _Volume:
    """Draw a volume about the height 0."""
    h, w = form.height, form.width
    if form.units:
        top = -h / 2
        canvas.paper(x, top, w, h, 4, "paper")
        canvas.box(x, top, w, h, "violet", 4, 0.3)
        if form.units <= 12:
            cell = h / form.units
            for n in range(1, form.units):
                canvas.path(f"M{num(x)} {num(top + n * cell)}h{num(w)}", "violet", 1)
        return _Volume(stage, form, x, top, top + h)
    behind = form.shift * (form.planes - 1)
    low = h / 2 + behind / 2  # bottom of the front plane
    for n in range(form.planes - 1, -1, -1):  # from the back to the front
        px, py = x + n * form.shift, low - h - n * form.shift
        canvas.paper(px, py, w, h, 1.5, "paper")
        canvas.box(px, py, w, h, "blue", 1.5, 0.26 if n == 0 else 0.16, 1.1)
    return _Volume(stage, form, x, low - h - behind, low)


def _connect(canvas: Canvas, a: _Volume, b: _Volume) -> None:
    step = b.stage.step
    if b.form.units:
        if a.form.units:
            points = [(a.right, a.top), (b.left, b.top), (b.left, b.bottom), (a.right, a.bottom)]
        else:  # around the planes: the back one's right side, then down to the front one's corner
            corner = a.left + a.form.width
            points = [(a.right, a.top), (b.left, b.top), (b.left, b.bottom), (corner, a.bottom)]
            points.append((a.right, a.top + a.form.height))
        canvas.polygon(points, "violet", 0.13)
    elif not a.form.units and step is not None and step.kernel:
        # The kernel on the front map, and the unit that it feeds.
        kernel = max(5.0, min(a.form.width, a.form.width * step.kernel[-1] / a.stage.shape[-1]))
        color = "orange" if step.role == "conv" else "teal"
        kx = a.left + a.form.width * 0.72 - kernel / 2
        ky = a.front_top + a.form.height * 0.3 - kernel / 2
        kx = min(kx, a.left + a.form.width - kernel - 1.5)
        ky = max(ky, a.front_top + 1.5)
        ux, uy = b.left + b.form.width * 0.3, b.front_top + b.form.height * 0.42
        for cx, cy in ((kx + kernel, ky), (kx + kernel, ky + kernel)):
            canvas.path(f"M{num(cx)} {num(cy)}L{num(ux)} {num(uy)}", color, 1, opacity=0.9)
        canvas.box(kx, ky, kernel, kernel, color, 1, 0.35, 1.2)
        canvas.dot(ux, uy, 2.2, color)
    else:
        y = (a.top + a.bottom) / 2
        canvas.path(f"M{num(a.right + 7)} {num(y)}H{num(b.left - 7)}", "muted", 1.5, arrow=True)
