"""MobileNet V3 with the last stage that it had before it was trimmed, and what single parts of a network cost."""

from __future__ import annotations

from torch import Tensor, nn

from cnnlab.layers import ConvNormAct
from cnnlab.models import create_model
from cnnlab.models.mobilenet_v3 import HS, NORM, MobileNetV3

__all__ = ["Untrimmed", "untrimmed"]


class Untrimmed(nn.Module):
    """Figure 5, top: expand to 960, depthwise, project to 320, expand to 1280 while the maps are there, and average.

    Shape: (N, 160, H, W) -> (N, num_classes). The trimmed stage leaves out the depthwise layer and the projection, and
    widens to 1280 behind the average.
    """

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.expand = ConvNormAct(160, 960, kernel=1, activation=HS, **NORM)
        self.depthwise = ConvNormAct(960, 960, kernel=3, groups=960, activation=HS, **NORM)
        self.project = ConvNormAct(960, 320, kernel=1, activation=None, **NORM)
        self.widen = ConvNormAct(320, 1280, kernel=1, activation=HS, **NORM)
        self.fc = nn.Linear(1280, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(self.depthwise(self.expand(x)))  # (N, 320, 7, 7) for 224 px
        return self.fc(self.widen(x).mean(dim=(2, 3)))  # (N, num_classes)


class _Chain(nn.Module):
    def __init__(self, net: MobileNetV3, end: nn.Module) -> None:
        super().__init__()
        self.conv1, self.blocks, self.end = net.conv1, net.blocks, end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.blocks(self.conv1(x)))


def untrimmed() -> nn.Module:
    """MobileNet V3 Large with its last stage as figure 5 shows the original one. Shape: (N, 3, H, W) -> (N, 1000)."""
    net = create_model("mobilenet_v3_large")
    assert isinstance(net, MobileNetV3)
    return _Chain(net, Untrimmed())
