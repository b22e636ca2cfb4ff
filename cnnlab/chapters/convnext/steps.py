"""From ResNet-50 to ConvNeXt-T: every step of the paper's figure 2 as a network that runs.

Z. Liu et al.: A ConvNet for the 2020s, CVPR 2022, section 2 and table 10. https://arxiv.org/abs/2201.03545

The first network computes what ``resnet50`` does and the last what ``convnext_tiny`` does: copy the weights over, and
the outputs are equal. The paper tells what lies between in words, and leaves open:

  - where norms and activations outside the blocks go. Here the stem and the shortcuts that change the size keep theirs
    until the blocks lose them, since norms "after the stem" are *added* in the last step.
  - biases: here a convolution has one where no batch norm follows, which would subtract it again.
  - layer scale, which the paper counts to its recipe. Here it comes with the last step; `build` can leave it out.

All convolutions begin with He's normal distribution over the fan-in, in all steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.layers import DropPath, drop_path_rates, he_normal_
from cnnlab.models.convnext import LayerNorm2d

__all__ = ["Design", "Step", "STEPS", "DESIGNS", "Block", "Stage", "Modernized", "build"]


@dataclass(frozen=True)
class Design:
    """What a network between ResNet-50 and ConvNeXt-T is made of.

    Attributes:
        blocks: in each of the stages.
        width: channels of the first stage's blocks where they are narrow; they double from stage to stage.
        patches: the stem cuts the picture into patches, in place of overlapping windows and a max pool.
        depthwise: the k x k convolution sees each channel alone.
        inverted: a block is wide in its middle and narrow at its ends; else the other way round.
        spatial_first: the k x k comes before both 1x1, on the narrow channels.
        kernel: k.
        activation: of all that are left.
        one_activation: only the one between the two 1x1 of a block.
        one_norm: only the one behind the k x k.
        norm: of all that are left; `LayerNorm2d` looks at the channels of a pixel.
        separate: a norm and a 2x2 convolution of stride 2 stand between the stages, in place of blocks of stride 2;
            norms come after the stem and before the last layer, and each block is multiplied by a layer scale.
        small_input: for pictures of 32 pixels: a stem that halves (3x3 of stride 2, or patches of 2x2) in place of one
            that quarters.
    """

    blocks: tuple[int, ...] = (3, 4, 6, 3)
    width: int = 64
    patches: bool = False
    depthwise: bool = False
    inverted: bool = False
    spatial_first: bool = False
    kernel: int = 3
    activation: type[nn.Module] = nn.ReLU
    one_activation: bool = False
    one_norm: bool = False
    norm: type[nn.Module] = nn.BatchNorm2d
    separate: bool = False
    small_input: bool = False

    def small(self, divisor: int = 4) -> Design:
        """The first three stages with a third of the blocks and fewer channels, for pictures of 32 pixels.

        Args:
            divisor: of the channels: 1, 2, 4, 8, 16 or 32.
        """
        blocks = tuple(max(1, count // 3) for count in self.blocks[:3])
        return replace(self, blocks=blocks, width=self.width // divisor, small_input=True)

    def normed(self, channels: int, *, kept: bool = True) -> nn.Module:
        """A norm, or nothing where it is not kept."""
        return self.norm(channels) if kept else nn.Identity()

    def activated(self, *, kept: bool = True) -> nn.Module:
        """An activation, or nothing where it is not kept."""
        return self.activation() if kept else nn.Identity()

    def biased(self, *, normed: bool) -> bool:
        """Whether a convolution has a bias, which a batch norm behind it would subtract."""
        return not normed or self.norm is not nn.BatchNorm2d


@dataclass(frozen=True)
class Step:
    """One change, and what the paper measured with it and all before it.

    Attributes:
        name: of the step.
        says: what changes.
        accuracy: top-1 on ImageNet in percent, table 10, the mean of three seeds.
        deviation: its standard deviation; None for the one network that came from torchvision.
        gmacs: what the paper calls GFLOPs.
        change: fields of `Design`.
    """

    name: str
    says: str
    accuracy: float
    deviation: float | None
    gmacs: float
    change: dict[str, Any] = field(default_factory=dict)


STEPS = (
    Step("ResNet-50", "90 epochs of SGD, crops and flips", 76.13, None, 4.09),
    Step("recipe", "300 epochs of AdamW, mixed pictures, stochastic depth", 78.82, 0.07, 4.09),
    Step("stage ratio", "3, 3, 9, 3 blocks in place of 3, 4, 6, 3", 79.36, 0.07, 4.53, {"blocks": (3, 3, 9, 3)}),
    Step("patch stem", "patches of 4x4 in place of a 7x7 and a max pool", 79.51, 0.18, 4.42, {"patches": True}),
    Step("depthwise", "each 3x3 sees one channel", 78.28, 0.08, 2.35, {"depthwise": True}),
    Step("width 96", "1.5 times the channels", 80.50, 0.02, 5.27, {"width": 96}),
    Step("inverted", "blocks are wide in the middle", 80.64, 0.03, 4.64, {"inverted": True}),
    Step("depthwise first", "the 3x3 moves up, to the narrow channels", 79.92, 0.08, 4.07, {"spatial_first": True}),
    Step("7x7", "kernels of 7x7", 80.57, 0.14, 4.15, {"kernel": 7}),
    Step("GELU", "GELU in place of ReLU", 80.62, 0.14, 4.15, {"activation": nn.GELU}),
    Step("one activation", "one in a block, between the 1x1", 81.27, 0.06, 4.15, {"one_activation": True}),
    Step("one norm", "one in a block, behind the 7x7", 81.41, 0.09, 4.15, {"one_norm": True}),
    Step("layer norm", "layer norm in place of batch norm", 81.47, 0.09, 4.46, {"norm": LayerNorm2d}),
    Step("ConvNeXt-T", "2x2 of stride 2 and norms between the stages", 81.97, 0.06, 4.49, {"separate": True}),
)


def _designs() -> Iterator[tuple[str, Design]]:
    design = Design()
    for step in STEPS:
        design = replace(design, **step.change)
        yield step.name, design


# Name of a step -> the network with it and all before it. The first two are one network under two recipes.
DESIGNS: dict[str, Design] = dict(_designs())


class Block(nn.Module):
    """x + F(x) of three convolutions. Shape: (N, C, H, W) -> (N, K, ceil(H / stride), ceil(W / stride)).

    Args:
        in_channels: C.
        width: narrow channels; the wide ones are four times as many. K is the narrow number where the design is
            inverted, else the wide one.
        stride: of the k x k and of the shortcut.
        design: the switches.
        drop_path: probability to leave F out in a step of training.
        layer_scale: what each channel of F is multiplied by at first; None for no such factors.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int,
        design: Design,
        drop_path: float = 0.0,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        wide, k = 4 * width, design.kernel
        if design.spatial_first:
            shapes = [(in_channels, in_channels, k), (in_channels, wide, 1), (wide, width, 1)]
        elif design.inverted:
            shapes = [(in_channels, wide, 1), (wide, wide, k), (wide, width, 1)]
        else:
            shapes = [(in_channels, width, 1), (width, width, k), (width, wide, 1)]
        out = shapes[-1][1]
        self.layer_scale = None if layer_scale is None else _factors(out, layer_scale)
        for number, (before, after, size) in enumerate(shapes, 1):
            spatial = size > 1
            normed = spatial or not design.one_norm
            self.add_module(
                f"conv{number}",
                nn.Conv2d(
                    before,
                    after,
                    size,
                    stride if spatial else 1,
                    size // 2,
                    groups=before if spatial and design.depthwise else 1,
                    bias=design.biased(normed=normed),
                ),
            )
            self.add_module(f"norm{number}", design.normed(after, kept=normed))
            activated = not design.one_activation or number == 2
            self.add_module(f"act{number}", design.activated(kept=activated))  # the third comes after the sum
        self.drop_path = DropPath(drop_path)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out:
            normed = not design.one_norm
            projection = nn.Conv2d(in_channels, out, 1, stride, bias=design.biased(normed=normed))
            self.shortcut = nn.Sequential(projection, design.normed(out, kept=normed))

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.norm1(self.conv1(x)))
        y = self.act2(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y))
        if self.layer_scale is not None:
            y = self.layer_scale * y
        return self.act3(self.shortcut(x) + self.drop_path(y))


