"""MobileNet V2's plan for pictures of 32 pixels, with what its paper compared as switches."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.layers import ConvNormAct, he_normal_

__all__ = ["Kind", "KINDS", "small_mobilenet"]


@dataclass(frozen=True)
class Kind:
    """One network of the comparison.

    Attributes:
        relu: where a ReLU6 follows the narrow end of a block: "none", "inside" the branch, ahead of the addition, or
            "after" the addition, as in ResNet.
        shortcut: what it joins: "narrow" ends, "wide" ones (the expanded maps), or "none".
        expansion: channels inside a block, of those at its ends.
        widths: channels at the ends of the blocks of each stage.
    """

    relu: str = "none"
    shortcut: str = "narrow"
    expansion: int = 6
    widths: tuple[int, int, int] = (8, 12, 16)


# At an expansion of 1, the widths that make the parameters and the MACs of the narrow network, within two percent.
EVEN = (21, 31, 40)
KINDS: dict[str, Kind] = {
    "linear": Kind(),
    "ReLU6 inside": Kind(relu="inside"),
    "ReLU6 after": Kind(relu="after"),
    "wide shortcuts": Kind(shortcut="wide"),
    "no shortcuts": Kind(shortcut="none"),
    "even, linear": Kind(expansion=1, widths=EVEN),
    "even, ReLU6 inside": Kind(expansion=1, widths=EVEN, relu="inside"),
}


class Stage(nn.Module):
    """Blocks of 1x1 up, depthwise 3x3, 1x1 down, of which the first may halve the maps.

    Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)). The layers are the same whatever the shortcuts
    join: the narrow ends of a block, x to x + project(depthwise(expand(x))), or the wide maps of two neighbors, e to
    e + expand(project(depthwise(e))); each where the shapes are equal. Stages of 3, 4 and 3 blocks have 8 of the first
    kind and 5 of the second.
    """

    def __init__(self, in_channels: int, out_channels: int, blocks: int, stride: int, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        self.expand, self.depthwise, self.project = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        inside = nn.ReLU6 if kind.relu == "inside" else None
        for number in range(blocks):
            before = out_channels if number else in_channels
            hidden = before * kind.expansion
            self.expand.append(ConvNormAct(before, hidden, kernel=1, activation=nn.ReLU6))
            step = 1 if number else stride
            self.depthwise.append(ConvNormAct(hidden, hidden, 3, step, groups=hidden, activation=nn.ReLU6))
            self.project.append(ConvNormAct(hidden, out_channels, kernel=1, activation=inside))
        self.after = nn.ReLU6() if kind.relu == "after" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        wide: Tensor | None = None
        for expand, depthwise, project in zip(self.expand, self.depthwise, self.project, strict=True):
            e = expand(x)  # (N, t C, H, W)
            if self.kind.shortcut == "wide":
                if wide is not None and wide.shape == e.shape:
                    e = e + wide
                wide = e
            y = project(depthwise(e))  # (N, K, H', W')
            if self.kind.shortcut == "narrow" and y.shape == x.shape:
                y = y + x
            x = self.after(y)
        return x


def small_mobilenet(
    kind: str = "linear", *, blocks: tuple[int, int, int] = (3, 4, 3), in_channels: int = 3, num_classes: int = 10
) -> nn.Sequential:
    """A 3x3 convolution of stride 2, three stages of inverted residuals, a 1x1, an average and a dense layer.

    Shape: (N, in_channels, H, W) -> (N, num_classes); the maps are halved three times.

    Args:
        kind: a key of `KINDS`.
        blocks: of each stage.

    Raises:
        ValueError: no kind has this name.
    """
    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    own = KINDS[kind]
    first, second, third = own.widths
    net = nn.Sequential(
        ConvNormAct(in_channels, first, kernel=3, stride=2, activation=nn.ReLU6),  # (N, 8, H/2, W/2), widths of linear
        Stage(first, first, blocks[0], 1, own),  # (N, 8, H/2, W/2)
        Stage(first, second, blocks[1], 2, own),  # (N, 12, H/4, W/4)
        Stage(second, third, blocks[2], 2, own),  # (N, 16, H/8, W/8)
        ConvNormAct(third, 128, kernel=1, activation=nn.ReLU6),  # (N, 128, H/8, W/8)
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, num_classes),
    )
    he_normal_(net, "fan_out")
    return net
