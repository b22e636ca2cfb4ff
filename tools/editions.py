"""Write each chapter's edition: the notebook with every reference resolved, for Colab, Jupyter and GitHub.

    python tools/editions.py [--ref TAG]      # into _build/editions, below the paths that the chapters have

A chapter is written in MyST, which the site typesets and no notebook front end reads: there, roles, boxes and labels
show as markup. An edition has the same cells, code and outputs, but for those of solutions; its prose is Markdown,
with citations and terms linked to the site, boxes as headings and equations numbered as on the page. Badges open
editions (``tools/chapters.py`` says where they are kept). Markup that this tool does not know stops it: nothing is left
unresolved.
"""

from __future__ import annotations

import argparse
import json
import posixpath
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import yaml
from docutils import nodes
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.chapters import ROOT, editions_branch, notebooks, page_link, reference, repository, site, source_note, toc
from tools.publish_url import checked_reference, swapped, swaps

TARGET = ROOT / "_build" / "editions"
GLOSSARY, BIBLIOGRAPHY = "book/glossary", "book/bibliography"
PLAIN = "book/editions"  # no page: what stands where the citing document's name is wanted

ADMONITIONS = {
    "attention": "Attention",
    "caution": "Caution",
    "danger": "Danger",
    "error": "Error",
    "hint": "Hint",
    "important": "Important",
    "note": "Note",
    "seealso": "See also",
    "tip": "Tip",
    "warning": "Warning",
}
TITLED = {"admonition", "margin", "sidebar", "topic"}  # a title, then a body
BARE = {"container", "div", "epigraph", "highlights", "pull-quote"}  # a body
CODE = {"code", "code-block", "sourcecode"}
PAGE_ONLY = {"contents", "index", "tableofcontents", "toctree"}  # nothing that a notebook could show
COUNTED = {"exercise": "Exercise", "figure": "Fig.", "table": "Table"}


class Unresolved(ValueError):
    """Markup that cannot be turned into plain Markdown."""


# --- what the pages hold, so that references can be resolved ---------------------------------------------------------


@dataclass
class Place:
    """Something with a label: where it is on the site and what a reference to it prints."""

    page: str  # as in _toc.yml
    anchor: str
    kind: str  # section, equation, exercise, figure, table
    number: str = ""
    title: str = ""

    @property
    def name(self) -> str:
        """What the site prints for a bare reference."""
        if self.kind == "equation":
            return f"({self.number})"
        return f"{COUNTED[self.kind]} {self.number}" if self.number else self.title


@dataclass
class Index:
    """What one page adds to the book."""

    title: str | None = None
    places: dict[str, Place] = field(default_factory=dict)

    def note(self, label: str | None, place: Place) -> None:
        if label:
            self.places[nodes.fully_normalize_name(label)] = place


