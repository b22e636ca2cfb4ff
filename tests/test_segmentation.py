"""cnnlab.segmentation: counts, outlines, losses, objects, runs, pairs, tiles, each against what it can be held to."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn

import cnnlab
from cnnlab import segmentation as seg
from cnnlab.data.shapes import draw_shapes
from cnnlab.models.unet import UNet, UNetVariant


@pytest.fixture(autouse=True)
def quiet_streams():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def blobs(*shape: int, share: float = 0.5) -> torch.Tensor:
    """Random masks with objects of several pixels, holes and corners that touch."""
    noise = F.avg_pool2d(torch.randn(1, math.prod(shape[:-2]) or 1, *shape[-2:]), 3, 1, 1)
    return (noise > noise.quantile(1 - share)).view(shape)


def picture(text: str) -> torch.Tensor:
    return torch.tensor([[c == "#" for c in line] for line in text.split()])


EMPTY, WHOLE = torch.zeros(5, 7, dtype=torch.bool), torch.ones(5, 7, dtype=torch.bool)
PIXEL = picture("....... ....... ..#.... ....... .......")
RING = picture("####### #.....# #.###.# #.....# #######")  # an object in the hole of another
CORNERS = picture("#....## .#..#.. ..##... .#..... #......")
ODD = (EMPTY, WHOLE, PIXEL, RING, CORNERS)


# --- counts ---------------------------------------------------------------------------------------------------------


def test_iou_and_dice_by_hand():
    truth = torch.tensor([[0, 0, 1, 1], [0, 2, 1, 9]])
    found = torch.tensor([[0, 1, 1, 1], [0, 0, 0, 1]])
    table = seg.overlap(found, truth, 4, ignore_index=9)
    assert table.counts.tolist() == [[2, 1, 0, 0], [1, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert table.iou[:3].tolist() == pytest.approx([2 / 5, 2 / 4, 0])
    assert table.dice[:3].tolist() == pytest.approx([4 / 7, 4 / 6, 0])
    assert table.iou[3].isnan() and table.dice[3].isnan(), "in neither map"
    assert table.mean_iou == pytest.approx(0.3) and table.pixel_accuracy == 4 / 7
    nothing = seg.overlap(found, torch.full_like(truth, 9), 4, ignore_index=9)
    assert math.isnan(nothing.mean_iou) and math.isnan(nothing.mean_dice) and math.isnan(nothing.pixel_accuracy)


def test_batches_add_up_and_pictures_are_measured_one_by_one():
    truth, found = torch.randint(0, 5, (2, 3, 9, 8))
    truth[0] %= 3
    table = seg.overlap(found[:1], truth[:1], 5) + seg.overlap(found[1:], truth[1:], 5)
    for k in range(5):
        both, either = ((found == k) & (truth == k)).sum(), ((found == k) | (truth == k)).sum()
        assert table.iou[k].item() == pytest.approx(both.item() / either.item())
    assert torch.allclose(table.dice, 2 * table.iou / (1 + table.iou))
    each = seg.picture_iou(F.one_hot(found, 5).movedim(-1, 1).float(), truth)
    assert each.tolist() == pytest.approx([seg.overlap(p, y, 5).mean_iou for p, y in zip(found, truth, strict=True)])
    on = seg.picture_iou(torch.tensor([2.0, -1, 3]).view(1, 1, 1, 3), torch.tensor([[[1, 0, 0]]]))
    assert on.tolist() == [0.5] and seg.picture_iou(torch.zeros(1, 2, 2, 2), torch.full((1, 2, 2), -100)).tolist() == [
        1
    ]


def test_the_iou_of_two_masks():
    a, b = blobs(4, 9, 11), blobs(3, 9, 11)
    found = seg.mask_iou(a, b)
    for i, one in enumerate(a):
        for j, two in enumerate(b):
            assert found[i, j].item() == pytest.approx((one & two).sum().item() / (one | two).sum().item())
    assert seg.mask_iou(EMPTY[None], torch.stack([EMPTY, WHOLE])).nan_to_num(-1).tolist() == [[-1, 0]]
    assert seg.mask_iou(a[:0], b).shape == (0, 3)


# --- outlines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_boundary_is_what_erosion_takes(width):
    """The authors' code: a picture's border counts as an edge, then so many erosions by a square of nine pixels."""
    square = np.ones((3, 3))
    for mask in (*ODD, blobs(20, 31, share=0.8)):
        left = ndimage.binary_erosion(mask.numpy(), square, iterations=width, border_value=0)
        assert torch.equal(seg.boundary(mask, width), mask & ~torch.from_numpy(left))
    many = blobs(3, 12, 12)
    assert torch.equal(seg.boundary(many, width), torch.stack([seg.boundary(one, width) for one in many]))


def test_boundary_iou_sees_the_edge_of_a_large_object():
    mask, smaller = torch.zeros(2, 100, 100, dtype=torch.bool)
    mask[10:90, 10:90] = True
    smaller[12:88, 12:88] = True
    iou, edge = seg.mask_iou(mask[None], smaller[None]).item(), seg.boundary_iou(mask, smaller).item()
    # 2% of the diagonal are 3 pixels: frames of 80 and 76 pixels a side share a ring of one pixel's width.
    assert iou == 76**2 / 80**2
    frames = 80**2 - 74**2, 76**2 - 70**2
    both = 76**2 - 74**2
    assert edge == both / (sum(frames) - both) < 0.3 < 0.9 < iou
    small = picture("....... .###... .###... .###... .......")
    moved = small.roll(1, 1)
    assert seg.boundary_iou(small, moved, 9) == seg.mask_iou(small[None], moved[None]).item() == 0.5
    assert seg.boundary_iou(WHOLE, WHOLE) == 1 and seg.boundary_iou(EMPTY, EMPTY).isnan()
    assert seg.boundary_iou(EMPTY, PIXEL) == 0 == seg.boundary_iou(WHOLE, EMPTY)
    assert seg.boundary_iou(torch.stack([WHOLE, RING]), torch.stack([WHOLE, EMPTY])).tolist() == [1, 0]


# --- losses ---------------------------------------------------------------------------------------------------------


def test_cross_entropy_and_focal_loss_are_torchs_and_torchvisions():
    from torchvision.ops import sigmoid_focal_loss

    scores, y = 3 * torch.randn(2, 4, 6, 5), torch.randint(0, 4, (2, 6, 5))
    y[0, :2] = 255
    wanted = F.cross_entropy(scores, y, ignore_index=255)
    assert seg.cross_entropy(scores, y, ignore_index=255).item() == pytest.approx(wanted.item())
    z, on = 3 * torch.randn(2, 1, 6, 5), torch.randint(0, 2, (2, 6, 5))
    plain = F.binary_cross_entropy_with_logits(z[:, 0], on.float())
    assert seg.cross_entropy(z, on).item() == pytest.approx(plain.item(), rel=1e-5)
    for gamma, alpha in ((2, 0.25), (0.5, 0.6), (0, 0.25)):
        wanted = sigmoid_focal_loss(z[:, 0], on.float(), alpha=alpha, gamma=gamma, reduction="mean")
        found = seg.focal_loss(z, on, gamma=gamma, weights=(1 - alpha, alpha))
        assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    easy = torch.tensor([2.1972, 0.0]).view(1, 2, 1, 1), torch.zeros(1, 1, 1, dtype=torch.int64)  # p = 0.9
    assert (seg.focal_loss(*easy) / seg.cross_entropy(*easy)).item() == pytest.approx(0.01, rel=1e-3)


def test_dice_loss_by_hand():
    p = torch.tensor([0.8, 0.4, 0.1])
    scores, y = (p / (1 - p)).log().view(1, 1, 1, 3), torch.tensor([[[1, 0, 0]]])
    object_, rest = (2 * 0.8 + 1) / (1.3 + 1 + 1), (2 * 1.5 + 1) / (1.7 + 2 + 1)
    assert seg.dice_loss(scores, y).item() == pytest.approx(1 - (object_ + rest) / 2)
    assert seg.dice_loss(scores, y, background=False).item() == pytest.approx(1 - object_)
    y[0, 0, 1] = -100
    object_ = (2 * 0.8 + 1) / (0.9 + 1 + 1)
    assert seg.dice_loss(scores, y, background=False).item() == pytest.approx(1 - object_)


def test_all_background_costs_nothing_once_it_is_said():
    y = torch.zeros(1, 4, 4, dtype=torch.int64)
    said, denied = torch.zeros(2, 1, 3, 4, 4)
    said[:, 0], denied[:, 2] = 50, 50
    assert seg.dice_loss(said, y).item() < 1e-6 and seg.dice_loss(denied, y).item() > 0.6


@pytest.mark.parametrize("loss", [seg.cross_entropy, seg.dice_loss, seg.focal_loss, seg.MaskLoss(focal=1)])
def test_losses_stay_finite_and_lead_to_the_target(loss):
    rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    y = torch.stack([(rows + columns > 7).long(), torch.full((8, 8), -100)])
    scores = torch.zeros(2, 2, 8, 8, requires_grad=True)
    for _ in range(60):
        (grad,) = torch.autograd.grad(loss(scores, y), scores)
        assert grad.isfinite().all() and not grad[1].any(), "what does not count has no gradient"
        scores = (scores - 30 * grad).detach().requires_grad_()
    assert torch.equal(scores[0].argmax(0), y[0])
    sure = (1e4 * scores).detach().requires_grad_()
    total = loss(sure, y) + loss(sure[1:], y[1:]) + loss(-sure, y)  # the second has no pixel that counts
    (grad,) = torch.autograd.grad(total, sure)
    assert total.isfinite() and grad.isfinite().all()


def test_fit_trains_a_unet_with_them():
    x = torch.rand(12, 3, 16, 16)
    y = (x.mean(1) > 0.5).long()
    y[:, 0] = 255
    model = UNet(UNetVariant(channels=(4, 8), padding=1, batch_norm=True, dropout=0.0), in_channels=3)
    loss = seg.MaskLoss(ignore_index=255)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=4)
    measures = {"iou": lambda scores, y: seg.picture_iou(scores, y, ignore_index=255)}
    run = cnnlab.fit(model, data, epochs=6, optimizer="adam", lr=0.03, loss=loss, metrics=measures)
    first, last = run.history[0], run.history[-1]
    assert last["train_loss"] < 0.8 * first["train_loss"] and last["train_iou"] > first["train_iou"]


# --- objects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbors", [4, 8])
def test_components_are_scipys(neighbors):
    square = np.ones((3, 3)) if neighbors == 8 else None
    cases = [*ODD, *(blobs(13, 17, share=s) for s in (0.2, 0.5, 0.8)), torch.rand(40, 40) < 0.5, torch.rand(1, 9) < 0.5]
    for mask in (*cases, *(mask.T for mask in cases), torch.zeros(0, 4, dtype=torch.bool)):
        wanted, count = ndimage.label(mask.numpy(), square)
        found = seg.components(mask, neighbors=neighbors)
        assert found.dtype == torch.int64 and int(found.max() if found.numel() else 0) == count
        assert len(np.unique(np.stack([wanted.ravel(), found.ravel()]), axis=1).T) == len(np.unique(wanted))
        firsts = [int((found.flatten() == k).nonzero()[0]) for k in range(1, count + 1)]
        assert firsts == sorted(firsts), "numbered as lines are read"
    assert int(seg.components(CORNERS, neighbors=neighbors).max()) == {4: 7, 8: 1}[neighbors]


def test_small_components_go_and_masks_come_of_numbers():
    labels = seg.components(RING, smallest=4)
    assert int(labels.max()) == 1 and not labels[2, 2:5].any()
    labels = seg.components(RING)
    masks = seg.masks_of(labels)
    assert masks.shape == (2, 5, 7) and torch.equal(masks.any(0), RING) and masks.sum((1, 2)).tolist() == [20, 3]
    assert seg.masks_of(seg.components(EMPTY)).shape == (0, 5, 7)


def test_boxes_are_torchvisions_and_one_wider():
    from torchvision.ops import masks_to_boxes

    masks = torch.stack([WHOLE, PIXEL, RING, *blobs(6, 5, 7, share=0.1)])
    masks = masks[masks.any(2).any(1)]
    assert torch.equal(seg.boxes_of(masks), masks_to_boxes(masks) + torch.tensor([0, 0, 1, 1]))
    assert seg.boxes_of(torch.stack([EMPTY, PIXEL])).tolist() == [[0, 0, 0, 0], [2, 2, 3, 3]]
    assert seg.boxes_of(masks[:0]).shape == (0, 4)
    bundled = draw_shapes(6, 32)
    assert torch.equal(seg.boxes_of(bundled.masks), bundled.boxes)


# --- runs -----------------------------------------------------------------------------------------------------------


def test_runs_are_pycocotools():
    from pycocotools import mask as coco

    cases = [*ODD, *(blobs(n, m, share=s) for n, m, s in ((9, 5, 0.4), (40, 70, 0.6), (300, 200, 0.1), (1, 1, 1.0)))]
    for mask in cases:
        runs, theirs = seg.encode_runs(mask), coco.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
        assert seg.string_of(runs["counts"]) == theirs["counts"].decode() and runs["size"] == theirs["size"]
        assert sum(runs["counts"][1::2]) == mask.sum() == coco.area(theirs)
        assert seg.counts_of(theirs["counts"]) == runs["counts"]
        assert torch.equal(seg.decode_runs(runs), mask) and torch.equal(seg.decode_runs(theirs), mask)
    assert seg.encode_runs(EMPTY)["counts"] == [35] and seg.encode_runs(WHOLE)["counts"] == [0, 35]
    assert seg.encode_runs(picture("#.. ##."))["counts"] == [0, 2, 1, 1, 2], "column by column"


# --- pairs ----------------------------------------------------------------------------------------------------------


def test_pairs_are_those_of_the_best_assignment():
    """SciPy's optimal one, where above 0.5 there is but one; objects of one side do not overlap."""
    from scipy.optimize import linear_sum_assignment

    for seed in range(8):
        torch.manual_seed(seed)
        true = seg.masks_of(seg.components(blobs(24, 24, share=0.3)))
        noise = seg.components(true.any(0) ^ (torch.rand(24, 24) < 0.06))
        found = seg.masks_of(noise)
        ious = seg.mask_iou(found, true).numpy()
        likely = np.where(ious > 0.5, ious, 0)
        wanted = {(i, j) for i, j in zip(*linear_sum_assignment(-likely), strict=True) if likely[i, j]}
        pairs = seg.match(found, true)
        assert set(pairs.pairs) == wanted
        assert {*pairs.invented, *(i for i, _ in pairs.pairs)} == set(range(len(found)))
        assert {*pairs.missed, *(j for _, j in pairs.pairs)} == set(range(len(true)))
        product = pairs.segmentation_quality * pairs.recognition_quality
        assert pairs.panoptic_quality == pytest.approx(product)


