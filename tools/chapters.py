"""What all chapters share, said once: the repository's address, the set-up cell, the badge, the order.

The address stands in ``_config.yml``, and beside it the reference: ``main``, or the tag of a term that Colab installs
and opens. Everything else that holds one of them is kept equal by ``tools/publish_url.py`` and
``tests/test_chapters.py``.

Badges open a chapter's *edition* (``tools/editions.py``), which is kept on a branch of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

from cnnlab.chapters import listed

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "_config.yml"
TOC = ROOT / "_toc.yml"
BADGE = "colab-badge.svg"  # in book/static: our own picture, so that a page asks no other host

MAIN = "main"  # the reference that pins nothing
TO_BE_WRITTEN = "To be written:"  # stands in a new chapter's skeleton for what is not there yet

_REFERENCE = re.compile(r"^([ \t]+cnnlab_reference:[ \t]*)(\S+)", re.MULTILINE)
_ADDRESS = re.compile(r"^(repository:\n(?:[ \t]+.*\n)*?[ \t]+url:[ \t]*)(\S+)", re.MULTILINE)

# Outputs of a cell with one of these tags are not compared, or the cell is not run at all.
EXCUSES = frozenset({"nbval-ignore-output", "nbval-skip"})


def repository(root: Path = ROOT) -> str:
    """The repository's address as ``_config.yml`` gives it, without a slash at its end."""
    found = _ADDRESS.search((root / "_config.yml").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("_config.yml names no repository; it needs 'repository:' with an indented 'url: https://...'")
    return found.group(2).rstrip("/")


def reference(root: Path = ROOT) -> str:
    """What Colab installs and opens, as ``_config.yml`` says: ``main``, or a tag."""
    found = _REFERENCE.search((root / "_config.yml").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("_config.yml needs 'cnnlab_reference: main' (or a tag) below 'sphinx:', 'config:'")
    return found.group(2)


def editions_branch(ref: str) -> str:
    """The branch that keeps the editions of ``ref``."""
    return "editions" if ref == MAIN else f"editions-{ref}"


def site(address: str) -> str:
    """Where the pages of the repository at ``address`` are published, with a slash at the end."""
    owner, name = address.removeprefix("https://github.com/").split("/")
    return f"https://{owner}.github.io/{name}/"


def page_link(notebook: Path, address: str, *, root: Path = ROOT) -> str:
    """A chapter's page on the site."""
    return site(address) + notebook.resolve().relative_to(root.resolve()).with_suffix(".html").as_posix()


def requirement(address: str, ref: str | None = None) -> str:
    """What pip installs cnnlab from; ``ref`` left out is the reference in ``_config.yml``, here and below."""
    ref = reference() if ref is None else ref
    return f"cnnlab @ git+{address}" + ("" if ref == MAIN else f"@{ref}")


def setup_cell(address: str, ref: str | None = None) -> str:
    """The source of the set-up cell, the same in every chapter."""
    return f"""\
# Set-up, the same in every chapter: installs cnnlab in Colab only.
import sys

if "google.colab" in sys.modules:
    %pip install -q "{requirement(address, ref)}"
import cnnlab

cnnlab.setup(seed=0)"""


def is_setup_cell(source: str) -> bool:
    """Whether a cell means to be the set-up cell, right or wrong."""
    return source.startswith("# Set-up") or "google.colab" in source


def colab_link(notebook: Path, address: str, ref: str | None = None, *, root: Path = ROOT) -> str:
    """Where Colab opens the edition of ``notebook``."""
    owner_and_name = address.removeprefix("https://github.com/")
    branch = editions_branch(reference() if ref is None else ref)
    path = notebook.resolve().relative_to(root.resolve()).as_posix()
    return f"https://colab.research.google.com/github/{owner_and_name}/blob/{branch}/{path}"


def badge(notebook: Path, address: str, ref: str | None = None, *, root: Path = ROOT) -> str:
    """The Markdown of a chapter's Colab badge."""
    above = "../" * (len(notebook.resolve().relative_to((root / "book").resolve()).parts) - 1)
    return f"[![Open in Colab]({above}static/{BADGE})]({colab_link(notebook, address, ref, root=root)})"


def source_note(notebook: Path, address: str, *, root: Path = ROOT) -> str:
    """The Markdown that tells a reader of the bare notebook where it reads better; pages and editions leave it out."""
    return f"""\
<div class="source-note">

This notebook is the chapter's source, in which references stand as markup. To read, take
[its page]({page_link(notebook, address, root=root)}); to run, take the edition that the badge opens.

</div>"""


def notebooks(root: Path = ROOT) -> list[Path]:
    """Every notebook of the book: those in ``_toc.yml`` in reading order, then any others by name."""
    found = sorted(path for path in (root / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    listed = {name: place for place, name in enumerate(toc(root))}
    return sorted(found, key=lambda path: listed.get(path.relative_to(root).with_suffix("").as_posix(), len(listed)))


def toc(root: Path = ROOT) -> list[str]:
    """The files that ``_toc.yml`` lists, in order, without their suffix."""
    return listed((root / "_toc.yml").read_text(encoding="utf-8"))


def code_cells(notebook) -> list:  # NotebookNode in, cells out
    """The code cells of a notebook that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def is_excused(cell) -> bool:
    """Whether nbval leaves this code cell's output uncompared (by tag or by comment)."""
    tags = set(cell.metadata.get("tags", []))
    comments = {line.strip().lstrip("# ") for line in cell.source.splitlines() if line.strip().startswith("#")}
    return bool(tags & EXCUSES or comments & {"NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP"})
