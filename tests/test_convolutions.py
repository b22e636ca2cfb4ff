"""Every convolution variant against ``torch.nn.functional``, forward and gradient, over random shapes.

300 cases for each implementation and 300 for each layer, in double precision, drawn from the numbers of their places.
``record_property`` keeps how many were run and the worst relative difference; ``pytest -rP`` prints them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil, inf, isfinite
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab.convolutions as lib
from cnnlab import arithmetic

CASES = 300
LIMIT = 1e-10


pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass
class Case:
    """What goes into one comparison: tensors in the order of the function's arguments, and its other arguments."""

    tensors: list[Tensor | None]
    options: dict[str, Any] = field(default_factory=dict)


# --- drawing ---------------------------------------------------------------------------------------------------------


class Maker:
    """Draws shapes, and fills them with normal numbers: always the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def whole(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def coin(self) -> bool:
        return self.random.random() < 0.5

    def one_of(self, values: Sequence[Any]) -> Any:
        return self.random.choice(values)

    def stride(self, axes: int = 2) -> int | tuple[int, ...]:
        """One number for all axes, or one for each."""
        return self.whole(1, 3) if self.coin() else tuple(self.whole(1, 3) for _ in range(axes))

    def tensor(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def bias(self, channels: int) -> Tensor | None:
        return self.tensor(channels) if self.coin() else None

    def along(self, most_kernel: int, room: int, dilated: bool = True) -> dict[str, int]:
        """Kernel, stride, padding, dilation and a fitting size of one axis; the kernel may fill the padded input."""
        kernel, stride, padding = self.whole(1, most_kernel), self.whole(1, 3), self.whole(0, 2)
        dilation = self.whole(1, 3) if dilated else 1
        least = max(1, arithmetic.extent(kernel, dilation) - 2 * padding)
        size = self.whole(least, least + room)
        return {"size": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}

    def geometry(self, axes: int = 2, most_kernel: int = 4, room: int = 4) -> dict[str, tuple[int, ...]]:
        drawn = [self.along(most_kernel, room) for _ in range(axes)]
        return {name: tuple(one[name] for one in drawn) for name in drawn[0]}

    def options(self, geometry: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        """As a caller writes them: one number where all axes agree, half of the time."""
        short = self.coin()
        numbers = {name: geometry[name] for name in ("stride", "padding", "dilation")}
        return {name: n[0] if short and len(set(n)) == 1 else n for name, n in numbers.items()}


def standard(make: Maker, small: bool = False) -> Case:
    g = make.geometry(most_kernel=2 if small else 4, room=2 if small else 4)
    n, c, k = (make.whole(1, 2 if small else 3) for _ in range(3))
    tensors = [make.tensor(n, c, *g["size"]), make.tensor(k, c, *g["kernel"]), make.bias(k)]
    return Case(tensors, make.options(g))


def pointwise(make: Maker) -> Case:
    n, c, k, height, width = make.whole(1, 3), make.whole(1, 5), make.whole(1, 5), make.whole(1, 6), make.whole(1, 6)
    stride = make.stride()
    return Case([make.tensor(n, c, height, width), make.tensor(k, c, 1, 1), make.bias(k)], {"stride": stride})


def separable(make: Maker) -> Case:
    g = make.geometry()
    n, c, m, k = make.whole(1, 2), make.whole(1, 3), make.whole(1, 3), make.whole(1, 3)
    column, row = make.tensor(m, c, g["kernel"][0], 1), make.tensor(k, m, 1, g["kernel"][1])
    return Case([make.tensor(n, c, *g["size"]), column, row, make.bias(k)], make.options(g))


def flattened(make: Maker, biases: bool = True) -> Case:
    g = make.geometry()
    n, c, k = make.whole(1, 2), make.whole(1, 4), make.whole(1, 4)
    weights = [make.tensor(k, c, 1, 1), make.tensor(k, 1, g["kernel"][0], 1), make.tensor(k, 1, 1, g["kernel"][1])]
    three = [make.tensor(k) for _ in range(3)] if biases and make.coin() else []
    return Case([make.tensor(n, c, *g["size"]), *weights, *three], make.options(g))


def depthwise(make: Maker) -> Case:
    g = make.geometry()
    n, c, m = make.whole(1, 2), make.whole(1, 4), make.whole(1, 3)
    weight = make.tensor(c * m, 1, *g["kernel"])
    return Case([make.tensor(n, c, *g["size"]), weight, make.bias(c * m)], make.options(g))


def depthwise_separable(make: Maker) -> Case:
    g = make.geometry()
    n, c, m, k = make.whole(1, 2), make.whole(1, 3), make.whole(1, 2), make.whole(1, 4)
    weights = [make.tensor(c * m, 1, *g["kernel"]), make.tensor(k, c * m, 1, 1)]
    return Case([make.tensor(n, c, *g["size"]), *weights, make.bias(k)], make.options(g))


def grouped(make: Maker) -> Case:
    g = make.geometry(most_kernel=3)
    groups, n, each_in, each_out = make.whole(1, 4), make.whole(1, 2), make.whole(1, 3), make.whole(1, 3)
    x, weight = make.tensor(n, groups * each_in, *g["size"]), make.tensor(groups * each_out, each_in, *g["kernel"])
    return Case([x, weight, make.bias(groups * each_out)], {**make.options(g), "groups": groups})


def shuffle(make: Maker) -> Case:
    groups, members = make.whole(1, 5), make.whole(1, 5)
    map_ = [make.whole(1, 4) for _ in range(make.whole(1, 3))]
    return Case([make.tensor(make.whole(1, 3), groups * members, *map_)], {"groups": groups})


def transposed(make: Maker, grouped: bool = True) -> Case:
    drawn = []
    for _ in range(2):
        one = {"size": make.whole(1, 4), "kernel": make.whole(1, 4), "stride": make.whole(1, 3)}
        one["dilation"] = make.whole(1, 3)
        one["output_padding"] = make.whole(0, max(one["stride"], one["dilation"]) - 1)
        full = one["stride"] * (one["size"] - 1) + arithmetic.extent(one["kernel"], one["dilation"])
        one["padding"] = make.whole(0, min(4, (full + one["output_padding"] - 1) // 2))
        drawn.append(one)
    g = {name: tuple(one[name] for one in drawn) for name in drawn[0]}
    groups = make.whole(1, 3) if grouped else 1
    n, each_in, each_out = make.whole(1, 2), make.whole(1, 3), make.whole(1, 3)
    x, weight = make.tensor(n, groups * each_in, *g["size"]), make.tensor(groups * each_in, each_out, *g["kernel"])
    options = {**make.options(g), "output_padding": g["output_padding"]}
    return Case([x, weight, make.bias(groups * each_out)], {**options, **({"groups": groups} if grouped else {})})


def clip(make: Maker) -> Case:
    g = make.geometry(axes=3, most_kernel=3, room=2)
    n, c, k = make.whole(1, 2), make.whole(1, 2), make.whole(1, 3)
    return Case([make.tensor(n, c, *g["size"]), make.tensor(k, c, *g["kernel"]), make.bias(k)], make.options(g))


def space_time(make: Maker) -> Case:
    g = make.geometry(axes=3, most_kernel=3, room=2)
    n, c, m, k = make.whole(1, 2), make.whole(1, 2), make.whole(1, 3), make.whole(1, 3)
    spatial, temporal = make.tensor(m, c, 1, *g["kernel"][1:]), make.tensor(k, m, g["kernel"][0], 1, 1)
    return Case([make.tensor(n, c, *g["size"]), spatial, temporal, make.bias(k)], make.options(g))


def pooled(make: Maker) -> Case:
    shape = [make.whole(1, 3), make.whole(1, 5), make.whole(1, 7), make.whole(1, 7)]
    return Case([make.tensor(*shape)], {"keepdim": make.coin()})


# --- references ------------------------------------------------------------------------------------------------------


def two_steps(conv: Callable, x: Tensor, first: Tensor, second: Tensor, bias: Tensor | None, steps: dict) -> Tensor:
    """A convolution along all axes but those of extent 1, then one along the others, by torch.nn.functional."""
    axes = x.dim() - 2
    whole = {name: (n,) * axes if isinstance(n, int) else n for name, n in steps.items()}
    idle = {"stride": 1, "padding": 0, "dilation": 1}
    earlier = {0} if axes == 2 else {1, 2}
    one = {name: tuple(n if i in earlier else idle[name] for i, n in enumerate(ns)) for name, ns in whole.items()}
    two = {name: tuple(idle[name] if i in earlier else n for i, n in enumerate(ns)) for name, ns in whole.items()}
    return conv(conv(x, first, None, **one), second, bias, **two)


def flattened_by_torch(
    x: Tensor, lateral: Tensor, vertical: Tensor, horizontal: Tensor, *biases: Tensor, **o
) -> Tensor:
    across, down, along = biases or (None, None, None)
    s, p, d = ((n, n) if isinstance(n, int) else n for n in (o["stride"], o["padding"], o["dilation"]))
    k = lateral.shape[0]
    y = F.conv2d(F.conv2d(x, lateral, across), vertical, down, (s[0], 1), (p[0], 0), (d[0], 1), k)
    return F.conv2d(y, horizontal, along, (1, s[1]), (0, p[1]), (1, d[1]), k)


def depthwise_separable_by_torch(x: Tensor, space: Tensor, mix: Tensor, bias: Tensor | None, **o) -> Tensor:
    return F.conv2d(F.conv2d(x, space, None, groups=x.shape[1], **o), mix, bias)


def pooled_by_torch(x: Tensor, keepdim: bool) -> Tensor:
    y = F.adaptive_avg_pool2d(x, 1)
    return y if keepdim else y.flatten(1)


def flattened_of(x: Tensor, a: Tensor, b: Tensor, c: Tensor, *biases: Tensor, **o: Any) -> Tensor:
    return lib.flattened_conv2d(x, a, b, c, biases or None, **o)


Draw = Callable[[Maker], Case]

# name -> (cases, ours, theirs)
IMPLEMENTATIONS: dict[str, tuple[Draw, Callable, Callable]] = {
    "standard, by loops": (partial(standard, small=True), lib.conv2d_loops, F.conv2d),
    "standard": (standard, lib.standard_conv2d, F.conv2d),
    "pointwise": (pointwise, lib.pointwise_conv2d, F.conv2d),
    "spatial separable": (
        separable,
        lib.spatial_separable_conv2d,
        lambda x, column, row, bias, **o: two_steps(F.conv2d, x, column, row, bias, o),
    ),
    "spatial separable as one kernel": (
        separable,
        lib.spatial_separable_conv2d,
        lambda x, column, row, bias, **o: F.conv2d(x, lib.compose_separable(column, row), bias, **o),
    ),
    "flattened": (flattened, flattened_of, flattened_by_torch),
    "flattened as one kernel": (
        partial(flattened, biases=False),
        flattened_of,
        lambda x, a, b, c, **o: F.conv2d(x, lib.compose_flattened(a, b, c), **o),
    ),
    "depthwise": (
        depthwise,
        lib.depthwise_conv2d,
        lambda x, weight, bias, **o: F.conv2d(x, weight, bias, groups=x.shape[1], **o),
    ),
    "depthwise separable": (depthwise_separable, lib.depthwise_separable_conv2d, depthwise_separable_by_torch),
    "depthwise separable as one kernel": (
        depthwise_separable,
        lib.depthwise_separable_conv2d,
        lambda x, space, mix, bias, **o: F.conv2d(
            x, lib.compose_depthwise_separable(space, mix, space.shape[0] // x.shape[1]), bias, **o
        ),
    ),
    "grouped": (grouped, lib.grouped_conv2d, F.conv2d),
    "channel shuffle": (shuffle, lib.shuffle_channels, F.channel_shuffle),
    "channel shuffle by its order": (
        shuffle,
        lambda x, groups: x[:, lib.shuffled_order(x.shape[1], groups)],
        F.channel_shuffle,
    ),
    "dilated": (standard, lib.dilated_conv2d, F.conv2d),
    "transposed": (transposed, lib.transposed_conv2d, F.conv_transpose2d),
    "transposed by zero insertion": (
        partial(transposed, grouped=False),
        lib.transposed_by_insertion,
        F.conv_transpose2d,
    ),
    "3D": (clip, lib.standard_conv3d, F.conv3d),
    "(2+1)D": (
        space_time,
        lib.space_time_conv3d,
        lambda x, spatial, temporal, bias, **o: two_steps(F.conv3d, x, spatial, temporal, bias, o),
    ),
    "(2+1)D as one kernel": (
        space_time,
        lib.space_time_conv3d,
        lambda x, spatial, temporal, bias, **o: F.conv3d(x, lib.compose_space_time(spatial, temporal), bias, **o),
    ),
    "global average pooling": (pooled, lib.global_average_pool, pooled_by_torch),
}


# --- comparisons -----------------------------------------------------------------------------------------------------


def relative(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return inf
    largest = theirs.abs().max().item()
    difference = (ours - theirs).abs().max().item()
    if not isfinite(difference):
        return inf
    return difference / largest if largest > 0 else difference


def difference(case: Case, ours: Callable, theirs: Callable) -> float:
    """The worst relative difference of outputs and of gradients with respect to every tensor."""
    results = []
    for function in (ours, theirs):
        tensors = [None if t is None else t.clone().requires_grad_() for t in case.tensors]
        results.append((function(*tensors, **case.options), [t for t in tensors if t is not None]))
    (mine, _), (reference, _) = results
    if mine.shape != reference.shape:
        return inf
    upstream = torch.randn(mine.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = [torch.autograd.grad(y, tensors, upstream) for y, tensors in results]
    return max(relative(a, b) for a, b in zip((mine.detach(), *gradients[0]), (reference.detach(), *gradients[1])))


def measured(cases: Draw, ours: Callable, theirs: Callable, count: int = CASES) -> tuple[float, str]:
    """The worst relative difference among so many cases, and the case in words."""
    seen = []
    for seed in range(count):
        case = cases(Maker(seed))
        shapes = [None if t is None else tuple(t.shape) for t in case.tensors]
        seen.append((difference(case, ours, theirs), f"case {seed}: {shapes}, {case.options}"))
    assert len(seen) == count
    return max(seen)


@pytest.mark.slow
@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_equals_torch(name: str, record_property: Callable) -> None:
    worst, case = measured(*IMPLEMENTATIONS[name])
    record_property("cases", CASES)
    record_property("worst_relative_difference", worst)
    print(f"{name}: {CASES} cases, worst relative difference {worst:.2g}")
    assert worst < LIMIT, case


def _half_padded(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any) -> Tensor:
    height, width = (padding, padding) if isinstance(padding, int) else padding
    return F.conv2d(F.pad(x, (2 * width, 0, 2 * height, 0)), weight, bias, stride, 0, dilation)


def _swapped(pair: Any) -> Any:
    return pair if isinstance(pair, int) else pair[::-1]


def _not_turned(x: Tensor, weight: Tensor, bias: Tensor | None, **o: Any) -> Tensor:
    return lib.transposed_by_insertion(x, weight.flip(2, 3), bias, **o)


def _interleaved(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, **o: Any) -> Tensor:
    return lib.grouped_conv2d(lib.shuffle_channels(x, x.shape[1] // groups), weight, bias, groups=groups, **o)


FAULTS: dict[str, tuple[str, Callable]] = {
    "kernel flipped": ("standard", lambda x, w, b, **o: lib.standard_conv2d(x, w.flip(2, 3), b, **o)),
    "all padding before": ("standard", _half_padded),
    "axes of the stride swapped": (
        "standard",
        lambda x, w, b, stride, **o: lib.standard_conv2d(x, w, b, _swapped(stride), **o),
    ),
    "no bias": ("standard", lambda x, w, b, **o: lib.standard_conv2d(x, w, None if b is None else 0 * b, **o)),
    "steps from the second pixel": (
        "pointwise",
        lambda x, w, b, stride: lib.pointwise_conv2d(x.roll((1, 1), (2, 3)), w, b, stride),
    ),
    "row backwards": (
        "spatial separable",
        lambda x, c, r, b, **o: lib.spatial_separable_conv2d(x, c, r.flip(3), b, **o),
    ),
    "column upside down": ("flattened", lambda x, a, b, c, *rest, **o: flattened_of(x, a, b.flip(2), c, *rest, **o)),
    "multiplier tiled": (
        "depthwise",
        lambda x, w, b, **o: lib.depthwise_conv2d(x, lib.shuffle_channels(w[None], x.shape[1])[0], b, **o),
    ),
    "wrong sign": ("depthwise separable", lambda x, d, p, b, **o: lib.depthwise_separable_conv2d(x, d, -p, b, **o)),
    "groups interleaved": ("grouped", _interleaved),
    "shuffle undone": ("channel shuffle", lambda x, groups: lib.shuffle_channels(x, x.shape[1] // groups)),
    "no holes": ("dilated", lambda x, w, b, dilation, **o: lib.dilated_conv2d(x, w, b, dilation=1, **o)),
    "kernel not turned": ("transposed by zero insertion", _not_turned),
    "time backwards": ("3D", lambda x, w, b, **o: lib.standard_conv3d(x, w.flip(2), b, **o)),
    "frames upside down": ("(2+1)D", lambda x, s, t, b, **o: lib.space_time_conv3d(x, s.flip(3), t, b, **o)),
    "one pixel forgotten": (
        "global average pooling",
        lambda x, keepdim: lib.global_average_pool(x[..., :-1] if x.shape[3] > 1 else x, keepdim),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught(fault: str) -> None:
    name, faulty = FAULTS[fault]
    cases, _, theirs = IMPLEMENTATIONS[name]
    assert measured(cases, faulty, theirs, count=40)[0] > 1e-3


# --- layers ----------------------------------------------------------------------------------------------------------


def layer(make: Maker, build: Callable[[Maker], tuple[nn.Module, tuple[int, ...]]]) -> Case:
    """A layer with random arguments, its input, and its parameters as further tensors of the case."""
    module, shape = build(make)
    module.double()
    names = [name for name, _ in module.named_parameters()]
    values = [make.tensor(*p.shape) for p in module.parameters()]
    return Case([make.tensor(*shape), *values], {"module": module, "names": names})


def applied(x: Tensor, *values: Tensor, module: nn.Module, names: list[str]) -> Tensor:
    return torch.func.functional_call(module, dict(zip(names, values)), (x,))


def by_hand(function: Callable[[Tensor, dict[str, Tensor], Any], Tensor]) -> Callable:
    def run(x: Tensor, *values: Tensor, module: nn.Module, names: list[str]) -> Tensor:
        return function(x, dict(zip(names, values)), module)

    return run


def shared(make: Maker, axes: int = 2, dilated: bool = True) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Arguments that most layers share, with the default padding half of the time, and a map that they fit."""
    same = make.coin()
    odd = (1, 3, 5) if axes == 2 else (1, 3)
    kernel = tuple(make.one_of(odd) if same else make.whole(1, 3) for _ in range(axes))
    dilation = tuple(make.whole(1, 2) if dilated else 1 for _ in range(axes))
    padding = None if same else tuple(make.whole(0, 2) for _ in range(axes))
    least = [1 if same else max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding or kernel)]
    arguments: dict[str, Any] = {"kernel": kernel, "padding": padding, "bias": make.coin()}
    arguments["stride"] = make.stride(axes)
    if dilated:
        arguments["dilation"] = dilation
    return arguments, tuple(make.whole(n, n + 3) for n in least)


