"""Small trained networks in the page, of which a part is left out: their numbers are torch's own."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64decode
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cnnlab import compress, widgets
from cnnlab.chapters.resnet.left_out import LABELS
from cnnlab.chapters.resnet.taken_apart import BLOCKS, kept, trained, without_block
from cnnlab.results import recorded
from experiments.look_inside import BRANCHES, without_branches
from tests.explorers import VIEWS
from tests.test_explorer_arithmetic import node  # noqa: F401 a fixture, which skips where there is no Node

RECORD = recorded("look_inside")


@pytest.fixture
def page(node):  # noqa: F811
    """``page(name, explorer, states, expression)``: its value for each state; ``m`` is the view, ``data`` decoded."""

    def asked(name: str, explorer: Any, states: list[Any], expression: str) -> list[Any]:
        static = VIEWS[name].parents[2] / "widgets" / "static"
        code = f"""
        import {{ readFileSync }} from "node:fs";
        import * as m from "{VIEWS[name].as_uri()}";
        import {{ picturesOf }} from "{(static / "inside.js").as_uri()}";
        import {{ readNetwork }} from "{(static / "engine" / "network.js").as_uri()}";
        const [raw, states] = JSON.parse(readFileSync(0));
        const data = {{ ...raw, ...picturesOf(raw.pictures, raw.classes) }};
        for (const each of ["ResNet", "plain", "network"]) if (raw[each]) data[each] = readNetwork(raw[each]);
        const plain = (key, value) => ArrayBuffer.isView(value) ? [...value] : value;
        console.log(JSON.stringify(states.map((state) => {expression}), plain));
        """
        command = [shutil.which("node"), "--input-type=module", "-e", code]
        job = json.dumps([explorer.params["data"], states])
        done = subprocess.run(command, input=job, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return asked


def pictures() -> tuple[Tensor, list[int]]:
    """All that pages have, as networks take them, row by row of the sheet: (60, 1, 28, 28); and their labels."""
    own = kept("ResNet")
    pixels = torch.frombuffer(bytearray(b64decode(own["pictures"]["pixels"])), dtype=torch.uint8)
    order = torch.arange(60).reshape(10, 6).T.flatten()
    numbers = pixels.reshape(60, 1, 28, 28)[order].float() / 255
    return (numbers - own["mean"][0]) / own["std"][0], [own["pictures"]["labels"][i] for i in order.tolist()]


@torch.no_grad()
def scores(network: nn.Module, places: list[int]) -> Tensor:
    return network.eval()(pictures()[0][places])


def states_of(explorer: Any, changes: list[dict[str, Any]]) -> list[Any]:
    return [explorer.params["state"] | change for change in changes]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ResNet", "plain"])
def test_without_blocks_it_answers_as_in_torch(page, name):
    explorer = widgets.left_out()
    off = [[], [0], [3], [4], [6], [1, 4, 7], [8]]
    states = states_of(explorer, [{f"off{k}": True for k in own} | {"picture": 7 * n} for n, own in enumerate(off)])
    found = page("left_out", explorer, states, f'm.through(state, data, data.pictures[state.picture], "{name}").at(-1)')
    for n, (own, said) in enumerate(zip(off, found, strict=True)):
        network = trained(name)
        for k in own:
            network = without_block(network, BLOCKS[k])
        torch.testing.assert_close(torch.tensor(said["data"]), scores(network, [7 * n])[0], atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_without_branches_it_answers_as_in_torch(page):
    explorer = widgets.branch_off()
    network = trained("GoogLeNet")
    single = dict(without_branches(network))
    everywhere = trained("GoogLeNet")
    for name, module in everywhere.named_modules():
        if name.endswith("conv5x5"):
            module.register_forward_hook(lambda module, given, output: torch.zeros_like(output))
    changes = [{}, {"module": 0, "off1": True}, {"module": 8, "off3": True}, {"off2": True, "where": "all"}]
    wanted = [network, single["3a conv3x3"], single["5b pool"], everywhere]
    states = states_of(explorer, changes)
    found = page("branch_off", explorer, states, "m.through(state, data, data.pictures[3]).at(-1).data")
    for said, own in zip(found, wanted, strict=True):
        torch.testing.assert_close(torch.tensor(said), scores(own, [3])[0], atol=1e-3, rtol=1e-3)
    assert [name.split()[1] for name in single][:4] == list(BRANCHES)


def test_with_few_bits_it_answers_as_in_torch(page):
    explorer = widgets.last_bits()
    network = trained("MobileNet")
    ways = [(16, "tensor"), (8, "tensor"), (8, "channel"), (4, "tensor"), (4, "channel"), (2, "tensor")]
    states = states_of(explorer, [{"bits": bits, "per": per} for bits, per in ways])
    found = page("last_bits", explorer, states, "m.through(state, data, data.pictures[5]).at(-1).data")
    for (bits, per), said in zip(ways, found, strict=True):
        own = network if bits == 16 else compress.quantize(network, bits, per=per)
        torch.testing.assert_close(torch.tensor(said), scores(own, [5])[0], atol=2e-3, rtol=2e-3)


def test_words_and_counts(page):
    explorer = widgets.left_out(3, off=("2.2",))
    names = [label for _, label in zip(range(9), LABELS)]
    assert names == ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "3.1", "3.2", "3.3"]
    expression = """[
        m.question(state),
        m.explain(state, { ResNet: [0, 2, 1], plain: [0, 1, 2] }, { ...data, classes: ["a", "b", "c", "Dress"] }),
    ]"""
    ((question, said),) = page("left_out", explorer, states_of(explorer, [{}]), expression)
    assert question == "000010000"
    assert said == "Without block 2.2: of this picture, labeled Dress, ResNet says b, plain says c."
    _, labels = pictures()
    assert labels == list(range(10)) * 6
    (found,) = page("left_out", explorer, [None], "data.pictures.map(({ label }) => label)")
    assert found == labels


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: widgets.left_out(off=("4.1",)), "block='4.1' is not known"),
        (lambda: widgets.left_out(60), "picture=60"),
        (lambda: widgets.branch_off("6a"), "module='6a' is not known"),
        (lambda: widgets.branch_off(off=("7 × 7",)), "off='7 × 7' is not known"),
        (lambda: widgets.last_bits(1), "bits=1 is not allowed"),
        (lambda: widgets.last_bits(layer=1), "layer=1"),
    ],
)
def test_bad_arguments_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_what_the_record_says():
    assert RECORD["complete"] and RECORD["seeds"] == [0, 1, 2]
    for run in RECORD["results"]:
        assert run["whole"] >= 0.78 and run["asked"] == 1_000
        assert ("weights" in run) == (run["seed"] == 0)
    for run in (run for run in RECORD["results"] if run["model"] == "ResNet"):
        left = run["without"]
        assert set(left) == set(BLOCKS)
        for first in ("stage1.0", "stage2.0", "stage3.0"):  # the dear one, as the chapter says
            assert left[first] == min(share for block, share in left.items() if block[:6] == first[:6])
