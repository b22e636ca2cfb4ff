"""ConvFormer and CAFormer: planted faults and the paper's tables. timm has the same networks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cnnlab.models.metaformer import CAFORMER, CONVFORMER, SeparableConv
from tests.contract import Reference, count_macs, count_params, create_on_meta, of_library, set_eps, swap_forward


def _for_cifar(attention: bool) -> Reference:
    """timm's network of these sizes, with a stem that keeps the picture's."""
    from timm.models.metaformer import Attention, LayerNorm2dNoBias, LayerNormNoBias, MetaFormer, SepConv

    last = (Attention, LayerNormNoBias) if attention else (SepConv, LayerNorm2dNoBias)

    def build() -> nn.Module:
        network = MetaFormer(
            depths=(1, 1, 2, 1), dims=(32, 64, 128, 256), num_classes=10, token_mixers=[SepConv] * 2 + [last[0]] * 2,
            norm_layers=[LayerNorm2dNoBias] * 2 + [last[1]] * 2, drop_path_rate=0.2,
        )  # fmt: skip
        network.stem.conv = nn.Conv2d(3, 32, kernel_size=3, padding=1)
        return network

    return of_library(build, (3, 32, 32), "timm's blocks, of these sizes")


REFERENCES = {"convformer_cifar": lambda: _for_cifar(False), "caformer_cifar": lambda: _for_cifar(True)}


def _scaled_by_all_channels(attention: nn.Module, q: Tensor, k: Tensor) -> Tensor:
    return q @ k.transpose(2, 3) / (attention.heads * q.shape[3]) ** 0.5


def _gelu(act: nn.Module, x: Tensor) -> Tensor:
    return act.scale * nn.functional.gelu(x) + act.bias


def _norm_behind(block: nn.Module, x: Tensor) -> Tensor:
    x = block.norm1(block.shortcut1(x) + block.mixer(x))
    return block.norm2(block.shortcut2(x) + block.mlp(x))


def _mlp_beside(block: nn.Module, x: Tensor) -> Tensor:
    return block.shortcut2(block.shortcut1(x)) + block.mixer(block.norm1(x)) + block.mlp(block.norm2(x))


def _bend_behind_the_depthwise(mixer: nn.Module, x: Tensor) -> Tensor:
    y = mixer.dwconv(mixer.pwconv1(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return mixer.pwconv2(mixer.act(y))


def _norm_behind_the_stride(stage: nn.Module, x: Tensor) -> Tensor:
    stage.norm = nn.Identity()
    y = stage.downsample(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return stage.blocks(nn.functional.layer_norm(y, y.shape[3:]))


FAULTS = {
    "caformer_cifar": {
        "scale of all channels": lambda m: swap_forward_of_scores(m.stage3.blocks[1].mixer),
        "GELU for StarReLU": lambda m: swap_forward(m.stage2.blocks[0].mlp.act, _gelu),
        "norm behind the sum": lambda m: swap_forward(m.stage1.blocks[0], _norm_behind),
        "MLP beside the mixer": lambda m: swap_forward(m.stage4.blocks[0], _mlp_beside),
        "activation behind the depthwise": lambda m: swap_forward(m.stage1.blocks[0].mixer, _bend_behind_the_depthwise),
        "shortcut unscaled": lambda m: setattr(m.stage3.blocks[0], "shortcut1", nn.Identity()),
        "norm behind the stride": lambda m: swap_forward(m.stage2, _norm_behind_the_stride),
        "eps of the last norm": lambda m: set_eps(m.hidden_norm),
        "padding repeats the border": lambda m: setattr(m.stage1.blocks[0].mixer.dwconv, "padding_mode", "replicate"),
    },
}


def swap_forward_of_scores(attention: nn.Module) -> None:
    attention.scores = lambda q, k: _scaled_by_all_channels(attention, q, k)


@pytest.mark.parametrize(("name", "params", "macs"), [("convformer_s18", "27", "3.9"), ("caformer_s18", "26", "4.1")])
def test_parameters_and_macs_of_the_papers_table(name: str, params: str, macs: str):
    model = create_on_meta(name)
    assert f"{count_params(model) / 1e6:.0f}" == params
    assert f"{count_macs(model, model.input_size) / 1e9:.1f}" == macs


def test_the_two_differ_in_the_last_two_stages_alone():
    """timm's numbers for S18 as well: two networks, one sum of parameters but for what mixes."""
    assert CONVFORMER[:2] == CAFORMER[:2] and CONVFORMER[2:] != CAFORMER[2:]
    conv, attention = create_on_meta("convformer_s18"), create_on_meta("caformer_s18")
    for stage in ("stage1", "stage2", "stage3", "stage4"):
        ours, other = (count_params(getattr(m, stage)) for m in (conv, attention))
        blocks, c = len(getattr(conv, stage).blocks), getattr(conv, stage).blocks[0].norm1.weight.numel()
        more = blocks * (2 * 49 * c + 2)  # the depthwise kernels and StarReLU; 4 C^2 of dense layers are in both
        assert ours - other == (more if stage in ("stage3", "stage4") else 0)


def test_sizes_of_the_stages():
    model = create_on_meta("caformer_s18")
    x, sizes = model.stem(torch.empty(1, 3, 224, 224, device="meta")).permute(0, 2, 3, 1), []
    for stage in (model.stage1, model.stage2, model.stage3, model.stage4):
        x = stage(x)
        sizes.append(tuple(x.shape[1:]))
    assert sizes == [(56, 56, 64), (28, 28, 128), (14, 14, 320), (7, 7, 512)]


def test_only_attention_sees_beyond_its_neighborhood():
    mixer = SeparableConv(8).eval()
    x = torch.randn(1, 15, 15, 8)
    y = x.clone()
    y[0, 7, 7] += 1
    with torch.no_grad():
        changed = (mixer(x) - mixer(y)).abs().amax((0, 3)) > 0
    assert changed.sum() == 49 and changed[4:11, 4:11].all()
