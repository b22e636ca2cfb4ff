"""Every convolution variant beside the standard one: what it costs by count, and how long it takes here.

    python benchmarks/bench_convolutions.py [--threads 2] [--repeats 40] [--seconds 3] [--json FILE]

The layers of a setting take turns, so that what disturbs the machine falls on all of them. The chapters on convolutions
show the recorded run, `cnnlab.convolutions.recorded_latency`, since a page must not change with the machine's mood.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from cnnlab.convolutions import compare_convolutions
from cnnlab.training.provenance import command_line, provenance

# Channels in and out, and height and width: equal numbers of MACs for a standard convolution, from wide maps of few
# channels, as at the start of a network, to small maps of many.
SETTINGS = ((32, 32, 224), (128, 128, 56), (512, 512, 14))
KERNEL = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=40, help="turns of each layer at most (default 40)")
    parser.add_argument("--seconds", type=float, default=3, help="of measuring for each layer (default 3)")
    parser.add_argument("--json", type=Path, help="also write the tables here, with when and on what it was measured")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cuda = torch.cuda.is_available()
    facts = provenance(torch.device("cuda" if cuda else "cpu"))
    facts["cpu_threads"] = options.threads
    facts["load_average"] = os.getloadavg()[0]
    facts["command"] = command_line("python benchmarks/bench_convolutions.py", sys.argv[1:], private=("--json",))
    tables = []
    for in_channels, out_channels, size in SETTINGS:
        measuring = {"batch": options.batch, "repeats": options.repeats, "seconds": options.seconds}
        comparison = compare_convolutions(in_channels, out_channels, KERNEL, size, **measuring)
        print(comparison, "\n")
        setting = {"in_channels": in_channels, "out_channels": out_channels, "kernel": KERNEL, "size": size}
        devices = ("cpu", "gpu") if cuda else ("cpu",)
        times = {row.name: {device: asdict(getattr(row, device)) for device in devices} for row in comparison}
        tables.append({**setting, **measuring, "milliseconds": times})
    if options.json:
        options.json.write_text(
            json.dumps({"name": options.json.stem, "provenance": facts, "tables": tables}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
