"""Drawings: valid SVG, labels that are the model's shapes, one shortcut a block, no text over text, repeatable."""

from __future__ import annotations

import base64
import functools
import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch
import torchvision
from torch import nn

from cnnlab.analysis import summarize
from cnnlab.draw import Drawing, draw_block, draw_model, palette, restart_numbering
from cnnlab.draw.embed import standalone
from cnnlab.draw.model.canvas import text_width
from cnnlab.draw.model.graph import series_of
from cnnlab.draw.model.items import Bundle, shape_text
from cnnlab.meta import on_meta
from cnnlab.models import create_model

SVG = "{http://www.w3.org/2000/svg}"
OURS = ["lenet5", "lenet5_28", "mlp_mnist", "resnet18", "resnet50", "resnet20_cifar", "plain20_cifar", "plain34"]
THEIRS = [
    "alexnet",
    "vgg16_bn",
    "googlenet",
    "densenet121",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "convnext_tiny",
    "vit_b_16",
    "shufflenet_v2_x1_0",
    "regnet_y_400mf",
]


@functools.cache
def theirs(name: str) -> nn.Module:
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with on_meta():
        return torchvision.models.get_model(name, **options)


def drawings(name: str, style: str) -> Drawing:
    return draw_model(name, style=style) if name in OURS else draw_model(theirs(name), (3, 224, 224), style)


def texts(drawing: Drawing) -> list[str]:
    return [text.text for text in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text")]


def boxes(drawing: Drawing) -> list[tuple[float, float, float, float, str]]:
    """Left, top, right, bottom of every text, by the widths of common fonts."""
    found = []
    for text in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text"):
        size = float(text.attrib["font-size"])
        # text_width errs on the wide side; what common fonts take is a tenth less.
        wide = text_width(text.text, size) * (1.06 if "font-weight" in text.attrib else 1) * 0.9
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[text.attrib["text-anchor"]]
        found.append((left, y - 0.75 * size, left + wide, y + 0.2 * size, text.text))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("style", ["volumes", "blocks"])
@pytest.mark.parametrize("name", OURS + THEIRS)
def test_every_drawing_is_valid_and_legible(name: str, style: str) -> None:
    drawing = drawings(name, style)
    root = ElementTree.fromstring(drawing.svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["fill"] == "currentColor"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and desc is not None
    assert desc.text == drawing.alt
    assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], desc.attrib["id"]]
    # Colors only through the palette's variables.
    bare = re.sub(r"var\(--cnnlab-\w+, #[0-9a-f]{6}\)", "", drawing.svg)
    assert not re.search(r"#[0-9a-f]{6}\b", bare)
    # No text over text, and none outside the picture.
    x, y, w, h = map(float, root.attrib["viewBox"].split())
    placed = boxes(drawing)
    for i, a in enumerate(placed):
        assert x <= a[0] and a[2] <= x + w and y <= a[1] and a[3] <= y + h, a
        for b in placed[i + 1 :]:
            apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
            assert apart, f"{a[4]!r} lies over {b[4]!r}"
    assert drawing.svg == drawings(name, style).svg  # the same bytes again


def test_volumes_show_the_shapes_of_lenet() -> None:
    drawing = draw_model("lenet5")
    shown = texts(drawing)
    for shape in ("1@32×32", "6@28×28", "6@14×14", "16@10×10", "16@5×5", "120", "84", "10"):
        assert shape in shown
    assert "conv 5×5 to 16@10×10" in drawing.alt
    assert "1@28×28" in texts(draw_model("lenet5_28"))
    # Another input, other labels: they come from the model.
    wider = draw_model(create_model("lenet5_28", in_channels=3))
    assert "3@28×28" in texts(wider)


@pytest.mark.parametrize("name", ["lenet5", "alexnet_2012", "zfnet", "vgg16"])
def test_volumes_become_boxes_on_a_phone_where_their_words_would_shrink(name: str) -> None:
    drawing = draw_model(name)
    wide, small = (float(re.search(r'viewBox="\S+ \S+ (\S+)', svg)[1]) for svg in (drawing.svg, drawing.narrow))
    assert small < 420 < wide
    assert drawing.narrow == draw_model(name, style="blocks").svg


