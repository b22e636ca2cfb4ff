"""What each convolution costs, counted on the layer itself and measured on this machine.

Multiplications are half of the story. The other half is memory: every number that an operator reads or writes has
to travel. The *arithmetic intensity* is the ratio of the two, multiply-accumulates for each byte moved. A standard
convolution of 256 channels does about a hundred of them for every byte, a depthwise one about one. Processors multiply
much faster than they fetch, so a depthwise convolution cannot come near their best speed, and a small one pays for the
fixed time that it takes to start any operator. On the CPU of the recorded run it stays below even what its bytes would
allow: with one channel at a time there is no large matrix product, which libraries are quick at. K times fewer
multiplications are then not K times less time (S. Williams, A. Waterman, D. Patterson: Roofline, CACM 2009; N. Ma et
al.: ShuffleNet V2, ECCV 2018, section 2).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cnnlab.analysis import Summary, summarize
from cnnlab.analysis.trace import tensors_in
from cnnlab.arithmetic import check_divides
from cnnlab.convolutions.channel_shuffle import ChannelShuffle
from cnnlab.convolutions.conv2plus1d import Conv2Plus1d
from cnnlab.convolutions.conv3d import StandardConv3d
from cnnlab.convolutions.depthwise import DepthwiseConv2d
from cnnlab.convolutions.depthwise_separable import DepthwiseSeparableConv2d
from cnnlab.convolutions.dilated import DilatedConv2d
from cnnlab.convolutions.flattened import FlattenedConv2d
from cnnlab.convolutions.global_average_pooling import GlobalAveragePool
from cnnlab.convolutions.grouped import GroupedConv2d
from cnnlab.convolutions.pointwise import PointwiseConv2d
from cnnlab.convolutions.spatial_separable import SpatialSeparableConv2d
from cnnlab.convolutions.standard import StandardConv2d
from cnnlab.convolutions.transposed import TransposedConv2d
from cnnlab.errors import unknown_name
from cnnlab.meta import on_meta
from cnnlab.results import recorded
from cnnlab.tables import html_table, human, human_bytes, text_table

if TYPE_CHECKING:
    import pandas

__all__ = [
    "Latency",
    "Cost",
    "COLUMNS",
    "Comparison",
    "variants",
    "compare_convolutions",
    "recorded_latency",
    "bytes_moved",
    "measure_latency",
]


@dataclass(frozen=True)
class Latency:
    """How long one forward pass takes, in milliseconds: the median of many, and the middle half around it.

    Attributes:
        lower: a quarter of the passes were quicker.
        upper: a quarter were slower.
    """

    median: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.lower:.3g} to {self.upper:.3g})"


@dataclass(frozen=True)
class Cost:
    """One row of a `Comparison`: counts for a single input, latencies for the whole batch.

    Attributes:
        input: shape (C, H, W), or (C, T, H, W).
        activation_bytes: of all results, those between two steps included.
        bytes_moved: read and written by all operators, weights included.
        batch: inputs in a measured pass.
    """

    name: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    params: int
    macs: int
    activation_bytes: int
    bytes_moved: int
    receptive_field: str
    cpu: Latency | None = None
    gpu: Latency | None = None
    batch: int = 1

    @property
    def intensity(self) -> float:
        """Multiply-accumulates for each byte moved."""
        return self.macs / self.bytes_moved if self.bytes_moved else 0.0

    def rate(self, device: str) -> float | None:
        """Billions of multiply-accumulates a second that "cpu" or "gpu" reached; None where nothing was measured."""
        latency: Latency | None = getattr(self, device)
        return None if latency is None else self.macs * self.batch / latency.median / 1e6


def _half(row: Cost, device: str) -> str:
    found: Latency = getattr(row, device)
    return f"{found.lower:.3g} to {found.upper:.3g}"


# What a table can show -> the column's head, and what it says of a row.
COLUMNS: dict[str, tuple[str, Callable[[Cost], str]]] = {
    "cpu": ("CPU ms", lambda row: f"{row.cpu.median:.3g}"),
    "gpu": ("GPU ms", lambda row: f"{row.gpu.median:.3g}"),
    "output": ("Output", lambda row: "x".join(map(str, row.output))),
    "params": ("Parameters", lambda row: human(row.params)),
    "macs": ("MACs", lambda row: human(row.macs)),
    "activations": ("Activations", lambda row: human_bytes(row.activation_bytes)),
    "sees": ("Sees", lambda row: row.receptive_field),
    "cpu rate": ("GMAC/s", lambda row: f"{row.rate('cpu'):.3g}"),
    "gpu rate": ("GPU GMAC/s", lambda row: f"{row.rate('gpu'):.3g}"),
    "intensity": ("MACs per byte", lambda row: f"{row.intensity:.3g}"),
    "cpu half": ("CPU ms, middle half", lambda row: _half(row, "cpu")),
    "gpu half": ("GPU ms, middle half", lambda row: _half(row, "gpu")),
}
# Without times, and for each device that was measured: the most important first, since a phone shows three columns.
_COUNTED = ("output", "params", "macs", "activations", "sees", "intensity")
_MEASURED = ("cpu", "gpu", "macs", "cpu rate", "gpu rate", "intensity", "cpu half", "gpu half")


class Comparison:
    """What `compare_convolutions` returns. ``print`` it, show it in a notebook, or take its numbers.

    A table that was measured shows the times first, then the MACs and how many of them a second were done; one that
    was not shows all counts. `only` chooses other columns, and `to_dataframe` has everything.

    Attributes:
        rows: a `Cost` for each variant, in the order of the chapters.
        caption: one sentence: the sizes, and where and how often was measured.
        columns: what is shown, of the keys of `COLUMNS`.
    """

    def __init__(self, rows: Sequence[Cost], caption: str, columns: Sequence[str] = ()) -> None:
        self.rows = tuple(rows)
        self.caption = caption
        missing = [device for device in ("cpu", "gpu") if not any(getattr(row, device) for row in self.rows)]
        times = [column for column in _MEASURED if column.split()[0] not in missing]
        self.columns = tuple(columns) or (_COUNTED if len(missing) == 2 else tuple(times))
        for column in self.columns:
            if column not in COLUMNS:
                raise unknown_name("column", column, COLUMNS)
            device = column.split()[0]
            if device in missing:
                raise ValueError(f"column={column!r}: no time was measured on the {device.upper()}; leave it out.")

    def only(self, *columns: str) -> Comparison:
        """The same comparison, showing these columns: some of the keys of `COLUMNS`, such as "macs" and "cpu".

        Raises:
            ValueError: for a column that does not exist, or one of a device on which nothing was measured.
        """
        return Comparison(self.rows, self.caption, columns)

    def __getitem__(self, name: str) -> Cost:
        """The row of this name: ``comparison["depthwise"]``."""
        for row in self.rows:
            if row.name == name:
                return row
        raise unknown_name("name", name, [row.name for row in self.rows])

    def __iter__(self) -> Iterator[Cost]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a pandas DataFrame, numbers unformatted.

        A measured device has four columns: ``cpu_ms``, ``cpu_lower``, ``cpu_upper`` (the quartiles) and ``cpu_gmacs``,
        billions of multiply-accumulates a second.
        """
        import pandas

        table = []
        for row in self.rows:
            line = {f.name: getattr(row, f.name) for f in fields(row) if f.name not in ("cpu", "gpu", "batch")}
            line["intensity"] = row.intensity
            for device in ("cpu", "gpu"):
                latency = getattr(row, device)
                if latency is not None:
                    line |= {f"{device}_ms": latency.median, f"{device}_lower": latency.lower}
                    line |= {f"{device}_upper": latency.upper, f"{device}_gmacs": row.rate(device)}
            table.append(line)
        return pandas.DataFrame(table)

    def _cells(self) -> list[list[str]]:
        shown = [COLUMNS[column] for column in self.columns]
        head = ["Convolution", *(title for title, _ in shown)]
        return [head, *([row.name, *(says(row) for _, says in shown)] for row in self.rows)]

    def __str__(self) -> str:
        return text_table(self._cells(), self.caption)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        return html_table(
            [head, *([name, *(x.replace("x", "×") for x in cells)] for name, *cells in body)], self.caption
        )


