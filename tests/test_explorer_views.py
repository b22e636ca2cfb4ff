"""The arithmetic and the words of the photo, clip, wiring and receptive field explorers, asked in Node.

What each must be is said by ``cnnlab.convolutions``, ``cnnlab.arithmetic`` and torch.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from itertools import product

import numpy as np
import pytest
import torch
from skimage import data as photographs
from torch import Tensor
from torch.nn import functional as F

from cnnlab.arithmetic import receptive_field_of
from cnnlab.chapters.conv3d.clip_kernel import CLIP_DIRECTIONS, CLIP_KERNELS, CLIP_SHAPES, clip_pixels
from cnnlab.chapters.pointwise.channel_mixer import CHANNEL_MIXES, rounded_to_64_levels
from cnnlab.chapters.seeing.kernel_playground import KERNELS
from cnnlab.chapters.seeing.receptive_field import RECEPTIVE_FIELD_CHOICES, RECEPTIVE_FIELD_PRESETS
from cnnlab.convolutions import connections, pointwise_conv2d, shuffled_order, standard_conv3d
from cnnlab.widgets import channel_mixer, clip_kernel, group_wiring, kernel_playground, receptive_field
from cnnlab.widgets.photos import small_photo
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture


def said(number: float) -> str:
    """As the explorers write it: at most two decimals, a true minus."""
    text = str(Decimal(number).quantize(Decimal("0.01"), ROUND_HALF_UP).normalize() + 0)
    return f"{Decimal(text):f}".replace("-", "−")


@pytest.fixture(scope="module")
def ask(node):  # noqa: F811
    """``ask(name, values, expression)``: the expression's value for each v of the values; the module is ``m``."""

    def asked(name: str, values: list, expression: str) -> list:
        return node(VIEWS[name], f"{json.dumps(values)}.map((v) => {expression})")

    return asked


# --- group wiring ----------------------------------------------------------------------------------------------------

WIRINGS = [
    {"channels": channels, "groups": groups, "layers": layers, "shuffle": shuffle, "layer": layers, "channel": channel}
    for channels in (8, 12, 16)
    for groups in range(1, channels + 1)
    if channels % groups == 0
    for layers, shuffle, channel in product((1, 2, 3, 4), (False, True), (0, 5))
]


def paths(channels: int, groups: int, layers: int, shuffle: bool, **_: int) -> Tensor:
    """Ways from every input to every output. Shape: (outputs, inputs)."""
    layer = connections(channels, channels, groups).long()
    ways = layer
    for _layer in range(layers - 1):
        ways = layer @ (ways[shuffled_order(channels, groups)] if shuffle else ways)
    return ways


def separate_networks(ways: Tensor) -> int:
    """Sets of channels that share no path, as blocks of the transitive closure."""
    joined = (ways.T @ ways > 0).double()  # two inputs with a common output
    closure = torch.linalg.matrix_power(joined, len(joined)) > 0
    return len({tuple(row) for row in closure.tolist()})


def test_wirings_reach_what_connections_say(ask):
    expression = (
        "[m.trace(v, v.layer, v.channel).ways, m.networks(v), m.explain(v),"
        " m.facts(v, m.trace(v, v.layer, v.channel).ways[0]), [...Array(v.channels).keys()].map((i) => m.dealt(v, i)),"
        " m.chosen(v, m.trace(v, v.layer, v.channel).ways[0])]"
    )
    for wiring, (ways, networks, text, facts, dealt, hint) in zip(WIRINGS, ask("group_wiring", WIRINGS, expression)):
        channels, groups, layers = wiring["channels"], wiring["groups"], wiring["layers"]
        every = paths(**wiring)
        row = every[wiring["channel"]]
        seen = int((row > 0).sum())
        assert ways[0] == row.tolist() and len(ways) == layers + 1
        assert networks == separate_networks(every)
        assert dealt == shuffled_order(channels, groups)
        assert [value for _, value in facts] == [
            f"{layers} · {channels} · {channels // groups} = {layers * channels * channels // groups:,}",
            f"{layers * channels**2:,}",
            f"{seen} of {channels}",
            f"{int(row.sum()):,}",
            networks,
        ]
        assert f"along {int(row.sum())} path" in hint
        assert ("Everything reaches everything" in text) == (bool((every > 0).all()) and groups > 1)
        assert ("separate networks" in text) == (not wiring["shuffle"] and 1 < groups < channels)
        if "so it takes" in text and layers > 1:
            needed = int(text.split("so it takes ")[1].split()[0])
            more = {"channels": channels, "groups": groups, "shuffle": True}
            assert bool((paths(layers=needed, **more) > 0).all())
            assert not (paths(layers=needed - 1, **more) > 0).all()


