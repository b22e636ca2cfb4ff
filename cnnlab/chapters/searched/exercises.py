"""Exercises of the chapter "NASNet, ShuffleNet, MnasNet"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cnnlab.chapters.searched.cells import canonical
from cnnlab.exercises import exercise, expect, judged


@exercise("searched/drawings", "How many drawings", cases=[(3, 5), (4, 5), (2, 5), (5, 3), (3, 1), (1, 4)])
def drawings(nodes: int, operations: int) -> int:
    """With four nodes and five operations it is the 15,625 of NAS-Bench-201: one more node, 125 times as many."""
    return operations ** (nodes * (nodes - 1) // 2)


drawings.mistake(
    "You join each node to the next one only. An edge goes from every node to every later one.",
    lambda nodes, operations: operations ** (nodes - 1),
)
drawings.mistake(
    "You count each pair of nodes in both directions; information flows one way.",
    lambda nodes, operations: operations ** (nodes * (nodes - 1)),
)
drawings.mistake(
    "Each edge chooses for itself: the choices multiply, they do not add up.",
    lambda nodes, operations: operations * nodes * (nodes - 1) // 2,
)
drawings.mistake("You have an edge from a node to itself.", lambda n, o: o ** (n * (n + 1) // 2))
drawings.mistake(
    "Base and exponent are the wrong way round: each of so many edges has so many choices.",
    lambda nodes, operations: (nodes * (nodes - 1) // 2) ** operations,
)
drawings.hints(
    "Three nodes have three edges: 0 to 1, 0 to 2, 1 to 2. How many have four?",
    "nodes x (nodes - 1) / 2 edges, and operations to the power of that.",
)
drawings.wrong(lambda nodes, operations: 125)


@exercise(
    "searched/exponent", "What the exponent says", cases=[(0.05, 2.0), (0.0, 2.0), (0.1, 2.0), (0.05, 4.0), (1.0, 2.0)]
)
def exponent(gain: float, slower: float) -> float:
    """For 5 % and twice the time it is -0.0704: the paper's -0.07."""
    return -math.log(1 + gain) / math.log(slower)


exponent.mistake(
    "The sign: the reward has to fall where the latency rises.",
    lambda gain, slower: math.log(1 + gain) / math.log(slower),
)
exponent.mistake(
    "You solved it for a network that is e times as slow; divide by the logarithm of slower.",
    lambda gain, slower: -math.log(1 + gain),
)
exponent.mistake(
    "The gain is relative: accuracy is multiplied by 1 + gain.",
    lambda gain, slower: -gain / math.log(slower),
    lambda gain, slower: -gain,
)
exponent.mistake(
    "You divided the wrong way round.",
    lambda gain, slower: -math.log(slower) / math.log(1 + gain) if gain else 0.0,
)
exponent.hints(
    "Both networks get the same reward: a (1 + gain) (slower x t)^w = a t^w.",
    "(1 + gain) x slower^w = 1; take logarithms.",
)
exponent.wrong(lambda gain, slower: -0.5)


@exponent.right
def by_base_two(gain: float, slower: float) -> float:
    return -math.log2(1 + gain) / math.log2(slower)


@exercise(
    "searched/same-cell",
    "The same in another drawing",
    cases=[
        ("i3a", "3ia"),
        ("i3a", "ai3"),
        ("303", "003"),
        ("0a3", "303"),
        ("13a", "31a"),
        ("3a1", "3a1"),
        ("3i1", "1i3"),
        ("010", "300"),
        ("iia", "00a"),
        ("33i", "3i3"),
    ],
)
def same(one: str, other: str) -> bool:
    """Of 125 drawings 59 are left, and one more that lets nothing through: who counts drawings counts twice."""
    return canonical(one) == canonical(other)


def _through(cell: str) -> str:
    return "0" if "0" in cell[:2] else cell[:2]


same.mistake("You compare the letters. Two drawings may do the same.", lambda one, other: one == other)
same.mistake(
    "You compare which operations there are. Their places count: behind one another is not side by side.",
    lambda one, other: sorted(one) == sorted(other),
)
same.mistake(
    "An operation before or behind 'as it is' does the same; you see the dead ways but not these.",
    lambda one, other: (_through(one), one[2]) == (_through(other), other[2]),
)
same.mistake(
    "A way with a missing edge carries nothing, whatever stands on its other edge.",
    lambda one, other: (
        sorted((one[:2].replace("i", "", 1), one[2])) == sorted((other[:2].replace("i", "", 1), other[2]))
    ),
)
same.hints(
    "Reduce the way through the middle first: 0 if either edge is, the other one where one of them is i.",
    "What is left is the way and the direct edge, and they are added: where both are single operations, sort them.",
)
same.wrong(lambda one, other: False)


@exercise(
    "searched/traffic",
    "Numbers moved",
    cases=[(56, 128, 128, 1), (56, 36, 432, 1), (56, 360, 360, 8), (7, 64, 32, 2), (1, 10, 30, 1), (28, 90, 180, 1)],
)
def traffic(side: int, inputs: int, outputs: int, groups: int) -> int:
    """At about equal MACs, 1:12 moves 1.8 times what 1:1 does, and eight groups 2.8 times: guidelines 1 and 2."""
    return side * side * (inputs + outputs) + inputs * outputs // groups


