"""Exercises of the chapter "VGG"."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cnnlab.chapters.vgg.small import small_vgg
from cnnlab.exercises import close, exercise, expect, judged
from cnnlab.exercises.examples import normal


@exercise("vgg/rivals", "A stack for a large kernel", cases=[(3,), (5,), (7,), (9,), (11,), (31,)])
def rivals(kernel: int) -> tuple[int, int, int]:
    """AlexNet's 11 x 11 would be five small layers with 45 C² weights instead of 121 C²."""
    layers = (kernel - 1) // 2
    return layers, 9 * layers, kernel**2


rivals.mistake(
    "Each layer of 3 x 3 adds two pixels to the field, and the first begins with one.",
    lambda kernel: (kernel // 3, 9 * (kernel // 3), kernel**2),
)
rivals.mistake(
    "The weights of one layer of 3 x 3 are 9 C²; you left out how many layers there are.",
    lambda kernel: ((kernel - 1) // 2, 9, kernel**2),
)
rivals.mistake(
    "A layer has k² kernels' weights for every pair of channels: you counted k.",
    lambda kernel: ((kernel - 1) // 2, 3 * ((kernel - 1) // 2), kernel),
)
rivals.hints(
    "How far does one 3 x 3 layer see, and how much farther does each one more?",
    "n layers see 2n + 1 pixels, so n = (kernel - 1) // 2, with 9n C² weights against kernel² C².",
)
rivals.wrong(lambda kernel: (1, 1, 1))


@exercise("vgg/head", "Where the weights are")
def head() -> dict[str, int]:
    """Three quarters of the network's numbers lie in one layer, which no later network kept."""
    return {"fc6": 7 * 7 * 512 * 4096 + 4096, "averaged": 512 * 1000 + 1000}


head.mistake(
    "fc6 also has a bias for each of its outputs.",
    {"fc6": 7 * 7 * 512 * 4096},
)
head.mistake("The last dense layer also has a bias for each class.", {"averaged": 512 * 1000})
head.mistake(
    "Into fc6 go all positions of the last maps, 7 x 7 of them, not one number for each channel.",
    {"fc6": 512 * 4096 + 4096},
    {"fc6": 512 * 4096},
)
head.mistake(
    "The average leaves one number of each channel: 512 go into the dense layer.",
    {"averaged": 7 * 7 * 512 * 1000 + 1000},
    {"averaged": 7 * 7 * 512 * 1000},
)
head.hints(
    "A dense layer has inputs x outputs weights and a bias for each output.",
    "25,088 numbers go into fc6 and 4,096 come out; behind an average, 512 go in and 1,000 come out.",
)
head.wrong({"fc6": 4096, "averaged": 1000})


@exercise(
    "vgg/fade",
    "What is left of the signal",
    cases=[(64, 0.01, 1), (512, 0.01, 4), (512, 0.1, 2), (256, 0.03, 3), (128, 0.0417, 16)],
)
def fade(channels: int, std: float, layers: int) -> float:
    """Eight layers of 512 channels at 0.01 leave three thousandths of it; two at 0.1 make it 23 times as large."""
    return (9 * channels * std**2 / 2) ** (layers / 2)


fade.mistake(
    "One output number sums up 9 products for each channel, not one.",
    lambda channels, std, layers: (channels * std**2 / 2) ** (layers / 2),
)
fade.mistake(
    "A ReLU sets half of the signals to zero, and with them half of the mean square.",
    lambda channels, std, layers: (9 * channels * std**2) ** (layers / 2),
)
fade.mistake(
    "That is the mean square. Its root is the size.",
    lambda channels, std, layers: (9 * channels * std**2 / 2) ** layers,
)
fade.mistake(
    "That is one layer. Each of them multiplies.",
    lambda channels, std, layers: (9 * channels * std**2 / 2) ** 0.5,
)
fade.hints(
    "What does one layer do to the mean square? It sums up 9 C products of variance std², and a ReLU keeps half.",
    "One layer: sqrt(9 · channels · std² / 2). All of them: that, to the power of layers.",
)
fade.wrong(lambda channels, std, layers: 1.0)


@judged("vgg/convolution", "A dense layer as a convolution", function=True)
def convolution(answer: Callable[[nn.Linear, int, int], nn.Conv2d]) -> None:
    """With it, the network is one filter that slides over any picture, and a class map comes out."""
    torch.manual_seed(0)
    dense, maps = nn.Linear(3 * 4 * 4, 5), normal(2, 3, 4, 4).float()
    made = answer(dense, 3, 4)
    expect(isinstance(made, nn.Conv2d), "Return an nn.Conv2d that has the dense layer's weights.")
    with torch.no_grad():
        expect(
            tuple(made.weight.shape) == (5, 3, 4, 4),
            f"Its weight has the shape {tuple(made.weight.shape)}. One output reads all 3 channels of all 4 x 4 "
            "places: (5, 3, 4, 4).",
        )
        expect(
            tuple(made(maps).shape) == (2, 5, 1, 1),
            "On maps of 4 x 4 it should give one position. No padding, and a stride of 1.",
        )
        wanted = dense(maps.flatten(1))[:, :, None, None]
        found = made(maps)
        expect(
            not close(found - found[:1, :, :1, :1], wanted - wanted[:1, :, :1, :1]) or close(found, wanted),
            "Right but for a constant: the dense layer's bias comes along.",
        )
        expect(
            close(found, wanted),
            "The weights stand at other places than in the dense layer. Flatten lays the maps out channel by channel, "
            "row by row: view(5, 3, 4, 4).",
        )
        expect(
            tuple(made(normal(1, 3, 9, 6).float()).shape) == (1, 5, 6, 3),
            "On larger maps it should give an answer at each place: a stride of 1.",
        )


convolution.hints(
    "The kernel is as large as the whole map: nn.Conv2d(channels, outputs, side).",
    "Its weight is dense.weight.view(outputs, channels, side, side), its bias dense.bias.",
)


def filled(
    dense: nn.Linear, channels: int, side: int, weight: Tensor, bias: Tensor | None, **options: int
) -> nn.Conv2d:
    """A convolution with these weights."""
    made = nn.Conv2d(channels, dense.out_features, side, bias=bias is not None, **options)
    made.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias}))
    return made


