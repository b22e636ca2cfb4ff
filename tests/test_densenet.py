"""Dense networks of the chapter: what reads what, what a cut link takes away, and whom the gradient reaches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from cnnlab.chapters.densenet.reading import links, losses, weights
from cnnlab.chapters.densenet.small import KINDS, small
from cnnlab.models.densenet import DenseNet, DenseNetVariant


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def plain(layers: int = 3) -> DenseNet:
    variant = DenseNetVariant(layers=(layers,) * 2, growth=2, stem=5, bottleneck=False, compression=1, small_input=True)
    return DenseNet(variant, num_classes=4, in_channels=1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_halves_twice_and_answers(kind):
    net = small(kind, 4, blocks=3, depth=2, in_channels=1, classes=7)
    assert net(torch.randn(2, 1, 16, 16)).shape == (2, 7)
    with pytest.raises(ValueError, match="kind"):
        small("densely", 4)
    with pytest.raises(ValueError, match="depth=3"):
        small("residual", 4, depth=3)


def test_the_direct_network_answers_alike_and_learns_from_its_reader_alone():
    dense, direct = small("dense", 3, blocks=2, depth=3), small("dense, direct", 3, blocks=2, depth=3)
    direct.load_state_dict(dense.state_dict())
    x = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(dense(x), direct(x))
    # In the last block, let the classifier read the last layer's maps alone: then it alone has something to learn.
    for net in (dense, direct):
        with torch.no_grad():
            net.fc.weight[:, :-3] = 0
        net(x).square().sum().backward()
    first = [net.stages.block2[0].conv2.weight.grad.abs().max().item() for net in (dense, direct)]
    last = [net.stages.block2[-1].conv2.weight.grad.abs().max().item() for net in (dense, direct)]
    assert first[0] > 0 and first[1] == 0 and min(last) > 0


@pytest.mark.parametrize("net", [plain(), small("dense", 2, blocks=2, depth=3, in_channels=1, classes=4)])
def test_the_links_of_a_block_of_n_layers_are_n_n_plus_1_over_2_and_fill_each_reader(net):
    found = list(links(net))
    inside = [link for link in found if link.block == 0 and link.reader < 3]
    assert len(inside) == 3 * 4 / 2 and len(found) == 2 * (6 + 4)
    for link in found:
        mine = [other for other in found if other.layer is link.layer]
        filled = [channel for own in mine for channel in range(own.maps.start, own.maps.stop)]
        assert filled == list(range(link.layer.weight.shape[1]))


def test_a_weight_that_is_zero_is_not_read_and_cutting_it_loses_nothing():
    net = plain().eval()
    x = torch.randn(16, 1, 8, 8)
    with torch.no_grad():
        for link in links(net):
            if (link.block, link.source) == (0, 1):
                link.layer.weight[:, link.maps] = 0
        answers = net(x).detach()
        read = weights(net)
        fallen = losses(net, lambda: -(net(x) - answers).abs().max().item())
    assert [[len(row) for row in block] for block in read] == [[1, 2, 3, 4]] * 2
    for reader in range(1, 4):
        assert read[0][reader][1] == 0 < read[0][reader][2 if reader > 1 else 0]
        assert fallen[0][reader][1] < 1e-6 < fallen[0][reader][0]
    torch.testing.assert_close(net(x), answers)
