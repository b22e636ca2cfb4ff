"""The API reference: what a package makes public, from its sources.

    ```{eval-rst}
    .. package:: cnnlab.data
    ```

A list of its names with their first sentences, then each in full, in the order of its ``__all__``: signature, what its
docstring says, and its methods. A name that several packages offer is told where it is defined, and linked from the
others. Names in single backticks, and types in signatures, lead to what they name.

The sources are read, not imported, and not by ``sphinx.ext.autodoc``: with that a clean build took twice as long (29.5
seconds of a processor in place of 14.7), for it imports torch. Docstrings are in Google's form.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import roles
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

WIDEST = 72  # characters of a signature in one line; a longer one has a line for each parameter
LONGEST_VALUE = 90  # characters of a constant's value that are shown

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")
_TITLES = {"Args": "Arguments"}
_ITEM = re.compile(r"^(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*): (.*)$")
_SHAPE = re.compile(r"^(\s*)Shape: ")
_ROLE = re.compile(r":(?:py:)?(?:class|func|meth|mod|attr|data|exc|obj):(?=`)")
_CODE_OR_TAIL = re.compile(r"(`+[^`]+`+)|\b(\w*[a-zA-Z])_(?![\w`])")
_SENTENCE = re.compile(r"(.+?\.)(?:\s+[A-Z`(]|$)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_][\w.]*")

Function = (ast.FunctionDef, ast.AsyncFunctionDef)


# --- what there is ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A public name.

    Attributes:
        name: as it is offered: "cnnlab.data.load_images".
        module: the module that defines it.
        node: its definition there; the module itself for a module.
    """

    name: str
    module: str
    node: ast.AST

    @property
    def key(self) -> tuple[str, str]:
        """The same for all names of one thing."""
        return self.module, getattr(self.node, "name", "") or self.name.rpartition(".")[
            2
        ]

    @property
    def doc(self) -> str:
        docs = (ast.Module, ast.ClassDef, *Function)
        return ast.get_docstring(self.node) or "" if isinstance(self.node, docs) else ""


