"""Exercises of the chapter "Pointwise convolutions, NiN and global average pooling"."""

from __future__ import annotations

from typing import Any

from torch import nn

from cnnlab.exercises.compare import close
from cnnlab.exercises.kinds import Condition, Hint, blank_if_none, conditions, function, model, value


def _normal(*shape: int, seed: int = 0) -> Any:
    import torch

    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ----- a 1x1 convolution without a convolution


def _mix(x: Any, weight: Any) -> Any:
    return (x.permute(0, 2, 3, 1) @ weight.T).permute(0, 3, 1, 2)


def _reshaped(x: Any, weight: Any) -> Any:
    n, c, h, w = x.shape
    return (x.reshape(n, h, w, c) @ weight.T).permute(0, 3, 1, 2)


def _left_channels_last(x: Any, weight: Any) -> Any:
    return x.permute(0, 2, 3, 1) @ weight.T


def _reshaped_back(x: Any, weight: Any) -> Any:
    n, _, h, w = x.shape
    return (x.permute(0, 2, 3, 1) @ weight.T).reshape(n, len(weight), h, w)


# ----- the widest bottleneck


def _widest(inputs: int, outputs: int, kernel: int, share: float) -> int:
    """The most channels r with r (inputs + kernel^2 outputs) <= share kernel^2 inputs outputs."""
    return int(share * kernel**2 * inputs * outputs / (inputs + kernel**2 * outputs) + 1e-9)


def _without_the_first(inputs: int, outputs: int, kernel: int, share: float) -> int:
    return int(share * inputs + 1e-9)


def _without_the_kernel(inputs: int, outputs: int, kernel: int, share: float) -> int:
    return int(share * kernel**2 * inputs * outputs / (inputs + outputs) + 1e-9)


def _kernel_on_the_wrong_layer(inputs: int, outputs: int, kernel: int, share: float) -> int:
    return int(share * kernel**2 * inputs * outputs / (kernel**2 * inputs + outputs) + 1e-9)


# ----- two layers folded into one


def _fold(first: Any, second: Any) -> Any:
    import torch

    return torch.einsum("kmij,mc->kcij", second, first[:, :, 0, 0])


def _folded_backward(first: Any, second: Any) -> Any:
    return first[:, :, 0, 0] @ second.sum((2, 3))


# ----- class maps


def _classified() -> tuple[Any, Any, Any]:
    return _normal(2, 3, 4, 5), _normal(6, 3, seed=1), _normal(6, seed=2)


def _scores(maps: Any, weight: Any, bias: Any) -> Any:
    return maps.mean((2, 3)) @ weight.T + bias


def _has_map_shape(answer: Any) -> bool:
    return tuple(answer(*_classified()).shape) == (2, 6, 4, 5)


def _adds_up(answer: Any) -> bool:
    return close(answer(*_classified()).sum((2, 3)), _scores(*_classified()))


def _averages(answer: Any) -> bool:
    return close(answer(*_classified()).mean((2, 3)), _scores(*_classified()))


def _without_bias_averages(answer: Any) -> bool:
    maps, weight, bias = _classified()
    return close(answer(maps, weight, bias).mean((2, 3)), _scores(maps, weight, 0 * bias))


def _looks_at_one_pixel(answer: Any) -> bool:
    """A change of one pixel of the maps must leave the evidence of the others alone."""
    maps, weight, bias = _classified()
    before, moved = answer(maps, weight, bias), maps.clone()
    moved[:, :, 1, 2] += 3
    change = (answer(moved, weight, bias) - before).abs().amax((0, 1))
    inside = change[1, 2].item()
    change[1, 2] = 0
    return inside > 1e-6 and bool(change.max() < 1e-6)


