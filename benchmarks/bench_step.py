"""A training step on a processor: memory layouts and precisions of the model, and what augmentation adds.

    python benchmarks/bench_step.py [--models resnet20_cifar ...] [--batch 128] [--size 32] [--rounds 5]

Milliseconds of one thread's processor time for forward, backward and update, the quickest of several rounds in which
the layouts take turns; ``*`` marks the layout that ``fit`` chooses. Then pictures a second through ``Crop(4)`` and
``Flip()``, as ``batches`` runs them (bytes) and as a call on floats does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from cnnlab.data.augment import Compose, Crop, Flip
from cnnlab.devices import keep_freed_memory
from cnnlab.models import create_model
from cnnlab.training.devices import computes_bfloat16, prefers_channels_last

CPU = torch.device("cpu")


def make_step(name: str, batch: int, size: int, channels_last: bool, bfloat16: bool) -> Callable[[], None]:
    torch.manual_seed(0)
    model = create_model(name).train()
    x = torch.randn(batch, 3, size, size)
    x = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    y = torch.randint(0, 10, (batch,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            logits = model(x)
        F.cross_entropy(logits.float(), y).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def quickest(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of processor time of each task, the best of ``rounds`` turns after one that is not counted."""
    best = dict.fromkeys(tasks, float("inf"))
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            began = time.process_time()
            task()
            if turn:
                best[name] = min(best[name], time.process_time() - began)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=["resnet20_cifar", "wrn40_2_cifar", "mobilenet_v2", "resnet18"])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    has = "computes" if computes_bfloat16() else "does not compute"
    print(f"torch {torch.__version__}, one thread, batch {options.batch}, {options.size} px; it {has} bfloat16")
    for name in options.models:
        layouts = {"contiguous": (False, False), "channels last": (True, False)}
        layouts |= {"channels last, bfloat16": (True, True)} if computes_bfloat16() else {}
        steps = {key: make_step(name, options.batch, options.size, *how) for key, how in layouts.items()}
        shape = (3, options.size, options.size)
        chosen = "channels last" if prefers_channels_last(create_model(name), shape, CPU) else "contiguous"
        for key, seconds in quickest(steps, options.rounds).items():
            print(f"{name:18} {key + (' *' if key == chosen else ''):26} {seconds * 1000:8.1f} ms a step")

    images = torch.randint(0, 256, (options.batch, 3, 32, 32), dtype=torch.uint8)
    floats, labels = images.float() / 255, torch.zeros(len(images), dtype=torch.int64)
    generator, steps = torch.Generator().manual_seed(0), (Crop(4), Flip())

    def on_bytes() -> None:
        x = images
        for step in steps:
            x, _ = step.move(x, None, generator)

    tasks = {"bytes, as in batches": on_bytes, "floats": lambda: Compose(steps)(floats, labels, generator)}
    for key, seconds in quickest(tasks, 20 * options.rounds).items():
        print(f"crop and flip      {key:26} {len(images) / seconds:8,.0f} pictures a second")


if __name__ == "__main__":
    main()
