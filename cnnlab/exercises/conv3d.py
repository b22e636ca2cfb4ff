"""Exercises of the chapter "Convolutions in space and time"."""

from __future__ import annotations

from typing import Any

from cnnlab.exercises.compare import close
from cnnlab.exercises.kinds import Condition, Exercise, Hint, blank_if_none, conditions, function, value


def _shape(clip: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], padding: tuple[int, ...]) -> Any:
    return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(clip, kernel, stride, padding))


def _mid(in_channels: int, out_channels: int, time: int, size: int) -> int:
    area = size * size
    return time * area * in_channels * out_channels // (area * in_channels + time * out_channels)


def _square_of_size_forgotten(in_channels: int, out_channels: int, time: int, size: int) -> int:
    return time * size * in_channels * out_channels // (size * in_channels + time * out_channels)


def _channels_swapped(in_channels: int, out_channels: int, time: int, size: int) -> int:
    return _mid(out_channels, in_channels, time, size)


# ----- a channel stack written as a 3D kernel


def _stack(seed: int = 0, frames: int = 5) -> tuple[Any, Any]:
    """A clip (2, 1, frames, 7, 8) and the weight of a 2D convolution that takes its frames as channels."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    clip = torch.randn(2, 1, frames, 7, 8, generator=generator, dtype=torch.float64)
    return clip, torch.randn(4, frames, 3, 3, generator=generator, dtype=torch.float64)


def _fused(clip: Any, weight: Any) -> Any:
    import torch.nn.functional as F

    return F.conv2d(clip[:, 0], weight)


def _as_3d_gives_the_same(answer: Any) -> bool:
    import torch.nn.functional as F

    for seed, frames in ((0, 5), (1, 3)):
        clip, weight = _stack(seed, frames)
        if not close(F.conv3d(clip, answer(weight))[:, :, 0], _fused(clip, weight)):
            return False
    return True


_FUSION = conditions(
    "conv3d/stack",
    title="A channel stack as a 3D kernel",
    requires=(
        Condition(callable, "Give check() the function itself, without calling it."),
        Condition(
            lambda answer: answer(_stack()[1]).dim() == 5,
            "A 3D kernel has five axes: output channels, input channels, time, height, width.",
        ),
        Condition(
            lambda answer: tuple(answer(_stack()[1]).shape) != (4, 5, 1, 3, 3),
            "Your kernel is one frame deep and wants as many input channels as the clip has frames. The clip has one "
            "channel; its frames lie along time.",
        ),
        Condition(
            lambda answer: tuple(answer(_stack()[1]).shape) == (4, 1, 5, 3, 3),
            lambda answer: (
                f"For a weight of shape (4, 5, 3, 3) you return {tuple(answer(_stack()[1]).shape)}. One input channel, "
                "and as many steps of time as there were frames: (4, 1, 5, 3, 3)."
            ),
        ),
        Condition(
            _as_3d_gives_the_same,
            "The shape is right, the numbers are not: no weight changes its place in time. Is anything flipped or "
            "scaled?",
        ),
    ),
    hints=(
        Hint("The numbers stay; only the frames, which were channels, become steps of time."),
        Hint("A new axis of length 1 in second place: weight[:, None], or weight.unsqueeze(1)."),
    ),
    success="So early fusion is a 3D convolution whose kernel is as deep as the clip: it has one place in time.",
)


# ----- inflation


def _pictures() -> tuple[Any, Any]:
    import torch

    generator = torch.Generator().manual_seed(3)
    picture = torch.randn(2, 3, 9, 8, generator=generator, dtype=torch.float64)
    return picture, torch.randn(4, 3, 3, 3, generator=generator, dtype=torch.float64)


def _still_ratio(answer: Any, time: int) -> Any:
    """The response to a clip that stands still, and the 2D response, both (2, 4, 7, 6)."""
    import torch.nn.functional as F

    picture, weight = _pictures()
    clip = picture[:, :, None].expand(-1, -1, time + 2, -1, -1)
    return F.conv3d(clip, answer(weight, time)), F.conv2d(picture, weight)


def _is_inflated(answer: Any) -> bool:
    for time in (3, 5):
        clip, picture = _still_ratio(answer, time)
        if not all(close(clip[:, :, t], picture) for t in range(3)):
            return False
    return True


def _is_time_times_too_large(answer: Any) -> bool:
    clip, picture = _still_ratio(answer, 3)
    return close(clip[:, :, 0], 3 * picture)


_INFLATE = conditions(
    "conv3d/inflate",
    title="Inflate a kernel",
    requires=(
        Condition(callable, "Give check() the function itself, without calling it."),
        Condition(
            lambda answer: tuple(answer(_pictures()[1], 5).shape) == (4, 3, 5, 3, 3),
            lambda answer: (
                f"For a weight of shape (4, 3, 3, 3) and time=5 you return {tuple(answer(_pictures()[1], 5).shape)}; "
                "(4, 3, 5, 3, 3) is wanted. Time stands behind the input channels."
            ),
        ),
        Condition(
            lambda answer: not _is_time_times_too_large(answer),
            "On a clip that stands still your output is exactly `time` times too large: the same picture is weighed in "
            "every frame, and the sums add up.",
        ),
        Condition(
            _is_inflated,
            "A clip that stands still must give what the 2D kernel gives on one frame. What do the weights of one "
            "place in space have to add up to over time?",
        ),
    ),
    hints=(
        Hint("Whatever you put along time, at each place in space the weights must add up to the 2D weight."),
        Hint("Repeat the weight along a new axis: weight[:, :, None].repeat(1, 1, time, 1, 1). Then divide by time."),
    ),
    success="An image network becomes a video network that agrees with it on photographs: a good place to start from.",
)


# ----- a detector of one's own


def _bar(direction: int) -> Any:
    """A bright bar, one pixel wide, that moves by ``direction`` pixels from frame to frame. Shape: (1, 1, 7, 9, 15)"""
    import torch

    clip = torch.zeros(1, 1, 7, 9, 15, dtype=torch.float64)
    for t in range(7):
        clip[0, 0, t, 2:7, 7 + direction * (t - 3)] = 1
    return clip


def _response(weights: Any, direction: int) -> float:
    import torch
    import torch.nn.functional as F

    weight = torch.as_tensor(weights, dtype=torch.float64)
    return float(F.conv3d(_bar(direction), weight[None, None]).max())


def _as_kernel(weights: Any) -> Any:
    import torch

    return torch.as_tensor(weights, dtype=torch.float64)


_DETECTOR = conditions(
    "conv3d/detector",
    title="A detector of your own",
    requires=(
        Condition(
            lambda answer: tuple(_as_kernel(answer).shape) == (3, 3, 3) and bool(_as_kernel(answer).isfinite().all()),
            "Give a tensor of shape (3, 3, 3): time, height, width.",
        ),
        Condition(
            lambda answer: abs(float(_as_kernel(answer).sum())) < 1e-6,
            lambda answer: (
                f"The weights add up to {float(_as_kernel(answer).sum()):g}, so an evenly bright clip sets it off. "
                "They must add up to 0."
            ),
        ),
        Condition(
            lambda answer: _response(answer, 1) > 0,
            "Its largest output on the bar that moves to the right is not above 0: after a ReLU nothing would be left.",
        ),
        Condition(
            lambda answer: _response(answer, 1) >= 2 * max(_response(answer, -1), _response(answer, 0)),
            lambda answer: (
                f"Its largest output is {_response(answer, 1):g} for the bar that moves right, "
                f"{_response(answer, -1):g} for left and {_response(answer, 0):g} for still. The first must be twice "
                "the others or more."
            ),
        ),
    ),
    hints=(
        Hint("Where is the bar in the frame before, if it moves right and is in the middle now? And after?"),
        Hint("Positive weights along that slanted line, one column further right in each frame; negative ones beside."),
    ),
    success="By energy no product of a spatial and a temporal kernel could do it; by its largest output a few can. "
    "Find one!",
)


EXERCISES: tuple[Exercise, ...] = (
    function(
        "conv3d/shape",
        title="Three output sizes",
        reference=_shape,
        cases=(
            ((16, 112, 112), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
            ((16, 112, 112), (1, 2, 2), (1, 2, 2), (0, 0, 0)),
            ((8, 56, 70), (3, 7, 7), (1, 2, 2), (1, 3, 3)),
            ((9, 20, 31), (3, 5, 4), (2, 3, 1), (0, 2, 1)),
        ),
        hints=(
            Hint(
                "Padding is added at both ends of each axis.",
                if_like=lambda clip, kernel, stride, padding: tuple(
                    (n + p - k) // s + 1 for n, k, s, p in zip(clip, kernel, stride, padding)
                ),
            ),
            Hint(
                "You treat time like an axis without stride. It has one of its own.",
                if_like=lambda clip, kernel, stride, padding: _shape(clip, kernel, (1, *stride[1:]), padding),
            ),
            Hint(
                "You let time pass unchanged. The kernel slides along it as along the other two.",
                if_like=lambda clip, kernel, stride, padding: (clip[0], *_shape(clip, kernel, stride, padding)[1:]),
            ),
            Hint("It is the formula of one axis, three times over, each with its own four numbers."),
            Hint("(size + 2 * padding - kernel) // stride + 1, for each of zip(clip, kernel, stride, padding)."),
        ),
        success="Nothing about time is special: a third axis with a size, a stride and a padding of its own.",
    ),
    value(
        "conv3d/cost",
        title="What a third axis costs",
        expected={"parameters": 5, "macs": 80, "activations": 16},
        hints=(
            Hint(
                "The weights do not depend on how long the clip is: a kernel five frames deep is five 2D kernels.",
                if_true=lambda answer: answer["parameters"] != 5,
            ),
            Hint(
                "Each output is five times as much work, and there are sixteen times as many outputs.",
                if_true=lambda answer: answer["macs"] != 80,
            ),
            Hint(
                "The output has as many frames as the clip; how deep the kernel is does not matter to it.",
                if_true=lambda answer: answer["activations"] != 16,
            ),
            Hint("Parameters grow with the kernel's depth, the output with the clip's length, the work with both."),
            Hint("5, 5 x 16 and 16."),
        ),
        success="In training every activation is kept for the backward pass: it is the 16 that fills the memory.",
    ),
    blank_if_none(_FUSION, lambda: (_stack()[1],)),
    function(
        "conv3d/mid",
        title="Channels in the middle",
        reference=_mid,
        cases=((64, 64, 3, 3), (3, 64, 3, 7), (64, 128, 3, 3), (16, 8, 5, 3), (1, 1, 3, 3)),
        hints=(
            Hint("A spatial kernel has size x size weights, not size.", if_like=_square_of_size_forgotten),
            Hint(
                "The spatial step reads in_channels, the temporal one writes out_channels, not the other way around.",
                if_like=_channels_swapped,
            ),
            Hint(
                "Round down: M is a whole number of channels, and must not cost more than the 3D convolution.",
                if_like=lambda c, k, time, size: time * size**2 * c * k / (size**2 * c + time * k),
            ),
            Hint("How many weights have the two steps for each channel in the middle?"),
            Hint(
                "Weights of the 3D kernel, divided by (size * size * in_channels + time * out_channels), rounded down."
            ),
        ),
        success="With this M a comparison is fair: the two differ in the order of things, not in their number.",
    ),
    blank_if_none(_INFLATE, lambda: (_pictures()[1], 3)),
    _DETECTOR,
)
