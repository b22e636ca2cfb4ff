"""`summarize` beside torchinfo and fvcore: seconds, ratio and MACs over 17 torchvision models, construction included.

    python benchmarks/bench_summarize.py [--repeats 3]

Each tool does what its reader would write. torchinfo and fvcore need a model with real tensors, built as usual;
ours is built on the meta device, once with PyTorch's own context and once with `cnnlab.analysis.on_meta`, which
also skips random initialization. A MAC mismatch is a total that differs from torchvision's `weights.meta["_ops"]`.
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Callable

import torch
import torchvision
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.meta import on_meta

MODELS = (
    "alexnet",
    "vgg16",
    "googlenet",
    "inception_v3",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "densenet121",
    "squeezenet1_1",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "shufflenet_v2_x1_0",
    "mnasnet1_0",
    "efficientnet_b0",
    "convnext_tiny",
    "vit_b_16",
)


def build(name: str) -> nn.Module:
    options = {}
    if name in ("googlenet", "inception_v3"):
        # Their initialization through SciPy would cost the other tools many seconds that are not theirs.
        options = {"init_weights": False}
    if name == "googlenet":
        options["aux_logits"] = False
    return torchvision.models.get_model(name, **options).eval()


def with_torch_device(name: str, size: int) -> int:
    with torch.device("meta"):
        model = build(name)
    return summarize(model, (3, size, size)).macs


def with_on_meta(name: str, size: int) -> int:
    with on_meta():
        model = build(name)
    return summarize(model, (3, size, size)).macs


def with_whole_table(name: str, size: int) -> int:
    """As `with_on_meta`, and the table is made as text too."""
    with on_meta():
        model = build(name)
    summary = summarize(model, (3, size, size))
    str(summary)
    return summary.macs


def with_torchinfo(name: str, size: int) -> int:
    import torchinfo

    return torchinfo.summary(build(name), (1, 3, size, size), verbose=0).total_mult_adds


def with_fvcore(name: str, size: int) -> int:
    from fvcore.nn import FlopCountAnalysis

    with torch.no_grad():
        analysis = FlopCountAnalysis(build(name), torch.zeros(1, 3, size, size))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        return int(analysis.total())


TOOLS: dict[str, Callable[[str, int], int]] = {
    "summarize": with_on_meta,
    "+ text": with_whole_table,
    "(torch.device)": with_torch_device,
    "torchinfo": with_torchinfo,
    "fvcore": with_fvcore,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="the fastest of this many counts (default 3)")
    repeats = parser.parse_args().repeats
    if repeats < 1:
        parser.error(f"--repeats {repeats} is too small; give 1 or more")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    for tool in TOOLS.values():  # imports and first-use costs belong to nobody
        tool("squeezenet1_1", 224)

    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, fastest of {repeats}; seconds per model")
    print(f"{'':20}" + "".join(f"{tool:>16}" for tool in TOOLS))
    total = dict.fromkeys(TOOLS, 0.0)
    wrong = {tool: [] for tool in TOOLS}
    for name in MODELS:
        weights = torchvision.models.get_model_weights(name).DEFAULT
        if name == "vit_b_16":
            weights = torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1
        size, expected = weights.transforms().crop_size[0], weights.meta["_ops"]
        line = f"{name:20}"
        for tool, run in TOOLS.items():
            best = float("inf")
            for _ in range(repeats):
                start = time.perf_counter()
                macs = run(name, size)
                best = min(best, time.perf_counter() - start)
            total[tool] += best
            right = round(macs / 1e9, 3) == expected
            if not right:
                wrong[tool].append(f"{name} {macs / 1e9:.3f} for {expected}")
            line += f"{best:>15.3f}{' ' if right else '*'}"
        print(line, flush=True)
    print(f"{'total':20}" + "".join(f"{total[tool]:>15.2f} " for tool in TOOLS))
    ours = total["summarize"]
    print(f"{'times summarize':20}" + "".join(f"{total[tool] / ours:>15.1f} " for tool in TOOLS))
    print(f"{'MAC mismatches (*)':20}" + "".join(f"{len(wrong[tool]):>15} " for tool in TOOLS))
    for tool, cases in wrong.items():
        if cases:
            print(f"{tool}: {'; '.join(cases)}")


if __name__ == "__main__":
    main()
