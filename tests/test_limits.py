"""What the chapter "The limits of CNNs" computes with: far marks, pushed and shuffled pictures, and blurred pooling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from cnnlab.chapters.limits.far import GAPS, MARK, NETWORKS, SIDE, far_network, marks, pairs, pairs_data
from cnnlab.chapters.limits.pushed import hybrid, shuffled_tiles, signed_step
from cnnlab.chapters.limits.smooth import BlurPool, pooled_network
from cnnlab.widgets import pushed_photo

# --- two marks ------------------------------------------------------------------------------------------------------


def found_marks(image: torch.Tensor, gap: int) -> list[tuple[int, int]]:
    """Column and kind of each mark, looked for everywhere."""
    known = 0.85 * marks()
    windows = (image[0] / 255).unfold(0, MARK, 1).unfold(1, MARK, 1)  # (H', W', 4, 4)
    off = (windows[:, :, None] - 0.075 - known).abs().amax((3, 4))  # (H', W', kinds)
    places = (off < 0.09).nonzero().tolist()
    return sorted((x, kind) for _, x, kind in places)


def test_a_picture_holds_two_marks_as_far_apart_and_as_alike_as_it_says():
    images, gap = pairs(60, seed=3)
    for image, label, far in zip(images.images, images.labels, gap.tolist(), strict=True):
        (left, one), (right, two) = found_marks(image, far)
        assert right - left == far and (one == two) == bool(label)


def test_one_mark_alone_says_nothing():
    images, gap = pairs(4000, seed=4)
    kinds = torch.tensor(
        [[kind for _, kind in found_marks(image, far)] for image, far in zip(images.images[:800], gap)]
    )
    for side in (0, 1):
        for label in (0, 1):
            share = (kinds[images.labels[:800] == label, side][:, None] == torch.arange(4)).double().mean(0)
            assert float((share - 0.25).abs().max()) < 0.08
    assert abs(float(images.labels.double().mean()) - 0.5) < 0.03
    assert set(gap.tolist()) == set(GAPS)


def test_marks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="gaps has 29; allowed is 4 to 28"):
        pairs(1, 0, gaps=(29,))
    with pytest.raises(ValueError, match="Did you mean 'small'"):
        far_network("smal")
    data = pairs_data(20, 10, seed=1, gaps=(6,))
    assert data.shape == (1, SIDE, SIDE) and len(data.test) == 10


def test_networks_are_as_large_as_each_other_and_see_as_far_as_they_should():
    sizes = {name: sum(p.numel() for p in far_network(name).parameters()) for name in NETWORKS}
    assert max(sizes.values()) < 1.1 * min(sizes.values())
    x = torch.rand(1, 1, SIDE, SIDE, requires_grad=True)
    reach = {}
    for name in NETWORKS:
        torch.manual_seed(0)
        net = far_network(name).eval()
        body = net[: next(i for i, layer in enumerate(net) if isinstance(layer, nn.AdaptiveAvgPool2d))]
        maps = body(x)
        middle = maps.shape[2] // 2
        slope = torch.autograd.grad(maps[0, :, middle, middle].square().sum(), x)[0][0, 0]
        columns = slope.abs().sum(0).nonzero()
        reach[name] = int(columns.max() - columns.min()) + 1
    assert reach["small"] == 12  # less than any distance but the first leaves of both marks
    assert reach["deep"] >= 28 and reach["dilated"] >= 28 and reach["attention"] == SIDE


def test_a_sum_over_places_cannot_tell_alike_from_different():
    """The proof of the chapter, on a network whose field ends before the second mark."""
    torch.manual_seed(0)
    net = far_network("small").eval()
    known = marks()

    def score(left: int, right: int) -> torch.Tensor:
        picture = torch.zeros(1, 1, SIDE, SIDE)
        picture[0, 0, 14:18, 4:8], picture[0, 0, 14:18, 26:30] = known[left], known[right]
        with torch.no_grad():
            return net(picture)

    assert torch.allclose(score(0, 0) + score(1, 1), score(0, 1) + score(1, 0), atol=1e-5)
    assert not torch.allclose(score(0, 0), score(0, 1), atol=1e-4)


# --- pushed and cut -------------------------------------------------------------------------------------------------


def test_a_step_moves_every_number_alike_and_stays_a_picture():
    pixels = torch.tensor([[[[0, 100, 255]]]], dtype=torch.uint8)
    slope = torch.tensor([[[[-2.0, 0.1, 3.0]]]])
    assert signed_step(pixels, slope, 2).flatten().tolist() == [0, 102, 255]


def test_tiles_are_only_moved():
    x = torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
    mixed = shuffled_tiles(x, 4, seed=0)
    assert not torch.equal(mixed, x) and torch.equal(mixed.flatten(1).sort().values, x.flatten(1))
    assert torch.equal(shuffled_tiles(x, 1, seed=0), x)
    tile = mixed[0, :, :2, :2]
    assert (tile[1] - tile[0]).unique().tolist() == [64]  # channels stay together
    with pytest.raises(ValueError, match="n=3 does not divide 8 x 8"):
        shuffled_tiles(x, 3, seed=0)


def test_two_halves_of_one_picture_are_the_picture():
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5)) * 255
    assert torch.allclose(hybrid(x, x, 2), x, atol=1e-3)
    assert torch.allclose(hybrid(x, torch.full_like(x, 9), 2).mean(), x.mean(), rtol=0.05)


# --- blurred --------------------------------------------------------------------------------------------------------


def test_blurred_stripes_are_gray_wherever_they_begin():
    stripes = (torch.arange(8) % 2).float().expand(1, 2, 8, 8)
    for x in (stripes, 1 - stripes):
        assert torch.allclose(BlurPool()(x), torch.full((1, 2, 4, 4), 0.5))
    assert BlurPool()(torch.ones(1, 1, 7, 7)).shape == (1, 1, 4, 4)


def test_both_kinds_of_pooling_have_the_same_parameters_and_sizes():
    plain, blurred = pooled_network(False, width=4), pooled_network(True, width=4)
    x = torch.rand(2, 1, 32, 32)
    assert plain(x).shape == blurred(x).shape == (2, 10)
    assert [p.shape for p in plain.parameters()] == [p.shape for p in blurred.parameters()]


def test_a_pushed_photo_needs_an_answer_for_each_step():
    photo = np.zeros((8, 8, 3), "uint8")
    with pytest.raises(ValueError, match=r"answers\['a'\]\['sign'\] has 1 steps; give the 9"):
        pushed_photo({"a": photo}, {"a": {"sign": [("x", 1.0, 1.0)]}})
    with pytest.raises(ValueError, match="give the same names"):
        pushed_photo({"a": photo}, {})
