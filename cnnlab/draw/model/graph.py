"""From a trace to something drawable: a series of steps, some of which are parallel branches.

The operators of a trace form a graph. Views and copies are contracted away; then an operator that every path runs
through cuts the graph, and what lies between two neighboring cuts is a bundle of branches: a residual block when
they meet in an addition, an Inception block when they meet in a concatenation. Branches are taken apart the same way.
"""

from __future__ import annotations

from cnnlab.analysis.operators import names_in
from cnnlab.analysis.trace import IMAGE, Call, Trace
from cnnlab.draw.model.items import Bundle, Item, Step
from cnnlab.draw.model.operators import ACTIVATIONS, MATRIX, read_operator

__all__ = ["series_of"]

_CONTRACTED = names_in(
    """
    view reshape flatten unflatten permute transpose t contiguous clone alias detach expand unsqueeze squeeze slice
    select pad constant_pad_nd dropout feature_dropout to _to_copy _unsafe_view movedim swapaxes roll zeros_like
    """
)


def series_of(trace: Trace) -> tuple[Item, ...]:
    """The model as a series of items, in the order in which they run."""
    return _Parser(trace).whole()


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
        role, label, detail, kernel, stride = read_operator(op, kind, len(self.sources[i]))
        shape = op.shape[1:]
        if len(shape) == 3 and self._channels_come_last(i):
            shape = (shape[2], *shape[:2])
        return Step(role, label, detail, shape, op.call.name, kernel, stride, op.index)

    def _channels_come_last(self, i: int) -> bool:
        """Whether an operator's result is (H, W, C): dense layers, layer norms and what follows them."""
        op = self.trace.ops[i]
        kind = op.kind.rstrip("_")
        if kind == "layer_norm" or (kind in MATRIX and len(op.shape) == 4):
            return True
        one = self.sources[i][0] if len(self.sources[i]) == 1 else IMAGE
        same = one != IMAGE and kind in ACTIVATIONS and self.trace.ops[one].shape == op.shape
        return same and self._channels_come_last(one)


def _weighted(items: tuple[Item, ...]) -> int:
    total = 0
    for item in items:
        if isinstance(item, Bundle):
            total += sum(_weighted(branch) for branch in item.branches) + 1
        elif item.role in ("conv", "dense", "attention"):
            total += 1
    return total