_CAM = conditions(
    "pointwise/evidence",
    title="Where the score comes from",
    requires=(
        Condition(callable, "Give check() the function itself, without calling it."),
        Condition(_has_map_shape, "One map for each class is wanted: (N, K, H, W)."),
        Condition(
            lambda answer: not _adds_up(answer),
            "The pixels of your maps add up to the scores; their average is what the scores should be.",
        ),
        Condition(
            lambda answer: not _without_bias_averages(answer),
            "Nearly: the averages lack the bias. Where can a bias go so that the average of a map grows by just it?",
        ),
        Condition(_averages, "The average of each map over its pixels must be exactly the score of its class."),
        Condition(
            _looks_at_one_pixel,
            "The averages are right, but the evidence at a pixel must come from this pixel alone. Spreading the score "
            "evenly says nothing about where.",
        ),
    ),
    hints=(
        Hint("An average is linear: first averaging and then weighting is the same as first weighting."),
        Hint('Apply the dense layer at every pixel: torch.einsum("nchw,kc->nkhw", maps, weight), and add the bias.'),
    ),
    success="These are class activation maps. The dense layer was a pointwise convolution all along.",
)


# ----- a network for any size


def _float32(*shape: int) -> Any:
    return _normal(*shape, seed=3).float()


def _output(net: nn.Module, x: Any) -> Any:
    import torch

    was_training = net.training
    net.eval()
    try:
        with torch.no_grad():
            return net(x)
    finally:
        net.train(was_training)


def _takes_any_size(net: nn.Module) -> bool:
    try:
        return all(tuple(_output(net, _float32(2, 3, *size)).shape) == (2, 10) for size in ((16, 16), (48, 33)))
    except RuntimeError:
        return False


def _is_small(net: nn.Module) -> bool:
    return sum(p.numel() for p in net.parameters()) <= 5000


def _uses_pointwise(net: nn.Module) -> bool:
    return any(isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and m.groups == 1 for m in net.modules())


def _sees_arrangement(net: nn.Module) -> bool:
    """Whether shuffling the pixels of a picture changes the scores."""
    import torch

    x = _float32(1, 3, 32, 32)
    order = torch.randperm(32 * 32, generator=torch.Generator().manual_seed(4))
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    return not torch.allclose(_output(net, x), _output(net, shuffled), rtol=1e-4, atol=1e-6)


