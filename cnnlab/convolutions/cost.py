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

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from cnnlab.analysis import Summary, summarize
from cnnlab.analysis.trace import tensors_in
from cnnlab.arithmetic import check_divides
from cnnlab.convolutions.channel_shuffle import ChannelShuffle
from cnnlab.convolutions.comparison import Comparison, Cost
from cnnlab.convolutions.conv2plus1d import Conv2Plus1d
from cnnlab.convolutions.conv3d import StandardConv3d
from cnnlab.convolutions.depthwise import DepthwiseConv2d
from cnnlab.convolutions.depthwise_separable import DepthwiseSeparableConv2d
from cnnlab.convolutions.dilated import DilatedConv2d
from cnnlab.convolutions.flattened import FlattenedConv2d
from cnnlab.convolutions.global_average_pooling import GlobalAveragePool
from cnnlab.convolutions.grouped import GroupedConv2d
from cnnlab.convolutions.latency import Latency, measure_latency
from cnnlab.convolutions.pointwise import PointwiseConv2d
from cnnlab.convolutions.spatial_separable import SpatialSeparableConv2d
from cnnlab.convolutions.standard import StandardConv2d
from cnnlab.convolutions.transposed import TransposedConv2d
from cnnlab.meta import on_meta
from cnnlab.results import recorded

__all__ = ["variants", "compare_convolutions", "recorded_latency", "bytes_moved"]


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
