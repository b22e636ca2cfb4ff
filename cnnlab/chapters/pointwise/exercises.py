"""Exercises of the chapter "Pointwise convolutions, NiN and global average pooling"."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cnnlab.analysis import summarize
from cnnlab.exercises import as_tensor, close, exercise, expect, judged, judged_model, output
from cnnlab.exercises.examples import normal


@exercise("pointwise/count", "Count one layer")
def count() -> dict[str, int]:
    """The size of the map sets the work and not the weights."""
    return {"parameters": 16_448, "macs": 51_380_224, "times": 9}


count.mistake("You left the biases out, one for each of the 64 outputs.", {"parameters": 16_384})
count.mistake("Every weight is used at every pixel: 56 x 56 times.", {"macs": 16_384}, {"macs": 16_448})
count.mistake("These are the biases' additions too; only multiplications count here.", {"macs": 16_448 * 56 * 56})
count.mistake("A 3 x 3 kernel has three rows of three weights for each pair of channels.", {"times": 3})
count.hints(
    "There is one weight for each pair of an input and an output channel, and a bias for each output.",
    "256 x 64 weights, 64 biases; 256 x 64 products at each of 56 x 56 pixels; 3 x 3 in place of 1 x 1.",
)
count.wrong({"parameters": 320, "macs": 1})


@exercise(
    "pointwise/mix",
    "Without a convolution",
    cases=[
        (normal(1, 3, 2, 4), normal(2, 3, seed=1)),
        (normal(2, 5, 4, 3, seed=2), normal(4, 5, seed=3)),
        (normal(2, 3, 3, 3, seed=4), normal(3, 3, seed=5)),
    ],
)
def mix(x: Tensor, weight: Tensor) -> Tensor:
    """A matrix product, and nothing else: this is also how the libraries compute it."""
    return (x.permute(0, 2, 3, 1) @ weight.T).permute(0, 3, 1, 2)


@mix.mistake(
    "reshape does not move a number: it cuts the same sequence of numbers elsewhere, and channels get mixed with "
    "pixels. permute(0, 2, 3, 1) moves the axis."
)
def reshaped(x: Tensor, weight: Tensor) -> Tensor:
    n, c, h, w = x.shape
    return (x.reshape(n, h, w, c) @ weight.T).permute(0, 3, 1, 2)


mix.mistake(
    "The numbers are right, but the channels are still last. The output is (N, K, H, W).",
    lambda x, weight: x.permute(0, 2, 3, 1) @ weight.T,
)
mix.mistake(
    "The mixing is right. On the way back you reshape, but the axis has to move: permute(0, 3, 1, 2).",
    lambda x, weight: (x.permute(0, 2, 3, 1) @ weight.T).reshape(mix(x, weight).shape),
)
mix.hints(
    "Move the channels to the last axis, multiply by a matrix, and move them back.",
    "x.permute(0, 2, 3, 1) has shape (N, H, W, C), and weight.T has shape (C, K).",
)
mix.wrong(lambda x, weight: x)
mix.right(
    lambda x, weight: torch.einsum("nchw,kc->nkhw", x, weight),
    lambda x, weight: nn.functional.conv2d(x, weight[:, :, None, None]),
)


@exercise(
    "pointwise/widest",
    "The widest bottleneck",
    cases=[(192, 32, 5, 0.1), (192, 32, 5, 1.0), (256, 256, 3, 0.5), (64, 64, 3, 0.3), (512, 512, 1, 0.5)],
)
def widest(inputs: int, outputs: int, kernel: int, share: float) -> int:
    """Fifteen channels fit into a tenth of the cost. Inception's branch has 16, a little over it."""
    return int(share * kernel**2 * inputs * outputs / (inputs + kernel**2 * outputs) + 1e-9)


widest.mistake(
    "You forget what the 1 x 1 layer itself costs: inputs x r products at each pixel.",
    lambda inputs, outputs, kernel, share: int(share * inputs + 1e-9),
)
widest.mistake(
    "The second layer has kernel x kernel weights for each pair of channels.",
    lambda inputs, outputs, kernel, share: int(share * kernel**2 * inputs * outputs / (inputs + outputs) + 1e-9),
)
widest.mistake(
    "The 1 x 1 layer comes first and sees all inputs; the kernel sits on the layer that goes from r to outputs.",
    lambda inputs, outputs, kernel, share: widest(outputs, inputs, kernel, share),
)
widest.mistake(
    "One too many somewhere: the cost must not exceed the share, so round down.",
    lambda *layer: widest(*layer) + 1,
    when=lambda answer: any(answer(*case) == widest(*case) + 1 for case in ((192, 32, 5, 0.1), (64, 64, 3, 0.3))),
)
widest.hints(
    "With r channels between them, the two layers cost inputs r + kernel^2 r outputs at each pixel.",
    "Set that equal to share x kernel^2 x inputs x outputs, solve for r, and round down.",
)
widest.wrong(lambda inputs, outputs, kernel, share: 3)


