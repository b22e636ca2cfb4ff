"""Our networks beside torchvision's and timm's: forward latency of each pair, in turns, in one run.

    python benchmarks/bench_models.py [--models "resnet*"] [--threads 1] [--clock cpu] [--repeats 15] [--seconds 1]
        [--json FILE]

Both networks of a pair get the same numbers in their parameters and the same picture of the size that the paper has,
one at a time, in evaluation mode under ``torch.inference_mode``. They take turns, and which goes first changes each
time, so that what disturbs the machine disturbs both. What counts is the ratio within a turn: its median, and the
quartiles that say how sure it is. Pairs whose median is above 1.05 are named at the end; where the lower quartile is
not above 1 as well, the machine was too noisy to tell: repeat those with more ``--seconds``.
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
from importlib import metadata
from math import ceil
from pathlib import Path

import torch
from torch import Tensor, nn

from cnnlab.meta import on_meta
from cnnlab.models import create_model, list_models, model_info
from cnnlab.training.provenance import command_line, provenance

SLOWER = 1.05
NOISE = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))


def theirs(name: str) -> nn.Module:
    if model_info(name).library == "timm":
        import timm

        return timm.create_model(name)
    from torchvision.models import get_model

    return get_model(name, **({"init_weights": False} if name in ("googlenet", "inception_v3") else {}))


def built(build: Callable[[], nn.Module]) -> nn.Module:
    """The network without the minutes that drawing hundreds of millions of random numbers would take."""
    with on_meta(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = build()
    for module in network.modules():
        for key, parameter in module.named_parameters(recurse=False):
            module._parameters[key] = nn.Parameter(filled(parameter), requires_grad=False)
        for key, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:  # batch norm's statistics; tables of indices are real
                start = torch.ones if key == "running_var" else torch.zeros
                module._buffers[key] = start(buffer.shape, dtype=buffer.dtype)
    return network.eval()


def filled(parameter: Tensor) -> Tensor:
    """Weights at He's scale, everything with one axis at 1 (a scale) or close to it."""
    if parameter.dim() < 2:
        return torch.ones(parameter.shape)
    count = parameter.numel()
    values = NOISE.repeat(ceil(count / len(NOISE)))[:count].reshape(parameter.shape)
    return values.mul_((2 / parameter[0].numel()) ** 0.5)


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@torch.inference_mode()
def compare(name: str, repeats: int, budget: float, clock: Callable[[], float]) -> dict:
    """One row: milliseconds of both and their ratio, over as many turns as the budget allows, three at least."""

    def seconds(network: nn.Module) -> float:
        began = clock()
        network(x)
        return clock() - began

    x = torch.randn(1, *model_info(name).input_size, generator=torch.Generator().manual_seed(0))
    pair = (built(lambda: create_model(name)), built(lambda: theirs(name)))
    for network in pair:  # the first pass of each sets things up; the second says how long a turn takes
        network(x)
    turn = sum(seconds(network) for network in pair)
    turns = max(3, min(repeats, round(budget / turn)))
    times: tuple[list[float], list[float]] = ([], [])
    for i in range(turns):
        for which in (0, 1) if i % 2 == 0 else (1, 0):
            times[which].append(seconds(pair[which]))
    ratios = [ours / reference for ours, reference in zip(*times)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return {
        "name": name,
        "library": model_info(name).library,
        "input_size": list(x.shape),
        "turns": turns,
        "ours_ms": 1000 * statistics.median(times[0]),
        "reference_ms": 1000 * statistics.median(times[1]),
        "ratio": middle,
        "ratio_quartiles": [low, high],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="*", help='a shell pattern: "resnet*" (default: all that have a reference)')
    parser.add_argument("--repeats", type=int, default=15, help="turns at most (default 15)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of measuring for each pair (default 0.5)")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help='"cpu" for the seconds of computing, which other programs disturb less; with --threads 1 (default wall)',
    )
    parser.add_argument("--json", type=Path, help="also write the table here, with when and on what it was measured")
    options = parser.parse_args()
    if options.repeats < 3:
        parser.error(f"--repeats {options.repeats} gives no quartiles; give 3 or more")
    torch.set_num_threads(options.threads)
    names = [name for name in list_models(options.models) if model_info(name).library is not None]
    if not names:
        parser.error(f"--models {options.models!r} matches no model that torchvision or timm has too")

    facts = provenance(torch.device("cpu"))
    facts["versions"]["timm"] = _version("timm")
    print(f"{facts['device_name']}, load {os.getloadavg()[0]:.1f}; {options.threads} threads, {options.clock} clock")
    print(", ".join(f"{package} {version}" for package, version in facts["versions"].items()))
    print(f"{'model':<28}{'ours ms':>10}{'theirs ms':>11}{'ratio':>8}  quartiles      turns  reference")
    rows, missing = [], []
    for name in names:
        try:
            row = compare(name, options.repeats, options.seconds, CLOCKS[options.clock])
        except ModuleNotFoundError as error:
            missing.append(f"{name} ({error})")
            continue
        rows.append(row)
        low, high = row["ratio_quartiles"]
        print(
            f"{name:<28}{row['ours_ms']:>10.1f}{row['reference_ms']:>11.1f}{row['ratio']:>8.3f}"
            f"  {low:.3f}-{high:.3f}{row['turns']:>7}    {row['library']}",
            flush=True,
        )
    if missing:
        print(f"not measured: {', '.join(missing)}")
    if rows:
        ratios = [row["ratio"] for row in rows]
        within = sum(1 / SLOWER <= ratio <= SLOWER for ratio in ratios)
        slower = [f"{row['name']} {row['ratio']:.2f}" for row in rows if row["ratio"] > SLOWER]
        print(
            f"{len(rows)} pairs: median ratio {statistics.median(ratios):.3f}, {within} within 5 %, "
            f"{sum(ratio < 1 / SLOWER for ratio in ratios)} faster, {len(slower)} slower"
        )
        print(f"slower than {SLOWER}: {', '.join(slower) or 'none'}")
    if options.json:
        facts["load_average"] = os.getloadavg()[0]
        facts["command"] = command_line("python benchmarks/bench_models.py", sys.argv[1:], private=("--json",))
        settings = {
            "threads": options.threads,
            "repeats": options.repeats,
            "seconds": options.seconds,
            "clock": options.clock,
            "batch": 1,
        }
        options.json.write_text(
            json.dumps({"provenance": facts, "settings": settings, "models": rows}, indent=1) + "\n"
        )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