def test_small_volumes_stay_volumes_on_a_phone() -> None:
    assert draw_model(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3)), (1, 8, 8)).narrow is None


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet18", 8), ("resnet50", 16), ("resnet20_cifar", 9), ("resnet56_cifar", 27), ("plain20_cifar", 0)],
)
def test_every_residual_block_has_one_shortcut(name: str, count: int) -> None:
    items = series_of(summarize(name).trace)
    blocks = [x for x in items if isinstance(x, Bundle)]
    assert len(blocks) == count
    assert all(x.is_residual for x in blocks)
    svg = draw_model(name, style="blocks", expand=True).svg
    assert svg.count('class="cnnlab-shortcut ') == count
    assert svg.count('class="cnnlab-joint-add"') == count
    # Folded, equal neighbors stand for each other and their number is written beside them.
    folded = draw_model(name, style="blocks")
    shown = folded.svg.count('class="cnnlab-shortcut ')
    if count:
        extra = sum(int(t[1:]) - 1 for t in texts(folded) if re.fullmatch(r"×\d+", t))
        assert shown + extra == count


def test_identity_is_solid_and_projection_dashed() -> None:
    root = ElementTree.fromstring(draw_model("resnet50", style="blocks", expand=True).svg)
    kinds = {"identity": 0, "projection": 0}
    for path in root.iter(f"{SVG}path"):
        for kind in kinds:
            if path.attrib.get("class") == f"cnnlab-shortcut {kind}":
                kinds[kind] += 1
                assert ("stroke-dasharray" in path.attrib) == (kind == "projection")
    assert kinds == {"identity": 12, "projection": 4}


def test_block_in_detail() -> None:
    bottleneck = draw_block(create_model("resnet50").conv3[0], (256, 56, 56))
    shown = texts(bottleneck)
    assert shown.count("batch norm") == 4
    assert shown.count("ReLU") == 3
    assert "128, stride 2" in shown and "512, stride 2" in shown
    assert shown[0] == "256@56×56" and shown[-1] == "512@28×28"
    assert "cnnlab-shortcut projection" in bottleneck.svg
    inception = draw_block(theirs("googlenet").inception3a, (192, 28, 28), title="Inception 3a")
    assert "concatenate: 256@28×28" in texts(inception)
    assert "4 branches" in inception.alt
    for drawing in (bottleneck, inception):
        placed = boxes(drawing)
        for i, a in enumerate(placed):
            for b in placed[i + 1 :]:
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


class Handmade(nn.Module):
    """A shortcut without a Block class, an addition as a function, and a model that ends in a map."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.a(x))
        return torch.add(self.b(x), x)


def test_any_module_can_be_drawn() -> None:
    svg = draw_model(Handmade(), (3, 8, 8), "blocks").svg
    assert svg.count("cnnlab-shortcut identity") == 1
    assert "8@8×8" in texts(draw_model(Handmade(), (3, 8, 8)))


def test_notebook_output() -> None:
    drawing = draw_model("lenet5")
    html = drawing._repr_html_()
    assert 'class="cnnlab-figure"' in html and f'alt="{drawing.alt}"' in html and "<figcaption>" not in html
    packed = (part.split('"')[0] for part in html.split("base64,")[1:])
    narrow, still = (base64.b64decode(letters).decode() for letters in packed)
    assert still == standalone(drawing.svg) and narrow == standalone(drawing.narrow)
    root = ElementTree.fromstring(still)
    assert root.attrib["fill"] == palette.light("ink") and "var(" not in still and "currentColor" not in still


def test_drawings_take_captions() -> None:
    restart_numbering()
    block = draw_block(create_model("resnet18").conv3[0], (64, 56, 56), caption="Two layers.")
    for drawing, line in ((draw_model("lenet5", caption="Maps."), "1. Maps."), (block, "2. Two layers.")):
        assert f"<figcaption>Figure {line}</figcaption>" in drawing._repr_html_()
    with pytest.raises(ValueError, match="caption='' is empty"):
        draw_model("lenet5", caption="")


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="Did you mean 'volumes'"):
        draw_model("lenet5", style="volume")
    with pytest.raises(ValueError, match="Did you mean 'lenet5"):
        draw_model("lenet55")
    with pytest.raises(ValueError, match="conv1"):
        draw_block(create_model("resnet18").conv3[0], (3, 56, 56))


def test_shape_text() -> None:
    assert shape_text((6, 28, 28)) == "6@28×28"
    assert shape_text((512, 1, 1)) == "512"
    assert shape_text((84,)) == "84"
    assert shape_text((197, 768)) == "197×768"
