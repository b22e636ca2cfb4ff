"""Stills: each committed explorer shows a picture of its first state where scripts do not run."""

from __future__ import annotations

import base64
import io
import re

import nbformat
import pytest
from PIL import Image

from cnnlab.widgets import convolution_arithmetic, stills
from tools import execute_notebooks
from tools.chapters import ROOT, notebooks

SOURCE = re.compile(r'src="data:image/webp;base64,([^"]+)"')


def committed() -> list[tuple[str, str]]:
    """Every stored output of an explorer, with a name for it."""
    found = []
    for path in notebooks():
        for number, data in enumerate(execute_notebooks.explorers(nbformat.read(path, as_version=4))):
            found.append((f"{path.stem}-{number}", data["text/html"]))
    return found


COMMITTED = committed()


@pytest.mark.slow
@pytest.mark.parametrize("output", [html for _, html in COMMITTED], ids=[name for name, _ in COMMITTED])
def test_each_committed_explorer_has_a_fresh_still(output):
    still = stills.held(output)
    assert still, "no still, or that of another output; run: python tools/execute_notebooks.py --stills"
    packed = base64.b64decode(SOURCE.search(still)[1])
    assert len(packed) < 70_000  # six photographs, the most; drawings have a third of it
    with Image.open(io.BytesIO(packed)) as picture:
        width, height = (int(re.search(rf' {name}="(\d+)"', still)[1]) for name in ("width", "height"))
        assert picture.width / width == pytest.approx(1.5, abs=0.01) and 300 < height <= 1000
        assert len(picture.convert("RGB").getcolors(2**24)) > 8  # not an empty frame
    assert "File, Trust notebook, or run the cell" in output.partition("<img")[0]


def test_a_still_is_put_beside_the_text_and_taken_out_again():
    output = convolution_arithmetic()._repr_html_()
    still = stills.tag(output, "data:image/webp;base64,AAAA", 760, 500)
    held = stills.put(output, still)
    assert stills.held(output) is None and stills.held(held) == still
    assert stills.without(held) == output and stills.put(held, still) == held
    assert held.index("</p><img") < held.index("</div>\n<style>")
    assert 'alt="Still of “Convolution arithmetic” as it starts"' in still
    assert stills.held(held.replace("Convolution arithmetic", "Other words")) is None
    with pytest.raises(ValueError, match="is not that of an explorer"):
        stills.put("<p>no</p>", still)


def test_a_rerun_compares_equal_whatever_the_still():
    # As nbval reads it: an empty replacement would be no rule at all.
    rule = re.compile(r"^\[still\]\nregex: (.*)\nreplace: STILL\n", re.M)
    pattern = rule.search((ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="utf-8"))[1]
    output = convolution_arithmetic()._repr_html_()
    held = stills.put(output, stills.tag(output, "data:image/webp;base64,AAAA", 760, 500))
    assert re.sub(pattern, "STILL", held) == re.sub(pattern, "STILL", output) != output


def notebook_of(*outputs: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("x")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": html}) for html in outputs]
    return nbformat.v4.new_notebook(cells=[cell])


def test_only_what_changed_is_photographed_again(monkeypatch):
    taken = []

    class Camera:
        def __enter__(self):
            return lambda output: taken.append(output) or stills.tag(output, "data:image/webp;base64,NEWW", 1, 1)

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(execute_notebooks, "camera", Camera)
    same, other = convolution_arithmetic(7)._repr_html_(), convolution_arithmetic(8)._repr_html_()
    old = notebook_of(stills.put(same, stills.tag(same, "data:image/webp;base64,OLDD", 1, 1)))
    fresh = notebook_of(same, other, "<p>no explorer</p>")
    assert execute_notebooks.add_stills(fresh, old) == ", 1 stills taken" and taken == [other]
    htmls = [output.data["text/html"] for output in fresh.cells[0].outputs]
    assert "OLDD" in htmls[0] and "NEWW" in htmls[1] and htmls[2] == "<p>no explorer</p>"
    execute_notebooks.add_stills(fresh, fresh, anew=True)
    assert len(taken) == 3 and "OLDD" not in fresh.cells[0].outputs[0].data["text/html"]


def test_without_a_browser_it_says_so(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    notebook = notebook_of(convolution_arithmetic()._repr_html_())
    assert "MISSING: no chromium" in execute_notebooks.add_stills(notebook, notebook)
