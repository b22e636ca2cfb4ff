"""Wrong answers to the exercises of "The zoo", and a part of the hint that each must get."""


def intensity(channels, size, kernel, depthwise, each=4, output=True, own=True):
    weights = channels * kernel**2 * (1 if depthwise else channels)
    moved = channels * size**2 * (2 if output else 1) + (weights if own else 0)
    return weights * size**2 / (each * moved)


def ties(points):
    kept = []
    for cost, accuracy in sorted(points):
        if not kept or accuracy >= kept[-1][1]:
            kept.append((cost, accuracy))
    return kept


WRONG = {
    "zoo/frontier": [
        (lambda points: [max(points, key=lambda pair: pair[1])], "so is the cheapest"),
        (sorted, "keep all"),
        (ties, "the dearer one is beaten"),
    ],
    "zoo/dense-share": [
        (1 - 123_642_856 / 138_357_544, "the convolutions"),
        (102_764_544 / 138_357_544, "first dense layer"),
        (100 * 123_642_856 / 138_357_544, "between 0 and 1"),
    ],
    "zoo/intensity": [
        (lambda c, s, k, d: intensity(c, s, k, d, each=1), "4 bytes"),
        (lambda c, s, k, d: intensity(c, s, k, d, own=False), "read too"),
        (lambda c, s, k, d: intensity(c, s, k, d, output=False), "written as well"),
        (lambda c, s, k, d: intensity(c, s, k, False), "ignores"),
    ],
}