def variants(
    in_channels: int, out_channels: int, kernel: int, size: int, *, groups: int, dilation: int, frames: int
) -> dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]]:
    """Each variant's layer, yet to be built, and the shape of its input. No biases, as in front of a batch norm."""
    c, k = in_channels, out_channels
    image, clip = (c, size, size), (c, frames, size, size)
    return {
        "standard": (lambda: StandardConv2d(c, k, kernel, bias=False), image),
        "pointwise": (lambda: PointwiseConv2d(c, k, bias=False), image),
        "spatial separable": (lambda: SpatialSeparableConv2d(c, k, kernel, bias=False), image),
        "flattened": (lambda: FlattenedConv2d(c, k, kernel, bias=False), image),
        "depthwise": (lambda: DepthwiseConv2d(c, kernel, bias=False), image),
        "depthwise separable": (lambda: DepthwiseSeparableConv2d(c, k, kernel, bias=False), image),
        "grouped": (lambda: GroupedConv2d(c, k, groups, kernel, bias=False), image),
        "channel shuffle": (lambda: ChannelShuffle(groups), image),
        "dilated": (lambda: DilatedConv2d(c, k, kernel, dilation, bias=False), image),
        "transposed": (lambda: TransposedConv2d(c, k, kernel, stride=2, bias=False), image),
        "3D": (lambda: StandardConv3d(c, k, kernel, bias=False), clip),
        "(2+1)D": (lambda: Conv2Plus1d(c, k, kernel, nonlinear=False, bias=False), clip),
        "global average pooling": (GlobalAveragePool, image),
    }