def numbers(m: nn.Conv2d) -> tuple:
    return m.stride, m.padding, m.dilation


Built = tuple[nn.Module, tuple[int, ...]]


def _standard(make: Maker) -> Built:
    arguments, map_ = shared(make)
    groups, each_in, each_out = make.whole(1, 2), make.whole(1, 2), make.whole(1, 2)
    module = lib.StandardConv2d(groups * each_in, groups * each_out, groups=groups, **arguments)
    return module, (make.whole(1, 2), groups * each_in, *map_)


def _pointwise(make: Maker) -> Built:
    c, k = make.whole(1, 5), make.whole(1, 5)
    module = lib.PointwiseConv2d(c, k, stride=make.whole(1, 3), bias=make.coin())
    return module, (make.whole(1, 2), c, make.whole(1, 5), make.whole(1, 5))


def _separable(make: Maker) -> Built:
    arguments, map_ = shared(make)
    c, k, m = make.whole(1, 3), make.whole(1, 3), make.one_of((None, 1, 2))
    return lib.SpatialSeparableConv2d(c, k, mid_channels=m, **arguments), (make.whole(1, 2), c, *map_)


def _flattened(make: Maker) -> Built:
    arguments, map_ = shared(make)
    c, k = make.whole(1, 4), make.whole(1, 4)
    return lib.FlattenedConv2d(c, k, **arguments), (make.whole(1, 2), c, *map_)