@dataclass
class Book:
    """All pages' labels, terms and citations, and the addresses that links lead to."""

    root: Path = ROOT
    ref: str | None = None
    remember: Callable[[Any, Callable[[], Any]], Any] = lambda key, make: make()  # the site's build has a memory
    places: dict[str, Place] = field(default_factory=dict, init=False)
    titles: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.address = repository(self.root)
        self.committed_ref = reference(self.root)
        self.ref = self.committed_ref if self.ref is None else checked_reference(self.ref)
        self.site = site(self.address)
        owner_and_name = self.address.removeprefix("https://github.com/")
        self.raw = f"https://raw.githubusercontent.com/{owner_and_name}/{editions_branch(self.ref)}/"
        self.config = yaml.safe_load((self.root / "_config.yml").read_text(encoding="utf-8"))
        extensions = set(self.config["parse"]["myst_enable_extensions"])
        self.parser = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)
        numbers = chapter_numbers(self.root)
        self.pages = toc(self.root)
        for page in self.pages:
            source, number = self.source(page), numbers.get(page, "")
            made_of = (page, number, source, tuple(sorted(extensions)))
            index = self.remember(made_of, partial(self._index, page, source, number))
            self.places.update(index.places)
            if index.title is not None:
                self.titles[page] = index.title

    def source(self, page: str) -> str:
        """The prose of a page."""
        path = self.root / f"{page}.ipynb"
        if path.is_file():
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]  # nbformat would also judge the outputs
            return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        text = (self.root / f"{page}.md").read_text(encoding="utf-8")
        return re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)

    def _index(self, page: str, source: str, chapter: str) -> Index:
        """What a page holds, of itself alone."""
        index = Index()
        counts: dict[str, int] = {}

        def number(kind: str) -> str:
            counts[kind] = counts.get(kind, 0) + 1
            return f"{chapter}.{counts[kind]}" if chapter else str(counts[kind])

        pending: list[str] = []  # labels that wait for the heading below them
        for token, text in self._tokens(source):
            if token.type == "heading_open":
                title = text
                index.title = title if index.title is None else index.title
                for label in pending:
                    index.note(label, Place(page, nodes.make_id(label), "section", title=title))
                pending.clear()
            elif token.type == "myst_target":
                pending.append(token.content.strip().removeprefix("(").removesuffix(")="))
            elif token.type == "math_block_label":
                index.note(token.info, Place(page, equation_anchor(token.info), "equation", number("equation")))
            elif token.type in {"fence", "colon_fence"} and (box := Directive.read(token)):
                label = box.options.get("label") or box.options.get("name")
                if box.name == "math":
                    if label:
                        index.note(label, Place(page, equation_anchor(label), "equation", number("equation")))
                elif box.name in COUNTED and "nonumber" not in box.options:
                    if box.name == "table" and not box.argument:
                        continue  # without a caption it is not counted
                    if box.name == "figure" and not box.body.strip():
                        continue
                    place = Place(page, nodes.make_id(label or ""), box.name, number(box.name), box.argument)
                    index.note(label, place)
                    index.places[f"{page}:{box.name}:{counts[box.name]}"] = place
                elif label:
                    index.note(label, Place(page, nodes.make_id(label), "section", title=box.argument))
        for label in pending:
            index.note(label, Place(page, nodes.make_id(label), "section"))
        return index

    def _tokens(self, source: str) -> Iterator[tuple[Any, str]]:
        """Every block token, those inside directives too; with a heading its text."""
        tokens = self.parser.parse(source)
        for place, token in enumerate(tokens):
            yield token, tokens[place + 1].content if token.type == "heading_open" else ""
            box = Directive.read(token) if token.type in {"fence", "colon_fence"} else None
            if box is not None and box.name not in CODE | {"math", "glossary"}:
                yield from self._tokens(box.body)

    def url(self, page: str, anchor: str = "") -> str:
        """The site's address of a page."""
        return f"{self.site}{page}.html" + (f"#{anchor}" if anchor else "")

    def place(self, label: str) -> Place:
        try:
            return self.places[nodes.fully_normalize_name(label)]
        except KeyError:
            raise Unresolved(f"no page has the label {label!r}") from None

    @cached_property
    def terms(self) -> dict[str, str]:
        """The glossary's terms, in lower case, and their anchors on its page."""
        from sphinx.util.nodes import _make_id  # as the glossary directive names its entries

        found: dict[str, str] = {}
        for token, _ in self._tokens(self.source(GLOSSARY)):
            box = Directive.read(token) if token.type in {"fence", "colon_fence"} else None
            if box is not None and box.name == "glossary":
                for term in re.findall(r"^(?![\s:])(.+?)\s*$", box.body, re.MULTILINE):
                    found[term.lower()] = _make_id(f"term-{term}")
        return found

    @cached_property
    def citations(self) -> Callable[[str, str], str]:
        """A function of a citing role's name (``t``, ``p``) and its content: the Markdown of what the site prints."""
        # The very code that prints citations on the site, with a Markdown writer behind it.
        import pybtex.plugin
        from pybtex.database import BibliographyData, parse_file
        from sphinxcontrib.bibtex import plugin
        from sphinxcontrib.bibtex.citation_target import parse_citation_targets
        from sphinxcontrib.bibtex.roles import CiteRole
        from sphinxcontrib.bibtex.style.referencing import format_references
        from sphinxcontrib.bibtex.style.template import SphinxReferenceInfo

        settings = self.config["sphinx"]["config"]
        entries = BibliographyData()
        for name in self.config["bibtex_bibfiles"]:
            entries.add_entries(parse_file(str(self.root / name)).entries.items())
        listing = pybtex.plugin.find_plugin("pybtex.style.formatting", settings.get("bibtex_default_style", "alpha"))()
        ordered = listing.sort(entries.entries.values())
        formatted = {
            entry.key: listing.format_entry(label, entry)
            for label, entry in zip(listing.format_labels(ordered), ordered)
        }
        style = plugin.find_plugin("sphinxcontrib.bibtex.style.referencing", settings["bibtex_reference_style"])()
        builder = SimpleNamespace(name="markdown", get_relative_uri=lambda here, there: self.url(there))

        def cite(role: str, content: str) -> str:
            if role not in style.role_names():
                raise Unresolved(f"the citing role {role!r} is none of {', '.join(sorted(style.role_names()))}")
            targets = {target.key: target for target in parse_citation_targets(content)}
            missing = set(targets) - set(formatted)
            if missing:
                raise Unresolved(f"the bibliography has no entry {', '.join(sorted(missing))}")
            cited = []
            for entry in ordered:  # several works of one citation stand in the bibliography's order, as on the site
                if entry.key in targets:
                    anchor = nodes.make_id(settings["bibtex_cite_id"].format(key=entry.key))
                    before, after = targets[entry.key].pre, targets[entry.key].post
                    info = SphinxReferenceInfo(builder, PLAIN, BIBLIOGRAPHY, anchor, None, before, after)
                    cited.append((entry, formatted[entry.key], info))
            written = format_references(style, role, cited).render(CiteRole.backend)
            return "".join(_markdown(node) for node in written)

        return cite


