"""A model as a table: shapes, parameters, multiply-accumulates, memory and receptive fields, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from math import prod
from typing import TYPE_CHECKING, overload

from torch import Tensor, nn

from cnnlab.analysis.cells import AXES, cells_of, field_numbers, short_name
from cnnlab.analysis.fields import ReceptiveField, receptive_fields
from cnnlab.analysis.inputs import example_inputs, numel
from cnnlab.analysis.operators import conv_numbers, pool_numbers
from cnnlab.analysis.rows import Layer, layers_of
from cnnlab.analysis.trace import Trace, trace
from cnnlab.arithmetic import receptive_field_of
from cnnlab.errors import unknown_name
from cnnlab.meta import on_meta
from cnnlab.models.factory import as_model
from cnnlab.tables import html_frame, human, human_bytes, latex_table, text_table

if TYPE_CHECKING:
    import pandas

    from cnnlab.analysis.comparison import Comparison

__all__ = ["InputSize", "Summary", "summarize"]

InputSize = Sequence[int] | Sequence[Sequence[int]] | Tensor | None


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
        return tuple(layers_of(self.trace, self.input_size[0], self._frozen))

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
        sides = " × ".join(map(str, self.input_size[1:]))
        return (
            f"{self.model_name} on {sides}: {human(self.params)} parameters{split}, "
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
            name = "  " * x.depth + short_name(x, self.model_name, names)
            rows.append((name, x.kind, *cells_of(x, times, frozen=self.frozen > 0)))
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
            name = escape(short_name(x, self.model_name, names))
            first = (
                f'<th scope="row" title="{escape(x.name or self.model_name)}" '
                f'style="text-align:left;font-weight:inherit;padding:.12em .55em .12em {0.5 + 1.1 * x.depth:.1f}em">'
                f"{name}</th>"
            )
            cells = "".join(f"<td{_RIGHT}>{escape(cell)}</td>" for cell in cells_of(x, "×", frozen=self.frozen > 0))
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
