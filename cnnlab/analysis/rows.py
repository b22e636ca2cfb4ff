"""The rows of a summary: from a trace, the modules that ran and the operators between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from torch import nn

from cnnlab.analysis.fields import ReceptiveField, receptive_fields
from cnnlab.analysis.operators import names_in
from cnnlab.analysis.trace import Call, Op, Trace

__all__ = ["Layer", "layers_of"]

# Functional operators that are worth a row of their own; views, slices and index tables are not.
_ROWS = names_in(
    """
    add sub mul div cat stack matmul bmm mm mv addmm baddbmm einsum linear conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d conv_transpose3d convolution relu relu6 gelu silu sigmoid tanh hardswish hardsigmoid
    hardtanh leaky_relu elu softmax log_softmax dropout flatten mean sum max amax max_pool1d max_pool2d
    max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    adaptive_max_pool2d scaled_dot_product_attention layer_norm batch_norm group_norm instance_norm
    upsample_nearest2d upsample_bilinear2d pixel_shuffle pixel_unshuffle deform_conv2d bilinear roll
    """
)

# How an operator is called in the table, where its ATen name is not what people say.
_SAID = {"scaled_dot_product_attention": "attention", "matmul": "matrix product", "bmm": "matrix product"}


@dataclass(frozen=True)
class Layer:
    """One row of a summary: a module that ran, or a functional operator inside a container.

    Attributes:
        name: The module's dotted name, ``""`` for the model itself; for an operator, its container's name and the
            operator's, such as ``layer1.0.add``.
        kind: The module's class, or the operator in lower case.
        depth: Nesting, 0 for the model.
        output_shape: Shape of the (first) result, batch included; None for a module that did not run.
        params: Learned numbers in it and below it. A parameter that an earlier row had counts 0 here.
        trainable: How many of them training would change; the others are frozen (``requires_grad`` is False).
        macs: Multiply-accumulates in it and below it, for one image.
        activation_bytes: Bytes of the results it wrote, and those below it, for one image; see `Summary`.
        receptive_field: What one output unit can see of the image; None where it cannot be defined.
        is_container: Whether rows below it belong to it.
        is_operator: Whether it is a functional operator rather than a module.
    """

    name: str
    kind: str
    depth: int
    output_shape: tuple[int, ...] | None
    params: int
    macs: int
    activation_bytes: int
    receptive_field: ReceptiveField | None = None
    is_container: bool = False
    is_operator: bool = False
    trainable: int = 0


def layers_of(record: Trace, batch: int, frozen: frozenset[int]) -> list[Layer]:
    """A row for each module that ran, and below it those of its operators and parts; parts that did not run come last.

    Args:
        record: the pass.
        batch: images in it.
        frozen: the ids of the parameters that training would not change.
    """
    ops = record.ops
    fields = receptive_fields(record)
    rows: list[Layer] = []
    counted: set[int] = set()
    # Running sums: the cost of a call is a difference of two.
    macs, kept = [0], [0]
    for op in ops:
        macs.append(macs[-1] + op.macs)
        kept.append(kept[-1] + op.bytes)

    def trainable(parameters: Iterable[nn.Parameter]) -> int:
        return sum(parameter.numel() for parameter in parameters if id(parameter) not in frozen)

    def module_row(call: Call) -> None:
        fresh = [parameter for parameter in call.module.parameters() if id(parameter) not in counted]
        if not call.children:
            counted.update(id(p) for p in call.module.parameters())
        else:
            counted.update(id(p) for p in call.module.parameters(recurse=False))
        rows.append(
            Layer(
                name=call.name,
                kind=type(call.module).__name__,
                depth=call.depth,
                output_shape=call.result[0] if call.result else None,
                params=sum(parameter.numel() for parameter in fresh),
                trainable=trainable(fresh),
                macs=(macs[call.end] - macs[call.start]) // batch,
                activation_bytes=(kept[call.end] - kept[call.start]) // batch,
                receptive_field=None if call.output is None or call.output < 0 else fields[call.output],
                is_container=bool(call.children),
            )
        )

    def op_row(op: Op, call: Call, names: dict[str, int]) -> None:
        kind = op.kind.rstrip("_")
        said = _SAID.get(kind, kind)
        names[said] = names.get(said, 0) + 1
        label = said if names[said] == 1 else f"{said}_{names[said]}"
        rows.append(
            Layer(
                name=f"{call.name}.{label}" if call.name else label,
                kind=said,
                depth=call.depth + 1,
                output_shape=op.shape,
                params=0,
                macs=op.macs // batch,
                activation_bytes=op.bytes // batch,
                receptive_field=fields[op.index],
                is_operator=True,
            )
        )

    def walk(call: Call) -> None:
        module_row(call)
        if not call.children:
            return
        names: dict[str, int] = {}
        position = call.start
        for child in [*call.children, None]:
            stop = child.start if child is not None else call.end
            for op in ops[position:stop]:
                if op.macs or (op.from_image and op.kind.rstrip("_") in _ROWS):
                    op_row(op, call, names)
            if child is not None:
                walk(child)
                position = child.end
        not_run(call)

    def not_run(call: Call) -> None:
        """Children with parameters that no operator read: auxiliary heads outside training, and forgotten layers."""
        for child_name, child in _own_parts(call.module):
            parameters = list(child.parameters())
            fresh = [p for p in parameters if id(p) not in counted]
            if not fresh or any(id(p) in record.used for p in parameters):
                continue
            counted.update(id(p) for p in fresh)
            name = f"{call.name}.{child_name}" if call.name else child_name
            fresh = list({id(p): p for p in fresh}.values())
            row = Layer(name, type(child).__name__, call.depth + 1, None, sum(p.numel() for p in fresh), 0, 0)
            rows.append(replace(row, trainable=trainable(fresh)))

    if record.calls:
        walk(record.calls[0])
    return rows


def _own_parts(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Its children, and in place of a list or dict of modules, which never runs itself, what that holds."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from ((f"{name}.{below}", part) for below, part in _own_parts(child))
        else:
            yield name, child
