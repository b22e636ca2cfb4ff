"""FCN, the mask head and the 3D U-Net, each against its paper's numbers or its reference's outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import nn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

from cnnlab.analysis import summarize
from cnnlab.models import fcn, mask_rcnn, unet3d
from cnnlab.models.fcn import FCN, FCNVariant, Place, Upscore, bilinear_
from cnnlab.models.mask_rcnn import MaskHead, mask_loss, mask_targets, of_class, paste
from cnnlab.models.unet import UNet, UNetVariant
from cnnlab.models.unet3d import UNet3d
from cnnlab.models.vgg import VGG, VGGVariant
from experiments.brain_volume import ASK, TEACH
from experiments.nuclei import GAP, WIDE, between, corners


@pytest.fixture(autouse=True)
def quiet_streams():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


# --- FCN ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variant", "crops"), [(fcn.FCN_32S, [19]), (fcn.FCN_16S, [5, 27]), (fcn.FCN_8S, [5, 9, 31])])
def test_crops_are_those_of_the_released_networks(variant: FCNVariant, crops: list[int]) -> None:
    with torch.device("meta"):
        model = FCN(variant)
        assert model.crops == crops
        assert model(torch.empty(1, 3, 375, 500)).shape == (1, 21, 375, 500)


def test_parameters_are_the_papers_134_million() -> None:
    with torch.device("meta"):
        model = FCN(fcn.FCN_32S)
    upsampling = sum(count(module) for module in model.modules() if isinstance(module, Upscore))
    assert count(model) - upsampling == 134_346_581


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_upsampling_starts_as_bilinear_interpolation(stride: int) -> None:
    x = torch.rand(1, 3, 6, 5)
    found = Upscore(3, stride)(x)
    margin = stride // 2
    wanted = F.interpolate(x, scale_factor=stride, mode="bilinear", align_corners=False)
    inner = found[:, :, margin : margin + wanted.shape[2], margin : margin + wanted.shape[3]]
    # At the border the interpolation repeats its last cell, the convolution reads zeros beyond it.
    edge = slice(stride, -stride)
    torch.testing.assert_close(inner[:, :, edge, edge], wanted[:, :, edge, edge])


def test_an_odd_kernel_is_bilinear_too() -> None:
    weight = bilinear_(torch.empty(1, 1, 3, 3))
    assert weight[0, 0, 1].tolist() == [0.5, 1.0, 0.5]


def test_a_new_skip_changes_nothing_at_first_and_its_place_is_right() -> None:
    """A score that reads one pool alone has its maximum where the picture's bright spot is."""
    model = FCN(fcn.SMALL, num_classes=1, in_channels=1).eval()
    assert not model(torch.rand(1, 1, 64, 64)).any()
    for name, reach in (("4", 8), ("3", 4)):
        nn.init.zeros_(model.score_pool["4"].weight)
        nn.init.zeros_(model.score_pool["3"].weight)
        nn.init.ones_(model.score_pool[name].weight)
        for module in (*model.conv1, *model.conv2, *model.conv3, *model.conv4):
            nn.init.zeros_(module.conv.weight)
            module.conv.weight.data[:, :, 1, 1] = 1  # hands each pixel on
        picture = torch.zeros(1, 1, 64, 64)
        picture[..., 24:40, 8:24] = 1
        score = model(picture)[0, 0]
        rows, columns = (score > score.max() / 2).nonzero().unbind(1)
        assert abs(rows.float().mean() - 31.5) <= reach and abs(columns.float().mean() - 15.5) <= reach, name


def test_a_classifier_of_other_widths_is_refused() -> None:
    small = FCN(fcn.SMALL)
    with torch.device("meta"):
        classifier = VGG(VGGVariant((2, 2, 3, 3, 3), small_input=True), 10)
    with pytest.raises(ValueError, match="give vgg16"):
        small.from_classifier(classifier)


@pytest.mark.slow
def test_a_vgg16_of_small_pictures_becomes_an_fcn() -> None:
    variant = FCNVariant(32, cells=1, padding=1)
    classifier = VGG(VGGVariant((2, 2, 3, 3, 3), small_input=True), 10).eval()
    model = FCN(variant, num_classes=10).eval().from_classifier(classifier)
    model.score_fr.weight.data.copy_(classifier.fc8.weight[:, :, None, None])
    model.score_fr.bias.data.copy_(classifier.fc8.bias)
    scores = []
    model.score_fr.register_forward_hook(lambda layer, inputs, output: scores.append(output))
    x = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        model.upscore = nn.Identity()
        model(x)
        torch.testing.assert_close(scores[0].flatten(1), classifier(x))


def test_maps_that_do_not_meet_are_refused() -> None:
    with pytest.raises(ValueError, match="whole steps"):
        Place().crop(Place().after(2))
    with pytest.raises(ValueError, match="step=4"):
        FCN(FCNVariant(4))


# --- the mask head --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [14, 7])
def test_the_head_is_torchvisions(size: int) -> None:
    ours = MaskHead(mask_rcnn.PUBLISHED, num_classes=91).eval()
    theirs = nn.Sequential(MaskRCNNHeads(256, (256, 256, 256, 256), 1), MaskRCNNPredictor(256, 256, 91)).eval()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.normal_(std=0.05)
        for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.copy_(own)
        x = torch.randn(2, 256, size, size)
        torch.testing.assert_close(ours(x), theirs(x))
    assert count(ours) == count(theirs) and count(MaskHead(mask_rcnn.PUBLISHED)) == 2_643_280
    assert summarize(ours, (256, 14, 14)).macs == summarize(theirs, (256, 14, 14)).macs


