"""Where a training runs: the device, the type of its numbers, its own random streams, and its memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from cnnlab.devices import device as default_device


def resolve_device(device: torch.device | str | None) -> torch.device:
    """The device for ``fit``'s argument; None is the best there is.

    Raises:
        ValueError: it is not here.
    """
    chosen = default_device() if device is None else torch.device(device)
    if chosen.type == "cuda" and (not torch.cuda.is_available() or (chosen.index or 0) >= torch.cuda.device_count()):
        raise ValueError(
            f"device={str(device)!r} is not here: torch sees {torch.cuda.device_count()} CUDA devices. "
            "Leave device out to take the best there is."
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device={str(device)!r} is not here. Leave device out to take the best there is.")
    return chosen


def resolve_amp(amp: bool | None, device: torch.device) -> torch.dtype | None:
    """The type of mixed precision, or None for float32 throughout."""
    if amp is False or (amp is None and device.type != "cuda"):
        return None
    if device.type == "cuda":
        # Compute capability 8.0 (Ampere) brought bfloat16; before it (Colab's T4 is 7.5) it is only emulated.
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return torch.bfloat16 if device.type == "cpu" else torch.float16


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
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    # MPS and the CPU have no class of their own for it.
    return isinstance(error, RuntimeError) and any(
        said in str(error) for said in ("out of memory", "can't allocate memory")
    )
