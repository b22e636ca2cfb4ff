"""GoogLeNet as published and as torchvision has it: references, planted faults, the paper's table 1."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.analysis import summarize
from cnnlab.meta import on_meta
from cnnlab.models import model_info
from cnnlab.models.googlenet import AuxiliaryHead, GoogLeNet, Inception, NaiveInception
from cnnlab.weights import sources, transplant
from tests.contract import Reference, count_params, of_library, randomize, set_eps, swap_forward

# --- references ----------------------------------------------------------------------------------------------------


class _Convolution(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, **how: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, **how)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).clamp(min=0)


class _Module(nn.Module):
    """A row of table 1: branches as (kernel, channels) of their convolutions, and the pooling's projection."""

    def __init__(self, in_channels: int, *row: int) -> None:
        super().__init__()
        c1, r3, c3, r5, c5, projection = row
        self.paths = nn.ModuleList()
        for path in ([(1, c1)], [(1, r3), (3, c3)], [(1, r5), (5, c5)], [(1, projection)]):
            layers, channels = [], in_channels
            for kernel, width in path:
                layers += [nn.Conv2d(channels, width, kernel, padding="same"), nn.ReLU()]
                channels = width
            self.paths.append(nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        # Padding with -inf is what a max pooling's padding means.
        pooled = F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=float("-inf")), 3, 1)
        return torch.cat([path(y) for path, y in zip(self.paths, (x, x, x, pooled))], dim=1)


