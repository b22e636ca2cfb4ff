"""Explorers that carry a network, in the built book: a file each, which the page loads when it is near."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cnnlab.widgets import convolution_arithmetic, lenet_live

pytest.importorskip("sphinx")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "ext"))
from cnnlab_book.explorers import FOLDER, file_explorers


def built(body: str, outdir) -> str:
    """A page's body after the build, from two folders below the top."""
    context = {"body": body, "pathto": lambda path, _kind: f"../../{path}"}
    file_explorers(SimpleNamespace(outdir=outdir), "page", "page.html", context, None)
    return context["body"]


def test_a_large_one_becomes_a_file_and_a_small_one_stays(tmp_path):
    large, small = lenet_live()._repr_html_(), convolution_arithmetic()._repr_html_()
    body = built(f"<p>a</p>{small}<p>b</p>{large}<p>c</p>{small}", tmp_path)
    (file,) = (tmp_path / FOLDER).iterdir()
    assert body.count(small) == 2 and len(body) < 60_000
    assert file.read_text() in large and file.read_text().startswith("(() => {")
    assert f'src: "../../{FOLDER}/{file.name}"' in body and f'getElementById("{lenet_live().id}")' in body
    assert body.index("<p>b</p>") < body.index(FOLDER) < body.index("<p>c</p>")
    assert large[: large.index("<script>")] in body  # its words and styles stay