def test_groups_divide_the_channels(ask):
    limits = ask("group_wiring", [8, 12, 16], "m.limits({channels: v, layers: 3})")
    assert [one["groups"]["values"] for one in limits] == [[1, 2, 4, 8], [1, 2, 3, 4, 6, 12], [1, 2, 4, 8, 16]]
    assert limits[0]["layer"] == {"low": 1, "high": 3} and limits[2]["channel"] == {"low": 0, "high": 15}
    assert ask("group_wiring", ["layers", "preset", "place"], "m.settle({layers: 3}, v)") == [
        {"layer": 3},
        {"layer": 3},
        {},
    ]


# --- receptive field -------------------------------------------------------------------------------------------------


def stacks(count: int) -> list[list]:
    random = np.random.default_rng(0)
    return [[[w.kernel, w.stride, w.dilation, w.name] for w in one] for one in RECEPTIVE_FIELD_PRESETS.values()] + [
        [[*(int(random.choice(own)) for own in RECEPTIVE_FIELD_CHOICES.values()), ""] for _ in range(1 + i % 6)]
        for i in range(count)
    ]


def cone(layers: list, unit: int) -> Counter:
    """Pixels reached by a unit above these layers, and the number of paths to each."""
    counts = Counter({unit: 1})
    for kernel, stride, dilation, _ in reversed(layers):
        below: Counter = Counter()
        for index, ways in counts.items():
            for tap in range(kernel):
                below[index * stride + tap * dilation] += ways
        counts = below
    return counts


def test_receptive_fields_agree_with_the_recursion(ask):
    every = stacks(30)
    expression = (
        "[m.measure(v), [...m.follow(v, v.length, 2)[0]],"
        " m.explain(v, v.length, m.measure(v), m.follow(v, v.length, 2)[0]), m.sums(v, m.measure(v), v.length)]"
    )
    for layers, (rows, pixels, text, sums) in zip(every, ask("receptive_field", every, expression)):
        wanted = receptive_field_of([tuple(layer[:3]) for layer in layers])
        assert [(row["r"], row["j"]) for row in rows[1:]] == wanted
        for (kernel, stride, dilation, _), below, above in zip(layers, rows, rows[1:]):
            assert below["n"] == (above["n"] - 1) * stride + dilation * (kernel - 1) + 1
        counts = cone(layers, 2)
        assert dict(pixels) == counts
        size, jump = wanted[-1]
        assert f"sees {size} input pixel" in text and f"(r = {size})" in text and f"(j = {jump})" in text
        assert (f"Only {len(counts)} of the {size} are read" in text) == (len(counts) < size)
        assert (sums[1], sums[3]) == (size, jump)
        if f"{counts.total()} paths lead down" in text:
            assert f": {max(counts.values())} to the pixel reached most, {counts[min(counts)]} to each edge." in text
        else:
            assert len(set(counts.values())) == 1 and f"reached along {max(counts.values())} path" in text


