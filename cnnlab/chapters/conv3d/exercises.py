"""Exercises of the chapter "Convolutions in space and time"."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.exercises import as_tensor, close, exercise, expect, judged
from cnnlab.exercises.examples import normals

Triple = tuple[int, int, int]


@exercise(
    "conv3d/shape",
    "Three output sizes",
    cases=[
        ((16, 112, 112), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
        ((16, 112, 112), (1, 2, 2), (1, 2, 2), (0, 0, 0)),
        ((8, 56, 70), (3, 7, 7), (1, 2, 2), (1, 3, 3)),
        ((9, 20, 31), (3, 5, 4), (2, 3, 1), (0, 2, 1)),
    ],
)
def shape(clip: Triple, kernel: Triple, stride: Triple, padding: Triple) -> Triple:
    """Nothing about time is special: a third axis with a size, a stride and a padding of its own."""
    return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(clip, kernel, stride, padding))


shape.mistake(
    "Padding is added at both ends of each axis.",
    lambda clip, kernel, stride, padding: tuple(
        (n + p - k) // s + 1 for n, k, s, p in zip(clip, kernel, stride, padding)
    ),
)
shape.mistake(
    "You treat time like an axis without stride. It has one of its own.",
    lambda clip, kernel, stride, padding: shape(clip, kernel, (1, *stride[1:]), padding),
)
shape.mistake(
    "You let time pass unchanged. The kernel slides along it as along the other two.",
    lambda clip, *rest: (clip[0], *shape(clip, *rest)[1:]),
)
shape.hints(
    "It is the formula of one axis, three times over, each with its own four numbers.",
    "(size + 2 * padding - kernel) // stride + 1, for each of zip(clip, kernel, stride, padding).",
)
shape.wrong(lambda *_: (1, 2, 3))


@exercise("conv3d/cost", "What a third axis costs")
def cost() -> dict[str, int]:
    """In training every activation is kept for the backward pass: it is the 16 that fills the memory."""
    return {"parameters": 5, "macs": 80, "activations": 16}


cost.mistake(
    "The weights do not depend on how long the clip is: a kernel five frames deep is five 2D kernels.",
    {"parameters": 80},
    when=lambda answer: answer["parameters"] != 5,
)
cost.mistake(
    "Each output is five times as much work, and there are sixteen times as many outputs.",
    {"macs": 5},
    {"macs": 16},
    when=lambda answer: answer["macs"] != 80,
)
cost.mistake(
    "The output has as many frames as the clip; how deep the kernel is does not matter to it.",
    {"activations": 80},
    when=lambda answer: answer["activations"] != 16,
)
cost.hints(
    "Parameters grow with the kernel's depth, the output with the clip's length, the work with both.",
    "5, 5 x 16 and 16.",
)


def given(weight: object) -> tuple[int, ...]:
    """The shape of what a reader's function returned."""
    return tuple(as_tensor(weight).shape)


@judged("conv3d/stack", "A channel stack as a 3D kernel", function=True)
def stack(answer: Callable[[Tensor], Tensor]) -> None:
    """So early fusion is a 3D convolution whose kernel is as deep as the clip: it has one place in time."""
    clips = [normals(seed, (2, 1, frames, 7, 8), (4, frames, 3, 3)) for seed, frames in ((0, 5), (1, 3))]
    found = [as_tensor(answer(weight)) for _, weight in clips]
    expect(found[0].dim() == 5, "A 3D kernel has five axes: output channels, input channels, time, height, width.")
    expect(
        found[0].shape != (4, 5, 1, 3, 3),
        "Your kernel is one frame deep and wants as many input channels as the clip has frames. The clip has one "
        "channel; its frames lie along time.",
    )
    expect(
        found[0].shape == (4, 1, 5, 3, 3),
        f"For a weight of shape (4, 5, 3, 3) you return {given(found[0])}. One input channel, and as many steps of "
        "time as there were frames: (4, 1, 5, 3, 3).",
    )
    expect(
        all(
            close(F.conv3d(clip, kernel)[:, :, 0], F.conv2d(clip[:, 0], weight))
            for (clip, weight), kernel in zip(clips, found)
        ),
        "The shape is right, the numbers are not: no weight changes its place in time. Is anything flipped or scaled?",
    )


stack.hints(
    "The numbers stay; only the frames, which were channels, become steps of time.",
    "A new axis of length 1 in second place: weight[:, None], or weight.unsqueeze(1).",
)
stack.wrong(lambda weight: weight, "five axes")
stack.wrong(lambda weight: weight[:, :, None], "one frame deep")
stack.wrong(lambda weight: weight[None], "One input channel")
stack.wrong(lambda weight: weight[:, None].flip(2), "flipped")
stack.right(lambda weight: weight[:, None])


@exercise(
    "conv3d/mid",
    "Channels in the middle",
    cases=[(64, 64, 3, 3), (3, 64, 3, 7), (64, 128, 3, 3), (16, 8, 5, 3), (1, 1, 3, 3), (3, 64, 3, 3)],
)
def mid(in_channels: int, out_channels: int, time: int, size: int) -> int:
    """With this M a comparison is fair: the two differ in the order of things, not in their number."""
    area = size * size
    return time * area * in_channels * out_channels // (area * in_channels + time * out_channels)


