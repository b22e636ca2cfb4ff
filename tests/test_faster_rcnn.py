"""Faster R-CNN: its parts against torchvision's with equal weights, its loss by hand, and a training that learns."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

import cnnlab
from cnnlab import detection
from cnnlab.analysis import summarize
from cnnlab.detection import BACKGROUND, NEITHER, Objects, sampled
from cnnlab.meta import on_meta
from cnnlab.models import faster_rcnn, resnet
from cnnlab.models.faster_rcnn import MOVES, PUBLISHED, RPN, SMALL, FasterRCNN, RoIHead

NARROW = replace(SMALL, rpn_channels=8, dense=(6, 6))
SIZE = (48, 64)


def random_objects(count: int = 2, classes: int = 3) -> list[Objects]:
    """One or two in each picture of 48 x 64, and none in the last."""
    boxes = torch.tensor([[4.0, 6, 30, 40], [33, 10, 60, 44]])
    shown = [Objects(boxes[: 1 + n % 2], torch.arange(1 + n % 2) % classes) for n in range(count - 1)]
    return [*shown, Objects.none()]


@pytest.fixture
def network() -> FasterRCNN:
    torch.manual_seed(0)
    return FasterRCNN(NARROW, 3).eval()


def output_of(network: FasterRCNN, pictures: int = 2, spread: float = 1.0):
    """Features of a picture of 48 x 64, and scores and moves of some spread."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(pictures, 128, 6, 8, generator=generator)
    scores, moves = network.rpn(features)
    noise = torch.randn(scores.shape, generator=generator), torch.randn(moves.shape, generator=generator)
    return features, scores + spread * noise[0], moves + 0.3 * spread * noise[1]


def their_weights(ours, theirs) -> None:
    """Equal weights, layer by layer in order."""
    with torch.no_grad():
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            b.copy_(a)


def test_the_rpn_is_torchvisions_with_equal_weights():
    ours, theirs = RPN(16, replace(SMALL, rpn_channels=16)), RPNHead(16, 6)
    their_weights(ours, theirs)
    x = torch.randn(2, 16, 3, 5)
    scores, moves = ours(x)
    ((their_scores,), (their_moves,)) = theirs([x])
    assert torch.allclose(scores.view(2, 3, 5, 6), their_scores.permute(0, 2, 3, 1), atol=1e-6)
    assert torch.allclose(moves.view(2, 3, 5, 24), their_moves.permute(0, 2, 3, 1), atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_proposals_are_torchvisions(network, seed):
    torch.manual_seed(seed)
    features, scores, moves = output_of(network)
    every, size = network.anchors(features)
    assert size == SIZE and len(every) == 6 * 8 * 6 == scores.shape[1]
    count = {"training": NARROW.candidates, "testing": NARROW.candidates}
    most = {"training": NARROW.proposals, "testing": NARROW.proposals}
    theirs = RegionProposalNetwork(AnchorGenerator(), network.rpn, 0.7, 0.3, 64, 0.5, count, most, 0.7).eval()
    boxes = theirs.box_coder.decode(moves.flatten(0, 1), [every, every]).view(2, -1, 4)
    wanted, _ = theirs.filter_proposals(boxes, scores, [SIZE, SIZE], [len(every)])
    found = network.proposals((features, scores, moves))
    assert [len(one) for one in found] == [len(one) for one in wanted] and 10 < len(found[0]) <= 32
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(found, wanted, strict=True))


