"""The API reference: what it tells, and how it reads signatures and docstrings."""

from __future__ import annotations

import ast
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cnnlab
from tools.chapters import toc

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book" / "ext"))

from cnnlab_book import reference  # noqa: E402

PAGES = [f"{name}.md" for name in toc() if name.startswith("book/reference/")]
TOLD = [
    name for page in PAGES for name in re.findall(r"^\.\. package:: (\S+)$", (ROOT / page).read_text(), re.MULTILINE)
]
PACKAGES = [f"cnnlab.{name}" for name in cnnlab.__all__ if (ROOT / "cnnlab" / name / "__init__.py").is_file()]


def test_every_package_stands_on_a_page():
    assert sorted(TOLD) == sorted([*PACKAGES, "cnnlab"]), "a page in book/reference holds `.. package:: cnnlab.name`"


@pytest.mark.slow
@pytest.mark.parametrize("package", [*PACKAGES, "cnnlab"])
def test_its_sources_are_read_as_python_does(package: str):
    """The same names, in the same order, with the same docstrings and parameters."""
    import inspect

    module = import_module(package)
    entries = reference.entries(package)
    assert [one.name.rpartition(".")[2] for one in entries] == [n for n in module.__all__ if not n.startswith("_")]
    for one in entries:
        thing = getattr(module, one.name.rpartition(".")[2])
        if reference.is_module(one):
            assert one.doc == inspect.cleandoc(thing.__doc__)
        elif isinstance(one.node, ast.FunctionDef | ast.ClassDef):
            assert not one.doc or one.doc == inspect.cleandoc(thing.__doc__), one.name
            assert thing.__module__ == one.module
        if isinstance(one.node, ast.FunctionDef) and inspect.isfunction(thing):
            said = reference.signature(thing.__name__, one.node)
            names = re.findall(r"(?:^|[(,])\s*\**(\w+)", said[said.index("(") :].rpartition(")")[0])
            assert set(inspect.signature(thing).parameters) <= set(names), said


def test_every_public_name_says_what_it_is():
    mute = [
        one.name
        for package in PACKAGES
        for one in reference.entries(package)
        if isinstance(one.node, ast.FunctionDef | ast.ClassDef) and len(reference.first_sentence(one.doc)) < 10
    ]
    assert mute == []


def test_a_name_is_told_once_and_where_it_is_defined():
    told, short = reference.index()
    assert len(set(told.values())) == len(told)
    assert short["fit"] == short["cnnlab.fit"] == "cnnlab.training.fit"
    assert short["conv_macs"] == short["analysis.conv_macs"]
    assert short["Run.plot"] == "cnnlab.training.Run.plot"
    assert told["cnnlab.devices", "device"] == "cnnlab.device"


SOURCE = '''
@dataclass(frozen=True)
class Point:
    """A point."""
    x: float
    y: float = 0.0
    tags: list[str] = field(default_factory=list)
    seen: int = field(default=0, init=False)
    ORIGIN: ClassVar[int] = 0

class Net(nn.Module):
    def __init__(self, width: int, *, deep=False) -> None: ...

class Broken(ValueError):
    """It is."""

def far(a, /, b: int = 2, *rest: str, c: tuple[float, ...] = (1.0, 2.0), d: str = "quite long", **more) -> Point: ...

def near(a: int, *, b: int = 1) -> int: ...

LIMIT = 3
'''


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (0, "Point(x: float, y: float = 0.0, tags: list[str] = ...)"),
        (1, "Net(width: int, *, deep=False)"),
        (2, "Broken"),
        (4, "near(a: int, *, b: int = 1) -> int"),
        (5, "LIMIT = 3"),
        (
            3,
            "far(\n    a,\n    /,\n    b: int = 2,\n    *rest: str,\n    c: tuple[float, ...] = (1.0, 2.0),\n"
            "    d: str = 'quite long',\n    **more,\n) -> Point",
        ),
    ],
)
def test_signatures(place: int, said: str):
    node = ast.parse(SOURCE).body[place]
    name = getattr(node, "name", "LIMIT")
    assert reference.signature(name, node) == said


def test_docstrings_become_lists():
    doc = (
        "Do it: :func:`fit` on ``x``.\n\nShape: (N,) -> (N,).\n\nArgs:\n    x: what\n        it is.\n    y, z: both.\n"
    )
    doc += "\nReturns:\n    A number.\n\nRaises:\n    ValueError: no `x`.\n\nNot in a section."
    lines = [line for line in reference.as_rst(doc) if line]
    assert lines == [
        *("Do it: `fit` on ``x``.", "**Shape:** (N,) -> (N,).", "**Arguments**"),
        *("``x``", "    what", "    it is.", "``y``, ``z``", "    both."),
        *("**Returns**", "A number.", "**Raises**", "``ValueError``", "    no `x`.", "Not in a section."),
    ]
    assert reference.as_rst("Do it.\n\n    run()\n\n    stop()\n\n- Not\n\n    this.")[2:5] == ["::", "", "    run()"]
    assert "::" not in reference.as_rst("- Not\n\n    this.") and reference.as_rst("So::\n\n    x").count("::") == 0
    assert reference.plain("begin with train_, ``he_normal_`` or `x_`: a_b") == (
        "begin with train\\_, ``he_normal_`` or `x_`: a_b"
    )
    assert reference.first_sentence(doc) == "Do it: :func:`fit` on ``x``."
