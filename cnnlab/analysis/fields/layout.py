"""Where the image's positions are in a tensor: which of its dimensions count along which axis of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

__all__ = [
    "Part",
    "Layout",
    "whole",
    "whole_axis",
    "unit_at",
    "sides",
    "tidy",
    "axes_in",
    "plain",
    "fitted",
    "reshaped",
    "joined",
]


@dataclass(frozen=True)
class Part:
    """A factor of a tensor's dimension: its index counts ``size`` steps of ``stride`` positions along one image axis.

    Attributes:
        size: How many.
        axis: Of the image; None for channels, heads, the batch and whatever else is no place in it; a set of axes
            where positions lie that a reshape has cut unevenly.
        stride: Positions along the axis from one to the next.
    """

    size: int
    axis: int | frozenset[int] | None = None
    stride: int = 1


Layout = tuple[tuple[Part, ...], ...]


def whole(layout: Layout, axis: int) -> int | None:
    """The dimension that is this image axis, all of it and nothing else; None if there is none."""
    for d, parts in enumerate(layout):
        if len(parts) == 1 and parts[0].axis == axis and parts[0].stride == 1:
            return d if sum(part.axis == axis for other in layout for part in other) == 1 else None
    return None


def whole_axis(layout: Layout, d: int) -> int | None:
    """The image axis that this dimension is, all of it and nothing else; None if it is none."""
    axes = axes_in(layout[d])
    return next(iter(axes)) if len(axes) == 1 and whole(layout, next(iter(axes))) == d else None


def unit_at(layout: Layout, position: Sequence[int]) -> tuple[slice | list[int], ...] | None:
    """The index, dimension by dimension, of what lies at one position of the image, with all of its channels.

    None where a reshape has cut the positions unevenly, or others stand among them.
    """
    found = []
    for parts in layout:
        if any(isinstance(part.axis, frozenset) for part in parts):
            return None
        if all(part.axis is None for part in parts):
            found.append(slice(None))
            continue
        numbers = np.arange(prod(part.size for part in parts)).reshape([part.size for part in parts])
        digits = tuple(
            slice(None) if part.axis is None else position[part.axis] // part.stride % part.size for part in parts
        )
        found.append(np.atleast_1d(numbers[digits]).flatten().tolist())
    return tuple(found)


def sides(layout: Layout, axes: int) -> tuple[int, ...]:
    """How many positions there are along each image axis."""
    return tuple(prod(part.size for parts in layout for part in parts if part.axis == axis) for axis in range(axes))


def tidy(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Without parts of one position, and with neighbors that count on joined."""
    out: list[Part] = []
    for part in parts:
        if part.size == 1 and len(parts) > 1:
            continue
        last = out[-1] if out else None
        if (
            last is not None
            and last.axis == part.axis
            and (not isinstance(part.axis, int) or last.stride == part.size * part.stride)
        ):
            out[-1] = Part(last.size * part.size, part.axis, part.stride)
        else:
            out.append(part)
    return tuple(out) or tuple(parts[:1])


def axes_in(parts: Sequence[Part]) -> frozenset[int]:
    """The image axes that have positions in these parts of a dimension."""
    found: set[int] = set()
    for part in parts:
        if isinstance(part.axis, frozenset):
            found |= part.axis
        elif part.axis is not None:
            found.add(part.axis)
    return frozenset(found)


def plain(size: int) -> tuple[Part, ...]:
    """A dimension that is no place in the image."""
    return (Part(size),)


def fitted(layout: Layout, shape: Sequence[int]) -> Layout | None:
    """The layout with the sizes of a tensor: pooling, padding and slicing change them, axis for axis."""
    if len(layout) != len(shape):
        return None
    out = []
    for d, (parts, size) in enumerate(zip(layout, shape, strict=True)):
        if prod(part.size for part in parts) == size:
            out.append(parts)
            continue
        axes = axes_in(parts)
        if not axes:
            out.append(plain(size))
        elif len(parts) == 1 and isinstance(parts[0].axis, int) and whole(layout, parts[0].axis) == d:
            out.append((Part(size, parts[0].axis),))
        else:
            out.append((Part(size, axes),))
    return tuple(out)


def reshaped(layout: Layout, after: tuple[int, ...]) -> Layout:
    """Groups of neighboring dimensions with equal products correspond; parts are cut where a new dimension ends."""
    before = tuple(prod(part.size for part in parts) for parts in layout)
    if before == after:
        return layout
    out: list[tuple[Part, ...]] = []
    i = 0
    while i < len(before) or len(out) < len(after):
        group: list[Part] = []
        sizes: list[int] = []
        if i < len(before):
            group += layout[i]
            i += 1
        if len(out) + len(sizes) < len(after):
            sizes.append(after[len(out)])
        while prod(part.size for part in group) != prod(sizes):
            if prod(part.size for part in group) < prod(sizes):
                group += layout[i]
                i += 1
            else:
                sizes.append(after[len(out) + len(sizes)])
        out += _cut(tidy([part for part in group if part.size > 1]), sizes)
    return tuple(out)


def _cut(parts: tuple[Part, ...], sizes: list[int]) -> list[tuple[Part, ...]]:
    waiting = list(reversed(parts))
    out: list[tuple[Part, ...]] = []
    for size in sizes:
        inside: list[Part] = []
        need = size
        while need > 1:
            part = waiting.pop()
            if need % part.size == 0:
                inside.append(part)
                need //= part.size
            elif part.size % need == 0:
                below = part.size // need
                inside.append(Part(need, part.axis, part.stride * below))
                waiting.append(Part(below, part.axis, part.stride))
                need = 1
            else:  # cut unevenly
                axes = axes_in(parts)
                return [(Part(size, axes or None),) if size > 1 else plain(1) for size in sizes]
        out.append(tidy(inside) or plain(1))
    return out


def joined(tensors: Sequence[tuple[Layout, int]], shape: Sequence[int]) -> Layout:
    """The layout of what several tensors are broadcast to: each dimension as the one has it that has positions there.

    Args:
        tensors: of each its layout, and how many dimensions come before its own.
        shape: of the result.
    """
    out = []
    for d, size in enumerate(shape):
        found = {
            layout[d - shift]
            for layout, shift in tensors
            if 0 <= d - shift < len(layout)
            and size > 1
            and axes_in(layout[d - shift])
            and prod(part.size for part in layout[d - shift]) == size
        }
        if len(found) == 1:
            out.append(found.pop())
        else:
            axes = frozenset().union(*(axes_in(parts) for parts in found)) if found else frozenset()
            out.append((Part(size, axes or None),))
    return tuple(out)
