"""The editions: no MyST is left, nothing else has changed, and they say what the pages say."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import editions
from tools.chapters import (
    ROOT,
    badge,
    colab_link,
    editions_branch,
    notebooks,
    page_link,
    reference,
    repository,
    setup_cell,
    source_note,
)
from tools.editions import Book, Page, Unresolved, edition, leftovers

NOTEBOOKS = notebooks()
HTML = ROOT / "_build" / "html"


@cache
def book() -> Book:
    return Book()


@cache
def made(path: Path) -> nbformat.NotebookNode:
    return edition(path, book())[0]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


def prose(notebook: nbformat.NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def without_code(markdown: str) -> str:
    markdown = re.sub(r"^[ >]*(`{3,})[^`{\n]*\n.*?^[ >]*\1[ \t]*$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", markdown, flags=re.DOTALL)


# --- the chapters' editions -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_is_left_unresolved(path: Path) -> None:
    """Looked for without the tool's own parser: roles, directives, labels, boxes, relative addresses."""
    text = prose(made(path))
    assert not re.findall(r"\{[A-Za-z][\w:.+-]*\}`", text)
    assert not re.findall(r"^[ >\-*\d.]*(?:`{3,}|~{3,}|:{3,})\{.*$|^[ >]*:{3,}.*$", text, re.MULTILINE)
    text = without_code(text)
    assert not re.findall(r"^\([\w-]+\)=|^:[\w-]+: |^%|^\+\+\+", text, re.MULTILINE)
    assert not re.findall(r"\$\$[ \t]*\([\w-]+\)", text)
    assert all(link.startswith("https://") for link in re.findall(r"\]\(([^)]*)\)", text))


def test_code_outputs_and_everything_else_are_the_chapters(path: Path) -> None:
    source, copy = nbformat.read(path, as_version=4), made(path)
    assert copy.metadata == source.metadata
    assert [cell.id for cell in copy.cells] == [cell.id for cell in source.cells]
    for before, after in zip(source.cells, copy.cells):
        if "solution" in before.metadata.get("tags", []):
            # No notebook front end folds what a solution prints, and it often says the answer.
            before = {**before, "outputs": [], "execution_count": None}
        assert {**after, "source": ""} == {**before, "source": ""}
        if before["cell_type"] == "code":
            assert after["source"] == before["source"]


def test_first_cell_opens_this_edition_and_names_the_page(path: Path) -> None:
    first = made(path).cells[0].source
    assert f"]({colab_link(path, repository())})" in first
    assert f"]({page_link(path, repository())})" in first
    assert "source-note" not in first and "source" not in first.split("Open in Colab")[1].split("svg")[-1]


class Words(HTMLParser):
    """A page's anchors, and the text inside elements whose class is asked for."""

    def __init__(self, *classes: str) -> None:
        super().__init__()
        self.classes, self.found, self.anchors = classes, [], set()
        self.depth, self.hidden = 0, 0

    def handle_starttag(self, tag: str, attributes: list) -> None:
        given = dict(attributes)
        self.anchors |= {given["id"]} if given.get("id") else set()
        if tag in {"img", "br", "input", "link", "meta", "hr", "source", "wbr", "path"}:
            return
        if self.depth:
            self.depth += 1
            self.hidden += "headerlink" in (given.get("class") or "")
        elif set((given.get("class") or "").split()) & set(self.classes):
            self.depth = 1
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self.depth -= bool(self.depth)

    def handle_data(self, data: str) -> None:
        if self.depth:
            self.found[-1] += data


@cache
def page(name: str, *classes: str) -> SimpleNamespace:
    if not (HTML / "index.html").is_file():
        pytest.fail(f"the book is not built ({HTML} has no index.html); run: make book")
    reader = Words(*classes)
    reader.feed((HTML / f"{name}.html").read_text(encoding="utf-8"))
    return SimpleNamespace(words=[" ".join(text.split()) for text in reader.found], anchors=reader.anchors)


def plain(markdown: str) -> str:
    """Markdown without its links and emphasis, on one line."""
    return " ".join(editions.unlinked(markdown).replace("*", "").split())


