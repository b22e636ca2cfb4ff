"""The arithmetic of explorers, asked of their modules in Node without a browser, and compared with Python's own."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from itertools import product
from math import comb, gcd
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cnnlab.analysis import summarize
from cnnlab.arithmetic import extent, output_size, receptive_field_of, transposed_output_size
from cnnlab.chapters.depthwise_separable.depthwise_steps import DEPTHWISE_STEPS_PRESETS
from cnnlab.chapters.transposed.zero_insertion import (
    ZERO_INSERTION_INPUT,
    ZERO_INSERTION_KERNEL,
    ZERO_INSERTION_PRESETS,
)
from cnnlab.convolutions import (
    DepthwiseSeparableConv2d,
    StandardConv2d,
    compose_depthwise_separable,
    grid_coverage,
    overlap_counts,
    worked_examples,
)
from cnnlab.widgets import zero_insertion
from tests.explorers import MAKERS, VIEWS

CORE = next(iter(VIEWS.values())).parents[2] / "widgets" / "static" / "core.js"


def mixed(salt: int, a: int, b: int, c: int, modulus: int) -> int:
    """The small whole numbers of the depthwise steps."""
    return ((salt + 73 * a + 179 * b + 283 * c + 31 * a * b + 17 * b * c + 41 * a * c) % 101) % modulus


def step_tensors(channels: int, filters: int, kernel: int, size: int) -> tuple[torch.Tensor, ...]:
    """Input (1, C, n, n), depthwise (C, 1, k, k) and pointwise weights (K, C, 1, 1), as the explorer makes them."""
    C, K, k, n = range(channels), range(filters), range(kernel), range(size)
    x = [[[mixed(3, c, i, j, 5) for j in n] for i in n] for c in C]
    depthwise = [[[[mixed(11, c, u, v, 3) - 1 for v in k] for u in k]] for c in C]
    pointwise = [[[[mixed(66, f, c, f * f + 5 * c, 3) - 1]] for c in C] for f in K]
    return tuple(torch.tensor(values, dtype=torch.double) for values in ([x], depthwise, pointwise))


@pytest.fixture(scope="module")
def node():
    """``node(file, expression)``: what a JavaScript expression gives in which the module's exports are ``m``."""
    executable = shutil.which("node")
    if executable is None:
        message = "no Node found; on Debian or Ubuntu: apt-get install nodejs"
        if os.environ.get("CNNLAB_REQUIRE_NODE") == "1":
            pytest.fail(message)
        pytest.skip(message)

    def ask(file: Path, expression: str) -> Any:
        code = f"import * as m from {json.dumps(file.as_uri())}; console.log(JSON.stringify({expression}))"
        done = subprocess.run(
            [executable, "--input-type=module", "-e", code], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def test_numbers_as_words(node):
    asked = "[m.count(1234567), m.count(12), m.signed(-3), m.tidy(-0.001), m.tidy(2.5), m.tidy(-1.23456, 4)]"
    assert node(CORE, asked) == ["1,234,567", "12", "−3", "0", "2.5", "−1.2346"]
    assert node(CORE, "[999, 1234, 45600, 7.89e6, 1.5e11].map(m.short)") == [
        "999",
        "1.23 k",
        "45.6 k",
        "7.89 M",
        "150 G",
    ]
    assert node(CORE, "[...m.bytes('AP8B')]") == [0, 255, 1]


@pytest.mark.parametrize(("blocks", "gain"), [(1, 0.05), (8, 1.0), (54, 0.3), (110, 1.5)])
def test_shares_of_paths(node, blocks, gain):
    shares = node(VIEWS["residual_paths"], f"m.shares({blocks}, {gain})")
    assert np.allclose(shares, [comb(blocks, k) * gain**k / (1 + gain) ** blocks for k in range(blocks + 1)], atol=1e-9)


def test_powers_of_ten_in_words(node):
    assert node(VIEWS["residual_paths"], "[2, -1, 0.3, 33.2, -143.4].map(m.number)") == [
        "100",
        "0.1",
        "2",
        "10³³",
        "10⁻¹⁴³",
    ]


def test_dilation_grid_counts_the_paths_of_grid_coverage(node):
    stacks = [*product((1, 2, 3, 9), repeat=2), (1,), (9, 9, 9, 9), (1, 2, 5), (3, 5, 2, 9), (1, 4, 4), (1, 3, 9)]
    found = node(VIEWS["dilation_grid"], f"{json.dumps(stacks)}.map((own) => [m.measure(own), m.explain(own)])")
    for rates, (geo, said) in zip(stacks, found, strict=True):
        ways = grid_coverage(3, rates)
        field, read = ways.shape[0], int((ways > 0).sum())
        assert torch.equal(torch.tensor(geo["ways"]).outer(torch.tensor(geo["ways"])), ways.long())
        assert field == receptive_field_of([(3, 1, rate) for rate in rates])[-1][0]
        assert (geo["field"], geo["read"]) == (field, read)
        assert (geo["least"], geo["most"]) == (int(ways[ways > 0].min()), int(ways.max()))
        assert geo["shared"] == int(((ways[:, 1:] > 0) & (ways[:, :-1] > 0)).sum())
        if read == field**2:
            assert f"every pixel of its {field} × {field} field" in said
            assert ("exactly one path" in said) == (int(ways.max()) == 1)
        else:
            assert f"reads {read:,} of the {field**2:,} pixels" in said and f"{round(100 * read / field**2)} %" in said
        assert ("No rate is 1" in said) == (min(rates) > 1 and gcd(*rates) == 1)
        assert (f"multiple of {gcd(*rates)}, so the outputs form {gcd(*rates) ** 2} grids" in said) == (gcd(*rates) > 1)
        assert ("Rate 4 steps farther than the 3 pixels that the smaller rates span" in said) == (rates == (1, 4, 4))


def test_dilation_grid_tells_the_taps_of_a_pixel(node):
    places = [(1, 0), (2, -2), (-6, 6), (7, 0)]
    found = node(VIEWS["dilation_grid"], f"{json.dumps(places)}.map(([x, y]) => m.tell([2, 2, 2], x, y))")
    ways = grid_coverage(3, (2, 2, 2))
    assert found[0] == "Pixel 1 right: a hole. Whichever tap each layer takes, no choice of taps adds up to 1 across."
    assert f"Pixel 2 right and 2 up: {int(ways[4, 8])} paths (6 × 6)." in found[1]
    assert "Pixel 6 left and 6 down: 1 path (1 × 1)." in found[2]
    assert "across −6 is −2 − 2 − 2; down 6 is 2 + 2 + 2." in found[2]
    assert found[3] == "Pixel 7 right: outside the field."


def test_convolution_arithmetic_has_the_sizes_and_reads_of_torch(node):
    names = ("size", "kernel", "stride", "padding", "dilation")
    states = [dict(zip(names, values)) for values in product((1, 5, 8, 14), (1, 3, 7), (1, 3), (0, 1, 4), (1, 2))]
    for state, geo in zip(states, node(VIEWS["convolution_arithmetic"], f"{json.dumps(states)}.map(m.measure)")):
        n, k, s, p, d = state.values()
        if extent(k, d) > n + 2 * p:
            assert geo["out"] == 0 and not any(geo["reads"]), state
            continue
        assert geo["out"] == output_size(n, k, s, p, d), state
        # How often an input is read is its gradient under a kernel of ones.
        row = torch.zeros(1, 1, n + 2 * p, requires_grad=True)
        F.conv1d(row, torch.ones(1, 1, k), stride=s, dilation=d).sum().backward()
        assert geo["reads"] == row.grad.flatten().int().tolist(), state


def test_depthwise_steps_has_the_numbers_and_the_bill_of_torch(node):
    names = ("channels", "filters", "kernel", "size")
    states = [dict(zip(names, values)) for values in ((3, 5, 3, 6), (8, 128, 5, 12), (1, 1, 1, 1), (5, 2, 2, 7))]
    for state, geo in zip(states, node(VIEWS["depthwise_steps"], f"{json.dumps(states)}.map(m.measure)")):
        x, depthwise, pointwise = step_tensors(*state.values())
        middle = F.conv2d(x, depthwise, groups=state["channels"])
        assert geo["mid"] == middle[0].flatten(1).tolist()
        whole = F.conv2d(x, compose_depthwise_separable(depthwise, pointwise))[0].flatten(1)
        assert geo["out"] == whole[:5].tolist()
        assert geo["whole"] == depthwise[0].numel() * pointwise.numel()
        assert (geo["deep"], geo["point"]) == (depthwise.numel(), pointwise.numel())
    asked = "[1, 16, 17, 32].map((t) => m.progress(m.measure({channels: 3, filters: 5, kernel: 3, size: 6}), t).now)"
    assert node(VIEWS["depthwise_steps"], asked) == [[27, 135], [432, 2160], [447, 2160], [672, 2160]]


def whole_numbers(text: str) -> list[int]:
    return [int(found.replace(",", "").replace("−", "-")) for found in re.findall(r"−?\d[\d,]*", text)]


@pytest.mark.parametrize("sizes", [*DEPTHWISE_STEPS_PRESETS.values(), (2, 3, 2, 4), (8, 100, 5, 5), (1, 1, 1, 1)])
def test_depthwise_steps_counts_as_summarize(node, sizes):
    state = json.dumps(dict(zip(("channels", "filters", "kernel", "size"), sizes)))
    said = node(VIEWS["depthwise_steps"], f"m.explain(m.measure({state}))")
    channels, filters, kernel, size = sizes
    shape = (channels, size, size)
    two = summarize(DepthwiseSeparableConv2d(channels, filters, kernel, padding=0, bias=False), shape)
    one = summarize(StandardConv2d(channels, filters, kernel, padding=0, bias=False), shape)
    macs = {layer.name: layer.macs for layer in two.layers}
    bill = f"{macs['depthwise']:,} + {macs['pointwise']:,} = {two.macs:,} multiplications"
    assert f"{bill}, the standard convolution {one.macs:,}: " in said
    assert ("here two steps cost more" in said) == (two.macs > one.macs)
    assert 1 / filters + 1 / kernel**2 == pytest.approx(two.macs / one.macs)


def test_depthwise_steps_tells_each_product(node):
    x, depthwise, pointwise = step_tensors(3, 5, 3, 6)
    middle = F.conv2d(x, depthwise, groups=3)[0].flatten(1)
    output = F.conv2d(x, compose_depthwise_separable(depthwise, pointwise))[0].flatten(1)
    geo = "m.measure({channels: 3, filters: 5, kernel: 3, size: 6})"
    first, second, last = node(VIEWS["depthwise_steps"], f"[6, 22, 32].map((t) => m.tell({geo}, t))")
    assert first[0].startswith("Step 1, depthwise, at row 2, column 2: 3 × 9 = 27 multiplications.")
    for c, line in enumerate(first[1:]):
        window, taps = x[0, c, 1:4, 1:4].flatten().int().tolist(), depthwise[c].flatten().int().tolist()
        products = [n for pair in zip(window, taps) for n in pair]
        assert whole_numbers(line.split(":")[1]) == [*products, int(middle[c, 5])]
    assert second[0].startswith("Step 2, pointwise, at row 2, column 2: 5 × 3 = 15 multiplications")
    for f, line in enumerate(second[1:]):
        pairs = zip(pointwise[f].flatten().int().tolist(), middle[:, 5].int().tolist())
        assert whole_numbers(line.split(":")[1]) == [*(n for pair in pairs for n in pair), int(output[f, 5])]
    examples = worked_examples()
    macs = [examples[f"{kind} 3x3"].macs for kind in ("separable", "standard")]
    assert f"All done: {macs[0]:,} multiplications against {macs[1]:,}." in last[0]
    many = node(VIEWS["depthwise_steps"], "m.tell(m.measure({channels: 8, filters: 100, kernel: 5, size: 5}), 1)")
    assert many[-1] == "and 4 more channels, counted but not drawn"


def zero_insertion_weights(name: str, kernel: int, stride: int) -> torch.Tensor:
    hat = (1 - (torch.arange(kernel, dtype=torch.double) - (kernel - 1) / 2).abs() / stride).clamp(min=0)
    return {
        "ones": torch.ones(kernel, kernel, dtype=torch.double),
        "triangle": hat.outer(hat),
        "numbers": torch.tensor(ZERO_INSERTION_KERNEL, dtype=torch.double)[:kernel, :kernel],
    }[name]


def test_zero_insertion_is_conv_transpose2d(node):
    names = ("size", "kernel", "stride", "padding", "output_padding")
    states = [
        dict(zip(names, values)) | {"weights": weights, "pixels": pixels}
        for values in product((1, 3, 6), (1, 2, 5), (1, 2, 3), (0, 1, 4), (0, 1, 2))
        if values[4] < values[2] and values[3] < values[1] and values[2] * (values[0] - 1) + values[1] > 2 * values[3]
        for weights, pixels in (("ones", "numbers"), ("triangle", "ones"), ("numbers", "numbers"))
    ]
    data = json.dumps(zero_insertion().params["data"])
    geo = f"((geo) => [geo.value, geo.count, m.explain(geo)])(m.measure(own, {data}))"
    found = node(VIEWS["zero_insertion"], f"{json.dumps(states)}.map((own) => {geo})")
    for state, (value, count, said) in zip(states, found, strict=True):
        n, k, s, p, o, weights, pixels = state.values()
        x = torch.tensor(ZERO_INSERTION_INPUT, dtype=torch.double)[:n, :n]
        x = torch.ones_like(x) if pixels == "ones" else x
        kernel = zero_insertion_weights(weights, k, s)
        expected = F.conv_transpose2d(x[None, None], kernel[None, None], None, s, p, o)[0, 0]
        assert torch.allclose(torch.tensor(value, dtype=torch.double), expected, rtol=0, atol=1e-9), state
        out = transposed_output_size(n, k, s, p, o)
        assert said.startswith(f"{n} × {n} pixels become {out} × {out}.")
        if not o:
            assert torch.equal(torch.tensor(count), overlap_counts(k, s, n, p)), state


@pytest.mark.parametrize("name", ZERO_INSERTION_PRESETS)
def test_zero_insertion_says_what_a_flat_input_becomes(node, name):
    *values, weights = ZERO_INSERTION_PRESETS[name]
    kernel, stride = values[1:3]
    state = dict(zip(("size", "kernel", "stride", "padding", "output_padding", "weights"), (*values, weights)))
    data = json.dumps(zero_insertion().params["data"])
    said = node(VIEWS["zero_insertion"], f"m.explain(m.measure({json.dumps(state)}, {data}))")
    w = zero_insertion_weights(weights, kernel, stride)
    sums = sorted({float(w[i::stride, j::stride].sum()) for i in range(stride) for j in range(stride)})
    if len(sums) == 1:
        assert f"comes out flat, {sums[0]:g} everywhere inside" in said
    else:
        words = ", ".join(f"{s:g}" for s in sums[:-1]) + f" and {sums[-1]:g}"
        assert f"comes out as {words}, by turns" in said
    assert ("checkerboard" in said) == (kernel % stride != 0 and kernel > stride)
    assert ("leaves gaps" in said) == (kernel < stride)


def test_zero_insertion_tells_each_sum(node):
    state = (
        '{"size": 4, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1, "weights": "ones", "x": 1, "y": 1}'
    )
    data = json.dumps(zero_insertion().params["data"])
    told = f"((own) => m.tell(m.measure(own, {data}), own))"
    found = node(
        VIEWS["zero_insertion"], f"[{{}}, {{stamps: true, x: 0, y: 0}}].map((own) => {told}({{...{state}, ...own}}))"
    )
    assert found == [
        "Output row 2, column 2: 4 of the 9 taps meet pixels, the rest zeros. 3·1 + 0·1 + 1·1 + 2·1 = 6",
        "Input row 1, column 1 holds 2: it adds 2 times the kernel to rows 1 to 2, columns 1 to 2 of the output.",
    ]


def test_zero_insertion_offers_what_is_possible(node):
    asked = (
        "[[4, 1, 1], [1, 5, 1], [6, 5, 3], [5, 2, 3]].map(([size, kernel, stride]) =>"
        " m.limits({ size, kernel, stride, padding: 4, output_padding: 2, stamps: false }))"
    )
    found = node(VIEWS["zero_insertion"], asked)
    assert [own["padding"]["high"] for own in found] == [0, 2, 4, 1]
    assert [own["output_padding"]["high"] for own in found] == [0, 0, 2, 2]


@pytest.mark.slow
def test_every_view_is_a_module_that_exports_explore(node):
    kinds = {name: node(view, "typeof m.explore") for name, view in VIEWS.items()}
    assert kinds == dict.fromkeys(VIEWS, "function")


def test_shares_of_likeness(node):
    near = {"features": [[1, 2], [0, 3], [3, 1], [2, 0]], "pixels": [[2, 1], [3, 2], [0, 1], [1, 2]]}
    data = json.dumps({"near": near, "from": ["a", "a", "b", "b"], "of": {"a": [0, 1], "b": [2, 3]}})
    state = json.dumps({"photo": "b", "piece": 1})
    asked = f"[m.explain({state}, {data}), m.overall({data}), m.place(2, {data})]"
    said, overall, place = node(VIEWS["more_like_this"], asked)
    assert said.endswith("come from the same photograph: 1 of 2 by features and 1 of 2 by pixels.")
    assert overall.startswith("Over all 4 pieces: 50 % by features and 25 % by pixels.")
    assert place == {"photo": "b", "piece": 0}


def test_what_a_cover_costs(node):
    data = json.dumps(MAKERS["occlusion_map"]().params["data"])
    own = f"m.chosen({{photo: 'dark', size: '4'}}, {data})"
    asked = (
        f"[m.explain({{row: 1, column: 1}}, {own}), m.explain({{row: 1, column: 2}}, {own}), m.overall({own}),"
        f" {own}.left.length, m.cost(0.3, 0.6), m.cost(0.9, 0.6),"
        " [0, 2.9, 3.1, 5, 8].map((pixel) => m.placed(pixel, 4, 3, 2))]"
    )
    moved, still, overall, count, costs, helps, places = node(VIEWS["occlusion_map"], asked)
    assert moved == "“cat” has 60 % in the whole photo and 0 % with the square here; the first answer is now “dog”."
    assert still.endswith("and 30 % with the square here; it is still the first answer.")
    assert overall == (
        "Of 9 places, 8 leave the answer as it is, and at 2 the square even helps it. At the worst one it falls to 0 %."
    )
    assert count == 9 and costs == pytest.approx(0.5) and helps == pytest.approx(-0.5)
    assert places == [0, 0, 1, 2, 2]


def test_the_bill_of_an_inception_module_is_that_of_its_layers(node):
    """Each preset's, branch by branch, against the layers; and the presets against the network of 2014."""
    from cnnlab.chapters.googlenet.inception_module import _NAMES, MODULES
    from cnnlab.meta import on_meta
    from cnnlab.models import create_model
    from cnnlab.models.googlenet import NaiveInception

    states = [dict(zip(_NAMES, own, strict=True)) for own in MODULES.values()]
    ask = f"{json.dumps(states)}.map((s) => [m.bill(s), m.explain(s)])"
    answers = node(VIEWS["inception_module"], ask)
    whole = summarize("googlenet_2014")
    for (name, own), (rows, text) in zip(MODULES.items(), answers, strict=True):
        parts = [whole[f"inception{name}.{branch}"] for branch in ("conv1x1", "conv3x3", "conv5x5", "pool")]
        assert [row["before"] + row["kernel"] for row in rows] == [part.macs for part in parts]
        assert [row["out"] for row in rows] == [part.output_shape[1] for part in parts]
        assert parts[0].output_shape[2] == own[-1]
        channels, c1x1, _, c3x3, _, c5x5, _, side = own
        with on_meta():
            naive = NaiveInception(channels, c1x1, c3x3, c5x5)
        naive = summarize(naive, (channels, side, side))
        assert sum(row["naive"] for row in rows) == naive.macs
        assert sum(row["all"] for row in rows) == naive[""].output_shape[1]
        assert f"become {sum(row['out'] for row in rows)} " in text and "dearest branch is 3 × 3" in text
    with on_meta():
        model = create_model("googlenet_2014")
    for name, (channels, *_) in MODULES.items():
        assert model.get_submodule(f"inception{name}").conv1x1[0].in_channels == channels
    assert node(VIEWS["inception_module"], "[0, 4.8e6, 9.96e6, 1.6e9].map(m.millions)") == [
        *("0", "4.8 M", "10 M", "1,600 M"),
    ]


def test_a_batch_is_normed_as_torch_norms_it(node):
    """In both modes, with the running statistics of all batches up to it; the first picture is in each, none twice."""
    values = [round(float(value), 3) for value in torch.randn(80, generator=torch.Generator().manual_seed(0)) * 2 + 1]
    states = [
        {"mode": mode, "batch": batch, "gamma": 1.5, "beta": -0.5, "draw": draw}
        for mode in ("train", "eval")
        for batch, draw in ((2, 0), (8, 5), (64, 11))
    ]
    ask = f"((v) => {json.dumps(states)}.map((s) => [m.normed(s, {{ values: v }}), m.drawn(80, s.batch, s.draw)]))"
    for state, (found, places) in zip(states, node(VIEWS["batch_distribution"], f"{ask}({values})"), strict=True):
        assert places[0] == 0 and len(set(places)) == state["batch"] and set(places) <= set(range(80))
        norm = torch.nn.BatchNorm1d(1).double()
        torch.nn.init.constant_(norm.weight, 1.5)
        torch.nn.init.constant_(norm.bias, -0.5)
        ask = f"[...Array({state['draw'] + 1}).keys()].map((d) => m.drawn(80, {state['batch']}, d))"
        for batch in node(VIEWS["batch_distribution"], ask):
            x = torch.tensor([values[place] for place in batch], dtype=torch.float64)[:, None]
            out = norm(x)
        out = out if state["mode"] == "train" else norm.eval()(x)
        assert found["after"] == pytest.approx(out[:, 0].tolist(), abs=1e-9)
        assert found["kept"]["mean"] == pytest.approx(norm.running_mean.item())
        assert found["kept"]["variance"] == pytest.approx(norm.running_var.item())
    one = {"mode": "train", "batch": 1, "gamma": 2, "beta": 0.5, "draw": 3}
    (alone, words) = node(
        VIEWS["batch_distribution"],
        f"((s, d) => [m.normed(s, d), m.explain(s, m.normed(s, d))])({json.dumps(one)}, {{ values: {values} }})",
    )
    assert alone["after"] == [0.5] and alone["kept"] == {"mean": 0, "variance": 1} and "Torch refuses it." in words


def test_a_layer_in_segments_weighs_what_its_modules_weigh(node):
    """At every point of the spectrum; at equal weights no wider layer would fit."""
    from cnnlab.chapters.xception.segment_spectrum import SEGMENTS
    from cnnlab.chapters.xception.small import Kind, unit
    from cnnlab.meta import on_meta

    def weights(width, segments):
        with on_meta():
            steps = unit(width, width, Kind(mix_first=True, segments=segments or None))[:2]
        return [sum(p.numel() for p in step.parameters()) for step in steps]

    states = [
        {"channels": channels, "segments": segments, "hold": hold}
        for channels in (16, 48)
        for segments in SEGMENTS
        for hold in ("width", "weights")
    ]
    found = node(VIEWS["segment_spectrum"], f"{json.dumps(states)}.map((s) => [m.measure(s), m.explain(s)])")
    for state, (own, said) in zip(states, found, strict=True):
        segments, budget = state["segments"], sum(weights(state["channels"], 1))
        assert [own["mix"], own["look"]] == weights(own["W"], segments) and own["budget"] == budget
        assert own["all"] == own["mix"] + own["look"] and f"{own['all']:,} in all" in said
        if state["hold"] == "width":
            assert own["W"] == state["channels"]
        else:
            assert own["all"] <= budget < sum(weights(own["W"] + (segments or 1), segments))
    assert sum(weights(48, 0)) == summarize(unit(48, 48, Kind(mix_first=True))[:2], (48, 3, 3)).macs / 9


def test_mobile_budget_finds_the_best_network_that_fits(node):
    from cnnlab.chapters.mobilenets.family import FAMILY, cost
    from cnnlab.chapters.mobilenets.mobile_budget import FIRST_PHONE, mobile_budget

    data = mobile_budget().params["data"]
    state = {"version": "v2", "width": 75, "size": 160, "cost": "macs", "budget": 25}
    phone = state | {"cost": "phone", "budget": 30}
    found, timed, said = node(
        VIEWS["mobile_budget"],
        f"((d) => [m.weigh({json.dumps(state)}, d), m.weigh({json.dumps(phone)}, d), "
        f"m.explain({json.dumps(state)}, d)])(m.decode({json.dumps(data)}))",
    )
    limit = cost("v1")[1] / 4
    fit = [m for m in FAMILY if cost(m.version, m.width, m.size)[1] <= limit]
    best = max(fit, key=lambda m: m.accuracy)
    assert len(found["fit"]) == len(fit) and len(found["shown"]) == len(FAMILY)
    assert (found["best"]["version"], found["best"]["accuracy"]) == (best.version, best.accuracy)
    assert f"{best.accuracy:.1f} %" in said and "66.4 % of ImageNet right" in said
    assert timed["limit"] == pytest.approx(0.3 * FIRST_PHONE)
    assert all(row["phone"] <= timed["limit"] for row in timed["fit"])
    assert len(timed["shown"]) == 21 + 2 + 1  # and the first of all, by the second paper


def test_a_stack_and_its_rival_cost_what_summarize_counts(node):
    states = [
        dict(zip(("kernel", "layers", "channels", "side"), values))
        for values in ((3, 3, 256, 56), (3, 2, 128, 112), (5, 2, 64, 28), (7, 1, 512, 7), (7, 5, 64, 14))
    ]
    found = node(VIEWS["stack_builder"], f"{json.dumps(states)}.map((own) => [m.measure(own), m.explain(own)])")
    for (k, layers, channels, side), (seen, said) in zip((state.values() for state in states), found, strict=True):
        field = receptive_field_of([(k, 1, 1)] * layers)[-1][0]
        assert seen["field"] == field
        for name, kernel, count in (("stack", k, layers), ("one", field, 1)):
            with torch.device("meta"):
                convs = [
                    torch.nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False) for _ in range(count)
                ]
            counted = summarize(torch.nn.Sequential(*convs), (channels, side, side))
            own = seen[name]
            assert (own["weights"], own["macs"], own["relus"]) == (counted.params, counted.macs, count)
            assert own["bytes"] == counted.activation_bytes
        assert f"{seen['one']['squares']} C²" in said
        if layers > 1:
            assert f": {round(100 - 100 * seen['stack']['weights'] / seen['one']['weights'])} % fewer" in said


