"""The arithmetic of the explorers of tables and charts, asked in Node, and compared with Python's own numbers."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cnnlab.analysis import summarize
from cnnlab.catalog.lineage import family_tree as lineage
from cnnlab.catalog.torchvision_zoo import pareto_front
from cnnlab.chapters.choosing.cost_ranking import _SLIDERS, COST_RANKING_PRESETS, MEASURES
from cnnlab.chapters.spatial_separable.separability import SEPARABILITY_PRESETS, SEPARABILITY_TURNED, _photo, turned
from cnnlab.convolutions import best_rank1, compare_convolutions, is_separable
from cnnlab.convolutions.comparison import Cost
from cnnlab.convolutions.cost import _cost, variants
from cnnlab.meta import on_meta
from cnnlab.results import recorded
from cnnlab.widgets import (
    cost_ranking,
    family_tree,
    imagenet_classes,
    model_chart,
    model_table,
    separability,
    which_network,
)
from tests import test_explorer_arithmetic
from tests.explorers import VIEWS

node, CORE = test_explorer_arithmetic.node, test_explorer_arithmetic.CORE

# --- cost ranking ----------------------------------------------------------------------------------------------------

SETTINGS = [
    (128, 128, 3, 56, 4, 2, 8), *COST_RANKING_PRESETS.values(), (8, 16, 1, 7, 2, 3, 2), (96, 24, 11, 28, 32, 8, 16),
    (3, 3, 4, 32, 3, 2, 8), (1024, 1024, 11, 224, 64, 8, 32), (96, 128, 3, 28, 4, 2, 8), (96, 128, 4, 28, 64, 2, 8),
]  # fmt: skip


@cache
def counted(c: int, k: int, kernel: int, size: int, groups: int, dilation: int, frames: int) -> dict[str, Cost]:
    """The rows that fit, by name: those that share groups only if they can, an even kernel only where it may be."""
    shared = groups if c % groups == k % groups == 0 else 1
    setting = {"groups": shared, "dilation": dilation, "frames": frames}
    if kernel % 2:
        rows = {row.name: row for row in compare_convolutions(c, k, kernel, size, measure=False, **setting)}
    else:
        rows = {}
        for name, (make, shape) in variants(c, k, kernel, size, **setting).items():
            try:
                with on_meta():
                    rows[name] = _cost(name, shape, summarize(make(), (1, *shape)), None, None, 1)
            except ValueError as error:
                assert "Use an odd kernel" in str(error)
    return {name: row for name, row in rows.items() if shared == groups or name not in ("grouped", "channel shuffle")}


def states() -> str:
    return json.dumps([dict(zip(_SLIDERS, setting)) for setting in SETTINGS])


def test_costs_are_those_of_compare_convolutions(node):
    for setting, rows in zip(SETTINGS, node(VIEWS["cost_ranking"], f"{states()}.map((state) => m.table(state))")):
        wanted = counted(*setting)
        assert len(rows) == 13 and {row["name"] for row in rows if not row.get("no")} == set(wanted)
        for row in rows:
            if not row.get("no"):
                own = {by: getattr(wanted[row["name"]], by) for by in MEASURES}
                row["receptive_field"] = str(row["receptive_field"])
                assert {by: row[by] for by in MEASURES} == own, (setting, row["name"])


def test_what_does_not_fit_is_said_and_every_word_has_room(node):
    said = node(
        VIEWS["cost_ranking"],
        f"{states()}.map((state) => {list(MEASURES)}.map((by) => m.explain(m.table(state), {{...state, by}})))",
    )
    told = node(
        VIEWS["cost_ranking"], f"{states()}.map((state) => m.table(state).map((row) => m.describe(row, state)))"
    )
    for setting, own in zip(SETTINGS, said):
        for name in set(counted(*SETTINGS[0])) - set(counted(*setting)):
            assert all(name in words for words in own)
    room = cost_ranking().params
    assert max(len(words) for own in said for words in own) <= room["room"]
    assert max(len(words) for own in told for words in own) <= room["hint"]
    even = said[-1][1]
    assert "an even kernel of 4 has no middle" in even and "keep the 96 channels and cannot give 128" in even
    assert "64 groups cannot share 96 channels in" in told[-1][7]
    assert "C · k² + K · C = 128 · 3² + 128 · 128 = 17,536 parameters" in told[0][5]


def test_factors_in_words(node):
    ratios = [0, 1, 1.0004, 2, 0.25, 12.34, 1 / 345, 1 / 107042, 5e6]
    assert node(VIEWS["cost_ranking"], f"{ratios}.map(m.times)") == [
        "none", "same", "same", "× 2.00", "÷ 4.00", "× 12.3", "÷ 345", "÷ 107 k", "× 5.00 M",
    ]  # fmt: skip
    assert node(CORE, "[0, 64, 1e15, 0.1234, 25600].map(m.short)") == ["0", "64", "1.00 P", "0.12", "25.6 k"]
    assert node(CORE, "[0, 12.34, 99.97, 100, 0.01].map(m.percent)") == ["0 %", "12.3 %", "100 %", "100 %", "0 %"]


# --- separability ----------------------------------------------------------------------------------------------------

torch_random = torch.Generator().manual_seed(0)
KERNELS = [
    *(np.array(kernel, dtype=float) for kernel in SEPARABILITY_PRESETS.values()),
    *(np.array(turned(name, degrees)) for name in SEPARABILITY_TURNED for degrees in (0, 10, 45)),
    *(torch.randn(size, size, generator=torch_random, dtype=torch.float64).numpy() for size in (3, 5)),
    np.eye(5)[[0, 1, 2, 3, 4]] * [0, 2.5, 0, -3, 7],
]


def test_terms_are_those_of_the_svd(node):
    asked = json.dumps([kernel.ravel().tolist() for kernel in KERNELS])
    found = node(VIEWS["separability"], f"{asked}.map((weights) => m.decompose(weights))")
    said = node(VIEWS["separability"], f"{asked}.map((weights) => m.explain(m.decompose(weights), 1))")
    for array, own, words in zip(KERNELS, found, said):
        kernel = torch.tensor(array)
        sigma = torch.linalg.svdvals(kernel)
        shares = sigma.square() / sigma.square().sum()
        terms = own["terms"]
        assert torch.allclose(torch.tensor([t["sigma"] for t in terms]).double(), sigma, atol=1e-6 * float(sigma[0]))
        assert torch.allclose(torch.tensor([t["share"] for t in terms]).double(), shares, atol=1e-6)
        assert own["rank"] == int(torch.linalg.matrix_rank(kernel, rtol=1e-6))
        pairs = [[torch.tensor(t[side]).double() for side in ("column", "row")] for t in terms if t["real"]]
        real = [torch.outer(*pair) for pair in pairs]
        assert len(real) == own["rank"]
        assert torch.allclose(sum(real), kernel, atol=1e-5 * float(sigma[0]))
        best = best_rank1(kernel)
        if own["rank"] == 1 or sigma[1] < 0.999 * sigma[0]:  # else the best one is not unique
            assert torch.allclose(real[0], torch.outer(best.column, best.row), atol=1e-5 * float(sigma[0]))
        assert words.startswith("Rank 1: the kernel is one column") == is_separable(kernel)
        assert f"take {2 * len(kernel)} multiplications" in words and f"kernel {kernel.numel()}." in words
        if own["rank"] > 1:
            assert f"relative error of {float(best.error):.3f}" in words
    assert found[0]["terms"][0] | {"sigma": 0} == {
        "sigma": 0, "share": pytest.approx(1), "real": True, "column": [1, 2, 1], "row": [-1, 0, 1],
    }  # fmt: skip
    nothing = node(VIEWS["separability"], "m.explain(m.decompose([0, 0, 0, 0, 0, 0, 0, 0, 0]), 2)")
    assert nothing.startswith("All weights are 0: rank 0")


def test_what_several_terms_keep(node):
    kernel = KERNELS[-2]
    shares = torch.linalg.svdvals(torch.tensor(kernel)).square()
    shares /= shares.sum()
    weights = kernel.ravel().tolist()
    said = node(VIEWS["separability"], f"[2, 3, 5].map((keep) => m.explain(m.decompose({weights}), keep))")
    for keep, words in zip((2, 3), said):
        assert f"relative error of {shares[keep:].sum().sqrt():.3f}" in words and f"{10 * keep} multipl" in words
    assert "All 5 terms together are exact" in said[2]
    room = separability().params["room"]
    assert max(map(len, said)) <= room


def test_turned_kernels(node):
    cases = [(name, degrees) for name in SEPARABILITY_TURNED for degrees in (0, 30, 90)]
    drawn = node(VIEWS["separability"], f"{json.dumps(cases)}.map((own) => m.turned(...own))")
    for (name, degrees), weights in zip(cases, drawn):
        assert np.allclose(np.reshape(weights, (5, 5)), turned(name, degrees))
    upright, aslant = ([is_separable(torch.tensor(turned(name, a))) for name in SEPARABILITY_TURNED] for a in (0, 45))
    assert upright == [True, True, True] and aslant == [True, False, False]


@pytest.mark.parametrize("number", [0, 6, 13, -2])
def test_photos_are_those_that_conv2d_gives(node, number):
    kernel = torch.tensor(KERNELS[number])
    photo, weights = _photo(), KERNELS[number].ravel().tolist()
    scale = sum(map(abs, weights))
    signed = json.dumps(any(weight < 0 for weight in weights))
    few = f"m.kept(m.decompose({weights}).terms, 1)"
    shown = node(
        VIEWS["separability"],
        f"((photo) => [{weights}, {few}].map((own) => [...m.filtered(photo, 64, own, {scale}, {signed}).data]"
        f".filter((_, i) => i % 4 < 1)))({photo.ravel().tolist()})",
    )
    u, s, v = torch.linalg.svd(kernel)
    x = torch.tensor(photo, dtype=torch.float64)[None, None]
    for own, gray in zip((kernel, s[0] * torch.outer(u[:, 0], v[0])), shown):
        y = F.conv2d(x, own[None, None])[0, 0] / scale
        y = (128 + 2 * y if (kernel < 0).any() else y).clamp(0, 255)
        assert (torch.tensor(gray).reshape(y.shape) - y).abs().max() <= 0.5 + 1e-4


def test_a_kernel_turns_until_a_weight_is_typed(node):
    turning = '{shape: "Gabor", angle: 10, weights: [1, 2, 3, 4, 5, 6, 7, 8, 9]}'
    settled = node(VIEWS["separability"], f'[m.settle({turning}, "angle"), m.settle({turning}, "weights")]')
    assert np.allclose(settled[0]["weights"], np.ravel(turned("Gabor", 10))) and settled[1] == {"shape": ""}
    assert node(VIEWS["separability"], "m.settle({clear: true, weights: [1, 2]})")["weights"] == [0, 0]


# --- model chart -----------------------------------------------------------------------------------------------------


def made_rows(count: int = 90) -> list[dict]:
    """Made-up models, enough of them to be as crowded as the real chart; every fifth saw extra pictures."""
    random = np.random.default_rng(0)
    rows = []
    for index in range(count):
        params = int(10 ** random.uniform(6, 8.8))
        accuracy = round(float(np.clip(50 + 12 * (np.log10(params) - 5) + random.normal(0, 4), 45, 89)), 3)
        extra = index % 5 == 4
        recipes = {"paper": (accuracy - 1, None), "own": (accuracy - 2, accuracy + 8)} if index % 2 else {}
        recipes |= {"extra" if extra else "new": (accuracy, accuracy + 9)} if index % 3 else {}
        rows.append(
            {"name": f"model_{index}", "family": f"family {index % 6}", "year": 2012 + index % 11, "size": 224}
            | {"params": params, "macs": int(params * 10 ** random.uniform(1, 2.5)), "acc1": accuracy}
            | {"acc5": accuracy + 9, "latency": params / 1e6 if index % 4 else None, "extra": extra}
            | {"recipes": recipes}
        )
    return rows


ROWS = made_rows()
CHART = model_chart(ROWS).params
START = CHART["state"]


def accuracy(row: dict, state: dict) -> float | None:
    """What the chart shows of a row in a state, or None."""
    place = ("acc1", "acc5").index(state["y"])
    pairs = {recipe: pair for recipe, pair in row["recipes"].items() if state["extra"] or recipe != "extra"}
    if state["recipe"] in ("best", "compare"):
        told = None if row["extra"] and not state["extra"] else row[state["y"]]
        many = sum(pair[place] is not None for pair in pairs.values()) > 1
        return told if many or state["recipe"] == "best" else None
    return pairs.get(state["recipe"], (None, None))[place]


CHART_STATES = [
    START | {"x": x, "y": y, "recipe": recipe, "extra": extra}
    for x in ("params", "macs", "latency")
    for y in ("acc1", "acc5")
    for recipe in ("best", "own", "new", "compare")
    for extra in (True, False)
]


def ask_chart(node, expression: str, states: list[dict] = CHART_STATES):
    """What an expression of ``state`` and ``data`` gives in each of the states."""
    code = f"((data) => {json.dumps(states)}.map((state) => {expression}))(m.decode({json.dumps(CHART['data'])}))"
    return node(VIEWS["model_chart"], code)


def test_points_and_frontier(node):
    shown = ask_chart(node, "[m.shown(state, data), m.frontier(state, data)]")
    for state, (points, front) in zip(CHART_STATES, shown):
        known = {i: accuracy(row, state) for i, row in enumerate(ROWS) if row[state["x"]] is not None}
        known = {i: up for i, up in known.items() if up is not None}
        assert points == list(known), state
        order = pareto_front([ROWS[i][state["x"]] for i in points], [known[i] for i in points])
        assert front == [points[place] for place in order]


def test_arrow_keys_go_by_cost_and_by_accuracy(node):
    front = ask_chart(node, "m.frontier(state, data)", [START])[0]
    by_cost = sorted(range(len(ROWS)), key=lambda i: ROWS[i]["params"])
    by_accuracy = sorted(range(len(ROWS)), key=lambda i: -ROWS[i]["acc1"])[::-1]
    walked = ask_chart(
        node, "[[-1, 0], [1, 0], [0, -1], [0, 1]].map((by) => m.walk(state, ...by, data))", [START, START | {"at": 7}]
    )
    for at, steps in zip((front[-1], 7), walked):
        for order, (less, more) in ((by_cost, steps[:2]), (by_accuracy, steps[2:][::-1])):
            place = order.index(at)
            assert (less, more) == (order[max(0, place - 1)], order[min(len(order) - 1, place + 1)])


def test_the_chart_in_words(node):
    said = ask_chart(node, "m.summary(state, data)")
    for state, words in zip(CHART_STATES, said):
        known = [up for row in ROWS if row[state["x"]] and (up := accuracy(row, state)) is not None]
        assert words.startswith(f"{len(known)} {'networks' if state['recipe'] == 'compare' else 'models'}"), words
        if state["recipe"] != "compare":
            assert f"leads with {max(known):.1f} %" in words
    told = ask_chart(node, "m.tell(7, state, data)", [START, START | {"recipe": "compare"}])
    up = ROWS[7]["acc1"]
    assert told[0].startswith(f"model_7 (family 1, 2019): {up:.1f} % top-1, {up + 9:.1f} % top-5; ")
    assert f"{up - 1:.1f} % (the paper’s), {up - 2:.1f} % (its time’s) and {up:.1f} % (2021’s)" in told[1]
    tell = "...m.shown(state, data).map((i) => m.tell(i, state, data))"
    longest = ask_chart(node, f"[m.summary({{...state, family: 'family 3'}}, data), {tell}]")
    assert max(len(words) for state in longest for words in state) <= CHART["room"]


def test_gains_of_a_recipe(node):
    words = ask_chart(node, "m.summary(state, data)", [START | {"recipe": "compare", "extra": False}])[0]
    pairs = [row["recipes"] for row in ROWS if not row["extra"] and "own" in row["recipes"]]
    both = [pair["new"][0] - pair["own"][0] for pair in pairs if "new" in pair]
    assert f"From its time’s to 2021’s: +2.0 points on average (+2.0 to +2.0, {len(both)} networks)" in words
    assert f"From the paper’s to its time’s: −1.0 points on average (−1.0 to −1.0, {len(pairs)} networks)" in words


# --- model table -----------------------------------------------------------------------------------------------------

TABLE_ROWS = [
    {"name": f"net{n}", "year": 2010 + n % 4, "paper": f"Paper {'abc'[n % 3]} of many", "url": f"https://x.org/{n % 3}"}
    | {"params": 10**6 * (n + 1), "macs": 10**8 * (20 - n), "checkpoint1": 60.0 + n if n % 2 else None}
    | {"extra": n == 5}
    for n in range(12)
]


def ask_table(node, **change):
    explorer = model_table(TABLE_ROWS).params
    state, data = json.dumps(explorer["state"] | change), json.dumps(explorer["data"])
    return node(VIEWS["model_table"], f"m.found({state}, m.decode({data})).map(([name]) => name)")


def test_every_word_is_looked_for(node):
    heads = [field for field, _ in model_table(TABLE_ROWS).params["data"]["heads"]]
    assert heads == ["name", "checkpoint1", "params", "macs", "year", "paper"]
    assert ask_table(node) == [row["name"] for row in sorted(TABLE_ROWS, key=lambda row: row["year"])]
    assert ask_table(node, word="NET paper b ") == [
        row["name"] for row in sorted(TABLE_ROWS, key=lambda row: row["year"]) if "b of" in row["paper"]
    ]
    assert ask_table(node, word="2011 many") == ["net1", "net5", "net9"]
    assert ask_table(node, word="2011 many", extra=False) == ["net1", "net9"]
    assert ask_table(node, word="nothing like it") == []
    assert ask_table(node, by=1, down=True)[:7] == ["net11", "net9", "net7", "net5", "net3", "net1", "net0"]
    assert ask_table(node, by=0, down=False) == [row["name"] for row in TABLE_ROWS]  # net2 before net10


# --- which network ----------------------------------------------------------------------------------------------------

CHOSEN = [
    {"name": "large", "checkpoint1": 81.0, "params": 80, "macs": 900, "latency": 9.0, "recipe": "new"},
    {"name": "measure", "checkpoint1": 80.0, "params": 20, "macs": 400, "latency": 4.0, "recipe": "new"},
    {"name": "thrifty", "checkpoint1": 79.0, "params": 10, "macs": 200, "recipe": "own"},
    {"name": "other pictures", "checkpoint1": 85.0, "params": 20, "macs": 400, "latency": 4.0, "extra": True},
    {"name": "untested", "checkpoint1": None, "params": 1, "macs": 1},
]
ADVICE = [{"pictures": "few", "text": "Do this.", "chapter": "transfer/a"}]


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ({"scarce": "macs", "times": 1, "extra": False}, ["measure", "thrifty"]),
        ({"scarce": "macs", "times": 1, "extra": True}, ["other pictures", "measure", "thrifty"]),
        ({"scarce": "params", "times": 4, "extra": False}, ["large", "measure", "thrifty"]),
        ({"scarce": "latency", "times": 1, "extra": False}, ["measure"]),  # whose time is not known keeps to none
        ({"scarce": "macs", "times": 0.25, "extra": False}, []),
    ],
)
def test_which_network_keeps_to_the_budget(node, state, names):
    data = json.dumps(which_network(CHOSEN, ADVICE, beside="measure").params["data"])
    given = json.dumps(state)
    found, said = node(
        VIEWS["which_network"],
        f"((d) => [m.fitting({given}, d).map((row) => row.name), m.explain({given}, d)])(m.decode({data}))",
    )
    assert found == names
    if state["scarce"] == "macs" and len(names) == 2:
        assert said == (
            "Within 400 MACs measure is the most accurate of 2: 80.00 % top-1, trained by the recipe of 2021, as many "
            "others of this list. thrifty takes 0.5 of its MACs and is 1.0 points behind."
        )
    assert ("there is no checkpoint" in said) == (not names)


def test_which_network_says_what_is_wrong():
    for rows, advice, beside, message in (
        (CHOSEN, ADVICE, "mesure", "Did you mean 'measure'"),
        (CHOSEN[-1:], ADVICE, "untested", "with a checkpoint1"),
        (CHOSEN, [], "measure", "piece of advice"),
    ):
        with pytest.raises(ValueError, match=message):
            which_network(rows, advice, beside=beside)
    with pytest.raises(ValueError, match="times=3 is not offered"):
        which_network(CHOSEN, ADVICE, beside="measure", times=3)


# --- family tree -----------------------------------------------------------------------------------------------------


def test_relatives_are_all_that_can_be_reached(node):
    nodes = lineage()
    parents = {n["key"]: set(n["parents"]) for n in nodes}
    up: dict[str, set[str]] = {}
    for key in parents:  # a parent stands above its child
        up[key] = parents[key].union(*(up[parent] for parent in parents[key]))
    keys = list(parents)
    rows = json.dumps(family_tree().params["data"])
    found = node(
        VIEWS["family_tree"],
        f"((rows) => rows.map((_, at) => Object.values(m.relatives(rows, at)).map((own) => [...own])))({rows})",
    )
    for key, (above, below) in zip(keys, found):
        assert {keys[i] for i in above} == up[key]
        assert {keys[i] for i in below} == {other for other in keys if key in up[other]}
    resnet = keys.index("resnet")
    lines = dict(node(VIEWS["family_tree"], f"m.lines({rows}, {resnet})"))
    assert lines["Builds on"] == "VGG" and "DenseNet" in lines["Taken up by"] and "and 12 more" in lines["In cnnlab:"]


# --- the classes of ImageNet ------------------------------------------------------------------------------------------

TREE = recorded("imagenet_tree")
CLASSES = imagenet_classes().params


def ask_classes(node, expression: str):
    """What an expression gives of ``data``, as the view has it."""
    return node(VIEWS["imagenet_classes"], f"((data) => {expression})(m.decode({json.dumps(CLASSES['data'])}))")


def way(place: int) -> list[int]:
    """The synsets from a class up to the root."""
    steps = [TREE["classes"][place]]
    while TREE["above"][steps[-1]] >= 0:
        steps.append(TREE["above"][steps[-1]])
    return steps


def test_classes_below_every_synset(node):
    ways = [way(place) for place in range(1000)]
    held: dict[int, list[int]] = {synset: [] for synset in range(len(TREE["names"]))}
    parts: dict[int, Counter[int]] = {synset: Counter() for synset in held}
    for place, own in enumerate(ways):
        for synset, child in zip(own, [None, *own]):
            held[synset].append(place)
            parts[synset].update([] if child is None else [child])
    synset = "data.names.map((_, synset) => [m.below, m.parts, m.explain].map((ask) => ask(data, synset)))"
    found, own_ways, read = ask_classes(node, f"[{synset}, data.ways, data.ways.map((_, at) => m.read(data, at))]")
    assert own_ways == ways
    for (synset, classes), (below, divided, words) in zip(held.items(), found, strict=True):
        assert below == classes and dict(divided) == parts[synset]
        assert [count for _, count in divided] == sorted(parts[synset].values(), reverse=True)
        assert words.startswith(f"{TREE['names'][synset]}: {len(classes)} class{'es' * (len(classes) > 1)} of 1000")
        assert words.endswith("It divides into:" if divided else "It is a class itself.")
    assert read[1] == "Class 1: goldfish. Its way up:"
    assert max(len(words) for *_, words in found) <= CLASSES["room"] and max(map(len, read)) <= CLASSES["hint"]


def test_a_synset_that_is_chosen_holds_the_class_that_is_read(node):
    dog = CLASSES["state"]["node"]
    asked = 'm.settle({node: %d, at: 0}, "%s", data), m.settle({node: %d, at: 200}, "%s", data)'
    assert ask_classes(node, f"[{asked % (dog, 'up', dog, 'up')}]") == [{"at": 151}, {}]
    assert ask_classes(node, f"[{asked % (dog, 'place', dog, 'place')}]") == [{}, {}]
