"""One pass through a model on the meta device: which operators ran, inside which module, on what shapes.

A meta tensor has a shape and a type but no numbers, so tracing VGG-16 needs no 500 MB. The trace counts
*operators* (ATen's), not modules: attention and functional calls cost what they cost, whoever calls them.

How it works. Under ``torch.inference_mode`` PyTorch hands composite operators (``conv2d``, ``linear``,
``scaled_dot_product_attention``) to a dispatch mode whole. `cnnlab.analysis.operators` knows the usual ones; every
other operator runs on the meta device, and a composite that is not known is taken apart until its matrix products show.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from cnnlab.analysis.operators import Facts, ShapeError, facts_of, shown
from cnnlab.errors import reason_of
from cnnlab.meta import META
from cnnlab.modes import evaluating

__all__ = ["IMAGE", "Call", "Op", "Trace", "trace", "tensors_in"]

_CONTAINERS = (dict, OrderedDict, list, set)  # in which a module may keep things
_HOOKS = frozenset(vars(nn.Module())) - {"_parameters", "_buffers", "_modules"}  # every module's own; no tensors there

IMAGE = -1  # the producer of everything that comes from the model's input


class Call:
    """One execution of one module. ``end`` is one past the last operator that ran inside it."""

    __slots__ = ("children", "depth", "end", "input", "module", "name", "output", "parent", "result", "start")

    def __init__(self, name: str, module: nn.Module, parent: Call | None, start: int) -> None:
        self.name = name
        self.module = module
        self.parent = parent
        self.depth = 0 if parent is None else parent.depth + 1
        self.children: list[Call] = []
        self.start = start
        self.end = start
        self.input: tuple[int, ...] = ()  # producers of the tensors passed in
        self.output: int | None = None  # the operator that produced the (first) result
        self.result: tuple[tuple[int, ...], ...] = ()  # shapes of all results


class Op:
    """One operator: ``inputs`` are the numbers of the operators whose results it reads.

    ``places`` says which of all tensors among its arguments those are; the others are parameters and constants.
    """

    __slots__ = (
        *("args", "bytes", "call", "from_image", "index", "inputs", "kind", "kwargs", "macs", "out", "places", "shape"),
    )

    def __init__(self, index: int, kind: str, call: Call, args: tuple, kwargs: dict) -> None:
        self.index = index
        self.kind = kind
        self.call = call
        self.args = args  # keeps the meta tensors alive, so that an id() names one tensor for the whole trace
        self.kwargs = kwargs
        self.inputs: tuple[int, ...] = ()
        self.places: tuple[int, ...] = ()
        self.from_image = False
        self.out: Any = None
        self.shape: tuple[int, ...] = ()
        self.macs = 0
        self.bytes = 0


class Trace:
    """What one pass showed: ``calls`` in the order in which modules started, ``ops`` in the order in which they ran."""

    def __init__(self, model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.model = model
        self.inputs = inputs
        self.ops: list[Op] = []
        self.calls: list[Call] = []
        self.used: set[int] = set()  # ids of the parameters that some operator read


class _Recorder(TorchDispatchMode):
    def __init__(self, trace: Trace, root: Call) -> None:
        super().__init__()
        self.trace = trace
        self.now = root  # the innermost module that is running
        self.maker: dict[int, int] = {id(x): IMAGE for x in trace.inputs}  # id of a tensor -> operator that wrote it
        self.base: dict[int, int] = {}  # id of a view -> id of the tensor it looks into
        self.derived = {id(x) for x in trace.inputs}  # ids of tensors that depend on the input
        self.copies: dict[int, Tensor] = {}
        self.originals: list[Tensor] = []

    def _to_meta(self, value: Tensor) -> Tensor:
        copy = self.copies.get(id(value))
        if copy is None:
            copy = self.copies[id(value)] = torch.empty_like(value, device=META)
            self.originals.append(value)
        return copy

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        facts = facts_of(func)
        tensors: list[Tensor] = []
        mixed = False
        for arg in (*args, *kwargs.values()) if kwargs else args:
            if isinstance(arg, Tensor):
                tensors.append(arg)
                mixed = mixed or not arg.is_meta
            elif isinstance(arg, list | tuple):
                for item in arg:
                    if isinstance(item, Tensor):
                        tensors.append(item)
                        mixed = mixed or not item.is_meta
        if mixed:
            if not any(t.is_meta for t in tensors):
                return func(*args, **kwargs)  # plain numbers on the side, such as an index table: let them be real
            if facts.name not in ("copy_", "_to_copy", "to"):
                args, kwargs = self._replace(args), {k: self._replace((v,))[0] for k, v in kwargs.items()}
        macs = 0
        result = facts.quick(args, kwargs) if facts.quick is not None else None
        if result is not None:
            out, macs = result
        else:
            if facts.composite:
                with self:
                    out = func.decompose(*args, **kwargs)
                if out is not NotImplemented:
                    return out
                facts.composite = False
            out = func(*args, **kwargs)
            if facts.count is not None:
                macs = facts.count(args, kwargs, out)
        if tensors and out is tensors[0] and not facts.mutates:
            return out  # dropout in evaluation: nothing happened
        self._record(facts, args, kwargs, tensors, out, macs)
        return out

    def _replace(self, args: tuple) -> tuple:
        def fix(value: Any) -> Any:
            if isinstance(value, Tensor):
                # A number without axes may stay where it is: PyTorch lets it meet any device.
                return value if value.is_meta or value.dim() == 0 else self._to_meta(value)
            if isinstance(value, list | tuple):
                return type(value)(fix(item) for item in value)
            return value

        return tuple(fix(value) for value in args)

    def _record(self, facts: Facts, args: tuple, kwargs: dict, tensors: list, out: Any, macs: int) -> None:
        ops = self.trace.ops
        op = Op(len(ops), facts.name, self.now, args, kwargs)
        maker = self.maker
        sources, places = [], []
        used = self.trace.used
        for place, tensor in enumerate(tensors):
            key = id(tensor)
            made = maker.get(key)
            if made is not None:
                sources.append(made)
                places.append(place)
                if key in self.derived:
                    op.from_image = True
            else:
                used.add(key)
        op.inputs, op.places = tuple(sources), tuple(places)
        op.macs = macs
        op.out = out
        outs = (out,) if isinstance(out, Tensor) else out if isinstance(out, list | tuple) else ()
        first = True
        for tensor in outs:
            if not isinstance(tensor, Tensor):
                continue
            key = id(tensor)
            maker[key] = op.index
            if op.from_image:
                self.derived.add(key)
            if first:
                op.shape = tuple(tensor.shape)
                first = False
            if facts.mutates:
                base = self.base.get(key)
                if base is not None:  # writing through a view changes what it looks into
                    maker[base] = op.index
                    if op.from_image:
                        self.derived.add(base)
            elif facts.aliases and tensors and self._same_memory(tensor, tensors[0]):
                self.base[key] = self.base.get(id(tensors[0]), id(tensors[0]))
            elif op.from_image:
                op.bytes += tensor.numel() * tensor.element_size()
        ops.append(op)

    @staticmethod
    def _same_memory(a: Tensor, b: Tensor) -> bool:
        return a.untyped_storage()._cdata == b.untyped_storage()._cdata


# --- the pass --------------------------------------------------------------------------------------------------------


@contextmanager
def _lent_to_meta(model: nn.Module, used: dict[int, nn.Parameter]) -> Iterator[None]:
    """For the time of the pass, put meta tensors in the places of parameters and buffers.

    Nothing is copied except integer buffers (counters, index tables), and everything is put back, whatever
    happens inside: attributes too, since a model may keep in them what it made in a forward pass (positions, masks,
    anchors), which is on the meta device here. ``used`` receives: id of the stand-in -> the parameter itself.
    """
    stand_ins: dict[int, Tensor] = {}
    kept: dict[int, tuple[Any, Any]] = {}
    for module in model.modules():
        attributes = module.__dict__
        kept[id(attributes)] = (attributes, attributes.copy())
        for name, value in attributes.items():
            if type(value) in _CONTAINERS and name not in _HOOKS:
                _keep(value, kept)
    try:
        for module in model.modules():
            parameters = module.__dict__["_parameters"]
            for name, value in parameters.items():
                if value is None:
                    continue
                if value.is_meta:
                    used[id(value)] = value
                    continue
                stand_in = stand_ins.get(id(value))
                if stand_in is None:
                    stand_in = nn.Parameter(
                        torch.empty(value.shape, dtype=value.dtype, device=META), requires_grad=False
                    )
                    stand_ins[id(value)] = stand_in
                    used[id(stand_in)] = value
                parameters[name] = stand_in
            buffers = module.__dict__["_buffers"]
            for name, value in buffers.items():
                if value is None or value.is_meta:
                    continue
                buffers[name] = torch.empty_like(value, device=META) if value.is_floating_point() else value.clone()
        yield
    finally:
        for container, content in kept.values():
            _put_back(container, content)


def _keep(container: Any, kept: dict[int, tuple[Any, Any]]) -> None:
    """Add a container and the plain ones within it to ``kept``: id -> (itself, what it holds now)."""
    if type(container) not in _CONTAINERS or id(container) in kept:
        return
    kept[id(container)] = (container, container.copy())
    for item in container.values() if isinstance(container, dict) else container:
        _keep(item, kept)


def _put_back(container: Any, content: Any) -> None:
    if isinstance(container, list):
        container[:] = content
    elif len(container) != len(content) or not _same_items(container, content):
        container.clear()
        container.update(content)


def _same_items(container: Any, content: Any) -> bool:
    if isinstance(container, dict):
        return all(key in container and container[key] is value for key, value in content.items())
    return container == content


def trace(model: nn.Module, inputs: tuple[Tensor, ...]) -> Trace:
    """Run ``model(*inputs)`` once on the meta device, in evaluation mode, and record every operator.

    The model is left as it was: its tensors are never read, copied or moved. While the pass runs they are replaced
    by stand-ins, so no other thread may use the model.

    Raises:
        ValueError: if the inputs do not fit, or the model looks at numbers, of which a trace has none; the message
            names the layer and the shape that reached it.
    """
    for name, module in model.named_modules():
        if "_parameters" not in vars(module):
            raise ValueError(
                f"{name or 'The model'} is a module that torch.jit.trace made: give the one that it was made from."
            )
    record = Trace(model, inputs)
    names = {id(module): name for name, module in model.named_modules()}
    root = Call("", model, None, 0)
    recorder = _Recorder(record, root)
    calls = record.calls
    owner = threading.get_ident()
    shapes: dict[int, str] = {}
    maker = recorder.maker

    def before(module: nn.Module, args: tuple) -> None:
        name = names.get(id(module))
        if name is None or threading.get_ident() != owner:
            return
        call = Call(name, module, recorder.now, len(record.ops)) if calls else root
        if calls:
            recorder.now.children.append(call)
        calls.append(call)
        recorder.now = call
        call.input = tuple(maker[id(x)] for x in args if isinstance(x, Tensor) and id(x) in maker)
        shapes[id(call)] = ", ".join(shown(x.shape) for x in args if isinstance(x, Tensor))

    def after(module: nn.Module, args: tuple, output: Any) -> None:
        if id(module) not in names or threading.get_ident() != owner:
            return
        call = recorder.now
        call.end = len(record.ops)
        found = [output] if isinstance(output, Tensor) else list(tensors_in(output))
        call.result = tuple(tuple(x.shape) for x in found)
        if found:
            call.output = maker.get(id(found[0]))
        if call.parent is not None:
            recorder.now = call.parent

    stand_ins: dict[int, nn.Parameter] = {}
    hooks = []
    try:
        with torch.inference_mode(), evaluating(model), _lent_to_meta(model, stand_ins):
            hooks.append(module_hooks.register_module_forward_pre_hook(before))
            hooks.append(module_hooks.register_module_forward_hook(after))
            with recorder:
                model(*inputs)
    except (RuntimeError, ValueError, IndexError, AssertionError, NotImplementedError, TypeError) as error:
        call = recorder.now
        if not record.ops and call is root and isinstance(error, ValueError) and not isinstance(error, ShapeError):
            raise  # the model itself checks its input, and says it better
        layer = f"layer {call.name!r} ({_described(call.module)})" if call.name else f"{type(model).__name__} itself"
        given = ", ".join(shown(x.shape) for x in inputs)
        reached = shapes.get(id(call), given)
        reason = reason_of(error)
        if isinstance(error, NotImplementedError) or re.search(r"\bmeta\b", reason):
            raise ValueError(
                f"{type(model).__name__} cannot be traced: {layer} received {reached} and needs the numbers in it, "
                f"while a trace has shapes alone ({shorten(reason, 100)}). Take what depends on numbers out of forward "
                "(an if on a value, .item(), a boolean mask, a quantized or compiled operator, a hook that reads "
                "values), or trace the parts around it."
            ) from error
        if isinstance(error, TypeError):
            raise  # a mistake in the model or in the call, which no other size would mend
        raise ValueError(
            f"{type(model).__name__} cannot take an input of {given}: {layer} received {reached}, and "
            f"{reason.rstrip('.')}. "
            f"Give an input_size=(C, H, W) with the channels and the smallest size that the model was made for."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    record.used = {id(stand_ins[key]) for key in record.used if key in stand_ins}
    return record


def _described(module: nn.Module) -> str:
    text = f"{type(module).__name__}({module.extra_repr()})"
    return text if len(text) <= 100 else type(module).__name__


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors in a value, whatever lists, dicts and objects they lie in."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif hasattr(value, "__dict__"):
        yield from tensors_in(vars(value))
