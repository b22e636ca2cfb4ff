"""cnnlab.compress: masks that hold, channels that go, codebooks, Huffman codes, files that are read back, rounding."""

from __future__ import annotations

import copy
import math
import struct
import zlib

import numpy
import pytest
import torch
from torch import nn

import cnnlab
from cnnlab import compress
from cnnlab.data import load_dataset


@pytest.fixture(autouse=True)
def quiet_streams():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def small(norm: bool = False) -> nn.Sequential:
    """Two convolutions and two dense layers, with a batch norm between the convolutions or without."""
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6) if norm else nn.Identity(), nn.ReLU()),
        *(nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(8 * 16, 12), nn.ReLU(), nn.Linear(12, 10)),
    )
    if norm:
        net[1].running_mean.normal_()
        net[1].running_var.uniform_(0.5, 2)
        nn.init.normal_(net[1].weight)
    return net.eval()


# --- pruning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["network", "layer"])
def test_the_smallest_weights_go_and_as_many_as_asked(scope):
    net = small()
    before = {name: m.weight.detach().clone() for name, m in net.named_modules() if hasattr(m, "weight")}
    masks = compress.prune(net, 0.75, scope=scope)
    total = sum(w.numel() for w in before.values())
    assert abs(masks.share - 0.75) < 4 / total and masks.share == compress.zeros(net)
    for name, w in before.items():
        kept = masks.kept[name]
        assert torch.equal(net.get_submodule(name).weight, w * kept)
        if scope == "layer":
            assert kept.sum() == w.numel() - round(0.75 * w.numel())
            assert w[kept].abs().min() >= w[~kept].abs().max()
    if scope == "network":
        largest = max(w[~masks.kept[n]].abs().max() for n, w in before.items())
        assert min(w[masks.kept[n]].abs().min() for n, w in before.items()) >= largest
        assert len({round(float(m.float().mean()), 3) for m in masks.kept.values()}) > 1


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_masks_hold_while_it_trains(optimizer):
    net, digits = small(), load_dataset("digits").subset(train=64, test=10, seed=0)
    net[6] = nn.Linear(8 * 16, 12)
    masks = compress.prune(net, 0.8)
    before = net[0].weight.detach().clone()
    cnnlab.fit(net, digits, epochs=1, batch_size=16, optimizer=optimizer, lr=0.05, callbacks=[masks], progress=False)
    for name, kept in masks.kept.items():
        assert not net.get_submodule(name).weight[~kept].any()
    assert not torch.equal(net[0].weight, before) and abs(compress.zeros(net) - masks.share) < 0.01
    free, fresh = small(), compress.prune(small(), 0.8)
    fresh.apply(free)
    cnnlab.fit(free, digits, epochs=1, batch_size=16, lr=0.05, progress=False)
    assert compress.zeros(free) < 0.4, "without the callback they grow back"


def test_iterative_takes_the_same_share_of_what_is_left():
    net, left = small(), []
    compress.iterative(net, 0.875, lambda masks: left.append(1 - masks.share), rounds=3, layers=["0", "3"])
    assert left == pytest.approx([0.5, 0.25, 0.125], abs=0.002)
    assert compress.zeros(net, ["6", "8"]) == 0
    assert compress.iterative(small(), 0.5, lambda masks: masks.share, rounds=1) == pytest.approx([0.5], abs=0.001)


# --- channels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [False, True])
def test_what_is_left_answers_as_if_the_channels_were_not_read(norm):
    net, x = small(norm), torch.randn(3, 1, 8, 8)
    narrow = compress.remove_channels(net, {"0": 0.5, "3": 0.25, "6": 1 / 3}, x)
    assert [narrow[i].weight.shape[0] for i in (0, 3, 6, 8)] == [3, 6, 8, 10]
    assert narrow[6].in_features == narrow[6].weight.shape[1] == 6 * 16
    silent = copy.deepcopy(net)
    with torch.no_grad():
        for i, following, each in ((0, 3, 1), (3, 6, 16), (6, 8, 1)):
            size = net[i].weight.flatten(1).abs().sum(1)
            for channel in size.argsort()[: len(size) - len(narrow[i].weight)].tolist():
                silent[following].weight[:, channel * each : (channel + 1) * each] = 0
        assert torch.allclose(narrow(x), silent(x), atol=1e-5)
    assert net[0].weight.shape[0] == 6, "the given network stays"