mid.mistake(
    "A spatial kernel has size x size weights, not size.",
    lambda c, k, time, size: time * size * c * k // (size * c + time * k),
)
mid.mistake(
    "The spatial step reads in_channels, the temporal one writes out_channels, not the other way around.",
    lambda c, k, time, size: mid(k, c, time, size),
)


def exact(in_channels: int, out_channels: int, time: int, size: int) -> float:
    area = size * size
    return time * area * in_channels * out_channels / (area * in_channels + time * out_channels)


mid.mistake(
    "Round down: M is a whole number of channels, and must not cost more than the 3D convolution.",
    exact,
    lambda *layer: round(exact(*layer)),
    lambda *layer: ceil(exact(*layer)),
)
mid.hints(
    "How many weights have the two steps for each channel in the middle?",
    "Weights of the 3D kernel, divided by (size * size * in_channels + time * out_channels), rounded down.",
)
mid.wrong(lambda c, k, time, size: (c + k) // 2)


@judged("conv3d/inflate", "Inflate a kernel", function=True)
def inflate(answer: Callable[[Tensor, int], Tensor]) -> None:
    """An image network becomes a video network that agrees with it on photographs: a good place to start from."""
    picture, weight = normals(3, (2, 3, 9, 8), (4, 3, 3, 3))
    shape = given(answer(weight, 5))
    expect(
        shape == (4, 3, 5, 3, 3),
        f"For a weight of shape (4, 3, 3, 3) and time=5 you return {shape}; (4, 3, 5, 3, 3) is wanted. Time stands "
        "behind the input channels.",
    )

    def on_a_still_clip(time: int) -> Tensor:
        clip = picture[:, :, None].expand(-1, -1, time + 2, -1, -1)
        return F.conv3d(clip, as_tensor(answer(weight, time)))

    still = F.conv2d(picture, weight)  # (2, 4, 7, 6)
    expect(
        not close(on_a_still_clip(3)[:, :, 0], 3 * still),
        "On a clip that stands still your output is exactly `time` times too large: the same picture is weighed in "
        "every frame, and the sums add up.",
    )
    expect(
        all(close(on_a_still_clip(time), still[:, :, None].expand(-1, -1, 3, -1, -1)) for time in (3, 5)),
        "A clip that stands still must give what the 2D kernel gives on one frame. What do the weights of one place in "
        "space have to add up to over time?",
    )


inflate.hints(
    "Whatever you put along time, at each place in space the weights must add up to the 2D weight.",
    "Repeat the weight along a new axis: weight[:, :, None].repeat(1, 1, time, 1, 1). Then divide by time.",
)


def repeated(weight: Tensor, time: int) -> Tensor:
    return weight[:, :, None].repeat(1, 1, time, 1, 1)


inflate.wrong(repeated, "too large")
inflate.wrong(lambda weight, time: repeated(weight, time).transpose(1, 2) / time, "behind the input channels")
inflate.wrong(lambda weight, time: repeated(weight, time) / 3, "add up to over time")
inflate.wrong(lambda weight, time: 0 * repeated(weight, time), "add up to over time")
inflate.right(
    lambda weight, time: repeated(weight, time) / time,
    lambda weight, time: F.pad(weight[:, :, None], (0, 0, 0, 0, time // 2, time - 1 - time // 2)),
)


def moving_bar(direction: int) -> Tensor:
    """A bright bar, one pixel wide, that moves by ``direction`` pixels from frame to frame. Shape: (1, 1, 7, 9, 15)."""
    clip = torch.zeros(1, 1, 7, 9, 15, dtype=torch.float64)
    for t in range(7):
        clip[0, 0, t, 2:7, 7 + direction * (t - 3)] = 1
    return clip


@judged("conv3d/detector", "A detector of your own")
def detector(answer: object) -> None:
    """By energy no product of a spatial and a temporal kernel could do it; by its largest output a few can. Find
    one!"""
    kernel = as_tensor(answer)
    expect(
        kernel.shape == (3, 3, 3) and kernel.isfinite().all(), "Give a tensor of shape (3, 3, 3): time, height, width."
    )
    total = float(kernel.sum())
    expect(
        abs(total) <= 1e-6 * float(kernel.abs().sum()),
        f"The weights add up to {total:g}, so an evenly bright clip sets it off. They must add up to 0.",
    )
    right, left, still = (float(F.conv3d(moving_bar(way), kernel[None, None]).max()) for way in (1, -1, 0))
    expect(
        right > 0,
        "Its largest output on the bar that moves to the right is not above 0: after a ReLU nothing would be left.",
    )
    expect(
        right >= 2 * max(left, still),
        f"Its largest output is {right:g} for the bar that moves right, {left:g} for left and {still:g} for still. The "
        "first must be twice the others or more.",
    )


detector.hints(
    "Where is the bar in the frame before, if it moves right and is in the middle now? And after?",
    "Positive weights along that slanted line, one column further right in each frame; negative ones beside.",
)
to_the_right = 3 * torch.eye(3)[:, None].repeat(1, 3, 1) - 1  # time, height, width
detector.wrong(torch.ones(3, 3), "time, height, width")
detector.wrong(torch.ones(3, 3, 3), "add up to 27")
detector.wrong(torch.zeros(3, 3, 3), "not above 0")
detector.wrong(torch.tensor([-1.0, 0, 1])[:, None, None] * torch.ones(3, 3), "for still. The first must be twice")
detector.wrong(to_the_right.flip(2), "for left")
detector.right(to_the_right, 1000 * (to_the_right - to_the_right.mean()) / 3)