@cache
def source_of(module: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no module {module}")
    return Path(spec.origin)


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(source_of(module).read_text(encoding="utf-8"))


def places(module: str) -> dict[str, str]:
    """The public names of a module and the modules where they are to be looked for; "" for what is a module itself.

    A package with lazy names is imported, which costs nothing; of the others the imports are read.
    """
    tree = tree_of(module)
    imported = {
        alias.asname or alias.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if "lazy_names" in imported:
        return {
            name: "" if home == f"{module}.{name}" else home
            for name, home in import_module(module)._HOMES.items()
            if not name.startswith("_")
        }
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return {
                name: imported.get(name, module)
                for name in ast.literal_eval(node.value)
            }
    raise ValueError(f"{module} has no __all__")


def definition(name: str, module: str) -> tuple[str, ast.AST]:
    """Where a name is defined, and how; imports are followed."""
    found: tuple[str, ast.AST] | None = None
    for node in tree_of(module).body:
        if isinstance(node, (ast.ClassDef, *Function)) and node.name == name:
            found = module, node  # the last one, after its overloads
        elif isinstance(node, ast.ImportFrom) and any(
            (alias.asname or alias.name) == name for alias in node.names
        ):
            found = definition(name, node.module or "")
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(ast.unparse(target) == name for target in targets):
                found = module, node
    if found is None and places(module).get(name, module) != module:
        return definition(name, places(module)[name])
    if found is None:
        raise ValueError(f"{module} does not define {name}, which is public")
    return found


@cache
def entries(module: str) -> tuple[Entry, ...]:
    """What a module offers, in its own order."""
    listed = []
    for name, home in places(module).items():
        full = f"{module}.{name}"
        if not home:
            listed.append(Entry(full, full, tree_of(full)))
        else:
            listed.append(Entry(full, *definition(name, home)))
    return tuple(listed)


class Index(NamedTuple):
    """Where each public thing is told.

    Attributes:
        told: its key -> the name under which it is told.
        short: "load_images", "data.load_images", "Run.plot" -> the full name; of twins, the first.
    """

    told: dict[tuple[str, str], str]
    short: dict[str, str]


@cache
def index() -> Index:
    modules = [one.module for one in entries("cnnlab") if is_module(one)]
    modules += [one.module for m in modules for one in entries(m) if is_module(one)]
    offered: dict[tuple[str, str], list[Entry]] = {}
    for module in (*modules, "cnnlab"):
        for one in entries(module):
            offered.setdefault(one.key, []).append(one)
    told = {key: _home(names) for key, names in offered.items()}
    short: dict[str, str] = {}
    for key, names in offered.items():
        for name in dict.fromkeys((told[key], *(one.name for one in names))):
            parts = name.split(".")
            for start in range(len(parts)):
                short.setdefault(".".join(parts[start:]), told[key])
        if isinstance(names[0].node, ast.ClassDef):
            for member in members(names[0].node):
                full = f"{told[key]}.{member.name}"
                short.setdefault(".".join(full.split(".")[-2:]), full)
    return Index(told, short)


def _home(names: list[Entry]) -> str:
    """The package that a thing is defined in if that offers it, else the first that does."""
    own = [
        one
        for one in names
        if f"{one.module}.".startswith(f"{one.name.rpartition('.')[0]}.")
        and one.name.count(".") > 1
    ]
    return (own or names)[0].name


def is_module(entry: Entry) -> bool:
    return isinstance(entry.node, ast.Module)


def members(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """The public methods and properties of a class that say something of themselves."""
    for child in node.body:
        if (
            isinstance(child, ast.FunctionDef)
            and not child.name.startswith("_")
            and ast.get_docstring(child)
        ):
            yield child


# --- signatures ---------------------------------------------------------------------------------------------------


def decorators(node: ast.AST) -> set[str]:
    return {
        ast.unparse(each).split("(")[0].rpartition(".")[2]
        for each in getattr(node, "decorator_list", [])
    }


def parameters(node: ast.FunctionDef, bound: bool) -> list[str]:
    """A function's parameters as its source has them, without self."""
    given = node.args
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    listed = [_parameter(arg, default) for arg, default in zip(plain, defaults)]
    if given.posonlyargs:
        listed.insert(len(given.posonlyargs), "/")
    if bound:
        del listed[0]
    if given.vararg:
        listed.append(f"*{_parameter(given.vararg, None)}")
    elif given.kwonlyargs:
        listed.append("*")
    listed += [
        _parameter(arg, default)
        for arg, default in zip(given.kwonlyargs, given.kw_defaults)
    ]
    if given.kwarg:
        listed.append(f"**{_parameter(given.kwarg, None)}")
    return listed


def _parameter(arg: ast.arg, default: ast.expr | None) -> str:
    said = arg.arg + (f": {ast.unparse(arg.annotation)}" if arg.annotation else "")
    if default is None:
        return said
    equals = " = " if arg.annotation else "="
    return f"{said}{equals}{ast.unparse(default)}"


def fields(node: ast.ClassDef) -> list[str]:
    """A dataclass's fields, as its constructor takes them."""
    listed = []
    for child in node.body:
        if not isinstance(child, ast.AnnAssign) or "ClassVar" in ast.unparse(
            child.annotation
        ):
            continue
        said = f"{ast.unparse(child.target)}: {ast.unparse(child.annotation)}"
        value = ast.unparse(child.value) if child.value else ""
        if value.startswith("field("):
            if "init=False" in value:
                continue
            value = "..." if "default" in value else ""
        listed.append(said + (f" = {value}" if value else ""))
    return listed


def signature(name: str, node: ast.AST, bound: bool = False) -> str:
    """A call in full, in one line or with a line for each parameter."""
    back = ""
    if isinstance(node, ast.ClassDef):
        init = [n for n in node.body if getattr(n, "name", "") == "__init__"]
        kinds = {ast.unparse(base) for base in node.bases}
        if "dataclass" in decorators(node) or "NamedTuple" in kinds:
            listed = fields(node)
        elif init:
            listed = parameters(init[-1], bound=True)
        else:
            return name
    elif isinstance(node, ast.FunctionDef):
        if {"property", "cached_property"} & decorators(node):
            return f"{name}: {ast.unparse(node.returns)}" if node.returns else name
        listed = parameters(node, bound and "staticmethod" not in decorators(node))
        back = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    else:
        value = getattr(node, "value", None)
        shown = ast.unparse(value) if value is not None else ""
        return f"{name} = {shown}" if 0 < len(shown) <= LONGEST_VALUE else name
    line = f"{name}({', '.join(listed)}){back}"
    if len(line) <= WIDEST or not listed:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in listed), f"){back}"])


