"""Exercises of the chapter "The zoo"."""

from __future__ import annotations

from cnnlab.exercises.kinds import Exercise, Hint, function, value

Points = list[tuple[float, float]]


def _frontier(points: Points) -> Points:
    kept: Points = []
    for cost, accuracy in sorted(points, key=lambda pair: (pair[0], -pair[1])):
        if not kept or accuracy > kept[-1][1]:
            kept.append((cost, accuracy))
    return kept


def _only_the_best(points: Points) -> Points:
    return [max(points, key=lambda pair: pair[1])]


def _everything_sorted(points: Points) -> Points:
    return sorted(points)


def _ties_stay(points: Points) -> Points:
    kept: Points = []
    for cost, accuracy in sorted(points):
        if not kept or accuracy >= kept[-1][1]:
            kept.append((cost, accuracy))
    return kept


def _dearest_first(points: Points) -> Points:
    return _frontier(points)[::-1]


def _intensity(channels: int, size: int, kernel: int, depthwise: bool) -> float:
    weights = channels * kernel**2 * (1 if depthwise else channels)
    return weights * size**2 / (4 * (2 * channels * size**2 + weights))


def _numbers_for_bytes(channels: int, size: int, kernel: int, depthwise: bool) -> float:
    return 4 * _intensity(channels, size, kernel, depthwise)


def _without_weights(channels: int, size: int, kernel: int, depthwise: bool) -> float:
    weights = channels * kernel**2 * (1 if depthwise else channels)
    return weights / (4 * 2 * channels)


def _output_forgotten(channels: int, size: int, kernel: int, depthwise: bool) -> float:
    weights = channels * kernel**2 * (1 if depthwise else channels)
    return weights * size**2 / (4 * (channels * size**2 + weights))


def _always_standard(channels: int, size: int, kernel: int, depthwise: bool) -> float:
    return _intensity(channels, size, kernel, False)


EXERCISES: tuple[Exercise, ...] = (
    function(
        "zoo/frontier",
        title="The frontier",
        reference=_frontier,
        cases=(
            ([(1.0, 60.0), (2.0, 70.0), (3.0, 65.0)],),
            ([(5.0, 80.0), (1.0, 50.0), (3.0, 80.0), (1.0, 55.0)],),
            ([(2.0, 40.0)],),
            ([(3.0, 50.0), (2.0, 50.0), (1.0, 50.0)],),
        ),
        hints=(
            Hint(
                "The most accurate one is on the frontier, but so is the cheapest: nothing is cheaper than it.",
                if_like=_only_the_best,
            ),
            Hint("You sort and keep all. Which of them does a cheaper one beat?", if_like=_everything_sorted),
            Hint(
                "Two with the same accuracy: the dearer one is beaten, because the other costs less.",
                if_like=_ties_stay,
            ),
            Hint("The right pairs, but the cheapest should come first.", if_like=_dearest_first),
            Hint("Sort by cost. Then go along and keep a pair only if it is more accurate than all before it."),
            Hint("Where costs are equal, let the more accurate pair come first: sort by (cost, -accuracy)."),
        ),
        success="One pass over a sorted list. With three measures instead of two it is no longer that easy.",
    ),
    value(
        "zoo/dense-share",
        title="Where the parameters sit",
        expected=123_642_856 / 138_357_544,
        tolerance=0.006,
        hints=(
            Hint(
                "That is the share of the convolutions. The question is about the rest.",
                if_equal=14_714_688 / 138_357_544,
            ),
            Hint("That is the first dense layer alone; there are two more.", if_equal=102_764_544 / 138_357_544),
            Hint("As a fraction between 0 and 1, please.", if_equal=12_364_285_600 / 138_357_544),
            Hint("The three layers have 25,088, 4,096 and 4,096 inputs."),
            Hint("Weights and biases: inputs * outputs + outputs, for 4,096, 4,096 and 1,000 outputs."),
        ),
        success="Nine tenths of VGG-16 sit in layers that an average over each map can replace.",
    ),
    function(
        "zoo/intensity",
        title="Work for each number moved",
        reference=_intensity,
        cases=((256, 14, 3, False), (256, 14, 3, True), (64, 56, 3, False), (32, 112, 5, True)),
        hints=(
            Hint("Each number takes 4 bytes; you count the numbers.", if_like=_numbers_for_bytes),
            Hint("The weights have to be read too: they are moved once.", if_like=_without_weights),
            Hint("The output is written as well; it is as large as the input.", if_like=_output_forgotten),
            Hint(
                "Your function ignores `depthwise`: there each output channel reads one input channel.",
                if_like=_always_standard,
            ),
            Hint("MACs are the number of weights times the places of the output, size * size."),
            Hint("Bytes are 4 * (input + output + weights); a depthwise layer has channels * kernel**2 weights."),
        ),
        success="A depthwise layer does one to three products for each byte: memory, not arithmetic, sets its pace.",
    ),
)
