"""Exercises of the chapter "AlexNet: what 2012 changed"."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnnlab.exercises import exercise
from cnnlab.exercises.examples import normal


@exercise("alexnet/views", "Count the crops", cases=[(256, 224), (256, 227), (4, 3), (5, 5), (40, 32)])
def views(whole: int, crop: int) -> int:
    """For 256 and 224 it is 2,178. The paper's 2048 is 32 x 32 x 2, one place short in each direction."""
    return 2 * (whole - crop + 1) ** 2


views.mistake(
    "That is the paper's count. Where can a crop of 3 begin in a row of 4? At 0 and at 1: two places.",
    lambda whole, crop: 2 * (whole - crop) ** 2,
)
views.mistake(
    "The mirror images are missing: each crop comes in two forms.", lambda whole, crop: (whole - crop + 1) ** 2
)
views.mistake(
    "A crop moves in two directions: each row goes with each column.", lambda whole, crop: 2 * (whole - crop + 1)
)
views.hints(
    "Count the places along one side first, for small numbers, by hand.",
    "Along a side there are whole - crop + 1 places; then two directions, then the mirror.",
)
views.wrong(lambda whole, crop: 2048)
views.right(lambda whole, crop: sum(1 for _ in range(whole - crop + 1) for _ in range(2 * (whole - crop + 1))))


@exercise(
    "alexnet/memory",
    "What training keeps",
    cases=[(10, 0, 1), (1000, 300, 4), (60_965_224, 1_258_344, 128), (7, 5, 2)],
)
def memory(parameters: int, outputs: int, batch: int) -> int:
    """The weights cost the same for any batch; the activations grow with it, and soon they are the larger part."""
    return 4 * (3 * parameters + 2 * outputs * batch)


memory.mistake(
    "Training keeps three numbers for each parameter: the weight, its gradient and its momentum.",
    lambda parameters, outputs, batch: 4 * (parameters + 2 * outputs * batch),
)
memory.mistake(
    "The momentum is missing: one more number for each parameter.",
    lambda parameters, outputs, batch: 4 * (2 * parameters + 2 * outputs * batch),
)
memory.mistake(
    "On the way back each output gets a gradient of its own, as large as the output.",
    lambda parameters, outputs, batch: 4 * (3 * parameters + outputs * batch),
)
memory.mistake(
    "The batch shares its weights: their part does not grow with it.",
    lambda parameters, outputs, batch: 4 * batch * (3 * parameters + 2 * outputs),
)
memory.mistake(
    "You count numbers. Each of them takes four bytes.",
    lambda parameters, outputs, batch: 3 * parameters + 2 * outputs * batch,
)
memory.hints(
    "Add two parts: what there is once for the network, and what there is for each picture of the batch.",
    "Three numbers for a parameter, two for an output of a picture, four bytes for a number.",
)
memory.wrong(lambda parameters, outputs, batch: 3 * 2**30)


@exercise("alexnet/dense", "Where the weights are, and where the work")
def dense() -> dict[str, int]:
    """96 % of the parameters do 8 % of the work. That is why the next networks first gave up the dense layers."""
    return {"parameters": 58_631_144, "macs": 58_621_952}


dense.mistake(
    "The biases are missing from the parameters: 4096 + 4096 + 1000 of them.",
    {"parameters": 58_621_952, "macs": 58_621_952},
)
dense.mistake("A bias is a parameter and no multiplication.", {"parameters": 58_631_144, "macs": 58_631_144})
dense.mistake(
    "The first dense layer reads all the numbers of 256 maps of 6 x 6: 9,216 of them, not 256.",
    {"parameters": (256 + 1) * 4096 + 4097 * 4096 + 4097 * 1000, "macs": 256 * 4096 + 4096 * 4096 + 4096 * 1000},
)
dense.hints(
    "The last maps are 256 of 6 x 6 numbers, flattened. Then come 4096, 4096 and 1000 units.",
    "Each layer: (inputs + 1) x units parameters, and inputs x units multiplications.",
)
dense.wrong({"parameters": 60_965_224, "macs": 724_406_816})


