"""Looking inside: maps and kernels as they are, Grad-CAM by its equations, occlusion by hand, a check that can fail."""

from __future__ import annotations

import contextlib

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.explain import (
    activations,
    filters,
    grad_cam,
    last_maps,
    occlusion,
    randomized,
    rank_correlation,
    sanity_check,
)
from cnnlab.transfer import freeze

pytestmark = pytest.mark.usefixtures("one_thread")


class Net(nn.Module):
    """A convolution, an activation that may work in place, a second one, an average, a dense layer."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv1, self.act1 = nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace)
        self.conv2, self.act2 = nn.Conv2d(6, 8, 3, 2, padding=1), nn.ReLU(inplace)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.conv1(x))
        x = self.act2(self.conv2(x))
        return self.fc(x.mean(dim=(2, 3)))


def net(inplace: bool = False, seed: int = 0) -> Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Net(inplace)


X = torch.randn(3, 3, 12, 10, generator=torch.Generator().manual_seed(1))


def by_hand(model: Net, x: Tensor, target: int) -> Tensor:
    """For a convolution before an average and a dense layer the equations can be solved: the weights are known."""
    maps = model.conv2(F.relu(model.conv1(x)))
    speaks = model.fc.weight[target] / (maps.shape[2] * maps.shape[3])
    weights = (speaks[None, :, None, None] * (maps > 0)).mean(dim=(2, 3), keepdim=True)
    found = (weights * maps).sum(dim=1, keepdim=True)
    return F.interpolate(found, size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0].detach()


def test_grad_cam_is_equations_1_and_2():
    model = net()
    torch.testing.assert_close(grad_cam(model, X, 2, layer="conv2", relu=False), by_hand(model, X, 2))


@pytest.mark.parametrize("around", ["no_grad", "inference_mode", "frozen", "in place", "training", "inference tensor"])
def test_grad_cam_is_the_same_whatever_is_around_it(around: str):
    wanted = grad_cam(net(), X, 2, layer="conv2", relu=False)
    model, x, context = net(around == "in place"), X, contextlib.nullcontext()
    if around in ("no_grad", "inference_mode"):
        context = getattr(torch, around)()
    elif around == "frozen":
        freeze(model, until="fc")
        model.requires_grad_(False)
    elif around == "training":
        model.train()
    elif around == "inference tensor":
        with torch.inference_mode():
            x = X.clone()
    mode = model.training
    with context:
        found = grad_cam(model, x, 2, layer="conv2", relu=False)
    torch.testing.assert_close(found, wanted)
    assert model.training is mode
    assert all(p.grad is None for p in model.parameters()) and not model.conv2._forward_hooks


def test_a_batch_norm_before_tokens_does_not_spoil_a_single_picture():
    """PyTorch 2.11 to 2.15: of one image alone a batch norm gets a wrong gradient there; of two it is right."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.norm(self.conv(x)).flatten(2).transpose(1, 2).contiguous()  # (N, H W, 5)
            return (tokens * torch.arange(tokens.shape[1])[:, None]).sum(dim=1)

    torch.manual_seed(0)
    model = Tokens().requires_grad_(False)
    model.norm.running_var.uniform_(0.5, 2)
    one, two = (grad_cam(model, x, 2, layer="conv", relu=False)[0] for x in (X[:1], X[:2]))
    torch.testing.assert_close(one, two)


def test_each_picture_may_be_asked_about_a_class_of_its_own():
    model = net()
    both = grad_cam(model, X, [0, 2, 4], layer="conv2", relu=False)
    for i, target in enumerate((0, 2, 4)):
        torch.testing.assert_close(both[i : i + 1], grad_cam(model, X[i : i + 1], target, layer="conv2", relu=False))
    best = model(X).argmax(dim=1)
    torch.testing.assert_close(grad_cam(model, X, relu=False), grad_cam(model, X, best, layer="act2", relu=False))


