"""Dense and residual networks small enough for one CPU core: what the chapter and its recorded experiment train."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.models.densenet import DenseBlock, DenseNet, DenseNetVariant
from cnnlab.models.network import Network
from cnnlab.models.preact_resnet import PreActResNet, PreActResNetVariant

__all__ = ["KINDS", "DirectBlock", "small"]

KINDS = ("dense", "dense, direct", "residual")


class DirectBlock(DenseBlock):
    """A dense block whose layers read what came before without asking anything of it.

    It computes what a `DenseBlock` computes. Going back, the gradient reaches a layer only from the one that reads the
    whole block, a transition or the classifier, and never through a later layer of the block.
    Shape: (N, C, H, W) -> (N, C + layers * k, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = torch.cat([x, layer(x.detach())], dim=1)
        return x


def small(
    kind: str, width: int, *, blocks: int = 3, depth: int = 4, stride: int = 2, in_channels: int = 3, classes: int = 10
) -> Network:
    """``blocks`` blocks or stages of ``depth`` 3x3 convolutions, between which the maps are halved.

    The dense kinds are DenseNet-BC with ``width`` as the growth rate, the residual one is a pre-activation ResNet of
    ``depth / 2`` basic blocks a stage whose first stage has ``width`` channels. Both begin with one 3x3 convolution,
    whose stride is ``stride``.

    Shape: (N, in_channels, H, W) -> (N, classes).

    Args:
        kind: one of `KINDS`. "dense, direct" is "dense" with `DirectBlock` in place of its blocks.

    Raises:
        ValueError: an unknown kind, or an odd depth for residual blocks, which have two convolutions each.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    if kind == "residual":
        if depth % 2:
            raise ValueError(f"depth={depth} is odd, and a residual block has two convolutions: give an even number.")
        widths = tuple(width * 2**stage for stage in range(blocks))
        plan = PreActResNetVariant(blocks=(depth // 2,) * blocks, widths=widths, bottleneck=False, small_input=True)
        net: Network = PreActResNet(plan, num_classes=classes, in_channels=in_channels)
    else:
        variant = DenseNetVariant(layers=(depth,) * blocks, growth=width, stem=2 * width, small_input=True)
        net = DenseNet(variant, num_classes=classes, in_channels=in_channels)
        if kind == "dense, direct":
            for name, module in list(net.stages.named_children()):
                if isinstance(module, DenseBlock):
                    setattr(net.stages, name, DirectBlock(*module))
    assert isinstance(net.conv1, nn.Conv2d)
    net.conv1.stride = (stride, stride)
    return net
