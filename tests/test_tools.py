"""The tools that store chapters' outputs and rewrite the repository's address."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbval.plugin import get_sanitize_patterns

from tools import execute_notebooks, new_chapter, publish_url
from tools.chapters import (
    ROOT,
    badge,
    colab_link,
    notebooks,
    page_link,
    reference,
    repository,
    setup_cell,
    source_note,
    toc,
)


def test_config_names_the_repository() -> None:
    assert repository().startswith("https://github.com/")


def test_setup_cell_installs_from_the_given_address_and_reference() -> None:
    line = '%pip install -q "cnnlab @ git+https://github.com/ann/net{}"'
    assert line.format("") in setup_cell("https://github.com/ann/net", "main")
    assert line.format("@ws26") in setup_cell("https://github.com/ann/net", "ws26")
    assert setup_cell("https://github.com/ann/net") == setup_cell("https://github.com/ann/net", reference())


@pytest.mark.parametrize(("ref", "branch"), [("main", "editions"), ("ws26", "editions-ws26")])
def test_badge_leads_to_the_edition_and_shows_a_local_picture(ref: str, branch: str) -> None:
    path = ROOT / "book" / "part" / "chapter.ipynb"
    link = f"https://colab.research.google.com/github/ann/net/blob/{branch}/book/part/chapter.ipynb"
    assert colab_link(path, "https://github.com/ann/net", ref) == link
    assert badge(path, "https://github.com/ann/net", ref) == f"[![Open in Colab](../static/colab-badge.svg)]({link})"
    assert "](static/" in badge(ROOT / "book" / "chapter.ipynb", "https://github.com/ann/net")


def small_project(folder: Path) -> Path:
    """A project with everything that repeats the address, at a made-up one."""
    old = "https://github.com/ann/net"
    part = folder / "book" / "part"
    part.mkdir(parents=True)
    (folder / "_config.yml").write_text(
        f"title: t\nrepository:\n  # where it lives\n  url: {old}\n  branch: main\nhtml:\n  url: x\n"
        "sphinx:\n  config:\n    cnnlab_reference: main # as published\n"
    )
    path = part / "a.ipynb"
    head = f"{badge(path, old, 'main', root=folder)}\n\n{source_note(path, old, root=folder)}"
    cells = [new_markdown_cell(f"# T\n\n{head}"), new_code_cell(setup_cell(old, "main"))]
    nbformat.write(new_notebook(cells=cells), path)
    (folder / "README.md").write_bytes(
        f"See {old}, https://ann.github.io/net/ and {old}-extras or {old}work.\r\n"
        f"pip install git+{old}, or git+{old}-extras@main; {old}/blob/main/x, {old}/blob/editions/x.\n".encode()
    )
    return folder


def test_publish_url_rewrites_everything_that_repeats_the_address(tmp_path: Path) -> None:
    folder = small_project(tmp_path)
    changed = publish_url.publish("https://github.com/bob-2/lab.x.git/".rstrip("/"), folder)
    assert {str(path) for path in changed} == {"_config.yml", "README.md", "book/part/a.ipynb"}
    new = "https://github.com/bob-2/lab.x"
    assert repository(folder) == new
    cells = nbformat.read(folder / "book" / "part" / "a.ipynb", as_version=4).cells
    path = folder / "book" / "part" / "a.ipynb"
    assert badge(path, new, "main", root=folder) in cells[0].source
    assert source_note(path, new, root=folder) in cells[0].source
    assert page_link(path, new, root=folder) == "https://bob-2.github.io/lab.x/book/part/a.html"
    assert cells[1].source == setup_cell(new, "main")
    text = (folder / "README.md").read_text()
    assert "https://bob-2.github.io/lab.x/" in text
    assert "https://github.com/ann/net-extras" in text and "https://github.com/ann/network" in text  # not ours


@pytest.mark.parametrize("ref", ["main", "ws26"])
def test_publish_url_twice_changes_nothing_more(tmp_path: Path, ref: str) -> None:
    folder = small_project(tmp_path)
    publish_url.publish("https://github.com/bob/lab", folder, ref)
    assert publish_url.publish("https://github.com/bob/lab", folder, ref) == []


def test_publish_url_pins_a_tag_in_everything_that_repeats_the_reference(tmp_path: Path) -> None:
    folder = small_project(tmp_path)
    same = "https://github.com/ann/net"
    assert {str(path) for path in publish_url.publish(same, folder, "ws26")} == {
        "_config.yml",
        "README.md",
        "book/part/a.ipynb",
    }
    assert reference(folder) == "ws26" and repository(folder) == same
    assert "  branch: main\n" in (folder / "_config.yml").read_text(), "pages are edited on main"
    path = folder / "book" / "part" / "a.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    assert badge(path, same, "ws26", root=folder) in cells[0].source
    assert cells[1].source == setup_cell(same, "ws26")
    text = (folder / "README.md").read_text()
    assert f"git+{same}@ws26, or git+{same}-extras@main;" in text
    assert f"{same}/blob/main/x, {same}/blob/editions-ws26/x." in text


def test_publish_url_there_and_back_leaves_every_byte(tmp_path: Path) -> None:
    folder = small_project(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    publish_url.publish("https://github.com/bob/lab", folder, "ws26")
    publish_url.publish("https://github.com/bob/lab", folder, "ss27.1")
    publish_url.publish("https://github.com/cid/x", folder)
    publish_url.publish("https://github.com/ann/net", folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_publish_url_of_this_repository_there_and_back(tmp_path: Path) -> None:
    """On a copy: a tag reaches all that the tests of the form of chapters look at, and goes again without a trace."""
    copied = ["README.md", "_config.yml", "_toc.yml", "index.md", "CITATION.cff", "pyproject.toml", "book"]
    for name in copied:
        source = ROOT / name
        leave = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
        shutil.copytree(source, tmp_path / name, ignore=leave) if source.is_dir() else shutil.copy(source, tmp_path)
    old, old_ref = repository(tmp_path), reference(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    new = "https://github.com/ann-x/net"
    publish_url.publish(new, tmp_path, "ws26")
    for path in notebooks(tmp_path):
        cells = nbformat.read(path, as_version=4).cells
        assert badge(path, new, "ws26", root=tmp_path) in cells[0].source
        assert source_note(path, new, root=tmp_path) in cells[0].source
        assert setup_cell(new, "ws26") in [cell.source for cell in cells]
    assert "cnnlab @ git+https://github.com/ann-x/net@ws26" in (tmp_path / "README.md").read_text(encoding="utf-8")
    publish_url.publish(old, tmp_path, old_ref)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("ref", ["ws 26", "ws/26", "-ws", "ws..26", "ws26.", "a.lock", "ws@26", "$(x)"])
def test_publish_url_refuses_what_cannot_stand_in_an_address(ref: str) -> None:
    with pytest.raises(ValueError, match="such as ws26; leave it out for main"):
        publish_url.checked_reference(ref)


def test_no_reference_is_main() -> None:
    assert publish_url.checked_reference("") == "main"
    assert publish_url.checked_reference("ws26") == "ws26"


@pytest.mark.parametrize(
    "address",
    ["", "bob/lab", "http://github.com/bob/lab", "https://gitlab.com/bob/lab", "https://github.com/bob", "x y"],
)
def test_publish_url_refuses_what_colab_cannot_open(address: str) -> None:
    with pytest.raises(ValueError, match="https://github.com/owner/name"):
        publish_url.checked(address)


def chapter(folder: Path, *cells: str) -> Path:
    path = folder / "chapter.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# T"), *map(new_code_cell, cells)]), path)
    return path


@pytest.mark.slow
def test_execute_stores_outputs_and_a_second_run_changes_nothing(tmp_path: Path, capsys) -> None:
    path = chapter(
        tmp_path,
        "import os, sys\nprint(os.environ['CNNLAB_SCALE'], os.getcwd() == sys.path[0] or '' in sys.path)",
        "for i in range(3):\n    print(i, flush=True)",
        "from ipywidgets import HTML, VBox\nVBox([HTML('x')])",
        "1 + 1",
        "1 + 1",
    )
    assert execute_notebooks.main([str(path)]) == 0
    assert "5/5 cells compared" in capsys.readouterr().out
    first = path.read_bytes()
    notebook = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3, 4, 5]
    assert notebook.cells[1].outputs[0].text.startswith("smoke")
    assert [output.text for output in notebook.cells[2].outputs] == ["0\n1\n2\n"]
    assert len({cell.id for cell in notebook.cells}) == 6
    assert notebook.metadata.widgets, "the built page looks here to know that it holds a widget"
    assert execute_notebooks.main([str(path)]) == 0
    assert path.read_bytes() == first


@pytest.mark.slow
def test_execute_fails_at_an_error_and_leaves_the_notebook_alone(tmp_path: Path, capsys) -> None:
    path = chapter(tmp_path, "print('before')", "1 / 0")
    before = path.read_bytes()
    assert execute_notebooks.main([str(path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_tidy_joins_streams_and_keeps_the_last_state_of_a_bar() -> None:
    cell = new_code_cell("x", execution_count=1)
    cell.metadata["execution"] = {"iopub.status.busy": "now"}
    cell.outputs = [
        new_output("stream", name="stdout", text=" 10%|#\r 50%"),
        new_output("stream", name="stdout", text="|#####\r100%|##########\ndone\n"),
    ]
    notebook = new_notebook(cells=[cell])
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    execute_notebooks.tidy(notebook)
    assert [output.text for output in cell.outputs] == ["100%|##########\ndone\n"]
    assert "execution" not in cell.metadata
    assert "version" not in notebook.metadata.language_info


@pytest.mark.slow
def test_nbval_passes_the_same_and_catches_a_changed_output(tmp_path: Path) -> None:
    """The comparison can fail: times and figures may differ, a number may not."""
    cells = [
        "import cnnlab\n\ncnnlab.setup(seed=0)",
        "import time\n\nprint(f'took {time.time() % 7:.2f} s')",
        "from matplotlib.figure import Figure\n\nfrom cnnlab import draw\n\n"
        "figure = Figure()\nfigure.subplots().plot([1, 2])\ndraw.show(figure, 'a rising line')",
        "print(6 * 7)",
    ]
    path = chapter(tmp_path, *cells)
    assert execute_notebooks.main([str(path)]) == 0
    changed = path.with_name("changed.ipynb")
    changed.write_text(path.read_text().replace('"42\\n"', '"43\\n"').replace("a rising line", "a falling line", 1))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    # With our own conftest, whose kernels are forked.
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "tests.conftest", "--nbval"]
    command += ["--nbval-current-env", f"--nbval-sanitize-with={ROOT / 'tests' / 'nbval_sanitize.cfg'}"]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "CNNLAB_SCALE": "smoke", "PYTHONPATH": paths}
    done = subprocess.run(
        [*command, str(path), str(changed)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    said = {name: re.findall(rf"{name}::ipynb::Cell \d (\w+)", done.stdout) for name in (path.stem, changed.stem)}
    assert said[path.stem] == ["PASSED"] * 4, done.stdout
    assert said[changed.stem] == ["PASSED", "PASSED", "FAILED", "FAILED"], done.stdout
    assert done.returncode == 1 and "42" in done.stdout, done.stdout


RULES = list(get_sanitize_patterns((ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="utf-8")))


def sanitized(text: str) -> str:
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize(
    "data", ["0123" * 50_000, "AbC+/9x" * 30_000, ",".join(map(str, range(40_000))), "[1.5, 2.25], " * 15_000]
)
def test_what_is_left_out_is_found_at_a_glance(data: str) -> None:
    """An explorer's data are one word: a rule that begins at each of its letters took 20 seconds for a picture's."""
    began = time.process_time()
    assert sanitized(data) == data
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("printed", "compared"),
    [
        ("12.3it/s, 1,410 images/s", "RATE, RATE"),
        ("in 3.2 s, 1,200 ms and 4e-05 s", "in TIME, TIME and TIME"),
        ("at (0,5 s) of 2,5,10", "at (TIME) of 2,5,10"),
        ('File "/there/x/ipykernel_12/34.py", line 2', 'File CELL", line 2'),
        ("~/x in /there/.cache/a.b/net.pt, brick/visit-00/0.png", "~/x in FOLDER/net.pt, brick/visit-00/0.png"),
    ],
)
def test_what_is_left_out(printed: str, compared: str) -> None:
    assert sanitized(printed) == compared


# --- a new chapter's skeleton -----------------------------------------------------------------------------------------


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The places that a new chapter touches, in a folder of its own."""
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, tmp_path)
    for file in toc():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{file}{'.md' if (ROOT / f'{file}.md').is_file() else '.ipynb'}").touch()
    (tmp_path / "cnnlab" / "chapters").mkdir(parents=True)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_chapter_is_a_notebook_a_folder_and_a_line(book: Path) -> None:
    before = contents(book)
    path = new_chapter.lay("convolutions", "deformable", "Deformable convolutions", book)
    after = contents(book)
    folder = "cnnlab/chapters/deformable"
    assert set(after) - set(before) == {
        "book/convolutions/deformable.ipynb",
        f"{folder}/__init__.py",
        f"{folder}/exercises.py",
    }
    assert [name for name in before if after[name] != before[name]] == ["_toc.yml"]
    listed = toc(book)
    assert listed[listed.index("book/convolutions/deformable") - 1] == "book/convolutions/choosing"
    assert [file for file in listed if "deformable" not in file] == toc()
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# Deformable convolutions\n")
    assert badge(path, repository(), root=book) in notebook.cells[0].source
    assert notebook.cells[1].source == setup_cell(repository())
    headings = [cell.source.split("\n")[0] for cell in notebook.cells[2:]]
    assert headings[-3:] == ["## What came of it", "## Exercises", "## References"]


