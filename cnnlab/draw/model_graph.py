"""From a trace to something drawable: a series of steps, some of which are parallel branches.

The operators of a trace form a graph. Views and copies are contracted away; then an operator that every path runs
through cuts the graph, and what lies between two neighboring cuts is a bundle of branches: a residual block when
they meet in an addition, an Inception block when they meet in a concatenation. Branches are taken apart the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from cnnlab.analysis.operators import conv_numbers, names_in, pool_numbers
from cnnlab.analysis.trace import IMAGE, Call, Op, Trace

__all__ = ["Step", "Bundle", "Item", "minor", "hidden", "Level", "levels_of", "series_of", "shape_text", "times"]

_CONTRACTED = names_in(
    """
    view reshape flatten unflatten permute transpose t contiguous clone alias detach expand unsqueeze squeeze slice
    select pad constant_pad_nd dropout feature_dropout to _to_copy _unsafe_view movedim swapaxes roll zeros_like
    """
)
_NORMS = {"batch_norm": "batch norm", "layer_norm": "layer norm", "group_norm": "group norm", "rms_norm": "RMS norm"}
_NORMS |= {"instance_norm": "instance norm"}
_ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "tanh": "tanh", "sigmoid": "sigmoid", "elu": "ELU"}
_ACTIVATIONS |= {"relu6": "ReLU6", "hardtanh": "ReLU6", "hardswish": "hard swish", "hardsigmoid": "hard sigmoid"}
_ACTIVATIONS |= {"leaky_relu": "leaky ReLU", "prelu": "PReLU", "softmax": "softmax", "log_softmax": "log-softmax"}
_JOINS = {"add": "add", "cat": "concatenate", "mul": "multiply"}
_MATRIX = names_in("linear addmm mm matmul")


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


def series_of(trace: Trace) -> tuple[Item, ...]:
    """The model as a series of items, in the order in which they run."""
    return _Parser(trace).whole()


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
    return "×".join(map(str, sides))


class _Parser:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        ops = trace.ops
        self.shape_of_input = tuple(trace.inputs[0].shape[1:])
        # The model, or what it wraps and adds nothing to.
        self.root = trace.calls[0] if trace.calls else None
        while self.root is not None and [(c.start, c.end) for c in self.root.children] == [
            (self.root.start, self.root.end)
        ]:
            self.root = self.root.children[0]
        # Contract: what an operator's result is called in the drawn graph.
        stands_for: dict[int, int] = {IMAGE: IMAGE}
        self.sources: dict[int, tuple[int, ...]] = {}
        for op in ops:
            if not op.from_image:
                continue
            found = tuple(stands_for[i] for i in op.inputs if i in stands_for)
            if not found:
                continue
            idle = op.kind.startswith("adaptive") and op.shape == tuple(op.args[0].shape)  # pools every pixel alone
            if idle or op.kind.rstrip("_") in _CONTRACTED or op.kind in _CONTRACTED:
                stands_for[op.index] = found[0]
            else:
                stands_for[op.index] = op.index
                self.sources[op.index] = found
        end = trace.calls[0].output if trace.calls else None
        end = stands_for.get(end, IMAGE) if end is not None else max(self.sources, default=IMAGE)
        # Keep what leads to the output.
        wanted, stack = set(), [end]
        while stack:
            i = stack.pop()
            if i != IMAGE and i not in wanted:
                wanted.add(i)
                stack.extend(self.sources[i])
        self.nodes = sorted(wanted)
        self.consumers: dict[int, list[int]] = {i: [] for i in (IMAGE, *self.nodes)}
        for i in self.nodes:
            for source in set(self.sources[i]):
                self.consumers[source].append(i)

    def whole(self) -> tuple[Item, ...]:
        return self._fold(self._parse(self.nodes, IMAGE))

    def _shape(self, i: int) -> tuple[int, ...]:
        return self.shape_of_input if i == IMAGE else self.trace.ops[i].shape[1:]

    def _parse(self, nodes: list[int], source: int) -> list[Item]:
        items: list[Item] = []
        place = {i: n for n, i in enumerate(nodes)}
        far = max((place.get(i, len(nodes)) for i in self.consumers[source] if i in place), default=0)
        previous, inside = source, []
        for n, i in enumerate(nodes):
            if far > n:  # some edge jumps over this operator: it lies in a branch
                inside.append(i)
            else:
                items.append(self._bundle(previous, inside, i) if inside else self._step(i))
                previous, inside = i, []
            far = max(far, *(place.get(j, len(nodes)) for j in self.consumers[i]), n)
        if inside:  # the branches end without meeting: shown as one thing
            items.append(self._tangle(previous, inside, inside[-1]))
        return items

    def _bundle(self, source: int, inside: list[int], join: int) -> Item:
        direct = source in self.sources[join]
        parts = self._components(inside)
        if len(parts) == 1 and not direct:
            return self._tangle(source, inside, join)
        branches = [self._fold(self._parse(part, source)) for part in parts]
        step = self._step(join)
        if (
            any(
                isinstance(x, Bundle) and x.tangled and x.join.index == part[-1] and len(b) == 1
                for b, part in zip(branches, parts, strict=True)
                for x in b
            )
            and step.role == "concatenate"
        ):
            return self._tangle(source, inside, join)
        shortcut: tuple[Item, ...] | None = None
        if step.role == "add" and len(parts) + direct == 2:
            if direct:
                shortcut = ()
            else:
                shortcut = min(branches, key=lambda b: (_weighted(b), len(b)))
                branches.remove(shortcut)
        elif direct:
            branches.append(())
        holder = self._holder(inside, join)
        return Bundle(
            join=step,
            branches=tuple(branches),
            shortcut=shortcut,
            kind=type(holder.module).__name__,
            name=holder.name,
            shape_in=self._shape(source),
            own=self._is_own(holder),
        )

    def _tangle(self, source: int, inside: list[int], join: int) -> Bundle:
        holder = self._holder(inside, join)
        return Bundle(
            join=self._step(join),
            branches=(tuple(self._step(i) for i in inside),),
            shortcut=None,
            kind=type(holder.module).__name__,
            name=holder.name,
            shape_in=self._shape(source),
            tangled=True,
            own=self._is_own(holder),
        )

    def _is_own(self, holder: Call) -> bool:
        return self.root is not None and self.root.depth >= holder.depth

    def _holder(self, inside: list[int], join: int) -> Call:
        """The innermost module call that ran all of it."""
        call: Call | None = self.trace.ops[join].call
        first = min([*inside, join])
        while call is not None and call.parent is not None and call.start > first:
            call = call.parent
        return call if call is not None else self.trace.calls[0]

    def _components(self, nodes: list[int]) -> list[list[int]]:
        group = {i: i for i in nodes}

        def root(i: int) -> int:
            while group[i] != i:
                i = group[i]
            return i

        for i in nodes:
            for j in self.sources[i]:
                if j in group:
                    group[root(i)] = root(j)
        parts: dict[int, list[int]] = {}
        for i in nodes:
            parts.setdefault(root(i), []).append(i)
        return list(parts.values())

    @staticmethod
    def _fold(items: list[Item]) -> tuple[Item, ...]:
        """Hang norms, activations and scalings on the item before them."""
        folded: list[Item] = []
        for item in items:
            minor = isinstance(item, Step) and item.role in ("norm", "activation", "other")
            if minor and folded and folded[-1].shape == item.shape:
                last = folded[-1]
                folded[-1] = type(last)(**{**vars(last), "minor": (*last.minor, item)})
            else:
                folded.append(item)
        return tuple(folded)

    def _step(self, i: int) -> Step:
        op = self.trace.ops[i]
        kind = op.kind.rstrip("_")
        role, label, detail, kernel, stride = _read(op, kind, len(self.sources[i]))
        shape = op.shape[1:]
        if len(shape) == 3 and self._channels_come_last(i):
            shape = (shape[2], *shape[:2])
        return Step(role, label, detail, shape, op.call.name, kernel, stride, op.index)

    def _channels_come_last(self, i: int) -> bool:
        """Whether an operator's result is (H, W, C): dense layers, layer norms and what follows them."""
        op = self.trace.ops[i]
        kind = op.kind.rstrip("_")
        if kind == "layer_norm" or (kind in _MATRIX and len(op.shape) == 4):
            return True
        one = self.sources[i][0] if len(self.sources[i]) == 1 else IMAGE
        same = one != IMAGE and kind in _ACTIVATIONS and self.trace.ops[one].shape == op.shape
        return same and self._channels_come_last(one)


