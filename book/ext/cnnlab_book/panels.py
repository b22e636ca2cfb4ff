"""Where a figure of several panels side by side can be cut in two, so that a phone shows its halves below each other.

At 360 pixels a row of four pictures would shrink to half its size, and its words with it. Panels are found in the SVG
that matplotlib wrote: each is a group of the figure's own group. Nothing is guessed: where anything at all stands
across the gap (a common title, a legend, a label that is longer than its panel), the figure stays whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree

from cnnlab.draw import palette

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_CLIP = re.compile(r"url\(#([^)]+)\)")
_SIZE = re.compile(r"font(?:-size)?: ?[^;]*?([\d.]+)px")
_ANCHOR = re.compile(r"text-anchor: ?(\w+)")
_WIDEST = 0.72  # of the figure: a wider half would gain too little
_LETTER = 0.62  # of a font's size: what a letter takes at most, on average

Span = tuple[float, float]

_ROOT = re.compile(r"<svg\b[^>]*>")
_BOX = re.compile(r'\bviewBox="([^"]*)"')
_WIDTH = re.compile(r"max-width:([\d.]+)px")
_FONT = re.compile(r"(?:stroke-linejoin|font-family):[^;\"]+")
_LABELS = re.compile(r"text-anchor: ?end")  # of an axis at the left
_PAINT = re.compile(r'\b(fill|stroke)="(#[0-9a-f]{6})"')


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def cut(svg: str) -> float | None:
    """The place from the left, in the figure's own units, at which it can be cut in two; None if it cannot.

    Args:
        svg: a figure as a cell stores it (``cnnlab.draw.embed.standalone``), one ``<svg>`` element.
    """
    root = ElementTree.fromstring(svg)
    left, _, wide, tall = (float(part) for part in root.get("viewBox", "").split())
    figure = next((child for child in root if _name(child) == "g"), None)
    if figure is None or wide < 1.4 * tall:
        return None
    clips = {}
    for clip in root.iter():
        if _name(clip) == "clipPath":
            rect = next((part for part in clip if _name(part) == "rect"), None)
            if rect is not None:
                start = float(rect.get("x", 0))
                clips[clip.get("id")] = (start, start + float(rect.get("width", 0)))
    try:
        spans = [_span(group, clips) for group in figure if _name(group) == "g"]
    except ValueError:
        return None
    # The first is the figure's background, as wide as all.
    panels = sorted(span for span in spans[1:] if span is not None)
    best: float | None = None
    reached = left
    for before, after in pairwise(panels):
        reached = max(reached, before[1])
        place = (reached + after[0]) / 2
        widest = max(place - left, left + wide - place)
        # Of two places as good as each other the later: the larger half comes first.
        off = abs(place - left - wide / 2)
        fits = reached < after[0] and widest <= _WIDEST * wide
        if fits and (best is None or off <= abs(best - left - wide / 2) + 0.02 * wide):
            best = place
    return best


def halves(svg: str, place: float, name: str, said: str) -> str:
    """The figure in line, and behind it its halves, which a narrow page shows instead (cnnlab.css says when).

    Args:
        svg: the figure as it stands in the page (``cnnlab.draw.embed.inline``).
        place: what ``cut`` found.
        name: an id that no other element of the page has.
        said: the text alternative, which the first half carries.
    """
    root = _ROOT.match(svg)
    if root is None:
        raise ValueError(f"svg={svg[:60]!r} does not begin with an <svg> element.")
    x, y, wide, tall = (float(part) for part in _BOX.findall(root[0])[0].split())
    shown = float(_WIDTH.findall(root[0])[0])
    parts = ((x, place - x), (place, x + wide - place))
    widest = max(width for _, width in parts)
    inherited = ";".join(_FONT.findall(root[0]))
    # Of panels with one axis for both, the second lacks its labels: flush right, its axis stands below the first's.
    # Pictures have no axis, and stand in the middle.
    similar = _LABELS.search(svg) and min(width for _, width in parts) > 0.75 * widest
    written = []
    for number, (start, width) in enumerate(parts):
        words = (
            f'role="img" aria-label="{said}"' if number == 0 else 'aria-hidden="true"'
        )
        side = "margin-left:auto;margin-right:0;" if number and similar else ""
        written.append(
            f'<svg class="cnnlab-half" viewBox="{start:.2f} {y:g} {width:.2f} {tall:g}" {words} '
            f'style="{side}width:{100 * width / widest:.1f}%;max-width:{shown * width / wide:.0f}px;{inherited}">'
            f'<use href="#{name}"/></svg>'
        )
    # A style sheet's rules do not reach into a copy; what is inherited, such as the page's variables, does.
    names = {light: name for name, (light, _) in palette.COLORS.items()}
    body = _PAINT.sub(
        lambda paint: (
            f'{paint[1]}="var(--cnnlab-{names[paint[2]]})"'
            if paint[2] in names
            else paint[0]
        ),
        svg[root.end() : svg.rindex("</svg>")],
    )
    return f'{root[0]}<g id="{name}">{body}</g></svg>{"".join(written)}'


def _span(group: ElementTree.Element, clips: dict[str | None, Span]) -> Span | None:
    """From where to where a panel reaches, with all that is written beside it."""
    found = list(_spans(group, clips))
    return (min(a for a, _ in found), max(b for _, b in found)) if found else None


def _spans(
    element: ElementTree.Element, clips: dict[str | None, Span], x: float = 0.0
) -> Iterator[Span]:
    name, style = _name(element), element.get("style", "")
    clip = _CLIP.fullmatch(element.get("clip-path", ""))
    if name == "defs" or name == "clipPath":
        return
    if clip:
        yield clips.get(clip[1], (x, x))
        return
    transform = element.get("transform", "")
    if name == "text":
        yield _text_span(element, style, transform, x)
        return
    if transform:
        moved = re.fullmatch(r"translate\(([-\d.]+)[ ,]+[-\d.]+\)", transform.strip())
        if moved is None:
            raise ValueError(f"transform={transform!r} is not a plain move")
        x += float(moved[1])
    if name == "path":
        numbers = [float(n) for n in _NUMBER.findall(element.get("d", ""))]
        if numbers:
            yield x + min(numbers[::2]), x + max(numbers[::2])
    elif name in ("use", "rect", "image"):
        start = x + float(element.get("x", 0))
        yield start, start + float(element.get("width", 0))
    for child in element:
        yield from _spans(child, clips, x)


def _text_span(
    element: ElementTree.Element, style: str, transform: str, x: float
) -> Span:
    size = float((_SIZE.search(style) or ["", "12"])[1])
    anchor = (_ANCHOR.search(style) or ["", "start"])[1]
    moved = re.search(r"translate\(([-\d.]+)", transform)
    turned = re.search(r"rotate\((-?[\d.]+)", transform)
    start = x + float(element.get("x", 0)) + (float(moved[1]) if moved else 0.0)
    if turned and abs(float(turned[1])) > 1:
        return start - size, start + size
    length = _LETTER * size * len("".join(element.itertext()))
    back = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * length
    return start - back, start - back + length
