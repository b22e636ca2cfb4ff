"""Drawings of a model, made from the model itself: every label is a shape that came out of it.

`draw_model(model, style="volumes")` is the drawing of LeNet's paper: stacks of feature maps that shrink and deepen.
`draw_model(model, style="blocks")` reads like lines of text, one residual block a line, its shortcut arching over it.
`draw_block(module, input_shape)` shows one block from top to bottom in every detail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from math import log2
from pathlib import Path

from torch import nn

from cnnlab.analysis import Summary, summarize
from cnnlab.draw import palette
from cnnlab.draw.embed import Embedded
from cnnlab.draw.model_graph import Bundle, Item, Step, series_of, shape_text
from cnnlab.errors import unknown_name

STYLES = ("volumes", "blocks")

_COLOR = {
    "conv": "blue",
    "pool": "teal",
    "dense": "violet",
    "attention": "orange",
    "norm": "grey",
    "activation": "green",
    "add": "red",
    "concatenate": "gold",
    "multiply": "orange",
    "bundle": "gold",
    "other": "grey",
}


class Drawing(Embedded):
    """A picture of a model: shown by the notebook, or ``.save("lenet.svg")``.

    Attributes:
        svg: The picture, one ``<svg>`` element.
        alt: What it shows, in words, made from the same numbers.
    """

    def __init__(self, svg: str, alt: str, title: str) -> None:
        super().__init__(svg, alt)
        self.title = title
        # A drawing wider than the screen scrolls inside its own box, also from the keyboard.
        self._html = (
            f'<div class="cnnlab-scroll" role="region" tabindex="0" aria-label="{escape(title, quote=True)}" '
            f'style="overflow-x:auto">{self._html}</div>'
        )

    def save(self, path: str | Path) -> Path:
        """Write the SVG to a file; the folder must exist. Returns the path."""
        path = Path(path)
        if path.suffix != ".svg":
            raise ValueError(f"path={str(path)!r} does not end in .svg, the format of a drawing.")
        path.write_text(self.svg, encoding="utf-8")
        return path


def draw_model(
    model: nn.Module | str,
    input_size: Sequence[int] | None = None,
    style: str = "volumes",
    *,
    expand: bool = False,
) -> Drawing:
    """Draw a whole model.

    Args:
        model: Any module, or a name for `cnnlab.create_model`.
        input_size: (C, H, W); None takes the model's own.
        style: "volumes" for stacks of feature maps, "blocks" for boxes with shortcuts.
        expand: Whether "blocks" draws every repeated block instead of one of them with "×3".

    Raises:
        ValueError: if the style or the model is unknown or the input does not fit.
    """
    if style not in STYLES:
        raise unknown_name("style", style, STYLES)
    summary = summarize(model, input_size)
    items = series_of(summary.trace)
    return _volumes(summary, items) if style == "volumes" else _blocks(summary, items, expand)


def draw_block(module: nn.Module, input_shape: Sequence[int], *, title: str | None = None) -> Drawing:
    """Draw one block from top to bottom with everything in it: normalization, activations, branches, shortcut.

    Args:
        module: A block, such as a ResNet's ``model.conv3[0]``.
        input_shape: (C, H, W) of what goes in.
        title: Heading; None is the module's class.

    Raises:
        ValueError: if the input does not fit.
    """
    summary = summarize(module, input_shape)
    return _detail(summary, series_of(summary.trace), title or type(module).__name__)


# ------------------------------------------------------------------------------------------------ canvas

_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_NARROW = frozenset("iIjl.,:;|'! ft()[]1")
_WIDE = frozenset("mMWwGOQ@×→")


def text_width(text: str, size: float) -> float:
    """Width of a text in the usual sans-serif fonts, rather too wide than too narrow."""
    return size * sum(0.36 if c in _NARROW else 0.9 if c in _WIDE else 0.6 for c in text)


class _Canvas:
    """Collects SVG elements and the room that they need."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.left = self.top = float("inf")
        self.right = self.bottom = float("-inf")

    def room(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.left, self.top = min(self.left, x0), min(self.top, y0)
        self.right, self.bottom = max(self.right, x1), max(self.bottom, y1)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 12,
        anchor: str = "middle",
        bold: bool = False,
        muted: bool = False,
    ) -> None:
        """``y`` is the baseline."""
        if not text:
            return
        wide = text_width(text, size) * (1.06 if bold else 1)
        start = x - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        self.room(start, y - size, start + wide, y + 0.3 * size)
        weight = ' font-weight="600"' if bold else ""
        opacity = ' fill-opacity=".72"' if muted else ""
        self.parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" text-anchor="{anchor}"{weight}{opacity}>'
            f"{escape(text)}</text>"
        )

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        color: str,
        radius: float = 6,
        fill: float = 0.14,
        stroke: float = 1.4,
        dashed: bool = False,
    ) -> None:
        self.room(x, y, x + w, y + h)
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self.parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" rx="{_n(radius)}" '
            f'style="fill:{palette.css(color)};stroke:{palette.css(color)}" fill-opacity="{fill}" '
            f'stroke-width="{stroke}"{dash}/>'
        )

    def paper(self, x: float, y: float, w: float, h: float, radius: float = 10, color: str = "surface") -> None:
        self.room(x, y, x + w, y + h)
        self.parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" rx="{_n(radius)}" '
            f'style="fill:{palette.css(color)};stroke:{palette.css("grid")}"/>'
        )

    def path(
        self,
        d: str,
        color: str = "ink",
        width: float = 1.4,
        dashed: bool = False,
        arrow: bool = False,
        opacity: float = 1,
        css_class: str = "",
    ) -> None:
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        head = f' marker-end="url(#HEAD-{color})"' if arrow else ""
        faint = f' stroke-opacity="{opacity}"' if opacity < 1 else ""
        name = f' class="{css_class}"' if css_class else ""
        self.parts.append(
            f'<path d="{d}"{name} fill="none" style="stroke:{palette.css(color)}" stroke-width="{width}" '
            f'stroke-linejoin="round" stroke-linecap="round"{dash}{faint}{head}/>'
        )

    def polygon(self, points: Sequence[tuple[float, float]], color: str, fill: float, stroke: float = 0) -> None:
        for x, y in points:
            self.room(x, y, x, y)
        where = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        line = f";stroke:{palette.css(color)}" if stroke else ""
        width = f' stroke-width="{stroke}" stroke-linejoin="round"' if stroke else ""
        self.parts.append(
            f'<polygon points="{where}" style="fill:{palette.css(color)}{line}" fill-opacity="{fill}"{width}/>'
        )

    def dot(self, x: float, y: float, radius: float = 2.6) -> None:
        self.parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{radius}" style="fill:{palette.css("ink")}"/>')

    def joint(self, x: float, y: float, role: str, radius: float = 9) -> None:
        """The circle in which branches meet: + adds, × multiplies."""
        self.room(x - radius, y - radius, x + radius, y + radius)
        color = _COLOR[role]
        arm = radius * 0.5
        k = 0 if role == "add" else arm * 0.29
        cross = (
            f"M{_n(x - arm + k)} {_n(y - k * 2.4)}L{_n(x + arm - k)} {_n(y + k * 2.4)}"
            f"M{_n(x + k * 2.4)} {_n(y - arm + k)}L{_n(x - k * 2.4)} {_n(y + arm - k)}"
        )
        self.parts.append(
            f'<g class="cnnlab-joint-{role}"><circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" '
            f'style="fill:{palette.css("paper")};stroke:{palette.css(color)}" stroke-width="1.6"/>'
            f'<path d="{cross}" fill="none" style="stroke:{palette.css(color)}" stroke-width="1.8" '
            f'stroke-linecap="round"/></g>'
        )

    def svg(self, title: str, alt: str, least: float | None = None, margin: float = 8) -> str:
        """The finished element; below ``least`` pixels it scrolls instead of shrinking on."""
        x, y = self.left - margin, self.top - margin
        w, h = self.right - self.left + 2 * margin, self.bottom - self.top + 2 * margin
        body = "".join(self.parts)
        key = hashlib.sha256((title + body).encode()).hexdigest()[:8]
        heads = ""
        for color in sorted({part.split("#HEAD-")[1].split(")")[0] for part in self.parts if "#HEAD-" in part}):
            heads += (
                f'<marker id="h{key}-{color}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6.5" '
                f'markerHeight="6.5" orient="auto"><path d="M0 .8L7.4 4L0 7.2z" '
                f'style="fill:{palette.css(color)}"/></marker>'
            )
        body = body.replace("url(#HEAD-", f"url(#h{key}-")
        floor = f"min-width:{_n(min(w, least))}px;" if least else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{_n(x)} {_n(y)} {_n(w)} {_n(h)}" role="img" '
            f'aria-labelledby="t{key} d{key}" font-family="{_FONT}" fill="currentColor" '
            f'style="display:block;width:100%;max-width:{_n(w)}px;{floor}height:auto;margin:0 auto">'
            f'<title id="t{key}">{escape(title)}</title><desc id="d{key}">{escape(alt)}</desc>'
            f"<defs>{heads}</defs>{body}</svg>"
        )


