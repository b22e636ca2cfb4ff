"""The random streams that other people's code draws from, lent to it and given back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy
import torch

__all__ = ["own_streams"]


@contextmanager
def own_streams(seed: int) -> Iterator[None]:
    """In the block, torch's, NumPy's and Python's global streams begin at ``seed``; the caller's are then as before."""
    generators = [torch.default_generator]
    if torch.cuda.is_initialized():
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    before = [generator.get_state() for generator in generators], numpy.random.get_state(), random.getstate()
    for generator in generators:
        generator.manual_seed(seed)
    numpy.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, before[0]):
            generator.set_state(state)
        numpy.random.set_state(before[1])
        random.setstate(before[2])
