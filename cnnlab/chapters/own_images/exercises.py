"""Exercises of the chapter "Your own images"."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import torch

from cnnlab.exercises import as_tensor, exercise, expect, judged


@exercise(
    "own_images/leak",
    "How much a random split lets through",
    cases=[(5, 0.2), (2, 0.2), (3, 0.5), (1, 0.3), (10, 0.1)],
)
def leak(shots: int, share: float) -> float:
    """With four shots of a visit, hardly a test picture is without one of its siblings among the others."""
    return 1 - share ** (shots - 1)


leak.mistake(
    "That is the share without any sibling in training: all of them would have to be in the test set too.",
    lambda shots, share: share ** (shots - 1),
)
leak.mistake(
    "A picture has one sibling fewer than its visit has shots.",
    lambda shots, share: 1 - share**shots,
)
leak.mistake(
    "You ask that all siblings are trained on. One is enough to leak.",
    lambda shots, share: (1 - share) ** (shots - 1),
)
leak.hints(
    "Ask the opposite first: when has a test picture no sibling in training?",
    "When each of its shots - 1 siblings is in the test set too, which has the probability share for each.",
)
leak.wrong(lambda shots, share: share)
leak.right(lambda shots, share: 1 - math.prod([share] * (shots - 1)))


@exercise(
    "own_images/group",
    "Which pictures belong together",
    cases=[
        ("sick/p07_left_1.png",),
        ("sick/p07_right_2.png",),
        ("healthy/p07_left_9.png",),
        ("healthy/p12_left_1.png",),
        ("healthy/p3.png",),
    ],
)
def group(path: str) -> str:
    """A patient is one group, whichever eye, whichever class: the class folder must not be part of the name."""
    return PurePosixPath(path).stem.split("_")[0]


group.mistake(
    "Left and right eye of one patient are two groups then. Cut at the first underscore.",
    lambda path: (
        PurePosixPath(path).stem.rsplit("_", 1)[0].rsplit("_", 1)[0]
        if path.count("_") == 1
        else PurePosixPath(path).stem.rsplit("_", 1)[0]
    ),
)
group.mistake(
    "The class is part of the group's name then: a patient with a sick and a healthy eye is in two groups.",
    lambda path: path.rsplit(".", 1)[0].split("_")[0],
)
group.mistake("That is the class, which is no group.", lambda path: path.split("/")[0])
group.hints(
    "What do all pictures of one patient have in common in their names?",
    "The name after the last / and before the first _; of p3.png, what stands before the dot.",
)
group.wrong(lambda path: path)
group.right(lambda path: path.split("/")[-1].split(".")[0].partition("_")[0])


@exercise(
    "own_images/order",
    "Whose name is output 3?",
    cases=[
        (["1", "10", "2"], ["1", "2", "10"]),
        (["a", "b", "c"], ["c", "a", "b"]),
        (["cat", "dog"], ["cat", "dog"]),
        (["b", "c", "d", "a"], ["a", "b", "c", "d"]),
    ],
)
def order(trained: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Indexed with it, the columns are in your own order; names that are saved with the weights make it needless."""
    return [list(trained).index(name) for name in wanted]


order.mistake(
    "That is the way back: where each trained class stands in the wanted list.",
    lambda trained, wanted: [list(wanted).index(name) for name in trained],
)
order.mistake("That leaves the columns as they are.", lambda trained, wanted: list(range(len(trained))))
order.mistake("Those are names. Columns are chosen by their numbers.", lambda trained, wanted: list(wanted))
order.hints(
    "For each name of the wanted list: at which place did the network learn it?",
    "[trained.index(name) for name in wanted]",
)
order.wrong(lambda trained, wanted: [0] * len(wanted))
order.right(lambda trained, wanted: torch.tensor([list(trained).index(name) for name in wanted]))


