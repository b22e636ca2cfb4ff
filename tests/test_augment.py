"""Whole-batch augmentation: what it may change, what it may not, and what it says to bad input."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlab.data import ImageSet, batches
from cnnlab.data.augment import (
    ColorShift,
    Compose,
    Crop,
    CutMix,
    Cutout,
    Flip,
    LocalWarp,
    Mixup,
    OneOf,
    PCAColor,
    PerPicture,
    Rotate,
    Shear,
    augment_set,
    moving_first,
    preview,
    with_classes,
)
from cnnlab.data.batching import mixed_seed

KEEPS_LABELS = [
    Flip(),
    Crop(3),
    Crop(3, reflect=True),
    Rotate(30),
    Shear(20),
    LocalWarp(2),
    ColorShift(0.5),
    PCAColor(0.5),
    Cutout(5),
    Compose([Flip(), Crop(2), ColorShift(0.2)]),
]
MIXES = [Mixup(0.4, num_classes=7), CutMix(1.0, num_classes=7)]
shapes = st.tuples(st.integers(1, 6), st.integers(5, 12), st.integers(5, 12))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 6, channels: int = 3, height: int = 9, width: int = 11, seed: int = 0):
    g = generator(seed)
    return torch.rand(n, channels, height, width, generator=g), torch.randint(0, 7, (n,), generator=g)


@pytest.mark.parametrize("augment", KEEPS_LABELS + MIXES, ids=lambda a: type(a).__name__)
@settings(max_examples=8, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**32))
def test_shape_dtype_range_and_seed(augment, shape, seed):
    n, height, width = shape
    x, y = batch(n, 3, height, width, seed)
    before = x.clone(), y.clone()
    out, labels = augment(x, y, generator(seed))
    again, labels_again = augment(x, y, generator(seed))
    assert out.shape == x.shape and out.dtype == x.dtype
    assert out.min() >= 0 and out.max() <= 1 + 1e-6
    assert torch.equal(out, again) and torch.equal(labels, labels_again)
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])  # the input is untouched
    if augment in MIXES:
        assert labels.shape == (n, 7)
        torch.testing.assert_close(labels.sum(1), torch.ones(n))
        assert labels.min() >= 0
    else:
        assert torch.equal(labels, y)


@pytest.mark.parametrize("augment", KEEPS_LABELS + MIXES, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtype_is_kept(augment, dtype):
    x, y = batch()
    out, _ = augment(x.to(dtype), y, generator())
    assert out.dtype == dtype and out.isfinite().all()


@pytest.mark.parametrize("augment", [a for a in KEEPS_LABELS if not isinstance(a, PCAColor)], ids=repr)
def test_one_channel(augment):
    x, y = batch(channels=1)
    assert augment(x, y, generator())[0].shape == x.shape


@pytest.mark.parametrize("augment", KEEPS_LABELS + MIXES, ids=lambda a: type(a).__name__)
def test_seeds_differ_and_pictures_differ(augment):
    x, y = batch()
    assert not torch.equal(augment(x, y, generator(1))[0], augment(x, y, generator(2))[0])
    same = x[:1].expand(32, -1, -1, -1)
    out, _ = augment(same, y[:1].expand(32), generator())
    if not isinstance(augment, Mixup | CutMix):  # mixing a picture with itself changes nothing
        assert len({tuple(row) for row in out.flatten(1).tolist()}) > 1


def test_flip_twice_is_the_picture():
    x, y = batch()
    flip = Flip(p=1.0)
    once, _ = flip(x, y, generator())
    assert torch.equal(once, x.flip(3))
    assert torch.equal(flip(once, y, generator())[0], x)
    assert torch.equal(Flip(p=0.0)(x, y, generator())[0], x)


def test_flip_takes_about_its_share():
    x, y = batch(1)
    out, _ = Flip(0.25)(x.expand(4000, -1, -1, -1), y.expand(4000), generator())
    share = (out != x).flatten(1).any(1).float().mean().item()
    assert 0.22 < share < 0.28


@pytest.mark.parametrize("reflect", [False, True])
def test_crop_equals_a_loop(reflect):
    x, y = batch(8)
    padding = 3
    out, _ = Crop(padding, reflect)(x, y, generator(5))
    offsets = torch.randint(2 * padding + 1, (2, 8), generator=generator(5))
    mode = "reflect" if reflect else "constant"
    for i in range(8):
        padded = torch.nn.functional.pad(x[i : i + 1], (padding,) * 4, mode=mode)[0]
        top, left = offsets[:, i].tolist()
        assert torch.equal(out[i], padded[:, top : top + 9, left : left + 11])


@pytest.mark.parametrize("still", [Rotate(0), Shear(0), LocalWarp(0), Crop(0), ColorShift(0), Cutout(0), PCAColor(0)])
def test_zero_is_the_identity(still):
    x, y = batch()
    assert torch.equal(still(x, y, generator())[0], x)


def test_rotation_is_a_rotation():
    """A tiny angle changes little; the formula itself is held against quarter turns."""
    from cnnlab.data.augment.moving import _sample

    x, y = batch()
    torch.testing.assert_close(Rotate(1e-5)(x, y, generator())[0], x, atol=1e-4, rtol=0)
    quarter = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])
    square, _ = batch(1, height=8, width=8)
    turned = _sample(square, quarter)
    matches = [torch.allclose(turned, torch.rot90(square, k, (2, 3)), atol=1e-5) for k in (1, 3)]
    assert sum(matches) == 1
    # In a picture that is not square, lengths stay lengths: a turned disk is still that disk.
    rows, columns = torch.meshgrid(torch.arange(41) - 20.0, torch.arange(61) - 30.0, indexing="ij")
    disk = (torch.hypot(rows, columns) < 12).float()[None, None]
    angle = math.radians(37)
    turn = torch.tensor([[[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]])
    assert (_sample(disk, turn) - disk).abs().mean() < 0.01


def test_shear_moves_rows_sideways_only():
    x = torch.zeros(1, 1, 21, 41)
    x[:, :, :, 20] = 1  # a vertical line
    out, _ = Shear(40)(x, torch.zeros(1, dtype=torch.long), generator(3))
    where = out[0, 0].argmax(1).float()
    assert where[10] == 20  # the middle row stays
    steps = where.diff()
    assert (steps >= 0).all() or (steps <= 0).all()
    assert where[0] != where[-1]


@pytest.mark.parametrize(("channels", "colored"), [(3, True), (4, False)])
def test_saturation_is_moved_in_color_pictures_alone(channels, colored):
    """Against the plain formula, with the weights of Rec. 601 for what the eye takes for bright."""
    shift = ColorShift(0.5)
    x = torch.rand(4, channels, 3, 3, generator=generator()) * 0.3 + 0.35
    factors = torch.rand(4, 3, generator=generator(7)) + 0.5
    moved, _ = shift(x, torch.zeros(4).long(), generator(7))
    weights = (0.299, 0.587, 0.114) if channels == 3 else (0.25,) * 4

    def gray(picture):
        return sum(weight * picture[i] for i, weight in enumerate(weights))

    for picture, (brightness, contrast, saturation), found in zip(x, factors, moved, strict=True):
        wanted = picture * brightness
        wanted = gray(wanted).mean() * (1 - contrast) + wanted * contrast
        if colored:
            wanted = gray(wanted) * (1 - saturation) + wanted * saturation
        assert torch.allclose(found, wanted.clamp(0, 1), atol=1e-5)


def test_pca_color_of_a_set():
    g = generator()
    line = torch.rand(64, 1, 8, 8, generator=g)
    images = (255 * torch.cat([line, 0.5 * line, torch.full_like(line, 0.3)], 1)).round().to(torch.uint8)
    pca = PCAColor.of(images)
    direction = torch.tensor(pca.eigenvectors)[:, 0]
    torch.testing.assert_close(direction, torch.tensor([2.0, 1.0, 0.0]) / math.sqrt(5), atol=5e-3, rtol=0)
    variance = (images.double() / 255).permute(1, 0, 2, 3).flatten(1).var(1, correction=0).sum()
    assert sum(pca.eigenvalues) == pytest.approx(variance.item(), rel=1e-6)  # the trace is kept
    x = torch.full((4, 3, 5, 5), 0.5)
    shift = pca(x, torch.zeros(4, dtype=torch.long), generator())[0] - x
    assert (shift - shift[:, :, :1, :1]).abs().max() < 1e-6  # one color for the whole picture


def test_imagenet_eigenvectors_are_orthonormal():
    vectors = torch.tensor(PCAColor().eigenvectors)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(3), atol=2e-3, rtol=0)


def test_cutout_blanks_one_square():
    x = torch.ones(500, 3, 16, 16)
    out, _ = Cutout(6, fill=(0.1, 0.2, 0.3))(x, torch.zeros(500, dtype=torch.long), generator())
    blank = out[:, 0] != 1
    areas = blank.flatten(1).sum(1)
    assert areas.max() == 36 and areas.min() >= 9
    torch.testing.assert_close(out[blank[:, None].expand_as(out)].unique(), torch.tensor([0.1, 0.2, 0.3]))


def test_cutmix_labels_tell_the_area():
    x = torch.zeros(64, 1, 10, 10)
    x[32:] = 1
    y = torch.arange(64) // 32
    out, soft = CutMix(1.0, num_classes=2)(x, y, generator())
    torch.testing.assert_close(out.mean((1, 2, 3)), soft[:, 1])


def test_mixup_mixes_pictures_and_labels_alike():
    x = torch.zeros(64, 1, 4, 4)
    x[32:] = 1
    out, soft = Mixup(1.0, num_classes=2)(x, torch.arange(64) // 32, generator())
    torch.testing.assert_close(out.mean((1, 2, 3)), soft[:, 1])


def test_mixing_twice_keeps_the_mass():
    x, y = batch()
    both = with_classes(Compose([Mixup(0.4), CutMix(1.0)]), 7)
    _, soft = both(x, y, generator())
    torch.testing.assert_close(soft.sum(1), torch.ones(6))


def test_frozen_and_equal():
    assert Crop(4) == Crop(4) and hash(Crop(4)) == hash(Crop(padding=4))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Crop(4).padding = 3  # type: ignore[misc]
    assert Compose([Flip(), Crop()]) == Compose((Flip(), Crop()))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Flip(1.5), r"p must lie in 0\.\.1, got 1.5"),
        (lambda: Flip(True), "p must lie"),
        (lambda: Crop(-1), "padding must be a whole number of pixels, 0 or more, got -1"),
        (lambda: Crop(2.5), "padding"),
        (lambda: Rotate(-3), r"degrees must lie in 0\.\.180"),
        (lambda: Shear(90), r"degrees must lie in 0\.\.80"),
        (lambda: ColorShift(2), "strength must lie"),
        (lambda: PCAColor(-1), "std must lie"),
        (lambda: PCAColor(0.1, (1.0, 2.0)), "3 eigenvalues"),
        (lambda: Cutout(-2), "size must be"),
        (lambda: Cutout(2, fill=7), "fill must lie"),
        (lambda: Mixup(0), "alpha must be above 0"),
        (lambda: CutMix(1.0, num_classes=0), "num_classes must be"),
        (lambda: LocalWarp(nodes=1), "nodes must be"),
        (lambda: LocalWarp(-1), "pixels must lie"),
        (lambda: Compose([Flip]), r"the class Flip; write Flip\(\)"),
        (lambda: Compose(["flip"]), "augmentations such as"),
    ],
)
def test_bad_parameters_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("crop", [Crop(3), Crop(2, reflect=True), Crop(0)], ids=repr)
def test_moving_bytes_is_moving_their_values(crop):
    """``batches`` moves bytes where it can: the same pictures come out as from floats, value for value."""
    g = generator(5)
    images = torch.randint(0, 256, (40, 3, 9, 11), dtype=torch.uint8, generator=g)
    labels = torch.randint(0, 7, (40,), generator=g)
    augment = Compose([crop, Flip(), ColorShift(0.2), Flip()])
    assert moving_first(augment) == ([crop, Flip()], Compose([ColorShift(0.2), Flip()]))
    assert moving_first(Flip()) == ([Flip()], None) and moving_first(Mixup()) == ([], Compose([Mixup()]))
    image_set = ImageSet(images, labels, tuple("abcdefg"))
    ours = next(batches(image_set, 40, mean=(0.0,) * 3, std=(1.0,) * 3, seed=2, epoch=3, augment=augment))
    seeded = generator(mixed_seed(2, 3, 1))
    theirs, _ = augment(images.float() / 255, labels, seeded)
    assert torch.equal(ours[0], theirs)


def test_a_crop_is_a_window_of_the_padded_picture():
    x, y = batch(50)
    for crop, mode in ((Crop(2), "constant"), (Crop(2, reflect=True), "reflect")):
        padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode=mode)
        cropped, _ = crop(x, y, generator())
        tops, lefts = torch.randint(5, (2, 50), generator=generator())
        for i, (top, left) in enumerate(zip(tops, lefts)):
            assert torch.equal(cropped[i], padded[i, :, top : top + 9, left : left + 11])
        assert len({(int(a), int(b)) for a, b in zip(tops, lefts)}) > 15


def test_one_of_gives_each_picture_one_of_them():
    x, y = batch(4000, height=4, width=4)
    dark, bright = ColorShift(0), lambda x, y, generator: (x + 2, y)
    out, labels = OneOf(dark, bright, lambda x, y, g: (x + 4, y), p=0.6)(x, y, generator())
    moved = (out - x).mean((1, 2, 3)).round().long()
    shares = torch.bincount(moved, minlength=5) / 4000
    assert shares[[0, 2, 4]].tolist() == pytest.approx([0.6, 0.2, 0.2], abs=0.03)  # 0.4 of them were left
    assert torch.equal(labels, y)
    for p, kept in ((0.0, 1.0), (1.0, 0.0)):
        out, _ = OneOf(bright, p=p)(x, y, generator())
        assert (out == x).float().mean() == kept


@pytest.mark.slow
def test_either_mixup_or_cutmix():
    either = with_classes(OneOf([Mixup(1.0), CutMix(1.0)], p=0.8), 7)
    x, y = batch(400)
    before = x.clone(), y.clone()
    out, soft = either(x, y, generator())
    assert soft.shape == (400, 7) and torch.allclose(soft.sum(1), torch.ones(400))
    cut = torch.stack([torch.isin(picture, x).all() for picture in out])  # mixing makes new numbers, cutting none
    left = (out == x).flatten(1).all(1)
    assert 0.45 < cut.float().mean() < 0.75 and 0.15 < left.float().mean() < 0.35
    assert torch.equal(soft[left].argmax(1), y[left]) and torch.equal(x, before[0]) and torch.equal(y, before[1])
    assert repr(either).startswith("OneOf(steps=(Mixup(alpha=1.0, num_classes=7)") and hash(either)
    _, hard = OneOf(Flip(), Mixup(num_classes=7))(x[:1], y[:1], generator(3))
    assert hard.shape in ((1,), (1, 7))


def test_functions_of_a_picture_draw_for_each():
    from torchvision.transforms import v2

    x, y = batch(12)
    for function in (v2.RandomRotation(30), lambda picture: picture * torch.rand(()), Compose([v2.ColorJitter(0.5)])):
        augment = with_classes(function, 7)
        one, labels = augment(x, y, generator(1))
        two, _ = augment(x, y, generator(1))
        assert torch.equal(one, two) and torch.equal(labels, y)
        assert not torch.equal(one, augment(x, y, generator(2))[0])
        alike, _ = augment(x[:1].expand(12, -1, -1, -1), y, generator(1))
        assert not torch.equal(alike[0], alike[1])
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    augment(x, y, generator())
    assert torch.equal(torch.rand(1), expected)
    images = ImageSet((255 * x).byte(), y, tuple("abcdefg"))
    given = {"mean": (0.5,) * 3, "std": (0.2,) * 3, "augment": Compose([Flip(), v2.RandomRotation(30)])}
    first, again = (next(batches(images, 12, **given))[0] for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize(
    ("augment", "says"),
    [
        (lambda: with_classes("flip", 3), "augmentations such as"),
        (lambda: with_classes(Flip, 3), r"write Flip\(\)"),
        (lambda: with_classes(lambda x, y: (x, y), 3), r"of one picture x \(C, H, W\), or of \(x, y, generator\)"),
        (lambda: PerPicture(lambda x: x[:, 1:])(*batch(), generator()), r"made \(3, 8, 11\) of a picture \(3, 9, 11\)"),
        (lambda: PerPicture(lambda x: None)(*batch(), generator()), "made NoneType"),
        (lambda: OneOf(), "needs augmentations to choose from"),
        (lambda: OneOf(Flip(), p=2), r"p must lie in 0\.\.1"),
    ],
)
def test_functions_that_are_no_augmentation_are_named(augment, says):
    with pytest.raises(ValueError, match=says):
        augment()


def test_torchvisions_mixing_is_refused():
    from torchvision.transforms import v2

    with pytest.raises(ValueError, match=r"torchvision's MixUp.*Use Mixup\(\)"):
        Compose([Flip(), v2.MixUp(num_classes=3)])


def test_bad_batches_are_named():
    x, y = batch()
    with pytest.raises(ValueError, match="floats in"):
        Flip()((x * 255).to(torch.uint8), y, generator())
    with pytest.raises(ValueError, match="unsqueeze"):
        Rotate()(x[0], y, generator())
    with pytest.raises(ValueError, match="color pictures"):
        PCAColor()(x[:, :1], y, generator())
    with pytest.raises(ValueError, match="num_classes"):
        Mixup()(x, y, generator())
    with pytest.raises(ValueError, match="cannot reflect"):
        Crop(9, reflect=True)(x, y, generator())
    with pytest.raises(ValueError, match="one for each channel"):
        Cutout(2, fill=(0.1, 0.2))(x, y, generator())


def test_preview_is_a_figure():
    from cnnlab.data import load_dataset

    figure = preview(load_dataset("shapes", limit=20), Compose([Flip(), Mixup()]), 3, versions=2)
    assert len(figure.axes) == 9
    with pytest.raises(ValueError, match="n must lie in"):
        preview(load_dataset("shapes", limit=20), Flip(), 21)


# --- boxes, masks and key points ---

MOVES = [Flip(1.0), Crop(4), Crop(4, reflect=True), Rotate(40), Shear(25), LocalWarp(2.5)]
MOVES.append(Compose([Flip(), Rotate(20), ColorShift(0.1), Crop(2), LocalWarp(1)]))


def blobs(n: int = 24, size: int = 40) -> ImageSet:
    """A soft dot in each picture, its middle as a key point, its disk as a mask, and the box around that."""
    middles = torch.rand(n, 2, generator=generator(3)) * 16 + 12
    places = torch.arange(size) + 0.5
    far = (places[None, None] - middles[:, 0, None, None]) ** 2 + (
        places[None, :, None] - middles[:, 1, None, None]
    ) ** 2
    images = (255 * torch.exp(-far / 8)).round().to(torch.uint8).unsqueeze(1).expand(-1, 3, -1, -1)
    boxes = torch.cat([middles - 5, middles + 5], 1)
    return ImageSet(images, torch.zeros(n, dtype=torch.int64), ("dot", "other"), boxes, far <= 25, middles[:, None])


def middle(weights: torch.Tensor) -> torch.Tensor:
    """Where the weight of maps (N, H, W) lies: (N, 2)."""
    places = torch.arange(weights.shape[-1]) + 0.5
    whole = weights.sum((1, 2))
    return torch.stack([(weights.sum(1) * places).sum(1), (weights.sum(2) * places).sum(1)], 1) / whole[:, None]


@pytest.mark.parametrize("augment", MOVES, ids=lambda a: type(a).__name__)
def test_boxes_masks_and_key_points_go_where_the_pixels_go(augment):
    before = blobs()
    after = augment_set(before, augment, seed=5)
    assert after.images.dtype == torch.uint8 and not torch.equal(after.images, before.images)
    point = after.keypoints[:, 0]
    assert (point - before.keypoints[:, 0]).abs().max() > 1, "nothing moved"
    assert (middle(after.images[:, 0].float()) - point).norm(dim=1).max() < 0.8
    # A warped disk's middle is not quite where the disk's middle went.
    assert (middle(after.masks.float()) - point).norm(dim=1).mean() < 0.8
    box = (after.boxes[:, :2] + after.boxes[:, 2:]) / 2
    assert (box - point).norm(dim=1).mean() < 1
    for mask, (x1, y1, x2, y2) in zip(after.masks, after.boxes.long().tolist(), strict=True):
        assert mask.any() and mask.sum() == mask[y1:y2, x1:x2].sum()
    # Without masks the box is that around the moved corners: it holds the point, and is no smaller.
    loose = augment_set(dataclasses.replace(before, masks=None), augment, seed=5)
    assert ((loose.boxes[:, :2] < point) & (point < loose.boxes[:, 2:])).all()
    assert torch.equal(loose.images, after.images) and torch.equal(loose.keypoints, after.keypoints)


def test_a_mirror_swaps_the_pairs_that_are_named():
    points = torch.tensor([[[2.0, 5.0], [7.0, 5.0], [4.0, 8.0]]])
    one = ImageSet(torch.zeros(1, 3, 10, 10), torch.tensor([0]), ("face", "none"), keypoints=points)
    mirrored = augment_set(one, Flip(1.0))
    assert mirrored.keypoints.tolist() == [[[8, 5], [3, 5], [6, 8]]]
    assert augment_set(one, Flip(1.0), pairs=((0, 1),)).keypoints.tolist() == [[[3, 5], [8, 5], [6, 8]]]
    assert torch.equal(augment_set(one, Flip(0.0), pairs=((0, 1),)).keypoints, points)
    with pytest.raises(ValueError, match="have 3"):
        augment_set(one, Flip(1.0), pairs=((0, 3),))


def test_an_object_that_left_the_picture_is_gone():
    masks = torch.zeros(1, 2, 12, 12, dtype=torch.bool)
    masks[0, 0, 0, 0] = masks[0, 1, 5:8, 5:8] = True
    boxes = torch.tensor([[[0.0, 0, 1, 1], [5, 5, 8, 8]]])
    two = ImageSet(torch.rand(1, 3, 12, 12), torch.tensor([1]), ("a", "b"), boxes, masks, None, torch.tensor([[0, 1]]))
    turned = augment_set(two, Rotate(45), seed=3)
    assert turned.object_labels.tolist() == [[-1, 1]] and turned.boxes[0, 0].tolist() == [0, 0, 0, 0]
    assert turned.boxes[0, 1].tolist() != [0, 0, 0, 0] and not turned.masks[0, 0].any()
    still = augment_set(two, Compose([ColorShift(0.5), Cutout(4)]))
    assert (
        torch.equal(still.boxes, boxes)
        and torch.equal(still.masks, masks)
        and not torch.equal(still.images, two.images)
    )


def test_what_mixes_pictures_moves_no_boxes():
    with pytest.raises(ValueError, match=r"Mixup.*does not say where boxes"):
        augment_set(blobs(2), Compose([Flip(), Mixup(0.2)]))