traffic.mistake("The weights have to be read, too.", lambda s, c, k, g: s * s * (c + k))
traffic.mistake(
    "With groups there are fewer weights: an output reads the channels of its group.",
    lambda s, c, k, g: s * s * (c + k) + c * k,
)
traffic.mistake("Those are the multiplications. Count what is read and written.", lambda s, c, k, g: s * s * c * k // g)
traffic.mistake("A map has side x side places for each channel.", lambda s, c, k, g: s * (c + k) + c * k // g)
traffic.mistake("You read the input and forget that the output is written.", lambda s, c, k, g: s * s * c + c * k // g)
traffic.hints(
    "Three things move: the input's map, the output's map, the weights.",
    "side² x inputs + side² x outputs + inputs x outputs / groups.",
)
traffic.wrong(lambda s, c, k, g: s + c + k + g)


@exercise(
    "searched/one-of-the-best",
    "Luck, counted",
    cases=[(6, 125, 10), (1, 125, 125), (125, 125, 1), (25, 500, 60), (0, 10, 3), (5, 100, 1)],
)
def one_of_the_best(good: int, drawings: int, trials: int) -> float:
    """Sixty trials meet one of the best twentieth in 95 cases of 100, in any space: random search is no straw man."""
    return 1 - (1 - good / drawings) ** trials


one_of_the_best.mistake(
    "That is the chance that every trial is good. One is enough.",
    lambda good, drawings, trials: (good / drawings) ** trials,
)
one_of_the_best.mistake(
    "That is how many good ones you expect to meet, not the chance to meet one.",
    lambda good, drawings, trials: trials * good / drawings,
    lambda good, drawings, trials: min(1.0, trials * good / drawings),
)
one_of_the_best.mistake(
    "That is the chance to meet none.", lambda good, drawings, trials: (1 - good / drawings) ** trials
)
one_of_the_best.mistake("That is a single trial.", lambda good, drawings, trials: good / drawings)
one_of_the_best.hints(
    "How likely is it that all trials miss?",
    "One trial misses with 1 - good / drawings; all of them with that to the power of trials.",
)
one_of_the_best.wrong(lambda good, drawings, trials: 0.5)


def _child(cell: str) -> str:
    return cell + "'"


@judged("searched/aging", "One generation", function=True)
def aging(answer: Callable[..., Any]) -> None:
    """Who lived longest goes, not who did worst. A lucky training is forgotten unless its children do well, too."""
    asked: list[str] = []

    def ask(cell: str) -> float:
        asked.append(cell)
        return 0.5

    for accuracies, sample, parent in (
        ((0.875, 0.25, 0.625, 0.375), [1, 2, 3], "c"),
        ((0.25, 0.75, 0.125, 0.625), [0, 2], "a"),
        ((0.5, 0.375, 0.875), [1], "b"),
    ):
        population = list(zip("abcd", accuracies, strict=False))
        before = list(population)
        asked.clear()
        found = answer(list(population), list(sample), _child, ask)
        expect(isinstance(found, list | tuple), "Return the new population, a list of pairs (cell, accuracy).")
        found = [tuple(own) for own in found]
        expect(
            len(found) != len(before) + 1, "The population has grown. For each child that is born, the oldest one goes."
        )
        expect(len(found) == len(before), f"Of {len(before)} there should be {len(before)} again, not {len(found)}.")
        added = [own for own in found if own not in before]
        expect(len(added) == 1, "There should be one child, with the accuracy that ask gives it.")
        expect(added[0][0].endswith("'"), "The child is the parent after mutate.")
        best = max(before, key=lambda own: own[1])[0]
        expect(
            added[0][0] == _child(parent) or added[0][0] != _child(best) or best == parent,
            "The parent is the best of the sample, not of all: the others must have a chance.",
        )
        expect(added[0][0] == _child(parent), "The parent is the best of those whose places the sample names.")
        expect(asked == [_child(parent)], "Train the child, once, and nobody else.")
        expect(before[0] not in found, "The oldest one, at the front, has to go, however good it is.")
        expect(found == [*before[1:], (_child(parent), 0.5)], "Keep the order of age: the child at the end.")


aging.hints(
    "parent = the pair of highest accuracy among population[i] for i in sample.",
    "child = mutate(parent's cell); return population[1:] + [(child, ask(child))].",
)


def one_generation(population: list, sample: list, mutate: Callable, ask: Callable) -> list:
    parent = max((population[i] for i in sample), key=lambda own: own[1])
    child = mutate(parent[0])
    return [*population[1:], (child, ask(child))]


def in_place(population: list, sample: list, mutate: Callable, ask: Callable) -> list:
    best = sorted(sample, key=lambda i: population[i][1])[-1]
    population.append((child := mutate(population[best][0]), ask(child)))
    population.pop(0)
    return population


aging.right(one_generation, in_place)
aging.wrong(lambda p, s, m, a: 7, "new population")
aging.wrong(lambda p, s, m, a: [*p, one_generation(p, s, m, a)[-1]], "has grown")
aging.wrong(lambda p, s, m, a: p[2:], "there should be")
aging.wrong(lambda p, s, m, a: p, "one child")
aging.wrong(lambda p, s, m, a: [*p[1:], ("x", a("x"))], "after mutate")
aging.wrong(lambda p, s, m, a: one_generation(p, list(range(len(p))), m, a), "not of all")
aging.wrong(lambda p, s, m, a: one_generation(p, [min(s, key=lambda i: p[i][1])], m, a), "whose places")
aging.wrong(lambda p, s, m, a: (a("z"), one_generation(p, s, m, a))[1], "nobody else")
aging.wrong(
    lambda p, s, m, a: [*(own for own in p if own != min(p, key=lambda own: own[1])), one_generation(p, s, m, a)[-1]],
    "oldest one",
)
aging.wrong(lambda p, s, m, a: [one_generation(p, s, m, a)[-1], *p[1:]], "at the end")