def _markdown(node: nodes.Node) -> str:
    """Markdown of what a citation is made of."""
    if isinstance(node, nodes.Text):
        return escaped(node.astext())
    inside = "".join(_markdown(child) for child in node.children)
    if isinstance(node, nodes.reference):
        return f"[{inside}]({node['refuri']})"
    if isinstance(node, nodes.emphasis):
        return f"*{inside}*"
    if isinstance(node, nodes.strong):
        return f"**{inside}**"
    return inside


def escaped(text: str) -> str:
    """``text`` as Markdown that shows it letter by letter. Brackets stay: they are harmless where these texts go."""
    return re.sub(r"([\\`*_<])", r"\\\1", text)


def equation_anchor(label: str) -> str:
    return f"equation-{nodes.make_id(label)}"


def chapter_numbers(root: Path = ROOT) -> dict[str, str]:
    """The number of each chapter in a numbered part, counted through the parts as the site does."""
    listed = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    numbered = [part for part in listed.get("parts", []) if part.get("numbered")]
    pages = [chapter["file"] for part in numbered for chapter in part["chapters"]]
    return {re.sub(r"\.(?:ipynb|md)$", "", page): str(number) for number, page in enumerate(pages, start=1)}


# --- one page ---------------------------------------------------------------------------------------------------------


@dataclass
class Directive:
    """``{name} argument``, its ``:option: value`` lines, and its body."""

    name: str
    argument: str
    options: dict[str, str]
    body: str

    @classmethod
    def read(cls, token: Any) -> Directive | None:
        """The directive that a fence's token is, or None where it is a plain block of code."""
        head = re.fullmatch(r"\{([^}\s]+)\}\s*(.*)", token.info.strip(), re.DOTALL)
        if head is None:
            return None
        lines = token.content.split("\n")
        options: dict[str, str] = {}
        if lines and lines[0].strip() == "---" and "---" in [line.strip() for line in lines[1:]]:
            end = [line.strip() for line in lines].index("---", 1)
            options = {str(key): str(value) for key, value in (yaml.safe_load("\n".join(lines[1:end])) or {}).items()}
            lines = lines[end + 1 :]
        else:
            while lines and (option := re.fullmatch(r":([\w-]+):[ \t]*(.*)", lines[0].strip())):
                options[option.group(1)] = option.group(2)
                lines.pop(0)
        return cls(head.group(1), head.group(2).strip(), options, "\n".join(lines).strip("\n"))