def _depthwise(make: Maker) -> Built:
    arguments, map_ = shared(make)
    c = make.whole(1, 4)
    return lib.DepthwiseConv2d(c, multiplier=make.whole(1, 3), **arguments), (make.whole(1, 2), c, *map_)


def _depthwise_separable(make: Maker) -> Built:
    arguments, map_ = shared(make)
    c, k = make.whole(1, 3), make.whole(1, 4)
    return lib.DepthwiseSeparableConv2d(c, k, multiplier=make.whole(1, 2), **arguments), (make.whole(1, 2), c, *map_)


def _grouped(make: Maker) -> Built:
    arguments, map_ = shared(make)
    groups, each_in, each_out = make.whole(1, 4), make.whole(1, 2), make.whole(1, 2)
    module = lib.GroupedConv2d(groups * each_in, groups * each_out, groups, **arguments)
    return module, (make.whole(1, 2), groups * each_in, *map_)


def _shuffle(make: Maker) -> Built:
    groups = make.whole(1, 4)
    return lib.ChannelShuffle(groups), (make.whole(1, 2), groups * make.whole(1, 4), make.whole(1, 4), make.whole(1, 4))


def _dilated(make: Maker) -> Built:
    arguments, map_ = shared(make)
    c = make.whole(1, 3)
    return lib.DilatedConv2d(c, make.whole(1, 3), **arguments), (make.whole(1, 2), c, *map_)