class _Head(nn.Module):
    """Section 5, word by word: average pooling 5x5/3, 128 1x1, 1024 dense, 70 % dropout, linear."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.AvgPool2d(5, 3), nn.Conv2d(in_channels, 128, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(2048, 1024), nn.ReLU(), nn.Dropout(dropout), nn.Linear(1024, num_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class _ResponseNorm(nn.Module):
    """a / (1 + 1e-4 / 5 * sum over 5 neighboring channels of a^2)^0.75, the sum taken by hand."""

    def forward(self, x: Tensor) -> Tensor:
        squares = F.pad(x * x, (0, 0, 0, 0, 2, 2))
        total = sum(squares[:, i : i + x.shape[1]] for i in range(5))
        return x / (1 + 1e-4 / 5 * total) ** 0.75


def googlenet_2014() -> nn.Module:
    """torchvision's wiring with the paper's parts: its class takes other blocks; norms and pooling are put in here."""
    from torchvision.models.googlenet import GoogLeNet

    network = GoogLeNet(blocks=[_Convolution, _Module, _Head], dropout=0.4, init_weights=False)
    network.maxpool1 = nn.Sequential(network.maxpool1, _ResponseNorm())  # figure 3: MaxPool, LocalRespNorm
    network.maxpool2 = nn.Sequential(_ResponseNorm(), network.maxpool2)  # figure 3: LocalRespNorm, MaxPool
    network.maxpool4 = nn.MaxPool2d(3, 2, ceil_mode=True)  # table 1: 3x3/2
    return network


def googlenet_torchvision() -> nn.Module:
    from torchvision.models import googlenet

    return googlenet(aux_logits=False, init_weights=False)


def _torchvision_row() -> Reference:
    row = sources("googlenet")[0]
    source = f"torchvision {row.weights}.meta: num_params, _ops, which leave out the heads that were never trained"
    return Reference(row.params, row.macs, googlenet_torchvision, source, macs_tolerance=500_000)


REFERENCES = {
    "googlenet_2014": lambda: of_library(googlenet_2014, (3, 224, 224), "table 1 and figure 3, in torchvision's frame"),
    "googlenet": _torchvision_row,
}

# --- faults --------------------------------------------------------------------------------------------------------


def _branches_swapped(block: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([block.conv1x1(x), block.conv5x5(x), block.conv3x3(x), block.pool(x)], dim=1)


FAULTS = {
    "googlenet_2014": {
        "pooling that pads": lambda m: setattr(m, "pool1", nn.MaxPool2d(3, 2, 1)),
        "the last pooling 2x2": lambda m: setattr(m, "pool4", nn.MaxPool2d(2, 2, ceil_mode=True)),
        "average pooling in a module": lambda m: m.inception4b.pool.__setitem__(0, nn.AvgPool2d(3, 1, 1)),
        "two branches swapped": lambda m: swap_forward(m.inception3b, _branches_swapped),
        "no local response norm": lambda m: setattr(m, "norm1", nn.Identity()),
        "AlexNet's k of 2 in a response norm": lambda m: setattr(m.norm2, "k", 2.0),
    },
    "googlenet": {
        "the paper's last pooling": lambda m: setattr(m, "pool4", nn.MaxPool2d(3, 2, ceil_mode=True)),
        "eps of one batch norm": lambda m: set_eps(m.inception5a.conv3x3[1].bn),
        "eps of another": lambda m: set_eps(m.conv1.bn, 1e-5),
        "no relu after a reduction": lambda m: setattr(m.inception4e.conv5x5[0], "activation", nn.Identity()),
        "the paper's 3x3 and 5x5 branches swapped": lambda m: swap_forward(m.inception4d, _branches_swapped),
    },
}

# --- table 1 -------------------------------------------------------------------------------------------------------

# Layer: output, params in K, ops in M, as printed.
TABLE_1 = {
    "conv1": ((64, 112, 112), 2.7, 34),
    "pool1": ((64, 56, 56), 0, 0),
    "conv2": ((192, 56, 56), 112, 360),  # "depth 2": with its reduction
    "pool2": ((192, 28, 28), 0, 0),
    "inception3a": ((256, 28, 28), 159, 128),
    "inception3b": ((480, 28, 28), 380, 304),
    "pool3": ((480, 14, 14), 0, 0),
    "inception4a": ((512, 14, 14), 364, 73),
    "inception4b": ((512, 14, 14), 437, 88),
    "inception4c": ((512, 14, 14), 463, 100),
    "inception4d": ((528, 14, 14), 580, 119),
    "inception4e": ((832, 14, 14), 840, 170),
    "pool4": ((832, 7, 7), 0, 0),
    "inception5a": ((832, 7, 7), 1072, 54),
    "inception5b": ((1024, 7, 7), 1388, 71),
    "fc": ((1000,), 1000, 1),
}


@pytest.fixture(scope="module")
def layers() -> dict[str, tuple[tuple[int, ...], int, int]]:
    """Layer -> (output, weights without biases, multiply-adds) of our network."""
    with on_meta():
        network = cnnlab.create_model("googlenet_2014").eval()
    found: dict[str, tuple[tuple[int, ...], int, int]] = {}

    def note(name: str):
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            pixels = output[0, 0].numel() if output.dim() == 4 else 1
            weights = sum(p.numel() for p in module.parameters() if p.dim() > 1)
            found[name] = (tuple(output.shape[1:]), weights, weights * pixels)

        return hook

    for name, module in network.named_children():
        module.register_forward_hook(note(name))
    with torch.no_grad():
        network(torch.empty(1, 3, 224, 224, device="meta"))
    shape, weights, ops = found["conv2"]
    found["conv2"] = (shape, weights + found["conv2_reduce"][1], ops + found["conv2_reduce"][2])
    return found


@pytest.mark.parametrize("layer", TABLE_1)
def test_output_sizes_of_table_1(layer: str, layers: dict):
    assert layers[layer][0] == TABLE_1[layer][0]


def test_ops_of_table_1(layers: dict):
    """Multiply-adds in millions agree, rounded or cut off, in all rows but the first and 5a."""
    ours = {layer: ops / 1e6 for layer, (_, _, ops) in layers.items() if layer in TABLE_1}
    printed = {layer: ops for layer, (_, _, ops) in TABLE_1.items()}
    wrong = {
        layer: (round(ours[layer], 1), printed[layer]) for layer in printed if abs(ours[layer] - printed[layer]) >= 1
    }
    assert wrong == {"conv1": (118.0, 34), "inception5a": (51.1, 54)}


def test_parameters_of_table_1(layers: dict):
    """K is 1024: only so do 112 and 1000 come out. Most modules have more weights than printed, 5a has fewer."""
    ours = {layer: weights / 1024 for layer, (_, weights, _) in layers.items()}
    printed = {layer: params for layer, (_, params, _) in TABLE_1.items()}
    assert {layer for layer in printed if ours[layer] == printed[layer] > 0} == {"conv2", "fc"}
    assert ours["inception3a"] == 159.5  # printed as 159
    wrong = {
        layer: (round(ours[layer], 1), printed[layer]) for layer in printed if abs(ours[layer] - printed[layer]) > 0.5
    }
    assert wrong == {
        "conv1": (9.2, 2.7),
        "inception3b": (379.0, 380),
        "inception4a": (366.8, 364),
        "inception4b": (438.0, 437),
        "inception4c": (497.5, 463),
        "inception4d": (590.5, 580),
        "inception4e": (847.0, 840),
        "inception5a": (1018.0, 1072),
        "inception5b": (1409.0, 1388),
    }


def test_the_first_row_of_table_1_is_a_separable_convolution():
    """7x7 depthwise with multiplier 8, then 1x1 to 64 channels, as Ioffe and Szegedy 2015 say of their network."""
    weights = 7 * 7 * 3 * 8 + 3 * 8 * 64
    assert round(weights / 1000, 1) == 2.7
    assert round(weights * 112**2 / 1e6) == 34


def test_the_totals_that_are_quoted(layers: dict):
    """6.8 million parameters and 1.5 billion operations are the columns' sums; the network has 7.0 and 1.58."""
    assert round(sum(params for _, params, _ in TABLE_1.values()) / 1000, 1) == 6.8
    assert sum(ops for _, _, ops in TABLE_1.values()) == 1502  # "1.5 billion multiply-adds", section 4
    weights = sum(layers[layer][1] for layer in TABLE_1)
    assert weights == 6_990_272
    assert count_params(_without_heads()) == weights + 7_280 + 1000 == 6_998_552  # with biases, as Caffe's model
    assert sum(layers[layer][2] for layer in TABLE_1) == pytest.approx(1.583e9, rel=1e-3)


