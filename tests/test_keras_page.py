"""*From Keras to PyTorch*: its blocks run as they stand, with Keras on its torch backend, and planted slips fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "keras.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
# What a reader may write, for what the page has: each must be found out by the block that it stands in.
SLIPS = [
    ("kernel.permute(3, 2, 0, 1), bias), expected", "kernel.permute(3, 2, 1, 0), bias), expected"),
    ("permute(0, 3, 1, 2).flatten(1)", "permute(0, 1, 2, 3).flatten(1)"),
    ("pad_same(pictures, 3, 2)", "F.pad(pictures, (1, 0, 1, 0))"),
    ("eps=1e-3, momentum=0.01", "eps=1e-3, momentum=0.99"),
    ("n / (n - 1)", "1"),
    ("F.cross_entropy(logits, labels),", "F.cross_entropy(logits.softmax(1), labels),"),
    ("weight_decay=0.02", "weight_decay=0.01"),
    ("alpha=0.9, eps=1e-7", "eps=1e-7"),
    ("weight_decay=0.004", "weight_decay=0.01"),
    ("initial_accumulator_value=0.1", "initial_accumulator_value=0.0"),
    ("[0.1, 0.1, 0.01, 0.01, 0.01]", "[0.1, 0.1, 0.1, 0.1, 0.1]"),
    ("nn.init.xavier_uniform_(layer.weight)", "nn.init.kaiming_uniform_(layer.weight)"),
    ("theirs.trainable = False", "theirs.trainable = True"),
    ("pixel.flip(0)", "pixel"),
    ("3 * [(1, 1), (1, 1)]", "3 * [(3, 3), (1, 1)]"),
]
# Runs the blocks in one namespace, then each with its slip, after a copy of what the namespace was before it.
RUN = """
import json, sys
blocks, slips = json.load(sys.stdin)
space, before = {}, []
for block in blocks:
    before.append(dict(space))
    exec(compile(block, "keras.md", "exec"), space)
found = []
for place, block in slips:
    try:
        exec(compile(block, "slip", "exec"), before[place])
    except AssertionError:
        found.append(True)
    else:
        found.append(False)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_every_block_runs_and_every_slip_is_found_out():
    placed = []
    for right, wrong in SLIPS:
        places = [place for place, block in enumerate(BLOCKS) if right in block]
        assert len(places) == 1, f"{right!r} stands in {len(places)} blocks of the page"
        placed.append((places[0], BLOCKS[places[0]].replace(right, wrong)))
    env = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "KERAS_HOME": os.devnull}
    job = json.dumps([BLOCKS, placed])
    done = subprocess.run([sys.executable, "-c", RUN], input=job, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [right for (right, _), seen in zip(SLIPS, found, strict=True) if not seen] == []


def test_lines_fit_the_column():
    assert [line for block in BLOCKS for line in block.splitlines() if len(line) > 88] == []
