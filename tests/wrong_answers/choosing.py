"""Wrong answers to the exercises of "Choosing a convolution", and a part of the hint that each must get."""

from torch import nn

BOUND = {
    "standard": False,
    "pointwise": True,
    "grouped": False,
    "flattened": True,
    "depthwise": True,
    "depthwise separable": True,
}
CLIENTS = {"phone": "depthwise separable", "outline": "dilated", "gesture": "(2+1)D", "many": "pointwise"}


def depthwise(kernel, dilation=1):
    return nn.Conv2d(64, 64, kernel, padding=dilation * (kernel // 2), dilation=dilation, groups=64)


WRONG = {
    "choosing/budget": [
        ({"standard": 72, "depthwise separable": 184}, "over the budget"),
        ({"standard": 64, "depthwise separable": 192}, "over the budget"),
        ({"standard": 64, "depthwise separable": 64}, "another equation"),
        ({"standard": 64, "depthwise separable": 181}, "multiple of 8"),
        ({"standard": 56, "depthwise separable": 176}, "still fit"),
    ],
    "choosing/bound": [
        (BOUND | {"pointwise": False}, "32 channels are so few"),
        (dict.fromkeys(BOUND, True), "288 times"),
        ({name: not bound for name, bound in BOUND.items()} | {"pointwise": True}, "which way"),
        (BOUND | {"depthwise separable": False}, "the map in between"),
    ],
    "choosing/intensity": [
        (lambda c, k, n, g: c * c * k * k / g * n * n / (2 * c * n * n + c * c * k * k / g), "four bytes"),
        (lambda c, k, n, g: c * k * k / g / 8, "weights have to be read"),
        (lambda c, k, n, g: c * c * k * k / g * n * n / (4 * (c * n * n + c * c * k * k / g)), "result has to be"),
        (lambda c, k, n, g: c * c * k * k * n * n / (4 * (2 * c * n * n + c * c * k * k)), "C / g input channels"),
        (lambda c, k, n, g: 1.0, "Count the MACs"),
    ],
    "choosing/scenario": [
        (CLIENTS | {"outline": "standard"}, "keeps the map"),
        (CLIENTS | {"gesture": "3D"}, "nonlinear function more"),
        (CLIENTS | {"gesture": "depthwise"}, "looks at time"),
        (CLIENTS | {"many": "grouped"}, "number of channels is to fall"),
        (CLIENTS | {"phone": "depthwise"}, "nothing ever mixes"),
    ],
    "choosing/block": [
        (nn.Conv2d(64, 64, 3, padding=1), "12,000 are allowed"),
        (
            nn.Sequential(*(nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False) for _ in range(20))),
            "9,000,000 are allowed",
        ),
        (nn.Sequential(depthwise(3), nn.Conv2d(64, 64, 1)), "3 pixels across"),
        (nn.Sequential(depthwise(7), nn.ReLU()), "1 of the 64"),
        (nn.Sequential(depthwise(7), nn.Conv2d(64, 64, 1, groups=4)), "16 of the 64"),
    ],
}
