"""EfficientNet-Lite: planted faults, the authors' table, and what is left out of and kept from EfficientNet."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.layers import DropPath, SqueezeExcite, pad_same
from cnnlab.models import model_info
from tests.contract import count_macs, count_params, create_on_meta, set_eps, swap_forward, swap_strides


def _padded_alike(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """torchvision's padding for TensorFlow's: what came in is padded at the far ends alone where the side is even."""
    side = conv.kernel_size[0] // 2
    return F.conv2d(F.pad(x, (1, -1, 1, -1)), conv.weight, None, conv.stride, side - 1, 1, conv.groups)


FAULTS = {
    "tf_efficientnet_lite0": {
        "stride one stage later": lambda m: _later(m.stages.stage5[0].depthwise, m.stages.stage6[0].depthwise),
        "eps of one batch norm": lambda m: set_eps(m.stages.stage4[1].narrow.bn),
        "swish in one block": lambda m: setattr(m.stages.stage6[1].depthwise, "activation", nn.SiLU()),
        "relu without the six": lambda m: setattr(m.stages.stage3[0].widen, "activation", nn.ReLU()),
        "relu6 after narrowing": lambda m: setattr(m.stages.stage2[0].narrow, "activation", nn.ReLU6()),
        "input not added": lambda m: setattr(m.stages.stage5[1], "residual", False),
        "padded alike on all sides": lambda m: swap_forward(m.stem.conv, _padded_alike),
    },
}

TABLE = [  # size, "params" in millions, "MAdds", FP32 accuracy
    (224, "4.7", 407e6, 75.1),
    (240, "5.4", 631e6, 76.7),
    (260, "6.1", 899e6, 77.6),
    (280, "8.2", 1.44e9, 79.8),
    (300, "13.0", 2.64e9, 81.5),
]


def _later(first: nn.Module, second: nn.Module) -> None:
    swap_strides(first.conv, second.conv)
    first.stride, second.stride = second.stride, first.stride
    for unit in (first, second):
        unit.conv.padding = (unit.kernel // 2,) * 2 if unit.stride == 1 else (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "row"), list(enumerate(TABLE)))
def test_parameters_macs_and_accuracy_of_the_authors_table(number: int, row: tuple[int, str, float, float]):
    size, millions, adds, top1 = row
    name = f"tf_efficientnet_lite{number}"
    model, info = create_on_meta(name), model_info(name)
    assert info.input_size == (3, size, size)
    assert f"{count_params(model) / 1e6:.1f}" == millions
    macs = count_macs(model, (3, size, size))
    assert 1.03 < adds / macs < 1.06  # it counts more than convolutions and the dense layer, and does not say what
    assert info.published.top1 == top1


def test_what_is_fixed_while_the_network_is_scaled():
    small, large = create_on_meta("tf_efficientnet_lite0"), create_on_meta("tf_efficientnet_lite4")
    for model in (small, large):
        assert (model.stem.conv.out_channels, model.last.conv.out_channels) == (32, 1280)
    depths = [[len(stage) for stage in model.stages] for model in (small, large)]
    assert depths == [[1, 2, 2, 3, 3, 4, 1], [1, 4, 4, 6, 6, 8, 1]]


def test_no_excitation_and_nothing_above_six():
    model = cnnlab.create_model("tf_efficientnet_lite0").eval()
    kinds = {type(module) for module in model.modules()}
    assert SqueezeExcite not in kinds and nn.SiLU not in kinds
    rates = [m.probability for m in model.modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0.2 * i / 16 for i in range(16)])


@pytest.mark.parametrize("side", range(5, 12))
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (2, 2), (3, 4)])
def test_padding_of_tensorflow_by_its_definition(side: int, kernel: int, stride: int):
    """ceil(side / stride) outputs, and of the padding that they need the smaller half before."""
    padded = pad_same(torch.ones(1, 1, side, side), kernel, stride)[0, 0]
    total = padded.shape[0] - side
    assert (padded.shape[0] - kernel) // stride + 1 == -(-side // stride)
    assert total == max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before = int((padded.sum(dim=1) == 0).nonzero()[: total // 2].numel())
    assert before == total // 2 and padded[total // 2, total // 2] == 1
