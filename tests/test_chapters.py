"""The form that every chapter keeps: set-up cell, badge, outputs, exercises, length, alternative texts.

What the code of a chapter says is nbval's business; here a notebook is only read.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from cnnlab.chapters import key
from tools.chapters import (
    BADGE,
    CONFIG,
    ROOT,
    TO_BE_WRITTEN,
    badge,
    code_cells,
    is_excused,
    is_setup_cell,
    notebooks,
    repository,
    setup_cell,
    source_note,
    toc,
)
from tools.heads import head, prose, stored_head, words

LONGEST_CELL = 45  # lines
FIGURES = ("show", "bars", "lines", "dots", "confusion", "reliability", "mask", "boxes", "joints")
LONGEST_LINE = 88  # characters: what a page's column holds (book/ruff.toml, --cnnlab-code in cnnlab.css)
LONGEST_ABOUT = 60  # characters about a chapter on the home page
WORDS = (1500, 3500)
EXCUSED_SHARE = 0.20
LARGEST_FILE = 2_000_000  # bytes

NOTEBOOKS = notebooks()
ADDRESS = repository()


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path: Path) -> nbformat.NotebookNode:
    return read(path)


# --- one notebook at a time ---------------------------------------------------------------------------------------


def test_it_is_in_the_table_of_contents(path: Path) -> None:
    assert path.relative_to(ROOT).with_suffix("").as_posix() in toc()


def test_nothing_is_left_to_be_written(path: Path, notebook) -> None:
    """What a new chapter's skeleton asks for, by its own words."""
    exercises = ROOT / "cnnlab" / "chapters" / key(path.name) / "exercises.py"
    text = prose(notebook) + (exercises.read_text(encoding="utf-8") if exercises.is_file() else "")
    wanted = re.findall(rf"{TO_BE_WRITTEN}[^*\n]*", text)
    assert not wanted, "\n".join([f"{path.relative_to(ROOT)}:", *wanted])


def test_first_cell_holds_title_and_colab_badge(path: Path, notebook) -> None:
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \S", first.source), "the first cell begins with the chapter's title"
    assert badge(path, ADDRESS) in first.source, f"the first cell needs this badge:\n{badge(path, ADDRESS)}"
    assert (ROOT / "book" / "static" / BADGE).is_file()
    note = source_note(path, ADDRESS)
    assert first.source.endswith(f"\n\n{note}"), f"the first cell ends with this:\n{note}"


def test_its_head_says_what_it_needs_and_how_long_it_takes(path: Path, notebook) -> None:
    """What it needs comes earlier in the book; the minutes are counted, so `make execute` mends them."""
    counted = head(notebook)
    assert stored_head(notebook) == counted.text(path.parent)
    order = [chapter.resolve() for chapter in NOTEBOOKS]
    for need in counted.needs:
        assert (path.parent / need).resolve() in order[: order.index(path)], f"{need} does not come before {path.stem}"


def test_setup_cell_is_the_common_one(notebook) -> None:
    cells = code_cells(notebook)
    setups = [cell.source for cell in cells if is_setup_cell(cell.source)]
    if cells:
        assert setups == [setup_cell(ADDRESS)]
        assert cells[0].source == setups[0], "the set-up cell is the first code cell"