def _transposed(make: Maker) -> Built:
    groups, each_in, each_out = make.whole(1, 2), make.whole(1, 2), make.whole(1, 2)
    kernel, stride, dilation = (tuple(make.whole(1, most) for _ in range(2)) for most in (4, 4, 2))
    # At stride 1 no padding keeps the size under a kernel of even extent.
    padding = 0 if any(s == 1 and d * (k - 1) % 2 for k, s, d in zip(kernel, stride, dilation)) else None
    arguments = {"padding": padding, "dilation": dilation, "groups": groups, "bias": make.coin()}
    module = lib.TransposedConv2d(groups * each_in, groups * each_out, kernel, stride, **arguments)
    return module, (make.whole(1, 2), groups * each_in, make.whole(1, 4), make.whole(1, 4))


def _resize(make: Maker) -> Built:
    c, mode = make.whole(1, 3), make.one_of(("nearest", "bilinear"))
    module = lib.ResizeConv2d(c, make.whole(1, 3), make.one_of((1, 3)), make.whole(1, 3), mode)
    return module, (make.whole(1, 2), c, make.whole(1, 4), make.whole(1, 4))


def _clip(make: Maker) -> Built:
    arguments, map_ = shared(make, axes=3)
    c = make.whole(1, 2)
    return lib.StandardConv3d(c, make.whole(1, 3), **arguments), (make.whole(1, 2), c, *map_)


