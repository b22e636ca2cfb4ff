"""A model as a table: shapes, parameters, multiply-accumulates, memory and receptive fields, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from math import prod
from typing import TYPE_CHECKING, overload

from torch import Tensor, nn

from cnnlab.analysis.fields import ReceptiveField, receptive_fields
from cnnlab.analysis.inputs import example_inputs, numel
from cnnlab.analysis.operators import conv_numbers, names_in, pool_numbers
from cnnlab.analysis.trace import Call, Op, Trace, trace
from cnnlab.arithmetic import receptive_field_of
from cnnlab.errors import unknown_name
from cnnlab.meta import on_meta
from cnnlab.models.factory import as_model
from cnnlab.tables import html_frame, human, human_bytes, latex_table, text_table

if TYPE_CHECKING:
    import pandas

    from cnnlab.analysis.comparison import Comparison

__all__ = ["InputSize", "Layer", "Summary", "summarize", "AXES", "field_numbers"]

InputSize = Sequence[int] | Sequence[Sequence[int]] | Tensor | None

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


@dataclass(frozen=True, repr=False)
class Summary:
    """What `summarize` returns. ``print`` it, show it in a notebook, or take its numbers.

    Attributes:
        model_name: Class of the model, or its registered name.
        input_size: Shape of the input, batch included.
        params: Learned numbers; a parameter shared by several layers counts once.
        trainable: How many of them training would change; the others were frozen (``requires_grad`` was False).
        macs: Multiply-accumulates of convolutions and matrix products for one image, in evaluation mode, without
            biases, as in torchvision's ``weights.meta["_ops"]`` (times 1e-9). FLOPs are twice as many.
        activation_bytes: Bytes, for one image, of every tensor that an operator computes from the input and writes
            to new memory during the pass: what a plain training step has to keep for its backward pass, to a good
            approximation. Views and in-place results (``ReLU(inplace=True)``) write no new memory and count 0; the
            input itself, parameters, gradients and work space do not count.
        layers: Rows in the order in which they ran, containers before their contents.
        trace: The pass itself: operators with their inputs, for drawings.
        depth: Deepest level that the tables show; None shows all. ``layers`` has all in any case.
    """

    model_name: str
    input_size: tuple[int, ...]
    params: int
    trainable: int
    macs: int
    activation_bytes: int
    depth: int | None = None
    trace: Trace = field(repr=False, compare=False, default=None)  # type: ignore[assignment]
    _frozen: frozenset[int] = field(repr=False, compare=False, default=frozenset())  # by id; the trace keeps them alive

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(_layers(self.trace, self.input_size[0], self._frozen))

    @property
    def frozen(self) -> int:
        """Learned numbers that training would not change."""
        return self.params - self.trainable

    @property
    def sees(self) -> ReceptiveField | None:
        """What one position of the last map sees of the image: the last result that still has several positions.

        None where that is not known, or where the network has no map at all.
        """
        for x in reversed(self.layers):
            if x.output_shape is not None and prod(x.output_shape[2:]) > 1:
                return x.receptive_field
        return None

    @property
    def shown(self) -> tuple[Layer, ...]:
        """The rows that all tables show: those no deeper than ``depth``."""
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
        """The rows of the printed table as a pandas DataFrame, numbers unformatted.

        Its columns are the attributes of `Layer`, with the field's sides and jumps apart: ``field_height`` and
        ``field_width`` in pixels, missing where the field is the whole image (``field_is_global``) or not known.
        """
        import pandas

        sides = AXES.get(len(self.input_size) - 2, ())
        columns = ["name", "kind", "depth", "output_shape", "params", "trainable", "macs", "activation_bytes"]
        rows = []
        for x in self.shown:
            row = [x.name, x.kind, x.depth, x.output_shape, x.params, x.trainable, x.macs, x.activation_bytes]
            rows.append([*row, *field_numbers(x.receptive_field, len(sides))])
        columns += ["field_is_global", *(f"field_{side}" for side in sides), *(f"jump_{side}" for side in sides)]
        frame = pandas.DataFrame(rows, columns=columns)
        return frame.astype({f"field_{side}": "Int64" for side in sides} | {f"jump_{side}": float for side in sides})

    def to_csv(self, path: str | os.PathLike | None = None) -> str | None:
        """The same as CSV, shapes as "64x112x112": the text, or nothing where it went to a file."""
        frame = self.to_dataframe()
        frame["output_shape"] = [
            None if shape is None else "x".join(map(str, shape)) for shape in frame["output_shape"]
        ]
        return frame.to_csv(path, index=False)

    def to_latex(self) -> str:
        """The printed table as a LaTeX ``tabular``."""
        return latex_table(self._text_rows("×"), left=2)

    @property
    def caption(self) -> str:
        """One sentence with the totals."""
        split = f" ({human(self.trainable)} trainable, {human(self.frozen)} frozen)" if self.frozen else ""
        return (
            f"{self.model_name} on {_sides(self.input_size[1:])}: {human(self.params)} parameters{split}, "
            f"{human(self.macs)} MACs, {human_bytes(self.activation_bytes)} of activations per image"
        )

    @property
    def _titles(self) -> tuple[str, ...]:
        frozen = ("Frozen",) if self.frozen else ()
        return ("Layer", "Kind", "Output", "Parameters", *frozen, "MACs", "Activations", "Sees")

    def _text_rows(self, times: str) -> list[tuple[str, ...]]:
        names = {x.name for x in self.layers}
        rows = [self._titles]
        for x in self.shown:
            name = "  " * x.depth + _short(x, self.model_name, names)
            rows.append((name, x.kind, *_cells(x, times, frozen=self.frozen > 0)))
        return rows

    def __str__(self) -> str:
        # Consoles and log files of many systems know no ×.
        return text_table(self._text_rows("x"), self.caption.replace("×", "x"), left=2)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col"{_LEFT if i < 2 else _RIGHT}>{title}</th>' for i, title in enumerate(self._titles)
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
            cells = "".join(f"<td{_RIGHT}>{escape(cell)}</td>" for cell in _cells(x, "×", frozen=self.frozen > 0))
            kind = f'<td style="text-align:left;padding:.12em .55em;opacity:.8">{escape(x.kind)}</td>'
            body.append(f'<tr style="{weight}">{first}{kind}{cells}</tr>')
        return html_frame(head, "".join(body), self.caption)


_LEFT = ' style="text-align:left;padding:.12em .55em"'
_RIGHT = ' style="text-align:right;white-space:nowrap;padding:.12em .55em"'


@overload
def summarize(model: nn.Module | str, input_size: InputSize = None, *, depth: int | None = None) -> Summary: ...


@overload
def summarize(
    model: Sequence[nn.Module | str] | Mapping[str, nn.Module | str],
    input_size: InputSize = None,
    *,
    depth: int | None = None,
) -> Comparison: ...


def summarize(
    model: nn.Module | str | Sequence[nn.Module | str] | Mapping[str, nn.Module | str],
    input_size: InputSize = None,
    *,
    depth: int | None = None,
) -> Summary | Comparison:
    """Shapes, parameters, multiply-accumulates, memory and receptive fields from one pass without real memory.

        summarize("resnet18")
        summarize(["resnet18", "resnet50", my_network], (3, 224, 224))

    Args:
        model: Any module, which is left exactly as it was, or a name for `cnnlab.create_model`. No other thread may
            use it meanwhile: its parameters are lent to the pass. Several of them in a list, or by names of your own
            in a dict, give one table with a row for each.
        input_size: (C, H, W) for one image, (N, C, H, W) for a batch, (F,) for a vector of features, (C, L) for a
            signal, (N, C, D, H, W) for a batch of volumes; a list of such shapes for a model that takes several
            inputs; or an example tensor. None takes the model's own ``input_size``.
        depth: Deepest level of nesting that the tables show; everything is counted all the same.

    Raises:
        ValueError: if the name is unknown, no input size is known, or the input does not fit; the message names
            the layer and the shape that reached it.
    """
    if isinstance(model, list | tuple | Mapping):
        from cnnlab.analysis.comparison import compare

        return compare(model, input_size, depth=depth)
    with on_meta():
        model = as_model(model)
    name = getattr(model, "name", None)
    name = name if isinstance(name, str) else type(model).__name__
    if depth is not None and depth < 0:
        raise ValueError(f"depth={depth} is negative; give 0 for the totals alone, or None for every layer.")
    inputs = example_inputs(model, input_size, name)
    parameters = list(model.parameters())  # parameters() names a shared one once
    params = sum(map(numel, parameters))
    frozen = [parameter for parameter in parameters if not parameter.requires_grad]
    record = trace(model, inputs)
    batch = inputs[0].shape[0]
    return Summary(
        model_name=name,
        input_size=tuple(inputs[0].shape),
        params=params,
        trainable=params - sum(map(numel, frozen)),
        macs=sum(op.macs for op in record.ops) // batch,
        activation_bytes=sum(op.bytes for op in record.ops) // batch,
        depth=depth,
        trace=record,
        _frozen=frozenset(map(id, frozen)),
    )


# --- rows ------------------------------------------------------------------------------------------------------------


def _layers(record: Trace, batch: int, frozen: frozenset[int]) -> list[Layer]:
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


# --- formatting ------------------------------------------------------------------------------------------------------


def _short(layer: Layer, model_name: str, names: set[str]) -> str:
    """The name without that of the row it belongs to; a ModuleList has no row, so that its elements keep its name."""
    above = layer.name
    while "." in above:
        above = above.rpartition(".")[0]
        if above in names:
            return layer.name.removeprefix(f"{above}.")
    return layer.name or model_name


def _cells(layer: Layer, times: str, *, frozen: bool) -> tuple[str, ...]:
    """What stands behind name and kind; with a column of frozen parameters where the model has some."""
    still = (human(layer.params - layer.trainable) if layer.params > layer.trainable else "",) if frozen else ()
    if layer.output_shape is None:
        return "not run", human(layer.params), *still, "", "", ""
    shape = layer.output_shape[1:] if len(layer.output_shape) > 1 else layer.output_shape
    return (
        times.join(map(str, shape)),
        human(layer.params) if layer.params else "",
        *still,
        human(layer.macs) if layer.macs else "",
        human_bytes(layer.activation_bytes) if layer.activation_bytes else "",
        str(layer.receptive_field) if layer.receptive_field is not None else "",
    )


# How many axes an image has -> what they are called in a data frame.
AXES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def field_numbers(seen: ReceptiveField | None, axes: int) -> list[bool | float | None]:
    """Whether a field is global, its sides and its jumps, as numbers; None where there is none."""
    size = seen.size if seen is not None and seen.size is not None else [None] * axes
    jump = seen.jump if seen is not None and seen.jump is not None else [None] * axes
    return [seen is not None and seen.is_global, *size, *jump]


def _sides(shape: Sequence[int]) -> str:
    return " × ".join(str(side) for side in shape)
