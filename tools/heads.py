"""What a chapter needs and how many minutes it takes: one sentence at its head, counted from the chapter itself.

The links of the sentence say what is needed, and are written by hand; ``tools/execute_notebooks.py`` has the rest
counted anew each time that it stores a chapter (``--tidy`` runs nothing). Minutes are those of a reader who works
along: 160 words or 12 lines of code a minute, 20 seconds for a figure, 3 minutes for an explorer or a lab, 5 for an
exercise; in steps of five.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tools.chapters import code_cells, is_setup_cell

WORDS, LINES = 160, 12
FIGURE, EXPLORER, EXERCISE = 1 / 3, 3.0, 5.0  # minutes
NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

_HEAD = re.compile(r"^\*It needs (?P<needs>[^\n]*), and takes about [^\n]*\.\*$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)]+)\)")
_NOTE = re.compile(r'<div class="source-note">.*?</div>', re.DOTALL)


@dataclass(frozen=True)
class Head:
    """What stands at a chapter's head.

    Attributes:
        needs: the files of the chapters that it needs, relative to its own.
        reading: minutes to read it, to move its explorers and to try its labs.
        exercises: how many there are.
    """

    needs: tuple[str, ...]
    reading: int
    exercises: int

    @property
    def practice(self) -> int:
        """Minutes for the exercises."""
        return _in_fives(self.exercises * EXERCISE)

    def text(self, folder: Path) -> str:
        """The sentence, for a chapter in ``folder``."""
        titles = [f"[{_title(folder / need)}]({need})" for need in self.needs] or ["no other chapter"]
        listed = titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
        return (
            f"*It needs {listed}, and takes about {self.reading} minutes to read and {self.practice} more for its "
            f"{NUMBERS[self.exercises] if self.exercises < len(NUMBERS) else self.exercises} exercises.*"
        )


def prose(notebook: nbformat.NotebookNode) -> str:
    """The Markdown of a notebook that is a reader's: without its head's sentence and the note for its source."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return _NOTE.sub("", _HEAD.sub("", text))


def words(text: str) -> int:
    """Words that a reader reads: no code, formulas, directive lines, link targets or HTML tags."""
    text = re.sub(r"```\{code-block\}.*?```", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", " formula ", text, flags=re.DOTALL)
    text = re.sub(r"^(?:`{3,}|:{3,}).*$|^:[\w-]+:.*$|^---$", " ", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    text = re.sub(r"<[^>]+>", " ", text)
    return len(re.findall(r"[^\W_]+(?:['’.-][^\W_]+)*", text))


def stored_head(notebook: nbformat.NotebookNode) -> str | None:
    """The sentence as it stands in the notebook, or None."""
    found = _HEAD.search(notebook.cells[0].source)
    return found and found.group(0)


def head(notebook: nbformat.NotebookNode) -> Head:
    """Count a notebook.

    Raises:
        ValueError: its first cell has no sentence that says what it needs.
    """
    found = _HEAD.search(notebook.cells[0].source)
    if found is None:
        raise ValueError(
            "the first cell needs a line of the form '*It needs [ResNet](resnet.ipynb), and takes about N minutes.*' "
            "('no other chapter' where it needs none) above the badge; 'tools/execute_notebooks.py --tidy' counts them."
        )
    minutes = words(prose(notebook)) / WORDS
    exercises: set[str] = set()
    for cell in code_cells(notebook):
        tags = cell.metadata.get("tags", [])
        exercises |= set(re.findall(r"\bcheck\(\s*[\"']([\w/-]+)[\"']", cell.source))
        if is_setup_cell(cell.source) or "solution" in tags:
            continue
        if "hide-input" not in tags:
            minutes += sum(bool(line.strip()) for line in cell.source.splitlines()) / LINES
        minutes += FIGURE * ("figure" in tags) + EXPLORER * len(re.findall(r"\bwidgets\.\w+\(", cell.source))
    return Head(tuple(_LINK.findall(found.group("needs"))), _in_fives(minutes), len(exercises))


def with_head(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """The notebook with its sentence counted anew. In place; also returned; one without the sentence stays as it is."""
    if notebook.cells and stored_head(notebook):
        first = notebook.cells[0]
        first.source = _HEAD.sub(lambda _: head(notebook).text(folder), first.source, count=1)
    return notebook


def _title(path: Path) -> str:
    """A chapter's title up to its colon."""
    first = nbformat.read(path, as_version=4).cells[0].source
    return re.match(r"# ([^:\n]+)", first)[1].strip()


def _in_fives(minutes: float) -> int:
    return max(5, 5 * round(minutes / 5))
