"""SqueezeNet with and without bypasses: references, planted faults, the paper's tables."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from tests.contract import Reference, count_macs, count_params, create_on_meta, of_library, swap_forward


class Around(nn.Module):
    """torchvision's own fire module with something around it."""

    def __init__(self, fire: nn.Module, way: nn.Module) -> None:
        super().__init__()
        self.fire = fire
        self.way = way

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.way(x), self.fire(x))


def bypassed(complex_too: bool) -> nn.Module:
    """torchvision's SqueezeNet 1.0 with the bypasses of figure 2 built around its fire modules."""
    from torchvision.models import squeezenet1_0
    from torchvision.models.squeezenet import Fire

    network = squeezenet1_0()
    for place, module in enumerate(network.features):
        if isinstance(module, Fire):
            out = module.expand1x1.out_channels + module.expand3x3.out_channels
            if out == module.inplanes:
                network.features[place] = Around(module, nn.Identity())
            elif complex_too:
                network.features[place] = Around(module, nn.Conv2d(module.inplanes, out, 1))
    return network


# "We define a complex bypass as a bypass that includes a 1x1 convolution layer with the number of filters set equal to
# the number of output channels that are needed" (section 6), around fire2, 4, 6 and 8.
COMPLEX = sum(a * b + b for a, b in ((96, 128), (128, 256), (256, 384), (384, 512)))


def _reference(complex_too: bool) -> Reference:
    row = of_library(lambda: bypassed(complex_too), (3, 224, 224), "figure 2 around torchvision's fire modules")
    assert row.params == 1_248_424 + complex_too * COMPLEX
    return row


REFERENCES = {
    "squeezenet1_0_simple_bypass": lambda: _reference(False),
    "squeezenet1_0_complex_bypass": lambda: _reference(True),
}


def _halves_swapped(fire: nn.Module, x: Tensor) -> Tensor:
    y = F.relu(fire.squeeze(x))
    return torch.cat([F.relu(fire.expand3x3(y)), F.relu(fire.expand1x1(y))], dim=1)


def _squeeze_without_relu(fire: nn.Module, x: Tensor) -> Tensor:
    y = fire.squeeze(x)
    return torch.cat([F.relu(fire.expand1x1(y)), F.relu(fire.expand3x3(y))], dim=1)


def _relu_after_the_sum(fire: nn.Module, x: Tensor) -> Tensor:
    y = F.relu(fire.squeeze(x))
    y = torch.cat([fire.expand1x1(y), fire.expand3x3(y)], dim=1)
    return F.relu(y + fire.bypass(x))


def _no_bypass(fire: nn.Module) -> None:
    assert fire.bypass is not None
    fire.bypass = None


FAULTS = {
    "squeezenet1_1": {
        "halves of a fire module swapped": lambda m: swap_forward(m.fire5, _halves_swapped),
        "no relu after squeeze": lambda m: swap_forward(m.fire9, _squeeze_without_relu),
        "pooling one module later": lambda m: (setattr(m, "pool4", m.pool3), setattr(m, "pool3", nn.Identity())),
        "pooling with stride 2 windows": lambda m: setattr(m, "pool5", nn.MaxPool2d(2)),
    },
    "squeezenet1_0": {
        "conv1 padded": lambda m: setattr(m.conv1, "padding", (3, 3)),
        "pooling without ceil_mode": lambda m: setattr(m.pool4, "ceil_mode", False),
        "average of the logits before the relu": lambda m: swap_forward(m, _no_last_relu),
    },
    "squeezenet1_0_simple_bypass": {
        "one bypass left out": lambda m: _no_bypass(m.fire7),
        "relu after the sum": lambda m: swap_forward(m.fire9, _relu_after_the_sum),
    },
    "squeezenet1_0_complex_bypass": {
        "one bypass left out": lambda m: _no_bypass(m.fire2),
        "relu after the sum": lambda m: swap_forward(m.fire8, _relu_after_the_sum),
    },
}