# --- docstrings ---------------------------------------------------------------------------------------------------


def first_sentence(doc: str) -> str:
    text = " ".join(doc.split("\n\n")[0].split())
    found = _SENTENCE.match(text)
    return (found.group(1) if found else text).removesuffix(":")


def plain(text: str) -> str:
    """Without Sphinx's roles, and with a name such as ``train_`` as it is, where it is no code."""
    return _CODE_OR_TAIL.sub(
        lambda found: found[1] or f"{found[2]}\\_", _ROLE.sub("", text)
    )


def as_rst(doc: str) -> list[str]:
    """A docstring in Google's form as reStructuredText: its sections become definition lists."""
    lines, section, out = plain(doc).splitlines(), "", []
    for line in lines:
        if header := _SECTION.match(line):
            section = header.group(1)
            out += ["", f"**{_TITLES.get(section, section)}**", ""]
        elif section and line.strip() and not line.startswith(" "):
            section = ""
            out += ["", _SHAPE.sub(r"\1**Shape:** ", line)]
        elif not section:
            if line.startswith("    ") and not out[-1] and _opens_code(out):
                out += ["::", ""]
            out.append(_SHAPE.sub(r"\1**Shape:** ", line))
        else:
            text = line[4:]
            item = None if section in ("Returns", "Yields") else _ITEM.match(text)
            if item:
                names = ", ".join(f"``{name}``" for name in item.group(1).split(", "))
                out += [names, f"    {item.group(2)}"]
            elif section in ("Returns", "Yields"):
                out.append(text)
            else:
                out.append(f"    {text.strip()}" if text.strip() else "")
    return out


def _opens_code(above: list[str]) -> bool:
    """Whether an indented line after these is an example, and not the rest of an item or more of one."""
    last = next((line for line in reversed(above) if line), "")
    return (
        bool(last) and not last.startswith((" ", "-", "*", "::")) and last[-2:] != "::"
    )