_BALANCED = r"(?:\\.|[^\[\]\\]|\[(?:\\.|[^\[\]\\])*\])*?"  # brackets within brackets, one deep
_ADDRESS = r"(?:<[^<>\n]*>|(?:[^()\s]|\([^()\s]*\))*)"
_LINE = r"(?:[^\n]|\n(?!\s*\n))"  # anything but a blank line: inline markup ends with its paragraph
INLINE = re.compile(
    rf"""
      (?P<escape>\\[^\n])
    | \{{(?P<role>[A-Za-z][\w:.+-]*)\}}(?P<tick>`+)(?P<content>{_LINE}+?)(?<!`)(?P=tick)(?!`)
    | (?P<code>(?<!`)(?P<ticks>`+)(?!`){_LINE}+?(?<!`)(?P=ticks)(?!`))(?P<code_attributes>\{{[^{{}}\n]*\}})?
    | (?P<math>\$\$(?:{_LINE}+?)\$\$|\$(?:\\.|[^$\\\n]|\n(?!\s*\n))+?\$)
    | !\[(?P<alt>{_BALANCED})\]\((?P<picture>{_ADDRESS})(?P<picture_title>\s+"[^"]*")?\)(?P<sizes>\{{[^{{}}\n]*\}})?
    | \[\^(?P<footnote>[^\]\s]+)\]
    | \[(?P<text>{_BALANCED})\]\((?P<link>{_ADDRESS})(?P<title>\s+"[^"]*")?\)(?P<link_attributes>\{{[^{{}}\n]*\}})?
    | \[(?P<span>{_BALANCED})\]\{{[^{{}}\n]*\}}
    | <(?P<automatic>(?:project|path|doc|inv):[^<>\s]*|\#[^<>\s]*)>
    | (?P<html><(?:img|a)\b[^>]*>)
    | (?P<substitution>\{{\{{[^{{}}\n]*\}}\}})
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass
class Page:
    """Resolves the prose of one page, cell after cell: numbers count on from one to the next."""

    book: Book
    page: str
    level: int = 1  # of the last heading
    counts: dict[str, int] = field(default_factory=dict)
    footnotes: dict[str, int] = field(default_factory=dict)
    pictures: set[str] = field(default_factory=set)  # files that have to be kept with the editions

    # --- blocks

    def resolve(self, source: str) -> str:
        """Plain Markdown for MyST."""
        lines = source.split("\n")
        written: list[str] = []
        done = 0
        for start, end, before, write in self._blocks(source, lines):
            written += self._prose(lines[done:start])  # first, since numbers and headings count on
            done = end
            text = write()
            if text is None:
                written += lines[start:end]
            elif text:
                after = re.sub(r"[^>\s]", " ", before)  # a list's marker stands once
                written += [((after if row else before) + line).rstrip() for row, line in enumerate(text.split("\n"))]
        return "\n".join(written + self._prose(lines[done:]))

    def _prose(self, lines: list[str]) -> list[str]:
        if not lines:
            return []
        text = "\n".join(lines)
        for hashes in re.findall(r"^(#{1,6})\s", text, re.MULTILINE):
            self.level = len(hashes)
        return self.inline(text).split("\n")

    def _blocks(self, source: str, lines: list[str]) -> Iterator[tuple[int, int, str, Callable[[], str | None]]]:
        """All that is not prose: first line, line after the last, what stands before it on a line (of a list or a
        quotation), and what writes it anew, or None for "leave it as it is"."""
        covered = 0
        for token in self.book.parser.parse(source):
            if token.map is None or token.map[0] < covered:
                continue
            start, end = token.map
            write = self._writer(token, lines[start:end])
            if write is None:
                continue
            while end > start + 1 and not lines[end - 1].strip():
                end -= 1
            covered = end
            opening = "$$" if token.type.startswith("math_block") else token.markup
            first = lines[start]
            place = first.find(opening) if opening else -1
            yield start, end, first[: place if place >= 0 else len(first) - len(first.lstrip(" >"))], write

    def _writer(self, token: Any, lines: list[str]) -> Callable[[], str | None] | None:
        """What writes a block anew; None where a block is prose, whose lines are resolved as such."""
        kind = token.type
        if kind in {"fence", "colon_fence"}:
            box = Directive.read(token)
            if box is not None:
                return lambda: self._directive(box)
            if kind == "colon_fence":
                return lambda: self.resolve(token.content.strip("\n"))
            return lambda: None
        if kind in {"code_block", "amsmath", "math_block"}:
            return lambda: None
        if kind == "math_block_label":
            depth = lines[0].partition("$$")[0].count(">")  # the parser leaves a quotation's marks in a formula
            return lambda: self._equation(re.sub(rf"^(?: *>){{{depth}}}", "", token.content, flags=re.M), token.info)
        if kind in {"myst_target", "myst_line_comment", "myst_block_break"}:
            return lambda: ""
        if kind == "html_block":
            return lambda: re.sub(r"<(?:img|a)\b[^>]*>", lambda tag: self._tag(tag.group()), token.content.rstrip("\n"))
        if kind == "footnote_reference_open":
            return lambda: self._footnote(lines)
        if kind == "dl_open":
            return lambda: self._definitions(lines)
        if kind == "front_matter":
            return lambda: ""
        return None

    def _equation(self, content: str, label: str = "") -> str:
        tag = f" \\tag{{{self.book.place(label).number}}}" if label else ""
        return f"$$\n{textwrap.dedent(content.rstrip()).strip(chr(10))}{tag}\n$$"

    def _footnote(self, lines: list[str]) -> str:
        head = re.match(r"[ >]*\[\^([^\]]+)\]:[ \t]*(.*)", lines[0])
        text = "\n".join([head.group(2), *(line.strip() for line in lines[1:])]).strip()
        return f"<sup>{self._footnote_number(head.group(1))}</sup> {self.resolve(text)}"

    def _footnote_number(self, label: str) -> int:
        return self.footnotes.setdefault(label, len(self.footnotes) + 1)

    def _definitions(self, lines: list[str]) -> str:
        """A definition list as a plain one: the term in bold, its definitions below it."""
        items: list[str] = []
        body: list[str] = []

        def close() -> None:
            if body:
                items.append(indented(self.resolve("\n".join(body).strip("\n")), "  "))
                body.clear()

        for line in lines:
            if found := re.match(r":[ \t]+(.*)", line):
                close()
                body.append(found.group(1))
            elif not line.strip() or line[:1].isspace():
                body.append(line.strip()) if body or line.strip() else None
            else:
                close()
                items.append(f"- **{self.inline(line.strip())}**")
        close()
        return "\n".join(item for item in items if item.strip())

    # --- directives

    def _directive(self, box: Directive) -> str:
        name = box.name
        if name == "exercise":
            return self._exercise(box)
        if name in {"solution", "solution-start"}:
            return self._box(f"Solution to {self._reference(box.argument, '')}", box.body)
        if name in ADMONITIONS:
            title, body = ADMONITIONS[name], "\n".join(part for part in (box.argument, box.body) if part)
            return self._folded(title, body) if "dropdown" in box.options.get("class", "") else self._box(title, body)
        if name in TITLED:
            folded = "dropdown" in box.options.get("class", "")
            return self._folded(box.argument, box.body) if folded else self._box(box.argument, box.body)
        if name in {"dropdown", "details"}:
            return self._folded(box.argument, box.body)
        if name in BARE:
            return quoted(self.resolve(box.body)) if name not in {"container", "div"} else self.resolve(box.body)
        if name in CODE:
            fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall(r"`{3,}", box.body))])
            caption = f"{self.inline(box.options['caption'])}\n\n" if "caption" in box.options else ""
            return f"{caption}{fence}{box.argument}\n{box.body}\n{fence}"
        if name == "math":
            label = box.options.get("label") or box.options.get("name") or ""
            return self._equation("\n".join(part for part in (box.argument, box.body) if part), label)
        if name == "image":
            return self._picture(box.options.get("alt", ""), box.argument, box.options.get("width", ""))
        if name == "figure":
            return self._figure(box)
        if name == "table":
            caption = f"**{self._counted(box)}** {self.inline(box.argument)}\n\n" if box.argument else ""
            return caption + self.resolve(box.body)
        if name == "bibliography":
            return f"See the [bibliography]({self.book.url(BIBLIOGRAPHY)})."
        if name in PAGE_ONLY:
            return ""
        known = sorted(
            {*ADMONITIONS, *TITLED, *BARE, *CODE, *PAGE_ONLY, *COUNTED, "bibliography", "dropdown", "image", "math"}
        )
        raise Unresolved(
            f"the directive {{{name}}} is unknown to tools/editions.py. It knows {', '.join(known)}. "
            "Use one of them, or teach it this one in Page._directive, with a test."
        )

    def _counted(self, box: Directive) -> str:
        self.counts[box.name] = self.counts.get(box.name, 0) + 1
        return self.book.places[f"{self.page}:{box.name}:{self.counts[box.name]}"].name

    def _exercise(self, box: Directive) -> str:
        name = "Exercise" if "nonumber" in box.options else self._counted(box)
        title = f" ({self.inline(box.argument)})" if box.argument else ""
        heading = f"{'#' * min(6, self.level + 1)} {name}{title}"
        level, body = self.level, self.resolve(box.body)
        self.level = level  # a box's heading holds no later one
        return f"{heading}\n\n{body}".rstrip("\n")

    def _box(self, title: str, body: str) -> str:
        head = f"**{self.inline(title)}**\n\n" if title else ""
        return quoted(head + self.resolve(body))

    def _folded(self, title: str, body: str) -> str:
        # A blank line after <summary>, or front ends read no Markdown inside.
        return f"<details><summary>{self.inline(title) or 'Details'}</summary>\n\n{self.resolve(body)}\n\n</details>"

    def _figure(self, box: Directive) -> str:
        picture = self._picture(box.options.get("alt", ""), box.argument, box.options.get("width", ""))
        if not box.body.strip():
            return picture
        return f"{picture}\n\n**{self._counted(box)}** {self.resolve(box.body)}"

    def _picture(self, alt: str, source: str, width: str = "") -> str:
        address = self._picture_address(source)
        if width:
            return f'<img src="{address}" alt="{alt}" width="{width.removesuffix("px")}">'
        return f"![{alt}]({address})"

    def _picture_address(self, source: str) -> str:
        """A picture's address on the editions' branch: Colab resolves no relative one."""
        if re.match(r"[a-z][a-z+.-]*:", source):
            return source
        path = self._path(source)
        if not (self.book.root / path).is_file():
            raise Unresolved(f"the picture {source} is not there ({path})")
        self.pictures.add(path)
        # GitHub serves an SVG as plain text, which no page shows, unless asked so.
        return self.book.raw + path + ("?sanitize=true" if path.endswith(".svg") else "")

    def _path(self, relative: str) -> str:
        """A path that a page gives, from the repository's top."""
        if relative.startswith("/"):
            return relative.lstrip("/")
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.page), relative))

    # --- inline

    def inline(self, text: str, *, in_link: bool = False) -> str:
        """Resolve roles, links and pictures in running text; code and formulas stay as they are."""

        def write(found: re.Match[str]) -> str:
            part = found.groupdict()
            if part["role"]:
                return self._role(part["role"], " ".join(re.sub(r"\n[ >]*", " ", part["content"]).split()), in_link)
            if part["code"]:
                return part["code"]
            if part["picture"] is not None:
                sizes = re.search(r"width=\"?([^\s\"}]+)", part["sizes"] or "")
                return self._picture(part["alt"], part["picture"], sizes.group(1) if sizes else "")
            if part["footnote"]:
                return f"<sup>{self._footnote_number(part['footnote'])}</sup>"
            if part["link"] is not None:
                return self._link(part["text"], part["link"].strip("<>"), part["title"] or "", in_link)
            if part["span"] is not None:
                return self.inline(part["span"], in_link=in_link)
            if part["automatic"]:
                return self._link("", re.sub(r"^(?:project|path|doc):", "", part["automatic"]), "", in_link)
            if part["html"]:
                return self._tag(part["html"])
            if part["substitution"]:
                raise Unresolved(f"the substitution {part['substitution']} is unknown to tools/editions.py")
            return found.group()

        return INLINE.sub(write, text)

    def _role(self, name: str, content: str, in_link: bool) -> str:
        explicit = re.fullmatch(r"(.*?)\s*<([^<>]+)>", content)
        text, target = explicit.groups() if explicit else ("", content)
        if name == "cite" or name.startswith("cite:"):
            written = self.book.citations(name.partition(":")[2] or "p", content)
        elif name == "term":
            anchor = self.book.terms.get(target.lower())
            if anchor is None:
                raise Unresolved(f"the glossary has no term {target!r}")
            written = f"[{escaped(text or target)}]({self.book.url(GLOSSARY, anchor)})"
        elif name in {"ref", "numref", "eq", "math:numref"}:
            written = self._reference(target, text)
        elif name in {"doc", "download"}:
            written = self._link(escaped(text), target, "", in_link)
        elif name == "math":
            written = f"${content}$"
        elif name in {"sub", "sup", "subscript", "superscript", "kbd"}:
            tag = name[:3]
            written = f"<{tag}>{escaped(content)}</{tag}>"
        elif name == "abbr":
            written = escaped(re.sub(r"\s*\(.*\)$", "", content))
        else:
            raise Unresolved(
                f"the role {{{name}}} is unknown to tools/editions.py. It knows cite, cite:..., term, ref, numref, "
                "eq, doc, download, math, sub, sup, kbd and abbr. Use one of them, or teach it this one in Page._role, "
                "with a test."
            )
        return unlinked(written) if in_link else written

    def _reference(self, label: str, text: str) -> str:
        """What stands for a reference: its number, which is in this notebook too, or a link to the site."""
        place = self.book.place(label)
        words = (
            escaped(re.sub(r"%s|\{number\}", place.number, text).replace("{name}", place.title)) if text else place.name
        )
        if not words:
            raise Unresolved(f"{label!r} has no title; give the reference a text: text <{label}>")
        if place.page == self.page and place.kind != "section" and not text:
            return words
        return f"[{words}]({self.book.url(place.page, place.anchor)})"

    def _link(self, text: str, target: str, title: str, in_link: bool) -> str:
        words = self.inline(text, in_link=True)
        address = target
        if not re.match(r"[a-z][a-z+.-]*:", target):
            address, default = self._target(target)
            words = words or default
        return words if in_link else f"[{words}]({address}{title})"

    def _target(self, target: str) -> tuple[str, str]:
        """The address that a link within the book leads to, and the text of a link that has none."""
        path, _, anchor = target.partition("#")
        if not path:
            if nodes.fully_normalize_name(anchor) in self.book.places:
                place = self.book.place(anchor)
                return self.book.url(place.page, place.anchor), place.name
            return self.book.url(self.page, anchor), ""
        here = self._path(path)
        page = re.sub(r"\.(?:ipynb|md|html)$", "", here)
        if page in self.book.pages:
            if anchor and nodes.fully_normalize_name(anchor) in self.book.places:
                anchor = self.book.place(anchor).anchor
            return self.book.url(page, anchor), self.book.titles.get(page, "")
        if not (self.book.root / here).is_file():
            raise Unresolved(f"the link {target} leads to no page and no file ({here})")
        return f"{self.book.address}/blob/{self.book.ref}/{here}", posixpath.basename(here)

    def _tag(self, tag: str) -> str:
        """An ``<img>`` or ``<a>`` with an address that leads somewhere from a notebook too."""
        tag = re.sub(r'(\bsrc=")([^"]*)(")', lambda m: m[1] + self._picture_address(m[2]) + m[3], tag)
        relative = r'(\bhref=")((?![a-z][a-z+.-]*:)[^"]+)(")'
        return re.sub(relative, lambda m: m[1] + self._target(m[2])[0] + m[3], tag)