def viewed(dense: nn.Linear, channels: int, side: int) -> Tensor:
    return dense.weight.detach().reshape(-1, channels, side, side)


convolution.wrong(lambda dense, channels, side: dense, "nn.Conv2d")
convolution.wrong(lambda dense, channels, side: nn.Conv2d(channels, dense.out_features, 1), "reads all 3 channels")
convolution.wrong(
    lambda dense, channels, side: filled(dense, channels, side, viewed(dense, channels, side), dense.bias, padding=1),
    "No padding",
)
convolution.wrong(
    lambda dense, channels, side: filled(dense, channels, side, viewed(dense, channels, side), None), "bias comes along"
)
convolution.wrong(
    lambda dense, channels, side: filled(
        dense,
        channels,
        side,
        dense.weight.detach().reshape(-1, side, side, channels).permute(0, 3, 1, 2),
        dense.bias,
    ),
    "channel by channel",
)
convolution.wrong(
    lambda dense, channels, side: filled(dense, channels, side, viewed(dense, channels, side), dense.bias, stride=2),
    "at each place",
)


@convolution.right
def by_unflatten(dense: nn.Linear, channels: int, side: int) -> nn.Conv2d:
    made = nn.Conv2d(channels, dense.out_features, (side, side))
    with torch.no_grad():
        made.weight.copy_(dense.weight.unflatten(1, (channels, side, side)))
        made.bias.copy_(dense.bias)
    return made


@convolution.right
def by_assignment(dense: nn.Linear, channels: int, side: int) -> nn.Conv2d:
    made = nn.Conv2d(channels, dense.out_features, side)
    made.weight = nn.Parameter(dense.weight.data.view(-1, channels, side, side))
    made.bias = dense.bias
    return made


def faded(answer: Callable[[nn.Module], None]) -> nn.Module:
    """A deep network whose first weights are far too small, as the answer leaves it."""
    torch.manual_seed(0)
    network = small_vgg((2, 2, 4, 4), side=16, in_channels=1, gain=0.1)
    answer(network)
    return network


def sizes(network: nn.Module, x: Tensor) -> list[float]:
    """Root mean square of what each convolution and each dense layer puts out."""
    found = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(lambda own, inputs, out: found.append(float(out.square().mean().sqrt())))
    with torch.no_grad():
        network(x)
    return found


@judged("vgg/mend", "Make it start", function=True, returns=False)
def mend(answer: Callable[[nn.Module], None]) -> None:
    """A signal that neither dies nor explodes is all that a deep stack needs to begin."""
    network = faded(answer)
    kinds = [type(layer) for layer in network.modules()]
    before = [type(layer) for layer in faded(lambda network: None).modules()]
    expect(kinds == before, "Change the weights, not the layers.")
    x = torch.randn(16, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    through = sizes(network, x)
    expect(
        all(size == size and size < 20 for size in through),
        "Now the signal explodes on its way. Each layer should hand on about as much as it gets: how large may its "
        "weights be, if it sums up that many products?",
    )
    expect(
        min(through) > 0.05,
        "The signal still fades on its way: some layer puts out less than a twentieth of the 1 that came in. Every "
        "layer has to keep the size, and those with more inputs need smaller weights.",
    )
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d))
    expect(
        float(first.weight.detach().flatten(1).std(0).min()) > 1e-6,
        "All filters of a layer are the same, and they would stay so: each gets the same gradient. Weights have to "
        "differ at the start.",
    )


mend.hints(
    "Which deviation keeps the size of a signal that goes through a convolution and a ReLU?",
    "For each nn.Conv2d and nn.Linear: nn.init.kaiming_normal_(layer.weight, nonlinearity='relu').",
)


def weighted(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def times(network: nn.Module, factor: float) -> None:
    for layer in weighted(network):
        layer.weight.data.mul_(factor)


def one_after_another(network: nn.Module) -> None:
    """Each layer's weights over the size of what it puts out, from the first on (Mishkin and Matas, 2016)."""
    x = torch.randn(16, 1, 16, 16)
    for number, layer in enumerate(weighted(network)):
        layer.weight.data.div_(sizes(copy.deepcopy(network), x)[number])


mend.wrong(lambda network: times(network, 1), "still fades")
mend.wrong(lambda network: times(network, 3), "still fades")
mend.wrong(lambda network: times(network, 30), "explodes")
mend.wrong(lambda network: network.append(nn.BatchNorm1d(10)), "not the layers")
mend.wrong(
    lambda network: (
        [layer.weight.data.fill_(1.5 / layer.weight[0].numel()) for layer in weighted(network)]
        and [layer.bias.data.fill_(0.5) for layer in weighted(network)]
    ),
    "All filters",
)
mend.right(
    lambda network: times(network, 10),
    lambda network: [nn.init.kaiming_normal_(layer.weight, nonlinearity="relu") for layer in weighted(network)],
    lambda network: [nn.init.orthogonal_(layer.weight, gain=2**0.5) for layer in weighted(network)],
    one_after_another,
)
