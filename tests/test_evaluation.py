"""Asking networks more than once, against independent computations: torchvision's crops, scikit-learn, SciPy, loops."""

from __future__ import annotations

import math

import numpy
import pytest
import torch
from torch import nn

from cnnlab import evaluation
from cnnlab.data import Dataset, ImageSet
from cnnlab.data.augment import CutMix, Flip
from cnnlab.evaluation import Answers, Crops, answers, augmented, calibration, combined, mcnemar, paired, temperature
from cnnlab.preprocessing import Preprocess


@pytest.fixture(autouse=True)
def own_stream():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


class Small(nn.Module):
    """Any size in, a number for each of four classes out."""

    classes = ("a", "b", "c", "d")

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(channels, 6, 3, padding=1), nn.Linear(6, 4)
        self.preprocess = Preprocess(20, 16, (0.5,) * channels, (0.25,) * channels, as_batches=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x).relu().mean(dim=(2, 3))) * 20


def some(n: int = 12, channels: int = 3, height: int = 20, width: int = 20) -> ImageSet:
    images = torch.randint(256, (n, channels, height, width), dtype=torch.uint8)
    return ImageSet(images, torch.arange(n) % 4, Small.classes)


def said(probabilities: torch.Tensor, labels: torch.Tensor, name: str = "said") -> Answers:
    return Answers(name, probabilities, labels, tuple("abcd"[: probabilities.shape[1]]))


def normalized(images: torch.Tensor) -> torch.Tensor:
    return (images.float() / 255 - 0.5) / 0.25


# --- crops -----------------------------------------------------------------------------------------------------------


def test_ten_crops_are_torchvisions():
    from torchvision.transforms.functional import ten_crop

    model, pictures = Small().eval(), some(height=21, width=24)
    with torch.no_grad():
        each = [model(normalized(crop)).softmax(1) for crop in ten_crop(pictures.images, 16)]
    # TenCrop cuts the corners of the whole rectangle, and those of the mirrored picture: right and left are exchanged.
    each = [each[i] for i in (0, 1, 2, 3, 4, 6, 5, 8, 7, 9)]
    ours = evaluation.multi_crop(model, pictures, Crops(16, scales=(), squares=None), keep_views=True)
    assert ours.passes == 10 and ours.views.shape == (10, 12, 4)
    torch.testing.assert_close(ours.views, torch.stack(each), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours.probabilities, torch.stack(each).mean(0), atol=1e-5, rtol=1e-4)
    logs = evaluation.multi_crop(model, pictures, Crops(16, scales=(), squares=None), average="logits")
    torch.testing.assert_close(logs.probabilities, torch.stack(each).log().mean(0).softmax(1), atol=1e-5, rtol=1e-4)
    assert logs.views is None and not torch.allclose(logs.probabilities, ours.probabilities, atol=1e-3)
    assert ours.macs == 10 * evaluation.answers(model, some(height=16, width=16)).macs


def test_published_schemes_have_their_numbers():
    counts = {name: scheme.count for name, scheme in evaluation.PUBLISHED.items()}
    assert counts == {"center": 1, "alexnet": 10, "googlenet": 144, "vgg": 150}
    for scheme in evaluation.PUBLISHED.values():
        for height, width in ((256, 256), (300, 400), (640, 361)):
            found = scheme.of(height, width)
            assert len(found) == scheme.count
            # Of a square picture the left, middle and right squares are one.
            assert len(set(found)) == scheme.count / (3 if height == width and scheme.squares == 3 else 1)
            for one in found:
                assert 0 <= one.top <= one.resized[0] - one.side and 0 <= one.left <= one.resized[1] - one.side
                assert one.mirrored or scheme.mirrors or scheme.count == 1
    # AlexNet's corners are those of the middle square; a picture of 256 x 341 has 42 columns on its left.
    corners = evaluation.PUBLISHED["alexnet"].of(300, 400)[:5]
    assert [(c.top, c.left) for c in corners] == [(0, 42), (0, 74), (32, 42), (32, 74), (16, 58)]
    tall = evaluation.PUBLISHED["googlenet"].of(800, 400)[:36]
    assert {(c.top, c.left, c.side) for c in tall if c.side == 256} == {(0, 0, 256), (128, 0, 256), (256, 0, 256)}
    grid = evaluation.PUBLISHED["vgg"].of(256, 300)[:25]
    assert {c.top for c in grid} == {0, 8, 16, 24, 32} and {c.left for c in grid} == {0, 19, 38, 57, 76}