def test_a_blank_is_an_error_and_names_the_way_out():
    model = net()
    with torch.no_grad():
        model.fc.weight[3] = -1.0  # everything speaks against this class
    with pytest.raises(ValueError, match=r"nothing at 'act2' speaks for class 3: its map would be blank.*relu=False"):
        grad_cam(model, X, 3)
    assert (grad_cam(model, X, 3, relu=False) <= 0).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: grad_cam(net(), X, 9), r"target=9 must lie in 0..4"),
        (lambda: grad_cam(net(), X, [1, 2]), r"one for each of 3 pictures"),
        (lambda: grad_cam(net(), X[0], 1), r"x=\(3, 12, 10\): a batch of prepared pictures"),
        (lambda: grad_cam(net(), X, layer="conv3"), r"layer='conv3' is not known. Did you mean 'conv"),
        (lambda: grad_cam(net(), X, layer="fc"), r"layer='fc' gives \(3, 5\): maps \(N, C, H, W\) are needed"),
        (
            lambda: grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(360, 5)), X),
            r"no layer of this Sequential gives",
        ),
        (lambda: occlusion(net(), X, size=4), r"x has 3 pictures: occlusion asks about one"),
        (lambda: occlusion(net(), X[:1], size=10), r"size=10 covers the whole picture of 12 x 10"),
        (lambda: occlusion(net(), X[:1], size=0), r"size=0 is not allowed"),
        (lambda: occlusion(net(), X[:1], 7, size=4), r"target=7 must lie in 0..4"),
        (lambda: filters(net(), "fc"), r"layer='fc' is not known. .*It must be a convolution"),
        (lambda: filters(nn.Linear(2, 2)), r"has no convolution to look at"),
        (lambda: activations(net(), X, ["act3"]), r"layer='act3' is not known"),
        (lambda: rank_correlation(torch.zeros(3), torch.zeros(4)), r"cannot be compared"),
    ],
)
def test_bad_input_is_one_line(call, said: str):
    with pytest.raises(ValueError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_maps_are_those_before_an_activation_in_place():
    model, wanted = net(inplace=True), net()
    with torch.no_grad():
        torch.testing.assert_close(activations(model, X, ["conv1"])["conv1"], wanted.conv1(X))
    assert last_maps(model, X) == "act2"
    with torch.no_grad():
        assert (activations(model, X, ["conv1", "act1"])["act1"] >= 0).all()


def test_kernels_fill_the_range_each_by_itself():
    shown = filters(net())
    assert shown.shape == (6, 3, 3, 3)
    low, high = shown.flatten(1).aminmax(dim=1)
    assert torch.allclose(low, torch.zeros(6)) and torch.allclose(high, torch.ones(6))
    model = net()
    with torch.no_grad():
        model.conv1.weight[0] = 0.5  # a dead one has no range
    assert torch.isfinite(filters(model)).all()


def test_occlusion_by_hand():
    model = net()
    found = occlusion(model, X[:1], 1, size=4, stride=3, fill=0.25, batch_size=5)
    plain = model(X[:1]).softmax(1)[0, 1]
    assert found.plain == pytest.approx(plain.item())
    assert found.probability.shape == (3, 3)
    for row in range(3):
        for column in range(3):
            x = X[:1].clone()
            x[..., 3 * row : 3 * row + 4, 3 * column : 3 * column + 4] = 0.25
            said = model(x).softmax(1)[0]
            assert found.probability[row, column].item() == pytest.approx(said[1].item(), abs=1e-6)
            assert found.best[row, column] == said.argmax()
    pixels = found.per_pixel()
    assert pixels.shape == (12, 10)
    assert pixels[0, 0].item() == pytest.approx(found.drop[0, 0].item())  # one patch alone covered the corner
    assert pixels[3, 3].item() == pytest.approx(found.drop[:2, :2].mean().item(), abs=1e-6)
    assert pixels[11, 0] == 0  # the last place stops before
    steps: list[tuple[int, int]] = []
    occlusion(model, X[:1], size=4, stride=3, batch_size=5, progress=lambda *done: steps.append(done))
    assert steps == [(5, 9), (9, 9)]


def test_a_network_that_reads_one_corner_is_found_out():
    """What both have to find: the class depends on the upper left quarter alone."""

    class Corner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1, bias=False)
            with torch.no_grad():
                self.conv.weight[:] = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            maps = self.conv(x)
            return 5 * maps[:, :, :8, :8].mean(dim=(2, 3))

    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    found = occlusion(Corner(), x, 0, size=4, stride=4)
    inside = torch.zeros(4, 4, dtype=torch.bool)
    inside[:2, :2] = True
    assert (found.drop[inside] > 0.005).all() and (found.drop[~inside].abs() < 1e-6).all()


def test_randomized_goes_from_the_head_down_and_leaves_the_model_alone():
    model = net()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    copies = list(randomized(model))
    assert [name for name, _ in copies] == ["fc", "conv2", "conv1"]
    for i, (_, other) in enumerate(copies):
        changed = {name.split(".")[0] for name, v in other.state_dict().items() if not torch.equal(v, state[name])}
        assert changed == {"fc", "conv2", "conv1"} - {name for name, _ in copies[i + 1 :]}
        for name, value in other.state_dict().items():  # the same numbers in another order
            assert torch.equal(value.flatten().sort().values, state[name].flatten().sort().values)
    alone = [
        {n.split(".")[0] for n, v in o.state_dict().items() if not torch.equal(v, state[n])}
        for _, o in randomized(model, cascading=False)
    ]
    assert alone == [{"fc"}, {"conv2"}, {"conv1"}]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_the_check_tells_a_map_of_the_network_from_one_of_the_picture():
    model = net()
    edges = sanity_check(lambda m: X[0].mean(0).diff(dim=0).abs(), model)
    assert set(edges.values()) == {1.0}
    cams = sanity_check(lambda m: grad_cam(m, X[:1], 2, layer="conv2", relu=False), model)
    assert cams["conv1"] < 0.9


def test_rank_correlation_is_spearmans():
    from scipy.stats import spearmanr

    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        a, b = torch.randint(0, 6, (2, 40), generator=generator).double()
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(torch.arange(5.0), -torch.arange(5.0)) == pytest.approx(-1)


def test_the_pretrained_network_looks_at_the_cat():
    """The cat's face is in the middle right of scikit-image's photo; the wall to the left says nothing."""
    from skimage import data

    model = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet")
    x = model.preprocess(data.cat())[None]
    name = model.classes[model(x).argmax()]
    assert "cat" in name or name == "tabby"
    found = grad_cam(model, x)[0]
    assert found.shape == (224, 224) and found.max() > 0