def compare_convolutions(
    in_channels: int,
    out_channels: int,
    kernel: int = 3,
    size: int = 56,
    *,
    measure: bool = True,
    groups: int = 4,
    dilation: int = 2,
    frames: int = 8,
    batch: int = 1,
    repeats: int = 25,
    seconds: float = 1.0,
) -> Comparison:
    """Every variant from ``in_channels`` to ``out_channels`` on the same image, side by side.

    Counts come from `cnnlab.summarize` on each layer, without biases. Some rows are not like the others: "depthwise"
    and "channel shuffle" keep the number of channels, "transposed" doubles the image, and "3D" and "(2+1)D" take a clip
    of ``frames`` images. MACs per byte suppose that every operator reads its inputs and weights once and writes its
    result once, as 32-bit numbers, for a batch of one. Caches can save some of that traffic, and a library's work space
    can add to it.

    Args:
        in_channels, out_channels: C and K; ``groups`` must divide both.
        kernel: height and width, odd; and time, of the last two.
        size: height and width of the image.
        measure: whether to measure how long a forward pass takes, on the CPU, and on the GPU if there is one.
            Times differ from run to run and from machine to machine: a page that must not change leaves them out.
        groups: of "grouped" and "channel shuffle".
        dilation: of "dilated".
        frames: in the clip.
        batch: images, or clips, in a measured pass.
        repeats, seconds: how often, and about how long at most, each layer is measured; see `measure_latency`.

    Raises:
        ValueError: if a number is too small, the kernel is even, or ``groups`` does not divide the channels.
    """
    for name, value in (("size", size), ("frames", frames), ("batch", batch), ("repeats", repeats)):
        if value < 1:
            raise ValueError(f"{name}={value} is too small; {name} must be 1 or more.")
    check_divides(groups, in_channels=in_channels, out_channels=out_channels)
    made = variants(in_channels, out_channels, kernel, size, groups=groups, dilation=dilation, frames=frames)
    with on_meta():
        summaries = {name: summarize(make(), (1, *shape)) for name, (make, shape) in made.items()}
    times: dict[str, dict[str, Latency]] = {}
    caption = (
        f"From {in_channels} to {out_channels} channels, kernel {kernel}, {size} × {size} pixels "
        f"({groups} groups, dilation {dilation}, {frames} frames), without biases"
    )
    if measure:
        devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
        for device in devices:
            layers = {name: (make(), (batch, *shape)) for name, (make, shape) in made.items()}
            times[device] = measure_latency(layers, repeats=repeats, seconds=seconds, device=device)
        threads = torch.get_num_threads()
        where = [f"{threads} CPU thread{'s' if threads > 1 else ''}"]
        where += [torch.cuda.get_device_name()] if "cuda" in devices else []
        caption += f"; batch of {batch}, up to {repeats} passes on {' and on '.join(where)}, torch {torch.__version__}"
    rows = []
    for name, (_, shape) in made.items():
        cpu, gpu = (times.get(device, {}).get(name) for device in ("cpu", "cuda"))
        rows.append(_cost(name, shape, summaries[name], cpu, gpu, batch))
    return Comparison(rows, caption)


