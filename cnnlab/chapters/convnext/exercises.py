"""Exercises of the chapter "ConvNeXt"."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.exercises import exercise
from cnnlab.exercises.examples import normals


@exercise(
    "convnext/recipe-share",
    "How much was the recipe?",
    cases=[(76.13, 78.82, 81.97), (78.20, 81.14, 83.60), (50.0, 50.0, 60.0), (50.0, 60.0, 60.0), (70.0, 69.0, 74.0)],
    tolerance=1e-4,
)
def recipe_share(start: float, retrained: float, end: float) -> float:
    """It was 46 % for ResNet-50, and 54 % in the paper's table 11, which goes from ResNet-200 to ConvNeXt-B."""
    return (retrained - start) / (end - start)


recipe_share.mistake(
    "You divide by what the network's changes brought. The whole gain is from start to end.",
    lambda start, retrained, end: (retrained - start) / (end - retrained) if end != retrained else 2.0,
)
recipe_share.mistake(
    "That is the network's share. What is left is the recipe's.",
    lambda start, retrained, end: (end - retrained) / (end - start),
)
recipe_share.mistake(
    "That is in percentage points. Divide by the whole gain.", lambda start, retrained, end: retrained - start
)
recipe_share.mistake(
    "Give a share, as 0.46, in place of percent.",
    lambda start, retrained, end: 100 * (retrained - start) / (end - start),
)
recipe_share.mistake(
    "You divide by the accuracy at the end. Divide by what was gained.",
    lambda start, retrained, end: (retrained - start) / end,
)
recipe_share.hints(
    "Between start and retrained only the recipe changed. How long is the whole way?",
    "(retrained - start) over (end - start).",
)
recipe_share.wrong(lambda start, retrained, end: 0.5)


@exercise("convnext/kernel-share", "The price of 7 x 7", cases=[(96, 7), (768, 7), (96, 31), (384, 3), (1, 1)])
def kernel_share(channels: int, kernel: int) -> float:
    """6 % at 96 channels, 0.8 % at 768. A dense 7 x 7 would take six sevenths of the block."""
    return kernel**2 / (kernel**2 + 8 * channels)


kernel_share.mistake(
    "Your k x k is dense, C² k². A depthwise one has k² for each channel.",
    lambda channels, kernel: kernel**2 / (kernel**2 + 8),
)
kernel_share.mistake(
    "There are two 1 x 1, one up and one down, of 4 C² each.",
    lambda channels, kernel: kernel**2 / (kernel**2 + 4 * channels),
)
kernel_share.mistake(
    "The middle is four times as wide: each 1 x 1 takes 4 C².",
    lambda channels, kernel: kernel**2 / (kernel**2 + 2 * channels),
)
kernel_share.mistake("A kernel of k x k has k² weights.", lambda channels, kernel: kernel / (kernel + 8 * channels))
kernel_share.mistake(
    "That is k x k over the two 1 x 1. The block is all three.",
    lambda channels, kernel: kernel**2 / (8 * channels),
)
kernel_share.hints(
    "For one pixel: how many products in the k x k, and how many in the two 1 x 1?",
    "C k² over (C k² + 4 C² + 4 C²); C cancels once.",
)
kernel_share.wrong(lambda channels, kernel: 0.06)

EPS = 1e-6


def _pictures() -> list[tuple[Tensor, Tensor, Tensor]]:
    shapes = [(2, 4, 3, 5), (1, 6, 2, 2), (3, 2, 4, 4)]
    return [tuple(normals(seed, shape, shape[1:2], shape[1:2])) for seed, shape in enumerate(shapes)]


def _normed(x: Tensor, weight: Tensor, bias: Tensor, dims: tuple[int, ...], correction: int = 0) -> Tensor:
    apart = x - x.mean(dims, keepdim=True)
    scale = (x.var(dims, keepdim=True, correction=correction) + EPS).sqrt()
    return apart / scale * weight[:, None, None] + bias[:, None, None]


@exercise("convnext/layer-norm", "Norm a pixel", cases=_pictures(), untouched=True)
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """No pixel needs another, and no picture its batch: nothing to average, and nothing to switch for evaluation."""
    return _normed(x, weight, bias, (1,))


layer_norm.mistake(
    "You norm each channel over its picture; that is instance norm. Take all channels of one pixel.",
    lambda x, weight, bias: _normed(x, weight, bias, (2, 3)),
)
layer_norm.mistake(
    "You norm each channel over the batch; that is batch norm. Take all channels of one pixel.",
    lambda x, weight, bias: _normed(x, weight, bias, (0, 2, 3)),
)
layer_norm.mistake(
    "You norm all of a picture at once. ConvNeXt's norm looks at one pixel.",
    lambda x, weight, bias: _normed(x, weight, bias, (1, 2, 3)),
)
layer_norm.mistake(
    "torch's var divides by n - 1 if you let it. Norms divide by n: correction=0.",
    lambda x, weight, bias: _normed(x, weight, bias, (1,), correction=1),
)
layer_norm.mistake(
    "You divide by the variance. Take its root.",
    lambda x, weight, bias: (
        (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True, correction=0) + EPS) * weight[:, None, None]
        + bias[:, None, None]
    ),
)
layer_norm.mistake(
    "Weight and bias are missing, one of each for a channel.",
    lambda x, weight, bias: _normed(x, torch.ones_like(weight), torch.zeros_like(bias), (1,)),
)
layer_norm.hints(
    "Channels are dimension 1. Mean and variance are taken along it alone.",
    "x.mean(1, keepdim=True) and x.var(1, keepdim=True, correction=0); then weight[:, None, None].",
)
layer_norm.wrong(lambda x, weight, bias: x)


