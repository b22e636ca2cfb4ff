"""SENet: planted faults (the references are timm's), the paper's table 2 and its description of SENet-154."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.models import model_info
from tests.contract import count_macs, count_params, create_on_meta, swap_forward, swap_strides


def _without_squeeze(block: nn.Module, x: Tensor) -> Tensor:
    return F.relu(block.conv3(block.conv2(block.conv1(x))) + block.shortcut(x))


def _squeeze_after_the_sum(block: nn.Module, x: Tensor) -> Tensor:
    """Figure 5 of the journal version, "SE-POST": the whole sum is weighed, not the branch."""
    return F.relu(block.se(block.conv3(block.conv2(block.conv1(x))) + block.shortcut(x)))


def _basic_relu_after_the_squeeze(block: nn.Module, x: Tensor) -> Tensor:
    y = block.conv2.bn(block.conv2.conv(block.conv1(x)))
    return F.relu(block.se(y) + block.shortcut(x))


def _one_layer(squeeze: nn.Module, x: Tensor) -> Tensor:
    """Without the ReLU the two dense layers are one."""
    return x * squeeze.gate(squeeze.expand(squeeze.reduce(x.mean(dim=(2, 3), keepdim=True))))


def _max_squeeze(squeeze: nn.Module, x: Tensor) -> Tensor:
    scale = squeeze.activation(squeeze.reduce(x.amax(dim=(2, 3), keepdim=True)))
    return x * squeeze.gate(squeeze.expand(scale))


FAULTS = {
    "legacy_seresnet18": {
        "no relu before the squeeze": lambda m: swap_forward(m.conv3[1], _basic_relu_after_the_squeeze),
        "pool padded on both sides": lambda m: setattr(m, "pool", nn.MaxPool2d(3, 2, 1)),
        "squeeze by the maximum": lambda m: swap_forward(m.conv5[0].se, _max_squeeze),
        "no relu in the squeeze": lambda m: swap_forward(m.conv2[0].se, _one_layer),
        "hard sigmoid": lambda m: setattr(m.conv5[0].se, "gate", nn.Hardsigmoid()),
        "stride on the second 3x3": lambda m: swap_strides(m.conv4[0].conv1.conv, m.conv4[0].conv2.conv),
    },
    "legacy_seresnet50": {
        "no squeeze and excitation": lambda m: swap_forward(m.conv4[5], _without_squeeze),
        "squeeze after the sum": lambda m: swap_forward(m.conv3[2], _squeeze_after_the_sum),
        "stride on the 3x3": lambda m: swap_strides(m.conv4[0].conv1.conv, m.conv4[0].conv2.conv),
    },
}


@pytest.mark.parametrize(
    ("name", "plain", "with_se"),
    [("resnet50", 3.86, 3.87), ("resnet101", 7.58, 7.60), ("resnet152", 11.30, 11.32),
     ("resnext50_32x4d", 4.24, 4.25), ("resnext101_32x4d", 7.99, 8.00)],
)  # fmt: skip
def test_macs_of_table_2(name: str, plain: float, with_se: float):
    """Table 2, "GFLOPs": with and without squeeze and excitation. The paper counts some operations that are neither
    convolutions nor dense layers, about 0.01e9 or 0.02e9 of them; what is added here is 0.26 % at most."""
    model = create_on_meta(f"legacy_se{name}")
    macs = count_macs(model, model.input_size) / 1e9
    assert macs == pytest.approx(with_se, abs=0.035)
    added = sum(
        m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d) and m.bias is not None
    )  # one product for each weight: the image is one pixel
    assert macs - added / 1e9 == pytest.approx(plain, abs=0.035)
    assert added / 1e9 < 0.0026 * macs


def test_parameters_of_squeeze_and_excitation():
    """The text: "~2.5 million additional parameters beyond the ~25 million" of ResNet-50, by 2 / r times the sum of
    N_s C_s^2 over the stages; the table of reduction ratios: 28.1M in all with r = 16."""
    ours, plain = (count_params(create_on_meta(name)) for name in ("legacy_seresnet50", "resnet50"))
    stages = {256: 3, 512: 4, 1024: 6, 2048: 3}
    weights = sum(2 * n * c * c // 16 for c, n in stages.items())
    biases = sum(n * (c + c // 16) for c, n in stages.items())
    assert ours - plain == weights + biases
    assert round(ours / 1e6, 1) == 28.1
    assert round(weights / 1e6, 1) == 2.5


def test_fc_rows_of_table_1():
    """ "fc, [16, 256]", "[32, 512]", "[64, 1024]", "[128, 2048]": the outputs of the two dense layers."""
    for name in ("legacy_seresnet50", "legacy_seresnext50_32x4d"):
        model = create_on_meta(name)
        stages = (model.conv2, model.conv3, model.conv4, model.conv5)
        rows = [(s[0].se.reduce.out_channels, s[0].se.expand.out_channels) for s in stages]
        assert rows == [(16, 256), (32, 512), (64, 1024), (128, 2048)]


def test_sizes_of_table_1():
    model = create_on_meta("legacy_seresnet50").eval()
    x = model.conv1(torch.empty(1, 3, 224, 224, device="meta"))
    sizes = [x.shape[2]]
    x = model.pool(x)
    for stage in (model.conv2, model.conv3, model.conv4, model.conv5):
        x = stage(x)
        sizes.append(x.shape[2])
    assert sizes == [112, 56, 28, 14, 7]


def test_senet154_is_a_resnext152_with_four_changes():
    """The appendix: halved first 1x1, three 3x3 for the 7x7, 3x3 projections with stride 2, dropout of 0.2."""
    model = create_on_meta("legacy_senet154")
    assert [m.kernel_size for m in model.conv1.modules() if isinstance(m, nn.Conv2d)] == [(3, 3)] * 3
    stages = (model.conv2, model.conv3, model.conv4, model.conv5)
    assert [len(stage) for stage in stages] == [3, 8, 36, 3]
    assert [stage[0].shortcut.conv.kernel_size[0] for stage in stages] == [1, 3, 3, 3]
    for planes, stage in zip((64, 128, 256, 512), stages):
        for block in stage:
            convs = [m.conv for m in (block.conv1, block.conv2, block.conv3)]
            assert [c.out_channels for c in convs] == [2 * planes, 4 * planes, 4 * planes]  # ResNeXt: 4, 4, 4
            assert [c.groups for c in convs] == [1, 64, 1]
    assert model.dropout.p == 0.2
    # 154 layers: 3 in the stem, three in each of 50 blocks, the dense one.
    assert 3 + 3 * sum(model_info("legacy_senet154").variant.blocks) + 1 == 154


def test_gates_are_one_number_per_channel_and_picture():
    torch.manual_seed(0)  # by chance all four hidden units are 0 for both pictures, and so the gates alike
    block = cnnlab.create_model("legacy_seresnet18").eval().conv2[0]
    x = torch.rand(2, 64, 5, 5) + 0.1
    with torch.no_grad():
        gates = block.se(x) / x
    torch.testing.assert_close(gates, gates[:, :, :1, :1].expand_as(gates))
    assert gates.min() > 0
    assert gates.max() < 1
    assert not torch.allclose(gates[0], gates[1])


def test_the_least_input():
    model, least = create_on_meta("legacy_seresnet18").eval(), model_info("legacy_seresnet18").smallest
    model(torch.empty(1, 3, least, least, device="meta"))
    with pytest.raises(RuntimeError):
        model.forward(torch.empty(1, 3, least - 1, least - 1, device="meta"))  # past the check of create_model
