"""The Vision Transformer: a picture cut into patches, and the patches read like the words of a sentence.

A. Dosovitskiy, L. Beyer, A. Kolesnikov, D. Weissenborn, X. Zhai, T. Unterthiner, M. Dehghani, M. Minderer, G. Heigold,
S. Gelly, J. Uszkoreit, N. Houlsby: An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale,
ICLR 2021 (arXiv 2020), equations 1 to 4 and table 1. https://arxiv.org/abs/2010.11929

                 layers    hidden size D    MLP size    heads    parameters in the paper    here
    ViT-Base       12           768           3072       12              86M                86.6M /16, 88.2M /32
    ViT-Large      24          1024           4096       16             307M                304.3M /16, 306.5M /32
    ViT-Huge       32          1280           5120       16             632M                632.0M /14

    step             output (ViT-B/16)    what
    patches          196 x 768            each patch of 16 x 16 x 3 numbers, times one matrix
    class token      197 x 768            a trained vector in front, which will collect what the class depends on
    position         197 x 768            plus a trained vector for each place
    12 blocks        197 x 768            x + attention(norm(x)), then x + MLP(norm(x))
    norm, head       1000                 of the class token alone

In attention each token asks a question (query), offers a label (key) and a content (value), each a linear function of
it. It receives the average of all values, weighted by softmax(q k / sqrt(d)): how well its query matches their keys. It
is done in several heads of d = D / heads numbers each, side by side. There is nothing of the picture's geometry in it:
which patches are neighbors, the network has to learn. So it wants more data than a convolutional network; the paper
trained on up to 300 million pictures. On ImageNet alone its larger networks are no better (table 5, tested at 384 px:
77.91 % for ViT-B/16, 76.53 % for ViT-L/16).

vit_tiny_patch16_224 and vit_small_patch16_224 are the sizes of H. Touvron et al.: Training data-efficient image
transformers (2020, table 1), under timm's names. vit_small_cifar is of no paper: half the layers of the tiny one, on
patches of 4 pixels.

``small_input=True`` is for pictures of 32 pixels: patches of 4 x 4, 64 of them. Any ViT takes one size of picture only,
since each place has its own vector.

Differs from the paper in:
  - Without dropout, as in torchvision; ``ViTVariant(..., dropout=0.1)`` is the paper's on ImageNet (table 3).
  - No hidden layer in the head (the paper has one in pre-training).
  - The head's weights start normally distributed with deviation 0.02. The authors' code and torchvision have them at 0,
    so that in the first step nothing but the head gets a gradient. All else starts as in the authors' code: dense
    layers uniform after Glorot, positions normal with deviation 0.02, patches sqrt(1 / fan-in), class token and biases
    at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.models import Network, Paper, Size, register_variants

__all__ = [
    "ViTVariant",
    "VARIANTS",
    "SMALLER_VARIANTS",
    "CIFAR_VARIANTS",
    "PAPER",
    "EPS",
    "SelfAttention",
    "MLP",
    "Block",
    "Encoder",
    "VisionTransformer",
]


@dataclass(frozen=True)
class ViTVariant:
    patch: int  # pixels, height and width
    layers: int
    dim: int  # D: numbers per token
    heads: int
    image_size: int = 224
    mlp_ratio: int = 4  # hidden units of the MLP, in multiples of D
    dropout: float = 0.0  # after the position embedding and every dense layer but queries, keys, values
    fused: bool = False  # True: torch's fused kernel of the same attention, faster and without the weights
    small_input: bool = False

    @property
    def input_size(self) -> Size:
        return (3, self.image_size, self.image_size)


VARIANTS = {
    "vit_b_16": ViTVariant(patch=16, layers=12, dim=768, heads=12),
    "vit_b_32": ViTVariant(patch=32, layers=12, dim=768, heads=12),
    "vit_l_16": ViTVariant(patch=16, layers=24, dim=1024, heads=16),
    "vit_l_32": ViTVariant(patch=32, layers=24, dim=1024, heads=16),
    "vit_h_14": ViTVariant(patch=14, layers=32, dim=1280, heads=16),
}
SMALLER_VARIANTS = {
    "vit_tiny_patch16_224": ViTVariant(patch=16, layers=12, dim=192, heads=3),
    "vit_small_patch16_224": ViTVariant(patch=16, layers=12, dim=384, heads=6),
}
CIFAR_VARIANTS = {"vit_small_cifar": ViTVariant(patch=4, layers=6, dim=192, heads=3, image_size=32)}
PAPER = Paper(
    2020,
    "Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
    "https://arxiv.org/abs/2010.11929",
)
EPS = 1e-6  # of every layer norm


class SelfAttention(nn.Module):
    """Multi-head self-attention, appendix A. Shape: (N, T, D) -> (N, T, D)."""

    def __init__(self, dim: int, heads: int, fused: bool) -> None:
        super().__init__()
        self.heads = heads
        self.fused = fused
        self.qkv = nn.Linear(dim, 3 * dim)  # queries, keys and values in one product
        self.proj = nn.Linear(dim, dim)

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shape: (N, T, D) -> three of (N, heads, T, d)."""
        n, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def weights(self, q: Tensor, k: Tensor) -> Tensor:
        """How much each token (row) takes from each: rows sum to 1. Shape: (N, heads, T, d) -> (N, heads, T, T)."""
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        return scores.softmax(dim=3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.queries_keys_values(x)
        y = F.scaled_dot_product_attention(q, k, v) if self.fused else self.weights(q, k) @ v  # (N, heads, T, d)
        return self.proj(y.transpose(1, 2).flatten(2))  # the heads side by side again: (N, T, D)


class MLP(nn.Module):
    """Two dense layers on each token by itself. Shape: (N, T, D) -> (N, T, D)."""

    def __init__(self, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.fc2(self.dropout(F.gelu(self.fc1(x)))))


class Block(nn.Module):
    """Attention between the tokens, then an MLP within each: equations 2 and 3. Shape: (N, T, D) -> (N, T, D)."""

    def __init__(self, variant: ViTVariant) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(variant.dim, eps=EPS)
        self.attention = SelfAttention(variant.dim, variant.heads, variant.fused)
        self.dropout = nn.Dropout(variant.dropout)
        self.norm2 = nn.LayerNorm(variant.dim, eps=EPS)
        self.mlp = MLP(variant.dim, variant.mlp_ratio * variant.dim, variant.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    """Positions, blocks and a last norm. Shape: (N, T, D) -> (N, T, D)."""

    def __init__(self, variant: ViTVariant, tokens: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, tokens, variant.dim))
        self.dropout = nn.Dropout(variant.dropout)
        self.blocks = nn.Sequential(*[Block(variant) for _ in range(variant.layers)])
        self.norm = nn.LayerNorm(variant.dim, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.blocks(self.dropout(x + self.position)))


@register_variants(CIFAR_VARIANTS, family="ViT", paper=PAPER, num_classes=10, head="fc", fixed_size=True)
@register_variants(
    SMALLER_VARIANTS, family="ViT", paper=PAPER, num_classes=1000, head="fc", fixed_size=True, library="timm"
)
@register_variants(
    VARIANTS, family="ViT", paper=PAPER, num_classes=1000, head="fc", fixed_size=True, library="torchvision"
)
class VisionTransformer(Network):
    """Patches, an encoder and a dense layer on the class token. Shape: (N, C, S, S) -> (N, num_classes)."""

    # What timm keeps on the network itself, and where we have it: for `cnnlab.weights.transplant`.
    reference_names: ClassVar[dict[str, str]] = {"cls_token": "class_token", "pos_embed": "encoder.position"}

    def __init__(self, variant: ViTVariant, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        size, patch = (32, 4) if variant.small_input else (variant.image_size, variant.patch)
        if size % patch:
            raise ValueError(f"image_size={size} is no multiple of patch={patch}: patches would be cut off.")
        if variant.dim % variant.heads:
            raise ValueError(f"dim={variant.dim} is no multiple of heads={variant.heads}.")
        # The same matrix for every patch and no overlap: that is a convolution whose stride is its kernel.
        self.patches = nn.Conv2d(in_channels, variant.dim, kernel_size=patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, variant.dim))
        self.encoder = Encoder(variant, tokens=1 + (size // patch) ** 2)
        self.fc = nn.Linear(variant.dim, num_classes)
        self._draw_parameters()

    def _draw_parameters(self) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear):
                # Queries, keys and values are three matrices: Glorot's bound is that of one.
                for matrix in module.weight.chunk(3 if name.endswith("qkv") else 1):
                    nn.init.xavier_uniform_(matrix)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.patches.weight, std=self.patches.weight[0].numel() ** -0.5)
        nn.init.zeros_(self.patches.bias)
        nn.init.normal_(self.encoder.position, std=0.02)
        nn.init.normal_(self.fc.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)  # (N, 768, 14, 14), sizes for ViT-B/16 and 224 px
        x = x.flatten(2).transpose(1, 2)  # (N, 196, 768): a sequence of tokens, row by row
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1)  # (N, 197, 768)
        x = self.encoder(x)  # (N, 197, 768)
        return self.fc(x[:, 0])  # (N, num_classes)
