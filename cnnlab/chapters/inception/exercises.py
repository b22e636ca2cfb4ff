"""Exercises of the chapter "Inception v2 to v4"."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cnnlab.exercises import close, exercise, expect, judged
from cnnlab.exercises.examples import normals

EPS = 1e-3  # as everywhere in the Inception family


def _maps() -> list[tuple[Tensor, Tensor, Tensor]]:
    """Maps far from mean 0 and deviation 1, with a scale and a shift for each channel."""
    x, gamma, beta = normals(0, (4, 3, 5, 5), (3,), (3,))
    size = torch.tensor([0.05, 1.0, 7.0], dtype=x.dtype).view(1, 3, 1, 1)
    return [(size * x + 2, gamma, beta), (x[:2] * size[0, 0], gamma + 2, beta)]


def _normed(x: Tensor, gamma: Tensor, beta: Tensor, dim: tuple[int, ...] = (0, 2, 3), eps: float = EPS) -> Tensor:
    variance, mean = torch.var_mean(x, dim=dim, correction=0, keepdim=True)
    return gamma[:, None, None] * (x - mean) / (variance + eps).sqrt() + beta[:, None, None]


@exercise("inception/normalize", "Batch norm while it trains", cases=_maps())
def normalize(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """That is the whole of its forward pass. The running averages are kept beside it, and not used here."""
    return _normed(x, gamma, beta)


normalize.mistake(
    "You normalize each picture by itself: that is instance normalization. The batch is averaged over as well.",
    lambda x, gamma, beta: _normed(x, gamma, beta, (2, 3)),
)
normalize.mistake(
    "One mean for all channels together: each channel has its own.",
    lambda x, gamma, beta: _normed(x, gamma, beta, (0, 1, 2, 3)),
)
normalize.mistake(
    "A mean for each place of the map. A channel's filter is the same everywhere: average over the places too.",
    lambda x, gamma, beta: _normed(x, gamma, beta, (0,)),
)
normalize.mistake(
    "Nearly. eps is added to the variance, under the root; beside it, it is a larger number to a small channel.",
    lambda x, gamma, beta: (
        gamma[:, None, None]
        * (x - x.mean((0, 2, 3), keepdim=True))
        / (x.std((0, 2, 3), correction=0, keepdim=True) + EPS)
        + beta[:, None, None]
    ),
)
normalize.mistake(
    "An eps of 0.00001 is torch's own. Inception's is 0.001, and a channel with small numbers tells them apart.",
    lambda x, gamma, beta: _normed(x, gamma, beta, eps=1e-5),
)
normalize.hints(
    "Mean and variance over the batch, the rows and the columns: dim=(0, 2, 3), with keepdim=True.",
    "Subtract, divide by the root of variance + 0.001, then scale and shift with gamma.view(1, -1, 1, 1).",
)
normalize.wrong(lambda x, gamma, beta: x)
normalize.wrong(lambda x, gamma, beta: (x - x.mean()) / x.std())


@normalize.right
def by_torch(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    return torch.nn.functional.batch_norm(x, None, None, gamma, beta, training=True, eps=EPS)


@exercise(
    "inception/running",
    "What it remembers",
    cases=[(0.0, [1.0, 1.0, 1.0], 0.1), (0.0, [4.0, 0.0], 0.5), (2.0, [3.0], 0.01)],
)
def running(start: float, means: list[float], momentum: float) -> float:
    """With 0.1 a batch counts for a tenth when it comes, and for half of that six or seven batches later."""
    kept = start
    for mean in means:
        kept += momentum * (mean - kept)
    return kept


def _other_way(start: float, means: list[float], momentum: float) -> float:
    return running(start, means, 1 - momentum)


running.mistake(
    "The other way round. In torch the momentum is the share of the new batch; in TensorFlow, where Inception was "
    "written, that of the old value.",
    _other_way,
)
running.mistake(
    "That is the plain mean of the batches. A running mean forgets the older ones little by little.",
    lambda start, means, momentum: sum(means) / len(means),
)
running.mistake(
    "Only the last batch came in. Go through them one after another.",
    lambda start, means, momentum: (1 - momentum) * start + momentum * means[-1],
)
running.hints(
    "One batch: a share of the new mean, and the rest of what was kept. Repeat that for each batch.",
    "kept = (1 - momentum) * kept + momentum * mean, from kept = start on.",
)
running.wrong(lambda start, means, momentum: start)


@exercise("inception/factorized", "Seven as seven and seven", cases=[(17, 192, 7), (17, 128, 3), (8, 448, 5)])
def factorized(side: int, channels: int, n: int) -> int:
    """For n = 7 it is two sevenths of the square kernel's: 71 % saved, with a ReLU more."""
    return side**2 * channels**2 * 2 * n


factorized.mistake("That is the n x n kernel.", lambda side, channels, n: side**2 * channels**2 * n**2)
factorized.mistake(
    "One of the two layers is missing: 1 x n first, n x 1 behind it.",
    lambda side, channels, n: side**2 * channels**2 * n,
)
factorized.mistake(
    "Those are the weights. Each is used at every place of the map.", lambda side, channels, n: channels**2 * 2 * n
)
factorized.mistake(
    "A depthwise pair would cost that. Here every output channel reads all of the channels.",
    lambda side, channels, n: side**2 * channels * 2 * n,
)
factorized.hints(
    "A layer costs places x channels in x channels out x places of its kernel.",
    "A 1 x n kernel has n places, and so has an n x 1 kernel.",
)
factorized.wrong(lambda side, channels, n: 17**2 * 192)