@exercise(
    "alexnet/response-norm",
    "Local response normalization",
    cases=[(normal(2, 7, 2, 3).abs() * 100,), (normal(1, 3, 2, 2, seed=1) * 200,), (torch.full((1, 5, 1, 1), 100.0),)],
    untouched=True,
)
def response_norm(a: Tensor) -> Tensor:
    """The loud neighbors damp. Where all numbers are near 1, the sum is nothing beside the 2, and little happens."""
    total = torch.zeros_like(a)
    channels = a.shape[1]
    for i in range(channels):
        total[:, i] = a[:, max(0, i - 2) : i + 3].square().sum(1)
    return a / (2 + 1e-4 * total) ** 0.75


def spread_norm(a: Tensor, alpha: float) -> Tensor:
    return nn.functional.local_response_norm(a, 5, alpha=alpha, beta=0.75, k=2.0)


response_norm.mistake(
    "That is PyTorch's layer with the paper's numbers. It divides alpha by the 5 channels of the window; the paper "
    "does not.",
    lambda a: spread_norm(a, 1e-4),
)
response_norm.mistake(
    "You sum over all channels; only those at most two away count.",
    lambda a: a / (2 + 1e-4 * a.square().sum(1, keepdim=True)) ** 0.75,
)
response_norm.mistake(
    "The activities are squared before they are summed.",
    lambda a: a / (2 + 1e-4 * torch.stack([a[:, max(0, i - 2) : i + 3].sum(1) for i in range(a.shape[1])], 1)) ** 0.75,
)
response_norm.mistake(
    "The power 0.75 is missing.",
    lambda a: a / (2 + 1e-4 * torch.stack([a[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(a.shape[1])], 1)),
)
response_norm.hints(
    "For each channel i: the squares of channels i - 2 to i + 2 at the same place, as far as they exist, summed.",
    "Slice a[:, max(0, i - 2) : i + 3], square, sum over dimension 1; divide by (2 + 1e-4 * sum) ** 0.75.",
)
response_norm.wrong(lambda a: a)
response_norm.right(lambda a: spread_norm(a, 5e-4))

VECTORS = torch.tensor([[0.6, 0.8, 0.0], [0.8, -0.6, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
VALUES = torch.tensor([0.25, 0.04, 0.01], dtype=torch.float64)
TURNED = VECTORS[:, [2, 0, 1]]  # no longer its own transpose


@exercise(
    "alexnet/color",
    "A color for the light",
    cases=[
        (normal(3, 2, 4), TURNED, VALUES, torch.tensor([0.1, -0.2, 0.05], dtype=torch.float64)),
        (normal(3, 3, 3, seed=1), TURNED, VALUES, torch.tensor([0.0, 0.3, 0.0], dtype=torch.float64)),
    ],
    untouched=True,
)
def color(image: Tensor, vectors: Tensor, values: Tensor, alpha: Tensor) -> Tensor:
    """Three numbers a picture, the same for all of its pixels: another light on the same scene."""
    return image + (vectors @ (alpha * values))[:, None, None]


color.mistake(
    "The eigenvectors are the columns of `vectors`; you took its rows.",
    lambda image, vectors, values, alpha: image + (vectors.T @ (alpha * values))[:, None, None],
)
color.mistake(
    "You took the roots of the eigenvalues, as the authors' code does by its names. The paper's formula has none.",
    lambda image, vectors, values, alpha: image + (vectors @ (alpha * values.sqrt()))[:, None, None],
)
color.mistake(
    "The eigenvalues are missing: the components are scaled by how much colors vary along them.",
    lambda image, vectors, values, alpha: image + (vectors @ alpha)[:, None, None],
)
color.mistake(
    "You return what is to be added; add it to the picture.",
    lambda image, vectors, values, alpha: (vectors @ (alpha * values))[:, None, None].expand_as(image),
)
color.hints(
    "First multiply alpha and values number by number; then the matrix of eigenvectors turns that into a color.",
    "vectors @ (alpha * values) has shape (3,); with [:, None, None] it adds to every pixel.",
)
color.wrong(lambda image, vectors, values, alpha: image)
color.right(
    lambda image, vectors, values, alpha: (
        image + sum(a * v * column[:, None, None] for a, v, column in zip(alpha, values, vectors.T, strict=True))
    )
)
