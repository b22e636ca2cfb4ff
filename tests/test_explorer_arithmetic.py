"""The arithmetic of explorers, asked of their modules in Node without a browser, and compared with Python's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.explorers import VIEWS

CORE = next(iter(VIEWS.values())).parents[2] / "widgets" / "static" / "core.js"


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


def test_every_view_is_a_module_that_exports_explore(node):
    kinds = {name: node(view, "typeof m.explore") for name, view in VIEWS.items()}
    assert kinds == dict.fromkeys(VIEWS, "function")
