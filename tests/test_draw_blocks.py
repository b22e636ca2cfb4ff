"""Drawings of the blocks that the architecture chapters explain, made from the modules: what stands in them."""

from __future__ import annotations

import re

import pytest

from cnnlab import create_model, summarize
from cnnlab.draw import Drawing, block_gallery, draw_block
from cnnlab.meta import on_meta


def block_of(name: str, path: str) -> Drawing:
    """The drawing of one module of a registered model, for the input that it gets there."""
    with on_meta():
        model = create_model(name)
    trace = summarize(model).trace
    (source,) = next(call.input for call in trace.calls if call.name == path)
    return draw_block(model.get_submodule(path), trace.ops[source].shape[1:])


def paths_of(name: str, kind: str) -> list[str]:
    with on_meta():
        model = create_model(name)
    return [path for path, module in model.named_modules() if type(module).__name__ == kind]


def boxes(drawing: Drawing, label: str) -> int:
    return len(re.findall(rf">{label}</text>", drawing.svg))


@pytest.mark.parametrize(
    ("name", "kind", "which", "counts"),
    [
        ("googlenet_2014", "Inception", 0, {"conv 1×1": 4, "conv 3×3": 1, "conv 5×5": 1, "max pool 3×3": 1}),
        ("resnet18", "BasicBlock", 1, {"conv 3×3": 2, "batch norm": 2, "ReLU": 2}),
        ("resnet50", "Bottleneck", 1, {"conv 1×1": 2, "conv 3×3": 1, "batch norm": 3}),
        ("densenet121", "DenseBlock", 0, {"conv 1×1": 6, "conv 3×3": 6}),
        ("squeezenet1_0", "Fire", 0, {"conv 1×1": 2, "conv 3×3": 1}),
        ("legacy_seresnet50", "SEBottleneck", 1, {"conv 3×3": 1, "global average": 1, "sigmoid": 1}),
        ("mobilenet_v2", "InvertedResidual", 2, {"conv 1×1": 2, "depthwise 3×3": 1, "ReLU6": 2}),
        ("efficientnet_b0", "MBConv", 2, {"depthwise 3×3": 1, "global average": 1, "SiLU": 3, "sigmoid": 1}),
        ("convnext_tiny", "Block", 1, {"depthwise 7×7": 1, "layer norm": 1, "dense": 2, "GELU": 1}),
    ],
)
def test_block_shows_what_it_is_made_of(name: str, kind: str, which: int, counts: dict[str, int]):
    drawing = block_of(name, paths_of(name, kind)[which])
    assert {label: boxes(drawing, label) for label in counts} == counts
    assert len(drawing.alt) > 60 and "None" not in drawing.alt
    if kind in ("BasicBlock", "Bottleneck", "SEBottleneck", "Block", "MBConv"):
        assert "the shortcut adds" in drawing.alt


def test_channels_last_layers_are_named_channels_first():
    assert "dense to 384@56×56" in block_of("convnext_tiny", paths_of("convnext_tiny", "Block")[1]).alt


def test_the_bar_of_a_concatenation_is_as_wide_as_its_words():
    drawing = block_of("squeezenet1_0", paths_of("squeezenet1_0", "Fire")[0])
    bar = re.search(r'<rect[^>]*width="([\d.]+)"[^>]*height="24"', drawing.svg)
    assert bar and float(bar[1]) > 6 * len("concatenate: 128@54×54")


def test_a_gallery_holds_every_block_and_breaks_into_rows():
    with on_meta():
        plain, residual, inception = (
            create_model("plain20_cifar").stage1[0],
            create_model("resnet20_cifar").stage1[0],
            create_model("googlenet_2014").get_submodule(paths_of("googlenet_2014", "Inception")[0]),
        )
    pair = {"plain": (plain, (16, 32, 32)), "residual": (residual, (16, 32, 32))}
    drawn = block_gallery(pair, caption="Two blocks.")
    assert boxes(drawn, "conv 3×3") == 4 and boxes(drawn, "plain") == boxes(drawn, "residual") == 1
    assert drawn.svg.count("cnnlab-joint-add") == 1 and drawn.caption == "Two blocks."
    assert drawn.alt.count("The block") == 2 and draw_block(residual, (16, 32, 32), title="residual").alt in drawn.alt
    heights = [
        float(re.search(r'viewBox="\S+ \S+ \S+ (\S+)"', d.svg)[1])
        for d in (
            drawn,
            block_gallery(pair | {"Inception": (inception, (192, 28, 28)), "a second plain": (plain, (16, 32, 32))}),
        )
    ]
    assert heights[1] > 1.6 * heights[0], "Inception is too wide to stand beside the others"
    wide, small = (float(re.search(r'viewBox="\S+ \S+ (\S+)', svg)[1]) for svg in (drawn.svg, drawn.narrow))
    assert small <= 360 and (small < wide or wide <= 360), "a phone has rows of its own"
    assert drawn.narrow.count("cnnlab-joint-add") == 1
    with pytest.raises(ValueError, match="blocks={} is empty"):
        block_gallery({})
