"""Detection: each function against torchvision's, pycocotools' or its paper's, on random and on degenerate boxes."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import torchvision.ops as library
from torch import nn
from torchvision.models.detection._utils import BoxCoder, Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

import cnnlab
from cnnlab import detection
from cnnlab.data import Dataset, augment, batches, load_shapes
from cnnlab.detection import Grid, Objects, pairwise
from cnnlab.meta import on_meta
from cnnlab.models import yolo_v1

SEEDS = range(10)


def random_boxes(n: int, seed: int) -> torch.Tensor:
    """Ordinary, on whole pixels (so that some touch and some agree), twice one, huge, negative, slim, of no area."""
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(n, 4, generator=generator) * 60
    boxes[:, 2:] += boxes[:, :2]
    boxes[: n // 3] = (boxes[: n // 3] / 8).round() * 8
    if n > 8:
        boxes[3] = boxes[2]
        boxes[4] *= 1e4
        boxes[5] -= 100
        boxes[6, 2] = boxes[6, 0]
        boxes[7, 2:] = boxes[7, :2]
        boxes[8, 2] = boxes[8, 0] + 1e-3
    return boxes


def random_scores(n: int, seed: int) -> torch.Tensor:
    """Some of them equal."""
    return torch.randint(0, 30, (n,), generator=torch.Generator().manual_seed(seed)) / 30


# --- boxes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", detection.FORMATS)
@pytest.mark.parametrize("wanted", detection.FORMATS)
def test_formats_as_torchvision(given, wanted):
    for seed in SEEDS:
        boxes = library.box_convert(random_boxes(20, seed), "xyxy", given)
        found = detection.convert(boxes, given, wanted)
        expected = library.box_convert(boxes, given, wanted)
        assert torch.allclose(found, expected, rtol=1e-6, atol=1e-5)
        assert torch.allclose(detection.convert(found, wanted, given), boxes, rtol=1e-5, atol=1e-4)
        assert found is not boxes and found.data_ptr() != boxes.data_ptr()


def test_fractions_clipping_and_area():
    boxes = torch.tensor([[8.0, 4.0, 16.0, 12.0], [-5.0, 10.0, 70.0, 50.0], [90.0, 3.0, 95.0, 4.0]])
    assert detection.to_fractions(boxes[:1], (32, 64)).tolist() == [[0.125, 0.125, 0.25, 0.375]]
    assert torch.allclose(detection.to_pixels(detection.to_fractions(boxes, (32, 64)), (32, 64)), boxes)
    for seed in SEEDS:
        every = random_boxes(20, seed)
        assert torch.equal(detection.clip(every, (32, 64)), library.clip_boxes_to_image(every, (32, 64)))
        assert torch.equal(detection.area(every), library.box_area(every))
    assert detection.area(torch.tensor([5.0, 5.0, 1.0, 1.0])) == 0, "what ends before it begins"
    for shape in ((0, 4), (2, 3, 4)):
        none = torch.zeros(shape)
        assert detection.convert(none, "xywh", "cxcywh").shape == shape == detection.clip(none, (5, 5)).shape


@pytest.mark.parametrize(
    ("boxes", "ways", "said"),
    [
        ([[0, 0, 5, 5]], {}, r"boxes is a list, wanted a tensor: torch.tensor\(boxes\).float\(\)"),
        (torch.ones(2, 4, dtype=torch.int64), {}, r"boxes is torch.int64, wanted floats: boxes.float\(\)"),
        (torch.ones(4), {}, r"boxes has shape \(4,\), wanted \(n, 4\): boxes\[None\] for one box"),
        (torch.ones(0), {}, r"boxes has shape \(0,\), wanted \(n, 4\), .*: torch.zeros\(0, 4\) for none"),
        (torch.tensor([[0.0, 0, 2, 2], [0, 0, math.nan, 1]]), {}, r"boxes\[1\] = \(0, 0, nan, 1\) is not finite"),
        (torch.tensor([[9.0, 9, 4, 20]]), {}, r'boxes\[0\] = \(9, 9, 4, 20\) ends .* convert\(boxes, "xywh", "xyxy"\)'),
        (torch.tensor([[9.0, 9, 9, 20]]), {}, r"boxes\[0\] = \(9, 9, 9, 20\) has no area"),
        (torch.tensor([[9.0, 9, 9, 20]]), {"argument": "anchors"}, r"anchors\[0\] .* anchors\[area\(anchors\) > 0\]"),
        (torch.tensor([[0.0, 0, 65, 9]]), {"size": (32, 64)}, r"\(0, 0, 65, 9\) reaches .* 0 <= x <= 64, 0 <= y <= 32"),
        (torch.tensor([[-1.0, 0, 6, 9]]), {"size": (32, 64)}, r"\(-1, 0, 6, 9\) reaches out of its picture"),
        (torch.ones(0, 4), {"size": (32, 0)}, r"size=\(32, 0\) must be height and width"),
    ],
)
def test_what_is_no_box_says_which_and_why(boxes, ways, said):
    with pytest.raises(ValueError, match=said) as error:
        detection.check_boxes(boxes, **ways)
    assert "\n" not in str(error.value)


def test_what_is_a_box_passes():
    boxes = torch.tensor([[0.0, 0, 64, 32]])
    assert detection.check_boxes(boxes, size=(32, 64)) is boxes
    detection.check_boxes(boxes[:0], size=(32, 64))
    detection.check_boxes(torch.zeros(1, 4), empty=True)
    with pytest.raises(ValueError, match=r"given='xyhw' is not known. Did you mean 'xywh'"):
        detection.convert(boxes, "xyhw", "xyxy")


# --- overlap --------------------------------------------------------------------------------------------------------

MEASURES = {
    "iou": library.box_iou,
    "giou": library.generalized_box_iou,
    "diou": library.distance_box_iou,
    "ciou": library.complete_box_iou,
}


@pytest.mark.parametrize("name", MEASURES)
def test_overlap_as_torchvision(name):
    ours = getattr(detection, name)
    for seed in SEEDS:
        one, other = random_boxes(25, seed), random_boxes(12, seed + 100)
        expected = MEASURES[name](one.double(), other.double())
        found = pairwise(one.double(), other.double(), ours)
        some = (detection.area(one) > 0)[:, None] & (detection.area(other) > 0)
        assert torch.allclose(found[some], expected[some], atol=1e-6)
        assert found.isfinite().all() and (found <= 1).all() and (found > (-2 if name[0] in "dc" else -1.0001)).all()
        assert torch.equal(found.diagonal(), ours(one.double()[:12], other.double())), "pair by pair"
    assert pairwise(one[:0], other, ours).shape == (0, 12) and pairwise(one, other[:0], ours).shape == (25, 0)


@pytest.mark.parametrize("name", MEASURES)
def test_gradients_of_overlap_are_finite_and_pull_boxes_together(name):
    ours = getattr(detection, name)
    for seed in SEEDS:
        one = random_boxes(12, seed).requires_grad_()
        (1 - ours(one, random_boxes(12, seed + 1))).sum().backward()
        assert one.grad.isfinite().all()
    apart = torch.tensor([0.0, 0, 2, 2], requires_grad=True)
    (1 - ours(apart, torch.tensor([6.0, 0, 9, 2]))).backward()
    pulls = apart.grad[2] < 0
    assert pulls == (name != "iou"), "IoU alone says nothing to boxes that do not meet"


LOSSES = {
    "giou": library.generalized_box_iou_loss,
    "diou": library.distance_box_iou_loss,
    "ciou": library.complete_box_iou_loss,
}


@pytest.mark.parametrize("name", LOSSES)
def test_as_losses_they_pull_as_torchvisions(name):
    for seed in SEEDS:
        one, other = (
            b[detection.area(b) > 1][:9].double() for b in (random_boxes(30, seed), random_boxes(30, seed + 1))
        )
        ours, theirs = one.clone().requires_grad_(), one.clone().requires_grad_()
        loss = (1 - getattr(detection, name)(ours, other)).sum()
        expected = LOSSES[name](theirs, other, reduction="sum")
        loss.backward()
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)


def test_overlap_by_hand():
    one, other = torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 3, 2])
    assert detection.iou(one, other) == pytest.approx(1 / 3) and detection.giou(one, other) == pytest.approx(1 / 3)
    assert detection.iou(one, torch.tensor([2.0, 0, 4, 2])) == 0, "touching"
    assert detection.iou(torch.ones(4), torch.ones(4)) == 0, "of no area"
    with pytest.raises(ValueError, match=r"one has shape \(4,\), wanted \(n, 4\)"):
        pairwise(one, other[None])


# --- suppression ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
def test_nms_as_torchvision(threshold):
    for seed in SEEDS:
        # In float64: torchvision's kernel holds an IoU of float32(0.3), which is above 0.3, against 0.3 itself.
        boxes, scores = random_boxes(40, seed).double(), random_scores(40, seed).double()
        labels = torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(seed))
        assert torch.equal(detection.nms(boxes, scores, threshold), library.nms(boxes, scores, threshold))
        kept = detection.nms(boxes, scores, threshold, labels=labels)
        for label in range(3):
            its = (labels == label).nonzero().flatten()
            expected = its[library.nms(boxes[its], scores[its], threshold)]
            assert torch.equal(kept[labels[kept] == label], expected)
        assert (scores[kept].diff() <= 0).all()


def soft_nms_in_place(boxes, scores, decay, sigma, threshold, least):
    """As the authors wrote it: swap the surest to the front, weaken those behind, drop by putting the last in place."""
    rows = [[*box, score, number] for number, (box, score) in enumerate(zip(boxes.tolist(), scores.tolist()))]
    front = 0
    while front < len(rows):
        best = max(range(front, len(rows)), key=lambda i: rows[i][4])
        rows[front], rows[best] = rows[best], rows[front]
        i = front + 1
        while i < len(rows):
            a, b = rows[front], rows[i]
            w = min(a[2], b[2]) - max(a[0], b[0])
            h = min(a[3], b[3]) - max(a[1], b[1])
            if w > 0 and h > 0:
                union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
                ov = w * h / union
                b[4] *= math.exp(-ov * ov / sigma) if decay == "gaussian" else 1 - ov if ov >= threshold else 1
                if b[4] < least:
                    rows[i] = rows[-1]
                    rows.pop()
                    i -= 1
            i += 1
        front += 1
    return [row[5] for row in rows], [row[4] for row in rows]


@pytest.mark.parametrize("decay", ["gaussian", "linear"])
def test_soft_nms_as_its_authors(decay):
    for seed in SEEDS:
        boxes = random_boxes(30, seed).double()
        scores = torch.rand(30, generator=torch.Generator().manual_seed(seed)).double() + 0.01
        kept, weaker = detection.soft_nms(boxes, scores, decay=decay, sigma=0.4, threshold=0.2, least=0.05)
        numbers, values = soft_nms_in_place(boxes, scores, decay, 0.4, 0.2, 0.05)
        alive = [(n, v) for n, v in zip(numbers, values) if v >= 0.05]
        assert kept.tolist() == [n for n, _ in alive]
        assert torch.allclose(weaker, torch.tensor([v for _, v in alive]).double())
    apart = torch.arange(5.0)[:, None] * 10 + torch.tensor([0.0, 0, 5, 5])
    assert torch.equal(detection.soft_nms(apart, torch.ones(5), decay=decay)[1], torch.ones(5))
    same, labels = torch.tensor([[0.0, 0, 5, 5]] * 2), torch.tensor([0, 1])
    assert detection.soft_nms(same, torch.ones(2), decay=decay, labels=labels)[1].tolist() == [1, 1]


def test_suppression_of_nothing_and_of_nonsense():
    none = torch.zeros(0, 4)
    kept = detection.nms(none, torch.zeros(0))
    assert kept.tolist() == [] and kept.dtype == torch.int64
    assert [len(part) for part in detection.soft_nms(none, torch.zeros(0))] == [0, 0]
    box = torch.tensor([[0.0, 0, 5, 5]])
    with pytest.raises(ValueError, match=r"scores\[0\] = nan is not finite"):
        detection.nms(box, torch.tensor([math.nan]))
    with pytest.raises(ValueError, match=r"scores is torch.float32 of shape \(2,\), wanted floats of shape \(1,\)"):
        detection.nms(box, torch.ones(2))
    with pytest.raises(ValueError, match=r"threshold=50 must be an IoU, 0 to 1"):
        detection.nms(box, torch.ones(1), 50)
    with pytest.raises(ValueError, match=r"labels is torch.float32 of shape \(1,\), wanted torch.int64"):
        detection.nms(box, torch.ones(1), labels=torch.ones(1))
    with pytest.raises(ValueError, match=r"decay='gauss' is not known. Did you mean 'gaussian'"):
        detection.soft_nms(box, torch.ones(1), decay="gauss")
    with pytest.raises(ValueError, match=r"sigma=0 must be above 0"):
        detection.soft_nms(box, torch.ones(1), sigma=0)


# --- anchors, coding, matching --------------------------------------------------------------------------------------


def test_anchors_as_torchvision():
    picture, maps = torch.zeros(1, 3, 96, 128), [torch.zeros(1, 8, 6, 8), torch.zeros(1, 8, 3, 4)]
    sizes, ratios = ((24, 40), (64, 96)), ((0.5, 1.0, 2.0), (1.0, 3.0))
    (expected,) = AnchorGenerator(sizes, ratios)(ImageList(picture, [(96, 128)]), maps)
    levels = [((6, 8), 16, sizes[0], ratios[0]), ((3, 4), (32, 32), sizes[1], ratios[1])]
    found = torch.cat([detection.anchors(*level, offset=0) for level in levels])
    assert torch.equal(found.round(), expected)
    (one,) = detection.anchors((1, 1), 16, [10], [1.0])
    assert one.tolist() == [3, 3, 13, 13], "about the cell's middle"
    wide, high = detection.anchors((1, 1), 16, [10], [0.25, 4.0])
    assert (wide[2] - wide[0]).item() == pytest.approx(20) and (high[3] - high[1]).item() == pytest.approx(20)
    for places, stride, said in (((0, 3), 16, r"places=\(0, 3\)"), ((2, 3), 0, r"stride=\(0, 0\)")):
        with pytest.raises(ValueError, match=rf"{said} must be one or more positive numbers"):
            detection.anchors(places, stride, [8])
    with pytest.raises(ValueError, match=r"ratios=\(\) must be one or more positive numbers"):
        detection.anchors((2, 3), 16, [8], [])


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)])
def test_coding_as_torchvision(weights):
    coder = BoxCoder(weights)
    for seed in SEEDS:
        boxes, anchors = (b[detection.area(b) > 0][:20] for b in (random_boxes(30, seed), random_boxes(30, seed + 50)))
        deltas = detection.encode(boxes, anchors, weights)
        assert torch.allclose(deltas, coder.encode_single(boxes, anchors), rtol=1e-4, atol=1e-4)
        wild = torch.randn(20, 4, generator=torch.Generator().manual_seed(seed)) * 20
        expected = coder.decode_single(wild, anchors)
        assert torch.allclose(detection.decode(wild, anchors, weights), expected, rtol=1e-4, atol=1e-2)
        tame = (deltas.abs() < 4).all(1)
        back = detection.decode(deltas, anchors, weights)
        assert torch.allclose(back[tame], boxes[tame], rtol=1e-4, atol=1e-2)
    assert detection.encode(boxes[:0], boxes[:0]).shape == (0, 4) == detection.decode(boxes[:0], boxes[:0]).shape


def test_coding_of_nonsense():
    box = torch.tensor([[0.0, 0, 5, 5]])
    with pytest.raises(ValueError, match=r"anchors\[0\] = \(0, 0, 0, 0\) has no area"):
        detection.encode(box, torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"anchors has 2 entries for 1 boxes: give one for each"):
        detection.encode(box, box.repeat(2, 1))
    with pytest.raises(ValueError, match=r"deltas has shape \(1, 8\) for anchors of \(1, 4\)"):
        detection.decode(torch.zeros(1, 8), box)
    with pytest.raises(ValueError, match=r"weights=\(1, 1, 0, 1\) must be four positive numbers"):
        detection.encode(box, box, (1, 1, 0, 1))


@pytest.mark.parametrize("every_object", [False, True])
def test_matching_as_torchvision(every_object):
    for seed in SEEDS:
        overlaps = pairwise(random_boxes(10, seed), random_boxes(40, seed + 7)).nan_to_num()
        overlaps[3] = overlaps[2]  # two objects alike
        for low, high in ((0.3, 0.7), (0.5, 0.5), (0.0, 0.0)):
            found = detection.match(overlaps, low, high, every_object=every_object)
            assert torch.equal(found, Matcher(high, low, every_object)(overlaps))
    assert detection.match(torch.zeros(0, 5), 0.3, 0.7, every_object=every_object).tolist() == [-1] * 5
    assert detection.match(torch.zeros(3, 0), 0.3, 0.7, every_object=every_object).tolist() == []
    assert detection.match(torch.tensor([[0.1, 0.4, 0.8]]), 0.3, 0.7).tolist() == [-1, -2, 0]
    far = torch.tensor([[0.1, 0.2], [0.2, 0.1]])
    assert detection.match(far, 0.3, 0.7, every_object=every_object).tolist() == ([1, 0] if every_object else [-1, -1])


def test_matching_of_nonsense():
    with pytest.raises(ValueError, match=r"overlaps has shape \(4,\), wanted \(objects, candidates\)"):
        detection.match(torch.zeros(4), 0.3, 0.7)
    with pytest.raises(ValueError, match=r"low=0.7 and high=0.3 must be 0 <= low <= high <= 1"):
        detection.match(torch.zeros(1, 4), 0.7, 0.3)


# --- regions --------------------------------------------------------------------------------------------------------


def random_regions(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (2, 3, 12, 15) at a stride of 8, and regions in and around the pictures, some slim, some far out."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 3, 12, 15, generator=generator, dtype=torch.float64)
    boxes = torch.rand(14, 4, generator=generator, dtype=torch.float64) * 130 - 15
    boxes[:, 2:] = boxes[:, :2] + (boxes[:, 2:] + 15)
    boxes[:4] = boxes[:4].round()
    boxes[4] = torch.tensor([4.0, 12.0, 20.0, 28.0])  # half cells, which are rounded
    boxes[5, 2:] = boxes[5, :2]
    boxes[6] += 400
    return features, torch.cat([torch.randint(0, 2, (14, 1), generator=generator).double(), boxes], dim=1)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 7)])
def test_pooling_as_torchvision(size):
    for seed in range(5):
        features, regions = random_regions(seed)
        found = detection.roi_pool(features, regions, size, 1 / 8)
        assert torch.equal(found, library.roi_pool(features, regions, size, 1 / 8))
    assert detection.roi_pool(features, regions[:0], size).shape == (0, 3, *size)


@pytest.mark.parametrize("samples", [1, 2, 3, None])
@pytest.mark.parametrize("aligned", [True, False])
def test_align_as_torchvision(samples, aligned):
    for seed in range(5):
        features, regions = random_regions(seed)
        ways = {"samples": samples, "aligned": aligned}
        for size in ((1, 1), (3, 5), (7, 7)):
            found = detection.roi_align(features, regions, size, 1 / 8, **ways)
            expected = library.roi_align(features, regions, size, 1 / 8, samples or -1, aligned)
            assert torch.allclose(found, expected, atol=1e-10)
    assert detection.roi_align(features, regions[:0], (2, 2)).shape == (0, 3, 2, 2)
    ours, theirs = (features.clone().requires_grad_() for _ in range(2))
    detection.roi_align(ours, regions, (3, 3), 1 / 8, **ways).square().sum().backward()
    library.roi_align(theirs, regions, (3, 3), 1 / 8, samples or -1, aligned).square().sum().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-8)


def test_regions_of_nonsense():
    features, region = torch.zeros(1, 2, 4, 4), torch.tensor([[0.0, 0, 0, 2, 2]])
    for cut in (detection.roi_pool, detection.roi_align):
        with pytest.raises(ValueError, match=r"features has shape \(2, 4, 4\), wanted \(N, C, H, W\)"):
            cut(features[0], region, (2, 2))
        with pytest.raises(ValueError, match=r"regions has shape \(1, 4\), wanted \(R, 5\), a picture's number before"):
            cut(features, region[:, 1:], (2, 2))
        with pytest.raises(ValueError, match=r"regions names picture 1 of a batch of 1: 0 to 0"):
            cut(features, region + torch.tensor([1.0, 0, 0, 0, 0]), (2, 2))
        with pytest.raises(ValueError, match=r"size=\(0, 2\) must be rows and columns of bins"):
            cut(features, region, (0, 2))
        with pytest.raises(ValueError, match=r"scale=0 must be above 0"):
            cut(features, region, (2, 2), 0)
        with pytest.raises(ValueError, match=r"regions\[:, 1:\]\[0\] = \(0, 0, -2, 2\) ends before it begins"):
            cut(features, torch.tensor([[0.0, 0, 0, -2, 2]]), (2, 2))
    with pytest.raises(ValueError, match=r"samples=0 must be a positive whole number, or None"):
        detection.roi_align(features, region, (2, 2), samples=0)


# --- mean average precision -----------------------------------------------------------------------------------------


def random_pictures(seed: int, *, crowds: bool = False) -> tuple[list[Objects], list[Objects]]:
    """(predictions, truths) of four pictures and three classes: near, far, twice, none at all; equal scores."""
    generator = torch.Generator().manual_seed(seed)

    def number(least: int, most: int) -> int:
        return int(torch.randint(least, most + 1, (1,), generator=generator))

    predictions, truths = [], []
    for picture in range(4):
        n = number(0, 6)
        corner = torch.randint(0, 40, (n, 2), generator=generator).float()
        boxes = torch.cat([corner, corner + torch.randint(8, 30, (n, 2), generator=generator)], dim=1)
        labels = torch.randint(0, 2 + picture // 2, (n,), generator=generator)
        crowd = torch.rand(n, generator=generator) < 0.3 if crowds else None
        truths.append(Objects(boxes, labels, ignored=crowd))
        near = boxes.repeat(2, 1) + torch.randint(-4, 5, (2 * n, 4), generator=generator)
        stray = torch.tensor([[3.0, 3, 20, 20], [30, 8, 50, 40]])[: number(0, 2)]
        said = torch.cat([near, stray])
        said[:, 2:] = torch.maximum(said[:, 2:], said[:, :2] + 1)
        kinds = torch.cat([labels, labels, torch.randint(0, 3, (len(stray),), generator=generator)])
        scores = torch.randint(1, 9, (len(said),), generator=generator) / 8
        predictions.append(Objects(said, kinds, scores))
    return predictions, truths


def by_pycocotools(predictions: list[Objects], truths: list[Objects], classes: int) -> torch.Tensor:
    """Average precisions. Shape: (10 thresholds, classes), NaN where there is no object."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def rows(every: list[Objects]) -> list[dict]:
        found = []
        for picture, one in enumerate(every):
            for index in range(len(one)):
                x1, y1, x2, y2 = one.boxes[index].tolist()
                row = {"image_id": picture, "category_id": int(one.labels[index]), "bbox": [x1, y1, x2 - x1, y2 - y1]}
                row |= {"id": len(found) + 1, "area": (x2 - x1) * (y2 - y1)}
                row["iscrowd"] = int(one.ignored[index]) if one.ignored is not None else 0
                found.append(row | ({} if one.scores is None else {"score": float(one.scores[index])}))
        return found

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": i} for i in range(len(truths))], "annotations": rows(truths), "info": {}}
        coco.dataset["categories"] = [{"id": k} for k in range(classes)]
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(rows(predictions)), "bbox")
        judge.evaluate()
        judge.accumulate()
    precision = torch.from_numpy(judge.eval["precision"][:, :, :, 0, -1])  # (thresholds, recalls, classes)
    return torch.where(precision < 0, torch.nan, precision).mean(1)