def test_photos_go_through_the_models_own_preprocessing():
    model = Small().eval()
    photos = [numpy.random.default_rng(i).integers(256, size=(30 + i, 44, 3), dtype=numpy.uint8) for i in range(3)]
    once = answers(model, photos, labels=[0, 1, 2])
    with torch.no_grad():
        wanted = model(torch.stack([model.preprocess(photo) for photo in photos])).softmax(1)
    torch.testing.assert_close(once.probabilities, wanted)
    middle = evaluation.multi_crop(model, photos, Crops(16, (20,), places="center", mirrors=False))
    torch.testing.assert_close(middle.probabilities, wanted, atol=1e-5, rtol=1e-4)
    assert middle.labels is None and once.classes == Small.classes
    ten = evaluation.ten_crop(model, photos, keep_views=True)
    assert ten.views.shape == (10, 3, 4) and ten.macs == 10 * once.macs
    # the fifth of ten is the middle one, cut out of the middle square
    torch.testing.assert_close(ten.views[4], wanted, atol=1e-5, rtol=1e-4)


def test_dense_is_the_mean_of_logits_over_places():
    """The claim behind it: an average over places and a dense layer may change their order."""
    model, pictures = Small().eval(), some(4, height=24, width=32)
    once = evaluation.dense(model, pictures, (), mirrors=False)
    with torch.no_grad():
        maps = model.conv(normalized(pictures.images)).relu()
        wanted = model.head(maps.permute(0, 2, 3, 1)).mean(dim=(1, 2)) * 20
    torch.testing.assert_close(once.probabilities, wanted.softmax(1), atol=1e-5, rtol=1e-4)
    both = evaluation.dense(model, pictures, (24, 48), keep_views=True)
    assert both.passes == 4 and both.macs == 10 * (once.macs - 24) + 4 * 24  # at 24 and at 48, mirrored
    photos = [numpy.zeros((30, 44, 3), numpy.uint8), numpy.zeros((44, 30, 3), numpy.uint8)]
    assert evaluation.dense(model, photos, (16, 24)).probabilities.shape == (2, 4)


# --- ensembles and copies --------------------------------------------------------------------------------------------


def test_an_ensemble_is_the_mean_and_its_loss_is_at_most_the_members_mean():
    models, pictures = [Small().eval() for _ in range(4)], some(40)
    alone = [answers(model, pictures) for model in models]
    all_ = evaluation.ensemble(models, pictures)
    torch.testing.assert_close(all_.probabilities, sum(one.probabilities for one in alone) / 4)
    assert all_.each == [one.accuracy for one in alone] and all_.passes == 4 and all_.macs == 4 * alone[0].macs
    losses = [one.evaluation.loss for one in alone]
    assert all_.evaluation.loss <= sum(losses) / 4
    assert all_.disagreement[1, 3] == (alone[1].predictions != alone[3].predictions).double().mean()
    two = all_.of([0, 2])
    torch.testing.assert_close(two.probabilities, combined([alone[0], alone[2]]).probabilities)
    assert two.passes == 2 and two.macs == 2 * alone[0].macs
    geometric = evaluation.ensemble(models, pictures, average="logits")
    wanted = torch.stack([one.probabilities for one in alone]).log().mean(0).softmax(1)
    torch.testing.assert_close(geometric.probabilities, wanted, atol=1e-6, rtol=1e-4)
    assert all_.evaluation.confusion.sum() == 40 and all_.evaluation.accuracy == all_.accuracy