def test_a_stack_is_loaded_edited_and_grows(ask):
    params = receptive_field(RECEPTIVE_FIELD_PRESETS["LeNet-5's features"]).params
    state, data = params["state"], params["data"]
    assert state["stack"] == "LeNet-5's features" and state["layers"] == 4
    start = state | {"stack": "ResNet-18's first layers"}
    moves = [
        (state, None),
        (start, "stack"),
        (state | {"kernel2": 7}, "kernel2"),
        (state | {"layers": 5, "kernel5": 7}, "layers"),
        (state | {"layers": 1}, "layers"),
        (state | {"unit": 3}, "place"),
    ]
    expression = f"m.settle(v[0], v[1] ?? undefined, {json.dumps(data)})"
    first, loaded, edited, grown, cut, picked = ask("receptive_field", moves, expression)
    assert first["stack"] == "LeNet-5's features" and (first["layer"], first["unit"]) == (4, 3)
    assert loaded["stack"] == "ResNet-18's first layers" and loaded["names"][1] == "max pool 3 × 3"
    assert [loaded[f"{field}{i}"] for i in (1, 2) for field in ("kernel", "stride")] == [7, 2, 3, 2]
    assert (
        edited["stack"] == ""
        and edited["kernel2"] == 7
        and edited["names"] == ["conv 5 × 5", "", "conv 5 × 5", "pool 2 × 2"]
    )
    assert grown["layers"] == grown["layer"] == 5 and cut["layers"] == cut["layer"] == 1
    assert cut["kernel2"] == 3 and cut["stride2"] == 1  # what is beyond the last waits as a plain 3 × 3
    assert picked == {}
    up, down, edge = ask("receptive_field", [[0, -1], [0, 1], [-9, 0]], f"m.move({json.dumps(state | first)}, ...v)")
    assert up == {"layer": 4, "unit": 3}
    assert down["layer"] == 3 and edge == {"layer": 4, "unit": 0}


# --- kernel in a clip ------------------------------------------------------------------------------------------------


def test_every_kernel_on_every_clip_is_conv3d(ask):
    data = clip_kernel().params["data"]
    every = [
        {
            "kernel": kernel,
            "shape": shape,
            "direction": direction,
            "time": 1 + i % 4,
            "row": 1 + i % 3,
            "column": 1 + i % 7,
        }
        for i, (kernel, shape, direction) in enumerate(product(CLIP_KERNELS, CLIP_SHAPES, CLIP_DIRECTIONS))
    ]
    made = f"m.compute(v, {json.dumps(data)})"
    at = f"m.steps(v, {json.dumps(data)}).at"
    hint = f"m.reading(v, {made}.seen({at}), {made}, {made}.sums[{at}])"
    asked = ask("clip_kernel", every, f"[{made}.sums, m.summary(v, {made}), {hint}]")
    for state, (sums, text, hint) in zip(every, asked):
        weight, divisor = CLIP_KERNELS[state["kernel"]]
        clip = torch.tensor(clip_pixels(state["shape"], state["direction"])).double()[None, None]
        wanted = standard_conv3d(clip, torch.tensor(weight).double()[None, None])[0, 0]
        assert sums == wanted.flatten().tolist()
        here = float(wanted[state["time"] - 1, state["row"] - 1, state["column"] - 1])
        end = f"Sum {said(here)}" + (f", divided by {divisor}: {said(here / divisor)}." if divisor > 1 else ".")
        assert hint.endswith(end) and hint.startswith(f"Output {state['time']}, row {state['row']}, ")
        frames = [part.rpartition("= ")[2] for part in hint.split(". ")[1].split("; ") if "=" in part]
        assert sum(int(part.replace("−", "-")) for part in frames) == here
        if wanted.any():
            assert f"sums from {said(wanted.min().item())} to {said(wanted.max().item())}" in text
            assert text.endswith(f"squares add up to {int((wanted**2).sum())}.")
            assert float(text.partition("mean is ")[2].partition(";")[0]) == pytest.approx(
                float(wanted.relu().mean()), abs=0.0051
            )
        else:
            assert text.endswith("nothing but zeros. This kernel does not see it.")


def test_the_kernel_goes_along_the_row_then_down_then_on_in_time(ask):
    data = json.dumps(clip_kernel().params["data"])
    places = [*product(range(1, 5), range(1, 5), range(1, 8))]
    steps = ask("clip_kernel", [dict(zip(("time", "row", "column"), place)) for place in places], f"m.steps(v, {data})")
    assert [step["at"] for step in steps] == [*range(112)] and {step["count"] for step in steps} == {112}
    reached = ask("clip_kernel", [*range(112)], f"m.steps({{time: 1, row: 1, column: 1}}, {data}).to(v)")
    assert [tuple(one.values()) for one in reached] == places