@pytest.mark.slow
@pytest.mark.parametrize("crowds", [False, True])
def test_coco_as_pycocotools(crowds):
    for seed in range(15):
        predictions, truths = random_pictures(seed, crowds=crowds)
        expected = by_pycocotools(predictions, truths, 3)
        found = detection.mean_average_precision(predictions, truths, 3)
        assert torch.allclose(found.table, expected, atol=1e-12, equal_nan=True), seed
        assert found.mean == pytest.approx(expected.nanmean().item(), abs=1e-12, nan_ok=True)


def test_of_two_objects_equally_near_the_last_is_taken():
    """So that the second prediction, which only the first object is near to, finds it; pycocotools does so too."""
    truths = [Objects(torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10]]), torch.tensor([0, 0]))]
    said = torch.tensor([[2.0, 0, 12, 10], [-2, 0, 8, 10]])
    predictions = [Objects(said, torch.tensor([0, 0]), torch.tensor([0.9, 0.8]))]
    found = detection.mean_average_precision(predictions, truths, 1)
    assert torch.allclose(found.table, by_pycocotools(predictions, truths, 1)) and found.table[0] == 1


def by_the_devkit(predictions: list[Objects], truths: list[Objects], label: int, threshold: float, points: bool):
    """As VOC's script does it for one class: over all predictions of all pictures, in the order of their scores.

    Without the pixel that its IoU adds to widths and heights.
    """
    shown = {}
    for picture, one in enumerate(truths):
        its = one.labels == label
        hard = one.ignored[its].tolist() if one.ignored is not None else [False] * int(its.sum())
        shown[picture] = {"bbox": one.boxes[its].numpy().astype(float), "difficult": hard, "det": [False] * len(hard)}
    count = sum(not hard for one in shown.values() for hard in one["difficult"])
    rows = [
        (-float(s), picture, box.numpy().astype(float))
        for picture, one in enumerate(predictions)
        for box, s, k in zip(one.boxes, one.scores, one.labels)
        if k == label
    ]
    rows.sort(key=lambda row: row[0])
    tp, fp = np.zeros(len(rows)), np.zeros(len(rows))
    for d, (_, picture, bb) in enumerate(rows):
        record, best = shown[picture], -np.inf
        if len(record["bbox"]):
            gt = record["bbox"]
            w = np.maximum(np.minimum(gt[:, 2], bb[2]) - np.maximum(gt[:, 0], bb[0]), 0)
            h = np.maximum(np.minimum(gt[:, 3], bb[3]) - np.maximum(gt[:, 1], bb[1]), 0)
            union = (bb[2] - bb[0]) * (bb[3] - bb[1]) + (gt[:, 2] - gt[:, 0]) * (gt[:, 3] - gt[:, 1]) - w * h
            best, j = np.max(w * h / union), np.argmax(w * h / union)
        if best >= threshold:
            if not record["difficult"][j]:
                tp[d], fp[d] = (0, 1) if record["det"][j] else (1, 0)
                record["det"][j] = True
        else:
            fp[d] = 1
    if not count:
        return math.nan
    tp, fp = tp.cumsum(), fp.cumsum()
    recall, precision = tp / count, tp / np.maximum(tp + fp, np.finfo(float).eps)
    if points:
        heights = [precision[recall >= t].max() if (recall >= t).any() else 0 for t in np.arange(11) / 10]
        return float(np.mean(heights))
    mrec, mpre = np.concatenate([[0], recall, [1]]), np.concatenate([[0], precision, [0]])
    for i in range(len(mpre) - 1, 0, -1):
        mpre[i - 1] = max(mpre[i - 1], mpre[i])
    i = np.where(mrec[1:] != mrec[:-1])[0]
    return float(((mrec[i + 1] - mrec[i]) * mpre[i + 1]).sum())