def unlinked(markdown: str) -> str:
    """The text of links, for where a link stands already."""
    return re.sub(rf"\[((?:\\.|[^\[\]\\])*)\]\({_ADDRESS}\)", r"\1", markdown)


def quoted(markdown: str) -> str:
    return indented(markdown, "> ")


def indented(markdown: str, by: str) -> str:
    return "\n".join((by + line).rstrip() for line in markdown.split("\n"))


# --- what must not be left --------------------------------------------------------------------------------------------


def leftovers(markdown: str, parser: Any) -> list[str]:
    """Everything in ``markdown`` that MyST reads and a plain Markdown reader shows as markup."""
    found: list[str] = []

    def look(tokens: list[Any]) -> None:
        for token in tokens:
            if token.type in {"fence", "colon_fence"} and (token.type == "colon_fence" or token.info.startswith("{")):
                found.append(f"{token.markup}{token.info}")
            elif token.type.startswith(
                ("myst_", "footnote_", "substitution", "dl_", "math_block_label", "math_inline_label")
            ):
                found.append(f"{token.type}: {token.content or token.info or token.meta}")
            elif token.type in {"link_open", "image"}:
                address = str(token.attrs.get("href") or token.attrs.get("src") or "")
                if not re.match(r"(?:https?|mailto|data|attachment):", address):
                    found.append(f"a link to {address}")
            elif token.type == "text" and (role := re.search(r"\{[A-Za-z][\w:.+-]*\}`|:::", token.content)):
                found.append(role.group())
            look(token.children or [])

    look(parser.parse(markdown))
    return found


