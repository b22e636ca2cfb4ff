"""Which convolution? A decision tree as data, and each of its answers checked against the counts.

The tree asks one question after the other; the first that is answered with yes decides. Each leaf names a row of
`compare_convolutions`, gives its reason in a sentence, and makes a claim that the counts must bear out: a leaf whose
claim is false for a layer is no advice for that layer.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cnnlab.convolutions.comparison import Comparison
from cnnlab.errors import unknown_name

__all__ = ["Advice", "Question", "Recommendation", "decision_tree", "recommend", "questions"]


@dataclass(frozen=True)
class Advice:
    """A leaf: one convolution, why, and what must be so.

    Attributes:
        variant: its row in `compare_convolutions`.
        page: the chapter of Part II on it, without suffix; None for the standard convolution.
        reason: one sentence.
        claim: what the counts must show, as a sentence.
        holds: whether a `Comparison` shows it.
    """

    variant: str
    page: str | None
    reason: str
    claim: str
    holds: Callable[[Comparison], bool] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Question:
    """A fork: ``need`` is the word by which `recommend` is told yes."""

    need: str
    asks: str
    yes: Question | Advice
    no: Question | Advice


@dataclass(frozen=True)
class Recommendation:
    """What `recommend` returns; ``print`` it.

    Attributes:
        advice: the leaf.
        path: the questions on the way to it, each with its answer.
        unasked: needs that were given and that no question on the way asked for.
    """

    advice: Advice
    path: tuple[tuple[Question, bool], ...]
    unasked: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{question.asks} {'yes' if answer else 'no'}" for question, answer in self.path]
        lines.append(textwrap.fill(f"-> {self.advice.variant}: {self.advice.reason}", 76, subsequent_indent="   "))
        if self.unasked:
            lines.append(f"Not asked on the way: {', '.join(self.unasked)}.")
        return "\n".join(lines)

    __repr__ = __str__


def decision_tree() -> Question:
    """The questions in their order, from what a task demands to what a budget wishes."""
    separable = Advice(
        "depthwise separable",
        "depthwise_separable",
        "Filters each channel alone and mixes afterward: the cheapest that still does both.",
        "1/K + 1/k² of the parameters and MACs of the standard one",
        lambda t: all(
            abs(_of(t, "depthwise separable", key) - 1 / t["standard"].output[0] - 1 / _taps(t)) < 1e-9
            for key in ("params", "macs")
        ),
    )
    factored = Advice(
        "spatial separable",
        "spatial_separable",
        "A column and a row, both mixing channels: 2/k of the cost at equal channels, worth it for large k.",
        "fewer MACs than the standard one, and as wide a field",
        lambda t: (
            t["spatial separable"].macs < t["standard"].macs
            and t["spatial separable"].receptive_field == t["standard"].receptive_field
        ),
    )
    grouped = Advice(
        "grouped",
        "grouped",
        "Divides the MACs by the number of groups and stays one operator, with more MACs per byte; shuffle after it.",
        "fewer MACs, and more of them per byte than depthwise separable",
        lambda t: (
            t["grouped"].macs < t["standard"].macs and t["grouped"].intensity > t["depthwise separable"].intensity
        ),
    )
    standard = Advice(
        "standard",
        None,
        "Nothing is short, so nothing need be given up: every tap sees every channel, and hardware likes it best.",
        "no other convolution of pictures has more MACs per byte",
        lambda t: all(t["standard"].intensity >= row.intensity for row in t if len(row.input) == 3),
    )
    cost = Question(
        "budget",
        "Are parameters or MACs short?",
        Question(
            "latency",
            "Is it measured time, more than a count, that must fall?",
            grouped,
            Question("large kernel", "Is the kernel 5 or larger, its taps to mix channels?", factored, separable),
        ),
        standard,
    )
    far = Advice(
        "dilated",
        "dilated",
        "Sees farther with the same weights and keeps the map; count the holes of the stack first.",
        "a wider field at equal parameters, MACs and activations",
        lambda t: (
            all(_of(t, "dilated", key) == 1 for key in ("params", "macs", "activation_bytes"))
            and int(t["dilated"].receptive_field) > int(t["standard"].receptive_field)
        ),
    )
    mix = Advice(
        "pointwise",
        "pointwise",
        "Mixes channels and changes their number for a k²-th of the price; sees one pixel.",
        "exactly k² times fewer parameters and MACs than the standard one",
        lambda t: (
            t["standard"].params == _taps(t) * t["pointwise"].params
            and t["standard"].macs == _taps(t) * t["pointwise"].macs
        ),
    )
    whole = Advice(
        "global average pooling",
        "pointwise",
        "One number for each channel, from every pixel, without a parameter.",
        "no parameters, and a field that is the whole picture",
        lambda t: t["global average pooling"].params == 0 and t["global average pooling"].receptive_field == "global",
    )
    enlarge = Advice(
        "transposed",
        "transposed",
        "Its stride says how many times larger; for an even map start from equal phases, or resize and convolve.",
        "at stride 2 twice the size, for the MACs of the standard one",
        lambda t: (
            t["transposed"].output[1] == 2 * t["transposed"].input[1] and t["transposed"].macs == t["standard"].macs
        ),
    )
    both = Advice(
        "3D",
        "conv3d",
        "Space and time in one step, which stores one result where (2+1)D stores two.",
        "fewer activations than (2+1)D",
        lambda t: t["3D"].activation_bytes < t["(2+1)D"].activation_bytes,
    )
    split = Advice(
        "(2+1)D",
        "conv3d",
        "Space, then time: as many parameters as 3D, one nonlinear function more.",
        "no more parameters than 3D, and fewer by less than one channel in between",
        lambda t: 0 <= t["3D"].params - t["(2+1)D"].params < _one_channel(t),
    )
    clip = Question("memory", "Is memory for activations what is short?", both, split)
    rest = Question("far", "Must one output see far, on a map that keeps its size?", far, cost)
    rest = Question("mix", "Have other layers looked at neighbors already?", mix, rest)
    rest = Question("whole", "Is one answer wanted for the whole picture?", whole, rest)
    rest = Question("enlarge", "Must the output be larger than the input?", enlarge, rest)
    return Question("frames", "Does it depend on neighboring frames or slices?", clip, rest)


def recommend(*needs: str) -> Recommendation:
    """Go down the decision tree: a question whose need is named is answered with yes, every other with no.

    >>> recommend("budget", "latency").advice.variant
    'grouped'
    >>> recommend().advice.variant
    'standard'

    Args:
        needs: some of "frames", "memory", "enlarge", "whole", "mix", "far", "budget", "latency", "large kernel".

    Raises:
        ValueError: for a need that the tree does not ask for; the message names the nearest.
    """
    node: Question | Advice = decision_tree()
    known = [question.need for question in questions()]
    for need in needs:
        if need not in known:
            raise unknown_name("need", need, known)
    path = []
    while isinstance(node, Question):
        answer = node.need in needs
        path.append((node, answer))
        node = node.yes if answer else node.no
    asked = {question.need for question, _ in path}
    return Recommendation(node, tuple(path), tuple(need for need in needs if need not in asked))


def questions() -> Iterator[Question]:
    """Every question of the tree, from the top down."""
    waiting: list[Question | Advice] = [decision_tree()]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Question):
            yield node
            waiting += [node.no, node.yes]


def _of(table: Comparison, name: str, key: str) -> float:
    """A row's number as a share of the standard convolution's."""
    return getattr(table[name], key) / getattr(table["standard"], key)


def _taps(table: Comparison) -> int:
    return table["standard"].params // (table["standard"].input[0] * table["standard"].output[0])


def _one_channel(table: Comparison) -> int:
    """Parameters that one more channel between space and time would bring."""
    side = round(_taps(table) ** 0.5)
    return _taps(table) * table["3D"].input[0] + side * table["3D"].output[0]