def recorded_latency(*names: str, channels: int = 128) -> Comparison:
    """The comparison of a run that was recorded: counts made anew, times as they were measured then.

    Pages show this one, because a page must not change from run to run; `compare_convolutions` measures your machine.

    Args:
        names: rows to keep, such as "standard" and "depthwise"; all of them when none is named.
        channels: in and out. Three settings were measured, with equal MACs for a standard convolution: 32 channels on
            224 x 224 pixels, 128 on 56 x 56, and 512 on 14 x 14.

    Raises:
        ValueError: for channels that were not measured, or an unknown row.
    """
    result = recorded("convolution_cost")
    tables = {table["in_channels"]: table for table in result["tables"]}
    if channels not in tables:
        raise ValueError(
            f"channels={channels!r} was not measured; recorded are {', '.join(map(str, sorted(tables)))}. "
            f"compare_convolutions({channels}, {channels}) measures it on your machine."
        )
    table = tables[channels]
    setting = [table[key] for key in ("in_channels", "out_channels", "kernel", "size")]
    counted = compare_convolutions(*setting, measure=False)
    rows = []
    for row in counted if not names else [counted[name] for name in names]:
        times = {device: Latency(**found) for device, found in table["milliseconds"][row.name].items()}
        rows.append(replace(row, **times, batch=table["batch"]))
    facts = result["provenance"]
    where = (
        f"{facts['cpu_threads']} CPU threads and "
        if facts["device"] == "cuda"
        else f"{facts['cpu_threads']} threads of "
    )
    return Comparison(
        rows,
        f"{counted.caption}; recorded on {facts['date'][:10]}, batch of {table['batch']}, "
        f"{where}{facts['device_name']}, torch {facts['versions']['torch']}",
    )


def _cost(
    name: str, shape: tuple[int, ...], summary: Summary, cpu: Latency | None, gpu: Latency | None, batch: int
) -> Cost:
    whole = summary.layers[0]
    return Cost(
        name=name,
        input=shape,
        output=whole.output_shape[1:],
        params=summary.params,
        macs=summary.macs,
        activation_bytes=summary.activation_bytes,
        bytes_moved=bytes_moved(summary),
        receptive_field=str(whole.receptive_field),
        cpu=cpu,
        gpu=gpu,
        batch=batch,
    )


def bytes_moved(summary: Summary) -> int:
    """What the operators of a pass read and write, if each reads inputs and weights once and writes its result once.

    Views move nothing.
    """
    moved = 0
    for op in summary.trace.ops:
        if op.bytes:  # it wrote new memory
            moved += op.bytes + sum(x.numel() * x.element_size() for x in tensors_in((op.args, op.kwargs)))
    return moved


def measure_latency(
    layers: dict[str, tuple[nn.Module, tuple[int, ...]]],
    *,
    repeats: int = 25,
    seconds: float = 1.0,
    device: str = "cpu",
) -> dict[str, Latency]:
    """How long a forward pass of each layer takes, in evaluation mode and without gradients.

    The layers take turns, so that a moment in which the machine is busy with something else falls on all of them. Quick
    layers run several times in each turn, until a turn takes a millisecond: clocks are coarse.

    Args:
        layers: name -> (layer, shape of its input, batch included).
        repeats: turns of each layer.
        seconds: after which a slow layer takes no more turns, though never fewer than five if ``repeats`` allows.
        device: "cpu" or "cuda".
    """
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    prepared = {name: (m.to(device).eval(), torch.randn(shape, device=device)) for name, (m, shape) in layers.items()}

    def one_pass(module: nn.Module, x: Tensor, passes: int) -> float:
        wait()
        start = time.perf_counter()
        for _ in range(passes):
            module(x)
        wait()
        return (time.perf_counter() - start) / passes

    turns: dict[str, list[float]] = {name: [] for name in prepared}
    with torch.inference_mode():
        passes = {}
        for name, (module, x) in prepared.items():
            one_pass(module, x, 2)  # the first pass chooses algorithms and asks for memory
            passes[name] = max(1, min(100, round(1e-3 / one_pass(module, x, 2))))
        for _ in range(repeats):
            for name, (module, x) in prepared.items():
                if len(turns[name]) < 5 or sum(turns[name]) * passes[name] < 1000 * seconds:
                    turns[name].append(1000 * one_pass(module, x, passes[name]))
    result = {}
    for name, measured in turns.items():
        lower, median, upper = statistics.quantiles(measured, n=4) if repeats > 1 else measured * 3
        result[name] = Latency(median, lower, upper)
    return result