def _without_heads() -> nn.Module:
    with on_meta():
        return GoogLeNet(replace(model_info("googlenet_2014").variant, auxiliary=False))


def test_depth_is_22_layers_with_parameters():
    longest = 3 + 9 * 2 + 1  # "22 layers deep when counting only layers with parameters"
    assert longest == 22
    network = _without_heads()
    modules = [m for m in network.children() if isinstance(m, Inception)]
    assert len(modules) == 9
    assert all(sum(isinstance(layer, nn.Conv2d) for layer in m.conv5x5.modules()) == 2 for m in modules)


# --- heads, and the modules by themselves --------------------------------------------------------------------------


def test_heads_in_training_mode_equal_the_reference():
    theirs, ours = googlenet_2014(), cnnlab.create_model("googlenet_2014")
    randomize(theirs, (3, 224, 224))
    transplant(theirs, ours)
    for network in (theirs, ours):
        network.train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                assert module.p in (0.4, 0.7)
                module.p = 0.0
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = theirs(x)
        logits, (first, second) = ours(x)
    torch.testing.assert_close(logits, wanted.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(first, wanted.aux_logits1, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(second, wanted.aux_logits2, rtol=1e-4, atol=1e-4)
    assert ours.auxiliary_weights == (0.3, 0.3)  # "weighted by 0.3"


def test_heads_average_5x5_with_stride_3_and_see_4x4_maps():
    head = AuxiliaryHead(512, 10).eval()
    seen = []
    head.conv.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    x = torch.randn(1, 512, 14, 14)
    assert head(x).shape == (1, 10)
    assert seen[0].shape == (1, 512, 4, 4)  # "an 4x4x512 output for the (4a)"
    torch.testing.assert_close(seen[0][0, :, 1, 2], x[0, :, 3:8, 6:11].mean((1, 2)))
    for side in (1, 4, 8, 13, 15, 19, 28):
        assert head(torch.randn(1, 512, side, side + 1)).shape == (1, 10)


def test_the_naive_module_grows_and_costs_more():
    """Section 4: "the number of outputs increases inevitably from stage to stage"."""
    naive = NaiveInception(192, 64, 128, 32)
    reduced = Inception(192, 64, 96, 128, 16, 32, 32)
    x = torch.randn(2, 192, 28, 28)
    assert naive(x).shape == (2, 64 + 128 + 32 + 192, 28, 28)
    assert reduced(x).shape == (2, 256, 28, 28)
    macs = [summarize(block, input_size=(192, 28, 28)).macs for block in (naive, reduced)]
    assert macs == [28 * 28 * (192 * 64 + 9 * 192 * 128 + 25 * 192 * 32), 28 * 28 * 163_328]
    # The lectures' example: a 5x5 branch of 32 maps costs 120.4 million with 192 channels, 160.6 million with 256.
    assert 28 * 28 * 32 * 25 * 192 == 120_422_400
    assert 28 * 28 * 32 * 25 * 256 == 160_563_200


def test_a_true_5x5_in_torchvisions_variant():
    with on_meta():
        network = GoogLeNet(replace(model_info("googlenet").variant, kernel_5x5=5))
    assert count_params(network) == 7_005_832
    assert count_params(network) - 6_624_904 == 16 * sum(a * b for a, b in _fives())


def _fives() -> list[tuple[int, int]]:
    return [(16, 32), (32, 96), (16, 48), (24, 64), (24, 64), (32, 64), (32, 128), (32, 128), (48, 128)]


def test_the_official_network_normalizes_to_minus_one_and_one():
    """torchvision feeds its checkpoint (x - 0.5) / 0.5, by undoing ImageNet's normalization inside the network."""
    from torchvision.models import googlenet

    theirs = googlenet(aux_logits=False, init_weights=False, transform_input=True)
    randomize(theirs, (3, 64, 64))
    ours = cnnlab.create_model("googlenet")
    transplant(theirs, ours)
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        wanted = theirs.eval()((pixels - mean[:, None, None]) / std[:, None, None])
        given = ours.eval()((pixels - 0.5) / 0.5)
    assert (wanted - given).abs().max() < 1e-5 * wanted.abs().max()


def test_settings_that_show_in_no_output():
    network = cnnlab.create_model("googlenet")
    assert network.dropout.p == googlenet_torchvision().dropout.p == 0.2
    assert network.auxiliary_weights == ()
    weight = network.inception4c.conv3x3[1].conv.weight
    assert weight.std().item() == pytest.approx((2 / (9 * 128)) ** 0.5, rel=0.02)
    norm = cnnlab.create_model("googlenet_2014").norm1
    assert (norm.size, norm.alpha, norm.beta, norm.k) == (5, 1e-4, 0.75, 1.0)  # Caffe's bvlc_googlenet