@pytest.mark.slow
def test_citations_and_numbers_are_those_that_the_page_prints(path: Path) -> None:
    name = path.relative_to(ROOT).with_suffix("").as_posix()
    text = plain(prose(made(path)))
    place = 0
    cited = page(name, "bibtex-citation").words
    for citation in cited:  # in the page's order
        place = text.find(citation, place)
        assert place >= 0, f"the page says {citation}, the edition does not, or elsewhere"
    assert len(re.findall(r"\{cite(?::\w+)?\}`", prose(nbformat.read(path, as_version=4)))) == len(cited)
    tags = [f"({number})" for number in re.findall(r"\\tag\{([\d.]+)\}", prose(made(path)))]
    assert tags == [number.rstrip("#") for number in page(name, "eqno").words]
    boxes = re.findall(r"^### (Exercise [\d.]+ .*)$", prose(made(path)), re.MULTILINE)
    titles = [title for title in page(name, "admonition-title").words if title.startswith("Exercise")]
    assert [re.sub(r"\W", "", box) for box in boxes] == [re.sub(r"\W", "", title) for title in titles] != []


@pytest.mark.slow
def test_the_download_button_gives_the_edition(path: Path) -> None:
    offered = HTML / "_sources" / path.relative_to(ROOT)
    assert offered.is_file(), "run: make book"
    assert nbformat.read(offered, as_version=4) == made(path)


@pytest.mark.slow
def test_links_to_the_site_lead_to_something(path: Path) -> None:
    links = re.findall(rf"{re.escape(book().site)}([^)\s]*)", prose(made(path)))
    assert links
    for link in links:
        name, _, anchor = link.partition("#")
        target = page(name.removesuffix(".html"))
        assert not anchor or anchor in target.anchors, link


# --- a book of one page, for all that the chapters do not hold --------------------------------------------------------

GLOSSARY = """\
# Glossary

```{glossary}
feature map
  One channel of a layer's output.

MAC
  A multiplication and an addition.
```
"""

BIBLIOGRAPHY = """\
@article{ann2020one, author = {Ann, A. and Bob, B. and Cid, C.}, title = {One}, year = {2020}, journal = {J}}
@article{bob2021two, author = {von Bob, B. and Cid, C.}, title = {Two}, year = {2021}, journal = {J}}
"""

