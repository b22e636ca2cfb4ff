"""Clips of moving shapes: the same every time, and honest about what a single frame can know."""

from __future__ import annotations

import pytest
import torch

from cnnlab.data import moving_shapes
from cnnlab.data.clips import DIRECTIONS


def centers(clips: torch.Tensor) -> torch.Tensor:
    """The angle of the brightness along a row that closes on itself, in pixels. Shape: (N, 1, T, H, W) -> (N, T)."""
    size = clips.shape[-1]
    angle = 2 * torch.pi * (torch.arange(size) + 0.5) / size
    row = clips[:, 0].sum(2)
    return torch.atan2((row * angle.sin()).sum(-1), (row * angle.cos()).sum(-1)) * size / (2 * torch.pi)


def test_shapes_and_labels():
    clips, labels = moving_shapes(6, 12, 5)
    assert clips.shape == (6, 1, 5, 12, 12) and clips.dtype == torch.float32
    assert labels.tolist() == [0, 1, 0, 1, 0, 1] and DIRECTIONS == ("left", "right")


def test_the_same_seed_gives_the_same_clips():
    first, again, other = (moving_shapes(4, seed=seed)[0] for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0])
def test_they_move_as_fast_and_as_far_as_told(speed):
    clips, labels = moving_shapes(40, speed=speed, noise=0.0)
    steps = torch.remainder(centers(clips).diff(dim=1) + 8, 16) - 8  # the short way round
    wanted = speed * (2 * labels[:, None] - 1.0)
    assert torch.allclose(steps, wanted.expand_as(steps), atol=0.25)


def test_they_are_there_when_told():
    clips, _ = moving_shapes(50, start=(2, 4), visible=2, noise=0.0)
    lit = clips[:, 0].amax((2, 3)) > 0.3
    assert (lit.sum(1) == 2).all() and not lit[:, :2].any() and not lit[:, 6:].any()
    assert {int(row.float().argmax()) for row in lit} == {2, 3, 4}


def test_no_single_frame_knows_the_direction():
    """Over many clips, the mean picture of every frame is the same for both directions."""
    clips, labels = moving_shapes(8000, noise=0.0)
    left, right = (clips[labels == label, 0].mean(0) for label in (0, 1))
    assert (left - right).abs().max() < 0.06 and left.mean() > 0.03


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n": 0}, "n=0 is too small"),
        ({"n": 2, "size": 4}, "size=4 is too small; size must be 8 or more"),
        ({"n": 2, "start": 8}, "not within the 8 frames; use numbers from 0 to 7"),
        ({"n": 2, "start": (3, 2)}, "not within"),
        ({"n": 2, "visible": 0}, "shows nothing"),
        ({"n": 2, "scale": (0.3, 0.2)}, "least, greatest"),
        ({"n": 2, "noise": -1}, "standard deviation"),
        ({"n": 2, "shapes": ("circel",)}, "circle"),
        ({"n": 2, "shapes": ()}, "shapes is empty"),
    ],
)
def test_what_is_wrong_is_said(arguments, says):
    with pytest.raises(ValueError, match=says):
        moving_shapes(**arguments)