TRIALS = (
    (["a"] * 3 + ["b"] * 2 + ["c"] * 4 + ["d"] * 2 + ["e"] * 3, 0.3),
    ([str(i % 7) for i in range(35)], 0.2),
    (["x", "y"] * 6, 0.5),
)


@judged("own_images/split", "A split of your own", function=True)
def split(answer: Callable[[Sequence[str], float], Sequence[bool]]) -> None:
    """Whole groups on either side, nothing lost: this is the split that you can defend."""
    for groups, share in TRIALS:
        mask = as_tensor(answer(list(groups), share)).bool()
        expect(mask.shape == (len(groups),), "Give True or False for each picture: a list as long as groups.")
        expect(bool(mask.any()), "No picture is set aside. The test set needs a group or more.")
        expect(not bool(mask.all()), "All pictures are set aside. Something is to be learned from.")
        inside = {name for name, aside in zip(groups, mask.tolist(), strict=True) if aside}
        outside = {name for name, aside in zip(groups, mask.tolist(), strict=True) if not aside}
        expect(not inside & outside, "A group is on both sides. Choose among the groups, and then mark their pictures.")
        expect(
            share / 3 <= float(mask.float().mean()) <= min(0.75, 2 * share),
            "The test set is far from the share that was asked for. Add groups until it is reached, and no more.",
        )


split.hints(
    "First the set of the groups; choose some of them; then ask of each picture whether its group is one of those.",
    "Go through sorted(set(groups)) and take one after another until the pictures in those taken reach the share.",
)


@split.right
def whole_groups(groups: Sequence[str], share: float) -> list[bool]:
    taken: set[str] = set()
    for name in sorted(set(groups)):
        if sum(group in taken for group in groups) < share * len(groups):
            taken.add(name)
    return [group in taken for group in groups]


@split.right
def with_torch(groups: Sequence[str], share: float) -> torch.Tensor:
    names = sorted(set(groups))
    count = max(1, round(share * len(names)))
    return torch.tensor([names.index(group) < count for group in groups])


split.wrong(lambda groups, share: [i < share * len(groups) for i in range(len(groups))], "A group is on both sides")
split.wrong(lambda groups, share: [False] * len(groups), "No picture is set aside")
split.wrong(lambda groups, share: [True] * len(groups), "All pictures are set aside")
split.wrong(lambda groups, share: [group != groups[-1] for group in groups], "far from the share")
split.wrong(lambda groups, share: sorted(set(groups)), "True or False for each picture")


@exercise(
    "own_images/enough",
    "How many pictures to measure with",
    cases=[(0.9, 0.03), (0.5, 0.05), (0.95, 0.01), (0.8, 0.1)],
)
def enough(accuracy: float, half: float) -> int:
    """Some 400 test pictures for three points either way at 90 %; and if ten come from each visit, more than that."""
    return math.ceil(accuracy * (1 - accuracy) * (1.96 / half) ** 2 - 1e-9)


enough.mistake(
    "Rounded down, it is a little too few: round up.",
    lambda accuracy, half: math.floor(accuracy * (1 - accuracy) * (1.96 / half) ** 2),
)
enough.mistake(
    "The interval reaches `half` to either side; you take it for its whole width.",
    lambda accuracy, half: math.ceil(accuracy * (1 - accuracy) * (2 * 1.96 / half) ** 2 - 1e-9),
)
enough.mistake(
    "1.96 standard errors make 95 %. You count one.",
    lambda accuracy, half: math.ceil(accuracy * (1 - accuracy) * (1 / half) ** 2 - 1e-9),
)
enough.hints(
    "The standard error of a share p among n pictures is the root of p (1 - p) / n.",
    "Solve 1.96 · sqrt(p (1 - p) / n) = half for n, and round up.",
)
enough.wrong(lambda accuracy, half: 100)
enough.right(lambda accuracy, half: -int(-(accuracy - accuracy**2) * (1.96 / half) ** 2 // 1))
