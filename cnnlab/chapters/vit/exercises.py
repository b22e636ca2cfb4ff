"""Exercises of the chapter "Vision Transformer"."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.exercises import as_whole, exercise, expect, judged
from cnnlab.exercises.examples import counted, normal, normals


@exercise(
    "vit/scores",
    "Four times the pixels",
    cases=[(224, 16, 768, 12), (384, 16, 1024, 24), (448, 16, 768, 12), (32, 4, 192, 6), (224, 14, 1280, 32)],
)
def scores(size: int, patch: int, dim: int, layers: int) -> int:
    """Twice the side makes four times the tokens and sixteen times the scores: the fourth power, as on the page."""
    tokens = 1 + (size // patch) ** 2
    return layers * 2 * tokens**2 * dim


scores.mistake(
    "The class token asks and is asked as well: there is one token more than patches.",
    lambda size, patch, dim, layers: layers * 2 * (size // patch) ** 4 * dim,
)
scores.mistake(
    "That is the first product, queries times keys. The weights times the values take as many again.",
    lambda size, patch, dim, layers: layers * (1 + (size // patch) ** 2) ** 2 * dim,
)
scores.mistake(
    "That is one block's. There are as many blocks as layers.",
    lambda size, patch, dim, layers: 2 * (1 + (size // patch) ** 2) ** 2 * dim,
)
scores.mistake(
    "You count tokens along one side. Patches fill a square.",
    lambda size, patch, dim, layers: layers * 2 * (1 + size // patch) ** 2 * dim,
)
scores.hints(
    "T tokens make T x T pairs. What does one pair cost, in all heads together?",
    "q k takes d multiplications in each of D / d heads, D in all; weights times values take D more.",
)
scores.wrong(lambda size, patch, dim, layers: 7)
scores.right(
    lambda size, patch, dim, layers: layers * 2 * dim * (1 + size * size // (patch * patch)) ** 2,
)


def picture(seed: int, n: int, channels: int, size: int, patch: int, dim: int) -> tuple[Tensor, Tensor]:
    """Pictures, and a layer's weights for their patches."""
    return normal(n, channels, size, size, seed=seed), normal(dim, channels, patch, patch, seed=seed + 9)


def _cut(x: Tensor, patch: int) -> Tensor:
    """Shape: (N, C, S, S) -> (N, rows, columns, C, patch, patch)."""
    n, channels, size, _ = x.shape
    side = size // patch
    return x.reshape(n, channels, side, patch, side, patch).permute(0, 2, 4, 1, 3, 5)


@exercise("vit/tokens", "Cut it yourself", cases=[picture(0, 2, 3, 8, 4, 5), picture(1, 1, 1, 6, 2, 3)])
def tokens(x: Tensor, weight: Tensor) -> Tensor:
    """A reshape and one matrix: a convolution whose windows never meet has nothing else to do."""
    cut = _cut(x, weight.shape[2]).flatten(3).flatten(1, 2)
    return cut @ weight.flatten(1).T


tokens.mistake(
    "A reshape to (N, rows, columns, ...) without a permute reads the picture line by line, and a patch is no piece of "
    "a line. Split H and W, each in two, and move the axes.",
    lambda x, weight: x.reshape(len(x), -1, weight[0].numel()) @ weight.flatten(1).T,
)
tokens.mistake(
    "Your patches come column by column. The sentence reads row by row.",
    lambda x, weight: _cut(x, weight.shape[2]).transpose(1, 2).flatten(3).flatten(1, 2) @ weight.flatten(1).T,
)
tokens.mistake(
    "Inside a patch the colors come last, and in a convolution's weights they come first.",
    lambda x, weight: _cut(x, weight.shape[2]).permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(1, 2) @ weight.flatten(1).T,
)
tokens.mistake(
    "That is (N, D, tokens). A token is a row: (N, tokens, D).",
    lambda x, weight: F.conv2d(x, weight, stride=weight.shape[2]).flatten(2),
)
tokens.hints(
    "A convolution would do: what are its kernel and its stride? Or: reshape, permute, and multiply by a matrix.",
    "reshape to (N, C, rows, p, columns, p), permute(0, 2, 4, 1, 3, 5), flatten, and @ weight.flatten(1).T.",
)
tokens.wrong(lambda x, weight: torch.zeros(len(x), 4, weight.shape[0]))
tokens.right(
    lambda x, weight: F.conv2d(x, weight, stride=weight.shape[2]).flatten(2).transpose(1, 2),
    lambda x, weight: (
        F.unfold(x, weight.shape[2], stride=weight.shape[2]).transpose(1, 2) @ weight.flatten(1).transpose(0, 1)
    ),
)


