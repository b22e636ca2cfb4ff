"""What a drawing shows of a model: steps, bundles of branches, and the levels of a U."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

__all__ = ["Step", "Bundle", "Item", "minor", "hidden", "Level", "levels_of", "shape_text", "times"]


@dataclass(frozen=True)
class Step:
    """One operator as a reader names it.

    Attributes:
        role: "conv", "pool", "dense", "attention", "norm", "activation", "add", "concatenate", "multiply", "other".
        label: "conv 3×3", "max pool 2×2", "dense", "ReLU", ...
        detail: "64, stride 2" for a convolution; empty where the label says it all.
        shape: Of the result, without the batch: (C, H, W) or (F,).
        name: Dotted name of the module that ran it.
        kernel, stride: Of a convolution or pooling, else empty.
        index: Number of the operator in its trace.
        minor: Norms, activations and scalings that followed it and changed no shape.
    """

    role: str
    label: str
    detail: str
    shape: tuple[int, ...]
    name: str
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    index: int = 0
    minor: tuple[Step, ...] = ()

    @property
    def signature(self) -> tuple[Any, ...]:
        return (self.role, self.label, self.detail, self.shape)


@dataclass(frozen=True)
class Bundle:
    """Branches that leave one place and meet in ``join``.

    Attributes:
        join: The operator in which they meet.
        branches: Each a series of items; the shortcut is not among them when there is one.
        shortcut: None when there is no shortcut; an empty tuple for the identity; else the steps of the projection.
        kind: Class of the module that holds it, such as "BasicBlock".
        name: Dotted name of that module.
        shape_in: Shape where the branches leave, without the batch.
        tangled: Whether its inside could not be told apart into branches (a dense block).
        own: Whether the model's own ``forward`` writes it, rather than that of a module within: a whole model's drawing
            would hide what it is if it showed that as one box.
    """

    join: Step
    branches: tuple[tuple[Item, ...], ...]
    shortcut: tuple[Item, ...] | None
    kind: str
    name: str
    shape_in: tuple[int, ...]
    tangled: bool = False
    minor: tuple[Step, ...] = field(default=())
    own: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.join.shape

    @property
    def is_residual(self) -> bool:
        return self.shortcut is not None

    @property
    def signature(self) -> tuple[Any, ...]:
        inside = tuple(tuple(x.signature for x in branch) for branch in self.branches)
        shortcut = None if self.shortcut is None else tuple(x.signature for x in self.shortcut)
        return (self.join.signature, inside, shortcut, self.tangled, self.kind)


Item = Step | Bundle


def minor(item: Item) -> bool:
    """Whether it is a norm, an activation or a scaling, which drawings of whole models leave out."""
    return isinstance(item, Step) and (
        item.role in ("norm", "activation") or (item.role == "other" and not item.label.startswith("upsample"))
    )


def hidden(item: Item) -> bool:
    """Whether one box, or one row of boxes, would hide branches that the model's own ``forward`` writes."""
    if not isinstance(item, Bundle) or not item.own or item.tangled:
        return False
    inside = [x for branch in (*item.branches, item.shortcut or ()) for x in branch]
    plain = item.is_residual and not any(isinstance(x, Bundle) and x.own for x in inside)
    return not plain or _around(item) is not None


@dataclass(frozen=True)
class Level:
    """One size of a U, as `levels_of` finds it.

    Attributes:
        left: What runs there on the way down, the pooling before it included.
        skip: What stands in the way across; empty where the maps go across as they are.
        join: What the maps of both ways meet in; None at the bottom.
        right: What runs there on the way up.
        up: What makes its maps larger then, for the level above; at the bottom all that follows the smallest map.
    """

    left: tuple[Item, ...]
    skip: tuple[Item, ...] = ()
    join: Step | None = None
    right: tuple[Item, ...] = ()
    up: tuple[Item, ...] = ()


def levels_of(items: Sequence[Item]) -> list[Level] | None:
    """A model that goes down, up, and across (U-Net), from the top: None if it is none."""
    found = [i for i, x in enumerate(items) if isinstance(x, Bundle) and x.own]
    if len(found) != 1:
        return None
    (at,) = found
    bundle = items[at]
    assert isinstance(bundle, Bundle)
    ways = _around(bundle)
    if ways is None:
        return None
    down, across = ways
    right, up = _enlarged(items[at + 1 :])
    here = Level(tuple(items[:at]), across, bundle.join, right, up)
    if any(isinstance(x, Bundle) and x.own for x in down):
        below = levels_of(down)
        return None if below is None else [here, *below]
    least = min(_area(x.shape) for x in down)
    last = max(i for i, x in enumerate(down) if _area(x.shape) == least)
    return [here, Level(tuple(down[: last + 1]), up=tuple(down[last + 1 :]))]


def _around(bundle: Bundle) -> tuple[tuple[Item, ...], tuple[Item, ...]] | None:
    """(the way with smaller maps in it, the way past it); None where there are no two such ways."""
    ways = [*bundle.branches, *([] if bundle.shortcut is None else [bundle.shortcut])]
    start = _area(bundle.shape_in)
    smallest = [min((_area(x.shape) for x in way), default=start) for way in ways]
    if bundle.tangled or len(ways) != 2 or start <= 1 or (smallest[0] < start) == (smallest[1] < start):
        return None
    return (ways[0], ways[1]) if smallest[0] < start else (ways[1], ways[0])


def _area(shape: tuple[int, ...]) -> int:
    return prod(shape[1:]) if len(shape) > 2 else 1


def _enlarged(items: Sequence[Item]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """The items, and those at the end that give larger maps than there are before."""
    at = next((i for i, x in enumerate(items) if _area(x.shape) > _area(items[0].shape)), len(items))
    return tuple(items[:at]), tuple(items[at:])


def shape_text(shape: tuple[int, ...]) -> str:
    """(6, 28, 28) as 6@28×28, (84,) as 84."""
    if len(shape) <= 1:
        return "".join(map(str, shape))
    if len(shape) == 3 and shape[1:] == (1, 1):
        return str(shape[0])
    if len(shape) == 2:
        return f"{shape[0]}×{shape[1]}"
    return f"{shape[0]}@" + "×".join(map(str, shape[1:]))


def times(sides: tuple[int, ...]) -> str:
    """(3, 3) as 3×3."""
    return "×".join(map(str, sides))