def test_flipping_always_is_the_mean_of_two():
    model, pictures = Small().eval(), some()
    copies = augmented(model, pictures, Flip(1.0), times=1)
    flipped = ImageSet(pictures.images.flip(-1), pictures.labels, pictures.classes)
    wanted = (answers(model, pictures).probabilities + answers(model, flipped).probabilities) / 2
    torch.testing.assert_close(copies.probabilities, wanted, atol=1e-5, rtol=1e-4)
    assert copies.passes == 2 and augmented(model, pictures, Flip(1.0), times=1, original=False).passes == 1
    again = [augmented(model, pictures, Flip(0.5), times=3, seed=seed).probabilities for seed in (1, 1, 2)]
    assert torch.equal(again[0], again[1]) and not torch.equal(again[0], again[2])


def test_the_model_is_left_in_its_mode():
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * 20 * 20, 4))
    pictures = some()
    data = Dataset.from_sets("some", pictures, pictures)
    first, second = answers(model, data), answers(model, data)
    assert torch.equal(first.probabilities, second.probabilities) and model.training


# --- calibration -----------------------------------------------------------------------------------------------------


def test_calibration_bins_by_hand():
    confidence = torch.tensor([0.55, 0.6, 0.95, 0.95, 0.95, 0.7], dtype=torch.double)
    rows, labels = torch.stack([confidence, 1 - confidence], 1), torch.tensor([0, 1, 0, 0, 1, 0])
    found = calibration(rows, labels, bins=10)
    assert found.count.tolist() == [0, 0, 0, 0, 0, 2, 1, 0, 0, 3]  # 0.6 and 0.7 belong to the bins below them
    wanted = (2 * abs(0.5 - 0.575) + 1 * abs(1 - 0.7) + 3 * abs(2 / 3 - 0.95)) / 6
    assert found.ece == pytest.approx(wanted, abs=1e-6) and found.mce == pytest.approx(0.3, abs=1e-6)
    assert found.bias == pytest.approx(confidence.mean().item() - 4 / 6, abs=1e-6)
    even = calibration(rows, labels, bins=2, rule="mass")
    assert even.count.tolist() == [3, 3]
    one = calibration(rows, labels, bins=1)
    assert one.ece == pytest.approx(abs(found.bias))


def test_calibration_against_scikit_learn():
    from sklearn.calibration import calibration_curve
    from sklearn.metrics import brier_score_loss, log_loss

    rows = (3 * torch.randn(400, 5, dtype=torch.double)).softmax(1)
    labels = torch.randint(5, (400,))
    found = calibration(rows, labels, bins=15)
    confidence, named = rows.max(1)
    theirs = calibration_curve((named == labels).numpy(), confidence.numpy(), n_bins=15)
    full = found.count > 0
    numpy.testing.assert_allclose(found.accuracy[full], theirs[0])
    numpy.testing.assert_allclose(found.confidence[full], theirs[1], rtol=1e-6)
    assert found.loss == pytest.approx(log_loss(labels, rows, labels=range(5)), rel=1e-5)
    assert found.brier == pytest.approx(brier_score_loss(labels, rows, labels=range(5), scale_by_half=False), rel=1e-5)


def test_temperature_finds_the_scale_that_was_put_in():
    logits = 2 * torch.randn(8_000, 3)
    labels = torch.multinomial(logits.softmax(1), 1)[:, 0]
    assert temperature(logits, labels) == pytest.approx(1, abs=0.07)
    found = temperature(4 * logits, labels)
    assert found == pytest.approx(4, abs=0.2)
    before, after = (calibration(rows.softmax(1), labels) for rows in (4 * logits, 4 * logits / found))
    assert after.ece < 0.02 < before.ece and before.bias > 0.02


# --- comparing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (3, 9), (12, 12), (40, 21), (500, 431)])
def test_mcnemar_is_the_binomial_test(counts):
    from scipy.stats import binomtest

    wanted = binomtest(counts[0], sum(counts)).pvalue if sum(counts) else 1.0
    assert mcnemar(*counts) == pytest.approx(wanted) == mcnemar(*counts[::-1])


