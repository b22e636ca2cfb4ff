"""The path for a course: every chapter after those it needs, each once, and minutes from the chapters' heads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.heads import Head

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "ext"))

from cnnlab_book.weeks import Week, planned  # noqa: E402

HEADS = {
    "seeing": Head((), 45, 6),
    "lenet": Head(("seeing.ipynb",), 70, 6),
    "resnet": Head(("../foundations/lenet.ipynb",), 60, 6),
}


def test_lines_become_weeks():
    assert planned(["seeing, lenet; resnet", ""], HEADS) == [Week(("seeing", "lenet"), ("resnet",))]
    assert planned(["seeing;", "lenet"], HEADS) == [Week(("seeing",), ()), Week(("lenet",), ())]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["seeing", "lent"], "week 2 has 'lent', which is no chapter; there are lenet, resnet, seeing."),
        (["seeing", "lenet; seeing"], "week 2 has 'seeing' again"),
        (["lenet; seeing"], "week 1 has 'lenet', which needs seeing before it"),
    ],
)
def test_a_path_that_cannot_be_walked_is_an_error(lines, said):
    with pytest.raises(ValueError, match=said):
        planned(lines, HEADS)
