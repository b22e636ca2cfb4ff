"""Batch norms folded into the convolutions before them, as runtimes have them; rounding of what layers read alone."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cnnlab import compress

__all__ = ["folded", "kinds_of", "rounded_reads"]


def folded(model: nn.Module) -> nn.Module:
    """A copy in evaluation mode whose batch norms are part of the convolutions just before them.

    The arithmetic is the same. Only a norm that follows its convolution in the same module, in their order there, is
    folded, which is where it follows in all networks of this package that name them so.
    """
    copied = copy.deepcopy(model).eval()
    for module in list(copied.modules()):
        children = list(module.named_children())
        for (name, conv), (after, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, after, nn.Identity())
    return copied


def kinds_of(model: nn.Module) -> dict[str, list[str]]:
    """The names of an EfficientNet-Lite's layers, by what they do: filter each channel, widen, narrow, begin or end."""
    found: dict[str, list[str]] = {"depthwise": [], "widening": [], "narrowing": [], "first and last": []}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            part = name.split(".")[-2] if "." in name else ""
            kind = {"depthwise": "depthwise", "widen": "widening", "narrow": "narrowing"}.get(part, "first and last")
            found[kind].append(name)
    return found


def rounded_reads(model: nn.Module, calibration: Tensor) -> nn.Module:
    """A copy whose layers read numbers of eight bits and have their own weights: the other half of the rounding."""
    copied = compress.quantize(model, 8, calibration=calibration)
    own = dict(model.named_modules())
    for name, module in copied.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data.copy_(own[name].weight.data)
    return copied
