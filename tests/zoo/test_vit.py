"""Vision Transformer: references, planted faults, the paper's table 1. torchvision and timm have the same networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cnnlab
from cnnlab.models import model_info
from cnnlab.models.vit import Block, SelfAttention, VisionTransformer, ViTVariant
from cnnlab.weights import transplant
from tests.contract import (
    TOLERANCE,
    Reference,
    count_params,
    create_on_meta,
    of_library,
    randomize,
    relative_difference,
    set_eps,
    swap_forward,
)


def _timm() -> Reference:
    from timm.models.vision_transformer import VisionTransformer as Timm

    def build() -> nn.Module:
        return Timm(img_size=32, patch_size=4, num_classes=10, embed_dim=192, depth=6, num_heads=3)

    return of_library(build, (3, 32, 32), "timm's vision transformer of these sizes")


REFERENCES = {"vit_small_cifar": _timm}


def _queries_for_keys(attention: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = SelfAttention.queries_keys_values(attention, x)
    return k, q, v


def _heads_before_kinds(attention: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The rows of the fused layer read as (heads, 3, d) in place of (3, heads, d)."""
    n, tokens, dim = x.shape
    qkv = attention.qkv(x).reshape(n, tokens, attention.heads, 3, dim // attention.heads)
    return qkv.permute(3, 0, 2, 1, 4).unbind(0)


def _scaled_by_the_width(attention: nn.Module, q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.transpose(2, 3) / (q.shape[1] * q.shape[3]) ** 0.5).softmax(dim=3)


def _softmax_over_queries(attention: nn.Module, q: Tensor, k: Tensor) -> Tensor:
    return (q @ k.transpose(2, 3) / q.shape[3] ** 0.5).softmax(dim=2)


def _norm_after_the_sum(block: nn.Module, x: Tensor) -> Tensor:
    x = block.norm1(x + block.attention(x))
    return block.norm2(x + block.mlp(x))


def _mlp_beside_attention(block: nn.Module, x: Tensor) -> Tensor:
    return x + block.attention(block.norm1(x)) + block.mlp(block.norm2(x))


def _average_of_the_tokens(model: nn.Module, x: Tensor) -> Tensor:
    x = model.patches(x).flatten(2).transpose(1, 2)
    x = model.encoder(torch.cat([model.class_token.expand(len(x), -1, -1), x], dim=1))
    return model.fc(x.mean(dim=1))


def _patches_by_column(model: nn.Module, x: Tensor) -> Tensor:
    x = model.patches(x).transpose(2, 3).flatten(2).transpose(1, 2)
    return model.fc(model.encoder(torch.cat([model.class_token.expand(len(x), -1, -1), x], dim=1))[:, 0])


def _class_token_last(model: nn.Module, x: Tensor) -> Tensor:
    x = model.patches(x).flatten(2).transpose(1, 2)
    return model.fc(model.encoder(torch.cat([x, model.class_token.expand(len(x), -1, -1)], dim=1))[:, -1])


def _method(name: str, function: object):
    def plant(model: nn.Module) -> None:
        attention = model.encoder.blocks[2].attention
        setattr(attention, name, lambda *inputs: function(attention, *inputs))

    return plant


FAULTS = {
    "vit_small_cifar": {
        "queries for keys": _method("queries_keys_values", _queries_for_keys),
        "heads before queries, keys, values": _method("queries_keys_values", _heads_before_kinds),
        "scores over the root of D": _method("weights", _scaled_by_the_width),
        "softmax over the queries": _method("weights", _softmax_over_queries),
        "norm after the sum": lambda m: swap_forward(m.encoder.blocks[0], _norm_after_the_sum),
        "MLP beside attention": lambda m: swap_forward(m.encoder.blocks[5], _mlp_beside_attention),
        "average of the tokens": lambda m: swap_forward(m, _average_of_the_tokens),
        "patches by column": lambda m: swap_forward(m, _patches_by_column),
        "class token last": lambda m: swap_forward(m, _class_token_last),
        "eps of a norm": lambda m: set_eps(m.encoder.blocks[1].norm2),
        "another number of heads": lambda m: setattr(m.encoder.blocks[3].attention, "heads", 6),
    },
}


def test_output_equals_torchvisions_too():
    """The large ones are compared in the full suite; this is torchvision's class in the smallest size."""
    from torchvision.models import VisionTransformer as Torchvision

    theirs = Torchvision(image_size=32, patch_size=4, num_layers=6, num_heads=3, hidden_dim=192, mlp_dim=768)
    randomize(theirs, (3, 32, 32))
    ours = cnnlab.create_model("vit_small_cifar", num_classes=1000)
    transplant(theirs, ours)
    x = torch.randn(2, 3, 32, 32)
    assert relative_difference(theirs, ours, x) < TOLERANCE
    _method("queries_keys_values", _queries_for_keys)(ours)
    assert relative_difference(theirs, ours, x) > 5 * TOLERANCE


@pytest.mark.parametrize(
    ("name", "layers", "dim", "mlp", "heads", "params"),
    [  # table 1
        ("vit_b_16", 12, 768, 3072, 12, 86e6),
        ("vit_b_32", 12, 768, 3072, 12, 86e6),
        ("vit_l_16", 24, 1024, 4096, 16, 307e6),
        ("vit_l_32", 24, 1024, 4096, 16, 307e6),
        ("vit_h_14", 32, 1280, 5120, 16, 632e6),
    ],
)
def test_the_papers_table_1(name: str, layers: int, dim: int, mlp: int, heads: int, params: float):
    model = create_on_meta(name)
    blocks = model.encoder.blocks
    assert len(blocks) == layers
    assert {(b.mlp.fc1.in_features, b.mlp.fc1.out_features, b.attention.heads) for b in blocks} == {(dim, mlp, heads)}
    # One number for two sizes of patch: L's is that of L/32 (306.5e6, where L/16 has 304.3e6), B's nearer to B/16.
    assert count_params(model) == pytest.approx(params, rel=0.03)
    if name in ("vit_b_16", "vit_l_32", "vit_h_14"):
        assert count_params(model) == pytest.approx(params, rel=0.007)


def test_deit_sizes():
    """Touvron et al. 2020, table 1: DeiT-Ti 192, 3 heads, 12 layers, 5M; DeiT-S 384, 6 heads, 12 layers, 22M."""
    for name, dim, heads, millions in (("vit_tiny_patch16_224", 192, 3, 5), ("vit_small_patch16_224", 384, 6, 22)):
        variant = model_info(name).variant
        assert (variant.dim, variant.heads, variant.layers) == (dim, heads, 12)
        assert count_params(create_on_meta(name)) / 1e6 == pytest.approx(millions, rel=0.15)


def test_parameters_of_a_block_by_its_formula():
    for name in ("vit_small_cifar", "vit_b_16"):
        d = model_info(name).variant.dim  # four matrices D x D in attention, two of D x 4 D in the MLP, two norms
        assert count_params(create_on_meta(name).encoder.blocks[0]) == 12 * d * d + 13 * d


def test_tokens_of_the_patches():
    wanted = {"vit_b_16": 196, "vit_b_32": 49, "vit_h_14": 256, "vit_small_cifar": 64}
    for name, patches in wanted.items():
        assert create_on_meta(name).encoder.position.shape[1] == patches + 1
    small = create_on_meta("vit_b_16", small_input=True)
    assert small.encoder.position.shape[1] == 65
    assert small(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 1000)


def test_attention_is_its_formula_head_by_head():
    torch.manual_seed(0)
    attention = SelfAttention(dim=12, heads=3, fused=False)
    x = torch.randn(2, 5, 12)
    w, b = attention.qkv.weight, attention.qkv.bias
    heads = []
    for h in range(3):
        q, k, v = (
            x @ w[12 * i + 4 * h : 12 * i + 4 * h + 4].T + b[12 * i + 4 * h : 12 * i + 4 * h + 4] for i in range(3)
        )
        heads.append(torch.stack([F.softmax(q[n] @ k[n].T / 2, dim=1) @ v[n] for n in range(2)]))
    wanted = torch.cat(heads, dim=2) @ attention.proj.weight.T + attention.proj.bias
    torch.testing.assert_close(attention(x), wanted)
    q, k, _ = attention.queries_keys_values(x)
    torch.testing.assert_close(attention.weights(q, k).sum(dim=3), torch.ones(2, 3, 5))


def test_the_fused_kernel_computes_the_same():
    torch.manual_seed(0)
    written = cnnlab.create_model("vit_small_cifar").eval()
    fused = VisionTransformer(replace(model_info("vit_small_cifar").variant, fused=True), num_classes=10)
    fused.load_state_dict(written.state_dict())
    assert relative_difference(written, fused, torch.randn(2, 3, 32, 32)) < 1e-5
    assert fused.encoder.blocks[0].attention.fused


def test_attention_knows_nothing_of_places():
    """Without position vectors a block treats patches as a bag: their order does not matter."""
    torch.manual_seed(0)
    block = Block(ViTVariant(patch=4, layers=1, dim=12, heads=3)).eval()
    x, order = torch.randn(1, 7, 12), torch.randperm(7)
    torch.testing.assert_close(block(x)[:, order], block(x[:, order]))


def test_dropout_of_the_paper():
    variant = replace(model_info("vit_small_cifar").variant, dropout=0.1)
    model = VisionTransformer(variant, num_classes=10)
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.1}
    x = torch.randn(1, 3, 32, 32)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))


def test_initial_distribution():
    torch.manual_seed(0)
    model = cnnlab.create_model("vit_tiny_patch16_224")
    attention = model.encoder.blocks[0].attention
    bound = (6 / (192 + 192)) ** 0.5  # of one D x D matrix, though three are stored as one
    assert attention.qkv.weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert attention.proj.weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert model.patches.weight.std().item() == pytest.approx((1 / (3 * 16 * 16)) ** 0.5, rel=0.01)
    assert (model.class_token == 0).all()
    assert model.fc.weight.std().item() == pytest.approx(0.02, rel=0.01)


def test_sizes_that_do_not_fit_are_refused():
    variant = model_info("vit_small_cifar").variant
    with pytest.raises(ValueError, match="image_size=30 is no multiple of patch=4"):
        VisionTransformer(replace(variant, image_size=30))
    with pytest.raises(ValueError, match="dim=192 is no multiple of heads=5"):
        VisionTransformer(replace(variant, heads=5))
    with pytest.raises(ValueError, match=r"takes \(N, 3, 224, 224\).*create_model\('vit_small_cifar'\)"):
        create_on_meta("vit_b_16")(torch.zeros(1, 3, 32, 32))