def test_each_is_paired_once_and_qualities_by_hand():
    true = torch.zeros(3, 4, 10, dtype=torch.bool)
    true[0, :, :4], true[1, :, 5:7], true[2, :, 8:] = True, True, True
    found = torch.zeros(3, 4, 10, dtype=torch.bool)
    found[0, :, :3], found[1, :, :4], found[2, :, 5:7] = True, True, True  # two on the first object
    said = seg.match(found, true)
    assert said.pairs == ((1, 0), (2, 1)) and said.ious == (1, 1) and said.invented == (0,) and said.missed == (2,)
    assert said.precision == said.recall == said.recognition_quality == said.panoptic_quality == 2 / 3
    half = seg.match(found[:1, :, :], true[:1, :2, :].repeat(1, 2, 1), threshold=0)
    assert half.ious == (0.75,) and half.panoptic_quality == 0.75
    exactly = torch.zeros(1, 1, 4, dtype=torch.bool)
    exactly[..., :2] = True
    assert seg.match(exactly, exactly | True).pairs == (), "0.5 is not above 0.5"
    none = seg.match(found[:0], true[:0])
    assert none.pairs == () and math.isnan(none.panoptic_quality) and math.isnan(none.precision)
    assert seg.match(found[:0], true).recall == 0 == seg.match(found[:0], true).panoptic_quality
    assert seg.match(torch.stack([EMPTY]), torch.stack([EMPTY])).missed == (0,)