@pytest.mark.parametrize(
    ("part", "name", "title", "said"),
    [
        ("architecture", "capsnet", "CapsNet", "PART='architecture'"),
        ("architectures", "CapsNet", "CapsNet", "NAME='CapsNet'"),
        ("architectures", "caps-net", "CapsNet", "NAME='caps-net'"),
        ("architectures", "../capsnet", "CapsNet", "NAME='../capsnet'"),
        ("architectures", "class", "Classes", "NAME='class'"),
        ("architectures", "", "CapsNet", "NAME=''"),
        ("architectures", "resnet", "ResNet", "book/architectures/resnet.ipynb exists"),
        ("architectures", "lenet", "LeNet", "book/foundations/lenet.ipynb exists"),
        ("architectures", "glossary", "Words", "book/glossary.md exists"),
        ("architectures", "capsnet", " ", "TITLE=' '"),
        ("architectures", "capsnet", "Caps\nNet", "TITLE="),
        ("architectures", "capsnet", 'The "caps" net', "TITLE="),
    ],
)
def test_what_cannot_be_a_chapter_is_refused_in_one_line(
    book: Path, part: str, name: str, title: str, said: str
) -> None:
    before = contents(book)
    with pytest.raises(ValueError) as refusal:
        new_chapter.lay(part, name, title, book)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
    assert contents(book) == before


def test_make_chapter_says_a_refusal_in_one_line(capsys: pytest.CaptureFixture) -> None:
    assert new_chapter.main(["architectures", "resnet", "ResNet"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and not said.out