def test_the_head_is_torchvisions_and_so_is_what_becomes_of_its_answers(network):
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.predictor = TwoMLPHead(128 * 16, 6), FastRCNNPredictor(6, 4)

    ours, theirs = RoIHead(128, NARROW, 3), Theirs()
    torch.nn.init.normal_(ours.move.weight), torch.nn.init.normal_(ours.score.weight)
    layers = theirs.head.fc6, theirs.head.fc7, theirs.predictor.cls_score, theirs.predictor.bbox_pred
    with torch.no_grad():
        for layer, mine in zip(layers, (*ours.dense, ours.score, ours.move), strict=True):
            rows = len(layer.weight) - len(mine.weight)  # theirs moves "nothing" too, and never reads it
            layer.weight.copy_(F.pad(mine.weight, (0, 0, rows, 0)))
            layer.bias.copy_(F.pad(mine.bias, (rows, 0)))
    cut = torch.randn(20, 128, 4, 4)
    scores, moves = ours(cut)
    their_scores, their_moves = theirs.predictor(theirs.head(cut))
    assert torch.allclose(scores, their_scores, atol=1e-5) and torch.allclose(
        moves.flatten(1), their_moves[:, 4:], atol=1e-5
    )

    proposals = [torch.rand(12, 4) * 20, torch.rand(8, 4) * 20]
    for boxes in proposals:
        boxes[:, 2:] += boxes[:, :2] + 4
    tools = RoIHeads(None, None, None, 0.5, 0.5, 32, 0.25, MOVES, 0.05, 0.5, 1000)
    wanted = tools.postprocess_detections(their_scores, their_moves, proposals, [SIZE, SIZE])
    network.proposals, network.ask = lambda output: proposals, lambda *given: (scores, moves)
    for found, boxes, score, label in zip(network.decode(output_of(network)), *wanted, strict=True):
        assert torch.allclose(found.boxes, boxes, atol=1e-3) and torch.allclose(found.scores, score, atol=1e-6)
        assert torch.equal(found.labels, label - 1), "there 0 is nothing, here the first class"
        assert len(found) > 3


def test_equation_1_by_hand(network):
    """Everything is drawn: the sum over all anchors, one by one."""
    network.variant = replace(NARROW, anchors_taught=10_000, proposals_taught=10_000, balance=3.0)
    objects = random_objects(3)
    output = output_of(network, 3)
    features, scores, moves = output
    every, _ = network.anchors(features)
    terms = network.terms(output, objects)
    costs, off = [], 0.0
    for score, move, shown in zip(scores, moves, objects, strict=True):
        taught = []
        overlaps = detection.pairwise(shown.boxes, every)
        for number in range(len(every)):
            column = overlaps[:, number]
            best = column.max().item() if len(column) else 0.0
            rescued = len(column) and bool((column == overlaps.amax(1)).any())
            there = best >= 0.7 or rescued
            if not there and best >= 0.3:
                continue
            p = torch.sigmoid(score[number]).item()
            taught.append(-math.log(p if there else 1 - p))
            if there:
                right = detection.encode(shown.boxes[column.argmax()][None], every[number][None])[0]
                for error in (move[number] - right).abs().tolist():
                    off += 0.5 * error**2 if error < 1 else error - 0.5
        costs.append(sum(taught) / len(taught))
    assert terms.objectness.item() == pytest.approx(sum(costs) / 3, rel=1e-4)
    assert terms.anchors.item() == pytest.approx(3.0 * off / (6 * 8) / 3, rel=1e-4)


def test_the_head_is_taught_nothing_as_its_class_0(network):
    objects = random_objects(3)
    output, asked = output_of(network, 3), []

    def ask(features, proposals):
        asked.extend(proposals)
        count = sum(map(len, proposals))
        return torch.zeros(count, 4), torch.zeros(count, 3, 4)

    network.ask = ask
    terms = network.terms(output, objects)
    assert terms.classes.item() == pytest.approx(math.log(4), rel=1e-5), "of four equal scores"
    assert [len(boxes) <= 32 for boxes in asked] == [True] * 3
    # The objects are among what is asked about, so that each is taught; a box without an object is class 0.
    for boxes, shown in zip(asked, objects, strict=True):
        right = detection.pairwise(shown.boxes, boxes)
        assert (right.amax(1) == 1).all() if len(shown) else right.shape[0] == 0
    certain = torch.tensor([50.0, 0, 0, 0])
    network.ask = lambda features, proposals: (
        certain.repeat(sum(map(len, proposals)), 1),
        torch.zeros(1, 3, 4).repeat(sum(map(len, proposals)), 1, 1),
    )
    nothing_there = [Objects.none()] * 3
    assert network.terms(output, nothing_there).classes < 1e-6 and network.terms(output, nothing_there).boxes == 0
    assert network.terms(output, objects).classes > 1