def _weighted(items: tuple[Item, ...]) -> int:
    total = 0
    for item in items:
        if isinstance(item, Bundle):
            total += sum(_weighted(branch) for branch in item.branches) + 1
        elif item.role in ("conv", "dense", "attention"):
            total += 1
    return total


def _read(op: Op, kind: str, sources: int) -> tuple[str, str, str, tuple[int, ...], tuple[int, ...]]:
    if kind.startswith("conv") and len(op.args) > 1:
        return _read_conv(op, kind)
    if "pool" in kind:
        if kind.startswith("adaptive"):
            to = op.shape[2:]
            word = "average" if "avg" in kind else "max"
            label = f"global {word}" if set(to) == {1} else f"{word} pool to {times(to)}"
            return "pool", label, "", (), ()
        n = int(kind[-2]) if kind[-1] == "d" else 2
        kernel, stride, *_ = pool_numbers(op.args, op.kwargs, n, kind.startswith("max"))
        word = "avg pool" if kind.startswith("avg") else "max pool"
        return "pool", f"{word} {times(kernel)}", f"stride {stride[0]}", kernel, stride
    if kind in ("mean", "amax", "sum") and len(op.shape) < op.args[0].dim() + 1 and op.args[0].dim() >= 3:
        word = {"mean": "average", "amax": "max", "sum": "sum"}[kind]
        return "pool", f"global {word}", "", (), ()
    if kind == "scaled_dot_product_attention" or (kind in ("matmul", "bmm", "mm") and sources > 1):
        return "attention", "attention", "", (), ()
    if kind in _MATRIX:
        return "dense", "dense", str(op.shape[-1]), (), ()
    if kind in _NORMS:
        return "norm", _NORMS[kind], "", (), ()
    if kind in _ACTIVATIONS:
        return "activation", _ACTIVATIONS[kind], "", (), ()
    if kind.startswith("upsample"):
        return "other", "upsample", kind.split("_")[1].removesuffix("2d").removesuffix("3d").removesuffix("1d"), (), ()
    if kind in _JOINS and (sources > 1 or kind == "cat"):
        return _JOINS[kind], _JOINS[kind], "", (), ()
    return "other", {"mul": "scale", "add": "shift", "sub": "shift"}.get(kind, kind.replace("_", " ")), "", (), ()


def _read_conv(op: Op, kind: str) -> tuple[str, str, str, tuple[int, ...], tuple[int, ...]]:
    kernel, stride, _, _, groups, transposed = conv_numbers(kind, op.args, op.kwargs)
    channels = op.shape[1]
    word = "conv"
    if transposed:
        word = "up-conv"
    elif groups > 1 and groups == op.args[0].shape[1]:
        word = "depthwise"
    detail = f"{channels}" + (f", stride {stride[0]}" if stride[0] > 1 else "")
    if groups > 1 and word == "conv":
        detail += f", {groups} groups"
    return "conv", f"{word} {times(kernel)}", detail, kernel, stride
