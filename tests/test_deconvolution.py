"""Deconvolution: the transpose by inner products, switches, each rule by hand; and what a stride folds."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.explain import Projection, deconvolution, folded_share, project_down

pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def net(relu: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """0 conv, 1 ReLU, 2 pool, 3 conv with stride, 4 ReLU, then a head that must not matter."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(
            *(nn.Conv2d(3, 6, 3, padding=1), relu(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 5, 3, 2, padding=1), relu()),
            *(nn.Flatten(), nn.Linear(5 * 9, 4), nn.Tanh()),
        )


X = drawn(2, 3, 12, 12, seed=1)


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(3, 4, 3, bias=False),),
        (nn.Conv2d(3, 4, 5, stride=3, padding=2, bias=False),),
        (nn.Conv2d(3, 6, 3, padding=2, dilation=2, groups=3, bias=False), nn.Conv2d(6, 2, 2, 2, bias=False)),
        (nn.Conv2d(3, 4, 3, bias=False), nn.AvgPool2d(3, 2)),
        (nn.MaxPool2d(3, 2, ceil_mode=True),),
    ],
    ids=["one", "stride", "groups and dilation", "average", "overlapping pool"],
)
def test_it_is_the_transpose(layers: tuple[nn.Module, ...]) -> None:
    """<A x, y> = <x, A' y> for every y; a max pool is linear once its switches are fixed to those of x."""
    model = nn.Sequential(*layers).double()
    x = X.double()
    up = model(x).detach()
    y = drawn(*up.shape, seed=2).double()
    down = project_down(model, x, str(len(layers) - 1), y)
    torch.testing.assert_close((up * y).sum(), (x * down).sum())


def test_a_switch_puts_the_largest_back_where_it_came_from() -> None:
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 1, 0], x[0, 0, 0, 3], x[0, 0, 2, 2], x[0, 0, 3, 1] = 5.0, 6.0, 7.0, 8.0
    model = nn.Sequential(nn.MaxPool2d(2), nn.ReLU())
    up = model(x)
    assert up.flatten().tolist() == [5, 6, 8, 7]
    assert torch.equal(project_down(model, x, "0", up), x)
    # Windows that overlap may have the same largest; it gets what all of them send down.
    model = nn.Sequential(nn.MaxPool2d(3, 1))
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 1, 2] = 1.0
    assert project_down(model, x, "0", torch.ones(1, 1, 2, 2))[0, 0, 1, 2] == 4


@pytest.mark.parametrize("rule", ["deconvolution", "gradient", "guided"])
def test_each_rule_by_hand(rule: str) -> None:
    model = net()
    conv1, _, _, conv2, _ = model[:5]
    before1 = conv1(X)
    pooled, switches = F.max_pool2d(F.relu(before1), 2, return_indices=True)
    before2 = conv2(pooled)
    signal = drawn(*before2.shape, seed=4)

    def rectified(down: Tensor, before: Tensor) -> Tensor:
        down = down if rule == "gradient" else F.relu(down)
        return down if rule == "deconvolution" else down * (before > 0)

    down = rectified(signal, before2)
    down = F.conv_transpose2d(down, conv2.weight, stride=2, padding=1, output_padding=1)
    down = F.max_unpool2d(down, switches, 2)
    down = F.conv_transpose2d(rectified(down, before1), conv1.weight, padding=1)
    torch.testing.assert_close(project_down(model, X, "4", signal, rule=rule), down.detach())


@pytest.mark.parametrize("relu", [nn.ReLU, nn.ReLU6])
def test_the_gradient_is_autograds(relu: type[nn.Module]) -> None:
    model = net(relu)
    x = (4 * X).requires_grad_(True)
    out = model[:5](x)
    signal = drawn(*out.shape, seed=4)
    (wanted,) = torch.autograd.grad(out, x, signal)
    torch.testing.assert_close(project_down(model, 4 * X, "4", signal, rule="gradient"), wanted)