def test_lenet_becomes_an_ordinary_smaller_network():
    net = cnnlab.create_model("lenet5")
    narrow = compress.remove_channels(net, 0.5, torch.randn(2, 1, 32, 32))
    assert [narrow.c1.out_channels, narrow.c3.out_channels, narrow.c5.out_channels] == [3, 8, 60]
    counted = cnnlab.summarize(narrow)
    assert counted.params == 3 * 26 + 8 * 76 + 60 * 201 + 42 * 61 + 10 * 43
    assert 3 < cnnlab.summarize(net).macs / counted.macs < 4


def test_branches_and_shortcuts_are_refused():
    for name in ("squeezenet1_1", "resnet20_cifar"):
        net = cnnlab.create_model(name, num_classes=4)
        with pytest.raises(ValueError, match=r"one (behind another|layer at a time)"):
            compress.remove_channels(net, 0.5, torch.randn(1, 3, 32, 32))


# --- codebooks ------------------------------------------------------------------------------------------------------


def test_kmeans_ends_where_no_center_moves():
    values = torch.randn(2000)
    centers, nearest = compress.kmeans(values, 8)
    assert torch.equal(nearest, (values[:, None] - centers).abs().argmin(1))
    means = torch.stack([values[nearest == k].mean() for k in range(8)])
    assert torch.allclose(means, centers, atol=1e-5)
    start = torch.linspace(values.min(), values.max(), 8)
    error = ((values - centers[nearest]) ** 2).mean()
    assert error < ((values[:, None] - start).abs().amin(1) ** 2).mean()
    few, own = compress.kmeans(torch.tensor([3.0, 1.0, 3.0]), 2)
    assert few.tolist() == [1, 3] and own.tolist() == [1, 0, 1]


def test_a_shared_number_moves_by_the_sum_of_its_gradients():
    layer = nn.Sequential(nn.Linear(6, 5))
    compress.prune(layer, 0.3)
    books = compress.share_weights(layer, 2)
    plain = layer[0].weight.detach().clone().requires_grad_()
    x, y = torch.randn(7, 6), torch.randn(7, 5)
    ((x @ plain.T + layer[0].bias.detach() - y) ** 2).sum().backward()
    ((layer(x) - y) ** 2).sum().backward()
    book = layer[0].parametrizations.weight.original
    assert len(book) == 3 and torch.equal(book, books["0"])
    wanted = torch.stack([plain.grad[plain == value].sum() for value in book])
    assert torch.allclose(book.grad, wanted, atol=1e-5)
    zero = plain == 0
    torch.optim.SGD(layer.parameters(), lr=0.01).step()
    compress.settle(layer)
    moved = layer[0].weight
    assert isinstance(moved, nn.Parameter) and moved.shape == (5, 6) and not moved[zero].any()
    for value, grad in zip(books["0"], wanted, strict=True):
        assert torch.allclose(moved[plain == value], value - 0.01 * grad, atol=1e-6)
    moved.sum().backward()


def test_codebooks_train_in_fit_and_settle_to_what_they_say():
    net, digits = small(), load_dataset("digits").subset(train=64, test=10, seed=0)
    compress.share_weights(net, {"3": 2, "6": 3})
    cnnlab.fit(net, digits, epochs=1, batch_size=16, optimizer="adam", progress=False)
    x = torch.randn(2, 1, 8, 8)
    said = net(x)
    assert torch.equal(compress.settle(net)(x), said)
    assert [len(net[i].weight.unique()) for i in (3, 6)] == [4, 8]
    assert len(net[0].weight.unique()) > 8


# --- Huffman --------------------------------------------------------------------------------------------------------


