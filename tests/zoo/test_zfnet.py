"""ZFNet: reference, planted faults, the sizes of figure 3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.models.alexnet import response_norm
from tests.contract import Reference, create_on_meta, swap_forward
from tests.zoo.test_alexnet import SummedResponseNorm


class EdgePool(nn.Module):
    """3x3 windows, 2 apart, of which the last may hang over the right and lower edge."""

    def forward(self, x: Tensor) -> Tensor:
        odd = [(side - 3) % 2 for side in x.shape[2:]]
        return F.max_pool2d(F.pad(x, (0, odd[1], 0, odd[0]), value=-torch.inf), 3, 2)


def zfnet(c3: int, c4: int, c5: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 96, 7, 2, 1), nn.ReLU(), EdgePool(), SummedResponseNorm(),
        nn.Conv2d(96, 256, 5, 2), nn.ReLU(), EdgePool(), SummedResponseNorm(),
        nn.Conv2d(256, c3, 3, 1, 1), nn.ReLU(), nn.Conv2d(c3, c4, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(c4, c5, 3, 1, 1), nn.ReLU(), EdgePool(), nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Linear(36 * c5, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    )  # fmt: skip


def _numbers(c3: int, c4: int, c5: int) -> tuple[int, int]:
    """Parameters and MACs by arithmetic: kernels, inputs to each, output side, as figure 3 has them."""
    layers = [(96, 49 * 3, 110), (256, 25 * 96, 26), (c3, 9 * 256, 13), (c4, 9 * c3, 13), (c5, 9 * c4, 13)]
    layers += [(4096, 36 * c5, 1), (4096, 4096, 1), (1000, 4096, 1)]
    return sum(n * (i + 1) for n, i, _ in layers), sum(n * i * side**2 for n, i, side in layers)


SOURCE = "figure 3, layer by layer: 'filter size 7, stride 2, 110; 3x3 max pool stride 2, 55', 26, 13, 13, 13, 6, 4096"
REFERENCES = {
    "zfnet": Reference(*_numbers(384, 384, 256), lambda: zfnet(384, 384, 256), SOURCE),
    "zfnet_wide": Reference(
        *_numbers(512, 1024, 512),
        lambda: zfnet(512, 1024, 512),
        "table 2: 'as per Fig. 3 but with layers 3,4,5: 512,1024,512 maps'",
    ),
}


def _norm_before_pool(model: nn.Module, x: Tensor) -> Tensor:
    x = model.pool1(model.norm1(F.relu(model.conv1(x))))
    x = model.pool2(model.norm2(F.relu(model.conv2(x))))
    x = model.pool5(F.relu(model.conv5(F.relu(model.conv4(F.relu(model.conv3(x)))))))
    return model.fc8(F.relu(model.fc7(F.relu(model.fc6(F.adaptive_avg_pool2d(x, 6).flatten(1))))))


FAULTS = {
    "zfnet": {
        "windows inside the image, padded": lambda m: setattr(m, "pool1", nn.MaxPool2d(3, 2, 1)),
        "normalization before the pool": lambda m: swap_forward(m, _norm_before_pool),
        "no normalization in layer 2": lambda m: setattr(m, "norm2", nn.Identity()),
        "alpha as torch counts it": lambda m: setattr(m.norm1, "alpha", 1e-4),
        "conv1 padded by 2": lambda m: setattr(m.conv1, "padding", (2, 2)),
    },
}


def test_parameters_by_arithmetic():
    assert REFERENCES["zfnet"].params == 62_357_608
    assert REFERENCES["zfnet_wide"].params == 107_627_624


def test_sizes_of_figure_3():
    sizes = {}
    model = create_on_meta("zfnet").eval()
    for layer in ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5"):
        model.get_submodule(layer).register_forward_hook(lambda m, x, y, layer=layer: sizes.update({layer: y.shape[2]}))
    model(torch.empty(1, 3, 224, 224, device="meta"))
    assert list(sizes.values()) == [110, 55, 26, 13, 13, 13, 13, 6]
    assert nn.Conv2d(3, 1, 7, 2)(torch.empty(1, 3, 225, 225)).shape[2] == 110  # the other reading: 225 without zeros


def test_only_windows_over_the_edge_give_all_three_pooled_sizes():
    x = {side: torch.empty(1, 1, side, side) for side in (110, 26, 13)}
    for pool, sides in (
        (nn.MaxPool2d(3, 2), [54, 12, 6]),
        (nn.MaxPool2d(3, 2, padding=1), [55, 13, 7]),
        (nn.MaxPool2d(3, 2, ceil_mode=True), [55, 13, 6]),
    ):
        assert [pool(image).shape[2] for image in x.values()] == sides


def test_the_normalization_is_alexnets():
    model = create_on_meta("zfnet")
    assert str(model.norm1) == str(model.norm2) == str(response_norm())
