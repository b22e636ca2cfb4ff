"""What is looked at before a build: it names the file, and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.build_book import NoDatabase, executes, faults, oversights
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


def test_the_data_base_of_executed_notebooks_is_left_out_while_none_is_executed(book: Path) -> None:
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    assert not executes(ROOT)
    (book / "_config.yml").write_text(config.replace('execute_notebooks: "off"', "execute_notebooks: cache"))
    assert executes(book)
    names = NoDatabase("jupyter_cache.cache.db")
    assert isinstance(names.NbCacheRecord, type) and not hasattr(names, "__path__")


def test_the_exit_status_and_what_is_said_are_those_of_sys_exit() -> None:
    for said, status, printed in (("None", 0, ""), ("3", 3, ""), ("True", 1, ""), ("'no room'", 1, "no room\n")):
        code = f"from tools.build_book import finish; print('built', end=''); finish({said})"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (status, "built", printed)
