"""The steps from ResNet-50 to ConvNeXt-T, and the explorer that walks them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from cnnlab.analysis import on_meta, summarize
from cnnlab.chapters.convnext.steps import DESIGNS, STEPS, build
from cnnlab.models.convnext import LayerNorm2d
from cnnlab.widgets import resnet_to_convnext
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture


def test_the_explorer_counts_what_the_networks_have(node):  # noqa: F811
    data = resnet_to_convnext().params["data"]
    found = node(VIEWS["resnet_to_convnext"], f"{json.dumps(data)}.map((v) => m.bill(v))")
    for step, bill in zip(STEPS, found, strict=True):
        with on_meta():
            model = build(step.name)
            assert bill["params"] == sum(p.numel() for p in model.parameters()), step.name
            if step.name in ("ResNet-50", "inverted", "one norm", "ConvNeXt-T"):
                assert bill["macs"] == summarize(model, (3, 224, 224)).macs, step.name


def test_the_explorer_says_what_a_step_changed(node):  # noqa: F811
    data = resnet_to_convnext(small={"depthwise first": [0.41, 0.4]}).params["data"]
    first, dip = node(VIEWS["resnet_to_convnext"], f"[0, 7].map((step) => m.explain({{step}}, {json.dumps(data)}))")
    assert "25.56 M parameters, 4.09 G" in first and "No small networks" in first
    assert "79.92 %, 0.72 less than before" in dip and "41 and 40 %" in dip
    with pytest.raises(ValueError, match="a step of small='7 x 7' is not known"):
        resnet_to_convnext(small={"7 x 7": [0.4]})


@pytest.mark.parametrize("name", DESIGNS)
def test_every_step_learns_small(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build(DESIGNS[name].small(16), num_classes=4, drop_path=0.2, layer_scale=None)
        x = torch.randn(8, 3, 16, 16)
        net(x).logsumexp(1).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    acts = sum(isinstance(m, DESIGNS[name].activation) for m in net.modules())
    norms = [m for m in net.stages.modules() if isinstance(m, nn.BatchNorm2d | LayerNorm2d)]
    if DESIGNS[name].one_activation:
        assert acts == sum(DESIGNS[name].small().blocks)
    if DESIGNS[name].one_norm:
        assert len(norms) == sum(DESIGNS[name].small().blocks) + 2 * DESIGNS[name].separate
        assert all(isinstance(m, DESIGNS[name].norm) for m in norms)


def test_a_step_is_named_or_made():
    with on_meta():
        assert build(replace(DESIGNS["7x7"], kernel=11)).stages[0].blocks[0].conv1.kernel_size == (11, 11)
        assert build("ConvNeXt-T", layer_scale=None).stages[0].blocks[0].layer_scale is None
    with pytest.raises(ValueError, match="step='gelu' is not known. Did you mean 'GELU'"):
        build("gelu")