@pytest.mark.parametrize("method", ["voc", "voc11"])
@pytest.mark.parametrize("difficult", [False, True])
def test_voc_as_its_script(method, difficult):
    for seed in range(10):
        predictions, truths = random_pictures(seed, crowds=difficult)
        for threshold in (0.3, 0.5):
            found = detection.mean_average_precision(predictions, truths, 3, method=method, thresholds=[threshold])
            expected = [by_the_devkit(predictions, truths, k, threshold, method == "voc11") for k in range(3)]
            assert torch.allclose(found.table[0], torch.tensor(expected).double(), atol=1e-12, equal_nan=True), seed


def test_average_precision_by_hand():
    """Ten boxes, six objects: the example that every course writes out."""
    right = torch.tensor([1, 0, 1, 1, 0, 0, 1, 0, 0, 1]).bool()
    curve = detection.Curve(torch.linspace(1, 0.1, 10), right, 6)
    assert torch.allclose(curve.precision[:4], torch.tensor([1, 1 / 2, 2 / 3, 3 / 4]).double())
    assert torch.allclose(curve.recall, right.double().cumsum(0) / 6)
    assert detection.average_precision(curve, "voc") == pytest.approx((1 + 3 / 4 + 3 / 4 + 4 / 7 + 1 / 2) / 6)
    eleven = (2 * 1 + 4 * 3 / 4 + 4 / 7 + 2 * 1 / 2) / 11
    assert detection.average_precision(curve, "voc11") == pytest.approx(eleven)
    assert math.isnan(detection.average_precision(detection.Curve(torch.ones(2), right[:2], 0)))
    with pytest.raises(ValueError, match=r"method='voc12' is not known"):
        detection.average_precision(curve, "voc12")