def edition(path: Path, book: Book) -> tuple[nbformat.NotebookNode, set[str]]:
    """A chapter's edition and the pictures that it shows, as paths from the repository's top.

    Raises:
        Unresolved: the chapter holds markup that this tool does not know, or a reference to nothing.
    """
    notebook = nbformat.read(path, as_version=4)
    name = path.relative_to(book.root).as_posix()
    page = Page(book, name.removesuffix(".ipynb"))
    pinned = swaps(book.address, book.address, book.committed_ref, book.ref)
    for number, cell in enumerate(notebook.cells):
        cell.source = swapped(cell.source, pinned)
        if cell.cell_type != "markdown":
            if "solution" in cell.metadata.get("tags", []):
                # Jupyter and Colab fold a cell's code and leave its output open, which would say the answer.
                cell.outputs, cell.execution_count = [], None
            continue
        try:
            if number == 0:
                site_page = page_link(path, book.address, root=book.root)
                note = (
                    f"Made for notebooks from [this chapter's page]({site_page}), where explorers also move on a phone."
                )
                cell.source = cell.source.replace(source_note(path, book.address, root=book.root), note)
            cell.source = page.resolve(cell.source)
            left = leftovers(cell.source, book.parser)
            if left:
                raise Unresolved(f"left unresolved: {'; '.join(left)}")
        except Unresolved as error:
            first = next((line for line in cell.source.splitlines() if line.strip()), "")
            raise Unresolved(f"{name}, cell {number + 1} ({first[:60]}): {error}") from None
    return notebook, page.pictures