def _space_time(make: Maker) -> Built:
    arguments, map_ = shared(make, axes=3, dilated=False)
    c, nonlinear = make.whole(1, 2), make.coin()
    # A batch of some size: batch norm in training divides by the spread of the numbers that it sees.
    return lib.Conv2Plus1d(c, make.whole(1, 3), nonlinear=nonlinear, **arguments), (8, c, *map_)


def space_time_by_torch(x: Tensor, p: dict[str, Tensor], m: nn.Module) -> Tensor:
    y = F.conv3d(x, p["spatial.weight"], None, m.spatial.stride, m.spatial.padding)
    if "between.0.weight" in p:
        y = F.relu(F.batch_norm(y, None, None, p["between.0.weight"], p["between.0.bias"], training=True))
    return F.conv3d(y, p["temporal.weight"], p.get("temporal.bias"), m.temporal.stride, m.temporal.padding)


def _pooled(make: Maker) -> Built:
    shape = (make.whole(1, 3), make.whole(1, 4), *(make.whole(1, 5) for _ in range(make.whole(2, 3))))
    return lib.GlobalAveragePool(keepdim=make.coin()), shape


# name -> (how to build one, the same from its parameters by our functions or by torch's)
LAYERS: dict[str, tuple[Callable[[Maker], Built], Callable]] = {
    "StandardConv2d": (
        _standard,
        lambda x, p, m: lib.grouped_conv2d(x, p["weight"], p.get("bias"), *numbers(m), m.groups),
    ),
    "PointwiseConv2d": (_pointwise, lambda x, p, m: lib.pointwise_conv2d(x, p["weight"], p.get("bias"), m.stride)),
    "SpatialSeparableConv2d": (
        _separable,
        lambda x, p, m: F.conv2d(
            F.conv2d(x, p["column.weight"], None, *numbers(m.column)),
            p["row.weight"],
            p.get("row.bias"),
            *numbers(m.row),
        ),
    ),
    "FlattenedConv2d": (
        _flattened,
        lambda x, p, m: flattened_of(
            x,
            *(p[f"{step}.weight"] for step in ("lateral", "vertical", "horizontal")),
            *(p[name] for name in ("lateral.bias", "vertical.bias", "horizontal.bias") if name in p),
            stride=(m.vertical.stride[0], m.horizontal.stride[1]),
            padding=(m.vertical.padding[0], m.horizontal.padding[1]),
            dilation=(m.vertical.dilation[0], m.horizontal.dilation[1]),
        ),
    ),
    "DepthwiseConv2d": (
        _depthwise,
        lambda x, p, m: lib.depthwise_conv2d(x, p["weight"], p.get("bias"), *numbers(m)),
    ),
    "DepthwiseSeparableConv2d": (
        _depthwise_separable,
        lambda x, p, m: lib.depthwise_separable_conv2d(
            x, p["depthwise.weight"], p["pointwise.weight"], p.get("pointwise.bias"), *numbers(m.depthwise)
        ),
    ),
    "GroupedConv2d": (
        _grouped,
        lambda x, p, m: lib.grouped_conv2d(x, p["weight"], p.get("bias"), *numbers(m), m.groups),
    ),
    "ChannelShuffle": (_shuffle, lambda x, p, m: F.channel_shuffle(x, m.groups)),
    "DilatedConv2d": (_dilated, lambda x, p, m: lib.dilated_conv2d(x, p["weight"], p.get("bias"), *numbers(m))),
    "TransposedConv2d": (
        _transposed,
        lambda x, p, m: lib.transposed_conv2d(
            x, p["weight"], p.get("bias"), m.stride, m.padding, m.output_padding, m.groups, m.dilation
        ),
    ),
    "ResizeConv2d": (
        _resize,
        lambda x, p, m: lib.standard_conv2d(
            F.interpolate(x, scale_factor=m.factor, mode=m.mode), p["conv.weight"], p["conv.bias"], 1, m.conv.padding
        ),
    ),
    "StandardConv3d": (_clip, lambda x, p, m: lib.standard_conv3d(x, p["weight"], p.get("bias"), *numbers(m))),
    "Conv2Plus1d": (_space_time, space_time_by_torch),
    "GlobalAveragePool": (_pooled, lambda x, p, m: lib.global_average_pool(x, m.keepdim)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_layer_equals_its_function(name: str, record_property: Callable) -> None:
    build, reference = LAYERS[name]
    worst, case = measured(partial(layer, build=build), applied, by_hand(reference))
    record_property("cases", CASES)
    record_property("worst_relative_difference", worst)
    print(f"{name}: {CASES} cases, worst relative difference {worst:.2g}")
    assert worst < LIMIT, case


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 8])
def test_default_padding(stride: int, size: int) -> None:
    """Size over stride, rounded up; times the stride for a transposed convolution, whatever its kernel."""
    image, clip_ = torch.zeros(1, 4, size, size), torch.zeros(1, 4, size, size, size)
    expected = ceil(size / stride)
    for made in (lib.StandardConv2d, lib.SpatialSeparableConv2d, lib.FlattenedConv2d, lib.DepthwiseSeparableConv2d):
        assert made(4, 6, 5, stride)(image).shape == (1, 6, expected, expected)
    assert lib.DepthwiseConv2d(4, 3, stride)(image).shape == (1, 4, expected, expected)
    assert lib.DilatedConv2d(4, 6, dilation=3, stride=stride)(image).shape == (1, 6, expected, expected)
    assert lib.GroupedConv2d(4, 6, groups=2, stride=stride)(image).shape == (1, 6, expected, expected)
    for made in (lib.StandardConv3d, lib.Conv2Plus1d):
        assert made(4, 6, 3, stride)(clip_).shape == (1, 6, expected, expected, expected)
    for kernel in (1, 2, 3, 4, 5) if stride > 1 else (1, 3, 5):
        assert lib.TransposedConv2d(4, 6, kernel, stride)(image).shape == (1, 6, stride * size, stride * size)