CHAPTER = """\
# A chapter

(sec-one)=
## One section

$$
a = b
$$ (eq-one)

```{figure} ../static/a.png
:name: fig-one
:alt: A dot

A dot in a figure, as {term}`MAC` says.
```

:::{exercise} Try it
:label: ex-one

Solve {eq}`eq-one`.

:::
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("book/part", "book/static"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "_config.yml").write_text(
        "repository:\n  url: https://github.com/ann/net\nbibtex_bibfiles: [book/references.bib]\n"
        "parse:\n  myst_enable_extensions: [amsmath, attrs_inline, colon_fence, deflist, dollarmath, substitution]\n"
        "sphinx:\n  config:\n    cnnlab_reference: main\n    bibtex_reference_style: author_year\n"
        '    bibtex_cite_id: "cite-{key}"\n'
    )
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: index\nparts:\n  - numbered: true\n    chapters:\n      - file: book/part/a\n"
        "      - file: book/part/b\n  - chapters:\n      - file: book/glossary\n      - file: book/bibliography\n"
    )
    (tmp_path / "index.md").write_text("# Home\n")
    (tmp_path / "book/glossary.md").write_text(GLOSSARY)
    (tmp_path / "book/bibliography.md").write_text("# Bibliography\n\n```{bibliography}\n:all:\n```\n")
    (tmp_path / "book/references.bib").write_text(BIBLIOGRAPHY)
    for name in ("a.png", "b.svg", "colab-badge.svg"):
        (tmp_path / "book/static" / name).write_bytes(b"x")
    address = "https://github.com/ann/net"
    for name in ("a", "b"):
        path = tmp_path / f"book/part/{name}.ipynb"
        head = f"{badge(path, address, 'main', root=tmp_path)}\n\n{source_note(path, address, root=tmp_path)}"
        start = CHAPTER if name == "a" else "# Another {term}`MAC`\n\n$$\nc\n$$ (eq-two)\n"
        cells = [new_markdown_cell(f"{start}\n{head}"), new_code_cell(setup_cell(address, "main"))]
        nbformat.write(new_notebook(cells=cells), path)
    return tmp_path


SITE = "https://ann.github.io/net/book/"
RAW = "https://raw.githubusercontent.com/ann/net/editions/book/static/"
MAC = f"[MAC]({SITE}glossary.html#term-MAC)"
ANN = f"Ann *et al.* [[2020]({SITE}bibliography.html#cite-ann2020one)]"

KNOWN = {
    "{cite:t}`ann2020one`": ANN,
    "{cite}`bob2021two`": f"[[von Bob and Cid, 2021]({SITE}bibliography.html#cite-bob2021two)]",
    "{cite:p}`bob2021two,ann2020one`": (
        f"[[Ann *et al.*, 2020]({SITE}bibliography.html#cite-ann2020one), "
        f"[von Bob and Cid, 2021]({SITE}bibliography.html#cite-bob2021two)]"
    ),
    "{cite:t}`{see}ann2020one{p. 3}`": f"Ann *et al.* [see [2020]({SITE}bibliography.html#cite-ann2020one), p. 3]",
    "{term}`MAC`": MAC,
    "a {term}`feature\nmap` wrapped": f"a [feature map]({SITE}glossary.html#term-feature-map) wrapped",
    "{term}`maps <feature map>`": f"[maps]({SITE}glossary.html#term-feature-map)",
    "- {term}`feature\n  map`s": f"- [feature map]({SITE}glossary.html#term-feature-map)s",
    "> {term}`feature\n> map`": f"> [feature map]({SITE}glossary.html#term-feature-map)",
    "| a | b |\n|---|---|\n| {term}`MAC` | `{term}` |": f"| a | b |\n|---|---|\n| {MAC} | `{{term}}` |",
    "[about {term}`MAC`s](b.ipynb)": f"[about MACs]({SITE}part/b.html)",
    "**{cite:t}`ann2020one`**": f"**{ANN}**",
    "## On {term}`MAC`s": f"## On {MAC}s",
    "{eq}`eq-one`": "(1.1)",
    "{eq}`eq-two`": f"[(2.1)]({SITE}part/b.html#equation-eq-two)",
    "{ref}`ex-one`": "Exercise 1.1",
    "{ref}`this one <ex-one>`": f"[this one]({SITE}part/a.html#ex-one)",
    "{ref}`sec-one`": f"[One section]({SITE}part/a.html#sec-one)",
    "{numref}`fig-one`": "Fig. 1.1",
    "{numref}`figure %s <fig-one>`": f"[figure 1.1]({SITE}part/a.html#fig-one)",
    "{doc}`b`": f"[Another {{term}}`MAC`]({SITE}part/b.html)",
    "[b](b.ipynb)": f"[b]({SITE}part/b.html)",
    "[](../glossary.md)": f"[Glossary]({SITE}glossary.html)",
    "[here](#sec-one)": f"[here]({SITE}part/a.html#sec-one)",
    "[file](../references.bib)": "[file](https://github.com/ann/net/blob/main/book/references.bib)",
    "{download}`the list <../references.bib>`": (
        "[the list](https://github.com/ann/net/blob/main/book/references.bib)"
    ),
    "<project:#sec-one>": f"[One section]({SITE}part/a.html#sec-one)",
    "<https://x.org>": "<https://x.org>",
    "[x](https://x.org 'y')": "[x](https://x.org 'y')",
    "![A dot](../static/a.png)": f"![A dot]({RAW}a.png)",
    "![A dot](../static/b.svg){width=30px}": f'<img src="{RAW}b.svg?sanitize=true" alt="A dot" width="30">',
    '<img src="../static/a.png" alt="A dot">': f'<img src="{RAW}a.png" alt="A dot">',
    "{math}`x_1` {sub}`2` {sup}`3` {kbd}`Tab` {abbr}`MAC (x)`": "$x_1$ <sub>2</sub> <sup>3</sup> <kbd>Tab</kbd> MAC",
    "[red]{.x} `code`{.python} [b](b.ipynb){.c}": f"red `code` [b]({SITE}part/b.html)",
    "Once[^a], twice[^b], again[^a].\n\n[^a]: See {term}`MAC`.\n[^b]: B.": (
        f"Once<sup>1</sup>, twice<sup>2</sup>, again<sup>1</sup>.\n\n<sup>1</sup> See {MAC}.\n<sup>2</sup> B."
    ),
    "term one\n: Its {term}`MAC`.\n\nterm two\n: B,\n  on two lines.\n: C": (
        f"- **term one**\n  Its {MAC}.\n- **term two**\n  B,\n  on two lines.\n  C"
    ),
    "(label)=\n% a comment\n\n+++\n\ntext": "\n\ntext",
    # left as they are
    "`{term}` and ``{term}`MAC` `` stay": "`{term}` and ``{term}`MAC` `` stay",
    "```python\nx = '{term}`MAC`'\n$$ (eq)\n```": "```python\nx = '{term}`MAC`'\n$$ (eq)\n```",
    "    x = '{term}`MAC`'": "    x = '{term}`MAC`'",
    "$x_{a}`b`$ and $$y_{a}$$": "$x_{a}`b`$ and $$y_{a}$$",
    "$$\na = b\n$$": "$$\na = b\n$$",
    "\\begin{align}\na &= b\n\\end{align}": "\\begin{align}\na &= b\n\\end{align}",
    "A dollar, \\$5, and [brackets] {braces}": "A dollar, \\$5, and [brackets] {braces}",
    # blocks
    "$$\na\n$$ (eq-one)": "$$\na \\tag{1.1}\n$$",
    "- so\n\n  $$\n  a\n  $$ (eq-one)": "- so\n\n  $$\n  a \\tag{1.1}\n  $$",
    "> $$\n> a\n> $$ (eq-one)": "> $$\n> a \\tag{1.1}\n> $$",
    "```{math}\n:label: eq-one\na\n```": "$$\na \\tag{1.1}\n$$",
    "## E\n\n:::{exercise} Try `it`\n:label: ex-one\n\n{eq}`eq-one`, {term}`MAC`.\n:::": (
        f"## E\n\n### Exercise 1.1 (Try `it`)\n\n(1.1), {MAC}."
    ),
    ":::{note}\nA {term}`MAC`.\n\nB.\n:::": f"> **Note**\n>\n> A {MAC}.\n>\n> B.",
    "```{tip} At once\n```": "> **Tip**\n>\n> At once",
    "::::{admonition} Title {eq}`eq-one`\n:class: tip\n:::{seealso}\nX\n:::\n::::": (
        "> **Title (1.1)**\n>\n> > **See also**\n> >\n> > X"
    ),
    "- item\n\n  :::{note}\n  In a list.\n  :::\n- next": "- item\n\n  > **Note**\n  >\n  > In a list.\n- next",
    "> quote\n>\n> ```{note}\n> In it.\n> ```": "> quote\n>\n> > **Note**\n> >\n> > In it.",
    ":::{dropdown} More\nA {term}`MAC`.\n:::": f"<details><summary>More</summary>\n\nA {MAC}.\n\n</details>",
    "```{code-block} python\n:caption: Loop\n\nx = {}\n```": "Loop\n\n```python\nx = {}\n```",
    "```{image} ../static/a.png\n:alt: A dot\n```": f"![A dot]({RAW}a.png)",
    "```{figure} ../static/a.png\n:name: fig-one\n:alt: A dot\n\nA {term}`MAC`.\n```": (
        f"![A dot]({RAW}a.png)\n\n**Fig. 1.1** A {MAC}."
    ),
    "```{contents}\n```": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("markup", KNOWN, ids=lambda markup: markup[:24].replace("\n", " "))
def test_markup_becomes_plain_markdown(markup: str, project: Path) -> None:
    here = Page(Book(project), "book/part/a")
    written = here.resolve(markup)
    if "{doc}" not in markup:  # the title of the other page holds a role, which no chapter's does
        assert leftovers(written, here.book.parser) == [], written
    assert written == KNOWN[markup]


@pytest.mark.parametrize(
    ("markup", "message"),
    [
        ("{wave}`x`", "the role {wave} is unknown .* It knows cite, "),
        (":::{wave}\n:::", "the directive {wave} is unknown .* It knows admonition, "),
        ("{cite:q}`ann2020one`", "the citing role 'q' is none of"),
        ("{cite:t}`nobody`", "no entry nobody"),
        ("{term}`wave`", "no term 'wave'"),
        ("{eq}`eq-wave`", "no page has the label 'eq-wave'"),
        ("[x](wave.ipynb)", "no page and no file"),
        ("![x](wave.png)", "wave.png is not there"),
        ("{{ wave }}", "substitution"),
    ],
)
def test_what_is_unknown_stops_it(markup: str, message: str, project: Path) -> None:
    path = project / "book/part/a.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(new_markdown_cell(f"Some words.\n\n{markup}"))
    nbformat.write(notebook, path)
    with pytest.raises(Unresolved, match=r"book/part/a.ipynb, cell 3 \(Some words\.\): .*" + message):
        edition(path, Book(project))


def test_leftovers_are_seen(project: Path) -> None:
    parser = Book(project).parser
    for markup in ("{term}`MAC`", ":::{note}\n:::", "```{tip}\n```", "$$\na\n$$ (eq)", "(x)=", "[^1]\n\n[^1]: a"):
        assert leftovers(markup, parser), markup
    assert leftovers("[x](../x.ipynb)", parser) and leftovers("a\n: b", parser) and leftovers("{{ x }}", parser)
    assert leftovers("`{term}`, $x$\n\n$$\ny\n$$\n\n```python\n{x}\n```\n[x](https://x.org)", parser) == []


def test_writes_notebooks_and_pictures_in_place_of_old_ones(project: Path) -> None:
    target = project / "_build" / "editions"
    (target / "book").mkdir(parents=True)
    (target / "book" / "old.ipynb").write_text("{}")
    written = editions.write(target, root=project)
    assert [path.relative_to(target).as_posix() for path in written] == ["book/part/a.ipynb", "book/part/b.ipynb"]
    kept = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    pictures = {"book/static/a.png", "book/static/colab-badge.svg"}
    assert kept == {"README.md", "book/part/a.ipynb", "book/part/b.ipynb", *pictures}
    first = (target / "book/part/a.ipynb").read_bytes()
    editions.write(target, root=project)
    assert (target / "book/part/a.ipynb").read_bytes() == first
    nbformat.validate(nbformat.read(target / "book/part/a.ipynb", as_version=4))


def test_a_tag_pins_install_line_badge_and_pictures(project: Path) -> None:
    target = project / "_build" / "editions"
    editions.write(target, root=project, ref="ws26")
    first, setup = nbformat.read(target / "book/part/a.ipynb", as_version=4).cells
    assert setup.source == setup_cell("https://github.com/ann/net", "ws26")
    assert "git+https://github.com/ann/net@ws26" in setup.source
    assert "/ann/net/blob/editions-ws26/book/part/a.ipynb" in first.source
    assert "/ann/net/editions-ws26/book/static/a.png" in first.source
    assert "/editions/" not in first.source


# --- where they are kept ----------------------------------------------------------------------------------------------


def test_the_workflow_pushes_them_where_badges_look_and_writes_nowhere_else() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    writers = [
        name for name, job in workflow["jobs"].items() if "write" in str(job.get("permissions", {}).get("contents"))
    ]
    assert writers == ["editions"]
    job = workflow["jobs"]["editions"]
    assert job["permissions"] == {"contents": "write"} and job["needs"] == "build"
    push = job["steps"][-1]
    assert (
        f"'{editions_branch('{0}')}'" in push["env"]["BRANCH"]
        and f"'{editions_branch('main')}'" in push["env"]["BRANCH"]
    )
    assert "git push -q --force" in push["run"] and "refs/heads" not in push["run"]
    assert workflow[True]["push"]["tags"] == ["*"]  # yaml reads the key "on" as true


def test_badges_open_what_the_reference_says() -> None:
    for path in NOTEBOOKS:
        assert f"/blob/{editions_branch(reference())}/" in badge(path, repository())
