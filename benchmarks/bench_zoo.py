"""`summarize` over every registered model, and what the zoo consists of.

    python benchmarks/bench_zoo.py [--models "resnet*"] [--json FILE]

A model's seconds are those of ``summarize(name)``, which builds it on the meta device, and of its whole table,
receptive fields included. The memory is the process's largest resident size, less what it was after the imports. The
lines of a file are all of its lines, comments and docstrings included.
"""

from __future__ import annotations

import argparse
import inspect
import json
import resource
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

import torch

from cnnlab.analysis import summarize
from cnnlab.models import list_models, model_info
from cnnlab.training.provenance import provenance
from cnnlab.weights import sources

LIMIT = 250  # lines of a model file


def peak_bytes() -> int:
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default="*", help='a shell pattern: "resnet*" (default: all)')
    parser.add_argument(
        "--json", type=Path, help="also write the numbers here, with when and on what they were measured"
    )
    options = parser.parse_args()
    names = list_models(options.models)
    if not names:
        parser.error(f"--models {options.models!r} matches no model")

    files: dict[Path, list[str]] = defaultdict(list)
    for name in names:
        files[Path(inspect.getfile(model_info(name).network))].append(name)
    _ = summarize("lenet5").layers  # what is imported and set up on first use belongs to nobody
    before = peak_bytes()
    rows = []
    for name in names:
        began = time.perf_counter()
        summary = summarize(name)
        layers = summary.layers
        seconds = time.perf_counter() - began
        rows.append(
            {"name": name, "params": summary.params, "macs": summary.macs, "seconds": seconds, "layers": len(layers)}
        )
        del summary, layers
    grown = peak_bytes() - before
    checkpoints: dict[str, int] = defaultdict(int)
    for row in sources(options.models):
        checkpoints[row.library] += 1

    print(f"{'file':<24}{'lines':>6}{'models':>8}{'seconds':>9}  slowest")
    table = []
    for path in sorted(files):
        mine = [row for row in rows if row["name"] in files[path]]
        slowest = max(mine, key=lambda row: row["seconds"])
        lines = len(path.read_text(encoding="utf-8").splitlines())
        total = sum(row["seconds"] for row in mine)
        table.append({"file": path.name, "lines": lines, "models": len(mine), "seconds": total})
        print(f"{path.name:<24}{lines:>6}{len(mine):>8}{total:>9.2f}  {slowest['name']} {slowest['seconds']:.2f} s")
    libraries = [model_info(name).library for name in names]
    counts = {
        "models": len(names),
        "files": len(files),
        "torchvision": libraries.count("torchvision"),
        "timm": libraries.count("timm"),
        "papers_alone": libraries.count(None),
        "small_input": sum(hasattr(model_info(name).variant, "small_input") for name in names),
        "published_accuracies": sum(model_info(name).published is not None for name in names),
        "checkpoints": dict(checkpoints),
    }
    seconds = sum(row["seconds"] for row in rows)
    lines = [row["lines"] for row in table]
    print(
        f"{counts['models']} models in {counts['files']} files; torchvision has {counts['torchvision']} of them, timm "
        f"{counts['timm']}, no library {counts['papers_alone']}; {counts['small_input']} take small_input; "
        + ", ".join(f"{count} checkpoints of {library}" for library, count in checkpoints.items())
    )
    print(f"lines per file: median {statistics.median(lines):.0f}, longest {max(lines)} (limit {LIMIT})")
    middle = statistics.median(row["seconds"] for row in rows)
    print(f"summarize, all of them: {seconds:.1f} s (median {middle:.3f} s); torch {torch.__version__}")
    print(f"peak memory: {grown / 2**20:,.0f} MB above the {before / 2**20:,.0f} MB after the imports")
    if options.json:
        facts = {
            "provenance": provenance(torch.device("cpu")),
            "counts": counts,
            "seconds": seconds,
            "peak_bytes": grown,
            "files": table,
            "models": rows,
        }
        options.json.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
