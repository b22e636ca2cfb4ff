"""One-stage detection: RetinaNet against torchvision's, the focal loss, and small and large objects told apart."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.models.detection import _utils as theirs
from torchvision.models.detection.retinanet import RetinaNet as TheirRetinaNet
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import sigmoid_focal_loss
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelP6P7

import cnnlab
from cnnlab.analysis import on_meta
from cnnlab.chapters.one_stage.grid_target import CERTAINTY, CONFIDENCE, ELSEWHERE, SAID, SIDE
from cnnlab.chapters.one_stage.small import CLASSES, crowds, detector, of_size
from cnnlab.detection import BACKGROUND, NEITHER, Grid, Objects, Pyramid, focal_loss, mean_average_precision
from cnnlab.models import retinanet
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture

SMALL = Pyramid((48, 80), (8, 16, 32), num_classes=3, size=2.0, scales=(1.0, 1.5), ratios=(0.5, 1.0))


def some_objects() -> list[Objects]:
    boxes = torch.tensor([[2.0, 3, 21, 19], [30, 8, 75, 45], [50, 30, 60, 41]])
    return [Objects(boxes, torch.tensor([0, 2, 1])), Objects.none(), Objects(boxes[2:], torch.tensor([2]))]


def random_output(pyramid: Pyramid, pictures: int = 3, seed: int = 0) -> torch.Tensor:
    shape = (pictures, len(pyramid.anchors), 4 + pyramid.num_classes)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# --- the loss ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.75, 0.5), (None, 0.0), (None, 2.0)])
def test_focal_loss_as_torchvision(alpha, gamma):
    logits = 4 * random_output(SMALL)
    wanted = (random_output(SMALL, seed=1) > 0).float()
    ours = focal_loss(logits, wanted, alpha=alpha, gamma=gamma)
    torch.testing.assert_close(ours, sigmoid_focal_loss(logits, wanted, -1 if alpha is None else alpha, gamma))


def test_focal_loss_by_hand_and_of_nonsense():
    # At p_t = 0.9 the factor (1 - p_t)^2 is a hundredth.
    logits = torch.tensor([0.9, 0.1]).logit()
    wanted = torch.tensor([1.0, 0.0])
    plain = focal_loss(logits, wanted, alpha=None, gamma=0)
    assert (focal_loss(logits, wanted, alpha=None) / plain).tolist() == pytest.approx([0.01, 0.01], rel=1e-3)
    with pytest.raises(ValueError, match=r"wanted has shape \(3,\) for logits of \(2,\)"):
        focal_loss(logits, torch.zeros(3))
    with pytest.raises(ValueError, match=r"alpha=2 must be a share"):
        focal_loss(logits, wanted, alpha=2)
    with pytest.raises(ValueError, match=r"gamma=-1 must be 0 or more"):
        focal_loss(logits, wanted, gamma=-1)


def test_loss_as_torchvisions_head():
    objects, output = some_objects(), random_output(SMALL)
    matcher = theirs.Matcher(0.5, 0.4, allow_low_quality_matches=True)
    targets, matched = [], []
    for one in objects:
        targets.append({"boxes": one.boxes, "labels": one.labels})
        table = cnnlab.detection.pairwise(one.boxes, SMALL.anchors)
        nothing = torch.full((len(SMALL.anchors),), -1)
        matched.append(matcher(table) if len(one) else nothing)
    assert {BACKGROUND, NEITHER} < set(torch.cat(matched).tolist())
    head = RetinaNetHead(4, SMALL.at_each_place, 3)
    said = {"bbox_regression": output[..., :4], "cls_logits": output[..., 4:]}
    wanted = head.compute_loss(targets, said, [SMALL.anchors] * 3, matched)
    terms = SMALL.terms(output, objects)
    torch.testing.assert_close(terms.classes, wanted["classification"])
    torch.testing.assert_close(terms.boxes, wanted["bbox_regression"])
    torch.testing.assert_close(SMALL.loss(output, SMALL.target(objects)), terms.total)


def test_only_the_hardest_background_counts():
    """One anchor has an object: of all others the three that are surest of something pay, and no more."""
    pyramid = replace(SMALL, alpha=None, gamma=0.0, hardest=3)
    labels = torch.full((1, len(SMALL.anchors)), BACKGROUND)
    labels[0, 0], labels[0, 1] = 2, NEITHER
    target = cnnlab.detection.PyramidTarget(labels, torch.zeros(1, 4))
    output = torch.zeros(1, len(SMALL.anchors), 7)
    output[0, :, 4:] = -20.0
    output[0, 0, 6] = 20.0
    assert pyramid.loss(output, target) < 1e-6
    output[0, [1, 5, 6, 7, 8], 4] = torch.tensor([30.0, 2.0, 3.0, 4.0, 1.0])
    wanted = nn.functional.softplus(torch.tensor([2.0, 3.0, 4.0])).sum()
    torch.testing.assert_close(pyramid.loss(output, target), wanted, rtol=1e-4, atol=1e-4)
    every = replace(pyramid, hardest=None).loss(output, target)
    torch.testing.assert_close(every, wanted + nn.functional.softplus(torch.tensor(1.0)), rtol=1e-4, atol=1e-4)


def test_what_is_right_costs_nothing_and_is_decoded():
    objects = some_objects()
    labels, deltas = SMALL.target(objects)
    output = torch.zeros(3, len(SMALL.anchors), 7)
    output[..., 4:] = -20.0
    taught = labels >= 0
    output[..., :4][taught] = deltas
    output[..., 4:][taught] = 40.0 * nn.functional.one_hot(labels[taught], 3) - 20.0
    assert SMALL.loss(output, objects) < 1e-5
    found = SMALL.decode(output)
    assert [len(one) for one in found] == [3, 0, 1]
    assert mean_average_precision(found, objects, 3).mean == pytest.approx(1.0)
    # A loss must not be blind: one anchor moved by a tenth of its size.
    output[..., 0][taught] += 0.1
    assert SMALL.terms(output, objects).boxes == pytest.approx(0.2 / 3, rel=1e-3)


def test_decoding_as_torchvision():
    pyramid, output = SMALL, random_output(SMALL, 2) - 1.0
    output[..., 2:4] *= 0.2
    backbone = nn.Sequential()
    backbone.out_channels = 4
    model = TheirRetinaNet(backbone, 3)
    counts = [2 * 2 * 6 * 10, 2 * 2 * 3 * 5, 2 * 2 * 2 * 3]
    heads = {"bbox_regression": output[..., :4].split(counts, 1), "cls_logits": output[..., 4:].split(counts, 1)}
    heads = {name: list(levels) for name, levels in heads.items()}
    places = [list(pyramid.anchors.split(counts))] * 2
    for ours, wanted in zip(pyramid.decode(output), model.postprocess_detections(heads, places, [(48, 80)] * 2)):
        kept = min(300, len(ours))
        torch.testing.assert_close(ours.scores[:kept], wanted["scores"][:kept])
        torch.testing.assert_close(ours.boxes[:kept], wanted["boxes"][:kept], rtol=1e-4, atol=1e-3)


def test_pyramids_of_nonsense():
    with pytest.raises(ValueError, match=r"output has shape \(1, 5, 7\), wanted \(N, 324, 7\)"):
        SMALL.loss(torch.zeros(1, 5, 7), some_objects()[:1])
    with pytest.raises(ValueError, match=r"hardest=0 is not allowed"):
        Pyramid(hardest=0)
    with pytest.raises(ValueError, match=r"num_classes=0 is not allowed"):
        Pyramid(num_classes=0)


# --- the network ------------------------------------------------------------------------------------------------------


def copy_convolutions(source: nn.Module, target: nn.Module) -> None:
    """Weights of the convolutions, in the order in which both define them."""
    ours, others = ([m for m in net.modules() if isinstance(m, nn.Conv2d)] for net in (target, source))
    for mine, other in zip(ours, others, strict=True):
        mine.load_state_dict(other.state_dict())


@pytest.mark.parametrize("size", [(64, 64), (72, 88)])
def test_neck_and_heads_as_torchvisions(size):
    torch.manual_seed(0)
    theirs_neck = FeaturePyramidNetwork([8, 12, 16], 8, LastLevelP6P7(16, 8))
    theirs_heads = RetinaNetHead(8, 9, 3)
    neck = retinanet.FeaturePyramid((8, 12, 16), 8, 2)
    boxes, classes = retinanet.Head(8, 4, 9, 4), retinanet.Head(8, 4, 9, 3, bias=-4.595)
    copy_convolutions(theirs_neck, neck)
    prior = theirs_heads.classification_head.cls_logits.bias
    torch.testing.assert_close(classes.last.bias, prior, atol=1e-3, rtol=0)
    for name, ours in (("classification_head", classes), ("regression_head", boxes)):
        head = getattr(theirs_heads, name)
        for layer in head.modules():
            if isinstance(layer, nn.Conv2d):  # larger than at the start, so that a difference is seen
                nn.init.normal_(layer.weight, std=0.2)
        copy_convolutions(head, ours)
    maps = [torch.randn(2, c, -(-size[0] // s), -(-size[1] // s)) for c, s in ((8, 8), (12, 16), (16, 32))]
    levels = neck(maps)
    wanted = theirs_neck({str(number): one for number, one in enumerate(maps)})
    for ours, one in zip(levels, wanted.values(), strict=True):
        torch.testing.assert_close(ours, one)
    said = theirs_heads(list(wanted.values()))
    torch.testing.assert_close(boxes(levels), said["bbox_regression"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(classes(levels), said["cls_logits"], rtol=1e-4, atol=1e-4)


def test_the_published_network():
    with on_meta():
        net = retinanet.RetinaNet(retinanet.PUBLISHED)
    counted = sum(p.numel() for p in net.parameters())
    # ResNet-50 without its dense layer; three laterals; three smoothings; P6 and P7; the heads.
    trunk = 25_557_032 - (2048 + 1) * 1000
    neck = (512 + 1024 + 2048 + 3) * 256 + 3 * (9 * 256 + 1) * 256 + (9 * 2048 + 1) * 256 + (9 * 256 + 1) * 256
    heads = 2 * 4 * (9 * 256 + 1) * 256 + (9 * 256 + 1) * 9 * (4 + 80)
    assert counted == trunk + neck + heads and f"{counted:,} parameters" in retinanet.__doc__
    places = sum(side**2 for side in (64, 32, 16, 8, 4))
    assert len(net.pyramid.anchors) == 9 * places
    assert net(torch.zeros(1, 3, 512, 512, device="meta")).shape == (1, 9 * places, 84)
    sizes = (net.pyramid.anchors[:, 2:] - net.pyramid.anchors[:, :2]).prod(1).sqrt().round().unique().tolist()
    assert sizes == [32, 40, 51, 64, 81, 102, 128, 161, 203, 256, 323, 406, 512, 645, 813]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grid", "one map", "pyramid"])
def test_small_detectors_learn_a_few_pictures(kind):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, meaning = detector(kind)
    data = crowds(8, test=2)
    x, y = data.train.pixels.float() / 255 - 0.5, data.train.targets
    before = meaning.loss(net(x), y)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.003)
    for _ in range(15):
        optimizer.zero_grad()
        (loss := meaning.loss(net(x), y)).backward()
        optimizer.step()
    assert loss < 0.6 * before
    if kind != "grid":
        with torch.no_grad():
            chance = detector(kind)[0].eval()(x)[..., 4:].sigmoid()
        assert chance.mean() == pytest.approx(0.01, rel=0.2)


def test_small_and_large_objects_told_apart():
    boxes = torch.tensor([[0.0, 0, 8, 8], [20, 20, 60, 60]])
    truths = [Objects(boxes, torch.tensor([0, 0]))]
    found = [Objects(boxes[1:], torch.tensor([0]), torch.tensor([0.9]))]
    for wanted, score in ((lambda side: side < 14, 0.0), (lambda side: side >= 14, 1.0)):
        assert mean_average_precision(*of_size(found, truths, wanted), 1, thresholds=(0.5,)).mean == pytest.approx(
            score
        )
    with pytest.raises(ValueError, match=r"kind='grids' is not known. Did you mean 'grid'"):
        detector("grids")
    with pytest.raises(ValueError, match=r"loss='hard' is not known"):
        detector("pyramid", "hard")
    assert len(CLASSES) == 4


# --- the explorer -----------------------------------------------------------------------------------------------------

STATE = {"cells": 4, "which": "A", "xa": 20, "ya": 22, "wa": 20, "ha": 20, "xb": 46, "yb": 41, "wb": 14, "hb": 22}
DATA = {"side": SIDE, "said": SAID, "confidence": CONFIDENCE, "certainty": CERTAINTY, "elsewhere": ELSEWHERE}


def test_the_explorers_loss_is_the_grids(node):  # noqa: F811
    moved = [{}, {"xa": 15}, {"xa": 40, "ya": 40, "wa": 14, "xb": 46, "yb": 46}, {"wa": 9, "hb": 40, "xa": 33}]
    states = [{**STATE, "cells": cells, **change} for cells in (2, 4, 5, 8) for change in moved]
    script = (
        f"{json.dumps(states)}.map((state) => {{ const data = {json.dumps(DATA)}; const found = m.measure(state, data);"
        " return [found.terms, found.lost.length, m.answers(state.cells, data), m.objects(state, data.side),"
        " m.view(state, 0, data)]; })"
    )
    lost = set()
    for state, (terms, gone, answers, shown, seen) in zip(states, node(VIEWS["grid_target"], script), strict=True):
        cells = state["cells"]
        grid = Grid((SIDE, SIDE), cells, 1, 2)
        said = torch.tensor([[own["x"], own["y"], own["w"], own["h"]] for own in answers]).view(cells, cells, 4) / SIDE
        number = torch.arange(cells).float()
        row, column = torch.meshgrid(number, number, indexing="ij")
        centers = said[..., :2] * cells - torch.stack([column, row], 2)
        sure = torch.tensor([[own["confidence"], *own["classes"]] for own in answers]).view(cells, cells, 3)
        output = torch.cat([centers, said[..., 2:].sqrt(), sure], 2).movedim(2, 0)[None]
        boxes = torch.tensor([[one["x"], one["y"], one["w"], one["h"]] for one in shown])
        objects = Objects(cnnlab.detection.convert(boxes.float(), "cxcywh", "xyxy"), torch.tensor([0, 1]))
        wanted = grid.terms(output, [objects])
        for name, value in terms.items():
            assert value == pytest.approx(getattr(wanted, name).item(), abs=1e-4), (state, name)
        assert gone == int(grid.target([objects]).crowded_out)
        lost.add(gone)
        assert f"The loss is {wanted.total:.2f}" in seen["text"] or gone
    assert lost == {0, 1}


def test_what_a_grid_target_refuses():
    with pytest.raises(ValueError, match="cells=9"):
        cnnlab.widgets.grid_target(cells=9)