# --- tiles ----------------------------------------------------------------------------------------------------------


def test_tiles_cover_a_side():
    for length in range(1, 60):
        for tile, overlap in ((8, 0), (8, 3), (8, 7), (30, 5)):
            starts = seg.tile_starts(length, tile, overlap)
            covered = {place for start in starts for place in range(start, start + tile)}
            assert covered >= set(range(length)) and starts[0] == 0
            assert all(b - a == tile - overlap for a, b in itertools.pairwise(starts))
            assert len(starts) == 1 or starts[-2] + tile < length, "none too many"


def test_tiles_of_an_unpadded_unet_give_what_the_whole_picture_gives():
    model = UNet(UNetVariant(channels=(2, 4, 8, 16, 32))).eval()  # takes 92 pixels off each side
    x = torch.randn(2, 1, 41, 28)
    around = F.pad(x, (27, 27, 40, 40), mode="reflect")  # the mirror, as far as torch's takes it
    with torch.no_grad():
        # 92 above and to the left, 92 and what is missing to a size that the network takes below and to the right.
        rows = torch.cat([seg.tiling._mirrored(one, -92, -92, 236)[None] for one in x])
        whole = model(rows)[:, :, :41, :28]
    assert torch.equal(rows[:, :, 52:173, 65:147], around)
    for blend in ("linear", "mean"):
        found = seg.predict_tiled(model, x, 204, overlap=4, blend=blend, batch_size=5)
        torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-5)