def test_where_voc_and_coco_part():
    """Two objects side by side, two predictions nearest to the first: COCO lets the second have the other object."""
    truths = [Objects(torch.tensor([[0.0, 0, 10, 10], [2, 0, 12, 10]]), torch.tensor([0, 0]))]
    said = torch.tensor([[0.0, 0, 10, 10], [0.5, 0, 10.5, 10]])
    predictions = [Objects(said, torch.tensor([0, 0]), torch.tensor([0.9, 0.8]))]
    verdicts = {
        method: detection.precision_recall(predictions, truths, 0, method=method).right.tolist()
        for method in ("coco", "voc")
    }
    assert verdicts == {"coco": [True, True], "voc": [True, False]}


def test_precision_where_there_is_nothing():
    nothing, silence = Objects.none(), Objects.none(predicted=True)
    found = detection.mean_average_precision([silence], [nothing], 2)
    assert found.table.shape == (10, 2) and math.isnan(found.mean)
    one = Objects(torch.tensor([[0.0, 0, 5, 5]]), torch.tensor([1]))
    assert detection.mean_average_precision([silence], [one], 2).by_class.nan_to_num(7).tolist() == [7, 0]
    wrong = Objects(one.boxes, one.labels, torch.ones(1))
    assert detection.mean_average_precision([wrong, wrong], [nothing, one], 2, method="voc").mean == 0.5
    assert "mAP=1.000" in repr(detection.mean_average_precision([wrong], [one], 2))
    for said, given, ways in (
        (r"predictions has 1 pictures and truths 2", ([wrong], [one, one]), {}),
        (r"predictions\[0\] has no scores", ([one], [one]), {}),
        (r"method='coc' is not known. Did you mean 'coco'", ([wrong], [one]), {"method": "coc"}),
        (r"thresholds=\(50,\) must be one or more IoUs", ([wrong], [one]), {"thresholds": (50,)}),
        (r"most=0 is not allowed", ([wrong], [one]), {"most": 0}),
    ):
        with pytest.raises(ValueError, match=said):
            detection.mean_average_precision(*given, 2, **ways)
    with pytest.raises(ValueError, match=r"labels\[0\] = 1 is no class, 0 to 0, for 1 classes"):
        detection.mean_average_precision([wrong], [one], 1)


