"""What is looked at before a build: it names the file, and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.build_book import faults, oversights
from tools.chapters import ROOT


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "book" / "part").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nparts:\n  - chapters:\n      - file: book/part/one\n"
    )
    put(tmp_path, "one", [{"cell_type": "code", "metadata": {}, "outputs": [{"output_type": "stream"}]}])
    return tmp_path


def put(root: Path, name: str, cells: list[dict]) -> None:
    (root / "book" / "part" / f"{name}.ipynb").write_text(json.dumps({"cells": cells}))


def test_our_own_book_is_whole() -> None:
    assert faults(ROOT) == [] and oversights(ROOT) == []


def test_a_whole_book_has_no_faults(book: Path) -> None:
    assert faults(book) == [] and oversights(book) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_what_is_no_notebook_is_named(book: Path, content: str) -> None:
    (book / "book" / "part" / "one.ipynb").write_text(content)
    (line,) = faults(book)
    assert line.startswith("book/part/one.ipynb is no notebook") and "git checkout book/part/one.ipynb" in line


def test_a_cell_with_an_error_is_named(book: Path) -> None:
    failed = {"output_type": "error", "ename": "KeyError", "evalue": "'x'"}
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [failed]}]
    put(book, "one", cells)
    assert faults(book) == [
        "book/part/one.ipynb, cell 1 holds an error (KeyError: 'x'). Mend it: make execute CHAPTERS=book/part/one.ipynb"
    ]
    cells[0]["metadata"] = {"tags": ["raises-exception"]}
    put(book, "one", cells)
    assert faults(book) == []


def test_unlisted_pages_and_missing_outputs_are_told(book: Path) -> None:
    put(book, "one", [{"cell_type": "code", "metadata": {}, "outputs": []}])
    put(book, "two", [{"cell_type": "code", "metadata": {}, "outputs": [{"output_type": "stream"}]}])
    (book / "book" / "part" / "loose.md").write_text("# Loose")
    assert oversights(book) == [
        "book/part/two.ipynb stands in no line of _toc.yml and becomes no page",
        "book/part/loose.md stands in no line of _toc.yml and becomes no page",
        "book/part/one.ipynb holds no outputs: make execute CHAPTERS=book/part/one.ipynb",
    ]
