"""Skips and branches that a model's own ``forward`` writes: drawn, as a U where there is one, or said to be missing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.analysis import summarize
from cnnlab.draw import Drawing, draw_model
from cnnlab.draw.model.graph import series_of
from cnnlab.draw.model.items import levels_of
from cnnlab.draw.model.words import _a
from tests.test_draw_models import SVG, boxes, texts


def conv(before: int, after: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(before, after, kernel, padding=kernel // 2)


class Own(nn.Module):
    """A skip, then two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = conv(3, 16), conv(16, 16), conv(16, 16)
        self.p, self.q, self.fc = conv(16, 24, 1), conv(16, 24, 5), nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = F.relu(self.b(F.relu(self.a(x))) + x)
        return self.fc(torch.cat([self.p(y), self.q(F.max_pool2d(y, 3, 1, 1))], 1).mean((2, 3)))


class Across(Own):
    """One branch lies beside a skip."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = F.relu(self.b(F.relu(self.a(x))) + x)
        return self.fc(torch.cat([self.p(y), self.q(x)], 1).mean((2, 3)))


class Woven(Own):
    """Two sums of the same two results: no branches that could be told apart."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y, z = self.a(x), self.b(x)
        return self.fc(torch.cat([self.p(y + z), self.q(y * z)], 1).mean((2, 3)))


class U(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.da, self.m, self.mm = conv(3, 16), conv(16, 32), conv(32, 64)
        self.ub, self.ua = nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)
        self.db, self.dc, self.out = conv(64, 32), conv(32, 16), conv(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.da(x))
        b = F.relu(self.m(F.max_pool2d(a, 2)))
        m = F.relu(self.mm(F.max_pool2d(b, 2)))
        d = F.relu(self.db(torch.cat([self.ub(m), b], 1)))
        return self.out(F.relu(self.dc(torch.cat([self.ua(d), a], 1))))