def test_only_so_many_of_a_picture_count():
    box = torch.tensor([[0.0, 0, 5, 5], [20, 20, 30, 30]])
    predicted = Objects(box, torch.tensor([0, 0]), torch.tensor([0.5, 0.9]))
    (curve,) = (detection.precision_recall([predicted], [Objects(box[:1], torch.tensor([0]))], 0, most=1),)
    assert curve.right.tolist() == [False]


# --- objects --------------------------------------------------------------------------------------------------------


def test_objects_of_a_set_and_some_of_them():
    images = load_shapes(6, 32, objects=(1, 3), test=1).train
    every = Objects.of_set(images.boxes, images.object_labels)
    assert [len(one) for one in every] == (images.object_labels >= 0).sum(1).tolist()
    for one in every:
        one.check(size=(32, 32), num_classes=10)
    alone = load_shapes(6, 32, test=1).train
    assert torch.equal(torch.cat([one.boxes for one in Objects.of_set(alone.boxes, alone.labels)]), alone.boxes)
    some = max(every, key=len)
    assert (
        len(some[:1]) == 1 and len(some[some.labels < 0]) == 0 and torch.equal(some[[1, 0]].boxes, some.boxes[[1, 0]])
    )
    assert "3 objects of classes" in repr(Objects(torch.rand(3, 4).sort(1).values, torch.zeros(3).long()))
    assert len(Objects.none()) == 0 and Objects.none(predicted=True).scores.shape == (0,)
    with pytest.raises(ValueError, match=r"labels\[0\] = -1 is no class, 0 or more: number the classes from 0"):
        Objects(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([-1]))
    with pytest.raises(ValueError, match=r"ignored is torch.float32 of shape \(1,\), wanted torch.bool"):
        Objects(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([1]), ignored=torch.ones(1))
    with pytest.raises(ValueError, match=r"boxes\[0\] = \(0, 0, 0, 1\) has no area"):
        Objects(torch.tensor([[0.0, 0, 0, 1]]), torch.tensor([1]))
    Objects(torch.tensor([[0.0, 0, 0, 1]]), torch.tensor([1]), torch.tensor([0.3]))