def test_paired_counts_what_is_corrected_and_corrupted():
    labels = torch.zeros(200, dtype=torch.long)
    wrong = torch.tensor([0.2, 0.8]).repeat(200, 1)
    before, after = wrong.clone(), wrong.clone()
    before[:150] = torch.tensor([0.9, 0.1])
    after[4:162] = torch.tensor([0.9, 0.1])
    found = paired(said(before, labels), said(after, labels, "changed"))
    assert found.corrupted.tolist() == [0, 1, 2, 3] and found.corrected.tolist() == [*range(150, 162)]
    assert (found.both_right, found.both_wrong) == (146, 38)
    assert found.gain == pytest.approx(0.04) and found.p_value == mcnemar(12, 4)
    # the normal approximation of the same interval
    spread = 1.96 * math.sqrt((16 / 200 - 0.04**2) / 200)
    assert found.interval == pytest.approx((0.04 - spread, 0.04 + spread), abs=0.006)
    assert "12 corrected, 4 corrupted, +4.0 points" in repr(found)


# --- bad input -------------------------------------------------------------------------------------------------------


def test_it_says_what_is_wrong():
    model, pictures = Small(), some()
    plain = nn.Sequential(nn.Flatten(), nn.Linear(1200, 4))
    rows = torch.full((3, 2), 0.5)
    cases = [
        (lambda: answers(model, pictures[[]]), "pictures is an empty set"),
        (lambda: answers(plain, [numpy.zeros((9, 9, 3), "uint8")]), "no .preprocess"),
        (lambda: answers(plain, pictures), "mean=data.mean"),
        (lambda: answers(model, pictures, labels=[1]), "labels= are for photos alone"),
        (lambda: answers(model, [numpy.zeros((9, 9, 3), "uint8")], labels=[1, 2]), "labels must be 1 class numbers"),
        (lambda: answers(model, [numpy.zeros((9, 9, 3))]), r"pictures\[0\] is an array of float64"),
        (lambda: evaluation.ensemble([], pictures), "models is empty"),
        (lambda: evaluation.ensemble([model], pictures, average="median"), "average='median' is not known"),
        (lambda: evaluation.ten_crop(model, pictures), "crop= is missing"),
        (lambda: evaluation.ten_crop(model, pictures, 21), "smaller than crop=21"),
        (lambda: evaluation.multi_crop(model, pictures, "alexnett"), "Did you mean 'alexnet'"),
        (lambda: Crops(224, (200,)), "200 is smaller than crop=224"),
        (lambda: Crops(squares=2), "squares=2 must be 1, 3"),
        (lambda: evaluation.dense(plain, pictures, (30,), mean=(0.5,) * 3, std=(1.0,) * 3), "of one size alone"),
        (lambda: augmented(model, pictures, CutMix(num_classes=4)), "changes the labels"),
        (lambda: calibration(rows * 3, torch.zeros(3, dtype=torch.long)), "rows that sum to 1"),
        (lambda: calibration(rows, torch.tensor([0, 1, 2])), "whole numbers from 0 to 1"),
        (lambda: calibration(rows, torch.zeros(3, dtype=torch.long), rule="equal"), "rule='equal' is not known"),
        (lambda: mcnemar(-1, 2), "corrected=-1 must be a whole number"),
        (lambda: paired(said(rows, torch.tensor([0, 1, 0])), said(rows, torch.tensor([0, 1, 1]))), "labels differ"),
        (lambda: paired(said(rows, None), said(rows, None)), "are not known: give labels="),
        (lambda: said(rows, torch.tensor([0, 1, 0])).each, "keep_views=True"),
        (lambda: combined([said(rows, None), said(rows[:2], None)]), r"several\[1\] has probabilities of shape"),
    ]
    for call, message in cases:
        with pytest.raises((ValueError, TypeError), match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
