"""LeNet-5 and the lectures' dense networks: references and planted faults."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from tests.contract import Reference, create_on_meta, swap_forward


def lenet(last_kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16 * last_kernel**2, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


# Table I as printed: a row for each map of S2, a column for each map of C3.
TABLE_I = """
    X . . . X X X . . X X X X . X X
    X X . . . X X X . . X X X X . X
    X X X . . . X X X . . X . X X X
    . X X X . . X X X X . . X . X X
    . . X X X . . X X X X . X X . X
    . . . X X X . . X X X X . X X X
"""
CONNECTED = torch.tensor([[mark == "X" for mark in row.split()] for row in TABLE_I.strip().splitlines()]).T  # (16, 6)


class PublishedLeNet(nn.Module):
    """The network of 1998, unit by unit: C3 with zeros for missing connections, S2 and S4 from four pixels each."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = nn.ParameterList([nn.Parameter(torch.empty(6)), nn.Parameter(torch.empty(6))])
        self.c3 = nn.Conv2d(6, 16, 5)
        self.s4 = nn.ParameterList([nn.Parameter(torch.empty(16)), nn.Parameter(torch.empty(16))])
        self.c5 = nn.Linear(400, 120)
        self.f6 = nn.Linear(120, 84)
        self.codes = torch.empty(10, 84)

    @staticmethod
    def squash(x: Tensor) -> Tensor:
        e = torch.exp(4 / 3 * x)
        return 1.7159 * (e - 1) / (e + 1)

    @staticmethod
    def subsample(x: Tensor, coefficient: Tensor, bias: Tensor) -> Tensor:
        x = x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]
        return torch.einsum("nchw,c->nchw", x, coefficient) + bias[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        x = self.squash(self.subsample(self.squash(self.c1(x)), *self.s2))
        x = self.squash(F.conv2d(x, self.c3.weight * CONNECTED[:, :, None, None], self.c3.bias))
        x = self.squash(self.subsample(x, *self.s4))
        x = self.squash(self.f6(self.squash(self.c5(x.flatten(1)))))
        return torch.stack([-((x - code) ** 2).sum(1) for code in self.codes], dim=1)


def _copy_1998(theirs: PublishedLeNet, ours: nn.Module) -> None:
    theirs.codes = ours.output.codes.clone()
    with torch.no_grad():
        for layer in ("c1", "f6"):
            ours.get_submodule(layer).load_state_dict(theirs.get_submodule(layer).state_dict())
        for layer in ("s2", "s4"):
            coefficient, bias = getattr(theirs, layer)
            ours.get_submodule(layer).coefficient.copy_(coefficient[:, None, None])
            ours.get_submodule(layer).bias.copy_(bias[:, None, None])
        # The six first columns of the table, the next nine, the last. Their order inside a column is ours: cyclic.
        wrapped = {3: (3, 4, 5), 4: (4, 5, 0), 5: (5, 0, 1), 9: (3, 4, 5, 0), 10: (4, 5, 0, 1), 11: (5, 0, 1, 2)}
        for conv, columns in ((ours.c3.threes, range(6)), (ours.c3.fours, range(6, 15)), (ours.c3.six, [15])):
            for row, column in enumerate(columns):
                maps = wrapped.get(column) or CONNECTED[column].nonzero().flatten().tolist()
                conv.weight[row].copy_(theirs.c3.weight[column, list(maps)])
                conv.bias[row].copy_(theirs.c3.bias[column])
        ours.c5.weight.copy_(theirs.c5.weight.reshape(120, 16, 5, 5))
        ours.c5.bias.copy_(theirs.c5.bias)


def mlp(*sizes: int) -> nn.Module:
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


REFERENCES = {
    # C1 + C3 + C5 + F6 + output. Parameters as the lectures and the paper's table count them.
    "lenet5": Reference(
        61_706, 117_600 + 240_000 + 48_000 + 10_080 + 840, lambda: lenet(5), "by hand, layer by layer; the lectures"
    ),
    "lenet5_28": Reference(
        44_426, 86_400 + 153_600 + 30_720 + 10_080 + 840, lambda: lenet(4), "by hand, layer by layer; the lectures"
    ),
    "lenet5_1998": Reference(
        60_000,
        117_600 + 150_000 + 48_000 + 10_080,
        PublishedLeNet,
        "section II.B: '60,000 trainable free parameters'; C3 has 60 kernels of 25 weights",
        copy=_copy_1998,
    ),
    "mlp_mnist": Reference(109_386, 109_386 - 202, lambda: mlp(784, 128, 64, 10), "the lectures: 109,386"),
    "mlp_cifar10": Reference(
        6_246_410, 6_246_410 - 2_826, lambda: mlp(3072, 1536, 768, 384, 128, 10), "the lectures: 6,246,410"
    ),
}


def _lenet_without_activation(model: nn.Module, x: Tensor) -> Tensor:
    x = model.s4(model.c3(model.s2(model.activation(model.c1(x)))))
    return model.output(model.activation(model.f6(model.activation(model.c5(x)).flatten(1))))


def _mlp_relu_on_logits(model: nn.Module, x: Tensor) -> Tensor:
    x = x.flatten(1)
    for layer in model.hidden:
        x = F.relu(layer(x))
    return F.relu(model.output(x))


def _mlp_columns_first(model: nn.Module, x: Tensor) -> Tensor:
    return type(model).forward(model, x.transpose(2, 3))


def _no_squash_after_subsampling(model: nn.Module, x: Tensor) -> Tensor:
    x = model.s4(model.squash(model.c3(model.s2(model.squash(model.c1(x))))))
    return model.output(model.squash(model.f6(model.squash(model.c5(x)).flatten(1))))


def _swap_two_maps_of_c3(c3: nn.Module) -> None:
    """The kernels of the fourth and the fifth map read each other's maps."""
    for tensor in (c3.threes.weight, c3.threes.bias):
        tensor.data[[3, 4]] = tensor.data[[4, 3]]


FAULTS = {
    "lenet5": {
        "max pooling": lambda m: setattr(m, "s2", nn.MaxPool2d(2)),
        "relu for tanh": lambda m: setattr(m, "activation", nn.ReLU()),
        "no activation after C3": lambda m: swap_forward(m, _lenet_without_activation),
    },
    "lenet5_1998": {
        "two columns of the table swapped": lambda m: _swap_two_maps_of_c3(m.c3),
        "average for the sum": lambda m: m.s4.coefficient.data.div_(4),
        "plain tanh": lambda m: setattr(m, "squash", nn.Tanh()),
        "no squashing after S2 and S4": lambda m: swap_forward(m, _no_squash_after_subsampling),
        "distances not squared": lambda m: swap_forward(m.output, lambda rbf, x: -torch.cdist(x, rbf.codes)),
        "one bit of a code": lambda m: m.output.codes[0, :1].neg_(),
    },
    "mlp_mnist": {
        "relu on the logits": lambda m: swap_forward(m, _mlp_relu_on_logits),
        "pixels by column": lambda m: swap_forward(m, _mlp_columns_first),
    },
}


def test_parameters_and_connections_that_the_paper_prints():
    """Section II.B, layer by layer; a connection is an input of a unit, or its bias."""
    model = create_on_meta("lenet5_1998")
    params = {name: sum(p.numel() for p in layer.parameters()) for name, layer in model.named_children()}
    wanted = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164}
    assert {name: count for name, count in params.items() if count} == wanted
    assert sum(wanted.values()) == 60_000
    sizes = {"c1": 28 * 28, "c3": 10 * 10, "c5": 1, "f6": 1}
    connections = {name: count * sizes[name] for name, count in wanted.items() if name in sizes}
    connections |= {"s2": 6 * 14 * 14 * 5, "s4": 16 * 5 * 5 * 5, "output": 840}
    assert (connections["c1"], connections["c3"]) == (122_304, 151_600)
    assert (connections["s2"], connections["s4"]) == (5_880, 2_000)
    assert sum(connections.values()) == 340_908