def test_only_the_named_class_is_trained() -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    mask_loss(logits, torch.tensor([1, 2]), torch.ones(2, 4, 4)).backward()
    moved = logits.grad.abs().sum((2, 3)) > 0
    assert moved.tolist() == [[False, True, False], [False, False, True]]
    with pytest.raises(ValueError, match="0 to 2"):
        of_class(logits, torch.tensor([1, 3]))
    with pytest.raises(ValueError, match="one class for each"):
        of_class(logits, torch.tensor([1]))


def test_what_is_cut_out_and_pasted_is_the_object_again() -> None:
    rows, columns = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    disk = ((rows - 30) ** 2 + (columns - 41) ** 2 < 20**2)[None]
    for boxes in (torch.tensor([[21.0, 10, 62, 51]]), torch.tensor([[20.3, 9.6, 62.4, 51.9]])):
        found = paste(mask_targets(disk, boxes), boxes, (60, 80)) > 0.5
        iou = (found & disk).sum() / (found | disk).sum()
        assert iou > 0.96
        assert (found[0].nonzero().float().mean(0) - disk[0].nonzero().float().mean(0)).abs().max() < 0.2
    outside = paste(torch.ones(1, 28, 28), torch.tensor([[10.0, 5, 20, 9]]), (60, 80))[0]
    assert outside[5:9, 10:20].eq(1).all() and outside.sum() == 40
    assert paste(torch.ones(0, 28, 28), torch.zeros(0, 4), (6, 8)).shape == (0, 6, 8)
    with pytest.raises(ValueError, match="a mask for each box"):
        paste(torch.ones(2, 28, 28), torch.zeros(1, 4), (6, 8))


# --- U-Net without its skips, and with a depth ----------------------------------------------------------------------


def test_a_unet_without_skips_has_its_parameters_and_sees_no_detail() -> None:
    size = {"channels": (4, 8, 16), "padding": 1, "dropout": 0.0}
    whole, cut = (UNet(UNetVariant(**size, skips=skips)).eval() for skips in (True, False))
    assert count(whole) == count(cut)
    cut.load_state_dict(whole.state_dict())
    x = torch.rand(1, 1, 16, 16)
    assert not torch.equal(whole(x), cut(x))
    # Without them, all that reaches the output has been through both pools.
    moved = x.clone()
    moved[..., 0, 0] -= 5  # below its neighbors
    for pair in cut.down:
        nn.init.zeros_(pair.conv1.weight)
        pair.conv1.weight.data[:, :, 1, 1] = 1
        nn.init.zeros_(pair.conv2.weight)
        pair.conv2.weight.data[:, :, 1, 1] = 1
    assert torch.equal(cut(x), cut(moved))
    whole.load_state_dict(cut.state_dict())
    assert not torch.equal(whole(x), whole(moved))


def test_unet3d_has_the_papers_sizes_and_parameters() -> None:
    with torch.device("meta"):
        model = UNet3d(unet3d.PUBLISHED)
        assert model(torch.empty(1, 3, 116, 132, 132)).shape == (1, 3, 28, 44, 44)
    normalizing = sum(count(module) for module in model.modules() if isinstance(module, nn.BatchNorm3d))
    assert count(model) - normalizing == 19_069_955 and normalizing == 4_672


def test_slices_see_one_slice_and_volumes_their_neighbors() -> None:
    x = torch.randn(1, 1, 8, 16, 16)
    other = x.clone()
    other[:, :, 4] += 1
    for variant, alone in ((unet3d.SLICES, True), (unet3d.SMALL, False)):
        model = UNet3d(variant, in_channels=1).eval()
        changed = (model(x) - model(other)).abs().amax((0, 1, 3, 4)) > 0
        assert changed[4] and bool(changed[3]) is not alone


# --- the experiment's weights ---------------------------------------------------------------------------------------


def test_weights_between_objects_are_the_papers_equation_2() -> None:
    objects = torch.zeros(40, 50, dtype=torch.long)
    objects[5:20, 5:20], objects[8:25, 24:40], objects[30:38, 10:18] = 1, 2, 3
    distances = [distance_transform_edt((objects != number).numpy()) for number in (1, 2, 3)]
    first, second = np.sort(np.stack(distances), axis=0)[:2]
    wanted = np.exp(-((first + second) ** 2) / (2 * 5.0**2)) * (objects == 0).numpy()
    found = between(objects, 5.0)
    assert np.abs(found.numpy() - wanted).max() < 1e-3
    assert found[12, 22] > 0.5 > found[2, 2]


def test_what_teaches_is_apart_from_what_is_asked() -> None:
    columns = {column + 112 for _, column in corners(112, (512, WIDE))}
    assert max(columns) == WIDE and GAP > 0
    inside = {z for low, high in TEACH for z in range(low - 1, high + 1)}
    assert not inside & {z for low, high in ASK for z in range(low, high)}