class Says(nn.Module):
    """Which half of the tile a pixel is in, whatever it shows: what tiles disagree about is seen."""

    def forward(self, x):
        half = torch.linspace(0, 1, x.shape[3]).round().expand(x.shape[0], 1, *x.shape[2:])
        return torch.cat([half, x[:, :1]], dim=1)


def test_tiles_fade_into_each_other():
    x = torch.rand(2, 1, 9, 20)
    found = seg.predict_tiled(Says(), x, 8, overlap=4)
    torch.testing.assert_close(found[:, 1], x[:, 0])
    line = found[0, 0, 0]
    assert line[4:8].tolist() == pytest.approx([0.8, 0.6, 0.4, 0.2]), "from the end of one to the begin of the next"
    assert seg.predict_tiled(Says(), x, 8, overlap=4, blend="mean")[0, 0, 0, 4:8].tolist() == [0.5] * 4
    whole = seg.predict_tiled(Says(), x, 32, overlap=0)
    assert torch.equal(whole[:, 1], x[:, 0]), "one tile is larger than the picture"
    assert torch.equal(seg.predict_tiled(Says(), x[:, :, :1, :1], 8, overlap=2)[:, 1], x[:, 0, :1, :1])


def test_tiling_leaves_the_network_as_it_was():
    model = cnnlab.create_model("unet_small", num_classes=3).train()
    scores = seg.predict_tiled(model, torch.rand(1, 3, 40, 50), 32, overlap=8)
    assert scores.shape == (1, 3, 40, 50) and model.training and not scores.requires_grad
    assert seg.classes_of(scores).shape == (1, 40, 50)