# --- what torch takes besides: "same", NumPy's numbers, half precision, no pictures at all ----------------------------


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("dilation", [1, 2, (3, 1)])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 4), (6, 5)])
def test_same_padding_is_torchs(kernel: tuple[int, int], dilation: Any) -> None:
    """An even kernel needs an odd number of zeros, and torch puts the one too many at the end."""
    make = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=make, dtype=torch.float64)

    x, weight = normal(2, 4, 6, 7), normal(6, 4, *kernel)
    options = {"padding": "same", "dilation": dilation}
    wanted = F.conv2d(x, weight, **options)
    assert torch.allclose(lib.standard_conv2d(x, weight, **options), wanted)
    assert torch.allclose(lib.dilated_conv2d(x, weight, **options), wanted)
    assert torch.allclose(lib.conv2d_loops(x[:1], weight[:1], **options), wanted[:1, :1])
    own, grouped = normal(4, 1, *kernel), normal(6, 2, *kernel)
    assert torch.allclose(lib.depthwise_conv2d(x, own, **options), F.conv2d(x, own, **options, groups=4))
    assert torch.allclose(
        lib.grouped_conv2d(x, grouped, groups=2, **options), F.conv2d(x, grouped, **options, groups=2)
    )
    column, row = normal(3, 4, kernel[0], 1), normal(6, 3, 1, kernel[1])
    composed = F.conv2d(x, lib.compose_separable(column, row), **options)
    assert torch.allclose(lib.spatial_separable_conv2d(x, column, row, **options), composed)
    layer = lib.StandardConv2d(4, 6, kernel, **options, bias=False).double()
    assert torch.equal(layer(x), F.conv2d(x, layer.weight, **options))
    for made in (lib.SpatialSeparableConv2d, lib.FlattenedConv2d, lib.DepthwiseSeparableConv2d):
        assert made(4, 6, kernel, **options).double()(x).shape == (2, 6, 6, 7)
    clip_, deep = normal(1, 2, 4, 5, 6), normal(3, 2, 2, *kernel)
    assert torch.allclose(lib.standard_conv3d(clip_, deep, padding="same"), F.conv3d(clip_, deep, padding="same"))
    assert lib.Conv2Plus1d(2, 3, (2, *kernel), padding="same").double()(clip_).shape == (1, 3, 4, 5, 6)
    thin = weight[..., :1, :1]
    assert torch.equal(lib.standard_conv2d(x, thin, None, 2, "valid"), lib.standard_conv2d(x, thin, None, 2))


