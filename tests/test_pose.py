"""Pose: functions against pycocotools, the authors' code or arithmetic; figures; the network against torchvision's."""

from __future__ import annotations

import contextlib
import io
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from cnnlab import pose
from cnnlab.data import draw_figures, load_figures
from cnnlab.data.figures import FIGURE_BONES, FIGURE_JOINTS, FIGURE_PAIRS
from cnnlab.meta import on_meta
from cnnlab.models import simple_baselines
from cnnlab.models.simple_baselines import SMALL, VARIANTS, SimpleBaseline, SimpleBaselineVariant
from cnnlab.pose import HeatMapLoss, Persons, PointLoss
from tests.contract import TOLERANCE, randomize, relative_difference, uninitialized

SEEDS = range(8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_points(n: int, p: int, seed: int, size: float = 48.0) -> torch.Tensor:
    return torch.rand(n, p, 2, generator=seeded(seed)) * size


# --- heat maps and what is read off them -----------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.0])
def test_taylor_reads_a_gaussian_without_loss(stride, sigma):
    points = random_points(20, 5, stride) * 0.7 + 9  # in no cell at the border
    maps, counted = pose.heat_maps(points, (64 // stride, 64 // stride), stride=stride, sigma=sigma)
    assert counted.all() and maps.shape == (20, 5, 64 // stride, 64 // stride)
    far = {
        method: pose.distances(pose.decode(maps, stride=stride, method=method).points, points)
        for method in pose.METHODS
    }
    # In float32 a logarithm near 0 keeps less of what it is made of.
    assert far["taylor"].max() < 2e-3 * stride
    # The highest cell's middle is half a cell off at most along each axis; a quarter towards the neighbor halves it.
    assert far["argmax"].max() <= stride * 0.5**0.5 + 1e-4
    assert far["quarter"].max() <= stride * 0.125**0.5 + 1e-4
    # The mean distance of a point in a square of side 1 from its middle.
    mean = (2**0.5 + math.log(1 + 2**0.5)) / 6
    assert far["argmax"].mean() == pytest.approx(mean * stride, rel=0.2)


def test_quarter_as_in_the_authors_code():
    """lib/core/inference.py of Simple Baselines, in its own coordinates: cells from 0, and none moved at the border."""
    maps = torch.rand(6, 4, 9, 7, generator=seeded(0))
    found = pose.decode(maps, stride=1, method="quarter").points - 0.5
    for n, p in np.ndindex(6, 4):
        one = maps[n, p].numpy()
        y, x = np.unravel_index(one.argmax(), one.shape)
        expected = np.array([x, y], np.float32)
        if 0 < x < 6:
            expected[0] += np.sign(one[y, x + 1] - one[y, x - 1]) * 0.25
        if 0 < y < 8:
            expected[1] += np.sign(one[y + 1, x] - one[y - 1, x]) * 0.25
        assert found[n, p].tolist() == expected.tolist()


def test_taylor_goes_to_the_top_of_any_parabola():
    """Newton's step on log h = -(d^T A d) is exact for any ellipse, turned ones included."""
    y, x = torch.meshgrid(torch.arange(11.0), torch.arange(11.0), indexing="ij")
    for seed in SEEDS:
        dx, dy = (torch.rand(2, generator=seeded(seed)) * 0.8 - 0.4).tolist()
        a, b = (torch.rand(2, generator=seeded(seed + 50)) * 0.4 + 0.2).tolist()
        c = 0.3 * math.sqrt(a * b)
        u, v = x - 5 - dx, y - 5 - dy
        maps = (-(a * u**2 + b * v**2 + 2 * c * u * v)).exp()[None, None]
        found = pose.decode(maps, stride=2).points[0, 0]
        expected = 2 * torch.tensor([5.5 + dx, 5.5 + dy])
        if pose.decode(maps, stride=1, method="argmax").points[0, 0].tolist() == [5.5, 5.5]:
            assert torch.allclose(found, expected, atol=1e-3)


def test_decoding_never_leaves_the_cell_and_knows_plain_maps():
    for seed in SEEDS:
        maps = torch.randn(4, 3, 6, 5, generator=seeded(seed))
        middle = pose.decode(maps, stride=4, method="argmax").points
        for method in ("quarter", "taylor"):
            found, scores = pose.decode(maps, stride=4, method=method)
            assert (found - middle).abs().max() <= 2 and torch.equal(scores, maps.flatten(2).amax(2))
        assert pose.decode(maps, method="soft", sharpness=50.0).points.isfinite().all()
    flat = torch.zeros(1, 2, 4, 4)
    assert all(pose.decode(flat, method=method).points.isfinite().all() for method in pose.METHODS)
    assert pose.decode(flat, stride=4, method="soft").points.tolist() == [[[8.0, 8.0], [8.0, 8.0]]]
    assert pose.decode(torch.zeros(0, 2, 4, 4)).points.shape == (0, 2, 2)


def test_blur_keeps_a_gaussians_place():
    points = random_points(5, 3, 1) * 0.5 + 12
    maps, _ = pose.heat_maps(points, (24, 24), stride=2, sigma=1.0)
    assert pose.distances(pose.decode(maps, stride=2, smooth=1.0).points, points).max() < 0.05


def test_rounded_maps_have_forgotten_where_in_the_cell():
    points = random_points(5, 3, 2)
    maps, _ = pose.heat_maps(points, (12, 12), stride=4, rounded=True)
    assert torch.allclose(pose.decode(maps, stride=4).points, (points // 4) * 4 + 2, atol=1e-2)


def test_peaks_of_several_bodies():
    one = torch.tensor([[[10.0, 12.0], [30.0, 8.0]], [[40.0, 40.0], [20.3, 30.9]], [[11.0, 33.0], [4.0, 4.0]]])
    maps = pose.heat_maps(one, (24, 24), stride=2)[0].amax(0, keepdim=True)
    for index, found in enumerate(pose.peaks(maps, stride=2)):
        assert found.points.shape == (1, 3, 2) and found.scores.shape == (1, 3)
        apart = torch.cdist(found.points[0], one[:, index])
        assert apart.amin(0).max() < 0.1
    nothing = pose.peaks(torch.zeros(1, 2, 5, 5), least=0.1)
    assert [found.points.shape for found in nothing] == [(1, 0, 2)] * 2
    with pytest.raises(ValueError, match="an odd window"):
        pose.peaks(maps, window=4)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (torch.zeros(1, 2, 2, dtype=torch.int64), "points are torch.int64"),
        (torch.zeros(1, 2, 4), r"shape \(1, 2, 4\)"),
        (torch.tensor([[[1.0, math.nan]]]), r"points\[0, 0\] = \[1.0, nan\] is not finite"),
        (torch.tensor([[[math.inf, 1.0, 2.0]]]), "is not finite"),
    ],
)
def test_points_that_are_none(target, said):
    for use in (
        pose.split_target,
        lambda t: pose.heat_maps(t, (4, 4)),
        lambda t: HeatMapLoss()(torch.zeros(1, 1, 4, 4), t),
    ):
        with pytest.raises((TypeError, ValueError), match=said):
            use(target)


def test_points_outside_and_unknown_teach_nothing_and_training_stays_finite():
    target = torch.tensor([[[8.0, 8, 1], [math.nan, 0, 0], [-3, 5, 2], [5, 17, 1]]])
    maps = torch.randn(1, 4, 4, 4, requires_grad=True)
    loss = HeatMapLoss(stride=4)(maps, target)
    loss.backward()
    assert loss > 0 and maps.grad[0, 0].abs().sum() > 0 and not maps.grad[0, 1:].any()
    nothing = target.clone()
    nothing[..., 2] = 0
    maps.grad = None
    loss = HeatMapLoss(stride=4)(maps, nothing)
    loss.backward()
    assert loss == 0 and not maps.grad.any()
    output = torch.randn(1, 8, requires_grad=True)
    loss = PointLoss(lambda y: y.unflatten(1, (4, 2)), unit=16)(output, nothing)
    loss.backward()
    assert loss == 0 and not output.grad.any()
    with pytest.raises(
        ValueError, match=r"points\[0, 2\] = \[-3.0, 5.0\] lies outside a picture of 16 x 16.*as do 2 of 4"
    ):
        pose.check_points(target, (16, 16))
    assert pose.check_points(target[:, :2], (16, 16)) is not None


def test_refusals():
    maps = torch.zeros(1, 2, 4, 4)
    points = torch.ones(1, 2, 2)
    with pytest.raises(ValueError, match="method='darc'"):
        pose.decode(maps, method="darc")
    with pytest.raises(ValueError, match=r"maps\[0, 1, 2, 3\] = nan is not finite"):
        broken = maps.clone()
        broken[0, 1, 2, 3] = math.nan
        pose.decode(broken)
    with pytest.raises(ValueError, match="shape"):
        pose.decode(maps[:, :0])
    with pytest.raises(TypeError, match="maps are torch.int64"):
        pose.decode(maps.long())
    with pytest.raises(ValueError, match="sigma=0"):
        HeatMapLoss(sigma=0)
    with pytest.raises(ValueError, match="gives 2 maps and the targets have 3 points"):
        HeatMapLoss()(maps, torch.ones(1, 3, 2))
    with pytest.raises(ValueError, match="give a found point for each"):
        pose.distances(points, torch.ones(1, 3, 2))
    with pytest.raises(ValueError, match="above 0"):
        pose.pck(points, points, 0.0)
    with pytest.raises(ValueError, match="17 numbers.*2 points"):
        pose.oks(points, points, torch.ones(1))
    with pytest.raises(ValueError, match="areas above 0"):
        pose.oks(points, points, torch.zeros(1), (0.1, 0.1))
    with pytest.raises(ValueError, match="each named once"):
        pose.mirrored(points, 4, ((0, 0),))
    with pytest.raises(ValueError, match="0 to 1"):
        pose.mirrored_maps(maps, ((0, 2),))


# --- measures ---------------------------------------------------------------------------------------------------------


def test_pck_and_distances_by_hand():
    target = torch.tensor([[[0.0, 0, 1], [10, 0, 1], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]])
    found = torch.tensor([[[3.0, 4], [10, 0], [9, 9]], [[6, 8], [1, 1], [1, 1]]])
    far = pose.distances(found, target)
    assert far[0].tolist()[:2] == [5, 0] and far[1, 0] == 10 and far.isnan().sum() == 3
    share = pose.pck(found, target, 25.0, share=0.2)
    assert share[:2].tolist() == [0.5, 1] and share[2].isnan()
    assert pose.pck(found, target, torch.tensor([25.0, 50]), share=0.2)[0] == 1

    read = lambda output: output  # noqa: E731
    halves = [(found[:1], target[:1]), (found[1:], target[1:])]
    error, right = pose.PointError(read), pose.PCK(read, length=25)
    assert error.of_set([error(*half) for half in halves]) == pytest.approx(5)
    assert right.of_set([right(*half) for half in halves]) == pytest.approx(2 / 3)
    empty = target.clone()
    empty[..., 2] = 0
    assert math.isnan(error.of_set([error(found, empty)])) and math.isnan(right.of_set([right(found, empty)]))


def random_persons(seed: int, points: int = 17) -> tuple[list[Persons], list[Persons]]:
    """Pictures with nobody, with persons of whom no point is known, close to one another, found well and badly."""
    g = seeded(seed)
    predictions, truths = [], []
    for picture in range(6):
        count = [0, 1, 3, 4, 2, 1][picture]
        corner = torch.rand(count, 1, 2, generator=g) * 100
        size = torch.rand(count, 1, 2, generator=g) * 80 + 20
        where = corner + torch.rand(count, points, 2, generator=g) * size
        flags = torch.randint(0, 3, (count, points, 1), generator=g).float()
        if picture == 3:
            flags[1] = 0
        boxes = torch.cat([corner, corner + size], -1)[:, 0]
        areas = size.prod(-1)[:, 0] * (0.3 + 0.4 * torch.rand(count, generator=g))
        truths.append(Persons(torch.cat([where, flags], -1), boxes, areas))
        taken = torch.randint(0, max(count, 1), (count + picture % 3,), generator=g) if count else torch.zeros(0).long()
        spread = torch.rand(len(taken), 1, 1, generator=g) * 12
        found = where[taken] + torch.randn(len(taken), points, 2, generator=g) * spread
        if picture == 0:
            found = torch.rand(2, points, 2, generator=g) * 100
        scores = torch.randint(0, 12, (len(found),), generator=g) / 12
        predictions.append(Persons(found, scores=scores))
    return predictions, truths


def by_pycocotools(predictions: list[Persons], truths: list[Persons]) -> torch.Tensor:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    people, found = [], []
    for picture, (said, there) in enumerate(zip(predictions, truths, strict=True)):
        for points, box, area in zip(there.points, there.boxes.tolist(), there.areas.tolist(), strict=True):
            x1, y1, x2, y2 = box
            row = {"id": len(people) + 1, "image_id": picture, "category_id": 1, "iscrowd": 0, "area": area}
            row |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "keypoints": points.flatten().tolist()}
            people.append(row | {"num_keypoints": int((points[:, 2] > 0).sum())})
        for points, score in zip(said.points, said.scores.tolist(), strict=True):
            numbers = torch.cat([points, torch.ones(len(points), 1)], 1).flatten().tolist()
            found.append({"image_id": picture, "category_id": 1, "keypoints": numbers, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"images": [{"id": i} for i in range(len(truths))], "annotations": people, "info": {}}
        coco.dataset["categories"] = [{"id": 1}]
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), "keypoints")
        judge.evaluate()
        judge.accumulate()
    return torch.from_numpy(judge.eval["precision"][:, :, 0, 0, 0]).mean(1)


def test_precision_as_pycocotools():
    seen = set()
    for seed in range(12):
        predictions, truths = random_persons(seed)
        found, expected = pose.keypoint_precision(predictions, truths), by_pycocotools(predictions, truths)
        assert torch.allclose(found, expected, atol=1e-9), (seed, found, expected)
        seen.add(round(found[0].item(), 3))
    assert len(seen) > 8


def test_oks_as_pycocotools_formula():
    sigmas = torch.tensor(pose.COCO_SIGMAS)
    found, target, areas = random_points(3, 17, 1), random_points(3, 17, 2), torch.tensor([400.0, 900, 2500])
    e = (found - target).square().sum(-1) / (2 * sigmas) ** 2 / areas[:, None] / 2
    assert torch.allclose(pose.oks(found, target, areas), (-e).exp().mean(1), atol=1e-6)
    assert pose.oks(target, target, areas).tolist() == [1, 1, 1]
    # A point that is off by one k, of an area of 1, counts exp(-1/2).
    one = pose.oks(torch.tensor([[[0.2, 0.0]]]), torch.zeros(1, 1, 2), torch.ones(1), (0.1,))
    assert one.item() == pytest.approx(math.exp(-0.5))


def test_nobody_and_no_prediction():
    persons = random_persons(0)[1][1]
    none, nobody = Persons.none(17, predicted=True), Persons.none(17)
    assert (pose.keypoint_precision([none], [persons]) == 0).all()
    assert pose.keypoint_precision([none], [nobody]).isnan().all()
    assert pose.keypoint_precision([], []).isnan().all()
    with pytest.raises(ValueError, match="1 pictures and truths 2"):
        pose.keypoint_precision([none], [persons, persons])
    with pytest.raises(ValueError, match="has no scores"):
        pose.keypoint_precision([persons], [persons])
    with pytest.raises(ValueError, match="a box for each person"):
        Persons(torch.zeros(1, 2, 2))
    with pytest.raises(ValueError, match="above 0"):
        Persons(torch.zeros(1, 2, 2), torch.zeros(1, 4))
    with pytest.raises(ValueError, match="not finite"):
        Persons(torch.zeros(1, 2, 2), scores=torch.tensor([math.nan]))


# --- mirrors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_maps_of_mirrored_points_are_mirrored_maps(stride):
    points = torch.cat([random_points(3, 5, stride), torch.randint(0, 3, (3, 5, 1)).float()], -1)
    pairs = ((0, 1), (3, 4))
    size = (48 // stride, 48 // stride)
    there = pose.mirrored(points, 48, pairs)
    assert torch.allclose(pose.mirrored(there, 48, pairs), points, atol=1e-5)
    assert there[:, 1, 0].tolist() == (48 - points[:, 0, 0]).tolist() and torch.equal(there[:, 2, 1:], points[:, 2, 1:])
    maps = pose.heat_maps(points, size, stride=stride)[0]
    assert torch.allclose(pose.heat_maps(there, size, stride=stride)[0], pose.mirrored_maps(maps, pairs), atol=1e-5)


def test_both_ways_of_a_network_that_sees_no_side_changes_nothing():
    torch.manual_seed(0)
    net = nn.Conv2d(3, 4, 1)
    x = torch.randn(2, 3, 8, 8)
    assert torch.allclose(pose.both_ways(net, x, ()), net(x), atol=1e-6)
    exchanged = pose.both_ways(net, x, ((0, 1),))
    assert torch.allclose(exchanged[:, 0], (net(x)[:, 0] + net(x)[:, 1]) / 2, atol=1e-6)


# --- figures ----------------------------------------------------------------------------------------------------------


def test_figures_are_whole_and_left_is_their_own():
    figures = draw_figures(60, 48, 3)
    again = draw_figures(60, 48, 3)
    assert torch.equal(figures.images, again.images) and figures.keypoints.shape == (60, 11, 2)
    assert pose.check_points(figures.keypoints, (48, 48)) is not None
    assert len(FIGURE_JOINTS) == 11 and len(FIGURE_BONES) == 10
    for (left, right), (a, b) in zip(FIGURE_PAIRS, [(3, 4), (5, 6), (7, 8), (9, 10)], strict=True):
        assert (left, right) == (a, b) and FIGURE_JOINTS[left].replace("left", "right") == FIGURE_JOINTS[right]
    # From the front the left elbow is on the picture's right of the right one.
    front = figures.labels == 0
    ahead = figures.keypoints[:, 3, 0] > figures.keypoints[:, 4, 0]
    assert (ahead == front).float().mean() > 0.95 and 0 < front.float().mean() < 1
    # Bones are drawn: pixels at their middles belong to the figure, boxes lie around it.
    for one, other in FIGURE_BONES:
        x, y = figures.keypoints[:, [one, other]].mean(1).long().unbind(1)
        assert figures.masks[torch.arange(60), y, x].all()
    assert (figures.keypoints[:, :, 0] >= figures.boxes[:, None, 0] - 1).all()
    assert (figures.keypoints[:, :, 1] <= figures.boxes[:, None, 3] + 1).all()
    data = load_figures(12, test=3)
    assert (len(data.train), len(data.test), data.classes) == (12, 3, ("front", "back"))
    for bad in ({"n": 0}, {"n": 1, "size": 8}, {"n": 1, "noise": 2}):
        with pytest.raises(ValueError):
            draw_figures(**bad)


# --- the network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params", "printed"),
    [
        ("resnet50", 34.0, 8.9),
        pytest.param("resnet101", 53.0, 12.4, marks=pytest.mark.slow),
        pytest.param("resnet152", 68.6, 15.7, marks=pytest.mark.slow),
    ],
)
def test_parameters_of_the_paper_and_what_its_table_counts(name, params, printed):
    """HRNet's table 1: parameters in millions and GFLOPs at 256 x 192, partly cut off rather than rounded."""
    with on_meta():
        model = SimpleBaseline(VARIANTS[name]).eval()
    counted, theirs = [], []

    def count(module, inputs, y):
        size = inputs[0].shape[2:] if isinstance(module, nn.ConvTranspose2d) else y.shape[2:]
        counted.append(module.weight.numel() * size.numel())
        theirs.append(module.weight.numel() * y.shape[2:].numel())

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(count)
    y = model(torch.empty(1, 3, 256, 192, device="meta"))
    assert y.shape == (1, 17, 64, 48) and model.stride == 4
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(params, abs=0.05)
    assert -0.05 < sum(theirs) / 2**30 - printed < 0.1
    if name == "resnet50":
        assert sum(p.numel() for p in model.parameters()) == 33_999_697
        assert sum(counted) == 5_426_380_800 and sum(theirs) == 9_654_239_232


def reference(trunk: str, joints: int) -> nn.Module:
    """torchvision's trunk, and the three layers that figure 1 (c) puts behind it."""
    from torchvision.models import get_model

    body = list(get_model(trunk, weights=None).children())[:-2]
    widths = [512 if trunk in ("resnet18", "resnet34") else 2048, 256, 256, 256]
    head: list[nn.Module] = []
    for before, after in pairwise(widths):
        head += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*body, *head, nn.Conv2d(256, joints, 1))


def _no_relu(up: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return up.bn(up.conv(x))


@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_output_equals_torchvisions_trunk_with_three_layers_behind_it(size):
    from cnnlab.models.resnet import VARIANTS as RESNETS
    from cnnlab.weights import transplant
    from tests.contract import swap_forward

    with uninitialized():
        model = SimpleBaseline(SimpleBaselineVariant(RESNETS["resnet18"]), 5).eval()
        other = reference("resnet18", 5).eval()
    randomize(other, (3, *size))
    transplant(other, model)
    x = torch.randn(1, 3, *size, generator=seeded(1))
    assert relative_difference(other, model, x) < TOLERANCE
    swap_forward(model.up[1], _no_relu)
    assert relative_difference(other, model, x) > 100 * TOLERANCE


def test_small_network_learns_where_a_shape_is():
    model = SimpleBaseline(SMALL, 11)
    assert model.stride == 4 and model(torch.zeros(2, 3, 48, 48)).shape == (2, 11, 12, 12)
    lines = simple_baselines.__file__
    with open(lines, encoding="utf-8") as file:
        assert len(file.readlines()) <= 250