def _n(value: float) -> str:
    """A number as SVG writes it, the same on every machine."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


# --------------------------------------------------------------------------------------------- the words


def _said(item: Item) -> str:
    if isinstance(item, Bundle):
        inside = ", ".join(_said(x) for branch in item.branches[:1] for x in branch)
        if item.is_residual:
            over = "an identity shortcut" if not item.shortcut else f"a shortcut through {_chain(item.shortcut)}"
            return f"a residual block of {inside} with {over}, giving {shape_text(item.shape)}"
        if item.tangled:
            return f"{_a(item.kind.strip('_'))} giving {shape_text(item.shape)}"
        count = len(item.branches)
        return f"{_a(item.kind.strip('_'))} of {count} parallel branches, giving {shape_text(item.shape)}"
    words = item.label
    if item.role == "conv":
        words += f" with {item.detail.replace(', ', ' and ')}" if "stride" in item.detail else ""
    return f"{words} to {shape_text(item.shape)}"


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'AEIOUaeiou' else 'a'} {noun}"


def _chain(items: Sequence[Item]) -> str:
    return " and ".join(x.label if isinstance(x, Step) else x.kind for x in items)


def _alt(summary: Summary, groups: list[tuple[Item, int]]) -> str:
    said = []
    for item, count in groups:
        said.append(_said(item) if count == 1 else f"{count} times in a row {_said(item)}")
    start = shape_text(summary.input_size[1:])
    return f"Drawing of {summary.model_name}, from its input of {start} onwards: " + "; ".join(said) + "."


def _grouped(items: Sequence[Item], expand: bool = False) -> list[tuple[Item, int]]:
    """Neighbors that would look the same, with their number."""
    groups: list[tuple[Item, int]] = []
    for item in items:
        if not expand and groups and groups[-1][0].signature == item.signature:
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
        else:
            groups.append((item, 1))
    return groups


# ------------------------------------------------------------------------------------------ style: volumes


def _volumes(summary: Summary, items: Sequence[Item]) -> Drawing:
    groups = [(x, n) for x, n in _grouped(items) if not (isinstance(x, Step) and x.role in ("norm", "activation"))]
    stages = _stages(groups)
    first = summary.input_size[1:]
    canvas = _Canvas()
    largest = max((s[-1] for s in [first, *(shape for shape, *_ in stages)] if len(s) == 3), default=1)
    middle = 0.0
    x = 0.0
    line = 74.0  # baseline of the operations' names
    shapes = [first, *(shape for shape, *_ in stages)]
    names = ["input", *(name for _, _, name, _ in stages)]
    ends: list[dict[str, float]] = []
    drawn: list[_Canvas] = []
    previous_label_end = previous_words_end = float("-inf")
    for i, (shape, name) in enumerate(zip(shapes, names, strict=True)):
        form = _form(shape, largest)
        label = shape_text(shape)
        words = stages[i - 1][1] if i else []
        gap = 0.0 if not i else 40.0
        x += gap
        # Labels above and operations below must not touch their neighbors: move right until they do not.
        half = max(text_width(label, 11.5), text_width(name, 10.5) if name else 0) / 2
        center = x + form["width"] / 2
        if center - half < previous_label_end + 9:
            x += previous_label_end + 9 - (center - half)
        if i:
            wide = max(text_width(word, 11) for word in words) / 2
            at = (ends[-1]["right"] + x) / 2
            if at - wide < previous_words_end + 9:
                x += 2 * (previous_words_end + 9 - (at - wide))
            at = (ends[-1]["right"] + x) / 2
            previous_words_end = at + wide
        center = x + form["width"] / 2
        previous_label_end = center + half
        layer = _Canvas()
        end = _solid(layer, x, middle, shape, form)
        end.update(center=center, at=(ends[-1]["right"] + x) / 2 if i else 0.0)
        ends.append(end)
        drawn.append(layer)
        x += form["width"]
    top = min(layer.top for layer in drawn) - 12
    line = max(layer.bottom for layer in drawn) + 24
    # What connects two volumes lies beneath the later one and over the earlier one.
    for layer in drawn:
        canvas.parts.extend(layer.parts)
        canvas.room(layer.left, layer.top, layer.right, layer.bottom)
    for i in range(1, len(drawn)):
        _connect(canvas, ends[i - 1], ends[i], stages[i - 1][3])
    for i, (shape, name) in enumerate(zip(shapes, names, strict=True)):
        canvas.text(ends[i]["center"], top, shape_text(shape), 11.5, bold=True)
        if name:
            canvas.text(ends[i]["center"], top - 14, name, 10.5, muted=True)
        if i:
            for row, word in enumerate(stages[i - 1][1]):
                canvas.text(ends[i]["at"], line + 13.5 * row, word, 11, muted=row > 0)
    title = f"{summary.model_name}: volumes of feature maps"
    alt = _alt(summary, groups)
    return Drawing(canvas.svg(title, alt, least=min(canvas.right - canvas.left + 16, 680)), alt, title)


_Stage = tuple[tuple[int, ...], list[str], str, Step | None]


def _stages(groups: list[tuple[Item, int]]) -> list[_Stage]:
    """(shape, words of the operations before it, name, the operation if it is a single step) of each volume."""
    stages: list[_Stage] = []
    compact = sum(1 for _ in groups) > 9
    waiting: list[str] = []
    for i, (item, count) in enumerate(groups):
        if isinstance(item, Step):
            words = _volume_words(item)
            if count > 1:
                words = [*words[:-1], f"{words[-1]} ×{count}"]
            step: Step | None = item
            name = item.name
        else:
            kind = "residual block" if item.is_residual else item.kind.strip("_")
            words = [kind.split(" ")[0], *kind.split(" ")[1:]] if count == 1 else [f"{count} {kind}s"]
            if item.is_residual:
                words = ["1 residual", "block"] if count == 1 else [f"{count} residual", "blocks"]
            step, name = None, item.name.rsplit(".", 1)[0]
        if stages and stages[-1][0] == item.shape and compact:
            # The same shape again: one volume, more operations before it.
            shape, before, old_name, _ = stages[-1]
            stages[-1] = (shape, _merged(before, words), old_name, None)
            continue
        followed = compact and isinstance(item, Step) and item.role == "pool" and i + 1 < len(groups)
        if followed and groups[i + 1][0].shape[1:] == item.shape[1:] and len(item.shape) == 3:
            waiting += [item.label]  # a pooling and the convolution after it make one volume
            continue
        leaf = name.rsplit(".", 1)[-1]
        stages.append((item.shape, [*waiting, *words], "" if leaf.isdigit() or compact else leaf, step))
        waiting = []
    return stages


def _volume_words(step: Step) -> list[str]:
    if step.role == "conv":
        return [step.label]
    if step.role == "pool":
        return step.label.split(" ") if step.label.startswith("global") else [step.label]
    return [step.label]


def _merged(before: list[str], words: list[str]) -> list[str]:
    """["1 residual", "block"] twice is ["2 residual", "blocks"]; "conv 3×3" twice is "conv 3×3 ×2"."""
    if len(before) >= 2 and len(words) == 2 and "residual" in before[-2] and "residual" in words[0]:
        count = int(before[-2].split()[0]) + int(words[0].split()[0])
        return [*before[:-2], f"{count} residual", "blocks"]
    base, _, number = before[-1].partition(" ×")
    return [*before[:-1], f"{base} ×{int(number or 1) + 1}"] if base == words[-1] else [*before, *words]


def _form(shape: tuple[int, ...], largest: int) -> dict[str, float]:
    """How big a volume is drawn: sides as the square root, depth as the logarithm."""
    if len(shape) == 3 and shape[1:] != (1, 1):
        side = max(9.0, 86 * (shape[1] / largest) ** 0.5), max(9.0, 86 * (shape[2] / largest) ** 0.5)
        planes = shape[0] if shape[0] <= 8 else 8 + round(1.2 * log2(shape[0] / 8))
        shift = min(3.4, 2 + side[1] / 30)
        width = side[1] + shift * (planes - 1)
        return {"kind": 0, "h": side[0], "w": side[1], "planes": planes, "shift": shift, "width": width}
    units = shape[0] if len(shape) != 2 else shape[-1]
    return {"kind": 1, "h": 20 + 9.5 * log2(max(units, 1)), "w": 13, "planes": 1, "width": 13, "units": units}


def _solid(
    canvas: _Canvas, x: float, middle: float, shape: tuple[int, ...], form: dict[str, float]
) -> dict[str, float]:
    h, w = form["h"], form["w"]
    if form["kind"]:
        top = middle - h / 2
        canvas.paper(x, top, w, h, 4, "paper")
        canvas.box(x, top, w, h, "violet", 4, 0.3)
        if form["units"] <= 12:
            cell = h / form["units"]
            for n in range(1, int(form["units"])):
                canvas.path(f"M{_n(x)} {_n(top + n * cell)}h{_n(w)}", "violet", 1)
        return {"left": x, "right": x + w, "top": top, "bottom": top + h, "kind": 1, "w": w, "h": h}
    planes = int(form["planes"])
    shift = form["shift"]
    low = middle + h / 2 + shift * (planes - 1) / 2  # bottom of the front plane
    for n in range(planes - 1, -1, -1):  # from the back to the front
        px, py = x + n * shift, low - h - n * shift
        canvas.paper(px, py, w, h, 1.5, "paper")
        canvas.box(px, py, w, h, "blue", 1.5, 0.26 if n == 0 else 0.16, 1.1)
    return {
        "left": x,
        "right": x + form["width"],
        "top": low - h - shift * (planes - 1),
        "bottom": low,
        "kind": 0,
        "w": w,
        "h": h,
        "front_x": x,
        "front_y": low - h,
        "side": shape[-1],
    }


def _connect(canvas: _Canvas, a: dict[str, float], b: dict[str, float], step: Step | None) -> None:
    if a["kind"] == 0 and b["kind"] == 0 and step is not None and step.kernel:
        # The kernel on the front map, and the unit that it feeds.
        kernel = max(5.0, min(a["w"], a["w"] * step.kernel[-1] / a["side"]))
        color = "orange" if step.role == "conv" else "teal"
        kx = a["front_x"] + a["w"] * 0.72 - kernel / 2
        ky = a["front_y"] + a["h"] * 0.3 - kernel / 2
        kx = min(kx, a["front_x"] + a["w"] - kernel - 1.5)
        ky = max(ky, a["front_y"] + 1.5)
        ux, uy = b["front_x"] + b["w"] * 0.3, b["front_y"] + b["h"] * 0.42
        for cx, cy in ((kx + kernel, ky), (kx + kernel, ky + kernel)):
            canvas.path(f"M{_n(cx)} {_n(cy)}L{_n(ux)} {_n(uy)}", color, 1, opacity=0.9)
        canvas.box(kx, ky, kernel, kernel, color, 1, 0.35, 1.2)
        canvas.parts.append(f'<circle cx="{_n(ux)}" cy="{_n(uy)}" r="2.2" style="fill:{palette.css(color)}"/>')
    elif b["kind"] == 1:
        x0 = a["right"] if a["kind"] == 1 else a["front_x"] + a["w"]
        top = a["top"] if a["kind"] == 1 else a["front_y"]
        if a["kind"] == 0:
            points = [(a["right"], a["top"]), (b["left"], b["top"]), (b["left"], b["bottom"]), (x0, a["bottom"])]
            points.append((a["right"], a["top"] + a["h"]))
            points[3], points[4] = points[4], points[3]
            points = [points[0], points[1], points[2], (x0, a["bottom"]), (a["right"], a["top"] + a["h"])]
        else:
            points = [(x0, top), (b["left"], b["top"]), (b["left"], b["bottom"]), (x0, a["bottom"])]
        canvas.polygon(points, "violet", 0.13)
    else:
        y = (a["top"] + a["bottom"]) / 2
        canvas.path(f"M{_n(a['right'] + 7)} {_n(y)}H{_n(b['left'] - 7)}", "muted", 1.5, arrow=True)


# ------------------------------------------------------------------------------------------- style: blocks

_BOX_H, _GAP, _PAD = 38.0, 20.0, 12.0
_ROW_WIDTH = 372.0  # boxes wrap here, so that the drawing fits a phone


def _lines(item: Item) -> tuple[str, str]:
    if isinstance(item, Step):
        return item.label, item.detail or shape_text(item.shape)
    name = item.kind.strip("_")
    if item.join.role == "multiply":
        return ("gate", f"{item.shape[0]}") if "xcit" not in name and len(name) > 14 else (name, str(item.shape[0]))
    return name, shape_text(item.shape)


def _box_width(item: Item) -> float:
    first, second = _lines(item)
    return max(58.0, text_width(first, 12) * 1.08 + 16, text_width(second, 10.5) + 14)


def _role(item: Item) -> str:
    return item.role if isinstance(item, Step) else "bundle"


def _draw_box(canvas: _Canvas, x: float, middle: float, width: float, item: Item) -> None:
    first, second = _lines(item)
    canvas.paper(x, middle - _BOX_H / 2, width, _BOX_H, 7, "paper")
    canvas.box(x, middle - _BOX_H / 2, width, _BOX_H, _COLOR[_role(item)], 7)
    canvas.text(x + width / 2, middle - 3, first, 12, bold=True)
    canvas.text(x + width / 2, middle + 12, second, 10.5, muted=True)


def _blocks(summary: Summary, items: Sequence[Item], expand: bool) -> Drawing:
    groups = [
        (x, n)
        for x, n in _grouped(items, expand)
        if not (isinstance(x, Step) and x.role in ("norm", "activation", "other"))
    ]
    canvas = _Canvas()
    title = f"{summary.model_name}: blocks and shortcuts"
    alt = _alt(summary, groups)
    if not _is_staged(groups):  # no headings will say the shapes, so the boxes do
        groups = [
            (replace(x, detail=shape_text(x.shape)) if isinstance(x, Step) and len(x.shape) == 3 else x, n)
            for x, n in groups
        ]
    rows = _rows(groups, summary.input_size[1:])
    # Boxes of one width put the additions in one column, when the longest block still fits a line.
    blocks = [_boxes_of(x) for x, _ in groups if isinstance(x, Bundle) and x.is_residual]
    uniform = max((_box_width(x) for boxes in blocks for x in boxes), default=0.0)
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
    return Drawing(canvas.svg(title, alt, least=330), alt, title)


# Where the way to the next row leaves (x, y), and the height at which it turns back.
_Exit = tuple[float, float, float]


class _Row:
    def __init__(self, items: list[tuple[Item, int]], heading: tuple[str, str] | None) -> None:
        self.items = items
        self.heading = heading


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
            begins = staged and is_map and _role(item) != "pool" and here[0] != (stage[:1] or here[:1])[0]
        if begins:
            if rows:
                heading = (_stage_name(item), shape_text(item.shape))
            fresh = True
        if is_map:
            stage = here
        wide = _box_width(item) + _GAP + (text_width(f"×{count}", 12) + 4 if count > 1 else 0)
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


def _enter(canvas: _Canvas, back: float, x: float, middle: float, exit_at: _Exit | None, arrow: bool) -> None:
    """The way from the end of the last row to the beginning of this one."""
    if exit_at is None:
        canvas.path(f"M{_n(back)} {_n(middle)}H{_n(x)}", "ink", arrow=arrow)
        canvas.dot(back, middle)
        canvas.room(back - 3, middle, back, middle)
        return
    ex, ey, turn = exit_at
    r = 7.0
    canvas.path(
        f"M{_n(ex)} {_n(ey)}V{_n(turn - r)}Q{_n(ex)} {_n(turn)} {_n(ex - r)} {_n(turn)}H{_n(back + r)}"
        f"Q{_n(back)} {_n(turn)} {_n(back)} {_n(turn + r)}V{_n(middle - r)}"
        f"Q{_n(back)} {_n(middle)} {_n(back + r)} {_n(middle)}H{_n(x)}",
        "ink",
        arrow=arrow,
    )
    canvas.room(back - 2, turn, ex, middle)


def _plain_row(
    canvas: _Canvas,
    items: list[tuple[Item, int]],
    back: float,
    left: float,
    y: float,
    exit_at: _Exit | None,
) -> tuple[float, _Exit]:
    middle = y + _BOX_H / 2 + 4
    x = left + 6
    _enter(canvas, back, x - 1, middle, exit_at, arrow=True)
    for i, (item, count) in enumerate(items):
        if i:
            canvas.path(f"M{_n(x - _GAP)} {_n(middle)}H{_n(x - 1)}", "ink", arrow=True)
        width = _box_width(item)
        _draw_box(canvas, x, middle, width, item)
        x += width
        if count > 1:
            canvas.text(x + 4, middle - 8, f"×{count}", 12, "start", bold=True)
            x += text_width(f"×{count}", 12) + 4
        exit_at = (x - width / 2, middle + _BOX_H / 2, middle + _BOX_H / 2 + 9)
        x += _GAP
    return middle + _BOX_H / 2, exit_at if exit_at else (x, middle, middle)


def _boxes_of(block: Bundle) -> list[Item]:
    return [x for branch in block.branches for x in branch if _role(x) not in ("norm", "activation", "other")]


def _residual_row(
    canvas: _Canvas,
    group: tuple[Item, int],
    back: float,
    left: float,
    y: float,
    exit_at: _Exit | None,
    uniform: float,
) -> tuple[float, _Exit]:
    block, count = group
    assert isinstance(block, Bundle) and block.shortcut is not None  # _blocks sends only these here
    steps = _boxes_of(block)
    widths = [max(uniform, _box_width(x)) for x in steps]
    projection = [x for x in block.shortcut if not (isinstance(x, Step) and x.role in ("norm", "activation"))]
    label = ", ".join(f"{_lines(x)[0]}, {_lines(x)[1]}" for x in projection)
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
    height = arch + 14 + len(lines) * (_BOX_H + 12) + 2
    canvas.paper(left, y, right - left, height)
    middle = y + arch + 14 + _BOX_H / 2
    top = y + arch - 8
    last = middle + (len(lines) - 1) * (_BOX_H + 12)
    _enter(canvas, back, fork, middle, exit_at, arrow=False)
    # The shortcut, in its own class so that it can be counted, styled and animated.
    bend = 12.0
    canvas.path(
        f"M{_n(fork)} {_n(middle)}V{_n(top + bend)}Q{_n(fork)} {_n(top)} {_n(fork + bend)} {_n(top)}"
        f"H{_n(plus - bend)}Q{_n(plus)} {_n(top)} {_n(plus)} {_n(top + bend)}V{_n(last - 10)}",
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
                canvas.path(f"M{_n(begin)} {_n(at)}H{_n(x - 1)}", "ink", arrow=True)
            _draw_box(canvas, x, at, widths[i], steps[i])
            x += widths[i] + _GAP
        if number + 1 < len(lines):
            down = at + _BOX_H / 2 + 6
            canvas.path(
                f"M{_n(x - _GAP)} {_n(at)}H{_n(x - _GAP + 7)}V{_n(down)}H{_n(start - 9)}"
                f"V{_n(at + _BOX_H + 12)}H{_n(start - 1)}",
                "ink",
                arrow=True,
            )
            at += _BOX_H + 12
        else:
            canvas.path(f"M{_n(x - _GAP)} {_n(at)}H{_n(plus - 10)}", "ink", arrow=True)
    canvas.joint(plus, last, "add")
    if count > 1:
        canvas.text(right + 8, middle + 4, f"×{count}", 14, "start", bold=True)
    return y + height, (plus, last + 9, y + height + 8)


# --------------------------------------------------------------------------------------- one block in detail

_MINOR_H, _STEP = 22.0, 16.0


def _detail(summary: Summary, items: Sequence[Item], title: str) -> Drawing:
    canvas = _Canvas()
    first = summary.input_size[1:]
    canvas.text(0, 0, shape_text(first), 11.5, muted=True)
    y = _flow(canvas, items, 0.0, 8.0)
    canvas.path(f"M0 {_n(y)}v{_n(_STEP)}", "ink", arrow=True)
    shape = items[-1].shape if items else first
    canvas.text(0, y + _STEP + 14, shape_text(shape), 11.5, muted=True)
    said = f"{title}: one block in detail"
    alt = f"The block {title}, from an input of {shape_text(first)}: " + "; ".join(_in_detail(x) for x in items) + "."
    return Drawing(canvas.svg(said, alt, least=300), alt, said)


def _in_detail(item: Item) -> str:
    after = "".join(f", {m.label}" for m in item.minor)
    if isinstance(item, Step):
        return _said(item) + after
    if item.tangled:
        return _said(item)
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


def _size(items: Sequence[Item]) -> tuple[float, float, float]:
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
        return width / 2, width / 2, _MINOR_H if _is_minor(item) else _BOX_H
    if item.tangled:
        width = _box_width(item)
        return width / 2, width / 2, _BOX_H
    parts = [_size(branch) for branch in item.branches]
    if item.shortcut is not None:
        left, right, height = parts[0]
        if item.shortcut:
            a, b, h = _size(item.shortcut)
            return left, right + 22 + a + b, max(height, h) + _STEP * 2 + 20
        return left, right + 26, height + _STEP * 2 + 20
    wide = sum(a + b for a, b, _ in parts) + 18 * (len(parts) - 1)
    return wide / 2, wide / 2, max(h for *_, h in parts) + 2 * _STEP + 30


def _is_minor(item: Item) -> bool:
    return isinstance(item, Step) and item.role in ("norm", "activation", "other")


def _detail_width(step: Step) -> float:
    if _is_minor(step):
        return text_width(step.label, 11) + 24
    return max(104.0, _box_width(step))


def _flow(canvas: _Canvas, items: Sequence[Item], x: float, y: float) -> float:
    """Draw a series downward from (x, y); returns where it ends."""
    for item in _unfolded(items):
        if isinstance(item, Bundle) and not item.tangled:
            y = _branching(canvas, item, x, y)
            continue
        canvas.path(f"M{_n(x)} {_n(y)}v{_n(_STEP - 1)}", "ink", arrow=True)
        y += _STEP
        if _is_minor(item):
            assert isinstance(item, Step)
            width = _detail_width(item)
            canvas.paper(x - width / 2, y, width, _MINOR_H, 11, "paper")
            canvas.box(x - width / 2, y, width, _MINOR_H, _COLOR[item.role], 11)
            canvas.text(x, y + 15, item.label, 11)
            y += _MINOR_H
        else:
            width = _detail_width(item) if isinstance(item, Step) else _box_width(item)
            _draw_box(canvas, x - width / 2, y + _BOX_H / 2, width, item)
            y += _BOX_H
    return y


def _branching(canvas: _Canvas, bundle: Bundle, x: float, y: float) -> float:
    fork = y + 7
    parts = [_size(branch) for branch in bundle.branches]
    if bundle.shortcut is not None:
        _, right, height = parts[0]
        canvas.path(f"M{_n(x)} {_n(y)}V{_n(fork)}", "ink")
        if bundle.shortcut:
            a, b, h = _size(bundle.shortcut)
            height = max(height, h)
            side = x + right + 22 + a
        else:
            side = x + right + 22
        end = _flow(canvas, bundle.branches[0], x, fork)
        plus = fork + height + _STEP + 9
        canvas.path(f"M{_n(x)} {_n(end)}V{_n(plus - 10)}", "ink", arrow=True)
        bend = 12.0
        kind = "projection" if bundle.shortcut else "identity"
        if bundle.shortcut:
            canvas.path(
                f"M{_n(x)} {_n(fork)}H{_n(side - bend)}Q{_n(side)} {_n(fork)} {_n(side)} {_n(fork + bend)}",
                "red",
                1.9,
                dashed=True,
            )
            low = _flow(canvas, bundle.shortcut, side, fork + bend)
            canvas.path(
                f"M{_n(side)} {_n(low)}V{_n(plus - bend)}Q{_n(side)} {_n(plus)} {_n(side - bend)} {_n(plus)}"
                f"H{_n(x + 10)}",
                "red",
                1.9,
                dashed=True,
                arrow=True,
                css_class=f"cnnlab-shortcut {kind}",
            )
        else:
            canvas.path(
                f"M{_n(x)} {_n(fork)}H{_n(side - bend)}Q{_n(side)} {_n(fork)} {_n(side)} {_n(fork + bend)}"
                f"V{_n(plus - bend)}Q{_n(side)} {_n(plus)} {_n(side - bend)} {_n(plus)}H{_n(x + 10)}",
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
        end = _flow(canvas, branch, center, fork)
        canvas.path(f"M{_n(center)} {_n(end)}V{_n(low)}", "ink", arrow=True)
        at += a + b + 18
    canvas.path(f"M{_n(min(*centers, x))} {_n(fork)}H{_n(max(*centers, x))}M{_n(x)} {_n(y)}V{_n(fork)}", "ink")
    canvas.dot(x, fork)
    if bundle.join.role == "multiply":
        canvas.path(f"M{_n(min(centers))} {_n(low)}H{_n(max(centers))}", "ink")
        canvas.joint(x, low + 10, "multiply")
        return low + 19
    color = _COLOR[bundle.join.role]
    caption = f"{bundle.join.label}: {shape_text(bundle.shape)}"
    half = text_width(caption, 11) / 2 - 4
    start, stop = min(*centers, x - half) - 12, max(*centers, x + half) + 12
    canvas.paper(start, low, stop - start, 24, 6, "paper")
    canvas.box(start, low, stop - start, 24, color)
    canvas.text((start + stop) / 2, low + 16, caption, 11)
    return low + 24
