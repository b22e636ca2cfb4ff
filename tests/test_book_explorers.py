"""Explorers that carry a network, in the built book: a file each, which the page loads when it is near."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest

from cnnlab.widgets import convolution_arithmetic, lenet_live, networks, your_photo
from cnnlab.widgets.networks import network_version

pytest.importorskip("sphinx")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "ext"))
from cnnlab_book import explorers
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


def test_a_network_is_written_once_and_the_page_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(explorers, "network_file", lambda name: f"the network {name}")
    explorer = your_photo()._repr_html_()
    old = tmp_path / FOLDER / "tf_efficientnet_lite0-000000000000.js"
    old.parent.mkdir(parents=True)
    old.touch()
    body = built(explorer, tmp_path)
    (file,) = (tmp_path / FOLDER).glob("tf_*")
    assert (
        file.read_text() == "the network tf_efficientnet_lite0"
        and network_version("tf_efficientnet_lite0") in file.name
    )
    place = f'window.cnnlabNetworks={{"tf_efficientnet_lite0":"../../{FOLDER}/{file.name}"}};'
    assert body.startswith(f"<script>{place}</script>")
    file.write_text("kept")
    built(explorer, tmp_path)
    assert file.read_text() == "kept"
    assert "cnnlabNetworks" not in built(convolution_arithmetic()._repr_html_(), tmp_path)


def test_without_the_weights_package_a_page_has_no_network(tmp_path, monkeypatch):
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(networks.metadata, "version", missing)
    assert "<script>window.cnnlabNetworks" not in built(your_photo()._repr_html_(), tmp_path)
    assert not list(tmp_path.glob("*/*/tf_*"))