def test_c3_reads_what_table_i_says():
    c3 = cnnlab.create_model("lenet5_1998").c3
    one_map_each = torch.eye(6)[:, :, None, None].expand(6, 6, 5, 5)  # picture i has ones in map i alone
    changed = c3(one_map_each) != c3(torch.zeros(1, 6, 5, 5))  # (6, 16, 1, 1)
    assert torch.equal(changed[:, :, 0, 0].T, CONNECTED)


def test_squashing_maps_one_to_one_and_bends_most_there():
    """Appendix A: f(1) = 1, f(-1) = -1, the second derivative is largest at 1."""
    squash = cnnlab.create_model("lenet5_1998").squash
    x = torch.linspace(0, 3, 301, dtype=torch.float64)
    y = squash(x)
    assert y[100].item() == pytest.approx(1, abs=1e-4)
    assert squash(-x[100]).item() == pytest.approx(-1, abs=1e-4)
    assert x[1:-1][y.diff().diff().abs().argmax()].item() == pytest.approx(1, abs=0.02)


def test_codes_are_fixed_and_the_nearest_has_the_largest_output():
    first, second = (cnnlab.create_model("lenet5_1998", num_classes=26).output for _ in range(2))
    assert torch.equal(first.codes, second.codes)
    assert set(first.codes.unique().tolist()) == {-1.0, 1.0}
    assert len(first.codes.unique(dim=0)) == 26
    assert "output.codes" in cnnlab.create_model("lenet5_1998").state_dict()
    noisy = first.codes + 0.3 * torch.randn(26, 84)
    assert torch.equal(first(noisy).argmax(1), torch.arange(26))
    assert not list(first.parameters())


def test_initial_values_of_1998():
    """Appendix A: uniform in +-2.4 / F with F the inputs of the unit."""
    model = cnnlab.create_model("lenet5_1998")
    for layer, inputs in (
        (model.c1, 25),
        (model.c3.threes, 75),
        (model.c3.fours, 100),
        (model.c5, 400),
        (model.f6, 120),
    ):
        assert layer.weight.abs().max().item() == pytest.approx(2.4 / inputs, rel=0.05)
    assert model.s4.coefficient.abs().max() <= 0.6