def test_residual_budget_counts_as_the_zoo_does(node):
    from cnnlab.meta import on_meta
    from cnnlab.models.resnet import ResNetVariant
    from cnnlab.models.resnext import CIFARResNeXt
    from cnnlab.models.wide_resnet import CIFARWideResNet, WideResNetVariant

    def built(block: str, blocks: int, width: int, paths: int) -> torch.nn.Module:
        if block == "basic":
            return CIFARWideResNet(WideResNetVariant(6 * blocks + 4, width // 16))
        shape = {"bottleneck": True, "cardinality": paths, "base_width": width // paths, "small_input": True}
        return CIFARResNeXt(ResNetVariant((blocks, blocks, blocks, 0), **shape))

    states = [("basic", 1, 16, 1), ("basic", 3, 160, 8), ("basic", 1, 32, 1), ("bottleneck", 1, 16, 16)]
    states += [("bottleneck", 2, 64, 1), ("bottleneck", 3, 160, 4)]
    named = [dict(zip(("block", "blocks", "width", "paths"), state, strict=True)) for state in states]
    found = node(VIEWS["residual_budget"], f"{json.dumps(named)}.map(m.bill)")
    for state, own in zip(states, found, strict=True):
        with on_meta():
            counted = summarize(built(*state), (3, 32, 32))
        assert (own["params"], own["macs"]) == (counted.params, counted.macs), state
    models = {"ResNet-110": "resnet110_cifar", "pre-act 1001": "preact_resnet1001_cifar"}
    models |= {"WRN-40-4": "wrn40_4_cifar", "WRN-16-8": "wrn16_8_cifar", "WRN-28-10": "wrn28_10_cifar"}
    models |= {f"ResNeXt-29, {c}×64d": f"resnext29_{c}x64d_cifar" for c in (8, 16)}
    papers = node(VIEWS["residual_budget"], "m.PAPERS")
    assert {name for name, *_ in papers} == set(models)
    for name, params, macs, error in papers:
        counted = summarize(models[name])
        assert (params, macs) == (counted.params, counted.macs), name
        from cnnlab.models import model_info

        published = model_info(models[name]).published
        assert published is None or round(100 - published.top1, 2) == error, name


def test_a_width_line_makes_the_stages_and_the_bill_of_the_models(node):
    """All of the zoo's RegNets in both roundings, one of nobody's, and what four of them cost."""
    from torch import nn

    from cnnlab.meta import on_meta
    from cnnlab.models.regnet import VARIANTS, RegNet, RegNetVariant, quantized_widths, stages

    odd = RegNetVariant(depth=11, w_0=8, w_a=4.0, w_m=1.5, group_width=24)
    variants = [replace(own, paper_rounding=paper) for own in (*VARIANTS.values(), odd) for paper in (True, False)]
    names = ("depth", "w_0", "w_a", "w_m", "group_width", "excite")
    states = [
        {name: getattr(own, name) for name in names} | {"rounding": "paper" if own.paper_rounding else "torchvision"}
        for own in variants
    ]
    found = node(VIEWS["width_line"], f"{json.dumps(states)}.map((s) => [m.quantized(s), m.stages(s), m.bill(s)])")
    for own, (widths, rows, _) in zip(variants, found, strict=True):
        assert widths == quantized_widths(own)
        assert [(blocks, width) for blocks, width, *_ in rows] == stages(own)
    counted = [2, 15, 20, 31]  # X-800MF and Y-400MF, Y-3.2GF and the odd one
    for own, (_, _, bill) in ((variants[i], found[i]) for i in counted):
        out = []
        with on_meta():
            model = RegNet(own).eval()
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(lambda _, __, y, out=out: out.append(y[0].numel()))
        model(torch.zeros(1, 3, 224, 224, device="meta"))
        cost = {"params": sum(p.numel() for p in model.parameters()), "activations": sum(out)}
        assert bill == cost | {"macs": summarize(model, (3, 224, 224)).macs}


def test_three_knobs_count_as_the_model_does(node):
    from cnnlab.chapters.efficientnet.three_knobs import FAMILY
    from cnnlab.meta import on_meta
    from cnnlab.models import model_info
    from cnnlab.models.efficientnet import EfficientNet, EfficientNetVariant, compound_scaling

    states = [(1.0, 1.0, 224), FAMILY["B3"], (4.0, 1.0, 224), (1.3, 2.2, 260)]
    named = [dict(zip(("depth", "width", "resolution"), state, strict=True)) for state in states]
    found = node(VIEWS["three_knobs"], f"{json.dumps(named)}.map(m.bill)")
    for (depth, width, side), own in zip(states, found, strict=True):
        with on_meta():
            net = EfficientNet(EfficientNetVariant(width=width, depth=depth, resolution=side, dropout=0.2))
        counted = summarize(net, (3, side, side))
        assert (own["params"], own["macs"]) == (counted.params, counted.macs), (depth, width, side)
        assert [many for many, *_ in own["stages"]] == [len(blocks) for blocks in net.stages]
    for name, _, accuracy in node(VIEWS["three_knobs"], "m.FAMILY"):
        info = model_info(f"efficientnet_{name.lower()}")
        assert info.published.top1 == accuracy
        assert FAMILY[name][:2] == (info.variant.depth, info.variant.width)
    for phi, own in zip((1, 7), node(VIEWS["three_knobs"], "[1, 7].map(m.compound)"), strict=True):
        rule = compound_scaling(phi)
        assert abs(own["depth"] - rule.depth) <= 0.05 and abs(own["width"] - rule.width) <= 0.05
        assert abs(own["resolution"] - 224 * rule.resolution) <= 2 and own["resolution"] % 4 == 0
    spoken = node(VIEWS["three_knobs"], "m.explain({depth: 1, width: 1, resolution: 224})")
    assert "1.00 times B0’s" in spoken and "16 blocks" in spoken


@pytest.mark.slow
def test_a_dense_plan_and_its_rival_cost_what_the_models_do(node):
    """Three of the paper's networks and one of nobody's; what is kept is compared with what autograd keeps."""
    from cnnlab.chapters.densenet.dense_plan import PANEL, _blocks, _channels
    from cnnlab.chapters.densenet.memory import kept_per_picture
    from cnnlab.meta import on_meta
    from cnnlab.models.densenet import DenseNet, DenseNetVariant
    from cnnlab.models.preact_resnet import PreActResNet, PreActResNetVariant

    odd = {"plan": "cifar", "growth": 5, "layers": 3, "bottleneck": True, "compression": 0.3}
    presets = {**PANEL.presets, "odd": odd}
    states = [{"last": 16} | own for own in presets.values()]
    asked = "[m.dense(s), m.rival(s), m.explain(m.dense(s), m.rival(s))]"
    found = node(VIEWS["dense_plan"], f"{json.dumps(states)}.map((s) => {asked})")
    for name, (dense, rival, _) in zip(PANEL.presets, found):
        assert dense["depth"] == int(re.search(r"\d+", name)[0]) + (name == "264")
        assert abs(rival["params"] / dense["params"] - 1) < 0.05
    for name, state, (dense, rival, said) in zip(presets, states, found, strict=True):
        if name not in ("40, k = 12", "BC 100, k = 12", "121", "odd"):
            continue
        big, both = state["plan"] == "imagenet", state["bottleneck"]
        layers = _blocks(state["plan"], state["layers"], state["last"])
        shape, classes = ((3, 224, 224), 1000) if big else ((3, 32, 32), 10)
        growth, kept = state["growth"], state["compression"]
        stem = 2 * growth if big or (both and kept < 1) else 16
        units = max(1, int(state["layers"] / 2 + 0.5))
        with on_meta():
            variant = DenseNetVariant(layers, growth, stem, both, kept, small_input=not big)
            model = DenseNet(variant, num_classes=classes)
            blocks, width = ((3, 4, 6, 3) if big else (units,) * 3), rival["width"]
            widths = tuple(width * 2**stage for stage in range(len(blocks)))
            plan = PreActResNetVariant(blocks, widths, bottleneck=big, small_input=not big)
            other = PreActResNet(plan, num_classes=classes)
        for told, net in ((dense, model), (rival, other)):
            counted = summarize(net, shape)
            assert (told["params"], told["macs"]) == (counted.params, counted.macs), name
            assert told["kept"] == kept_per_picture(net.train(), shape), name
        assert dense["channels"] == model.fc.in_features == _channels(**state)
        assert f"{dense['channels']:,} channels reach" in said


def test_a_gates_numbers_and_what_is_said_of_them(node):
    data = json.dumps(MAKERS["channel_gates"]().params["data"])
    state = '{photo: 1, block: "stage1.0", channel: 2, mode}'
    asked = f"""["own", "usual", "off"].map((mode) => {{
        const own = m.chosen({state}, {data});
        return [own.used, [...own.map].length, m.explain({state}, own), m.answered({state}, own)];
    }})"""
    own, usual, off = node(VIEWS["channel_gates"], asked)
    assert own[:2] == [[0.5, 0.0, 0.7], 16] and usual[0] == [0.5, 0.0, 1.0] and off[0] == [1, 1, 1]
    assert own[2].startswith("Channel 2 of this picture is multiplied by 0.70; usually by 1.00.")
    assert own[2].endswith("lets none through nearly whole and 1 hardly at all.")
    assert usual[3] == "With the usual numbers here it still says “dark”: 60 % in place of 90 %."
    assert off[3] == "With this gate off it says “light”, 70 %, in place of “dark”."
    assert node(VIEWS["channel_gates"], "[0, 99, 100, -3].map((x) => m.under(x, 100, 8))") == [0, 7, 7, 0]


def test_rounded_channels_are_those_that_python_rounds(node):
    from torch import nn

    from cnnlab import compress

    weights = np.random.default_rng(1).normal(size=(4, 9)) * np.array([[1], [0.3], [0.1], [0.004]])
    net = nn.Sequential(nn.Conv2d(1, 4, 3))
    net[0].weight.data.copy_(torch.tensor(weights).reshape(4, 1, 3, 3))
    for bits in (8, 4):
        for per in ("tensor", "channel"):
            state = json.dumps({"bits": bits, "keep": 100, "per": per})
            found = node(VIEWS["rounded_channels"], f"m.rounded({state}, {json.dumps(weights.tolist())})")
            wanted = compress.quantize(net, bits, per=per)[0].weight.detach().flatten(1).numpy()
            assert np.allclose(found, wanted, atol=1e-5), (bits, per)
    rows = [[1.0, -0.5], [0.01, 0.0]]
    ask = f"((r) => m.explain({{ bits: 4 }}, r, m.rounded({{ bits: 4, keep: 100, per: 'tensor' }}, r)))({rows})"
    said = node(VIEWS["rounded_channels"], ask)
    assert said.startswith("15 values") and "the worst by 100 %. Of 1 channel nothing is left." in said
    clipped = node(VIEWS["rounded_channels"], f"m.rounded({{ bits: 4, keep: 50, per: 'tensor' }}, {rows})")
    assert clipped[0] == pytest.approx([0.5, -0.5])


def test_what_is_said_of_a_pushed_photo(node):
    data = json.dumps(MAKERS["pushed_photo"]().params["data"])
    states = '[["sign", 0], ["sign", 1], ["coin", 2], ["moved", 3]]'
    ask = (
        f"{states}.map(([way, step]) => [m.explain({{ photo: 0, way, step }}, {data}),"
        f" m.changed({{ photo: 0, way }}, {data})])"
    )
    plain, sign, coin, moved = node(VIEWS["pushed_photo"], ask)
    assert plain[0] == "As it is, the network says “dark”, 90 %."
    assert sign[0].endswith("as the gradient says: “gray”, 60 %. “dark” has 30 % left of 90 %.")
    assert sign[1] == "The answer changes first at 0.25 of 255."
    assert coin[0].endswith("as a coin says: still “dark”, 88 % in place of 90 %.")
    assert moved == ["The window 6 pixels further right: still “dark”, 87 % in place of 90 %.", coin[1]]
    assert coin[1] == "Along this way the answer stays the same."


def test_a_compressed_layer_takes_the_bytes_that_its_file_does(node):
    """Weights, codebook, bytes in each form, and the error of the output, against cnnlab.compress."""
    from cnnlab import compress
    from cnnlab.widgets import compressed_layer

    drawn = np.random.default_rng(0)
    explorer = compressed_layer(drawn.laplace(0, 0.1, (16, 6, 5, 5)), drawn.normal(size=(8, 150)))
    data = explorer.params["data"]
    states = [{"share": share, "bits": bits} for share, bits in ((0, 8), (0, 2), (50, 4), (97, 3), (99, 1))]
    ask = (
        f"((d) => {json.dumps(states)}.map((s) => {{ const own = m.measure(s, d); const size = m.sizes(own.values);"
        " return [own, size, m.off(d, own.values), m.explain(own, size, 0.5, d.weights), d.weights, d.inputs]; }))"
        f"(m.decode({json.dumps(data)}))"
    )
    for state, (own, size, off, said, weights, inputs) in zip(
        states, node(VIEWS["compressed_layer"], ask), strict=True
    ):
        net = torch.nn.Sequential(torch.nn.Conv2d(6, 16, 5, bias=False))
        net[0].weight.data = torch.tensor(weights).view(16, 6, 5, 5)
        before = net[0].weight.detach().clone()
        compress.prune(net, state["share"] / 100)
        assert np.allclose(net[0].weight.detach().flatten(), own["kept"], atol=1e-7)
        books = compress.share_weights(net, state["bits"])
        assert np.allclose(books["0"], own["book"], atol=1e-5)
        for form, parts in size.items():
            wanted = compress.size_on_disk(net, form)
            assert parts == [wanted.weights, wanted.distances, wanted.codebooks], (state, form)
        x = torch.tensor(inputs, dtype=torch.float).view(8, 150)
        error = ((x @ (net[0].weight - before).flatten(1).T).norm() / (x @ before.flatten(1).T).norm()).item()
        assert off == pytest.approx(error, abs=1e-4)
        assert f"{own['left']:,} of 2,400 weights are left" in said


def test_the_cell_builder_knows_twins_ranks_and_luck(node):
    from cnnlab.chapters.searched.cells import CELLS, DRAWINGS, canonical

    cells = {cell: [100, 1000, [0.2 + 0.01 * i, 0.22 + 0.01 * i]] for i, cell in enumerate(CELLS)}
    states = [dict(zip(("first", "second", "direct"), drawing, strict=True)) | {"trials": 7} for drawing in DRAWINGS]
    call = f"((d) => {json.dumps(states)}.map((s) => [m.measure(s, d), m.explain(s, d), m.expect(s, d)]))"
    found = node(VIEWS["cell_search"], f"{call}({json.dumps({'cells': cells})})")
    for drawing, (own, said, luck) in zip(DRAWINGS, found, strict=True):
        cell = canonical(drawing)
        twins = sum(canonical(other) == cell for other in DRAWINGS)
        assert (own["cell"], own["alike"]) == (cell, twins)
        if cell == "000":
            assert "can only guess" in said and own["good"] == 125
            continue
        place = CELLS.index(cell)
        good = sum(canonical(other) in CELLS[place:] for other in DRAWINGS)
        assert own["rank"] == 59 - place and own["good"] == good
        assert own["accuracy"] == pytest.approx(0.21 + 0.01 * place) and f"number {59 - place} of 59" in said
        assert own["chance"] == pytest.approx(1 - (1 - good / 125) ** 7) and f"{good} drawing" in luck
    bare = json.dumps({"cells": {cell: [100, 1000, []] for cell in CELLS}})
    assert "not been trained yet" in node(VIEWS["cell_search"], f"m.explain({json.dumps(states[-1])}, {bare})")


def test_patch_attention_tells_what_the_weights_say(node):
    data = MAKERS["patch_attention"]().params["data"]
    roots = np.frombuffer(base64.b64decode(data["photos"][1]["roots"]), "uint8").reshape(2, 2, 10, 10)
    weights = (roots / 255.0) ** 2
    row = weights[1, 0, 1 + 3 * 2 + 1]  # layer 2, head 1, the patch in row 3, column 2
    state = "{ photo: 1, layer: 1, head: 0, asks: 'patch', row: 2, column: 1 }"
    every = f"m.taken({{ ...{state}, head: 'all', asks: 'class' }}, data)"
    asked = f"[m.taken({state}, data), m.distance(m.taken({state}, data), 2, 1, 3), m.explain({state}, data), {every}]"
    asked = f"((data) => {asked})(m.decode({json.dumps(data)}))"
    taken, far, said, whole = node(VIEWS["patch_attention"], asked)
    assert np.allclose(taken, row / row.sum())
    places = np.array([[r, c] for r in range(3) for c in range(3)])
    apart = np.hypot(*(places - [2, 1]).T)
    assert far == pytest.approx((row[1:] * apart).sum() / row[1:].sum())
    assert said.startswith("The patch in row 3, column 2 takes") and "from the class token" in said
    both = weights[1, :, 0].sum(0)
    assert np.allclose(whole, both / both.sum())
    assert node(VIEWS["patch_attention"], "[0, 99, 100, -3].map((x) => m.under(x, 100, 3))") == [0, 2, 2, 0]


@pytest.mark.parametrize("kind", ["convolution", "windows", "grid", "turns", "full"])
def test_who_hears_whom_is_what_the_layers_do(node, kind):
    """A change in one cell of the zoo's own layers, and what they cost."""
    from cnnlab.models.maxvit import MaxViTVariant, PartitionAttention, RelativeAttention
    from cnnlab.models.metaformer import Attention, SeparableConv

    class Map(torch.nn.Module):
        """A mixer of (N, H, W, C) for maps of (N, C, H, W)."""

        def __init__(self, mixer: torch.nn.Module) -> None:
            super().__init__()
            self.mixer = mixer

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.mixer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    four = MaxViTVariant(stem=32, channels=(32,) * 4, blocks=(1,) * 4, small_input=True)  # windows of 4
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        near, far = (PartitionAttention(32, four, grid, 0.0) for grid in (False, True))
        convolution, full = Map(SeparableConv(32)), Map(Attention(32))
        layers = {"convolution": [convolution] * 2, "windows": [near] * 2, "grid": [far] * 2, "full": [full] * 2}
        layers["turns"] = [near, far]
        x = torch.randn(1, 32, 24, 24)
    y = x.clone()
    y[0, :5, 2, 19] += 3
    state = {"kind": kind, "layers": 2, "side": 24, "x": 19, "y": 2}
    first = node(VIEWS["attention_reach"], f"m.first({json.dumps(state)})")
    with torch.no_grad():
        for number, layer in enumerate(layers[kind], 1):
            x, y = layer(x), layer(y)
            changed = ((x - y).abs().amax((0, 1)) > 0).tolist()
            assert changed == [[at is not None and at <= number for at in row] for row in first], number
    bill = node(VIEWS["attention_reach"], f"m.bill({json.dumps(kind)}, 24)")
    own = {"convolution": SeparableConv(64), "full": Attention(64)}.get(kind, RelativeAttention(64, 32, 4))
    shape = (36, 16, 64) if kind in ("windows", "grid", "turns") else (24, 24, 64)
    assert bill["all"] == summarize(own, shape).macs


def test_a_sketch_costs_and_sees_what_summarize_counts(node):
    from cnnlab.chapters.design_rules.sketch_network import SKETCHES, Sketched, _rows, sketched_model

    uneven = [Sketched("conv", 10, 4, 2, 0), Sketched("average", 1, 3, 2, 1), Sketched("conv", 8, 3, 1, 2, 2)]
    sketches = [*SKETCHES.values(), ([*uneven, Sketched("global"), Sketched("dense", 10)], 64, False, 10)]
    fitting = [(layers, side, 3 if color else 1) for layers, side, color, _ in sketches]
    asked = [[_rows(layers), side, channels] for layers, side, channels in fitting]
    code = f"{json.dumps(asked)}.map((own) => [m.measure(...own), m.training(m.measure(...own))])"
    broken = 0
    for (layers, side, channels), (rows, training) in zip(fitting, node(VIEWS["sketch_network"], code), strict=True):
        if any("broken" in row for row in rows):
            broken += 1
            with pytest.raises(ValueError, match="does not fit"):
                sketched_model(layers, channels, side)
            continue
        counted = summarize(sketched_model(layers, channels, side), (channels, side, side))
        units = [x for x in counted.layers if x.kind not in ("Sequential", "ReLU", "Flatten")]
        assert sum(row["weights"] for row in rows) == counted.params
        assert sum(row["macs"] for row in rows) == counted.macs
        assert sum(row["bytes"] for row in rows) == counted.activation_bytes
        assert training == 64 * counted.activation_bytes + 16 * counted.params
        for row, own in zip(rows, units, strict=True):
            sides = [row["n"]] * 2 if row["n"] else []
            assert (row["weights"], row["macs"], [row["c"], *sides]) == (own.params, own.macs, [*own.output_shape[1:]])
            if row["r"] and own.receptive_field:
                assert (row["r"], row["j"]) == (own.receptive_field.size[0], own.receptive_field.jump[0])
    assert broken == 1


def test_a_sketch_warns(node):
    end = ["global", 1, 1, 1, 0, 1], ["dense", 10, 1, 1, 0, 1]
    fine = ["conv", 8, 3, 1, 1, 1], ["max", 1, 2, 2, 0, 1], ["conv", 8, 3, 1, 1, 1]
    sketches = (
        ((*fine, *end), "Layer 3 holds 65 % of all weights."),
        ((["conv", 8, 9, 1, 0, 1],), "ends without a dense layer"),
        ((["conv", 8, 3, 4, 0, 1], *end), "of every 4 rows it skips 1"),
        ((["conv", 8, 3, 2, 0, 1], *end), "never reads the last row of its map of 32"),
        ((["conv", 8, 2, 1, 0, 1], *end), "shifted by half of 1 pixel"),
        ((["conv", 8, 3, 1, 3, 1], *end), "nothing but zeros"),
        ((["conv", 8, 3, 1, 2, 1], *end), "the map grows"),
        ((["conv", 8, 3, 1, 1, 1], *end), "sees 3 pixels, less than the object's 8"),
        ((["conv", 8, 9, 1, 4, 4], ["conv", 8, 9, 1, 16, 4], *end), "field of 33 is wider than the picture's 32"),
        ((end[1], ["conv", 8, 3, 1, 1, 1]), "Layer 2 stands behind a dense layer"),
        ((["max", 1, 7, 4, 0, 1], ["conv", 8, 11, 1, 1, 1]), "spans 11 pixels, and the map has 7 and 2 zeros"),
        ((["conv", 512, 3, 1, 1, 1], ["conv", 512, 3, 1, 1, 1], *end), "Training 64 pictures at a time takes"),
    )
    asked = [[layers, 256 if "Training" in words else 32] for layers, words in sketches]
    said = "m.warnings(layers, m.measure(layers, side, 3), side, 8).map(([, words]) => words)"
    found = node(VIEWS["sketch_network"], f"{json.dumps(asked)}.map(([layers, side]) => {said})")
    assert found[0] == [sketches[0][1]]
    for (_, words), own in zip(sketches, found, strict=True):
        assert words in " ".join(own), (words, own)


def test_a_sketch_is_edited(node):
    from cnnlab.widgets import sketch_network

    start = sketch_network("LeNet-5").params["state"]
    layers = start["layers"]
    changes = [
        *(("acts", {"act": act, "chosen": at}) for act, at in (("add", 2), ("remove", 6), ("down", 0), ("up", 0))),
        *(("kernel", {"kernel": 7}), ("kind", {"kind": "max"}), ("place", {"chosen": 4})),
    ]
    asked = [[start | change, moved] for moved, change in changes]
    found = node(VIEWS["sketch_network"], f"{json.dumps(asked)}.map((own) => m.settle(...own))")
    added, removed, lowered, raised, larger, pool, chosen = found
    assert added["layers"] == [*layers[:3], layers[2], *layers[3:]] and added["chosen"] == 3
    assert removed["layers"] == layers[:6] and removed["chosen"] == 5 and removed["act"] == ""
    assert lowered["layers"][:2] == [layers[1], layers[0]] and lowered["chosen"] == 1
    assert raised["layers"] == layers  # the first has nowhere to go
    assert larger["layers"][0] == ["conv", 6, 7, 1, 0, 1]
    assert pool["layers"][0] == ["max", 1, 2, 2, 0, 1]
    assert (chosen["kind"], chosen["channels"], chosen["kernel"]) == ("dense", 120, 1)


def test_a_thousand_repeats_lie_as_they_are_told_to(node):
    """The worse one's wins against the normal distribution, the drawn against the expected, tests at 5 %."""
    from statistics import NormalDist

    named = ("gap", "pictures", "seeds", "spread", "apart")
    states = [(0.5, 1000, 1, 0.5, 12), (1.2, 500, 3, 0.8, 10), (0, 200, 5, 0, 20), (3, 50000, 20, 1.5, 30)]
    states = [dict(zip(named, own, strict=True)) | {"lot": 2} for own in states]
    asked = (
        "((all) => [m.worseWins(s), m.noise(s).all, all.map((own) => own.mean), m.tally(all, 'mcnemar'), "
        "m.tally(all, 'seeds')])(m.repeated(s))"
    )
    found = node(VIEWS["thousand_repeats"], f"{json.dumps(states)}.map((s) => {asked})")
    for own, (wins, spread, drawn, mcnemar, seeds) in zip(states, found, strict=True):
        by_pictures = (100 * own["apart"] - own["gap"] ** 2) / own["pictures"]
        assert spread == pytest.approx(((2 * own["spread"] ** 2 + by_pictures) / own["seeds"]) ** 0.5)
        assert wins == pytest.approx(NormalDist(own["gap"], spread).cdf(0), abs=1e-6)
        assert np.mean(drawn) == pytest.approx(own["gap"], abs=4 * spread / 1000**0.5)
        assert np.std(drawn) == pytest.approx(spread, rel=0.1)
        assert sum(mcnemar) == sum(seeds) == 1000
        if own["seeds"] == 1:
            assert seeds == [0, 0, 1000]
        if own["gap"] == own["spread"] == 0:  # nothing to find: each test errs in one of twenty
            assert 25 < sum(mcnemar[:2]) < 80 and 25 < sum(seeds[:2]) < 80


def test_a_threshold_counts_as_the_normal_distribution_does(node):
    """Counts and costs, the cheapest threshold against a search, and the curve's area against its formula."""
    from statistics import NormalDist

    states = [
        dict(zip(("apart", "share", "miss"), own, strict=True)) for own in ((2, 10, 20), (0.5, 1, 50), (4, 50, 1))
    ]
    cuts = [tenth / 10 for tenth in range(-30, 71)]
    asked = f"[{cuts}.map((cut) => m.tally(s, cut)), m.cheapest(s), m.points(s, 'roc')]"
    found = node(VIEWS["threshold"], f"{json.dumps(states)}.map((s) => {asked})")
    for own, (rows, cheapest, curve) in zip(states, found, strict=True):
        there = 10 * own["share"]
        for cut, row in zip(cuts, rows, strict=True):
            hits = there * (1 - NormalDist(own["apart"]).cdf(cut))
            alarms = (1000 - there) * (1 - NormalDist().cdf(cut))
            assert (row["hits"], row["alarms"]) == pytest.approx((hits, alarms), abs=1e-3)
            assert row["cost"] == pytest.approx(own["miss"] * (there - hits) + alarms, abs=0.01)
        best = min(zip((row["cost"] for row in rows), cuts, strict=True))[1]
        assert best == pytest.approx(min(7, max(-3, cheapest)), abs=0.11)
        across, up = zip(*curve, strict=True)
        assert np.trapezoid(up, across) == pytest.approx(NormalDist().cdf(own["apart"] / 2**0.5), abs=0.005)


def test_ten_boxes_are_suppressed_and_judged_as_by_the_package(node):
    from cnnlab.chapters.localization.ten_boxes import SCENE, predictions, truths
    from cnnlab.detection import average_precision, iou, nms, precision_recall

    ways = product(
        (0.1, 0.3, 0.5, 0.75, 1.0), (0.0, 0.4, 0.9), (0.3, 0.5, 0.85), ((8, 14), (22, 30), (55, 20), (90, 36))
    )
    states = [{"overlap": o, "least": s, "need": n, "x": x, "y": y} for o, s, n, (x, y) in ways]
    data = json.dumps(SCENE)
    asked = (
        f"((d) => {json.dumps(states)}.map((own) => [m.judged(m.placed(d, own), d.objects, own), m.explain(own, d),"
        f" m.score(own, d)]))({data})"
    )
    for state, (judged, said, scored) in zip(states, node(VIEWS["ten_boxes"], asked), strict=True):
        every = predictions(state["x"], state["y"])
        sure = (every.scores >= state["least"]).nonzero().squeeze(1)
        kept = sure[nms(every.boxes[sure], every.scores[sure], state["overlap"])]
        assert [own["number"] for own in judged] == kept.tolist(), state
        curve = precision_recall([every[kept]], [truths()], 0, threshold=state["need"])
        assert [own["found"] >= 0 for own in judged] == curve.right.tolist(), state
        assert f"Average precision {average_precision(curve, 'voc'):.2f}." in scored
        best = iou(every.boxes[:1], truths().boxes).max().item()
        assert f"by {best:.2f}." in said or (best == 0 and "overlaps no object" in said)
        assert said.endswith(("It stays.", "A surer box drops it.", "It is left out, too unsure."))


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_heat_maps_are_read_as_the_package_reads_them(node, stride):
    from cnnlab import pose

    states = [{"stride": stride, "sigma": sigma, "noise": noise} for sigma in (0.7, 1.0, 2.0) for noise in (0, 12)]
    places = [[17.3, 14.2], [1.1, 30.6], [16.0, 16.0]]
    asked = f"{json.dumps(states)}.flatMap((s) => {json.dumps(places)}.map(([x, y]) => m.heat(s, x, y, 3)))"
    maps = torch.tensor(node(VIEWS["heat_map_reading"], asked), dtype=torch.float64)[:, None]
    found = node(VIEWS["heat_map_reading"], f"{asked}.map((map) => m.read(map, {stride}))")
    clean, _ = pose.heat_maps(torch.tensor([places]).double(), (32 // stride,) * 2, stride=stride, sigma=0.7)
    assert torch.allclose(maps[:3, 0], clean[0], atol=1e-12)
    for method in pose.METHODS:
        ours = pose.decode(maps, stride=stride, method=method, sharpness=10.0).points[:, 0]
        theirs = torch.tensor([one[method] for one in found], dtype=torch.float64)
        assert torch.allclose(ours, theirs, atol=1e-6), method


def test_mask_threshold_measures_as_python_does(node):
    from cnnlab import segmentation

    data = MAKERS["mask_threshold"]().params["data"]
    states = [
        {"cut": cut, "grow": grow, "shift": shift, "band": band, "shows": "outcome"}
        for cut, grow, shift, band in ((8, 0, 0, 1), (5, 0, 0, 2), (8, 1, 0, 1), (8, -1, -2, 1), (15, 0, 3, 2))
    ]
    each = "[m.measured(s, data), m.explain(m.measured(s, data)), data.truth]"
    asked = f"((data) => {json.dumps(states)}.map((s) => {each}))(m.decode({json.dumps(data)}))"
    level = np.array([int(digit, 16) for digit in data["levels"]]).reshape(12, 16)
    for state, (found, said, true) in zip(states, node(VIEWS["mask_threshold"], asked), strict=True):
        truth = torch.tensor(true).view(12, 16)
        mask = torch.from_numpy(level >= state["cut"])
        if state["grow"] > 0:
            mask = F.max_pool2d(mask.float()[None], 3, 1, 1)[0] > 0
        if state["grow"] < 0:
            mask = F.max_pool2d(F.pad((~mask).float()[None], [1] * 4, value=1.0), 3, 1)[0] == 0
        moved = torch.zeros_like(mask)
        shift = state["shift"]
        moved[:, max(0, shift) : 16 + min(0, shift)] = mask[:, max(0, -shift) : 16 - max(0, shift)]
        assert found["mask"] == moved.flatten().tolist()
        iou = segmentation.overlap(moved.long(), truth.long(), 2)
        assert found["iou"] == pytest.approx(float(iou.iou[1])) and found["dice"] == pytest.approx(float(iou.dice[1]))
        assert found["boundary"] == pytest.approx(float(segmentation.boundary_iou(moved, truth, state["band"])))
        assert found["count"] == int(segmentation.components(moved).max()) and found["there"] == 2
        assert said.startswith(f"IoU {found['iou']:.3f}, Dice")