class Written(nn.Module):
    """The same network with its ReLUs called in some other way."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.layers, self.way = net(), way
        self.last = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        relu = {
            "function": F.relu,
            "torch": torch.relu,
            "method": lambda t: t.relu(),
            "in place": lambda t: F.relu(t, inplace=True),
            "by name": lambda t: F.relu(input=t),
            "ReLU6": nn.ReLU6(),
            "relu6": F.relu6,
            "hardtanh": lambda t: F.hardtanh(t, max_val=6.0, min_val=0.0),
        }[self.way]
        x = self.layers[2](relu(self.layers[0](x)))
        return self.last(relu(self.layers[3](x)))


@pytest.mark.parametrize("way", ["function", "torch", "method", "in place", "by name", "ReLU6", "relu6", "hardtanh"])
def test_every_way_to_call_a_relu_is_noticed(way: str) -> None:
    signal = drawn(2, 5, 3, 3, seed=4)
    torch.testing.assert_close(project_down(Written(way), X, "last", signal), project_down(net(), X, "4", signal))


def test_the_strongest_unit_is_found_and_nothing_outside_its_field_is_shown() -> None:
    model = net()
    maps = model[:5](X).detach()
    found = deconvolution(model, X, "4", 1)
    assert isinstance(found, Projection) and found.channel == (1, 1) and found.picture.shape == X.shape
    for i, (row, column) in enumerate(found.place):
        assert found.answer[i] == maps[i, 1].max() == maps[i, 1, row, column]
        seen = torch.zeros(12, 12, dtype=torch.bool)  # two pixels a place, 3 x 3 of stride 2, 3 x 3 below the pool
        top, left = (4 * at - 3 for at in (row, column))
        seen[max(0, top) : top + 8, max(0, left) : left + 8] = True
        assert found.picture[i][:, ~seen].abs().max() == 0 < found.picture[i].abs().max()
    free = deconvolution(model, X, "4")
    assert free.channel == tuple(maps.amax((2, 3)).argmax(1).tolist())


@pytest.mark.parametrize("around", ["no_grad", "inference", "frozen", "training"])
def test_it_is_the_same_whatever_is_around_it(around: str) -> None:
    wanted = deconvolution(net(), X, "4").picture
    model = net()
    if around == "frozen":
        model.requires_grad_(False)
    model.train(around == "training")
    with torch.inference_mode(around == "inference"), torch.set_grad_enabled(around != "no_grad"):
        torch.testing.assert_close(deconvolution(model, X, "4").picture, wanted)
    assert model.training is (around == "training") and not model[4]._forward_hooks
    assert all(p.grad is None for p in model.parameters())
    assert torch.relu(torch.tensor(-1.0, requires_grad=True)).grad_fn.name().startswith("Relu")  # nothing stays behind


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: deconvolution(net(), X, "4", 5), r"channel=5 must be a whole number in 0..4, or None"),
        (lambda: deconvolution(net(), X, "9"), r"layer='9' is not known"),
        (lambda: deconvolution(net(), X, "6"), r"layer='6' gives \(2, 4\): maps"),
        (lambda: deconvolution(net(), X, "4", rule="deconv"), r"rule='deconv' is not known. Did you mean 'deconv"),
        (
            lambda: deconvolution(net(), X - 1e3 * net()[0].weight.sum((2, 3)).sign()[0].view(3, 1, 1), "1", 0),
            "nowhere",
        ),
        (lambda: project_down(net(), X, "4", torch.ones(2, 5, 2, 2)), r"signal has shape \(2, 5, 2, 2\) and layer='4'"),
        (
            lambda: deconvolution(nn.Sequential(nn.Conv2d(3, 2, 3), nn.SiLU()), X, "1"),
            r"rule='deconvolution' is about ReLU, and on the way to '1' there is silu: take rule=\"gradient\"",
        ),
    ],
)
def test_bad_input_is_one_line(call, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_folded_share_counts_waves_above_the_limit() -> None:
    places = torch.arange(64.0)
    for turns, at_two, at_four in ((0.05, 0, 0), (0.2, 0, 1), (0.4, 1, 1)):
        wave = torch.sin(2 * torch.pi * turns * places).expand(2, 1, 64, 64)
        for maps in (wave, wave.mT + 3):
            assert folded_share(maps, 2).item() == pytest.approx(at_two, abs=1e-3)
            assert folded_share(maps, 4).item() == pytest.approx(at_four, abs=1e-3)
    noise = drawn(20, 2, 64, 64)
    assert folded_share(noise, 4).tolist() == pytest.approx([15 / 16] * 2, abs=0.02)
    assert folded_share(noise, 1).tolist() == [0, 0] and folded_share(torch.ones(1, 1, 8, 8), 2).isnan().all()
    with pytest.raises(ValueError, match="stride=0 is not allowed"):
        folded_share(noise, 0)
    with pytest.raises(ValueError, match=r"maps=\(64, 64\), torch.float32: maps \(N, K, H, W\)"):
        folded_share(noise[0, 0], 2)


def test_other_activations_have_a_gradient() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.SiLU())
    assert deconvolution(model, X, "1", rule="gradient").picture.shape == X.shape