def _factors(channels: int, start: float) -> nn.Parameter:
    return nn.Parameter(torch.full((channels, 1, 1), start))


class Stage(nn.Module):
    """Perhaps a layer that halves the picture, then blocks. Shape: (N, C, H, W) -> (N, K, H', W')."""

    def __init__(self, downsample: list[nn.Module], blocks: list[nn.Module]) -> None:
        super().__init__()
        self.downsample = nn.Sequential(*downsample)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.downsample(x))


class Modernized(nn.Module):
    """A network of any of the steps; `build` makes it. Shape: (N, C, H, W) -> (N, num_classes)."""

    def __init__(
        self, design: Design, num_classes: int, in_channels: int, drop_path: float, layer_scale: float | None
    ) -> None:
        super().__init__()
        narrow, normed = design.width, design.separate or not design.one_norm
        if design.patches:
            patch = 2 if design.small_input else 4
            window: dict[str, int] = {"kernel_size": patch, "stride": patch}
        else:
            window = {"kernel_size": 3 if design.small_input else 7, "stride": 2}
            window["padding"] = window["kernel_size"] // 2
        self.stem = nn.Conv2d(in_channels, narrow, **window, bias=design.biased(normed=normed))
        self.stem_norm = design.normed(narrow, kept=normed)
        self.stem_act = design.activated(kept=not design.one_activation)
        pooled = not design.patches and not design.small_input
        self.pool = nn.MaxPool2d(3, 2, padding=1) if pooled else nn.Identity()
        rates = iter(drop_path_rates(drop_path, sum(design.blocks)))
        channels = narrow
        self.stages = nn.Sequential()
        for number, count in enumerate(design.blocks):
            width = narrow << number
            downsample: list[nn.Module] = []
            if number and design.separate:
                downsample = [design.normed(channels), nn.Conv2d(channels, width, kernel_size=2, stride=2)]
                channels = width
            blocks: list[nn.Module] = []
            for index in range(count):
                stride = 2 if number and not index and not design.separate else 1
                blocks.append(Block(channels, width, stride, design, next(rates), layer_scale))
                channels = width if design.inverted else 4 * width
            self.stages.append(Stage(downsample, blocks))
        self.norm = design.normed(channels, kept=design.separate)
        self.fc = nn.Linear(channels, num_classes)
        he_normal_(self, mode="fan_in")
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stem_act(self.stem_norm(self.stem(x))))
        x = self.stages(x)
        x = self.norm(x.mean(dim=(2, 3), keepdim=True))
        return self.fc(x.flatten(1))


def build(
    step: str | Design,
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_path: float = 0.0,
    layer_scale: float | None = 1e-6,
) -> Modernized:
    """The network of one step, with new weights. Shape: (N, in_channels, H, W) -> (N, num_classes).

    Args:
        step: a key of `DESIGNS`, or a design of your own: ``replace(DESIGNS["7x7"], kernel=11)``.
        num_classes, in_channels: of the pictures.
        drop_path: stochastic depth of the last block; the first has 0, those between lie on a line.
        layer_scale: where the step has one; None leaves it out, for trainings too short to let it grow.

    Raises:
        ValueError: an unknown step.
    """
    if isinstance(step, str):
        if step not in DESIGNS:
            raise unknown_name("step", step, DESIGNS)
        step = DESIGNS[step]
    return Modernized(step, num_classes, in_channels, drop_path, layer_scale if step.separate else None)