def asked(seed: int, n: int, heads: int, count: int, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = normals(seed, *[(n, heads, count, dim)] * 3)
    return q, k, v


def _attend(q: Tensor, k: Tensor, v: Tensor, scale: float, axis: int = -1) -> Tensor:
    return (q @ k.transpose(-1, -2) * scale).softmax(axis) @ v


@exercise("vit/attention", "Twelve lines in three", cases=[asked(0, 2, 3, 5, 4), asked(1, 1, 1, 7, 16)])
def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Every row of weights adds up to one, so what a token receives is an average of values, never more."""
    return _attend(q, k, v, q.shape[-1] ** -0.5)


attention.mistake(
    "The scores are not divided by the root of d: they grow with d, and the softmax hardens.",
    lambda q, k, v: _attend(q, k, v, 1.0),
)
attention.mistake("You divide by d, not by its root.", lambda q, k, v: _attend(q, k, v, 1 / q.shape[-1]))
attention.mistake(
    "Your softmax runs over those who ask. It runs over those who are asked, the last axis, so that rows add up to 1.",
    lambda q, k, v: _attend(q, k, v, q.shape[-1] ** -0.5, -2),
)
attention.mistake(
    "Queries and keys are swapped: row i must hold what token i asks.",
    lambda q, k, v: _attend(k, q, v, q.shape[-1] ** -0.5),
)
attention.hints(
    "Three steps: scores of all pairs, softmax over those who are asked, the average of the values.",
    "q @ k.transpose(-1, -2) / sqrt(d), softmax(-1), @ v.",
)
attention.wrong(lambda q, k, v: v)
attention.right(
    lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    lambda q, k, v: torch.einsum(
        "nhts,nhsd->nhtd",
        torch.einsum("nhtd,nhsd->nhts", q / math.sqrt(q.shape[-1]), k).softmax(dim=-1),
        v,
    ),
)


def _resized(position: Tensor, side: int, corners: bool = False) -> Tensor:
    before = math.isqrt(position.shape[1] - 1)
    grid = position[:, 1:].transpose(1, 2).unflatten(2, (before, before))
    grid = F.interpolate(grid, size=(side, side), mode="bilinear", align_corners=corners)
    return torch.cat([position[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


def _as_one_line(position: Tensor, side: int) -> Tensor:
    line = F.interpolate(position[:, 1:].transpose(1, 2), size=side * side, mode="linear")
    return torch.cat([position[:, :1], line.transpose(1, 2)], dim=1)


def _with_class_token(position: Tensor, side: int) -> Tensor:
    return F.interpolate(position.transpose(1, 2), size=1 + side * side, mode="linear").transpose(1, 2)


def _unturned(position: Tensor, side: int) -> Tensor:
    before = math.isqrt(position.shape[1] - 1)
    grid = position[:, 1:].reshape(1, -1, before, before)
    grid = F.interpolate(grid, size=(side, side), mode="bilinear")
    return torch.cat([position[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


@exercise(
    "vit/resized",
    "A larger picture",
    cases=[(counted(1, 10, 4) ** 1.5, 6), (normal(1, 17, 3, seed=4), 7), (normal(1, 5, 2, seed=5), 3)],
)
def resized(position: Tensor, side: int) -> Tensor:
    """This is what section 3.2 of the paper does, and the only place where it puts in that pictures have two sides."""
    return _resized(position, side)


resized.mistake(
    "You stretch the patches as one line. They stand in a square: put them back into one first.", _as_one_line
)
resized.mistake(
    "You stretched the class token's vector with the others. It has no place in the picture: set it aside.",
    _with_class_token,
)
resized.mistake(
    "Your reshape to a map mixes places with channels: the D numbers stand last. Move them ahead of the square first.",
    _unturned,
)
resized.mistake("The corners are not aligned here: leave align_corners at False.", lambda p, s: _resized(p, s, True))
resized.hints(
    "Set the first vector aside; the others are a map of D channels. F.interpolate resizes maps.",
    "transpose(1, 2), unflatten(2, (n, n)), F.interpolate(..., size=(side, side), mode='bilinear'), and back.",
)
resized.wrong(lambda position, side: torch.zeros(1, 1 + side * side, position.shape[2]))


@resized.right
def one_vector_at_a_time(position: Tensor, side: int) -> Tensor:
    before = math.isqrt(position.shape[1] - 1)
    out = [position[0, 0]]
    for row in range(side):
        for column in range(side):
            at = [max((v + 0.5) * before / side - 0.5, 0) for v in (row, column)]
            low = [min(int(v), before - 1) for v in at]
            high = [min(v + 1, before - 1) for v in low]
            part = [v - w for v, w in zip(at, low, strict=True)]
            vector = torch.zeros_like(position[0, 0])
            for r, share in ((low[0], 1 - part[0]), (high[0], part[0])):
                for c, also in ((low[1], 1 - part[1]), (high[1], part[1])):
                    vector = vector + share * also * position[0, 1 + r * before + c]
            out.append(vector)
    return torch.stack(out)[None]


WIDTH, SIGN = 640, 40  # pixels of the photographs, and of a sign in them
MOST = 6_000  # megabytes


def weights_in_megabytes(size: int, patch: int, pictures: int, layers: int = 12, heads: int = 12) -> float:
    """Of a ViT-Base's attention weights, all kept for the backward pass, in 32 bits."""
    return layers * heads * (1 + (size // patch) ** 2) ** 2 * 4 * pictures / 1e6


@judged("vit/budget", "Small signs in large pictures")
def budget(answer: Any) -> None:
    """Signs two patches wide, and most of the memory is gone: detail is paid for with the fourth power of the side."""
    expect(
        isinstance(answer, dict) and set(answer) == {"size", "patch", "batch"},
        'Give a dictionary with the keys "size", "patch" and "batch".',
    )
    size, patch, batch = (as_whole(answer[key]) for key in ("size", "patch", "batch"))
    expect(None not in (size, patch, batch) and min(size, patch, batch) >= 1, "All three are whole numbers from 1 on.")
    expect(size % patch == 0, "The patches must fill the picture: the size is a multiple of the patch.")
    expect(size <= WIDTH, f"The photographs have {WIDTH} pixels. More would be made up.")
    expect(
        SIGN * size >= 24 * WIDTH,
        f"At this size a sign is {SIGN * size / WIDTH:.0f} pixels wide and cannot be read. Keep more pixels.",
    )
    expect(
        SIGN * size >= 2 * patch * WIDTH,
        f"A sign is {SIGN * size / WIDTH / patch:.1f} patches wide; two or more are wanted. Take finer patches.",
    )
    expect(batch >= 8, "At least eight pictures at once are wanted.")
    needed = weights_in_megabytes(size, patch, batch)
    expect(needed <= MOST, f"Your weights take {needed:,.0f} MB; {MOST:,} are there. How many tokens can you afford?")


budget.hints(
    "A sign is a sixteenth of the photograph, at every size. So how many patches along a side make it two wide?",
    "32 along a side make 1,025 tokens: 605 MB for each picture. Which sizes and patches give 32, or a little more?",
)
budget.wrong([512, 16, 8], "a dictionary with")
budget.wrong({"size": 512.5, "patch": 16, "batch": 8}, "whole numbers")
budget.wrong({"size": 500, "patch": 16, "batch": 8}, "a multiple of the patch")
budget.wrong({"size": 1024, "patch": 32, "batch": 8}, "made up")
budget.wrong({"size": 224, "patch": 7, "batch": 8}, "cannot be read")
budget.wrong({"size": 384, "patch": 16, "batch": 8}, "Take finer patches")
budget.wrong({"size": 512, "patch": 16, "batch": 4}, "eight pictures")
budget.wrong({"size": 512, "patch": 8, "batch": 8}, "can you afford")
budget.wrong({"size": 512, "patch": 16, "batch": 16}, "can you afford")
budget.right(
    {"size": 512, "patch": 16, "batch": 8},
    {"size": 384, "patch": 12, "batch": 8},
    {"size": 528, "patch": 16, "batch": 8},
)