class Adding(U):
    """LinkNet's way: maps are added, those of the top by way of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.db, self.dc, self.side = conv(32, 32), conv(16, 16), conv(16, 16, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.da(x))
        b = F.relu(self.m(F.max_pool2d(a, 2)))
        m = F.relu(self.mm(F.max_pool2d(b, 2)))
        d = F.relu(self.db(self.ub(m) + b))
        return self.out(F.relu(self.dc(self.ua(d) + self.side(a))))


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = U()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def legible(drawing: Drawing) -> bool:
    """No text over text, and none outside the picture."""
    x, y, w, h = map(float, ElementTree.fromstring(drawing.svg).attrib["viewBox"].split())
    placed = boxes(drawing)
    inside = all(x <= a[0] and a[2] <= x + w and y <= a[1] and a[3] <= y + h for a in placed)
    return inside and all(
        a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        for i, a in enumerate(placed)
        for b in placed[i + 1 :]
    )


def middle_of(drawing: Drawing, words: str) -> list[tuple[float, float]]:
    """Where the boxes with these words are: (x, y)."""
    found = ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")
    return [(float(text.attrib["x"]), float(text.attrib["y"])) for text in found if text.text == words]


@pytest.mark.parametrize("name", ["unet_small", "unet", "unet_small_bilinear"])
@pytest.mark.parametrize("style", ["blocks", "volumes"])
def test_every_skip_of_a_unet_is_drawn(name: str, style: str) -> None:
    drawing = draw_model(name, style=style)
    assert drawing.svg.count('class="cnnlab-skip"') == 4 and legible(drawing)
    assert drawing.alt.count("with a skip past it; concatenate") == 4
    assert "UNet" not in drawing.alt and "UNet" not in texts(drawing)
    levels = levels_of(series_of(summarize(name).trace))
    assert levels is not None and [level.join is None for level in levels] == [False] * 4 + [True]
    if style == "blocks":  # every one of its convolutions, as a reader counts them in figure 1
        assert draw_model(name, style=style, expand=True).svg.count(">conv 3×3</text>") == 18


def test_unet_small_is_a_u() -> None:
    drawing = draw_model("unet_small", style="blocks")
    down, up, joins = (middle_of(drawing, words) for words in ("max pool 2×2", "up-conv 2×2", "concatenate"))
    assert len(down) == len(up) == len(joins) == 4
    (left,), (right,) = {x for x, _ in down}, {x for x, _ in up + joins}
    assert left < right, "down on the left, up on the right"
    assert [y for _, y in down] == sorted(y for _, y in down)
    # Skips are level: each begins beside the joint that it leads to, and above the next pooling.
    skips = re.findall(r'<path d="M([\d.-]+) ([\d.-]+)H([\d.-]+)" class="cnnlab-skip"', drawing.svg)
    assert [float(x) for x, _, _ in skips] == [left] * 4 and all(float(end) > left for *_, end in skips)
    heights = sorted(float(y) for _, y, _ in skips)
    assert all(
        abs(y + 3 - joint) < 6.1 for y, (_, joint) in zip(heights, sorted(joins, key=lambda p: p[1]), strict=True)
    )
    assert all(y < pool for y, (_, pool) in zip(heights, down, strict=True))
    assert texts(drawing).count("×2") == 9


@pytest.mark.parametrize("model", [U, Wrapped])
@pytest.mark.parametrize("style", ["blocks", "volumes"])
def test_ones_own_unet_has_its_skips(model: type[nn.Module], style: str) -> None:
    drawing = draw_model(model(), (3, 64, 64), style)
    assert drawing.svg.count('class="cnnlab-skip"') == 2 and legible(drawing)
    assert " an U" not in drawing.alt and "64@16×16" in texts(drawing)


def test_maps_that_are_added_cross_by_way_of_what_stands_there() -> None:
    drawing = draw_model(Adding(), (3, 64, 64), "blocks")
    assert drawing.svg.count('class="cnnlab-skip"') == drawing.svg.count('class="cnnlab-joint-add"') == 2
    (side,) = [p for p in middle_of(drawing, "conv 1×1") if p[1] > 60]
    assert middle_of(drawing, "max pool 2×2")[0][0] < side[0] < middle_of(drawing, "up-conv 2×2")[0][0]
    assert draw_model(Adding(), (3, 64, 64)).svg.count('class="cnnlab-skip"') == 2 and legible(drawing)


@pytest.mark.parametrize("model", [Own, Across])
def test_ones_own_skip_and_branches_are_complete(model: type[nn.Module]) -> None:
    drawing = draw_model(model(), (3, 32, 32), "blocks")
    shown = texts(drawing)
    assert shown.count("conv 3×3") == 3 and shown.count("conv 1×1") == shown.count("conv 5×5") == 1
    assert "concatenate: 48@32×32" in shown and drawing.svg.count("cnnlab-shortcut identity") == 1
    assert model.__name__ not in shown and "2 branches (" in drawing.alt and legible(drawing)
    volumes = draw_model(model(), (3, 32, 32))
    assert "2 branches" in texts(volumes) and legible(volumes)
    assert volumes.alt.endswith('Branches of the model\'s own forward: style="blocks" draws them.')


@pytest.mark.parametrize("style", ["blocks", "volumes"])
def test_what_cannot_be_told_apart_is_said_and_points_to_draw_block(style: str) -> None:
    drawing = draw_model(Woven(), (3, 32, 32), style)
    assert "draw_block draws a part of it." in texts(drawing) and "draw_block" in drawing.alt and legible(drawing)
    assert "draw_block" not in draw_model("resnet18", style=style).alt


def test_repeated_layers_are_drawn_once_or_each() -> None:
    class Repeating(Own):
        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.b(F.relu(self.a(F.relu(self.a(F.relu(self.stem(x))))))))
            return self.fc(torch.cat([self.p(x), self.q(x)], 1).mean((2, 3)))

    folded, expanded = (draw_model(Repeating(), (3, 32, 32), "blocks", expand=expand) for expand in (False, True))
    assert "×4" in texts(folded) and texts(folded).count("conv 3×3") == 1 and legible(folded)
    assert texts(expanded).count("conv 3×3") == 4 and legible(expanded)


@pytest.mark.parametrize(
    "said",
    ["a U", "a UNet", "an Up", "an UpBlock", "a Unit", "an Own", "an Inception", "an SEBottleneck", "an MBConv"]
    + ["a NASNet", "a DenseBlock", "an InvertedResidual", "a VGG", "an EfficientNet", "a ResNet", "an SSD"],
)
def test_articles_follow_the_sound(said: str) -> None:
    assert _a(said.split()[1]) == said
