"""What the chapter "How to measure" stands on: Wilson's interval, answers in bits, planted leaks, its record."""

from __future__ import annotations

import pytest
import torch

from cnnlab.chapters.measuring import leaks
from cnnlab.chapters.measuring.bits import packed, unpacked
from cnnlab.evaluation import wilson
from cnnlab.results import recorded


@pytest.mark.parametrize(("right", "count"), [(0, 1), (0, 20), (7, 20), (90, 100), (100, 100), (9_912, 10_000)])
@pytest.mark.parametrize(("level", "z"), [(0.95, 1.959964), (0.68268949, 1.0)])
def test_the_ends_of_wilsons_interval_are_just_no_surprise(right, count, level, z):
    for end in wilson(right, count, level):
        if 1e-9 < end < 1 - 1e-9:  # else the bound is the end of the scale
            assert abs(right / count - end) == pytest.approx(z * (end * (1 - end) / count) ** 0.5, rel=1e-5)
    low, high = wilson(right, count, level)
    assert 0 <= low <= right / count <= high <= 1 and low < high
    turned = wilson(count - right, count, level)
    assert turned == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((3, 0), "count=0"),
        ((3, 2.5), "count=2.5"),
        ((-1, 9), "right=-1 must be 0 to 9"),
        ((10, 9), "right=10 must be 0 to 9"),
        ((1, 9, 1.0), "level=1.0 must lie between 0 and 1"),
    ],
)
def test_wilson_says_what_is_wrong(given, message):
    with pytest.raises(ValueError, match=message):
        wilson(*given)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1_000])
def test_answers_come_back_out_of_their_bits(count):
    right = torch.rand(count, generator=torch.Generator().manual_seed(count)) < 0.7
    text = packed(right)
    assert len(text) <= count / 6 + 4 and torch.equal(unpacked(text, count), right)
    with pytest.raises(ValueError, match=f"count={count + 8} must be 0 to"):
        unpacked(text, count + 8)


def test_leaks_report_more_than_is_so_and_leave_the_random_state_alone():
    state = torch.get_rng_state()
    found = {leak.name: leak for leak in leaks.planted(3)}
    assert torch.equal(state, torch.get_rng_state())
    assert len(found) == len(leaks.LEAKS) and found == {leak.name: leak for leak in leaks.planted(3)}
    for name in ("duplicates", "groups torn apart", "augmented, then split", "the target in the input"):
        assert found[name].honest < 0.2 < found[name].reported, name
    # a fifth of the test pictures is known by heart, and the rest as well as before
    twins = found["duplicates"]
    assert twins.reported == pytest.approx(twins.honest + 0.2 * (1 - twins.honest), abs=0.03)


def test_the_record_holds_what_each_training_answered():
    record = recorded("seeds")
    assert record["complete"] and len(record["seeds"]) >= 20
    for run in record["results"]:
        right = unpacked(run["right"], run["test_images"])
        assert right.double().mean().item() == pytest.approx(run["test_accuracy"], abs=1e-6)
        assert sum(run["class_accuracy"]) / 10 == pytest.approx(run["test_accuracy"], abs=1e-4)
