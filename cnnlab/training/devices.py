"""Where a training runs: the device, the type of its numbers, its own random streams, and its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from statistics import median_low
from typing import Any

import torch
from torch import nn

from cnnlab.devices import device as default_device
from cnnlab.processes import ALONE, Processes

__all__ = [
    "resolve_device",
    "resolve_amp",
    "computes_bfloat16",
    "prefers_channels_last",
    "own_randomness",
    "is_out_of_memory",
]


def resolve_device(device: torch.device | str | None, processes: Processes = ALONE) -> torch.device:
    """The device for ``fit``'s argument; None is the best there is. Of several processes each has a GPU of its own.

    Raises:
        ValueError: it is not here.
    """
    try:
        chosen = default_device() if device is None else torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"device={device!r} is not known. Allowed: 'cpu', 'cuda', 'cuda:0' and so on, 'mps'; leave it out to take "
            "the best there is."
        ) from error
    if chosen.type == "meta":
        raise ValueError("device='meta' has no numbers to train on. Leave device out to take the best there is.")
    if chosen.type == "cuda" and (not torch.cuda.is_available() or (chosen.index or 0) >= torch.cuda.device_count()):
        raise ValueError(
            f"device={str(device)!r} is not here: torch sees {torch.cuda.device_count()} CUDA devices. "
            "Leave device out to take the best there is."
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device={str(device)!r} is not here. Leave device out to take the best there is.")
    return _own_device(chosen, device, processes) if processes.several else chosen


def _own_device(chosen: torch.device, given: Any, processes: Processes) -> torch.device:
    if chosen.type == "mps":
        if given is not None:
            raise ValueError("device='mps': torch trains in several processes on CUDA and on 'cpu' alone.")
        return torch.device("cpu")
    if chosen.type != "cuda":
        return chosen
    own = processes.local_rank if chosen.index is None else chosen.index
    if own >= torch.cuda.device_count():
        raise ValueError(
            f"Process {processes.rank} would take CUDA device {own}, and torch sees {torch.cuda.device_count()} on its "
            f"machine: start as many processes there (--nproc-per-node={torch.cuda.device_count()}), or give "
            "device='cpu', or 'cuda:0' where each process sees one of its own."
        )
    torch.cuda.set_device(own)
    return torch.device("cuda", own)


def resolve_amp(amp: bool | None, device: torch.device) -> torch.dtype | None:
    """The type of mixed precision, or None for float32 throughout."""
    if amp is False or (amp is None and device.type != "cuda"):
        return None
    if device.type == "cuda":
        # Compute capability 8.0 (Ampere) brought bfloat16; before it (Colab's T4 is 7.5) it is only emulated.
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    if device.type == "cpu":
        return torch.bfloat16 if computes_bfloat16() else None
    return torch.float16


@cache
def computes_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself (AVX512-BF16, AMX, Arm's BF16).

    Others emulate it: a step of ResNet-20 then takes nine times as long as in float32, where it could take half.
    """
    if hasattr(torch.cpu, "get_capabilities"):
        return any(has is True and "bf16" in name for name, has in torch.cpu.get_capabilities().items())
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


# Products summed for each output number, up to which a layer counts as narrow: 64 channels and a 3x3 kernel.
_NARROW = 576


def prefers_channels_last(model: nn.Module, image_shape: Sequence[int], device: torch.device) -> bool:
    """Whether a training step is quicker when images and feature maps have their channels last in memory.

    On CUDA it always is. On a processor it is where half of the convolutions are narrow, 1x1 or depthwise, so that
    most of the time goes into moving maps: ResNet-20, wide ResNets of width 2 and the mobile networks gain 10 to 35 %.
    In networks of wide 3x3 layers (ResNet-18, VGG) products fill the time, and the layout gains nothing or costs.
    A picture of one channel has no other order, so nothing changes for it. The rule looks at shapes alone: measuring
    here would choose another rounding from one run to the next.

    A network with a 1x1 convolution of few channels that skips pixels keeps its order: the gradient of such a layer
    writes past its memory when channels are last (PyTorch 2.15 on x86, seen with fewer than the 8 channels that fill a
    register of AVX2; those of AVX-512 hold 16), and Python ends with "double free or corruption", or goes on spoiled.
    """
    if len(image_shape) != 3:
        return False  # (C, H, W) alone has such a layout
    if device.type == "cuda":
        return True
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    if device.type != "cpu" or image_shape[0] == 1 or any(map(_spoils_memory, convolutions)):
        return False
    sums = [m.weight[0].numel() for m in convolutions]
    return bool(sums) and median_low(sums) <= _NARROW


def _spoils_memory(conv: nn.Conv2d) -> bool:
    return max(conv.kernel_size) == 1 < max(conv.stride) and conv.in_channels // conv.groups < 16


@contextmanager
def own_randomness(device: torch.device, seed: int) -> Iterator[None]:
    """Whatever draws from torch's global streams draws from those of ``seed``; the caller's are left alone."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        generators.append(torch.cuda.default_generators[device.index or 0])
    before = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    if device.type == "mps":  # whose generator is not public
        before_there = torch.mps.get_rng_state()
        torch.mps.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)
        if device.type == "mps":
            torch.mps.set_rng_state(before_there)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or the machine, has no memory left."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    # MPS and the CPU have no class of their own for it.
    return isinstance(error, RuntimeError) and any(
        said in str(error) for said in ("out of memory", "can't allocate memory")
    )