def test_outputs_are_those_of_one_run_from_top_to_bottom(notebook) -> None:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1)), "run: make execute CHAPTERS=<this notebook>"
    results = [
        (cell.execution_count, output.execution_count)
        for cell in code_cells(notebook)
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    assert all(cell == output for cell, output in results)


def test_outputs_hold_no_error_and_no_warning(notebook) -> None:
    for number, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.outputs:
            assert output.output_type != "error", f"cell {number} raises {output.get('ename')}"
            assert output.get("name") != "stderr", f"cell {number} writes to stderr: {output.text[:200]}"
            assert "Traceback (most recent call last)" not in str(output.get("text", "")), f"cell {number}"


def test_figures_are_shown_with_an_alternative_text(notebook) -> None:
    """Figures come out of draw.show as themed SVG with a caption, never as a picture that is white in the dark."""
    for number, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.outputs:
            data = output.get("data", {})
            bare = {"image/png", "image/jpeg", "image/svg+xml"} & set(data)
            assert not bare, f"cell {number} shows {bare}; use cnnlab.draw.show(figure, alt, caption=...)"
            assert "<Figure size" not in str(data.get("text/plain", "")), f"cell {number} shows a bare figure"
            for tag in re.findall(r"<img\b[^>]*>", str(data.get("text/html", ""))):
                assert re.search(r'\balt="[^"]+"', tag), f"cell {number}: {tag[:120]} has no alt text"
    for alt in re.findall(r"!\[([^\]]*)\]\(", prose(notebook)):
        assert alt.strip(), "a picture in the text has no alt text"
    for tag in re.findall(r"<img\b[^>]*>", prose(notebook)):
        assert re.search(r'\balt="[^"]+"', tag), f"{tag[:120]} has no alt text"
    for block in re.findall(r"^[`:]{3,}\{(?:image|figure)\}.*?^[`:]{3,}$", prose(notebook), re.DOTALL | re.MULTILINE):
        assert re.search(r"^:alt: \S", block, re.MULTILINE), f"no :alt: in {block[:120]}"


def test_cells_are_short_enough_to_read(notebook) -> None:
    long = {
        number: cell.source.count("\n") + 1
        for number, cell in enumerate(code_cells(notebook), start=1)
        if cell.source.count("\n") + 1 > LONGEST_CELL
    }
    assert not long, f"code cells of more than {LONGEST_CELL} lines: {long}"


def test_lines_fit_the_column(notebook) -> None:
    """A longer line scrolls sideways on the page, sentences in strings too: `make format` breaks only code."""
    long = [
        f"cell {number} ({len(line)}): {line.strip()[:50]}"
        for number, cell in enumerate(code_cells(notebook), start=1)
        for line in cell.source.splitlines()
        if len(line) > LONGEST_LINE
    ]
    assert not long, "\n".join([f"lines of more than {LONGEST_LINE} characters:", *long])


def test_comments_stand_above_their_line(notebook) -> None:
    """Behind a closing bracket, a comment is read last, and pushed there it has blown up a call over five lines."""
    behind = {
        number: line.strip()
        for number, cell in enumerate(code_cells(notebook), start=1)
        for line in cell.source.splitlines()
        if re.match(r"\s*[)\]}]+[,:]?\s*#", line)
    }
    assert not behind, f"comments behind a closing bracket; put them above: {behind}"


def test_a_cell_that_only_draws_is_folded(notebook) -> None:
    """A cell with a figure that says nothing and leaves no name that a later cell reads is there for its picture."""
    cells = code_cells(notebook)
    trees = [None if is_setup_cell(cell.source) else ast.parse(cell.source) for cell in cells]
    read = [_free(tree) if tree else set() for tree in trees]
    for number, (cell, tree) in enumerate(zip(cells, trees, strict=True), start=1):
        tags = cell.metadata.get("tags", [])
        shows = tree is not None and any(_shows(node) for node in ast.walk(tree))
        if shows and "solution" not in tags and not _says(tree) and not _names(tree) & set().union(*read[number:]):
            assert {"figure", "hide-input"} <= set(tags), f"cell {number} only draws: tag it hide-input and figure"
        if "figure" in tags:
            assert "hide-input" in tags, f"cell {number} is tagged figure and open"
            drawn = shows or any(_draws(node) for node in ast.walk(tree))
            assert drawn and not _says(tree), f"cell {number} is folded as a figure and does more than draw"


def _shows(node: ast.AST) -> bool:
    """A call that puts a figure on the page, not one that draws into a panel."""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in {f"draw.{name}" for name in FIGURES}
        and "axis" not in {keyword.arg for keyword in node.keywords}
    )


def _draws(node: ast.AST) -> bool:
    """A picture of a network, whose one call may stand open as well: it says which network, and that teaches."""
    drawings = {"draw.draw_model", "draw.draw_block", "draw.block_gallery"}
    return isinstance(node, ast.Call) and ast.unparse(node.func) in drawings