def test_what_is_drawn():
    found = torch.tensor([BACKGROUND] * 50 + [NEITHER] * 20 + [0, 1] * 5)
    torch.manual_seed(0)
    some, none = sampled(found, 16, 0.25)
    assert len(some) == 4 and len(none) == 12 and (found[some] >= 0).all() and (found[none] == BACKGROUND).all()
    assert len(set(some.tolist())) == 4 and not torch.equal(some, sampled(found, 16, 0.25)[0])
    some, none = sampled(found, 40, 0.5)
    assert (len(some), len(none)) == (10, 30), "what objects leave is background's"
    assert [len(part) for part in sampled(torch.full((3,), NEITHER), 8, 0.5)] == [0, 0]


def test_anchors_beyond_the_border_are_taught_where_the_variant_says(network):
    objects = [Objects(torch.tensor([[0.0, 0, 40, 40]]), torch.tensor([0]))]
    output = output_of(network, 1)
    network.variant = replace(NARROW, outside=False, anchors_taught=10_000)
    output[1].retain_grad()
    network.terms(output, objects).objectness.backward()
    every, size = network.anchors(output[0])
    outside = (every != detection.clip(every, size)).any(1)
    assert (output[1].grad[0, outside] == 0).all() and (output[1].grad[0, ~outside] != 0).sum() > 10


@pytest.mark.parametrize("pooling", ["align", "pool"])
def test_every_weight_is_trained_and_an_empty_picture_is_no_trouble(pooling):
    torch.manual_seed(1)
    network = FasterRCNN(replace(NARROW, pooling=pooling), 3)
    x = torch.rand(2, 3, *SIZE)
    network.loss(network(x), random_objects(2)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters())
    loss = network.loss(network(x), [Objects.none()] * 2)
    loss.backward()
    assert loss.isfinite() and [len(one.boxes) >= 0 for one in network.decode(network(x))] == [True, True]


def test_sizes_that_no_map_covers_are_refused(network):
    with pytest.raises(ValueError, match=r"multiples of the stride 8. Pad it: F.pad\(x, \(0, 4, 0, 3\)\)"):
        network(torch.zeros(1, 3, 45, 60))
    with pytest.raises(ValueError, match=r"labels\[0\] = 3 is no class, 0 to 2"):
        network.loss(output_of(network, 1), [Objects(torch.tensor([[0.0, 0, 8, 8]]), torch.tensor([3]))])


def test_the_published_numbers():
    with on_meta():
        network = FasterRCNN(PUBLISHED, 20)
        features, scores, moves = network(torch.zeros(1, 3, 608, 800, device="meta"))
        answers = network.head(torch.zeros(300, 256, 7, 7, device="meta"))
    assert features.shape == (1, 256, 38, 50) and scores.shape == (1, 17_100) and moves.shape == (1, 17_100, 4)
    assert [tuple(one.shape) for one in answers] == [(300, 21), (300, 20, 4)]
    assert f"{scores.shape[1]:,} boxes" in faster_rcnn.__doc__ and PUBLISHED.stride == 16 and SMALL.stride == 8
    # 12,544 x 1024 + 1024 x 1024 + 1024 x 101, of a proposal.
    assert summarize(RoIHead(256, PUBLISHED, 20), (256, 7, 7)).macs == 12_845_056 + 1_048_576 + 103_424


def test_a_trunk_may_come_from_a_trained_network():
    trained = resnet.ResNet(resnet.VARIANTS["resnet18"]).eval()
    network = FasterRCNN(PUBLISHED, 4, network=trained).eval()
    x = torch.randn(1, 3, 32, 48)
    y = trained.conv4(trained.conv3(trained.conv2(trained.pool(F.relu(trained.bn1(trained.conv1(x)))))))
    assert torch.equal(network.trunk(x), y) and network.trunk[4] is trained.conv2


@pytest.mark.slow
def test_it_learns_to_find_one_shape():
    data = cnnlab.data.load_shapes(96, 64, test=16, classes=("circle", "cross"), rotation=0.0, scale=(0.3, 0.4))
    data = data.teaching("objects")
    torch.manual_seed(0)
    network = FasterRCNN(SMALL, 2)
    metrics = {"map": detection.Precision(network.decode, 2)}
    ways = {"epochs": 6, "batch_size": 8, "optimizer": "adam", "lr": 1e-3, "schedule": "onecycle", "progress": False}
    run = cnnlab.fit(network, data, loss=network.loss, metrics=metrics, **ways)
    assert run.final["test_map"] > 0.1 and run.history[-1]["train_loss"] < 0.7 * run.history[0]["train_loss"]