def test_numpy_numbers_are_numbers() -> None:
    i, x = np.int64, torch.zeros(1, 4, 8, 8)
    assert lib.StandardConv2d(i(4), i(6), i(3), i(2), i(1), i(1), i(2))(x).shape == (1, 6, 4, 4)
    assert lib.StandardConv2d(4, 6, np.array([3, 5]), stride=np.array([1, 2]))(x).shape == (1, 6, 8, 4)
    assert lib.TransposedConv2d(4, 6, i(4), i(2))(x).shape == (1, 6, 16, 16)
    assert lib.standard_conv2d(x, torch.zeros(6, 4, 3, 3), None, i(2), np.array([1, 0])).shape == (1, 6, 4, 3)
    assert lib.transposed_conv2d(x, torch.zeros(4, 6, 3, 3), None, i(2), i(1), i(1)).shape == (1, 6, 16, 16)
    assert torch.equal(lib.grid_coverage(i(3), np.array([1, 2])), lib.grid_coverage(3, (1, 2)))
    assert lib.mid_channels(i(64), i(64), i(3)) == 144


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_32_bits(dtype: torch.dtype) -> None:
    """As libraries do it: one rounding at the end, and none in a long sum on the way."""
    flat = torch.full((1, 2, 56, 56), 1.5, dtype=dtype)
    assert torch.equal(lib.global_average_pool(flat), torch.full((1, 2), 1.5, dtype=dtype))
    x, weight, back = (torch.randn(s).to(dtype) for s in ((2, 16, 6, 6), (4, 16, 5, 5), (16, 4, 5, 5)))
    bias, own, thin = (torch.randn(s).to(dtype) for s in ((4,), (16, 1, 5, 5), (4, 16, 1, 1)))
    clip_, deep = (torch.randn(s).to(dtype) for s in ((1, 8, 4, 5, 5), (3, 8, 3, 3, 3)))
    pairs = {
        "standard": (lib.standard_conv2d(x, weight, bias), F.conv2d, (x, weight, bias)),
        "loops": (lib.conv2d_loops(x[:1, :, :5, :5], weight, bias), F.conv2d, (x[:1, :, :5, :5], weight, bias)),
        "depthwise": (lib.depthwise_conv2d(x, own), lambda x, w: F.conv2d(x, w, groups=16), (x, own)),
        "pointwise": (lib.pointwise_conv2d(x, thin, bias), F.conv2d, (x, thin, bias)),
        "transposed": (lib.transposed_conv2d(x, back, bias), F.conv_transpose2d, (x, back, bias)),
        "by insertion": (lib.transposed_by_insertion(x, back, bias), F.conv_transpose2d, (x, back, bias)),
        "3D": (lib.standard_conv3d(clip_, deep), F.conv3d, (clip_, deep)),
    }
    for name, (ours, theirs, tensors) in pairs.items():
        exact = theirs(*(value.double() for value in tensors))
        rounding = torch.finfo(dtype).eps / 2 * exact.abs() + 1e-4
        assert ours.dtype == dtype and ((ours.double() - exact).abs() <= rounding).all(), name


def test_a_batch_may_be_empty() -> None:
    x = torch.zeros(0, 4, 8, 8)
    assert lib.standard_conv2d(x, torch.zeros(6, 4, 3, 3)).shape == (0, 6, 6, 6)
    assert lib.depthwise_conv2d(x, torch.zeros(4, 1, 3, 3)).shape == (0, 4, 6, 6)
    assert lib.transposed_conv2d(x, torch.zeros(4, 6, 3, 3), None, 2).shape == (0, 6, 17, 17)
    assert lib.standard_conv3d(x[:, :, None], torch.zeros(6, 4, 1, 3, 3)).shape == (0, 6, 1, 6, 6)
    assert lib.global_average_pool(x).shape == (0, 4)
    for layer in (lib.StandardConv2d(4, 6), lib.ResizeConv2d(4, 6, factor=1), lib.TransposedConv2d(4, 6, 3, 1)):
        assert layer(x).shape == (0, 6, 8, 8)