README = """\
# Editions of the chapters

These notebooks are written by `make editions` from the chapters in [{address}]({address}) ({ref}): the same code and
outputs, with references resolved for Colab and Jupyter. Nothing is edited here: each publishing replaces this branch.
Corrections go to the chapters.

{links}
"""


def write(target: Path = TARGET, *, root: Path = ROOT, ref: str | None = None) -> list[Path]:
    """Write the editions of all chapters below ``root`` into ``target``, in place of what was there; return them."""
    book = Book(root, ref)
    made = {path.relative_to(root): edition(path, book) for path in notebooks(root)}  # first all, so that none is half
    shutil.rmtree(target, ignore_errors=True)
    for inside, (notebook, _) in made.items():
        (target / inside).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target / inside)
    for picture in sorted(set().union(*(pictures for _, pictures in made.values()))):
        (target / picture).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / picture, target / picture)
    for licence in sorted(root.glob("LICENSE*")):
        shutil.copy(licence, target)
    titles = {path: book.titles.get(path.with_suffix("").as_posix(), path.stem) for path in made}
    links = "\n".join(f"- [{title}]({path.as_posix()})" for path, title in titles.items())
    (target / "README.md").write_text(README.format(address=book.address, ref=book.ref, links=links), encoding="utf-8")
    return [target / path for path in made]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ref", help="what they install and link to: main, or a tag; else as _config.yml says")
    options = parser.parse_args(arguments)
    try:
        written = write(ref=options.ref or None)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in TARGET.rglob("*") if path.is_file())
    branch = editions_branch(options.ref or reference())
    print(f"{len(written)} editions for the branch {branch}, {size / 1e6:.1f} MB, in {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
