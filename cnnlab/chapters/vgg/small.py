"""VGG's plan for small pictures: the networks that the chapter and its recorded experiments train."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from cnnlab.errors import unknown_name

__all__ = ["KINDS", "small_vgg"]

# Kind -> (kernel, whether a ReLU stands behind the first of two layers, how many layers stand for a pair).
KINDS: dict[str, tuple[int, bool, int]] = {
    "two 3 x 3": (3, True, 2),
    "two 3 x 3, one ReLU": (3, False, 2),
    "one 5 x 5": (5, True, 1),
}


def small_vgg(
    depths: Sequence[int] = (2, 2, 2, 2, 2),
    kind: str = "two 3 x 3",
    *,
    width: int = 8,
    side: int = 32,
    in_channels: int = 3,
    num_classes: int = 10,
    batch_norm: bool = False,
    gain: float = 1.0,
) -> nn.Sequential:
    """A stack of convolutions and a pool for each of ``depths``, then three dense layers, as VGG has them.

    Stack number i has ``width`` 2^i channels, at most eight times ``width``. Weights start from a normal distribution
    of ``gain`` times the deviation that keeps a signal at its size: He's, sqrt(2 / fan-in), where a ReLU follows, and
    sqrt(1 / fan-in) where none does. So a ``gain`` of sqrt(1/2) is Glorot's start, wherever as many channels leave as
    enter. Biases start at zero. There is no dropout.

    Shape: (N, in_channels, side, side) -> (N, num_classes).

    Args:
        depths: convolutions in each stack.
        kind: a key of `KINDS`. "two 3 x 3" is VGG; "one 5 x 5" has half of ``depths``, which must be even then, of
            kernels that see as much as two of 3 x 3; in "two 3 x 3, one ReLU" every second layer alone has a ReLU.
        width: channels of the first stack; VGG has 64.
        batch_norm: between each convolution and its ReLU.

    Raises:
        ValueError: an unknown kind, odd depths where pairs are needed, or a picture too small for the pools.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    kernel, both, layers = KINDS[kind]
    if kind != "two 3 x 3" and any(depth % 2 for depth in depths):
        raise ValueError(
            f"depths={tuple(depths)} holds an odd number, and kind={kind!r} replaces pairs: give even ones."
        )
    if side >> len(depths) < 1:
        raise ValueError(f"side={side} is too small for {len(depths)} pools: give 2^{len(depths)} pixels or more.")
    stacks, channels = [], in_channels
    for number, depth in enumerate(depths):
        after = min(width * 2**number, 8 * width)
        stack: list[nn.Module] = []
        for layer in range(depth * layers // 2):
            bends = both or layer % 2 == 1
            stack += _convolution(channels, after, kernel, bends, batch_norm, gain)
            channels = after
        stacks.append(nn.Sequential(*stack, nn.MaxPool2d(2)))
    inside = 8 * width
    sizes = [channels * (side >> len(depths)) ** 2, inside, inside]
    dense: list[nn.Module] = []
    for before in sizes[:-1]:
        dense += [_started(nn.Linear(before, inside), True, gain), nn.ReLU()]
    return nn.Sequential(*stacks, nn.Flatten(), *dense, _started(nn.Linear(inside, num_classes), False, gain))


def _convolution(before: int, after: int, kernel: int, bends: bool, batch_norm: bool, gain: float) -> list[nn.Module]:
    layers: list[nn.Module] = [_started(nn.Conv2d(before, after, kernel, padding=kernel // 2), bends, gain)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(after))
    return [*layers, nn.ReLU()] if bends else layers


def _started(layer: nn.Module, bends: bool, gain: float) -> nn.Module:
    """The layer with new weights; ``bends``: a ReLU follows, which halves the mean square of what it gets."""
    fan_in = layer.weight[0].numel()
    nn.init.normal_(layer.weight, std=gain * ((2 if bends else 1) / fan_in) ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer
