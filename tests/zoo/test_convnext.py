"""ConvNeXt: planted faults and the paper's tables. torchvision has the same networks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.layers import DropPath
from cnnlab.models import model_info
from tests.contract import count_macs, count_params, create_on_meta, set_eps, swap_forward


def _norm_before_the_convolution(block: nn.Module, x: Tensor) -> Tensor:
    y = block.dwconv(block.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return x + block.layer_scale * block.pwconv2(F.gelu(block.pwconv1(y))).permute(0, 3, 1, 2)


def _gelu_after_the_second_layer(block: nn.Module, x: Tensor) -> Tensor:
    y = block.norm(block.dwconv(x).permute(0, 2, 3, 1))
    return x + block.layer_scale * F.gelu(block.pwconv2(block.pwconv1(y))).permute(0, 3, 1, 2)


def _no_layer_scale(block: nn.Module, x: Tensor) -> Tensor:
    y = block.norm(block.dwconv(x).permute(0, 2, 3, 1))
    return x + block.pwconv2(F.gelu(block.pwconv1(y))).permute(0, 3, 1, 2)


def _gelu_by_tanh(block: nn.Module, x: Tensor) -> Tensor:
    y = block.norm(block.dwconv(x).permute(0, 2, 3, 1))
    y = block.pwconv2(F.gelu(block.pwconv1(y), approximate="tanh"))
    return x + block.layer_scale * y.permute(0, 3, 1, 2)


def _downsample_before_the_norm(stage: nn.Module, x: Tensor) -> Tensor:
    size = [side // 2 for side in x.shape[2:]]
    mean = F.interpolate(stage.norm(x), size=size, mode="nearest")  # a norm of other pixels
    return stage.blocks(stage.downsample(F.interpolate(mean, scale_factor=2.0)))


FAULTS = {
    "convnext_tiny": {
        "norm before the depthwise convolution": lambda m: swap_forward(m.res3.blocks[1], _norm_before_the_convolution),
        "gelu after the second dense layer": lambda m: swap_forward(m.res4.blocks[4], _gelu_after_the_second_layer),
        "no layer scale": lambda m: swap_forward(m.res2.blocks[0], _no_layer_scale),
        "gelu by tanh": lambda m: [swap_forward(b, _gelu_by_tanh) for b in (*m.res4.blocks, *m.res5.blocks)],
        "eps of the last norm": lambda m: set_eps(m.norm),
        "no norm after the stem": lambda m: setattr(m, "stem_norm", nn.Identity()),
        "downsampling sees other pixels": lambda m: swap_forward(m.res5, _downsample_before_the_norm),
        "padding repeats the border": lambda m: setattr(m.res2.blocks[2].dwconv, "padding_mode", "replicate"),
    },
}


@pytest.mark.parametrize(
    ("name", "params", "macs"),  # table 1: "# param.", "FLOPs"; table 9 for T: 28.6e6, 4.5e9
    [
        ("convnext_tiny", 29e6, 4.5e9),
        ("convnext_small", 50e6, 8.7e9),
        ("convnext_base", 89e6, 15.4e9),
        ("convnext_large", 198e6, 34.4e9),
    ],
)
def test_parameters_and_macs_of_the_papers_table_1(name: str, params: float, macs: float):
    model = create_on_meta(name)
    assert round(count_params(model) / 1e6) * 1e6 == params
    assert round(count_macs(model, model.input_size) / 1e8) * 1e8 == macs


def test_sizes_of_the_papers_table_9():
    model = create_on_meta("convnext_tiny")
    assert f"{count_params(model) / 1e6:.1f}" == "28.6"
    x, sizes = torch.empty(1, 3, 224, 224, device="meta"), {}
    for stage in ("stem", "res2", "res3", "res4", "res5"):
        x = getattr(model, stage)(x)
        sizes[stage] = (x.shape[1], x.shape[2])
    assert sizes == {"stem": (96, 56), "res2": (96, 56), "res3": (192, 28), "res4": (384, 14), "res5": (768, 7)}
    assert [len(getattr(model, stage).blocks) for stage in ("res2", "res3", "res4", "res5")] == [3, 3, 9, 3]


def test_a_block_has_one_norm_and_the_parameters_of_its_formula():
    block = create_on_meta("convnext_tiny").res3.blocks[0]
    c = 192  # 7x7 per channel and bias; norm; two dense layers with biases; layer scale
    assert count_params(block) == (49 + 1) * c + 2 * c + (4 * c * c + 4 * c) + (4 * c * c + c) + c
    assert sum(isinstance(m, (nn.LayerNorm, nn.BatchNorm2d)) for m in block.modules()) == 1


def test_stochastic_depth_grows_in_equal_steps_as_in_torchvision():
    from torchvision.models import get_model
    from torchvision.ops import StochasticDepth

    for name in ("convnext_tiny", "convnext_small"):
        ours = [m.probability for m in create_on_meta(name).modules() if isinstance(m, DropPath)]
        with torch.device("meta"):
            theirs = [m.p for m in get_model(name).modules() if isinstance(m, StochasticDepth)]
        assert ours == pytest.approx(theirs)
        assert ours[-1] == model_info(name).variant.drop_path


def test_blocks_start_as_almost_the_identity():
    torch.manual_seed(0)
    model = cnnlab.create_model("convnext_tiny").eval()
    x = torch.randn(1, 192, 8, 8)
    with torch.no_grad():
        change = (model.res3.blocks[0](x) - x).abs().max()
    assert 0 < change < 1e-5
    assert model.res4.blocks[0].pwconv1.weight.std().item() == pytest.approx(0.02, rel=0.01)


def test_drop_path_keeps_the_mean_and_drops_whole_pictures():
    torch.manual_seed(0)
    layer, x = DropPath(0.4), torch.ones(20_000, 2, 3)
    y = layer.train()(x)
    assert set(y.unique().tolist()) == {0.0, torch.tensor(1 / 0.6).item()}
    assert (y == y[:, :1, :1]).all()  # a picture as a whole
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    assert layer.eval()(x) is x
    for wrong in (-0.1, 1.0, 2):
        with pytest.raises(ValueError, match=f"probability={wrong}"):
            DropPath(wrong)


def test_small_input_ends_at_2_by_2():
    model = cnnlab.create_model("convnext_tiny", small_input=True, num_classes=10).eval()
    with torch.no_grad():
        x = model.res2(model.stem_norm(model.stem(torch.randn(1, 3, 32, 32))))
        assert x.shape == (1, 96, 16, 16)
        assert model.res5(model.res4(model.res3(x))).shape == (1, 768, 2, 2)
