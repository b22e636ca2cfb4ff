"""Xception: planted faults, the paper's tables."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from cnnlab.models.xception import SeparableConv
from tests.contract import count_params, create_on_meta, set_eps, swap_forward


def _relu_between(conv: nn.Module, x: Tensor) -> Tensor:
    return conv.bn(conv.pointwise(F.relu(conv.depthwise(x))))


def _norm_between(conv: nn.Module, x: Tensor) -> Tensor:
    return conv.pointwise(conv.bn(conv.depthwise(x)))


def _relu_after_the_sum(module: nn.Module, x: Tensor) -> Tensor:
    return F.relu(module.layers(x) + module.shortcut(x))


FAULTS = {
    "legacy_xception": {
        "relu inside a separable convolution": lambda m: swap_forward(m.middle[3].layers[1], _relu_between),
        "batch norm inside a separable convolution": lambda m: swap_forward(m.middle[0].layers[3], _norm_between),
        "no relu at the start of a module": lambda m: m.middle[7].layers.__setitem__(0, nn.Identity()),
        "relu after the sum": lambda m: swap_forward(m.exit, _relu_after_the_sum),
        "eps of Keras in one batch norm": lambda m: set_eps(m.conv4.bn, 1e-3),
        "pool not padded alike": lambda m: m.entry[1].layers.__setitem__(4, nn.MaxPool2d(3, 2, 0, ceil_mode=True)),
    },
}


def test_parameters_of_table_3():
    """ "Parameter count is reported on ImageNet (1000 classes, no fully-connected layers)": 22,855,952."""
    assert count_params(create_on_meta("legacy_xception")) == 22_855_952


def test_layers_and_modules_of_section_3():
    """ "36 convolutional layers ... structured into 14 modules, all of which have linear residual connections around
    them, except for the first and last modules" """
    model = create_on_meta("legacy_xception")
    separable = [m for m in model.modules() if isinstance(m, SeparableConv)]
    assert 2 + len(separable) == 36  # the shortcuts are not counted
    residual = [*model.entry, *model.middle, model.exit]
    assert 1 + len(residual) + 1 == 14
    assert all(conv.depthwise.out_channels == conv.depthwise.in_channels for conv in separable)  # "no depth expansion"


def test_sizes_and_widths_of_figure_5():
    """Entry: 32 and 64 filters, then 128, 256, 728; middle: "19x19x728 feature maps"; exit: 728, 1024, 1536, 2048."""
    model = create_on_meta("legacy_xception")
    seen: dict[str, tuple[int, ...]] = {}
    stages = ["conv1", "conv2", "entry.0", "entry.1", "entry.2", *(f"middle.{i}" for i in range(8))]
    for name in [*stages, "exit", "conv3", "conv4"]:
        model.get_submodule(name).register_forward_hook(
            lambda module, _, y, name=name: seen.update({name: tuple(y.shape[1:])})
        )
    model.eval()(torch.empty(1, 3, 299, 299, device="meta"))
    assert list(seen.values()) == [
        (32, 149, 149),
        (64, 147, 147),
        (128, 74, 74),
        (256, 37, 37),
        (728, 19, 19),
        *[(728, 19, 19)] * 8,
        (1024, 10, 10),
        (1536, 10, 10),
        (2048, 10, 10),
    ]
    assert [conv.pointwise.out_channels for conv in (model.exit.layers[1], model.exit.layers[3])] == [728, 1024]


def test_dropout_before_the_last_layer():
    """Section 4.3: "a dropout layer of rate 0.5 before the logistic regression layer"."""
    assert create_on_meta("legacy_xception").dropout.p == 0.5


def test_the_least_input():
    least = model_info("legacy_xception").smallest
    with on_meta():
        model = cnnlab.create_model("legacy_xception").eval()
        model(torch.empty(1, 3, least, least))
        with pytest.raises(RuntimeError):
            model.forward(torch.empty(1, 3, least - 1, least - 1))