@widest.right
def by_trying(inputs: int, outputs: int, kernel: int, share: float) -> int:
    allowed = share * kernel**2 * inputs * outputs
    return max(r for r in range(inputs + 1) if r * (inputs + kernel**2 * outputs) <= allowed)


@exercise(
    "pointwise/fold",
    "Two layers in one",
    cases=[
        (normal(2, 3, 1, 1), normal(4, 2, 3, 3, seed=1)),
        (normal(5, 4, 1, 1, seed=2), normal(3, 5, 1, 1, seed=3)),
        (normal(2, 6, 1, 1, seed=4), normal(3, 2, 5, 3, seed=5)),
    ],
)
def fold(first: Tensor, second: Tensor) -> Tensor:
    """Without a nonlinearity between them two layers are one, of a rank no higher than their bottleneck."""
    return torch.einsum("kmij,mc->kcij", second, first[:, :, 0, 0])


def folded(answer: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    return as_tensor(answer(*fold.cases[0]))


fold.mistake(
    "You add up the taps of the second kernel. They stay apart: each of them is mixed by itself.",
    lambda first, second: second.sum((2, 3)) @ first[:, :, 0, 0],
    lambda first, second: fold(first, second).sum((2, 3), keepdim=True),
    when=lambda answer: folded(answer).dim() == 2 or folded(answer).shape[2:] == (1, 1),
)
fold.mistake(
    "Output channels first: the result has the shape (K, C, height, width), not (C, K, height, width).",
    lambda first, second: fold(first, second).transpose(0, 1),
    when=lambda answer: close(folded(answer).transpose(0, 1), fold(*fold.cases[0])),
)
fold.hints(
    "At each tap of the second kernel there is a matrix (K, M). Which matrix comes before it?",
    'Sum over the M channels in between: torch.einsum("kmij,mc->kcij", second, first[:, :, 0, 0]).',
)
fold.wrong(lambda first, second: second)
fold.right(lambda first, second: (second.permute(2, 3, 0, 1) @ first[:, :, 0, 0]).permute(2, 3, 0, 1))


@judged("pointwise/evidence", "Where the score comes from", function=True)
def evidence(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """These are class activation maps. The dense layer was a pointwise convolution all along."""
    maps, weight, bias = normal(2, 3, 4, 5), normal(6, 3, seed=1), normal(6, seed=2)
    scores = maps.mean((2, 3)) @ weight.T + bias
    found = as_tensor(answer(maps, weight, bias))
    expect(found.shape == (2, 6, 4, 5), "One map for each class is wanted: (N, K, H, W).")
    expect(
        not close(found.sum((2, 3)), scores),
        "The pixels of your maps add up to the scores; their average is what the scores should be.",
    )
    expect(
        not close(found.mean((2, 3)), scores - bias),
        "Nearly: the averages lack the bias. Where can a bias go so that the average of a map grows by just it?",
    )
    expect(
        close(found.mean((2, 3)), scores),
        "The average of each map over its pixels must be exactly the score of its class.",
    )
    maps[:, :, 1, 2] += 3  # one pixel: the evidence of the others must stay
    change = (as_tensor(answer(maps, weight, bias)) - found).abs().amax((0, 1))
    inside = float(change[1, 2])
    change[1, 2] = 0
    expect(
        inside > 1e-6 > change.max(),
        "The averages are right, but the evidence at a pixel must come from this pixel alone. Spreading the score "
        "evenly says nothing about where.",
    )


evidence.hints(
    "An average is linear: first averaging and then weighting is the same as first weighting.",
    'Apply the dense layer at every pixel: torch.einsum("nchw,kc->nkhw", maps, weight), and add the bias.',
)
evidence.wrong(lambda maps, weight, bias: maps, "One map for each class")
evidence.wrong(lambda maps, weight, bias: (mix(maps, weight) + bias[:, None, None]) / 20, "add up to the scores")
evidence.wrong(lambda maps, weight, bias: mix(maps, weight), "lack the bias")
evidence.wrong(lambda maps, weight, bias: mix(maps, weight) + 2 * bias[:, None, None], "exactly the score")
evidence.wrong(
    lambda maps, weight, bias: mix(maps.mean((2, 3), keepdim=True) + 0 * maps, weight) + bias[:, None, None],
    "from this pixel alone",
)
evidence.right(lambda maps, weight, bias: mix(maps, weight) + bias[:, None, None])


def takes_any_size(net: nn.Module) -> bool:
    sizes = ((16, 16), (48, 33))
    try:
        return all(tuple(output(net, normal(2, 3, *size).float()).shape) == (2, 10) for size in sizes)
    except RuntimeError:
        return False


def mixes_channels(net: nn.Module) -> bool:
    """Whether some operator takes all channels of one place, at more places than one: by whatever layer it is done."""
    try:
        ops = summarize(net, (3, 32, 32)).trace.ops
    except ValueError:  # a network that runs and cannot be traced: it has the benefit of the doubt
        return True
    for op in ops:
        if "conv" in op.kind:
            inputs, weight = op.args[:2]
            if weight.shape[1] == inputs.shape[1] and set(weight.shape[2:]) == {1}:
                return True
        elif op.macs and op.out.shape[:-1].numel() > 1:  # a product of matrices; a dense layer has one row
            return True
    return False


@judged_model("pointwise/any-size", "Any size, few weights", input_shape=(2, 3, 32, 32), output_shape=(2, 10))
def any_size(net: nn.Module) -> None:
    """A network in network, in miniature. Train it, and its last maps will show what it looks at."""
    size = sum(p.numel() for p in net.parameters())
    expect(
        size <= 5000, f"It has {size:,} parameters, and 5,000 are allowed. Is there a dense layer on flattened maps?"
    )
    expect(
        takes_any_size(net),
        "It takes 32 x 32 pixels, but not 16 x 16 and 48 x 33. What in it depends on the size of the map?",
    )
    expect(
        mixes_channels(net),
        "Mix the channels at every pixel with a 1 x 1 convolution somewhere, or with nn.Linear on channels-last maps.",
    )
    x = normal(1, 3, 16, 16, seed=3).float()
    order = torch.randperm(16 * 16, generator=torch.Generator().manual_seed(4))
    # Inside a black frame: at the border alone, a sum of all places could tell pictures apart, too.
    framed = [nn.functional.pad(pixels, (8, 8, 8, 8)) for pixels in (x, x.flatten(2)[:, :, order].reshape(x.shape))]
    expect(
        not torch.allclose(*(output(net, pixels) for pixels in framed), rtol=1e-4, atol=1e-6),
        "Shuffling the pixels of the picture does not change its scores. Either no layer of yours compares a pixel "
        "with its neighbors, or one does and the average undoes it: without a nonlinearity between them, it adds up "
        "the same numbers.",
    )


any_size.hints(
    "Convolutions take any size; what makes one number of each map, whatever its size?",
    "For example Conv2d(3, 16, 3), ReLU, Conv2d(16, 10, 1), AdaptiveAvgPool2d(1), Flatten in a Sequential.",
)


def network(*layers: nn.Module, averaged: bool = True) -> nn.Sequential:
    return nn.Sequential(*layers, *((nn.AdaptiveAvgPool2d(1), nn.Flatten()) if averaged else ()))


any_size.wrong(network(nn.Conv2d(3, 16, 3), nn.Flatten(), nn.Linear(14_400, 10), averaged=False), "5,000 are allowed")
any_size.wrong(
    network(nn.Conv2d(3, 4, 1), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10), averaged=False), "depends on the size"
)
any_size.wrong(network(nn.Conv2d(3, 10, 3)), "1 x 1 convolution somewhere")
any_size.wrong(
    nn.Sequential(*network(nn.Conv2d(3, 16, 3), nn.ReLU()), nn.Linear(16, 10)), "1 x 1 convolution somewhere"
)
any_size.wrong(network(nn.Conv2d(3, 10, 1), nn.ReLU()), "Shuffling the pixels")
any_size.wrong(network(nn.Conv2d(3, 16, 3, bias=False), nn.Conv2d(16, 10, 1)), "the average undoes it")
any_size.wrong(network(nn.Conv2d(3, 7, 3)))
any_size.right(network(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 10, 1)))


class ChannelsLast(nn.Module):
    """The mixing as nn.Linear, as ConvNeXt has it."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 16, 3, padding=1)
        self.mix = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(self.look(x).relu().permute(0, 2, 3, 1)).mean((1, 2))


any_size.right(ChannelsLast())