# --- photographs ------------------------------------------------------------------------------------------------------


def test_small_photos_are_means_of_blocks():
    gray, color = small_photo("camera", 4, top=30, left=60, across=384), small_photo("astronaut", 8, across=504)
    assert gray.dtype == color.dtype == np.uint8 and color.shape == (8, 8, 3)
    square = torch.from_numpy(photographs.camera()[30:414, 60:444]).double()
    assert np.abs(gray - F.avg_pool2d(square[None], 96)[0].numpy()).max() <= 0.5
    assert np.abs(color[1, 2] - photographs.astronaut()[63:126, 126:189].mean((0, 1))).max() <= 0.5


# --- channel mixer ---------------------------------------------------------------------------------------------------

PHOTO = np.random.default_rng(1).integers(0, 256, (9, 11, 3), dtype=np.uint8)
COLORS = torch.from_numpy(rounded_to_64_levels(PHOTO)).permute(2, 0, 1)[None].double()  # (1, 3, 9, 11)


def mixes() -> list[dict]:
    random = np.random.default_rng(2)
    made = [
        {"weights": np.ravel(m.weights).tolist(), "biases": list(m.bias), "relu": m.relu, "show": m.show}
        for m in CHANNEL_MIXES
    ]
    for rank in (0, 1, 2, 3):
        weights = random.integers(-3, 4, (3, rank)) @ random.integers(-3, 4, (rank, 3)) / 4
        made.append({"weights": weights.ravel().tolist(), "biases": [5, 0, -30], "relu": rank > 1, "show": "clipped"})
    return made


def test_every_mix_is_pointwise_conv2d(ask):
    pixels = channel_mixer(PHOTO).params["data"]["pixels"]
    photo = f"m.unpacked({json.dumps(pixels)}, 11)"
    assert ask("channel_mixer", [0], f"[...{photo}]")[0] == rounded_to_64_levels(PHOTO).ravel().tolist()
    states = [state | {"x": i % 11, "y": i % 9} for i, state in enumerate(mixes())]
    outputs = f"m.mixed(v, {photo})"
    pixel = f"m.pixelOf(v, {{width: 11, photo: {photo}}}, {outputs})"
    expression = (
        f"[{outputs}.map((own) => [...own]), m.explain(v, {outputs}), m.rank(v), {pixel}, m.reading(v, {pixel})]"
    )
    for state, (got, text, rank, (pixel, values), hint) in zip(states, ask("channel_mixer", states, expression)):
        weight = torch.tensor(state["weights"], dtype=torch.float64).reshape(3, 3)
        wanted = pointwise_conv2d(COLORS, weight[:, :, None, None], torch.tensor(state["biases"]).double())[0]
        assert torch.allclose(torch.tensor(got).double().reshape(wanted.shape), wanted)
        assert rank == torch.linalg.matrix_rank(weight) and text.startswith(f"Rank {rank}")
        share = round(100 * (wanted < 0).double().mean().item())
        assert f"{share} % of the outputs are below 0" in text
        assert text.endswith("and set to 0.") == state["relu"]
        assert ("were it not for the ReLU" in text) == bool(state["relu"] and share and rank == 3)
        here = (wanted.relu() if state["relu"] else wanted)[:, state["y"], state["x"]].tolist()
        assert pixel == COLORS[0, :, state["y"], state["x"]].tolist() and values == pytest.approx(here)
        assert f"row {state['y'] + 1}, column {state['x'] + 1}: red {pixel[0]}," in hint