# --- the grid -------------------------------------------------------------------------------------------------------

SMALL = Grid((64, 64), cells=4, boxes=2, num_classes=3)


def two_objects() -> list[Objects]:
    boxes = torch.tensor([[4.0, 8, 20, 40], [33, 33, 63, 63]])
    return [Objects(boxes, torch.tensor([2, 0])), Objects.none()]


def perfect(grid: Grid, objects: list[Objects]) -> torch.Tensor:
    """The output that says just what is there, in each cell's first box."""
    target = grid.target(objects)
    output = torch.zeros(len(objects), grid.channels, grid.cells, grid.cells)
    for picture, row, column in target.present.nonzero().tolist():
        cell = output[picture, :, row, column]
        cell[:2], cell[2:4] = target.centers[picture, row, column], target.sizes[picture, row, column].sqrt()
        cell[4] = 1
        cell[5 * grid.boxes + target.labels[picture, row, column]] = 1
    return output


def test_the_target_stands_in_the_cell_of_the_center():
    target = SMALL.target(two_objects())
    assert target.present.nonzero().tolist() == [[0, 1, 0], [0, 3, 3]]
    assert target.centers[0, 1, 0].tolist() == [0.75, 0.5] and target.sizes[0, 1, 0].tolist() == [0.25, 0.5]
    assert target.labels[0, 1, 0] == 2 and target.crowded_out.tolist() == [0, 0]
    crowd = Objects(torch.tensor([[0.0, 0, 8, 8], [1, 1, 9, 9], [56, 56, 64, 64]]), torch.tensor([1, 2, 0]))
    target = SMALL.target([crowd])
    assert target.crowded_out.tolist() == [1] and target.labels[0, 0, 0] == 1, "the first stays"
    corner = SMALL.target([Objects(torch.tensor([[63.9999, 63.9999, 64, 64]]), torch.tensor([0]))])
    assert corner.present[0, 3, 3], "a center on the border belongs to the last cell"
    with pytest.raises(ValueError, match=r"reaches out of its picture"):
        SMALL.target([Objects(torch.tensor([[0.0, 0, 80, 8]]), torch.tensor([0]))])
    with pytest.raises(ValueError, match=r"labels\[0\] = 3 is no class, 0 to 2"):
        SMALL.target([Objects(torch.tensor([[0.0, 0, 8, 8]]), torch.tensor([3]))])


