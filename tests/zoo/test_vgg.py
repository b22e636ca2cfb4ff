"""VGG: references of the two configurations that torchvision lacks, planted faults, tables 1 and 2."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.weights import transplant
from tests.contract import (
    TOLERANCE,
    Fault,
    Reference,
    create_on_meta,
    randomize,
    relative_difference,
    set_eps,
    swap_forward,
)
from tests.zoo.test_alexnet import SummedResponseNorm

# Table 1, column by column: widths, "/1" for a 1x1 convolution, "M" for a max pool, "LRN" for the normalization.
TABLE_1 = {
    "vgg11": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "vgg11_lrn": "64 LRN M 128 M 256 256 M 512 512 M 512 512 M",
    "vgg13": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "vgg16_c": "64 64 M 128 128 M 256 256 256/1 M 512 512 512/1 M 512 512 512/1 M",
    "vgg16": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "vgg19": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}
TABLE_2 = {"vgg11": 133, "vgg11_lrn": 133, "vgg13": 133, "vgg16_c": 134, "vgg16": 138, "vgg19": 144}  # millions


def by_the_table(name: str, *, side: int = 7, batch_norm: bool = False) -> nn.Module:
    layers, channels = [], 3
    for entry in TABLE_1[name].split():
        if entry == "M":
            layers.append(nn.MaxPool2d(2))
        elif entry == "LRN":
            layers.append(SummedResponseNorm())
        else:
            width, _, one = entry.partition("/")
            layers.append(nn.Conv2d(channels, int(width), 1 if one else 3, padding=0 if one else 1))
            layers += [nn.BatchNorm2d(int(width)), nn.ReLU()] if batch_norm else [nn.ReLU()]
            channels = int(width)
    dense = [nn.Linear(512 * side**2, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(side), nn.Flatten(), *dense)


def numbers(name: str) -> tuple[int, int]:
    """Parameters and MACs by arithmetic, column by column of table 1."""
    params, macs, channels, side = 0, 0, 3, 224
    for entry in TABLE_1[name].split():
        if entry == "M":
            side //= 2
        elif entry != "LRN":
            width, _, one = entry.partition("/")
            weights = int(width) * channels * (1 if one else 9)
            params, macs, channels = params + weights + int(width), macs + weights * side**2, int(width)
    dense = (7 * 7 * 512 * 4096, 4096 * 4096, 4096 * 1000)
    return params + sum(dense) + 4096 + 4096 + 1000, macs + sum(dense)


REFERENCES = {
    name: Reference(*numbers(name), lambda name=name: by_the_table(name), "table 1, column by column; table 2 below")
    for name in ("vgg11_lrn", "vgg16_c")
}


def _no_relu(block: nn.Module, x: Tensor) -> Tensor:
    return block.bn(block.conv(x))


def _one_pool_less(model: nn.Module, x: Tensor) -> Tensor:
    x = model.pool(model.conv2(model.pool(model.conv1(x))))
    x = model.conv5(model.pool(model.conv4(model.pool(model.conv3(x)))))
    x = model.resize(x).flatten(1)
    return model.fc8(F.relu(model.fc7(F.relu(model.fc6(x)))))


FAULTS = {
    "vgg11": {
        "no relu after conv5": lambda m: swap_forward(m.conv5[1], _no_relu),
        "no last pool": lambda m: swap_forward(m, _one_pool_less),
        "edges repeated": lambda m: (
            setattr(m.conv1[0].conv, "padding_mode", "replicate")
            or setattr(m.conv1[0].conv, "_reversed_padding_repeated_twice", [1, 1, 1, 1])
        ),
        "average pools": lambda m: setattr(m, "pool", nn.AvgPool2d(2)),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "column", "fault"),
    [
        ("vgg11_lrn", "vgg11_lrn", lambda m: setattr(m.norm1, "alpha", 1e-4)),
        ("vgg16_c", "vgg16_c", lambda m: swap_forward(m.conv5[2], _no_relu)),
        ("vgg11_bn", "vgg11", lambda m: set_eps(m.conv4[0].bn)),
    ],
)
def test_the_versions_for_small_pictures_equal_table_1(name: str, column: str, fault: Fault):
    """Without their 100 million weights of fc6, cheap enough for every run; and with another reference than above."""
    theirs = by_the_table(column, side=1, batch_norm=name.endswith("_bn"))
    randomize(theirs, (3, 32, 32))
    ours = cnnlab.create_model(name, small_input=True)
    transplant(theirs, ours)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert relative_difference(theirs, ours, x) < TOLERANCE
    fault(ours)
    assert relative_difference(theirs, ours, x) > 5 * TOLERANCE


@pytest.mark.parametrize("name", list(TABLE_1))
def test_layers_and_parameters_of_tables_1_and_2(name: str):
    model = create_on_meta(name)
    found = []
    for stack in (model.conv1, model.conv2, model.conv3, model.conv4, model.conv5):
        for block in stack:
            one = "/1" if block.conv.kernel_size == (1, 1) else ""
            found.append(f"{block.conv.out_channels}{one}")
        if stack is model.conv1 and isinstance(model.norm1, nn.LocalResponseNorm):
            found.append("LRN")
        found.append("M")
    assert " ".join(found) == TABLE_1[name]
    summary = cnnlab.summarize(name)
    assert (summary.params, summary.macs) == numbers(name)
    assert round(summary.params / 1e6) == TABLE_2[name]


def test_weight_layers_are_counted_as_in_the_names():
    for name, depth in {"vgg11": 11, "vgg11_lrn": 11, "vgg13": 13, "vgg16_c": 16, "vgg16": 16, "vgg19": 19}.items():
        layers = [m for m in create_on_meta(name).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) == depth


def test_the_convolutions_under_a_batch_norm_keep_their_bias():
    model = create_on_meta("vgg11_bn")
    assert all(m.bias is not None for m in model.modules() if isinstance(m, nn.Conv2d))
    assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == 8


def test_stack_of_three_sees_seven_pixels_with_fewer_weights():
    """Section 2.3: 27 C^2 against 49 C^2."""
    c = 4
    stack = nn.Sequential(*(nn.Conv2d(c, c, 3, padding=1, bias=False) for _ in range(3)))
    assert sum(p.numel() for p in stack.parameters()) == 27 * c * c
    x = torch.zeros(1, c, 15, 15, requires_grad=True)
    stack(x)[0, :, 7, 7].sum().backward()
    seen = x.grad.abs().sum((0, 1)).nonzero()
    assert (seen.min().item(), seen.max().item()) == (4, 10)


def test_initial_distribution():
    model = cnnlab.create_model("vgg11", small_input=True)
    assert model.conv4[1].conv.weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)
    assert model.fc7.weight.std().item() == pytest.approx(0.01, rel=0.01)
    # The signal's variance grows in fc6 as it does in the large network, whose fc6 has 49 times as many inputs.
    assert 512 * model.fc6.weight.var().item() == pytest.approx(25_088 * 0.01**2, rel=0.02)
    assert all((m.bias == 0).all() for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
