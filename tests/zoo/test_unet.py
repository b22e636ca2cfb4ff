"""U-Net: an independent implementation, planted faults, and the sizes of the paper's figure 1."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.models import model_info
from cnnlab.models.unet import Join, UNet, UNetVariant, Up
from cnnlab.weights import transplant
from tests.contract import (
    TOLERANCE,
    Reference,
    count_params,
    create_on_meta,
    randomize,
    relative_difference,
    set_eps,
    swap_forward,
)


class Level(nn.Module):
    """The U by recursion: a level is what stands beside it, and the level below it in between."""

    def __init__(self, before: int, channels: list[int], padding: int, norm: bool, bilinear: bool) -> None:
        super().__init__()
        c = channels[0]
        self.beside = pair(before, c, padding, norm)
        self.below = nn.Identity()
        if channels[1:]:
            below = channels[1]
            up = [nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(below, c, 1)]
            self.below = nn.Sequential(
                nn.MaxPool2d(2),
                Level(c, channels[1:], padding, norm, bilinear),
                *(up if bilinear else [nn.ConvTranspose2d(below, c, 2, stride=2)]),
            )
            self.after = pair(2 * c, c, padding, norm)

    def forward(self, x: Tensor) -> Tensor:
        from torchvision.transforms.functional import center_crop

        x = self.beside(x)
        if isinstance(self.below, nn.Identity):
            return x
        y = self.below(x)
        return self.after(torch.cat([center_crop(x, list(y.shape[2:])), y], dim=1))


def pair(before: int, after: int, padding: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, 1, padding, bias=not norm)]
        layers += [nn.BatchNorm2d(after)] if norm else []
        layers += [nn.ReLU()]
    return nn.Sequential(*layers)


def reference(
    channels: list[int], padding: int, norm: bool, bilinear: bool, inputs: int, classes: int = 2
) -> nn.Module:
    return nn.Sequential(Level(inputs, channels, padding, norm, bilinear), nn.Conv2d(channels[0], 2, 1))


PUBLISHED, SMALL = [64, 128, 256, 512, 1024], [16, 32, 64, 128, 256]


def _numbers(channels: list[int], size: int, padding: int, norm: bool, bilinear: bool, inputs: int) -> tuple[int, int]:
    """Parameters and MACs by arithmetic, convolution by convolution, of an input of size x size."""
    params = macs = 0
    shrinks = 0 if padding else 2

    def two(before: int, after: int) -> None:
        nonlocal params, macs, size
        for a in (before, after):
            size -= shrinks
            params += 9 * a * after + (2 * after if norm else after)
            macs += 9 * a * after * size**2

    before = inputs
    for c in channels:
        two(before, c)
        before, size = c, size // 2
    size *= 2  # nothing is pooled at the bottom
    for c in reversed(channels[:-1]):
        params += (1 if bilinear else 4) * 2 * c * c + c
        macs += (1 if bilinear else 4) * 2 * c * c * size**2
        size *= 2
        two(2 * c, c)
    return params + 2 * channels[0] + 2, macs + 2 * channels[0] * size**2


REFERENCES = {
    name: Reference(
        *_numbers(channels, size, padding, norm, bilinear, inputs),
        lambda a=(channels, padding, norm, bilinear, inputs): reference(*a),
        "figure 1, convolution by convolution",
    )
    for name, channels, size, padding, norm, bilinear, inputs in (
        ("unet", PUBLISHED, 572, 0, False, False, 1),
        ("unet_padded", PUBLISHED, 512, 1, False, False, 1),
        ("unet_bilinear", PUBLISHED, 512, 1, False, True, 1),
        ("unet_small", SMALL, 128, 1, True, False, 3),
        ("unet_small_bilinear", SMALL, 128, 1, True, True, 3),
    )
}


def _joined_the_other_way(join: nn.Module, x: Tensor, skip: Tensor) -> Tensor:
    return join.pair(torch.cat([join.up(x), skip], dim=1))


def _no_last_relu(two: nn.Module, x: Tensor) -> Tensor:
    return two.norm2(two.conv2(F.relu(two.norm1(two.conv1(x)))))


def _relu_before_norm(two: nn.Module, x: Tensor) -> Tensor:
    return F.relu(two.norm2(two.conv2(two.norm1(F.relu(two.conv1(x))))))


def _average_pooling(model: nn.Module, x: Tensor) -> Tensor:
    skips = []
    for two in model.down[:-1]:
        skips.append(two(x))
        x = F.avg_pool2d(skips[-1], 2)
    x = model.down[-1](x)
    for join in model.up:
        x = join(x, skips.pop())
    return model.last(x)


def _relu_after_upconvolution(up: nn.Module, x: Tensor) -> Tensor:
    return F.relu(up.conv(x))


def _interpolates(**how: object):
    return lambda up, x: F.interpolate(up.conv(x), scale_factor=2.0, **how)


FAULTS = {
    "unet_small": {
        "joined the other way round": lambda m: swap_forward(m.up[1], _joined_the_other_way),
        "no relu after a pair": lambda m: swap_forward(m.down[2], _no_last_relu),
        "relu before batch norm": lambda m: swap_forward(m.up[0].pair, _relu_before_norm),
        "average pooling": lambda m: swap_forward(m, _average_pooling),
        "relu after the up-convolution": lambda m: swap_forward(m.up[3].up, _relu_after_upconvolution),
        "eps of one batch norm": lambda m: set_eps(m.down[4].norm1),
        "up-convolution mirrored": lambda m: m.up[2].up.conv.weight.data.copy_(m.up[2].up.conv.weight.data.flip(2, 3)),
    },
    "unet_small_bilinear": {
        "nearest pixels": lambda m: swap_forward(m.up[3].up, _interpolates(mode="nearest")),
        "corners aligned": lambda m: swap_forward(m.up[2].up, _interpolates(mode="bilinear", align_corners=True)),
    },
}


def test_sizes_of_the_papers_figure_1():
    model = create_on_meta("unet")
    down = [(64, 568), (128, 280), (256, 136), (512, 64), (1024, 28)]
    up = [(512, 52), (256, 100), (128, 196), (64, 388)]
    seen = []
    for module in (*model.down, *model.up):
        module.register_forward_hook(lambda _, __, y: seen.append((y.shape[1], y.shape[2])))
    y = model(torch.empty(1, 1, 572, 572, device="meta"))
    assert seen == down + up
    assert y.shape == (1, 2, 388, 388)


def test_the_papers_23_convolutions_and_their_parameters():
    """Section 2: "In total the network has 23 convolutional layers"; the parameters follow from figure 1."""
    model = create_on_meta("unet")
    assert sum(isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)) for m in model.modules()) == 23
    assert count_params(model) == 31_030_658
    assert count_params(create_on_meta("unet_padded")) == 31_030_658


def test_cropping_takes_the_middle():
    """The published network is compared in the full suite; this is one with few channels."""
    channels = [4, 8, 16, 32, 64]
    theirs = reference(channels, 0, False, False, inputs=1)
    randomize(theirs, (1, 204, 188))
    ours = UNet(UNetVariant(channels=tuple(channels)))
    transplant(theirs, ours)
    x = torch.randn(2, 1, 204, 188)
    assert ours(x).shape == (2, 2, 20, 4)
    assert relative_difference(theirs, ours, x) < TOLERANCE

    def from_the_corner(join: Join, x: Tensor, skip: Tensor) -> Tensor:
        x = join.up(x)
        return join.pair(torch.cat([skip[:, :, : x.shape[2], : x.shape[3]], x], dim=1))

    swap_forward(ours.up[2], from_the_corner)
    assert relative_difference(theirs, ours, x) > 5 * TOLERANCE


def test_tiles_fit_together_without_a_seam():
    """Figure 2: what a tile gives is what the whole picture gives there. Padding with zeros spoils it."""
    torch.manual_seed(0)
    variant = UNetVariant(channels=(2, 4, 8, 16, 32))
    x = torch.randn(1, 1, 220, 204)
    with torch.no_grad():
        model = UNet(variant).eval()
        whole, tile = model(x), model(x[:, :, 16:, :188])
        torch.testing.assert_close(tile, whole[:, :, 16:, :4], rtol=1e-4, atol=1e-5)
        model = UNet(replace(variant, padding=1)).eval()
        whole, tile = model(x[:, :, :208, :192]), model(x[:, :, 16:208, :176])
        assert (tile - whole[:, :, 16:, :176]).abs().max() > 1e-2


def test_bilinear_upsampling_and_a_1x1_convolution_change_places():
    torch.manual_seed(0)
    up, x = Up(6, bilinear=True), torch.randn(2, 6, 5, 7)
    larger = F.interpolate(x, scale_factor=2.0, mode="bilinear")
    torch.testing.assert_close(up(x), up.conv(larger), rtol=1e-4, atol=1e-5)
    assert up(x).shape == Up(6, bilinear=False)(x).shape == (2, 3, 10, 14)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        (
            "unet",
            (572, 570),
            r"188, 204, 220 and so on, in steps of 16.*Crop .* to 572 x 556, or pad .* to 572 x 572",
        ),
        ("unet", (128, 128), "at least 188 x 188"),
        ("unet_padded", (100, 96), r"16, 32, 48 and so on.*Crop the images to 96 x 96, or pad them to 112 x 96"),
    ],
)
def test_sizes_that_do_not_fit(name: str, size: tuple[int, int], message: str):
    with pytest.raises(ValueError, match=message):
        create_on_meta(name)(torch.empty(1, 1, *size, device="meta"))


def test_every_size_that_is_promised_works():
    for name in ("unet", "unet_padded"):
        info = model_info(name)
        model = create_on_meta(name)
        for side in range(info.smallest, info.smallest + 5 * info.step, info.step):
            y = model(torch.empty(1, 1, side, info.smallest, device="meta"))
            taken = 184 if name == "unet" else 0
            assert y.shape == (1, 2, side - taken, info.smallest - taken)
    bare = UNet(replace(model_info("unet").variant, channels=(2, 4, 8, 16, 32)))
    with pytest.raises(RuntimeError):
        bare(torch.randn(1, 1, 172, 172))  # one step less leaves nothing


def test_initial_distribution_of_section_3():
    """Deviation sqrt(2 / N): "for a 3x3 convolution and 64 feature channels in the previous layer N = 9 * 64 = 576"."""
    torch.manual_seed(0)
    model = cnnlab.create_model("unet")
    assert model.down[1].conv1.weight.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.01)
    assert model.up[0].up.conv.weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.01)
    assert (model.last.bias == 0).all()


def test_dropout_stands_at_the_end_of_the_contracting_path():
    model = create_on_meta("unet")
    assert [two.dropout.p for two in model.down] == [0, 0, 0, 0.5, 0.5]
    assert [join.pair.dropout.p for join in model.up] == [0, 0, 0, 0]
