"""A trained network for a page: its layers and weights as JSON-like values, which run in a browser without a kernel.

The arithmetic is ``cnnlab/widgets/static/engine``: ``layers.js`` has the layers, ``network.js`` goes through them.
Batch normalization goes into the convolution before it where it can, and so do activations.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from cnnlab.layers import pad_same
from cnnlab.modes import evaluating
from cnnlab.ship.exporting import ShipError
from cnnlab.ship.packing import pack

__all__ = ["export_page"]

_ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.SiLU: "silu",
    nn.Hardsigmoid: "hardsigmoid",
    nn.Hardswish: "hardswish",
}
_CALLS: dict[Any, str] = {name: name for name in ("relu", "tanh", "sigmoid")}
_CALLS |= {F.relu: "relu", F.relu6: "relu6", F.silu: "silu", F.hardsigmoid: "hardsigmoid", F.hardswish: "hardswish"}
_CALLS |= {torch.relu: "relu", torch.tanh: "tanh", torch.sigmoid: "sigmoid", F.tanh: "tanh", F.sigmoid: "sigmoid"}
_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout2d)
_KNOWN = (
    "Conv2d, Linear, BatchNorm2d, LocalResponseNorm, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, Flatten, "
    "cnnlab.layers.pad_same, every second pixel, maps of zeros, " + (", ".join(kind.__name__ for kind in _ACTIVATIONS))
)


def export_page(model: nn.Module, bits: int = 16) -> dict[str, Any]:
    """A network as JSON-like values for ``cnnlab/widgets/static/engine``, which answers inside a page.

    Args:
        model: any network of one picture whose layers the engine knows, of the registry or not. It stays as it is;
            what is written is what it does in evaluation mode.
        bits: of each weight. 16: of a floating-point number. 8: of a code with a scale for each output channel,
            where vectors (biases) keep 16. 32: as torch has them.

    Returns:
        ``{"name", "bits", "layers": [{"op", "name", "from", "act", ...}]}``, where ``from`` are places in the list, -1
        is the picture, and weights are what `cnnlab.ship.packing.pack` gives.

    Raises:
        TypeError: ``model`` is no module.
        ValueError: ``bits``, or weights that they cannot say.
        ShipError: a layer that the engine has not, or a network that decides by its input; the message names it.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is {type(model).__name__}; give a network, such as cnnlab.create_model('lenet5').")
    with evaluating(model):
        tracer = _Tracer()
        try:
            graph = tracer.trace(model)
        except (fx.proxy.TraceError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise ShipError(
                f"model cannot be written for a page: layer {tracer.inside!r} ({tracer.kind}) does what depends on its "
                f"input ({reason}); the engine knows {_KNOWN}."
            ) from None
        writer = _Writer(model, bits)
        for node in graph.nodes:
            writer.take(node)
    return {"name": getattr(model, "name", type(model).__name__), "bits": bits, "layers": writer.layers}


class _Tracer(fx.Tracer):
    """Remembers which module it is inside, for messages. TensorFlow's padding is one layer to it."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=(pad_same,))
        self.inside, self.kind = "", ""

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self.inside, self.kind = self.path_of_module(m), type(m).__name__
        return super().call_module(m, forward, args, kwargs)


class _Writer:
    """Goes through a traced network, layer by layer."""

    def __init__(self, model: nn.Module, bits: int) -> None:
        self.modules = dict(model.named_modules())
        self.bits = bits
        self.layers: list[dict[str, Any]] = []
        self.places: dict[fx.Node, int] = {}
        self.convs: dict[int, tuple[nn.Conv2d, Tensor, Tensor | None]] = {}  # of those a norm may still go into

    def take(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            if self.places:
                raise ShipError("model takes more than one input; the engine of the page gives it one picture.")
            self.places[node] = -1
        elif node.op == "output":
            if not isinstance(node.args[0], fx.Node) or self.places[node.args[0]] != len(self.layers) - 1:
                raise ShipError("model answers with more than its last layer's tensor; wrap it in one that picks that.")
        elif node.op == "call_module":
            self._module(node, self.modules[str(node.target)])
        else:
            self._call(node)

    # --- modules ---

    def _module(self, node: fx.Node, module: nn.Module) -> None:
        kind = type(module)
        before = self._one_input(node)
        if isinstance(module, _NOTHING):
            self.places[node] = self.places[before]
        elif kind in _ACTIVATIONS:
            self._activate(node, before, _ACTIVATIONS[kind])
        elif isinstance(module, nn.Conv2d):
            self._conv(node, module)
        elif isinstance(module, nn.Linear):
            layer = {"weight": self._packed(node, "weight", module.weight)}
            if module.bias is not None:
                layer["bias"] = self._packed(node, "bias", module.bias)
            self._write(node, "dense", layer)
        elif isinstance(module, nn.BatchNorm2d):
            self._norm(node, before, module)
        elif kind is nn.MaxPool2d:
            own = (module.kernel_size, module.stride, module.padding, module.dilation)
            self._max_pool(node, *own, module.ceil_mode, module.return_indices)
        elif kind is nn.AvgPool2d:
            own = (module.kernel_size, module.stride, module.padding, module.ceil_mode)
            self._average_pool(node, *own, module.count_include_pad, module.divisor_override)
        elif kind is nn.AdaptiveAvgPool2d and module.output_size in (1, (1, 1)):
            self._write(node, "global_average", {"keep": True})
        elif kind is nn.AdaptiveAvgPool2d and module.output_size is not None and None not in _pair(module.output_size):
            self._write(node, "adaptive_average", {"size": _pair(module.output_size)})
        elif kind is nn.LocalResponseNorm:
            own = {name: getattr(module, name) for name in ("size", "alpha", "beta", "k")}
            self._write(node, "response_norm", own)
        elif kind is nn.Flatten and module.start_dim == 1 and module.end_dim == -1:
            self._write(node, "flatten", {})
        else:
            raise self._unknown(node, f"{kind.__name__}({module.extra_repr()})")

    def _conv(self, node: fx.Node, conv: nn.Conv2d) -> None:
        if conv.padding_mode != "zeros" and conv.padding not in (0, (0, 0)):
            raise self._unknown(node, f"Conv2d with padding_mode={conv.padding_mode!r}")
        if conv.padding == "same":  # torch's own, at stride 1: an odd pixel goes to the end
            whole = [d * (k - 1) for d, k in zip(conv.dilation, conv.kernel_size)]
            sides = [part for each in whole for part in (each // 2, each - each // 2)]
        elif conv.padding == "valid":
            sides = [0, 0, 0, 0]
        else:
            sides = [part for each in conv.padding for part in (int(each), int(each))]
        layer = {
            "stride": list(conv.stride),
            "padding": sides,
            "dilation": list(conv.dilation),
            "groups": conv.groups,
        }
        place = self._write(node, "conv", layer)
        self._weigh(place, node, conv, conv.weight.detach(), None if conv.bias is None else conv.bias.detach())

    def _weigh(self, place: int, node: fx.Node, conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> None:
        self.convs[place] = (conv, weight, bias)
        self.layers[place]["weight"] = self._packed(node, "weight", weight)
        if bias is not None:
            self.layers[place]["bias"] = self._packed(node, "bias", bias)

    def _norm(self, node: fx.Node, before: fx.Node, norm: nn.BatchNorm2d) -> None:
        if norm.running_mean is None or norm.running_var is None:
            raise self._unknown(node, "BatchNorm2d without running statistics")
        scale = (norm.running_var.double() + norm.eps).rsqrt()
        scale = scale if norm.weight is None else scale * norm.weight.detach().double()
        shift = -norm.running_mean.double() * scale
        shift = shift if norm.bias is None else shift + norm.bias.detach().double()
        place = self.places[before]
        if place in self.convs and len(before.users) == 1 and "act" not in self.layers[place]:
            conv, weight, bias = self.convs.pop(place)
            shift = shift if bias is None else shift + bias.double() * scale
            # (K, C / groups, h, w), each output channel times its own number
            self._weigh(place, node, conv, weight.double() * scale.view(-1, 1, 1, 1), shift)
            self.places[node] = place
        else:
            layer = {"weight": pack(f"{node.target}.weight", scale, max(self.bits, 16))}
            self._write(node, "affine", layer | {"bias": pack(f"{node.target}.bias", shift, max(self.bits, 16))})

    # --- pooling, as a module and as a function ---

    def _max_pool(
        self,
        node: fx.Node,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> None:
        if _pair(dilation) != [1, 1] or return_indices:
            raise self._unknown(node, f"max pooling with {dilation=} and {return_indices=}")
        self._write(node, "max_pool", _window(kernel_size, stride, padding, ceil_mode))

    def _average_pool(
        self,
        node: fx.Node,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        if divisor_override is not None:
            raise self._unknown(node, f"average pooling with {divisor_override=}")
        window = _window(kernel_size, stride, padding, ceil_mode)
        self._write(node, "average_pool", window | {"counts_padding": count_include_pad})

    # --- functions and methods ---

    def _call(self, node: fx.Node) -> None:
        target, named = node.target, dict(node.kwargs)
        named.pop("inplace", None)
        rest = node.args[1:]
        both = len(node.args) == 2 and all(isinstance(each, fx.Node) for each in node.args) and not named
        if target in _CALLS and not rest and not named:
            self._activate(node, self._one_input(node), _CALLS[target])
        elif target in (operator.add, operator.iadd, torch.add, "add") and both:
            self._write(node, "add", {})
        elif target in (operator.mul, operator.imul, torch.mul, "mul") and both:
            self._write(node, "multiply", {})
        elif target in (torch.cat, torch.concat) and (*rest, *named.values()) in ((1,), (-3,)):
            self._write(node, "concat", {}, node.args[0])
        elif target in (torch.flatten, "flatten") and (*rest, *named.values()) in ((1,), (1, -1)):
            self._write(node, "flatten", {})
        elif target in (torch.mean, "mean") and _is_spatial(rest[0] if rest else named.get("dim")):
            keep = bool(rest[1] if len(rest) > 1 else named.get("keepdim", False))
            self._write(node, "global_average", {"keep": keep})
        elif target is F.max_pool2d:
            self._max_pool(node, *rest, **named)
        elif target is F.avg_pool2d:
            self._average_pool(node, *rest, **named)
        elif target is F.adaptive_avg_pool2d and (*rest, *named.values()) in ((1,), ((1, 1),)):
            self._write(node, "global_average", {"keep": True})
        elif target is pad_same and len(rest) == 2 and not named:
            self._write(node, "pad_same", {"kernel": rest[0], "stride": rest[1]})
        elif target is operator.getitem and (step := _every(rest[0])):
            self._write(node, "subsample", {"step": step})
        elif target is F.pad and (count := _zeros_after(rest, named)) is not None:
            self._write(node, "more_maps", {"count": count})
        elif target is F.dropout:
            self.places[node] = self.places[self._one_input(node)]
        else:
            raise self._unknown(node, f"{getattr(target, '__name__', target)}()")

    # --- what all of them do ---

    def _activate(self, node: fx.Node, before: fx.Node, act: str) -> None:
        """With the layer before it, if nobody else reads that; on a copy of it otherwise."""
        place = self.places[before]
        alone = place >= 0 and len(before.users) == 1 and self.layers[place]["op"] != "flatten"
        if alone and "act" not in self.layers[place]:
            self.layers[place]["act"] = act
            self.places[node] = place
        else:
            self._write(node, "same", {"act": act})

    def _write(self, node: fx.Node, op: str, layer: dict[str, Any], inputs: Sequence[Any] | None = None) -> int:
        read = node.all_input_nodes if inputs is None else inputs
        if node.op != "call_module" and inputs is None and op in ("add", "multiply"):
            read = node.args  # x + x reads one node twice
        name = str(node.target) if node.op == "call_module" else node.name
        self.layers.append({"op": op, "name": name, "from": [self.places[own] for own in read], **layer})
        self.places[node] = len(self.layers) - 1
        return self.places[node]

    def _packed(self, node: fx.Node, what: str, values: Tensor) -> dict[str, Any]:
        return pack(f"{node.target}.{what}", values, self.bits if values.dim() > 1 else max(self.bits, 16))

    def _one_input(self, node: fx.Node) -> fx.Node:
        if len(node.all_input_nodes) != 1:
            raise self._unknown(node, f"{node.target} of {len(node.all_input_nodes)} inputs")
        return node.all_input_nodes[0]

    def _unknown(self, node: fx.Node, what: str) -> ShipError:
        inside = next(reversed(node.meta.get("nn_module_stack") or {"": ""}), "") or node.name
        return ShipError(
            f"layer {inside!r} is {what}, which the engine of the page has not; it knows {_KNOWN}, sums, products and "
            "concatenations of maps. Export a network of these, or add the layer to engine/layers.js and ship/page.py."
        )


def _pair(value: Any) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _window(kernel: Any, stride: Any, padding: Any, ceil: bool) -> dict[str, Any]:
    step = kernel if stride is None or stride == [] else stride
    return {"kernel": _pair(kernel), "stride": _pair(step), "padding": _pair(padding), "ceil": bool(ceil)}


def _every(index: Any) -> list[int] | None:
    """The steps of ``x[:, :, ::2, ::2]``; None for any other index."""
    if not isinstance(index, tuple) or len(index) != 4 or not all(isinstance(each, slice) for each in index):
        return None
    whole = all(each.start is None and each.stop is None for each in index)
    steps = [1 if each.step is None else each.step for each in index]
    return steps[2:] if whole and steps[:2] == [1, 1] and min(steps) > 0 else None


def _zeros_after(rest: Sequence[Any], named: dict[str, Any]) -> int | None:
    """How many maps ``F.pad(x, (0, 0, 0, 0, 0, n))`` adds; None if it pads anything else."""
    plain = named.get("mode", "constant") == "constant" and not named.get("value")
    sides = tuple(rest[0]) if len(rest) == 1 and plain else ()
    return sides[5] if len(sides) == 6 and sides[:5] == (0,) * 5 and sides[5] >= 0 else None


def _is_spatial(dim: Any) -> bool:
    return isinstance(dim, list | tuple) and tuple(dim) in ((2, 3), (-2, -1), (3, 2), (-1, -2))
