"""MnasNet-B1: planted faults, the paper's layers, and the way torchvision's checkpoints come."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.models.mnasnet import MBConv
from cnnlab.weights import transplant
from tests.contract import count_macs, count_params, create_on_meta, set_eps, swap_forward, swap_strides


def _relu_at_the_end(block: nn.Module, x: Tensor) -> Tensor:
    y = nn.functional.relu(block.project(block.depthwise(block.expand(x))))
    return x + y if block.shortcut else y


FAULTS = {
    "mnasnet0_5": {
        "relu6 in one block": lambda m: setattr(m.stage1[0].depthwise, "activation", nn.ReLU6()),
        "relu after the projection": lambda m: swap_forward(m.stage5[2], _relu_at_the_end),
        "relu after the separable convolution": lambda m: setattr(m.sep_conv.pointwise, "activation", nn.ReLU()),
        "no shortcut in one block": lambda m: setattr(m.stage4[1], "shortcut", False),
        "stride one stage later": lambda m: swap_strides(m.stage3[0].depthwise.conv, m.stage4[0].depthwise.conv),
        "eps of one batch norm": lambda m: set_eps(m.conv2.bn, 1e-3),
    },
}

# input size and channels, kernel, expansion, output channels, blocks, stride
STAGES = [
    (112, 16, 3, 3, 24, 3, 2),
    (56, 24, 5, 3, 40, 3, 2),
    (28, 40, 5, 6, 80, 3, 2),
    (14, 80, 3, 6, 96, 2, 1),
    (14, 96, 5, 6, 192, 4, 2),
    (7, 192, 3, 6, 320, 1, 1),
]


def test_stages_of_figure_7():
    """Of the paper's first version: MBConv3 3x3, MBConv3 5x5, MBConv6 5x5, MBConv6 3x3, MBConv6 5x5, MBConv6 3x3."""
    model = create_on_meta("mnasnet1_0")
    seen: list[tuple[int, ...]] = []

    def look(block: MBConv, x: tuple[Tensor], y: Tensor) -> None:
        conv = block.depthwise.conv
        size, channels = x[0].shape[2], x[0].shape[1]
        seen.append((size, channels, conv.kernel_size[0], conv.in_channels // channels, y.shape[1], conv.stride[0]))
        assert block.shortcut == (x[0].shape == y.shape)

    for block in model.modules():
        if isinstance(block, MBConv):
            block.register_forward_hook(look)
    model.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    wanted: list[tuple[int, ...]] = []
    for size, before, kernel, t, after, count, stride in STAGES:
        wanted += [(size, before, kernel, t, after, stride)]
        wanted += [(size // stride, after, kernel, t, after, 1)] * (count - 1)
    assert seen == wanted


def test_parameters_and_work_without_norms_by_arithmetic():
    """Layer by layer from the table: 4.35 million weights, 314 million mult-adds."""
    convs = [(27 * 32, 112), (9 * 32, 112), (32 * 16, 112)]
    for size, before, kernel, t, after, count, stride in STAGES:
        for i in range(count):
            c, s = (before, stride) if i == 0 else (after, 1)
            at = size if i == 0 else size // stride
            out = at // s
            convs += [(c * t * c, at), (kernel**2 * t * c, out), (t * c * after, out)]
    convs += [(320 * 1280, 7), (1280 * 1000, 1)]
    model = create_on_meta("mnasnet1_0")
    norms = sum(count_params(m) for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert sum(weights for weights, _ in convs) + 1000 == count_params(model) - norms == 4_345_392
    assert sum(weights * size**2 for weights, size in convs) == count_macs(model, (3, 224, 224)) == 314_415_872


def test_depth_multiplier_leaves_the_last_convolution_alone():
    for name in cnnlab.list_models("mnasnet*"):
        assert create_on_meta(name).conv2.conv.out_channels == 1280


def test_momentum_is_torchs_word_for_decay():
    for small_input, momentum in ((False, 1 - 0.9997), (True, 0.1)):
        model = create_on_meta("mnasnet0_5", small_input=small_input)
        assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {momentum}
    assert 0.04 < 0.9997**10_000 < 0.05  # what is left of the start after ten thousand steps


def test_a_checkpoint_keeps_the_version_that_torchvision_asks_for():
    """torchvision refuses a plain dict: the version stands in the state's ``_metadata``, which torch.load keeps."""
    from torchvision.models import mnasnet0_5

    file = io.BytesIO()
    torch.save(mnasnet0_5().state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    theirs = mnasnet0_5()
    theirs.load_state_dict(state)
    with pytest.raises(ValueError, match="version"):
        mnasnet0_5().load_state_dict(dict(state))
    ours = cnnlab.create_model("mnasnet0_5").eval()
    transplant(theirs, ours)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs.eval()(x))


def test_small_input_ends_at_4_by_4():
    model = create_on_meta("mnasnet0_5", small_input=True).eval()
    sizes: list[tuple[int, ...]] = []
    model.stage6.register_forward_hook(lambda m, x, y: sizes.append(tuple(y.shape[2:])))
    model(torch.empty(1, 3, 32, 32, device="meta"))
    assert sizes == [(4, 4)]