def _labels() -> list[tuple[Tensor, int, float]]:
    return [(torch.tensor([0, 2]), 4, 0.1), (torch.tensor([1, 1, 9]), 10, 0.2), (torch.tensor([3]), 1000, 0.1)]


def _mixed(labels: Tensor, classes: int, epsilon: float) -> Tensor:
    return (1 - epsilon) * torch.nn.functional.one_hot(labels, classes).float() + epsilon / classes


@exercise("inception/smooth", "Smoothed targets", cases=_labels())
def smooth(labels: Tensor, classes: int, epsilon: float) -> Tensor:
    """The right class gets its share of epsilon as well: 0.9001 of a thousand classes, not 0.9."""
    return _mixed(labels, classes, epsilon)


smooth.mistake(
    "That shares epsilon among the other classes only. In the paper all classes get a share, the right one too.",
    lambda labels, classes, epsilon: (
        (1 - epsilon - epsilon / (classes - 1)) * torch.nn.functional.one_hot(labels, classes) + epsilon / (classes - 1)
    ),
)
smooth.mistake(
    "Your targets do not add up to 1: what the others get is taken from the right class.",
    lambda labels, classes, epsilon: torch.nn.functional.one_hot(labels, classes) + epsilon / classes,
)
smooth.mistake(
    "The right class has lost epsilon, and nobody got it.",
    lambda labels, classes, epsilon: (1 - epsilon) * torch.nn.functional.one_hot(labels, classes).float(),
)
smooth.hints(
    "A mixture: (1 - epsilon) of the one-hot target, and epsilon of the uniform distribution.",
    "F.one_hot(labels, classes) has ones and zeros; the uniform distribution has 1 / classes everywhere.",
)
smooth.wrong(lambda labels, classes, epsilon: torch.nn.functional.one_hot(labels, classes).float())


def _trained() -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution and a batch norm with statistics, scale and shift that are not those of the start."""
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4, eps=EPS)
    with torch.no_grad():
        for own, low, high in (
            (norm.running_mean, -1, 1),
            (norm.running_var, 0.002, 2),
            (norm.weight, 0.5, 2),
            (norm.bias, -1, 1),
        ):
            own.uniform_(low, high)
    return conv.eval(), norm.eval()


@judged("inception/fold", "Fold it away", function=True)
def fold(answer: Callable[[nn.Conv2d, nn.BatchNorm2d], nn.Conv2d]) -> None:
    """So a network that answers pays nothing for its batch norms. Exporters do this for you."""
    conv, norm = _trained()
    (x,) = normals(1, (2, 3, 9, 9))
    x = x.float()
    made = answer(conv, norm)
    expect(isinstance(made, nn.Conv2d), "Return an nn.Conv2d that does what the two did in a row.")
    expect(made.bias is not None, "Your convolution has no bias. What becomes of the norm's shift, and of its mean?")
    with torch.no_grad():
        wanted, found = norm(conv(x)), made(x)
        expect(
            found.shape == wanted.shape,
            f"It puts out {tuple(found.shape)} instead of {tuple(wanted.shape)}: take stride and padding over.",
        )
        slope = norm.weight / (norm.running_var + norm.eps).sqrt()
        expect(
            close(made.weight, conv.weight * slope.view(-1, 1, 1, 1)),
            "The weights are not right yet: each filter is multiplied by its channel's gamma over the root of the "
            "running variance plus eps.",
        )
        expect(
            close(found, wanted),
            "The weights are right, the bias is not: a map of zeros goes in, and out comes what the norm makes of 0.",
        )


fold.hints(
    "In evaluation mode the norm is y = slope * x + shift for each channel. What are slope and shift?",
    "slope = norm.weight / (norm.running_var + norm.eps).sqrt(); the bias is norm.bias - slope * norm.running_mean.",
)


def folded(
    conv: nn.Conv2d,
    norm: nn.BatchNorm2d,
    eps: float | None = None,
    shifted: bool = True,
    bias: bool = True,
    squared: bool = False,
    **changed: int,
) -> nn.Conv2d:
    """The two as one convolution, or nearly so."""
    options = {"stride": conv.stride, "padding": conv.padding, "bias": bias} | changed
    made = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, **options)
    variance = norm.running_var + (norm.eps if eps is None else eps)
    slope = norm.weight / (variance if squared else variance.sqrt())
    with torch.no_grad():
        made.weight.copy_(conv.weight * slope.view(-1, 1, 1, 1))
        if bias:
            made.bias.copy_(norm.bias - slope * norm.running_mean if shifted else norm.bias)
    return made


fold.wrong(lambda conv, norm: nn.Sequential(conv, norm), "Return an nn.Conv2d")
fold.wrong(lambda conv, norm: folded(conv, norm, bias=False), "has no bias")
fold.wrong(lambda conv, norm: folded(conv, norm, stride=1), "stride and padding")
fold.wrong(lambda conv, norm: folded(conv, norm, eps=0.0), "weights are not right")
fold.wrong(lambda conv, norm: folded(conv, norm, squared=True), "weights are not right")
fold.wrong(lambda conv, norm: folded(conv, norm, shifted=False), "the bias is not")
fold.right(folded, torch.nn.utils.fusion.fuse_conv_bn_eval)
