"""Boxes, masks and key points as targets of a training: they go where the pixels go, and bad ones are refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import cnnlab
from cnnlab import detection, segmentation
from cnnlab.data import Dataset, ImageSet, batches
from cnnlab.data.augment import ColorShift, Compose, Crop, Flip, LocalWarp, OneOf, Rotate, Shear, augment_set
from cnnlab.data.shapes import _measure, draw_shapes
from cnnlab.data.targets import Placed
from cnnlab.detection import Grid, Objects, boxes_of

MOVES = [
    Flip(),
    Crop(6),
    Crop(6, reflect=True),
    Rotate(40),
    Shear(25),
    LocalWarp(2),
    OneOf(Rotate(20), Crop(3), Flip()),
]
MOVES.append(Compose([Flip(), Rotate(20), ColorShift(0.1), Crop(2), LocalWarp(1)]))
NAMES = ("circle", "cross", "star")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def scenes() -> ImageSet:
    """One to three shapes in each of 32 pictures."""
    return draw_shapes(32, 32, 3, objects=(1, 3), classes=NAMES)


@pytest.fixture(scope="module")
def single() -> ImageSet:
    return draw_shapes(24, 32, 4, classes=NAMES)


def moved(images: ImageSet, augment, seed: int = 5) -> tuple[torch.Tensor, Placed]:
    return augment(images.pixels, Placed.of_set(images, least=0.0), generator(seed))


# Not those that mirror an object into the padding, where it is seen twice.
@pytest.mark.parametrize("augment", [each for each in MOVES if each != Crop(6, reflect=True)], ids=repr)
def test_a_moved_masks_box_is_the_moved_box(scenes, augment):
    x, after = moved(scenes, augment)
    again, loose = moved(replace(scenes, masks=None), augment)
    assert torch.equal(x, again) and not torch.equal(x, scenes.pixels)
    there = (after.labels >= 0) & (loose.labels >= 0)
    measured, around = boxes_of(after.covers)[there], loose.boxes[there]
    assert torch.equal(after.boxes[there], measured) and len(measured) > 30
    # The box around moved corners holds the mask, of which a warp may bulge; where nothing turns it is the mask's own.
    more = 3 if "LocalWarp" in repr(augment) else 1
    assert ((measured[:, :2] > around[:, :2] - more) & (measured[:, 2:] < around[:, 2:] + more)).all()
    if isinstance(augment, Flip) or augment == Crop(6):
        assert torch.equal(measured, around)


@pytest.mark.parametrize("augment", MOVES, ids=lambda a: type(a).__name__)
def test_class_maps_go_where_masks_go(scenes, augment):
    whole = scenes.masks.any(1).sum((1, 2)) > 0
    none = {"object_labels": None, "boxes": None, "keypoints": None, "pairs": ()}
    maps = replace(scenes, masks=Placed.of_set(scenes).class_map().to(torch.uint8), **none)
    one, other = moved(scenes, augment)[1].class_map(), moved(maps, augment)[1].class_map()
    assert one.dtype == other.dtype == torch.int64 and whole.all()
    assert (one == other).float().mean() > 0.97 and one.max() == other.max() == 3
    # A loader's class maps go the same way.
    x, y = augment(scenes.pixels, maps.masks.long(), generator(5))
    assert torch.equal(y, other) and torch.equal(x, moved(scenes, augment)[0])


def test_a_mirror_exchanges_the_pairs_of_the_data_set(single):
    x, after = moved(single.__class__(**single.tensors, classes=single.classes, pairs=single.pairs), Flip(1.0))
    assert torch.equal(x, single.pixels.flip(3)) and single.pairs == ((1, 3),)
    boxes, points = _measure(after.covers)
    assert torch.equal(boxes, after.boxes) and torch.allclose(points, after.points, atol=1e-4)
    hidden = replace(single, visible=torch.arange(5).ne(1).expand(24, 5), teaches="keypoints")
    (_, y), (_, flipped) = (
        next(batches(hidden, 24, mean=(0,) * 3, std=(1,) * 3, augment=step)) for step in (None, Flip(1.0))
    )
    assert y.shape == (24, 5, 3) and y[:, :, 2].sum(0).tolist() == [24, 0, 24, 24, 24]
    assert flipped[:, :, 2].sum(0).tolist() == [24, 24, 24, 0, 24]
    assert torch.allclose(flipped[:, 0, 0], 32 - y[:, 0, 0]) and torch.equal(
        flipped[:, :, 1][:, [0, 3]], y[:, [0, 1], 1]
    )


def test_a_point_that_leaves_its_picture_is_not_seen(single):
    _, after = moved(single, Crop(16))
    said = after.keypoints()
    inside = ((said[..., :2] >= 0) & (said[..., :2] <= 32)).all(-1)
    assert said.isfinite().all() and 0.2 < inside.float().mean() < 0.95
    assert (said[..., 2].bool() <= inside).all() and (said[..., 2].sum() / inside.sum()) > 0.9


@pytest.mark.parametrize("augment", [Flip(), Compose([Crop(4), Rotate(20)])], ids=["flip", "turn"])
def test_sets_and_loaders_move_objects_alike(scenes, augment):
    data = replace(scenes, teaches="objects", pairs=())
    x, after = augment(data.pixels, data.placed, generator(2))
    same, listed = augment(data.pixels, data.targets, generator(2))
    assert torch.equal(x, same) and [len(one) for one in after.objects()] == [len(one) for one in listed]
    for one, other in zip(after.objects(), listed, strict=True):
        assert torch.equal(one.labels, other.labels)
        assert (one.boxes - other.boxes).abs().max() <= 1 and (one.masks != other.masks).float().mean() < 0.01
        assert torch.allclose(one.keypoints[..., :2], other.keypoints[..., :2], atol=1e-3)
    crowd = Objects(torch.tensor([[2.0, 2, 9, 9]]), torch.tensor([1]), ignored=torch.tensor([True]))
    _, (kept, none) = Flip(1.0)(data.pixels[:2], [crowd, Objects.none()], generator())
    assert kept.ignored.tolist() == [True] and kept.boxes.tolist() == [[23, 2, 30, 9]] and len(none) == 0


class Maps(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, channels, 3, padding=1))

    def forward(self, x):
        return self.layers(x)


class Points(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.Flatten(), nn.Linear(392, 10))

    def forward(self, x):
        return self.layers(x).view(-1, 5, 2)


def point_loss(output, y):
    return ((output * 32 - y[..., :2]).square().sum(-1) * y[..., 2]).sum() / y[..., 2].sum().clamp(min=1)


TURN = Compose([Crop(3), Flip(), Rotate(15), LocalWarp(1), ColorShift(0.1)])


def test_segmenters_train_in_fit_with_every_augmentation(scenes):
    data = Dataset.from_sets("shapes", scenes, scenes).teaching("masks")
    assert data.train.mask_classes == ("background", *NAMES)
    metrics = {"miou": segmentation.MeanIoU(4), "dice": segmentation.MeanDice(4, background=False)}
    model, ways = Maps(4), {"loss": segmentation.MaskLoss(), "metrics": metrics}
    run = cnnlab.fit(
        model, data, epochs=4, batch_size=8, lr=0.01, optimizer="adam", augment=TURN, progress=False, **ways
    )
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]
    with torch.no_grad():
        x = next(batches(data.test, 32, mean=data.mean, std=data.std))[0]
        counted = segmentation.overlap(model.eval()(x).argmax(1), data.test.targets, 4)
    assert run.history[-1]["test_miou"] == pytest.approx(counted.mean_iou)
    assert run.history[-1]["test_dice"] == pytest.approx(float(counted.dice[1:].nanmean()), nan_ok=True)


def test_detectors_and_pose_networks_train_in_fit_with_every_augmentation(scenes, single):
    grid = Grid((32, 32), cells=4, boxes=1, num_classes=3)
    net = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.ReLU(), nn.Conv2d(8, grid.channels, 1))
    data = Dataset.from_sets("shapes", scenes, scenes).teaching("objects")
    seen = []

    def own(x, objects, generator):
        seen.append(objects)
        return x, objects

    ways = {"loss": grid.loss, "lr": 1e-3, "metrics": {"map": detection.Precision(grid.decode, 3)}}
    with torch.no_grad():  # however bad a network is, its boxes are boxes
        assert all(len(one) for one in grid.decode(torch.full((1, grid.channels, 4, 4), 1e9), least=0))
    output = torch.zeros(1, grid.channels, 4, 4)
    output[0, 1, 2, 3] = math.nan
    with pytest.raises(ValueError, match=r"1 of 128 numbers that are not finite: the training has diverged"):
        grid.decode(output)
    run = cnnlab.fit(net, data, epochs=2, batch_size=8, augment=Compose([TURN, own]), progress=False, **ways)
    assert all(math.isfinite(row["train_loss"]) for row in run.history) and isinstance(seen[0][0], Objects)
    poses = Dataset.from_sets("shapes", single, single).teaching("keypoints")
    ways = {"loss": point_loss, "optimizer": "adam", "lr": 0.01, "epochs": 6, "batch_size": 8, "progress": False}
    run = cnnlab.fit(Points(), poses, augment=TURN, **ways)
    assert run.history[-1]["train_loss"] < 0.8 * run.history[0]["train_loss"]
    with pytest.raises(ValueError, match=r"own.* must be the last step"):
        cnnlab.fit(Points(), poses, augment=Compose([own, Flip()]), **ways)


def test_augment_set_keeps_the_form_of_a_set(scenes, single):
    for images in (scenes, single):
        once = augment_set(images, Compose([Crop(12), OneOf(Rotate(30), Flip())]), seed=1)
        twice = augment_set(once, Flip(1.0), seed=2)
        for name, tensor in images.tensors.items():
            assert getattr(twice, name).shape == tensor.shape and getattr(twice, name).dtype == tensor.dtype
        gone = (once.boxes == 0).all(-1)
        assert gone.any() == (twice.boxes == 0).all(-1).any()
        # What left its picture is no object to be taught.
        assert sum(map(len, replace(once, teaches="objects").targets)) == int((~gone).sum())


BAD = {
    "no area": (lambda s: replace(s, boxes=s.boxes * 0 + 5), r"boxes of picture 0\[0\] = \(5, 5, 5, 5\) has no area"),
    "outside": (
        lambda s: replace(s, boxes=s.boxes + 20),
        r"boxes of picture \d+\[\d\] = .* reaches out of its picture",
    ),
    "x, y, w, h": (lambda s: replace(s, boxes=s.boxes.flip(-1)), r'ends before it begins.*"xywh", "xyxy"'),
    "NaN": (lambda s: replace(s, boxes=s.boxes * torch.nan), r"boxes of picture 0\[0\] = \(nan.* is not finite"),
    "class": (
        lambda s: replace(s, object_labels=s.object_labels + 3),
        r"object_labels of picture \d+ has the class \d, and 3 names allow 0 to 2: number the classes",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=BAD)
def test_boxes_that_cannot_be_learned_name_their_picture(scenes, spoil, message):
    spoiled = spoil(replace(scenes, teaches="objects", masks=None))
    with pytest.raises(ValueError, match=message):
        cnnlab.fit(Maps(4), spoiled, epochs=1, loss=lambda *_: None, progress=False)


def test_what_does_not_belong_together_is_refused(scenes, single):
    with pytest.raises(ValueError, match=r"masks has shape \(32, 3, 16, 16\) for pictures of 32 x 32.*nearest"):
        replace(scenes, masks=scenes.masks[..., ::2, ::2])
    with pytest.raises(TypeError, match=r"masks is torch.float32, wanted torch.bool.*masks > 0.5"):
        replace(scenes, masks=scenes.masks.float())
    with pytest.raises(ValueError, match=r"boxes has room for 2 objects in a picture and object_labels for 3"):
        replace(scenes, boxes=scenes.boxes[:, :2])
    with pytest.raises(ValueError, match=r"keypoints has shape \(24, 5, 3\).*visible="):
        replace(single, keypoints=torch.zeros(24, 5, 3))
    with pytest.raises(
        ValueError, match=r"visible is torch.bool of shape \(24, 4\), wanted torch.bool of shape \(24, 5\)"
    ):
        replace(single, visible=torch.ones(24, 4).bool())
    with pytest.raises(
        ValueError, match=r"pairs: \(1, 7\) must be two numbers of key points, of which these .* have 5"
    ):
        replace(single, pairs=((1, 7),))
    with pytest.raises(ValueError, match=r'teaches="keypoints" needs keypoints, and these pictures have none'):
        replace(single, keypoints=None, pairs=(), teaches="keypoints")
    nowhere = replace(single, keypoints=single.keypoints * torch.nan, teaches="keypoints")
    with pytest.raises(ValueError, match=r"keypoints of picture 0 are not all finite: mark those"):
        cnnlab.fit(Points(), nowhere, epochs=1, loss=point_loss, progress=False)


def test_class_maps_that_do_not_fit_are_refused_before_training(single):
    taught = replace(single, teaches="masks")
    with pytest.raises(ValueError, match=r"A target is class 3, and the model tells 3 classes apart"):
        cnnlab.fit(Maps(3), taught, epochs=1, progress=False)
    from cnnlab.models.unet import UNet, UNetVariant

    net = UNet(UNetVariant(channels=(2, 4), padding=1), num_classes=4, in_channels=3)
    odd = replace(taught, images=taught.images[..., :31], masks=taught.masks[..., :31])
    for loss in (None, segmentation.MaskLoss()):
        with pytest.raises(ValueError, match=r"halved as often.*multiples of 16"):
            cnnlab.fit(net, odd, epochs=1, loss=loss, progress=False)
    with pytest.raises(ValueError, match=r"num_classes=0"):
        segmentation.MeanIoU(0)


def test_boxes_of_any_number_of_masks(scenes):
    assert torch.equal(boxes_of(scenes.masks), scenes.boxes)
    assert torch.equal(boxes_of(scenes.masks.flatten(0, 1)), segmentation.boxes_of(scenes.masks.flatten(0, 1)))