def _no_last_relu(network: nn.Module, x: Tensor) -> Tensor:
    x = network.pool1(F.relu(network.conv1(x)))
    x = network.pool4(network.fire4(network.fire3(network.fire2(x))))
    x = network.pool8(network.fire8(network.fire7(network.fire6(network.fire5(x)))))
    return network.conv10(network.fire9(x)).mean(dim=(2, 3))


# Table 1: layer, output size, "#parameter before pruning".
TABLE_1 = {
    "conv1": (111, 96, 14_208),
    "pool1": (55, 96, 0),
    "fire2": (55, 128, 11_920),
    "fire3": (55, 128, 12_432),
    "fire4": (55, 256, 45_344),
    "pool4": (27, 256, 0),
    "fire5": (27, 256, 49_440),
    "fire6": (27, 384, 104_880),
    "fire7": (27, 384, 111_024),
    "fire8": (27, 512, 188_992),
    "pool8": (13, 512, 0),
    "fire9": (13, 512, 197_184),
    "conv10": (13, 1000, 513_000),
}


def test_sizes_and_parameters_of_table_1():
    """The sizes are those of 227 pixels, though the table's first row says "224x224x3"."""
    model = create_on_meta("squeezenet1_0")
    sizes: dict[str, tuple[int, ...]] = {}
    for name in TABLE_1:
        module = getattr(model, name)
        module.register_forward_hook(lambda module, _, y, name=name: sizes.update({name: tuple(y.shape[1:])}))
        assert count_params(module) == TABLE_1[name][2]
    model.eval()(torch.empty(1, 3, 227, 227, device="meta"))
    assert sizes == {name: (channels, size, size) for name, (size, channels, _) in TABLE_1.items()}
    model(torch.empty(1, 3, 224, 224, device="meta"))
    assert sizes["conv1"] == (96, 109, 109)
    assert sum(params for _, _, params in TABLE_1.values()) == 1_248_424 == count_params(model)


def test_model_sizes_of_table_3():
    """4.8 MB for the first two; for the complex bypass the table prints 7.7, which figure 2 does not give."""
    megabytes = {
        name: 4 * count_params(create_on_meta(name)) / 2**20
        for name in ("squeezenet1_0", "squeezenet1_0_simple_bypass", "squeezenet1_0_complex_bypass")
    }
    assert [round(size, 1) for size in megabytes.values()] == [4.8, 4.8, 6.1]


def test_squeeze_ratio_and_metaparameters():
    """Section 5.1: base_e = 128, incr_e = 128, pct_3x3 = 0.5, freq = 2, SR = 0.125."""
    model = create_on_meta("squeezenet1_0")
    for i in range(8):
        fire = getattr(model, f"fire{i + 2}")
        e = 128 + 128 * (i // 2)
        assert fire.expand1x1.out_channels == fire.expand3x3.out_channels == e / 2
        assert fire.squeeze.out_channels == 0.125 * e


def test_what_version_1_1_saves():
    """The authors' repository says "2.4x less computation than SqueezeNet v1.0": 2.35 at 224 pixels, 2.15 at 227."""
    for size, ratio in ((224, 2.35), (227, 2.15)):
        first, second = (count_macs(create_on_meta(f"squeezenet1_{v}"), (3, size, size)) for v in (0, 1))
        assert first / second == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_the_least_input(name: str):
    least = model_info(name).smallest
    with on_meta():
        model = cnnlab.create_model(name).eval()
        model(torch.empty(1, 3, least, least))
        with pytest.raises(RuntimeError):
            model.forward(torch.empty(1, 3, least - 1, least - 1))  # past the check of create_model


def test_dropout_stands_before_the_last_convolution():
    """Section 3.3: "Dropout with a ratio of 50% is applied after the fire9 module"."""
    model = create_on_meta("squeezenet1_0")
    names = [name for name, _ in model.named_children()]
    assert names[-3:] == ["fire9", "dropout", "conv10"]
    assert model.dropout.p == 0.5
