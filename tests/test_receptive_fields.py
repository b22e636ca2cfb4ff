"""Receptive fields wherever in a tensor the image's rows and columns are: channels last, tokens, windows, grids."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import pytest
import timm
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from torch import Tensor, nn

from cnnlab.analysis import MeasuredField, receptive_field, summarize
from cnnlab.analysis.fields.layout import Part, reshaped, unit_at
from cnnlab.analysis.receptive import _signs_if_needed
from cnnlab.meta import on_meta
from cnnlab.models.maxvit import VARIANTS, PartitionAttention


class Then(nn.Module):
    """A convolution of positive weights, a function of its result, and another layer that gives that on."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3)
        self.function = function
        self.after = nn.Identity()
        nn.init.constant_(self.conv.weight, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.function(self.conv(x)))


def windows(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, c, h // 2, 2, w // 5, 5).permute(0, 2, 4, 3, 5, 1).reshape(-1, 10, c)


@pytest.mark.parametrize(
    "function",
    [
        lambda y: y.permute(0, 2, 3, 1),
        lambda y: y.permute(0, 3, 1, 2),
        lambda y: y.permute(2, 0, 3, 1),
        lambda y: y.transpose(1, 2),
        lambda y: y.movedim(1, -1),
        lambda y: y.flatten(2),
        lambda y: y.flatten(2).transpose(1, 2),
        lambda y: y.flatten(1),
        lambda y: y.permute(0, 2, 3, 1).unsqueeze(1)[..., :3].squeeze(1),
        lambda y: torch.cat([y, y], 1).permute(0, 2, 3, 1).chunk(2, -1)[1],
        lambda y: torch.stack([y, y], -1),
        lambda y: y.permute(0, 2, 3, 1).roll((1, 2), (1, 2)).roll((-1, -2), (1, 2)),
        windows,
    ],
)
def test_the_center_unit_is_found_wherever_rows_and_columns_are(function: Callable) -> None:
    net = Then(function)
    field = receptive_field(net, (2, 14, 17), net.after, "measured", samples=1)
    assert field.extent == receptive_field(net, (2, 14, 17), "after").size == (3, 3)
    assert field.unit == (6, 7) and field.box == (6, 7, 9, 10)  # of 12 x 15 units


@pytest.mark.parametrize(
    "function",
    [
        lambda y: torch.cat([y[:, :, 0, :1, None].expand(1, 6, 1, 1).flatten(2), y.flatten(2)], 2),  # a class token
        lambda y: y.flatten(1).view(-1, 27, 40),  # cut across channels and columns
        lambda y: y.flatten(2)[..., torch.tensor([3, 1, 2])],
    ],
)
def test_positions_that_cannot_be_told_apart_are_refused_in_one_line(function: Callable) -> None:
    with pytest.raises(ValueError, match="rows and columns can no longer be told apart; choose a layer") as caught:
        receptive_field(Then(function), (2, 14, 17), "after", "measured", samples=1)
    assert "\n" not in str(caught.value) and "layer='after' gives 1 x " in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_layout_follows_every_permutation_and_reshape(data: st.DataObject) -> None:
    """Beside the layout goes a tensor that holds the number of its position: the unit's index finds that position."""
    channels, height, width = 4, 12, 6
    x = (torch.arange(height)[:, None] * width + torch.arange(width)).expand(1, channels, -1, -1)
    layout = ((Part(1),), (Part(channels),), (Part(height, 0),), (Part(width, 1),))
    for _ in range(data.draw(st.integers(1, 6))):
        if data.draw(st.booleans()):
            order = data.draw(st.permutations(range(x.dim())))
            x, layout = x.permute(*order), tuple(layout[d] for d in order)
            continue
        sizes = list(x.shape)
        if data.draw(st.booleans()) and len(sizes) > 1:
            at = data.draw(st.integers(0, len(sizes) - 2))
            sizes[at : at + 2] = [prod(sizes[at : at + 2])]
        else:
            at = data.draw(st.integers(0, len(sizes) - 1))
            by = data.draw(st.sampled_from([k for k in range(1, sizes[at] + 1) if sizes[at] % k == 0]))
            sizes[at : at + 1] = [by, sizes[at] // by]
        x, layout = x.reshape(sizes), reshaped(layout, tuple(sizes))
        assert tuple(prod(part.size for part in parts) for parts in layout) == x.shape
    for row, column in ((0, 0), (5, 4), (11, 5)):
        at = unit_at(layout, (row, column))
        if at is None:
            continue
        found = x
        for d, index in enumerate(at):
            found = found if isinstance(index, slice) else found.index_select(d, torch.tensor(index))
        assert found.unique().tolist() == [row * width + column] and found.numel() == channels


def small_swin(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.SwinTransformer([2, 2], 12, [2, 2], [2, 2], [4, 4], stochastic_depth_prob=0, **options)


def test_windows_of_swin_measured_and_by_theory() -> None:
    model = small_swin()
    summary = summarize(model, (3, 32, 32))
    for layer, size in (("0", 2), ("1.0", 8), ("1.1", 16), ("2", 16), ("3.0", 32)):
        theory = summary[f"features.{layer}"].receptive_field
        assert not theory.is_global and theory.size == (size, size)
        measured = receptive_field(model, (3, 32, 32), f"features.{layer}", "measured", samples=1)
        # The last window ends with the picture.
        assert measured.extent == (min(size, 32 - measured.box[0]),) * 2
    assert receptive_field(small_swin(), (3, 16, 16), "features.3.0").is_global  # the window is the whole map


@pytest.mark.parametrize(
    ("build", "layers"),
    [
        (torchvision.models.swin_t, ("features.1.0", "features.1.1", "features.2", "features.3.0", "features.3.1")),
        (
            lambda: timm.create_model("swin_tiny_patch4_window7_224"),
            ("layers.0.blocks.0", "layers.0.blocks.1", "layers.1.downsample", "layers.1.blocks.0", "layers.1.blocks.1"),
        ),
    ],
)
def test_swin_t_sees_its_windows(build: Callable[[], nn.Module], layers: tuple[str, ...]) -> None:
    with on_meta():
        model = build()
    summary = summarize(model, (3, 224, 224))
    assert [summary[layer].receptive_field.size[0] for layer in layers] == [28, 56, 56, 112, 168]
    assert [summary[layer].receptive_field.jump[0] for layer in layers] == [4, 4, 8, 8, 8]
    assert summary.layers[0].receptive_field.is_global
    sees = [line.split()[-1] for line in str(summary).splitlines() if line.strip()]
    assert "28" in sees and "56" in sees


@pytest.mark.parametrize(("grid", "side", "seen"), [(False, 28, 7), (True, 28, 25), (False, 14, 7), (True, 14, 13)])
def test_maxvits_windows_and_grids(grid: bool, side: int, seen: int) -> None:
    """A grid takes every fourth of 28 pixels: 7 of them span 25."""
    torch.manual_seed(0)
    module = PartitionAttention(32, VARIANTS["maxvit_t"], grid, 0.0).eval()
    for layer in (module, module.attention):
        theory = receptive_field(module, (32, side, side), layer)
        assert theory.size == (seen, seen) and theory.jump == (1, 1)
        measured = receptive_field(module, (32, side, side), layer, "measured", samples=2)
        assert measured.extent == (seen, seen) and measured.unit == (side // 2, side // 2)
    assert receptive_field(PartitionAttention(32, VARIANTS["maxvit_t"], grid, 0.0), (32, 7, 7)).is_global


def test_attention_over_all_and_convolutions_over_positions_stay_global() -> None:
    class Tokens(nn.Module):
        def __init__(self, mix: nn.Module) -> None:
            super().__init__()
            self.conv, self.mix = nn.Conv2d(3, 8, 3, padding=1), mix

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x).flatten(2).transpose(1, 2)  # (N, H W, 8)
            return self.mix(y, y, y)[0] if isinstance(self.mix, nn.MultiheadAttention) else self.mix(y)

    assert receptive_field(Tokens(nn.MultiheadAttention(8, 2, batch_first=True)), (3, 6, 6)).is_global
    assert receptive_field(Tokens(nn.Conv1d(36, 4, 1)), (3, 6, 6)).is_global  # MLP-Mixer's way
    assert receptive_field(Tokens(nn.Linear(8, 4)), (3, 6, 6)).size == (3, 3)


def test_pixels_that_become_channels_and_back() -> None:
    down = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.PixelUnshuffle(2), nn.Conv2d(16, 4, 1))
    for layers, size, jump in ((down, 4, 2), (nn.Sequential(*down, nn.PixelShuffle(2)), 4, 1)):
        field = receptive_field(layers, (3, 8, 8))
        assert field.size == (size, size) and field.jump == (jump, jump)
        measured = receptive_field(layers, (3, 8, 8), kind="measured")
        assert max(measured.extent) <= size


def test_a_layer_norms_channels_do_not_cancel() -> None:
    """The sum of what it gives is a constant: without signs no pixel, or a rounding error, would move it."""

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.LayerNorm(8)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(x).permute(0, 2, 3, 1))

    torch.manual_seed(0)
    net, x = Normed(), torch.randn(1, 3, 12, 12, requires_grad=True)
    assert receptive_field(net, (3, 12, 12), "norm", "measured", samples=1).extent == (3, 3)
    assert set(_signs_if_needed(net(x)[:, 5, 5], x, 0).flatten().tolist()) == {-1.0, 1.0}
    assert _signs_if_needed(net.conv(x)[:, :, 5, 5], x, 0) is None


def test_tokens_of_a_batch_norm_are_measured_right() -> None:
    """PyTorch 2.15 gives a batch norm a wrong gradient here: it reaches other channels' pixels, all over the image."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(x)).flatten(2).transpose(1, 2)

    torch.manual_seed(0)
    field = receptive_field(Tokens(), (3, 16, 16), kind="measured", samples=1)
    assert field.extent == (3, 3) and field.box == (7, 7, 10, 10)


def test_a_measured_field_says_itself_in_one_line_and_draws_itself() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    field = receptive_field(net, (1, 16, 16), net[2], "measured")
    assert isinstance(field, MeasuredField) and field.layer == "2"
    said = repr(field)
    assert said.startswith("MeasuredField(layer='2', unit=(6, 6), extent=(5, 5), box=(6, 6, 11, 11), effective_size=")
    assert "tensor" not in said and len(said.splitlines()) == 1
    figure = field.plot()
    assert isinstance(figure, Figure) and figure.axes[0].images[0].get_array().shape == (16, 16)
    (frame,) = figure.axes[0].patches
    assert (*frame.get_xy(), frame.get_width(), frame.get_height()) == (5.5, 5.5, 5, 5)
    assert "unit (6, 6) of '2'" in field.alt and "5 x 5 pixels" in field.alt
    nn.init.zeros_(net[0].weight)
    empty = receptive_field(net, (1, 16, 16), "2", "measured")
    assert "no pixel moves" in empty.alt and not empty.plot().axes[0].patches


def test_a_foreign_module_is_named_in_one_line() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3))
    for kind in ("theoretical", "measured"):
        with pytest.raises(ValueError, match=r"layer=Conv2d\(\.\.\.\) is no module of Sequential; give one") as caught:
            receptive_field(net, (1, 16, 16), nn.Conv2d(1, 4, 3), kind)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="is no module of lenet5"):
        receptive_field("lenet5", layer=net)


def test_a_models_first_layers_are_the_explorers_windows() -> None:
    from cnnlab.chapters.seeing.receptive_field import RECEPTIVE_FIELD_PRESETS, Window
    from cnnlab.widgets import receptive_field as explorer

    lenet = summarize("lenet5").windows()
    assert [window[:3] for window in lenet] == [(5, 1, 1), (2, 2, 1), (5, 1, 1), (2, 2, 1), (5, 1, 1)]
    resnet = summarize("resnet18")
    assert (
        tuple(Window(*window) for window in resnet.windows()[:4]) == RECEPTIVE_FIELD_PRESETS["ResNet-18's first layers"]
    )
    params = explorer(resnet).params["state"]
    assert params["layers"] == 6 and [params[f"kernel{l}"] for l in range(1, 7)] == [7, 3, 3, 3, 3, 3]
    with on_meta():
        dilated = nn.Sequential(
            nn.Conv2d(1, 2, 3, dilation=2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Conv2d(2, 2, 1)
        )
    assert summarize(dilated, (1, 9, 9)).windows() == [(3, 1, 2, "conv 3 × 3"), (2, 2, 1, "avg pool 2 × 2")]
    with pytest.raises(ValueError, match="layers has 0 entries"):
        explorer(summarize("mlp_mnist"))