def _says(tree: ast.AST) -> bool:
    """It prints, asserts, or defines something."""
    return any(
        isinstance(node, ast.Assert | ast.FunctionDef | ast.ClassDef)
        or (isinstance(node, ast.Call) and ast.unparse(node.func) == "print")
        for node in ast.walk(tree)
    )


def _free(tree: ast.Module) -> set[str]:
    """Names that the cell reads and has not bound by then, in an earlier statement or in a loop of the same one."""
    free: set[str] = set()
    bound: set[str] = set()
    for statement in tree.body:
        nodes = list(ast.walk(statement))
        loops = [node.target for node in nodes if isinstance(node, ast.For | ast.comprehension)]
        inside = {node.id for target in loops for node in ast.walk(target) if isinstance(node, ast.Name)}
        loaded = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        free |= loaded - bound - inside
        bound |= _names(statement)
    return free


def _names(tree: ast.AST) -> set[str]:
    """What the code leaves behind: names that it binds or imports."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return bound | {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}


SCALES = ("smoke", "laptop", "gpu")


def by_scale_of(tree: ast.AST) -> list[tuple[dict[str, str], set[str]]]:
    """What each `by_scale` gives at each scale, as code, and the names that it is given to."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        for call in ast.walk(node.value):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("by_scale"):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                found.append((given, {own.id for target in node.targets for own in ast.walk(target) if _is_name(own)}))
    return found


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name)