EXERCISES = (
    value(
        "pointwise/count",
        title="Count one layer",
        expected={"parameters": 16_448, "macs": 51_380_224, "times": 9},
        hints=(
            Hint(
                "You left the biases out, one for each of the 64 outputs.",
                if_true=lambda answer: answer["parameters"] == 16_384,
            ),
            Hint(
                "Every weight is used at every pixel: 56 x 56 times.",
                if_true=lambda answer: answer["macs"] in (16_384, 16_448),
            ),
            Hint(
                "These are the biases' additions too; only multiplications count here.",
                if_true=lambda answer: answer["macs"] == 16_448 * 56 * 56,
            ),
            Hint(
                "A 3 x 3 kernel has three rows of three weights for each pair of channels.",
                if_true=lambda answer: answer["times"] == 3,
            ),
            Hint("There is one weight for each pair of an input and an output channel, and a bias for each output."),
            Hint("256 x 64 weights, 64 biases; 256 x 64 products at each of 56 x 56 pixels; 3 x 3 in place of 1 x 1."),
        ),
        success="The size of the map sets the work and not the weights.",
    ),
    function(
        "pointwise/mix",
        title="Without a convolution",
        reference=_mix,
        cases=(
            (_normal(1, 3, 2, 4), _normal(2, 3, seed=1)),
            (_normal(2, 5, 4, 3, seed=2), _normal(4, 5, seed=3)),
            (_normal(2, 3, 3, 3, seed=4), _normal(3, 3, seed=5)),
        ),
        hints=(
            Hint(
                "reshape does not move a number: it cuts the same sequence of numbers elsewhere, and channels get "
                "mixed with pixels. permute(0, 2, 3, 1) moves the axis.",
                if_like=_reshaped,
            ),
            Hint(
                "The numbers are right, but the channels are still last. The output is (N, K, H, W).",
                if_like=_left_channels_last,
            ),
            Hint(
                "The mixing is right. On the way back you reshape, but the axis has to move: permute(0, 3, 1, 2).",
                if_like=_reshaped_back,
            ),
            Hint("Move the channels to the last axis, multiply by a matrix, and move them back."),
            Hint("x.permute(0, 2, 3, 1) has shape (N, H, W, C), and weight.T has shape (C, K)."),
        ),
        success="A matrix product, and nothing else: this is also how the libraries compute it.",
    ),
    function(
        "pointwise/widest",
        title="The widest bottleneck",
        reference=_widest,
        cases=((192, 32, 5, 0.1), (192, 32, 5, 1.0), (256, 256, 3, 0.5), (64, 64, 3, 0.3), (512, 512, 1, 0.5)),
        hints=(
            Hint(
                "You forget what the 1 x 1 layer itself costs: inputs x r products at each pixel.",
                if_like=_without_the_first,
            ),
            Hint(
                "The second layer has kernel x kernel weights for each pair of channels.",
                if_like=_without_the_kernel,
            ),
            Hint(
                "The 1 x 1 layer comes first and sees all inputs; the kernel sits on the layer that goes from r to "
                "outputs.",
                if_like=_kernel_on_the_wrong_layer,
            ),
            Hint(
                "One too many somewhere: the cost must not exceed the share, so round down.",
                if_true=lambda answer: (
                    answer(192, 32, 5, 0.1) == _widest(192, 32, 5, 0.1) + 1
                    or answer(64, 64, 3, 0.3) == _widest(64, 64, 3, 0.3) + 1
                ),
            ),
            Hint("With r channels between them, the two layers cost inputs r + kernel^2 r outputs at each pixel."),
            Hint("Set that equal to share x kernel^2 x inputs x outputs, solve for r, and round down."),
        ),
        success="Fifteen channels fit into a tenth of the cost. Inception's branch has 16, a little over it.",
    ),
    function(
        "pointwise/fold",
        title="Two layers in one",
        reference=_fold,
        cases=(
            (_normal(2, 3, 1, 1), _normal(4, 2, 3, 3, seed=1)),
            (_normal(5, 4, 1, 1, seed=2), _normal(3, 5, 1, 1, seed=3)),
            (_normal(2, 6, 1, 1, seed=4), _normal(3, 2, 5, 3, seed=5)),
        ),
        hints=(
            Hint(
                "You add up the taps of the second kernel. They stay apart: each of them is mixed by itself.",
                if_true=lambda answer: (
                    answer(_normal(2, 3, 1, 1), _normal(4, 2, 3, 3, seed=1)).dim() == 2
                    or tuple(answer(_normal(2, 3, 1, 1), _normal(4, 2, 3, 3, seed=1)).shape[2:]) == (1, 1)
                ),
            ),
            Hint(
                "Output channels first: the result has the shape (K, C, height, width), not (C, K, height, width).",
                if_true=lambda answer: close(
                    answer(_normal(2, 3, 1, 1), _normal(4, 2, 3, 3, seed=1)).transpose(0, 1),
                    _fold(_normal(2, 3, 1, 1), _normal(4, 2, 3, 3, seed=1)),
                ),
            ),
            Hint("At each tap of the second kernel there is a matrix (K, M). Which matrix comes before it?"),
            Hint('Sum over the M channels in between: torch.einsum("kmij,mc->kcij", second, first[:, :, 0, 0]).'),
        ),
        success="Without a nonlinearity between them two layers are one, of a rank no higher than their bottleneck.",
    ),
    blank_if_none(_CAM, _classified),
    model(
        "pointwise/any-size",
        title="Any size, few weights",
        input_shape=(2, 3, 32, 32),
        output_shape=(2, 10),
        requires=(
            Condition(
                _is_small,
                lambda net: (
                    f"It has {sum(p.numel() for p in net.parameters()):,} parameters, and 5,000 are allowed. Is there "
                    "a dense layer on flattened maps?"
                ),
            ),
            Condition(
                _takes_any_size,
                "It takes 32 x 32 pixels, but not 16 x 16 and 48 x 33. What in it depends on the size of the map?",
            ),
            Condition(_uses_pointwise, "Mix the channels with a 1 x 1 convolution somewhere."),
            Condition(
                _sees_arrangement,
                "Shuffling the pixels of the picture does not change its scores: no layer of yours compares a pixel "
                "with its neighbors.",
            ),
        ),
        hints=(
            Hint("Convolutions take any size; what makes one number of each map, whatever its size?"),
            Hint(
                "For example Conv2d(3, 16, 3), ReLU, Conv2d(16, 10, 1), AdaptiveAvgPool2d(1), Flatten in a Sequential."
            ),
        ),
        success="A network in network, in miniature. Train it, and its last maps will show what it looks at.",
    ),
)