def test_one_number_of_a_mix_is_in_the_frame(ask):
    params = channel_mixer().params
    state, data = params["state"], params["data"]
    moves = [
        (state, None),
        (state | {"mix": "Negative"}, "mix"),
        (state | {"weight_at": 4}, "weight_at"),
        (state | {"weight_at": 4, "weight": 2}, "weight"),
        (state | {"bias_at": 1, "bias": -7}, "bias"),
        (state | {"bias_at": 1}, "bias_at"),
        (state | {"relu": True}, "relu"),
        (state | {"show": "clipped"}, "show"),
    ]
    slim = json.dumps(data | {"pixels": ""})
    first, loaded, chosen, moved, bias, framed, cut, shown = ask(
        "channel_mixer", moves, f"({{...v[0], ...m.settle(v[0], v[1] ?? undefined, {slim})}})"
    )
    assert first["weight"] == 0.3 and first["mix"] == "Opponent colors"
    assert loaded["biases"] == [255, 255, 255] and loaded["weight"] == -1 and loaded["bias"] == 255
    assert loaded["show"] == "clipped" and loaded["mix"] == "Negative"
    assert chosen["weight"] == -1 and chosen["of"] == "weights" and chosen["mix"] == "Opponent colors"
    assert moved["weights"][4] == 2 and moved["mix"] == "" and moved["weights"][:4] == state["weights"][:4]
    assert bias["biases"] == [0, -7, 0] and framed["of"] == "biases"
    assert cut["mix"] == "" and shown["mix"] == "Opponent colors"


# --- kernel playground -----------------------------------------------------------------------------------------------

GRAY = np.random.default_rng(1).integers(0, 256, (12, 15), dtype=np.uint8)


def test_every_kernel_is_conv2d(ask):
    assert kernel_playground(GRAY).params["data"]["pixels"] == b64encode(GRAY.tobytes()).decode()
    states = [
        {"weights": np.ravel(k.weights).tolist(), "divisor": [by], "show": k.show, "largest": k.largest, "x": i, "y": 3}
        for i, k in enumerate(KERNELS)
        for by in (k.divisor, -2.5, 0)
    ]
    data = f"{{width: 15, height: 12, photo: {GRAY.ravel().tolist()}}}"
    values = f"m.filtered(v, {data})"
    expression = f"[[...{values}], m.explain(v, {values}), m.patch({data}, v.x, v.y), m.reading(v, 7.5)]"
    asked = ask("kernel_playground", states, expression)
    for state, (got, text, patch, hint) in zip(states, asked):
        weight = torch.tensor(state["weights"], dtype=torch.float64).reshape(1, 1, 3, 3)
        by = state["divisor"][0]
        gray = torch.from_numpy(GRAY).double()[None, None]
        # The pooling kernels are ones.
        sums = F.max_pool2d(gray, 3, 1) if state["largest"] else F.conv2d(gray, weight)
        wanted = sums[0, 0] / (by or 1)
        assert torch.allclose(torch.tensor(got).double().reshape(wanted.shape), wanted)
        assert patch == GRAY[3:6, state["x"] : state["x"] + 3].ravel().tolist()
        assert f"runs from {said(wanted.min().item())} to {said(wanted.max().item())}" in text
        negative = round(100 * (wanted < 0).double().mean().item())
        assert (f"{negative} % of it is negative" in text) == bool((wanted < 0).any())
        assert text.startswith("Each result is the largest") == state["largest"]
        if state["largest"]:
            assert hint.endswith("the largest of the nine products is 7.5.")
            continue
        assert text.startswith("Nothing can be divided by 0") == (by == 0)
        if by:
            assert f"add up to {said(sum(state['weights']) / by)}" in text
        divided = f"; divided by {said(by)} that is {said(7.5 / by)}." if by else "; nothing can be divided by 0."
        end = " 7.5." if by == 1 else divided
        assert hint.endswith(end)


def test_a_kernel_is_loaded_and_becomes_ones_own(ask):
    data = kernel_playground(GRAY).params["data"]
    moves = [
        ("Box blur", "kernel"),
        ("", "kernel"),
        ("Box blur", "weights"),
        ("Box blur", "divisor"),
        ("Box blur", "show"),
    ]
    loaded, none, *edits = ask("kernel_playground", moves, f"m.settle({{kernel: v[0]}}, v[1], {json.dumps(data)})")
    assert loaded == {"weights": [1] * 9, "divisor": [9], "show": "clipped", "largest": False} and none == {}
    assert edits == [{"kernel": ""}, {"kernel": ""}, {}]


def test_wiring_starts_at_its_last_layer():
    assert group_wiring(8, 2, 3).params["state"]["layer"] == 3