def test_code_lengths_are_the_shortest_and_leave_no_room():
    assert compress.code_lengths([5, 9, 12, 13, 16, 45]) == [4, 4, 3, 3, 3, 1]
    assert compress.code_lengths([0, 7, 0]) == [0, 1, 0] and compress.code_lengths([]) == []
    counts = numpy.random.default_rng(0).geometric(0.2, 3000)
    counts = numpy.bincount(counts)
    lengths = numpy.array(compress.code_lengths(counts.tolist()))
    assert sum(2.0 ** -lengths[counts > 0]) == 1
    p = counts[counts > 0] / counts.sum()
    mean, entropy = float((p * lengths[counts > 0]).sum()), float(-(p * numpy.log2(p)).sum())
    assert entropy <= mean < entropy + 1


@pytest.mark.parametrize(
    "symbols", [[], [3], [5] * 40, [0, 1] * 9, list(range(300)), numpy.random.default_rng(1).geometric(0.3, 999)]
)
def test_huffman_there_and_back(symbols):
    data = compress.encode(symbols)
    assert compress.decode(data).tolist() == list(symbols)
    if len(symbols) > 10:
        with pytest.raises(ValueError, match=r"after \d+ of \d+ symbols"):
            compress.decode(data[: -1 - len(data) // 8])
    counts = numpy.bincount(symbols) if len(symbols) else []
    bits = sum(n * length for n, length in zip(counts, compress.code_lengths(list(counts)), strict=True))
    assert len(data) == 6 + len(counts) + math.ceil(bits / 8)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", compress.FORMS)
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_file_gives_back_the_equal_network(form, share, tmp_path):
    net = small(norm=True)
    compress.prune(net, share, scope="layer")
    compress.share_weights(net, 4, layers=["0", "3", "6"])
    wanted = compress.settle(copy.deepcopy(net))
    size = compress.write(net, tmp_path / "net", form, distance_bits=3)
    assert size.total == (tmp_path / "net").stat().st_size
    assert size.total == size.weights + size.distances + size.codebooks + size.rest + size.head
    torch.manual_seed(1)
    found = compress.read(tmp_path / "net", small(norm=True))
    for (name, a), b in zip(found.state_dict().items(), wanted.state_dict().values(), strict=True):
        assert torch.equal(a, b) and a.dtype == b.dtype, name
    if form == "raw":
        assert size.weights == 4 * sum(m.weight.numel() for m in wanted if isinstance(m, nn.Conv2d | nn.Linear))
    if form != "raw" and share:
        assert size.distances > 0
    assert (size.codebooks > 0) == (form in ("shared", "huffman"))


def test_sizes_by_hand():
    """Ten weights, of which three are left: distances 1, 1 and 6, the last with a zero between where it has 2 bits."""
    net = nn.Sequential(nn.Linear(10, 1, bias=False))
    net[0].weight.data = torch.tensor([[2.0, 2, 0, 0, 0, 0, 0, 5, 0, 0]])
    sizes = {form: compress.size_on_disk(net, form, distance_bits=2) for form in compress.FORMS}
    assert sizes["raw"].weights == 40 and sizes["raw"].distances == 0
    assert (sizes["sparse"].weights, sizes["sparse"].distances) == (4 * 4, 1)  # 2, 2, a zero, 5; four times 2 bits
    assert (sizes["shared"].weights, sizes["shared"].codebooks) == (1, 12)  # 0, 2, 5: 2 bits each
    wide = compress.size_on_disk(net, "sparse", distance_bits=5)
    assert (wide.weights, wide.distances) == (3 * 4, 2)


def test_each_step_of_the_pipeline_takes_bytes_off():
    net = cnnlab.create_model("lenet5")
    masks = compress.prune(net, 0.9)
    compress.share_weights(net, 4)
    totals = [compress.size_on_disk(net, form).total for form in compress.FORMS]
    assert totals == sorted(totals, reverse=True) and totals[0] > 15 * totals[-1]
    left = sum(int(m.sum()) for m in masks.kept.values())
    assert compress.size_on_disk(net, "sparse").weights >= 4 * left


def test_what_is_no_such_file_is_refused(tmp_path):
    path = tmp_path / "net"
    compress.write(small(), path)
    data = path.read_bytes()
    for broken in (b"", b"x" * 100, data[:30], data[:-5], data[:40] + bytes(20) + data[60:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="is no whole file of cnnlab.compress.write"):
            compress.read(path, small())
    evil = zlib.compress(b'[{"name": "0.weight", "shape": [1], "type": "load", "parts": [["rest", 4]]}]')
    path.write_bytes(b"cnnlab compressed 1\n" + struct.pack("<I", len(evil)) + evil + bytes(4))
    with pytest.raises(ValueError, match="is no whole file"):
        compress.read(path, small())
    path.write_bytes(data)
    with pytest.raises(ValueError, match="model is not built like the network"):
        compress.read(path, small(norm=True))


# --- rounding -------------------------------------------------------------------------------------------------------


def test_rounding_is_that_of_whole_numbers():
    net = small()
    for per in ("tensor", "channel"):
        rounded = compress.quantize(net, 4, per=per)
        for i in (0, 3, 6, 8):
            w, found = net[i].weight.detach(), rounded[i].weight.detach()
            each = w.flatten(1).abs().amax(1).view(-1, *[1] * (w.dim() - 1))
            scale = (w.abs().max() if per == "tensor" else each) / 7
            assert torch.allclose(found, scale * (w / scale).round(), atol=1e-6)
            if per == "tensor":
                assert len(found.unique()) <= 15
    assert compress.zeros(net) == 0 and not rounded[0]._forward_pre_hooks


def test_what_a_layer_reads_is_rounded_too():
    net, x = small(), torch.randn(20, 1, 8, 8)
    seen = {}
    errors = []
    for bits in (4, 8, 12):
        rounded = compress.quantize(net, bits, calibration=x)
        rounded[3].register_forward_pre_hook(lambda _, inputs, bits=bits: seen.update({bits: inputs[0]}))
        with torch.no_grad():
            errors.append(float((rounded(x) - net(x)).abs().mean()))
            between = rounded(torch.zeros(1, 1, 8, 8))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-2
    assert len(seen[4].unique()) <= 16 and seen[4].min() == 0
    assert torch.isfinite(between).all()


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda net: compress.prune(net, 1.0), r"share=1.0 must be a number from 0 to below 1.*0\.9 leaves a tenth"),
        (lambda net: compress.prune(net, 0.5, layers=["1"]), r"layers='1' is not known"),
        (lambda net: compress.prune(net, 0.5, scope="all"), r"scope='all' is not known"),
        (lambda net: compress.prune(nn.ReLU(), 0.5), r"ReLU has no convolution and no dense layer"),
        (lambda net: compress.iterative(net, 0.5, print, rounds=0), r"rounds=0 is not allowed"),
        (lambda net: compress.prune(net, 0.5).apply(small()[:4]), r"layers='6' is not known"),
        (lambda net: compress.remove_channels(net, {"8": 0.5}, torch.zeros(1, 1, 8, 8)), r"share names '8'.*0, 3, 6"),
        (lambda net: compress.share_weights(net, 9), r"bits=9 must be a whole number of bits from 1 to 8"),
        (lambda net: [compress.share_weights(net, 2) for _ in range(2)], r"shares its weights already; call settle"),
        (lambda net: compress.kmeans(torch.zeros(2, 2), 2), r"values has the shape \(2, 2\)"),
        (lambda net: compress.encode([-1]), r"whole numbers from 0"),
        (lambda net: compress.encode([70_000]), r"largest allowed is 65,534"),
        (lambda net: compress.code_lengths([1, -1]), r"negative number"),
        (lambda net: compress.decode(b"ab"), r"data has 2 bytes"),
        (lambda net: compress.size_on_disk(net, "zip"), r"form='zip' is not known"),
        (lambda net: compress.size_on_disk(net, distance_bits=0), r"distance_bits=0 must be .* from 1 to 16"),
        (lambda net: compress.quantize(net, 1), r"bits=1 must be .* from 2 to 16"),
        (lambda net: compress.quantize(net, per="row"), r"per='row' is not known"),
    ],
)
def test_errors_say_what_is_allowed(call, said):
    with pytest.raises(ValueError, match=said):
        call(small())
