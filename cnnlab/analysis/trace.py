"""One pass through a model on the meta device: which operators ran, inside which module, on what shapes.

A meta tensor has a shape and a type but no numbers, so tracing VGG-16 needs no 500 MB. The trace counts
*operators* (ATen's), not modules: attention and functional calls cost what they cost, whoever calls them.

How it works. Under ``torch.inference_mode`` PyTorch hands composite operators (``conv2d``, ``linear``,
``scaled_dot_product_attention``) to a dispatch mode whole. For the dozen that make up nearly every network the
output shape is worked out here, which is several times quicker than PyTorch's own meta kernels; every other
operator runs on the meta device, and a composite that is not known is taken apart until its matrix products show.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from cnnlab.meta import META

IMAGE = -1  # the producer of everything that comes from the model's input


def names_in(text: str) -> frozenset[str]:
    """The words of a text: a set of operator names that is pleasant to read and to extend."""
    return frozenset(text.split())


class ShapeError(ValueError):
    """An operator that cannot take the shapes it was given."""


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
    """One operator: ``inputs`` are the numbers of the operators whose results it reads."""

    __slots__ = ("args", "bytes", "call", "from_image", "index", "inputs", "kind", "kwargs", "macs", "out", "shape")

    def __init__(self, index: int, kind: str, call: Call, args: tuple, kwargs: dict) -> None:
        self.index = index
        self.kind = kind
        self.call = call
        self.args = args  # keeps the meta tensors alive, so that an id() names one tensor for the whole trace
        self.kwargs = kwargs
        self.inputs: tuple[int, ...] = ()
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


# --------------------------------------------------------------------------- shapes of the usual operators


def _pair(value: Any, n: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * n
    return tuple(value) * n if len(value) == 1 else tuple(value)


def _shown(shape: Any) -> str:
    return " x ".join(str(side) for side in shape)


def _conv(name: str, n: int) -> Callable:
    def run(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
        x, weight = args[0], args[1]
        given = (*args[3:], *(None,) * 4)
        stride = _pair(given[0] if given[0] is not None else kwargs.get("stride", 1), n)
        padding = _pair(given[1] if given[1] is not None else kwargs.get("padding", 0), n)
        dilation = _pair(given[2] if given[2] is not None else kwargs.get("dilation", 1), n)
        groups = given[3] if given[3] is not None else kwargs.get("groups", 1)
        shape, kernel = x.shape, weight.shape
        if len(shape) not in (n + 1, n + 2):
            raise ShapeError(f"{name} wants {n + 1} or {n + 2} axes, the input has {len(shape)}: {tuple(shape)}")
        channels = shape[-n - 1]
        if channels != kernel[1] * groups:
            raise ShapeError(f"the weight expects {kernel[1] * groups} channels, the input has {channels}")
        spatial = []
        for size, k, s, p, d in zip(shape[-n:], kernel[2:], stride, padding, dilation, strict=True):
            side = (size + 2 * p - d * (k - 1) - 1) // s + 1
            if side < 1:
                padded = f" with padding {p}" if p else ""
                raise ShapeError(f"the kernel spans {d * (k - 1) + 1} pixels, the input only {size}{padded}")
            spatial.append(side)
        out = torch.empty((*shape[: -n - 1], kernel[0], *spatial), dtype=x.dtype, device=META)
        return out, out.numel() * kernel[1] * prod(kernel[2:])

    return run


def _linear(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    x, weight = args[0], args[1]
    if x.dim() == 0 or x.shape[-1] != weight.shape[-1]:
        raise ShapeError(f"the weight expects {weight.shape[-1]} features, the input is {_shown(x.shape)}")
    if weight.dim() == 1:
        shape = x.shape[:-1]
    else:
        shape = (*x.shape[:-1], weight.shape[0])
    out = torch.empty(shape, dtype=x.dtype, device=META)
    return out, out.numel() * weight.shape[-1]


def _like(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    x = args[0]
    return torch.empty(x.shape, dtype=x.dtype, device=META), 0


def _batch_norm(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    x = args[0]
    for vector in args[1:5]:
        if vector is not None and vector.shape[0] != x.shape[1]:
            raise ShapeError(f"normalizes {vector.shape[0]} channels, the input has {x.shape[1]}")
    return torch.empty(x.shape, dtype=x.dtype, device=META), 0


def _layer_norm(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    x, normalized = args[0], tuple(args[1])
    if tuple(x.shape[x.dim() - len(normalized) :]) != normalized:
        raise ShapeError(f"normalizes over {_shown(normalized)}, the input is {_shown(x.shape)}")
    return torch.empty(x.shape, dtype=x.dtype, device=META), 0


def _itself(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    return args[0], 0


def _elementwise(args: tuple, kwargs: dict) -> tuple[Tensor, int] | None:
    a, b = args[0], args[1]
    if isinstance(b, Tensor):
        if a.dtype != b.dtype:
            return None
        if a.shape == b.shape:
            shape = a.shape
        else:
            try:
                shape = torch.broadcast_shapes(a.shape, b.shape)
            except RuntimeError:
                raise ShapeError(f"{_shown(a.shape)} and {_shown(b.shape)} do not fit together") from None
    elif a.is_floating_point():
        shape = a.shape
    else:
        return None  # an integer tensor and a number: the type follows rules that PyTorch knows best
    return torch.empty(shape, dtype=a.dtype, device=META), 0


def _elementwise_(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    a, b = args[0], args[1]
    if isinstance(b, Tensor) and a.shape != b.shape:
        try:
            fits = torch.broadcast_shapes(a.shape, b.shape) == a.shape
        except RuntimeError:
            fits = False
        if not fits:
            raise ShapeError(f"{_shown(b.shape)} cannot be added in place to {_shown(a.shape)}")
    return a, 0


def _pool(n: int, dilated: bool) -> Callable:
    """``max_pool`` has (kernel, stride, padding, dilation, ceil_mode); ``avg_pool`` (kernel, stride, padding, ceil)."""

    def run(args: tuple, kwargs: dict) -> tuple[Tensor, int] | None:
        kernel, stride, padding, dilation, ceil = _pool_numbers(args, kwargs, n, dilated)
        x = args[0]
        if x.dim() < n + 1:
            return None
        spatial = []
        for size, k, s, p, d in zip(x.shape[-n:], kernel, stride, padding, dilation, strict=True):
            room = size + 2 * p - d * (k - 1) - 1
            side = -(-room // s) + 1 if ceil else room // s + 1
            if ceil and (side - 1) * s >= size + p:
                side -= 1  # the last window must start inside the input or its left padding
            if side < 1:
                raise ShapeError(f"the pooling window spans {d * (k - 1) + 1} pixels, the input only {size}")
            spatial.append(side)
        return torch.empty((*x.shape[:-n], *spatial), dtype=x.dtype, device=META), 0

    return run


def _pool_numbers(args: tuple, kwargs: dict, n: int, dilated: bool) -> tuple:
    given = dict(
        zip(("kernel", "stride", "padding", *(("dilation",) if dilated else ()), "ceil_mode"), args[1:], strict=False)
    )
    kernel = _pair(given.get("kernel", kwargs.get("kernel_size")), n)
    stride = given.get("stride", kwargs.get("stride")) or kernel
    padding = _pair(given.get("padding", kwargs.get("padding", 0)), n)
    dilation = _pair(given.get("dilation", kwargs.get("dilation", 1)), n)
    return kernel, _pair(stride, n), padding, dilation, bool(given.get("ceil_mode", kwargs.get("ceil_mode", False)))


def _adaptive(n: int) -> Callable:
    def run(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
        x = args[0]
        return torch.empty((*x.shape[:-n], *_pair(args[1], n)), dtype=x.dtype, device=META), 0

    return run


def _cat(args: tuple, kwargs: dict) -> tuple[Tensor, int] | None:
    tensors = args[0]
    axis = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    first = tensors[0]
    if any(t.dtype != first.dtype or t.dim() != first.dim() for t in tensors):
        return None
    axis %= first.dim()
    shape = list(first.shape)
    shape[axis] = 0
    for t in tensors:
        if any(a != b for i, (a, b) in enumerate(zip(t.shape, first.shape, strict=True)) if i != axis):
            raise ShapeError("cannot join " + " and ".join(_shown(t.shape) for t in tensors) + f" along axis {axis}")
        shape[axis] += t.shape[axis]
    return torch.empty(shape, dtype=first.dtype, device=META), 0


def _attention(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    query, key, value = args[:3]
    out = torch.empty((*query.shape[:-1], value.shape[-1]), dtype=query.dtype, device=META)
    rows = prod(query.shape[:-1])  # batch x heads x queries
    return out, rows * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _dropout(args: tuple, kwargs: dict) -> tuple[Tensor, int]:
    return (args[0], 0) if not args[2] else _like(args, kwargs)


_QUICK: dict[str, Callable] = {
    "conv1d.default": _conv("conv1d", 1),
    "conv2d.default": _conv("conv2d", 2),
    "conv3d.default": _conv("conv3d", 3),
    "linear.default": _linear,
    "batch_norm.default": _batch_norm,
    "layer_norm.default": _layer_norm,
    "relu.default": _like,
    "gelu.default": _like,
    "silu.default": _like,
    "sigmoid.default": _like,
    "tanh.default": _like,
    "hardswish.default": _like,
    "hardsigmoid.default": _like,
    "hardtanh.default": _like,
    "relu6.default": _like,
    "softmax.int": _like,
    "relu_.default": _itself,
    "silu_.default": _itself,
    "hardswish_.default": _itself,
    "hardtanh_.default": _itself,
    "hardsigmoid_.default": _itself,
    "relu6_.default": _itself,
    "add.Tensor": _elementwise,
    "sub.Tensor": _elementwise,
    "mul.Tensor": _elementwise,
    "add_.Tensor": _elementwise_,
    "mul_.Tensor": _elementwise_,
    "max_pool2d.default": _pool(2, dilated=True),
    "max_pool1d.default": _pool(1, dilated=True),
    "avg_pool2d.default": _pool(2, dilated=False),
    "adaptive_avg_pool2d.default": _adaptive(2),
    "adaptive_avg_pool1d.default": _adaptive(1),
    "cat.default": _cat,
    "scaled_dot_product_attention.default": _attention,
    "dropout.default": _dropout,
    "feature_dropout.default": _dropout,
}


# ------------------------------------------------------------- multiply-accumulates of operators run by PyTorch


def _transposed(args: tuple, kwargs: dict, out: Tensor) -> int:
    return args[0].numel() * prod(args[1].shape[1:])  # every input number is multiplied with its kernel's taps


def _convolution(args: tuple, kwargs: dict, out: Tensor) -> int:
    if args[6]:
        return _transposed(args, kwargs, out)
    return out.numel() * prod(args[1].shape[1:])


def _deformable(args: tuple, kwargs: dict, out: Tensor) -> int:
    return out.numel() * prod(args[1].shape[1:])


def _product(first: int) -> Callable:
    """Matrix products: each output number sums over the last axis of the first matrix."""

    def count(args: tuple, kwargs: dict, out: Tensor) -> int:
        return out.numel() * args[first].shape[-1]

    return count


def _bilinear(args: tuple, kwargs: dict, out: Tensor) -> int:
    # y = x1 A x2 for each output feature: first A x2 (or x1 A), then the remaining dot product.
    rows = args[0].numel() // args[0].shape[-1]
    return rows * (prod(args[2].shape) + out.shape[-1] * args[1].shape[-1])


def _attention_kernel(args: tuple, kwargs: dict, out: Any) -> int:
    query, key, value = args[:3]
    return prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


_COUNTS: dict[str, Callable] = {
    "conv_transpose1d.default": _transposed,
    "conv_transpose2d.input": _transposed,
    "conv_transpose3d.input": _transposed,
    "convolution.default": _convolution,
    "_convolution.default": _convolution,
    "deform_conv2d.default": _deformable,
    "matmul.default": _product(0),
    "mm.default": _product(0),
    "bmm.default": _product(0),
    "mv.default": _product(0),
    "dot.default": _product(0),
    "addmm.default": _product(1),
    "baddbmm.default": _product(1),
    "addbmm.default": lambda args, kwargs, out: prod(args[1].shape) * args[2].shape[-1],
    "addmv.default": _product(1),
    "bilinear.default": _bilinear,
}

# Composites that hold no matrix product: taking them apart would only cost time.
_WHOLE = names_in(
    """
    reshape contiguous flatten unflatten view_as expand_as reshape_as chunk split tensor_split narrow movedim
    moveaxis swapaxes swapdims pad type_as to dropout feature_dropout alpha_dropout group_norm instance_norm
    layer_norm rms_norm softmax log_softmax square size numpy_T mT adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d max_pool1d max_pool2d max_pool3d avg_pool1d mean std var where index_select
    pixel_shuffle pixel_unshuffle channel_shuffle prelu upsample_nearest2d upsample_bilinear2d relu6 selu celu
    silu mish softplus is_nonzero zeros_like ones_like clip type_as float cosine_similarity embedding
    pairwise_distance
    """
)


class _FuncFacts:
    """What does not change from one use of an operator to the next."""

    __slots__ = ("aliases", "composite", "count", "mutates", "name", "quick")

    def __init__(self, func: Any) -> None:
        full = str(func).split(".", 1)[1]  # "aten.conv2d.default" -> "conv2d.default"
        schema = func._schema
        self.name = full.rsplit(".", 1)[0]
        self.quick = _QUICK.get(full)
        self.count = _COUNTS.get(full)
        if self.name.startswith("_scaled_dot_product"):  # the kernels beneath attention, should one be called directly
            self.count = _attention_kernel
        self.mutates = schema.is_mutable
        self.aliases = any(value.alias_info is not None for value in schema.returns)
        self.composite = self.quick is None and self.count is None and self.name not in _WHOLE and not self.aliases


_FACTS: dict[Any, _FuncFacts] = {}


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
        facts = _FACTS.get(func)
        if facts is None:
            facts = _FACTS[func] = _FuncFacts(func)
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

    def _record(self, facts: _FuncFacts, args: tuple, kwargs: dict, tensors: list, out: Any, macs: int) -> None:
        ops = self.trace.ops
        op = Op(len(ops), facts.name, self.now, args, kwargs)
        maker = self.maker
        sources = []
        used = self.trace.used
        for tensor in tensors:
            key = id(tensor)
            made = maker.get(key)
            if made is not None:
                sources.append(made)
                if key in self.derived:
                    op.from_image = True
            else:
                used.add(key)
        op.inputs = tuple(sources)
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


# ------------------------------------------------------------------------------------------------ the pass


@contextmanager
def _lent_to_meta(model: nn.Module, used: dict[int, nn.Parameter]) -> Iterator[None]:
    """For the time of the pass, put meta tensors in the places of parameters and buffers, and switch to evaluation.

    Nothing is copied except integer buffers (counters, index tables), and everything is put back, whatever
    happens inside. ``used`` receives: id of the stand-in -> the parameter itself.
    """
    undo: list[tuple[dict, str, Any]] = []
    training = []
    stand_ins: dict[int, Tensor] = {}
    try:
        for module in model.modules():
            if module.training:
                training.append(module)
                module.training = False
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
                undo.append((parameters, name, value))
                parameters[name] = stand_in
            buffers = module.__dict__["_buffers"]
            for name, value in buffers.items():
                if value is None or value.is_meta:
                    continue
                undo.append((buffers, name, value))
                buffers[name] = torch.empty_like(value, device=META) if value.is_floating_point() else value.clone()
        yield
    finally:
        for where, name, value in undo:
            where[name] = value
        for module in training:
            module.training = True


def trace(model: nn.Module, inputs: tuple[Tensor, ...]) -> Trace:
    """Run ``model(*inputs)`` once on the meta device, in evaluation mode, and record every operator.

    The model is left as it was: its tensors are never read, copied or moved.

    Raises:
        ValueError: if the inputs do not fit; the message names the layer and the shape that reached it.
    """
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
        shapes[id(call)] = ", ".join(_shown(x.shape) for x in args if isinstance(x, Tensor))

    def after(module: nn.Module, args: tuple, output: Any) -> None:
        if id(module) not in names or threading.get_ident() != owner:
            return
        call = recorder.now
        call.end = len(record.ops)
        found = [output] if isinstance(output, Tensor) else list(_tensors_in(output))
        call.result = tuple(tuple(x.shape) for x in found)
        if found:
            call.output = maker.get(id(found[0]))
        if call.parent is not None:
            recorder.now = call.parent

    stand_ins: dict[int, nn.Parameter] = {}
    hooks = []
    try:
        with torch.inference_mode(), _lent_to_meta(model, stand_ins):
            hooks.append(module_hooks.register_module_forward_pre_hook(before))
            hooks.append(module_hooks.register_module_forward_hook(after))
            with recorder:
                model(*inputs)
    except (RuntimeError, ValueError, IndexError, AssertionError, NotImplementedError) as error:
        call = recorder.now
        if not record.ops and call is root and isinstance(error, ValueError) and not isinstance(error, ShapeError):
            raise  # the model itself checks its input, and says it better
        layer = f"layer {call.name!r} ({_described(call.module)})" if call.name else f"{type(model).__name__} itself"
        given = ", ".join(_shown(x.shape) for x in inputs)
        reached = shapes.get(id(call), given)
        raise ValueError(
            f"{type(model).__name__} cannot take an input of {given}: {layer} received {reached}, and "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}. "
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


def _tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors_in(item)
    elif hasattr(value, "__dict__"):
        yield from _tensors_in(vars(value))