@pytest.mark.slow
def test_what_trains_has_three_scales_that_differ(notebook) -> None:
    """A larger machine does more: each scale gives other numbers, they are used, and the page says what they are."""
    trees = [ast.parse(_without_magics(cell.source)) for cell in code_cells(notebook) if not _is_exercise(cell)]
    calls = [ast.unparse(node.func) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if not any(name.endswith((".backward", "fit")) for name in calls):
        return
    scaled = [found for tree in trees for found in by_scale_of(tree)]
    assert scaled, "it trains, and never asks cnnlab.by_scale how much"
    for given, _ in scaled:
        assert sorted(given) == sorted(SCALES)
    budgets = [tuple(given[scale] for given, _ in scaled) for scale in SCALES]
    assert len(set(budgets)) == len(SCALES), f"two scales are the same: {budgets}"
    read_names = {node.id for tree in trees for node in ast.walk(tree) if _is_name(node) and _is_read(node)}
    for given, names in scaled:
        assert names <= read_names, f"{names - read_names} are set by scale and never used: {given}"
    told = prose(notebook).lower()
    assert "laptop" in told and "gpu" in told, "the page says nothing of its larger scales"


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _is_exercise(cell) -> bool:
    return "check(" in cell.source


def _without_magics(source: str) -> str:
    return "\n".join(re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in source.split("\n"))


def test_few_cells_are_excused_from_comparison(notebook) -> None:
    cells = code_cells(notebook)
    excused = [number for number, cell in enumerate(cells, start=1) if is_excused(cell)]
    assert len(excused) <= EXCUSED_SHARE * len(cells), f"cells {excused} of {len(cells)} are not compared"


def test_metadata_is_quiet(notebook) -> None:
    """What changes from machine to machine is not stored: `make execute` leaves it out."""
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.display_name == "Python 3"
    assert "version" not in notebook.metadata.get("language_info", {})
    for cell in notebook.cells:
        assert not {"execution", "ExecuteTime"} & set(cell.metadata)
    nbformat.validate(notebook)


def test_three_exercises_or_more_each_with_a_solution(notebook) -> None:
    sources = [cell.source for cell in code_cells(notebook)]
    named = {name for source in sources for name in re.findall(r"\bcheck\(\s*[\"']([\w/-]+)[\"']", source)}
    assert len(named) >= 3, f"exercises: {sorted(named)}"
    solutions = [cell for cell in code_cells(notebook) if "solution" in cell.metadata.get("tags", [])]
    for cell in solutions:
        assert cell.source.startswith("# @title Solution"), "Colab folds a cell that begins with '# @title Solution'"
        assert "hide-input" in cell.metadata.tags
        assert cell.metadata.get("cellView") == "form"
        assert cell.metadata.get("jupyter", {}).get("source_hidden") is True
    for name in named:
        tries = [cell for cell in code_cells(notebook) if re.search(rf"check\(\s*[\"']{name}[\"']", cell.source)]
        kinds = ["solution" in cell.metadata.get("tags", []) for cell in tries]
        assert kinds[0] is False and any(kinds), f"{name}: a stub comes first, then a folded solution"


def test_it_can_be_read_in_one_sitting(notebook) -> None:
    count = words(prose(notebook))
    assert WORDS[0] <= count <= WORDS[1], f"{count} words"


# --- the book as a whole ------------------------------------------------------------------------------------------


def test_share_of_strictly_compared_cells(record_property) -> None:
    cells = [cell for path in NOTEBOOKS for cell in code_cells(read(path))]
    if not cells:
        pytest.skip("there are no notebooks under book/ yet")
    share = sum(not is_excused(cell) for cell in cells) / len(cells)
    record_property("strictly_compared_share", round(share, 3))
    assert share >= 1 - EXCUSED_SHARE, f"nbval compares {share:.0%} of {len(cells)} code cells strictly"


def test_home_page_says_a_line_about_every_chapter_and_about_nothing_else() -> None:
    """Parts, order and titles come from elsewhere (book/ext/cnnlab_book/contents.py); the line fits one row at 1280."""
    block = re.search(r"^```\{chapters\}\n(.*?)^```", (ROOT / "index.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    lines = dict(line.split(": ", 1) for line in block[1].splitlines())
    assert list(lines) == [path.stem for path in NOTEBOOKS], "a line for each chapter, in the order of _toc.yml"
    assert all(10 < len(text) <= LONGEST_ABOUT for text in lines.values()), lines


def test_table_of_contents_lists_files_that_exist() -> None:
    for name in toc():
        assert (ROOT / f"{name}.ipynb").is_file() or (ROOT / f"{name}.md").is_file(), name


@pytest.mark.parametrize("name", ["README.md", "pyproject.toml", "CITATION.cff", "LICENSE-text"])
def test_repository_address_is_that_of_the_config(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert ADDRESS in text, f"{name} does not give the address in {CONFIG.name}; run make publish-url URL={ADDRESS}"


def test_no_other_address_of_this_repository_anywhere() -> None:
    """Any github.com/<owner>/<our name> is ours; an old owner left behind would lead readers astray."""
    name = ADDRESS.rsplit("/", 1)[1]
    pattern = re.compile(rf"(?:github\.com|colab\.research\.google\.com/github)/([\w.-]+)/{re.escape(name)}(?![\w-])")
    owner = ADDRESS.split("/")[-2]
    for path in tracked_files():
        if path.suffix in {".md", ".ipynb", ".yml", ".toml", ".cff", ".py", ".html"} and "tests" not in path.parts:
            for other in pattern.findall(path.read_text(encoding="utf-8")):
                assert other == owner, f"{path.relative_to(ROOT)} names the owner {other}, _config.yml {owner}"


def test_no_tracked_file_is_large() -> None:
    large = {str(path): path.stat().st_size for path in tracked_files() if path.stat().st_size > LARGEST_FILE}
    assert not large, large


@pytest.mark.slow
def test_no_path_of_one_machine_anywhere() -> None:
    """A path of the author's machine in an output, a recorded result or the code helps nobody else."""
    pattern = re.compile(r"(?<![\w.~$}])/(?:home|root|Users|work|mnt|opt|tmp|srv)/[\w-]+|\b[A-Z]:\\+Users\\+")
    for path in tracked_files():
        if path.suffix in {
            ".py",
            ".md",
            ".ipynb",
            ".json",
            ".yml",
            ".toml",
            ".txt",
            ".cff",
            ".js",
            ".css",
            ".html",
            "",
        }:
            found = pattern.search(path.read_text(encoding="utf-8"))
            assert not found, f"{path.relative_to(ROOT)} names {found.group()}"


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    # A caller's own GIT_DIR (a hook's, for one) must not answer for this folder.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, env=clean, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]
