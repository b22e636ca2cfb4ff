"""Which layers are compressed, and checks that all of the package shares."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from cnnlab.errors import unknown_name

__all__ = ["WEIGHTED", "weighted", "checked_share", "checked_bits"]

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def weighted(model: nn.Module, layers: Iterable[str] | None = None) -> dict[str, nn.Module]:
    """The convolutions and dense layers of a network by name, all of them or those named; biases and norms are others'.

    Raises:
        ValueError: a name that none of them has, or a network without any.
    """
    found = {name: module for name, module in model.named_modules() if isinstance(module, WEIGHTED)}
    if not found:
        raise ValueError(
            f"model={type(model).__name__} has no convolution and no dense layer (nn.Conv2d, nn.Linear) to compress."
        )
    if layers is None:
        return found
    names = [layers] if isinstance(layers, str) else list(layers)
    for name in names:
        if name not in found:
            raise unknown_name("layers", name, found, "Name convolutions and dense layers of model.named_modules().")
    return {name: found[name] for name in names}


def checked_share(argument: str, share: float) -> float:
    """A share from 0 to below 1, else a ValueError."""
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise ValueError(
            f"{argument}={share!r} must be a number from 0 to below 1, the share that goes: 0.9 leaves a tenth."
        )
    return float(share)


def checked_bits(argument: str, bits: int, low: int = 1, high: int = 8) -> int:
    """A whole number of bits, else a ValueError."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not low <= bits <= high:
        raise ValueError(f"{argument}={bits!r} must be a whole number of bits from {low} to {high}.")
    return bits
