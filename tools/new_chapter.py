"""Lay the skeleton of a chapter: its notebook, its folder in cnnlab/chapters and its line in ``_toc.yml``.

make chapter PART=architectures NAME=capsnet TITLE="CapsNet"

Nothing is written unless all of it can be. The notebook is run once, so that what is there passes its tests; what is
yet to be written is marked, and ``tests/test_chapters.py`` names it.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import execute_notebooks
from tools.chapters import ROOT, TO_BE_WRITTEN, badge, repository, setup_cell, source_note, toc
from tools.heads import with_head

# The anatomy of a chapter after its opening: what stands under each heading.
SECTIONS = {
    "The idea": "in words and one equation, then in a picture made by code, then in code short enough to read whole",
    "The experiment": "what could refute the claim, its numbers with their spread, and a cell that asserts the ranges",
    "Something to move": "an explorer that works in the plain page, or a lab that trains",
    "What came of it": "where it is used, what replaced it, and when you would choose it",
    "Exercises": "three to six, easy to open-ended, each with a stub, `cnnlab.check` and a folded solution",
    "References": "the papers, and where they and the libraries differ",
}
OPENING = ("the question that a reader cares about, and a picture after three lines", "what you can do at the end")

# What it needs is written in by hand, as links; the minutes are counted.
NEEDS = "*It needs no other chapter, and takes about 5 minutes.*"


def parts(root: Path = ROOT) -> list[str]:
    """The folders of book/ that hold chapters, in the order of ``_toc.yml``."""
    chapters = [Path(file) for file in toc(root) if (root / f"{file}.ipynb").is_file()]
    return list(dict.fromkeys(file.parts[1] for file in chapters if len(file.parts) == 3))


def checked(part: str, name: str, title: str, root: Path = ROOT) -> None:
    """Refuse what cannot become a chapter.

    Raises:
        ValueError: one line that says what was given and what is allowed.
    """
    if part not in parts(root):
        raise ValueError(f"PART={part!r} is no part of the book; take one of {', '.join(parts(root))}.")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(
            f"NAME={name!r} cannot name a chapter; take small letters, digits and _, a letter first, as in dense_net."
        )
    for path in (root / "cnnlab" / "chapters" / name, *root.glob(f"book/*/{name}.ipynb"), *root.glob(f"book/{name}.*")):
        if path.exists():
            raise ValueError(f"NAME={name!r} is taken: {path.relative_to(root)} exists. Choose another name.")
    if not title.strip() or re.search(r'[\n"\\]', title):
        raise ValueError(f"TITLE={title!r} cannot be a title; give one line without double quotes and backslashes.")


def lay(part: str, name: str, title: str, root: Path = ROOT) -> Path:
    """Write the skeleton below ``root`` and return the notebook's path.

    Raises:
        ValueError: the chapter cannot be laid; nothing was written.
    """
    checked(part, name, title, root)
    contents = _with_line((root / "_toc.yml").read_text(encoding="utf-8"), part, name)
    notebook = root / "book" / part / f"{name}.ipynb"
    nbformat.write(_notebook(notebook, title, root), notebook)
    folder = root / "cnnlab" / "chapters" / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "exercises.py").write_text(
        f'"""Exercises of the chapter "{title}".\n\n{TO_BE_WRITTEN} three to six; `cnnlab.exercises` shows how.\n"""\n',
        encoding="utf-8",
    )
    (root / "_toc.yml").write_text(contents, encoding="utf-8")
    return notebook


def _with_line(contents: str, part: str, name: str) -> str:
    """The text of ``_toc.yml`` with the chapter after the last one of its part."""
    lines = contents.splitlines(keepends=True)
    last = max(place for place, line in enumerate(lines) if f"file: book/{part}/" in line)
    line = re.sub(rf"book/{part}/\S+", f"book/{part}/{name}", lines[last])
    return "".join([*lines[: last + 1], line, *lines[last + 1 :]])


def _notebook(path: Path, title: str, root: Path) -> nbformat.NotebookNode:
    address = repository(root)
    links = (badge(path, address, root=root), source_note(path, address, root=root))
    opening = "\n\n".join([f"# {title}", *map(_marked, OPENING), NEEDS, *links])
    sections = [new_markdown_cell(f"## {heading}\n\n{_marked(wanted)}") for heading, wanted in SECTIONS.items()]
    cells = [new_markdown_cell(opening), new_code_cell(setup_cell(address)), *sections]
    return execute_notebooks.tidy(with_head(new_notebook(cells=cells), path.parent))


def _marked(wanted: str) -> str:
    return f"*{TO_BE_WRITTEN} {wanted}.*"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", help="a folder of book/, such as architectures")
    parser.add_argument("name", help="the notebook's name and the folder's, such as densenet")
    parser.add_argument("title", help="the chapter's title, such as DenseNet")
    options = parser.parse_args(arguments)
    try:
        notebook = lay(options.part, options.name, options.title)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    failed = execute_notebooks.main([str(notebook)])
    print(
        f"Write {notebook.relative_to(ROOT)} and cnnlab/chapters/{options.name}/exercises.py. Then come entries in "
        "book/references.bib, rows in book/glossary.md and book/fact-check.md, and a line in index.md. "
        f"make execute CHAPTERS={notebook.relative_to(ROOT)} stores the outputs."
    )
    return failed


if __name__ == "__main__":
    sys.exit(main())