# --- errors ---------------------------------------------------------------------------------------------------------

SCORES, MAP = torch.randn(2, 3, 4, 5), torch.zeros(2, 4, 5, dtype=torch.int64)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            lambda: seg.overlap(MAP, MAP[:, :3], 3),
            ValueError,
            r"predicted is 2 x 4 x 5 and target is 2 x 3 x 5.*nearest",
        ),
        (lambda: seg.overlap(MAP + 3, MAP, 3), ValueError, r"predicted has the class 3; allowed are 0 to 2\. Number"),
        (lambda: seg.overlap(MAP, MAP - 1, 3), ValueError, r"target has the class -1; allowed are 0 to 2, and -100"),
        (lambda: seg.overlap(SCORES, MAP, 3), TypeError, r"predicted is torch.float32.*scores.argmax\(1\)"),
        (lambda: seg.overlap(MAP > 0, MAP, 3), TypeError, r"predicted is torch.bool.*mask.long\(\)"),
        (lambda: seg.overlap(MAP, MAP, 0), ValueError, r"num_classes=0 is not allowed"),
        (lambda: seg.overlap(MAP, MAP, 2) + seg.overlap(MAP, MAP, 3), ValueError, r"counts is 2 x 2.* 3 x 3"),
        (lambda: seg.classes_of(SCORES * math.nan), ValueError, r"scores has 120 of 120 numbers that are not finite"),
        (lambda: seg.classes_of(SCORES[0]), ValueError, r"scores has the shape \(3, 4, 5\); wanted \(N, K, H, W\)"),
        (lambda: seg.classes_of(MAP), TypeError, r"scores is torch.int64; give the network's output"),
        (lambda: seg.cross_entropy(SCORES.softmax(1), MAP), ValueError, r"scores sums to 1.*before the softmax"),
        (
            lambda: seg.dice_loss(SCORES, MAP[:, 1:]),
            ValueError,
            r"target has the shape \(2, 3, 5\) for scores of .*Crop",
        ),
        (lambda: seg.dice_loss(SCORES, MAP + 3), ValueError, r"target has the class 3; allowed are 0 to 2"),
        (lambda: seg.dice_loss(SCORES, MAP.float()), TypeError, r"target is torch.float32; give a class map"),
        (lambda: seg.dice_loss(SCORES, MAP, smooth=0), ValueError, r"smooth=0 must be above 0"),
        (lambda: seg.focal_loss(SCORES, MAP, gamma=-1), ValueError, r"gamma=-1 must be a number from 0"),
        (lambda: seg.focal_loss(SCORES, MAP, weights=[1, 2]), ValueError, r"weights has 2 numbers for 3 classes"),
        (lambda: seg.focal_loss(MAP, MAP), TypeError, r"scores is torch.int64"),
        (lambda: seg.MaskLoss(0, 0), ValueError, r"entropy, dice and focal are all 0"),
        (lambda: seg.MaskLoss(dice=-1), ValueError, r"dice=-1 is not allowed"),
        (lambda: seg.boundary(MAP[0]), TypeError, r"mask is torch.int64; give a bool tensor"),
        (lambda: seg.boundary(WHOLE, 0), ValueError, r"width=0 must be a whole number of pixels"),
        (lambda: seg.boundary_iou(WHOLE, WHOLE[1:]), ValueError, r"mask is 5 x 7 and other is 4 x 7"),
        (lambda: seg.mask_iou(WHOLE, WHOLE), ValueError, r"masks has the shape \(5, 7\); wanted \(A, H, W\)"),
        (lambda: seg.mask_iou(WHOLE[None], WHOLE[None, 1:]), ValueError, r"masks is 5 x 7 and others is 4 x 7"),
        (lambda: seg.boxes_of(WHOLE), ValueError, r"masks has the shape \(5, 7\)"),
        (lambda: seg.components(WHOLE[None]), ValueError, r"mask has the shape \(1, 5, 7\); wanted \(H, W\)"),
        (lambda: seg.components(WHOLE, neighbors=6), ValueError, r"neighbors=6 is not allowed"),
        (lambda: seg.components(WHOLE, smallest=0), ValueError, r"smallest=0 is not allowed"),
        (lambda: seg.masks_of(MAP), ValueError, r"labels has the shape \(2, 4, 5\)"),
        (lambda: seg.masks_of(MAP[0] - 1), ValueError, r"labels has the class -1"),
        (lambda: seg.decode_runs([3]), ValueError, r"give \{'size': \[H, W\], 'counts'"),
        (lambda: seg.decode_runs({"size": [2, 2], "counts": [5]}), ValueError, r"counts fill 5 pixels .* fill 4"),
        (lambda: seg.decode_runs({"size": [2, 2], "counts": [6, -2]}), ValueError, r"0 or more"),
        (lambda: seg.counts_of("5 5"), ValueError, r"string has ' ' at place 1"),
        (lambda: seg.counts_of("5o"), ValueError, r"ends within a count"),
        (lambda: seg.match(WHOLE[None], WHOLE[None], threshold=1), ValueError, r"threshold=1 is not allowed"),
        (lambda: seg.tile_starts(9, 4, 4), ValueError, r"overlap=4 must be from 0 to 3"),
        (lambda: seg.predict_tiled(Says(), MAP, 8), TypeError, r"pictures is torch.int64"),
        (lambda: seg.predict_tiled(Says(), SCORES[0], 8), ValueError, r"pictures has the shape \(3, 4, 5\)"),
        (lambda: seg.predict_tiled(Says(), SCORES, 8), ValueError, r"overlap=32 must be from 0 to 7"),
        (lambda: seg.predict_tiled(Says(), SCORES, 8, overlap=2, blend="max"), ValueError, r"blend='max' is not known"),
        (lambda: seg.predict_tiled(nn.Flatten(), SCORES, 8), ValueError, r"model gives \(1, 192\) for a tile of 8 x 8"),
        (
            lambda: seg.predict_tiled(cnnlab.create_model("unet_small"), SCORES, 40),
            ValueError,
            r"H and W have to be among 16, 32, 48",
        ),
    ],
)
def test_what_is_wrong_is_said(call, error, said):
    with pytest.raises(error, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