def test_what_is_right_costs_nothing_and_is_decoded():
    objects = two_objects()
    output = perfect(SMALL, objects)
    assert SMALL.loss(output, objects) < 1e-10
    found = SMALL.decode(output)
    assert [len(one) for one in found] == [2, 0]
    order = found[0].labels.argsort(descending=True)
    assert torch.allclose(found[0].boxes[order], objects[0].boxes, atol=1e-4)
    assert found[0].labels[order].tolist() == [2, 0] and torch.allclose(found[0].scores, torch.ones(2))
    assert detection.mean_average_precision(found, objects, 3).mean == pytest.approx(1)


def test_each_term_of_the_loss_by_hand():
    grid, objects = Grid((64, 64), cells=4, boxes=2, num_classes=3, coordinates=7, nothing=0.25), two_objects()
    at = (0, slice(None), 1, 0)  # the first object's cell
    right = perfect(grid, objects)

    def terms(**changes):
        output = right.clone()
        for place, value in changes.items():
            output[at][int(place[1:])] += value
        return grid.terms(output, objects)

    assert terms(c0=0.1).centers.item() == pytest.approx(7 * 0.01 / 2)
    width = right[at][2].item()
    assert terms(c2=0.1).sizes.item() == pytest.approx(7 * 0.01 / 2)
    overlap = width**2 / (width + 0.1) ** 2
    assert terms(c2=0.1).confident.item() == pytest.approx((1 - overlap) ** 2 / 2, rel=1e-4), "it must say its overlap"
    assert terms(c4=-0.4).confident.item() == pytest.approx(0.16 / 2)
    assert terms(c9=0.4).unconfident.item() == pytest.approx(0.25 * 0.16 / 2), "the cell's other box"
    assert terms(c11=0.3).classes.item() == pytest.approx(0.09 / 2)
    output = right.clone()
    output[1, 4] = 0.2  # a confidence in each of the sixteen cells of the empty picture
    found = grid.terms(output, objects)
    assert found.unconfident.item() == pytest.approx(0.25 * 16 * 0.04 / 2)
    assert found.total.item() == pytest.approx(found.unconfident.item(), abs=1e-8)
    # A cell without an object may say any class and box.
    output[1, :4], output[1, 10:] = 3.0, 5.0
    assert torch.allclose(grid.terms(output, objects).total, found.total)


def test_the_box_that_overlaps_most_is_responsible():
    objects, output = two_objects(), perfect(SMALL, two_objects())
    output[0, 5:10, 1, 0] = output[0, :5, 1, 0]  # the second box is right, and the first now far off
    output[0, :2, 1, 0] -= 3
    found = SMALL.terms(output, objects)
    assert found.centers == 0 and found.confident < 1e-10
    assert found.unconfident.item() == pytest.approx(0.5 / 2), "the first should not have been confident"


