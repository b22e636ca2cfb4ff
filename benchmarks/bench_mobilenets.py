"""How long the MobileNets take here, beside what they multiply and what this processor could do at best.

    python benchmarks/bench_mobilenets.py [--threads 1] [--repeats 15] [--seconds 1] [--json FILE]

Every network whose accuracy the authors published, one picture at a time, in both layouts of its maps; the first
version with ordinary convolutions; the third with the last stage that it had before it was trimmed; single layers in
float32 and in int8; and the two limits of the roofline: the rate of a large matrix product and that of a copy. All take
turns. The chapter on MobileNets shows the recorded run, book/recorded/mobile_latency.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.chapters.mobilenets.family import FAMILY, mobilenet
from cnnlab.chapters.mobilenets.stages import untrimmed
from cnnlab.convolutions import measure_latency
from cnnlab.models.mobilenet_v1 import MobileNetV1, MobileNetV1Variant
from cnnlab.training.provenance import command_line, provenance

LAYERS = ((128, 56, 1), (128, 56, 3), (512, 14, 1), (512, 14, 3))  # channels, size, kernel: 3 is depthwise


class ChannelsLast(nn.Module):
    """A network whose maps keep the channels of a pixel side by side."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.contiguous(memory_format=torch.channels_last))


def networks() -> dict[tuple[str, float, int], Callable[[], nn.Module]]:
    """(version, width, size) -> how to build it."""
    found: dict[tuple[str, float, int], Callable[[], nn.Module]] = {
        (m.version, m.width, m.size): lambda m=m: mobilenet(m.version, m.width) for m in FAMILY
    }
    found["v1 full", 1.0, 224] = lambda: MobileNetV1(MobileNetV1Variant(width=1.0, separable=False))
    found["v1 shallow", 1.0, 224] = lambda: MobileNetV1(MobileNetV1Variant(width=1.0, repeats=0))
    found["v3 large, untrimmed", 1.0, 224] = untrimmed
    return found


def limits(repeats: int) -> dict[str, float]:
    """What the roofline needs: billions of multiply-accumulates, and of bytes, in a second."""
    side = 1024
    a, b = torch.randn(2, side, side)
    source = torch.randn(1 << 24)
    target = torch.empty_like(source)
    product, copy = (_median(work, repeats) for work in (lambda: a @ b, lambda: target.copy_(source)))
    return {"gmacs": side**3 / product / 1e6, "gbytes": 2 * source.numel() * 4 / copy / 1e6}


def whole_numbers(channels: int, size: int, kernel: int, repeats: int) -> dict[str, Any]:
    """A layer of version 1 in float32 and in int8; and, of a pointwise one, the product of whole numbers in PyTorch."""
    groups = channels if kernel > 1 else 1
    last = {"memory_format": torch.channels_last}
    weight = torch.randn(channels, channels // groups, kernel, kernel).contiguous(**last)
    x = torch.randn(1, channels, size, size).contiguous(**last)
    pad = [kernel // 2] * 2
    scales, zeros = torch.full((channels,), 0.02), torch.zeros(channels, dtype=torch.long)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch is about to move these kernels out
        few = torch.quantize_per_tensor(x, 0.05, 64, torch.quint8)
        packed = torch.ops.quantized.conv2d_prepack(
            torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8), None, [1, 1], pad, [1, 1], groups
        )
        times = {
            "float32": _median(lambda: nn.functional.conv2d(x, weight, None, 1, pad, 1, groups), repeats),
            "int8": _median(lambda: torch.ops.quantized.conv2d(few, packed, 0.1, 64), repeats),
        }
    if kernel == 1:
        left = torch.randint(-127, 128, (size * size, channels), dtype=torch.int8)
        right = torch.randint(-127, 128, (channels, channels), dtype=torch.int8)
        times["_int_mm"] = _median(lambda: torch._int_mm(left, right), repeats)
    return {"channels": channels, "size": size, "kernel": kernel, "milliseconds": times}


def _median(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15, help="turns of each network at most (default 15)")
    parser.add_argument("--seconds", type=float, default=1, help="of measuring for each network (default 1)")
    parser.add_argument("--json", type=Path, help="also write the table here, with when and on what it was measured")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    facts = provenance(torch.device("cpu"))
    facts |= {"cpu_threads": options.threads, "load_average": os.getloadavg()[0]}
    facts["command"] = command_line("python benchmarks/bench_mobilenets.py", sys.argv[1:], private=("--json",))

    built: dict[tuple[str, float], nn.Module] = {}
    plain = {}
    for (version, width, size), build in networks().items():
        if (version, width) not in built:
            built[version, width] = build()
        plain[version, width, size] = built[version, width], (1, 3, size, size)
    measuring = {"repeats": options.repeats, "seconds": options.seconds}
    found = {"channels first": measure_latency(plain, **measuring)}
    wrapped = {key: ChannelsLast(net) for key, net in built.items()}
    last = {(v, w, s): (wrapped[v, w], shape) for (v, w, s), (_, shape) in plain.items()}
    found["channels last"] = measure_latency(last, **measuring)
    rows = [
        {"version": version, "width": width, "size": size}
        | {layout: asdict(times[version, width, size]) for layout, times in found.items()}
        for version, width, size in plain
    ]
    with torch.inference_mode():
        best = limits(options.repeats)
        layers = [whole_numbers(*layer, options.repeats) for layer in LAYERS]

    print(f"{facts['device_name']}, load {facts['load_average']:.1f}, {options.threads} threads")
    print(f"at best {best['gmacs']:.1f} billion multiply-accumulates and {best['gbytes']:.1f} GB a second")
    for row in rows:
        times = "".join(f"{row[layout]['median']:9.1f}" for layout in found)
        print(f"{row['version']:<22}{row['width']:5}{row['size']:5}{times} ms")
    for row in layers:
        print(row)
    if options.json:
        record = {
            "name": options.json.stem,
            "provenance": facts,
            "settings": {"threads": options.threads, "batch": 1, **measuring},
            "limits": best,
            "networks": rows,
            "layers": layers,
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