@layer_norm.right
def with_channels_last(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias, EPS).permute(0, 3, 1, 2)


def _features() -> list[tuple[Tensor, Tensor, Tensor]]:
    shapes = [(2, 3, 4, 5), (1, 2, 2, 6), (3, 4, 4, 2)]
    return [tuple(normals(10 + seed, shape, shape[3:], shape[3:])) for seed, shape in enumerate(shapes)]


def _response(x: Tensor, dims: tuple[int, ...] = (1, 2)) -> Tensor:
    return torch.linalg.vector_norm(x, dim=dims, keepdim=True)


def _relative(g: Tensor) -> Tensor:
    return g / (g.mean(-1, keepdim=True) + EPS)


@exercise("convnext/grn", "Global response normalization", cases=_features(), untouched=True)
def grn(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """With gamma and beta at 0 it is the identity, so that it can be put anywhere and learns whether to act."""
    return gamma * (x * _relative(_response(x))) + beta + x


grn.mistake(
    "x itself is missing at the end. Without it the paper loses 0.6 points.",
    lambda x, gamma, beta: gamma * (x * _relative(_response(x))) + beta,
)
grn.mistake(
    "You take the average of a channel. GRN takes its length, the root of the sum of squares.",
    lambda x, gamma, beta: gamma * (x * _relative(x.mean((1, 2), keepdim=True))) + beta + x,
)
grn.mistake(
    "You divide by the sum over channels. The code divides by their mean, which does not shrink with more channels.",
    lambda x, gamma, beta: gamma * (x * _response(x) / (_response(x).sum(-1, keepdim=True) + EPS)) + beta + x,
)
grn.mistake(
    "You take the length over the batch too. Each picture stands alone.",
    lambda x, gamma, beta: gamma * (x * _relative(_response(x, (0, 1, 2)))) + beta + x,
)
grn.mistake(
    "You take the length of each pixel's channels. Take that of each channel, over the picture.",
    lambda x, gamma, beta: gamma * (x * _relative(_response(x, (3,)))) + beta + x,
)
grn.mistake(
    "The lengths are compared with nothing. Divide by their mean over the channels.",
    lambda x, gamma, beta: gamma * (x * _response(x)) + beta + x,
)
grn.hints(
    "x is (N, H, W, C). The length of a channel runs over H and W; the mean of lengths over C.",
    "g = x.pow(2).sum((1, 2), keepdim=True).sqrt(), then gamma * x * g / (g.mean(-1, keepdim=True) + 1e-6) + beta + x.",
)
grn.wrong(lambda x, gamma, beta: x)


@grn.right
def by_hand(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    g = x.pow(2).sum((1, 2), keepdim=True).sqrt()
    return (1 + gamma * g / (g.mean(-1, keepdim=True) + EPS)) * x + beta


def _masked() -> list[tuple[Tensor, Tensor, Tensor]]:
    cases = []
    for seed, (side, kernel) in enumerate(((6, 3), (8, 5), (5, 7))):
        x, weight, chance = normals(20 + seed, (2, 3, side, side), (3, 1, kernel, kernel), (2, 1, side, side))
        cases.append((x, (chance > 0).double(), weight))
    return cases


def _depthwise(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=len(weight))


@exercise("convnext/sparse", "A convolution that does not look", cases=_masked(), untouched=True)
def sparse(x: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """One multiplication before and one behind: what a sparse convolution computes, at the price of a dense one."""
    return mask * _depthwise(mask * x, weight)


sparse.mistake(
    "Hidden pixels still get a value, made of visible neighbors. The next layer would see smaller holes.",
    lambda x, mask, weight: _depthwise(mask * x, weight),
)
sparse.mistake(
    "Visible outputs read what is hidden. Mask the input as well.", lambda x, mask, weight: mask * _depthwise(x, weight)
)
sparse.mistake("Nothing is hidden: you did not use the mask.", lambda x, mask, weight: _depthwise(x, weight))
sparse.mistake(
    "The mask is 1 where a pixel is visible; you use it the other way round.",
    lambda x, mask, weight: (1 - mask) * _depthwise((1 - mask) * x, weight),
)
sparse.mistake(
    "You make up for what is missing, as partial convolutions do. A sparse one adds up what is there.",
    lambda x, mask, weight: (
        mask
        * _depthwise(mask * x, weight)
        * weight[0].numel()
        / F.conv2d(mask, torch.ones_like(weight[:1]), padding=weight.shape[-1] // 2).clamp(min=1)
    ),
)
sparse.hints(
    "Two things must not happen: a hidden pixel is read, and a hidden pixel gets a value.",
    "mask * F.conv2d(mask * x, weight, padding=weight.shape[-1] // 2, groups=len(weight)).",
)
sparse.wrong(lambda x, mask, weight: x)