def name_role(
    role: str, rawtext: str, text: str, lineno: int, inliner: Any, *_: Any, **__: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """A name in single backticks leads to what it names, or is plain code."""
    return [_lead(text.lstrip("~"))], []


def _lead(name: str, text: str = "", kind: type = nodes.literal) -> nodes.Node:
    """A link to where a name is told, under its own text; where it is told nowhere, the text."""
    shown = kind("", text or name)
    target = index().short.get(name.removesuffix("()"))
    if target is None:
        return shown
    link = addnodes.pending_xref(
        "",
        refdomain="py",
        reftype="obj",
        reftarget=target,
        refexplicit=True,
        refwarn=True,
    )
    link += shown
    return link


# --- the page -----------------------------------------------------------------------------------------------------


class Package(SphinxDirective):
    """``.. package:: cnnlab.data``"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        self._depend_on(name)
        opening = self._parsed(ast.get_docstring(tree_of(name)) or "")
        listing, told = nodes.bullet_list(classes=["cnnlab-names"]), []
        for entry in entries(name):
            self._depend_on(entry.module)
            home = index().told[entry.key]
            if name == "cnnlab" and is_module(entry):
                continue  # a page of its own
            line = nodes.paragraph()
            line += _lead(home, entry.name.rpartition(".")[2])
            sentence = first_sentence(entry.doc)
            if sentence:
                line += nodes.Text(" ")
                said, _ = self.state.inline_text(plain(sentence), self.lineno)
                line += nodes.inline("", "", *said, classes=["cnnlab-about"])
            listing += nodes.list_item("", line)
            if home == entry.name:
                told.append(self._section(entry))
        return [*opening, listing, *told]

    def _depend_on(self, module: str) -> None:
        self.env.note_dependency(str(source_of(module)))

    def _parsed(self, doc: str) -> list[nodes.Node]:
        node = nodes.Element()
        lines = StringList(as_rst(inspect.cleandoc(doc)), self.get_source_info()[0])
        self.state.nested_parse(lines, 0, node)
        return node.children

    def _section(self, entry: Entry) -> nodes.section:
        title = entry.name.rpartition(".")[2]
        section = nodes.section(ids=[entry.name], classes=["cnnlab-entry"])
        section += nodes.title("", "", nodes.literal("", title))
        if is_module(entry):
            section += self._parsed(entry.doc)
            for one in entries(entry.name):
                if index().told[one.key] == one.name:
                    self._depend_on(one.module)
                    section += self._section(one)
            kind = "data"  # Sphinx keeps modules apart, with a page of their own
        else:
            call = signature(title, entry.node)
            section += [_signature_block(call)] if call != title else []
            section += self._parsed(entry.doc)
            kind = "data"
            if isinstance(entry.node, ast.FunctionDef):
                kind = "function"
            elif isinstance(entry.node, ast.ClassDef):
                kind = "class"
                section += self._members(entry)
        self._note(entry.name, kind)
        return section

    def _members(self, entry: Entry) -> list[nodes.Node]:
        listed = nodes.definition_list(classes=["cnnlab-members"])
        for member in members(entry.node):  # type: ignore[arg-type]
            full = f"{entry.name}.{member.name}"
            term = nodes.term(ids=[full])
            bound = not isinstance(entry.node, ast.Module)
            text = signature(member.name, member, bound)
            term += nodes.literal("", "", *_linked(text))
            said = nodes.definition("", *self._parsed(ast.get_docstring(member) or ""))
            listed += nodes.definition_list_item("", term, said)
            self._note(full, "method")
        return [listed] if listed.children else []

    def _note(self, name: str, kind: str) -> None:
        self.env.get_domain("py").note_object(name, kind, name)  # type: ignore[attr-defined]


def _signature_block(text: str) -> nodes.literal_block:
    # Its raw source differs from its text, so that it is set as it is, with links, and not colored as a listing.
    return nodes.literal_block("-", "", *_linked(text), classes=["cnnlab-signature"])


def _linked(text: str) -> list[nodes.Node]:
    """A signature in which the book's own types lead to where they are told; its own name, at the start, does not."""
    own = _WORD.match(text)
    done = own.end() if own else 0
    linked: list[nodes.Node] = [nodes.strong("", text[:done])]
    for word in _WORD.finditer(text, done):
        target = index().short.get(word.group())
        before = text[: word.start()].rstrip()
        is_type = before.endswith((":", "|", "[", "->", ",")) and not re.match(
            r"\s*(:|=)", text[word.end() :]
        )
        if target is not None and is_type and word.group()[:1].isupper():
            linked += [
                nodes.Text(text[done : word.start()]),
                _lead(word.group(), kind=nodes.inline),
            ]
            done = word.end()
    return [*linked, nodes.Text(text[done:])]


def _start(app: Sphinx) -> None:
    """Each build reads the sources anew."""
    for remembered in (source_of, tree_of, entries, index):
        remembered.cache_clear()


def setup(app: Sphinx) -> None:
    """Called by the extension's own set-up."""
    roles.register_local_role("name", name_role)
    app.add_directive("package", Package)
    app.connect("builder-inited", _start)
