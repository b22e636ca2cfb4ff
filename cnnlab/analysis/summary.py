"""A model as a table: shapes, parameters, multiply-accumulates, memory and receptive fields, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from torch import Tensor, nn

from cnnlab.analysis.fields import ReceptiveField, receptive_fields
from cnnlab.analysis.inputs import example_inputs, numel
from cnnlab.analysis.operators import conv_numbers, names_in, pool_numbers
from cnnlab.analysis.trace import Call, Op, Trace, trace
from cnnlab.arithmetic import receptive_field_of
from cnnlab.errors import unknown_name
from cnnlab.meta import on_meta
from cnnlab.models.factory import as_model
from cnnlab.tables import html_frame, human, human_bytes, text_table

if TYPE_CHECKING:
    import pandas

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


@dataclass(frozen=True, repr=False)
class Summary:
    """What `summarize` returns. ``print`` it, show it in a notebook, or take its numbers.

    Attributes:
        model_name: Class of the model, or its registered name.
        input_size: Shape of the input, batch included.
        params: Learned numbers; a parameter shared by several layers counts once.
        macs: Multiply-accumulates of convolutions and matrix products for one image, in evaluation mode, without
            biases, as in torchvision's ``weights.meta["_ops"]`` (times 1e-9). FLOPs are twice as many.
        activation_bytes: Bytes, for one image, of every tensor that an operator computes from the input and writes
            to new memory during the pass: what a plain training step has to keep for its backward pass, to a good
            approximation. Views and in-place results (``ReLU(inplace=True)``) write no new memory and count 0; the
            input itself, parameters, gradients and work space do not count.
        layers: Rows in the order in which they ran, containers before their contents.
        trace: The pass itself: operators with their inputs, for drawings.
        depth: Deepest level that the printed tables show; None shows all.
    """

    model_name: str
    input_size: tuple[int, ...]
    params: int
    macs: int
    activation_bytes: int
    depth: int | None = None
    trace: Trace = field(repr=False, compare=False, default=None)  # type: ignore[assignment]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(_layers(self.trace, self.input_size[0]))

    @property
    def shown(self) -> tuple[Layer, ...]:
        """The rows that the tables show: those no deeper than ``depth``."""
        return tuple(x for x in self.layers if self.depth is None or x.depth <= self.depth)

    def __getitem__(self, name: str) -> Layer:
        """The layer of this name: ``summary["layer1.0"]``."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise unknown_name("layer", name, [x.name for x in self.layers], "Print the summary to see all names.")

    def windows(self) -> list[tuple[int, int, int, str]]:
        """(kernel, stride, dilation, name) of the convolutions and poolings from the input on, for one image axis.

        They go as far as each looks at the result of the one before it: past shortcuts, which see less than what they
        lead around, up to a branch, a global pooling or an attention. ``widgets.receptive_field(summary)`` shows them.
        """
        fields = receptive_fields(self.trace)
        found: list[tuple[int, int, int, str]] = []
        for op in self.trace.ops:
            kind = op.kind.rstrip("_")
            if not op.from_image or not kind.startswith(("conv", "max_pool", "avg_pool")):
                continue
            seen = fields[op.index]
            if kind.startswith("conv"):
                kernel, stride, _, dilation, *_ = conv_numbers(kind, op.args, op.kwargs)
            else:
                kernel, stride, _, dilation, *_ = pool_numbers(
                    op.args, op.kwargs, len(op.shape) - 2, kind.startswith("max")
                )
            here = (kernel[0], stride[0], dilation[0])
            reached = receptive_field_of([*(window[:3] for window in found), here])[-1]
            if seen is None or seen.is_global or (seen.size[0], seen.jump[0]) != reached:
                break
            word = "conv" if kind.startswith("conv") else f"{kind[:3]} pool"
            found.append((*here, f"{word} {' × '.join(map(str, kernel))}"))
        return found

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame, one column for each attribute of `Layer`, numbers unformatted."""
        import pandas

        columns = [
            "name",
            "kind",
            "depth",
            "output_shape",
            "params",
            "macs",
            "activation_bytes",
            "receptive_field",
            "jump",
        ]
        rows = []
        for x in self.layers:
            seen = x.receptive_field
            size = None if seen is None else "global" if seen.is_global else seen.size
            jump = None if seen is None else seen.jump
            rows.append((x.name, x.kind, x.depth, x.output_shape, x.params, x.macs, x.activation_bytes, size, jump))
        return pandas.DataFrame(rows, columns=columns)

    @property
    def caption(self) -> str:
        """One sentence with the totals."""
        return (
            f"{self.model_name} on {_sides(self.input_size[1:])}: {human(self.params)} parameters, "
            f"{human(self.macs)} MACs, {human_bytes(self.activation_bytes)} of activations per image"
        )

    def __str__(self) -> str:
        rows = [("Layer", "Kind", "Output", "Parameters", "MACs", "Activations", "Sees")]
        names = {x.name for x in self.layers}
        for x in self.shown:
            rows.append(("  " * x.depth + _short(x, self.model_name, names), x.kind, *_cells(x)))
        # Consoles and log files of many systems know no ×.
        return text_table(rows, self.caption.replace("×", "x"), left=2)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col"{_LEFT if i < 2 else _RIGHT}>{title}</th>'
            for i, title in enumerate(("Layer", "Kind", "Output", "Parameters", "MACs", "Activations", "Sees"))
        )
        body = []
        names = {x.name for x in self.layers}
        for x in self.shown:
            weight = "font-weight:600;" if x.is_container else ""
            name = escape(_short(x, self.model_name, names))
            first = (
                f'<th scope="row" title="{escape(x.name or self.model_name)}" '
                f'style="text-align:left;font-weight:inherit;padding:.12em .55em .12em {0.5 + 1.1 * x.depth:.1f}em">'
                f"{name}</th>"
            )
            cells = "".join(f"<td{_RIGHT}>{escape(cell)}</td>" for cell in _cells(x, times="×"))
            kind = f'<td style="text-align:left;padding:.12em .55em;opacity:.8">{escape(x.kind)}</td>'
            body.append(f'<tr style="{weight}">{first}{kind}{cells}</tr>')
        return html_frame(head, "".join(body), self.caption)


_LEFT = ' style="text-align:left;padding:.12em .55em"'
_RIGHT = ' style="text-align:right;white-space:nowrap;padding:.12em .55em"'


def summarize(
    model: nn.Module | str,
    input_size: Sequence[int] | Sequence[Sequence[int]] | Tensor | None = None,
    *,
    depth: int | None = None,
) -> Summary:
    """Shapes, parameters, multiply-accumulates, memory and receptive fields from one pass without real memory.

    Args:
        model: Any module, which is left exactly as it was, or a name for `cnnlab.create_model`. No other thread may
            use it meanwhile: its parameters are lent to the pass.
        input_size: (C, H, W) for one image, (N, C, H, W) for a batch, (F,) for a vector of features, (C, L) for a
            signal, (N, C, D, H, W) for a batch of volumes; a list of such shapes for a model that takes several
            inputs; or an example tensor. None takes the model's own ``input_size``.
        depth: Deepest level of nesting that the printed tables show; everything is counted all the same.

    Raises:
        ValueError: if the name is unknown, no input size is known, or the input does not fit; the message names
            the layer and the shape that reached it.
    """
    with on_meta():
        model = as_model(model)
    name = getattr(model, "name", None)
    name = name if isinstance(name, str) else type(model).__name__
    if depth is not None and depth < 0:
        raise ValueError(f"depth={depth} is negative; give 0 for the totals alone, or None for every layer.")
    inputs = example_inputs(model, input_size, name)
    params = sum(numel(parameter) for parameter in model.parameters())  # parameters() names a shared one once
    record = trace(model, inputs)
    batch = inputs[0].shape[0]
    return Summary(
        model_name=name,
        input_size=tuple(inputs[0].shape),
        params=params,
        macs=sum(op.macs for op in record.ops) // batch,
        activation_bytes=sum(op.bytes for op in record.ops) // batch,
        depth=depth,
        trace=record,
    )


# --- rows ------------------------------------------------------------------------------------------------------------


def _layers(record: Trace, batch: int) -> list[Layer]:
    ops = record.ops
    fields = receptive_fields(record)
    rows: list[Layer] = []
    counted: set[int] = set()
    # Running sums: the cost of a call is a difference of two.
    macs, kept = [0], [0]
    for op in ops:
        macs.append(macs[-1] + op.macs)
        kept.append(kept[-1] + op.bytes)

    def module_row(call: Call) -> None:
        params = 0
        for parameter in call.module.parameters():
            if id(parameter) not in counted:
                params += parameter.numel()
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
                params=params,
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
            params = sum(p.numel() for p in {id(p): p for p in fresh}.values())
            rows.append(Layer(name, type(child).__name__, call.depth + 1, None, params, 0, 0))

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


# --- formatting ------------------------------------------------------------------------------------------------------


def _short(layer: Layer, model_name: str, names: set[str]) -> str:
    """The name without that of the row it belongs to; a ModuleList has no row, so that its elements keep its name."""
    above = layer.name
    while "." in above:
        above = above.rpartition(".")[0]
        if above in names:
            return layer.name.removeprefix(f"{above}.")
    return layer.name or model_name


def _cells(layer: Layer, times: str = "x") -> tuple[str, ...]:
    if layer.output_shape is None:
        return "not run", human(layer.params), "", "", ""
    shape = layer.output_shape[1:] if len(layer.output_shape) > 1 else layer.output_shape
    return (
        times.join(map(str, shape)),
        human(layer.params) if layer.params else "",
        human(layer.macs) if layer.macs else "",
        human_bytes(layer.activation_bytes) if layer.activation_bytes else "",
        str(layer.receptive_field) if layer.receptive_field is not None else "",
    )


def _sides(shape: Sequence[int]) -> str:
    return " × ".join(str(side) for side in shape)