def test_a_batch_without_objects_trains_and_nothing_is_nan():
    output = torch.randn(2, SMALL.channels, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = SMALL.loss(output, [Objects.none(), Objects.none()])
    loss.backward()
    assert loss.isfinite() and output.grad.isfinite().all() and (output.grad != 0).sum() == 2 * 2 * 16
    assert SMALL.decode(torch.zeros(2, SMALL.channels, 4, 4)) and SMALL.target([]).present.shape == (0, 4, 4)
    with pytest.raises(ValueError, match=r"output has shape \(2, 13, 7, 7\), wanted \(N, 13, 4, 4\): 5 x 2 boxes \+ 3"):
        SMALL.split(torch.zeros(2, 13, 7, 7))
    with pytest.raises(ValueError, match=r"cells=0 is not allowed"):
        Grid(cells=0)


def small_net(grid: Grid) -> nn.Module:
    """32 x 32 pixels to 4 x 4 cells."""
    variant = replace(yolo_v1.SMALL, picture=grid.picture, layers=yolo_v1.SMALL.layers[:3])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = yolo_v1.YOLOv1(variant, grid.num_classes)
    assert net.grid == grid
    return net


THREE = Grid((32, 32), cells=4, boxes=2, num_classes=3)


def shapes_with_objects(n: int = 12, repeats: int = 1) -> Dataset:
    """Pictures of one or two shapes no two of which share a cell, some of them several times; tested on the same."""
    names = ("circle", "cross", "star")
    images = load_shapes(2 * n, 32, objects=(1, 2), test=1, classes=names).train
    lost = THREE.target(Objects.of_set(images.boxes, images.object_labels)).crowded_out
    images = images[(lost == 0).nonzero().flatten()[:n]]
    return Dataset.from_sets("shapes", images[torch.arange(n).repeat(repeats)], images).teaching("objects")


@pytest.mark.slow
def test_it_learns_one_batch_of_shapes_by_heart():
    data, net = shapes_with_objects(8, repeats=15), small_net(THREE)
    ways = {"loss": THREE.loss, "metrics": {"map": detection.Precision(partial(THREE.decode, least=0.01), 3)}}
    run = cnnlab.fit(net, data, epochs=8, batch_size=8, optimizer="adamw", lr=0.003, progress=False, **ways)
    first, last = run.history[0], run.history[-1]
    assert last["train_loss"] < 0.2 * first["train_loss"] and "train_map" not in last
    assert first["test_map"] < 0.4 < 0.75 < last["test_map"]
    assert cnnlab.training.evaluate(net, data, **ways).measures == pytest.approx({"map": last["test_map"]})
    assert run.plot() and "map" in run._repr_html_() and "map" in repr(run)


def test_a_loader_gives_objects_too_and_a_picture_may_show_none():
    images = shapes_with_objects(4).train
    batch = (images.pixels, [Objects.none(), *images.targets[1:]])
    run = cnnlab.fit(small_net(THREE), [batch], epochs=1, loss=THREE.loss, augment=augment.Flip(), progress=False)
    assert math.isfinite(run.history[-1]["train_loss"])


def test_boxes_move_along_with_their_pictures():
    """Where a box was drawn as pixels, it is still where those pixels are."""
    boxes = torch.tensor([[3.0, 5, 12, 20], [20, 2, 31, 9], [0, 0, 4, 4]])
    pictures = torch.zeros(40, 1, 32, 32, dtype=torch.uint8)
    for x1, y1, x2, y2 in boxes.int().tolist():
        pictures[:, :, y1:y2, x1:x2] = 255
    objects = [Objects(boxes, torch.tensor([0, 1, 2]))] * 40
    generator = torch.Generator().manual_seed(3)
    for steps in (augment.Flip(), augment.Crop(6), augment.Compose([augment.Crop(6), augment.Flip()])):
        x, y = steps(pictures.float() / 255, objects, generator)
        seen = set()
        for picture, one in zip(x, y):
            one.check(size=(32, 32))
            seen.add(len(one))
            drawn = torch.zeros(32, 32)
            for x1, y1, x2, y2 in one.boxes.int().tolist():
                drawn[y1:y2, x1:x2] = 1
            # A shape of which little is left is no object any more.
            assert (picture[0] - drawn).min() == 0 and (picture[0] - drawn).sum() <= 16 / 4 * (3 - len(one))
        assert seen == ({3} if steps == augment.Flip() else {2, 3})
    assert not torch.equal(x, pictures.float() / 255) and torch.equal(objects[0].boxes, boxes)


def test_sets_in_memory_augment_their_objects_and_keep_them_through_subsets():
    data = shapes_with_objects()
    plain = data.teaching("labels")
    assert torch.equal(plain.train.targets, plain.train.labels) and plain.train[:2].teaches == "labels"
    assert data.split(0.25).validation.teaches == "objects" == data.train.subset(4).teaches
    ways = {"mean": data.mean, "std": data.std, "shuffle": True, "seed": 5}
    steps = augment.Compose([augment.Crop(2), augment.Flip(), augment.ColorShift(0.1)])
    (x, y), (same, labels) = (next(batches(one.train, 12, augment=steps, **ways)) for one in (data, plain))
    assert torch.equal(x, same) and labels.shape == (12,) and [type(one) for one in y] == [Objects] * 12
    again = next(batches(data.train, 12, augment=steps, **ways))[1]
    assert all(torch.equal(a.boxes, b.boxes) for a, b in zip(y, again))
    moved = [not torch.equal(a.boxes, b.boxes) for a, b in zip(y, next(batches(data.train, 12, **ways))[1])]
    assert sum(moved) > 6


@pytest.mark.parametrize(
    "step",
    [augment.Mixup(), augment.Compose([augment.Flip(), augment.CutMix()]), augment.OneOf(abs), augment.PerPicture(abs)],
)
def test_what_would_leave_boxes_behind_is_refused(step):
    data = shapes_with_objects(4)
    loader = [(data.train.pixels, data.train.targets)]
    for given in (data, loader):
        with pytest.raises(ValueError, match=r"augment: .* does not move boxes along with its pictures. Use Flip\(\)"):
            cnnlab.fit(small_net(THREE), given, epochs=1, loss=THREE.loss, augment=step, progress=False)


def test_what_has_no_boxes_teaches_no_objects():
    with pytest.raises(ValueError, match=r'teaches="objects" needs boxes, and these pictures have none'):
        replace(shapes_with_objects(4).teaching("labels").train, boxes=None, teaches="objects")
    with pytest.raises(ValueError, match=r"teaches='boxes' is not known. Did you mean 'labels' or 'objects'"):
        shapes_with_objects(4).teaching("boxes")
    with pytest.raises(ValueError, match=r"for which fit knows no loss. Give loss="):
        cnnlab.fit(small_net(THREE), shapes_with_objects(4), epochs=1, progress=False)


def test_the_published_network_has_the_papers_layers():
    with on_meta():
        net = yolo_v1.YOLOv1(yolo_v1.PUBLISHED)
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 24 and (net.grid.picture, net.grid.cells, net.grid.channels) == ((448, 448), 7, 30)
    # Figure 3, column by column: kernel and channels.
    figure = ["7 64", "3 192", "1 128 3 256 1 256 3 512", "1 256 3 512 " * 4 + "1 512 3 1024"]
    figure += ["1 512 3 1024 " * 2 + "3 1024 3 1024", "3 1024 3 1024"]
    numbers = [int(word) for column in figure for word in column.split()]
    kernels, widths = numbers[::2], numbers[1::2]
    assert [(c.kernel_size[0], c.out_channels) for c in convolutions] == list(zip(kernels, widths))
    counted = sum(k * k * a * b + b for k, a, b in zip(kernels, [3, *widths], widths))
    counted += (7 * 7 * 1024 + 1) * 4096 + (4096 + 1) * 7 * 7 * 30
    assert sum(p.numel() for p in net.parameters()) == counted
    assert f"{counted:,} parameters" in yolo_v1.__doc__
    assert net.fc1.weight.numel() / counted == pytest.approx(0.756, abs=0.001)
    assert net(torch.zeros(2, 3, 448, 448, device="meta")).shape == (2, 30, 7, 7)
