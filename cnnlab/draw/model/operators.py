"""An operator of a trace as a reader names it."""

from __future__ import annotations

from cnnlab.analysis.operators import conv_numbers, names_in, pool_numbers
from cnnlab.analysis.trace import Op
from cnnlab.draw.model.items import times

__all__ = ["ACTIVATIONS", "MATRIX", "read_operator"]

_NORMS = {"batch_norm": "batch norm", "layer_norm": "layer norm", "group_norm": "group norm", "rms_norm": "RMS norm"}
_NORMS |= {"instance_norm": "instance norm"}
ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "tanh": "tanh", "sigmoid": "sigmoid", "elu": "ELU"}
ACTIVATIONS |= {"relu6": "ReLU6", "hardtanh": "ReLU6", "hardswish": "hard swish", "hardsigmoid": "hard sigmoid"}
ACTIVATIONS |= {"leaky_relu": "leaky ReLU", "prelu": "PReLU", "softmax": "softmax", "log_softmax": "log-softmax"}
_JOINS = {"add": "add", "cat": "concatenate", "mul": "multiply"}
MATRIX = names_in("linear addmm mm matmul")


def read_operator(op: Op, kind: str, sources: int) -> tuple[str, str, str, tuple[int, ...], tuple[int, ...]]:
    """Role, label, detail, kernel and stride, as in `Step`, of an operator that reads ``sources`` drawn results."""
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
    if kind in MATRIX:
        return "dense", "dense", str(op.shape[-1]), (), ()
    if kind in _NORMS:
        return "norm", _NORMS[kind], "", (), ()
    if kind in ACTIVATIONS:
        return "activation", ACTIVATIONS[kind], "", (), ()
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
