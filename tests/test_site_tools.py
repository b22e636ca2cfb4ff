"""What the book's build does to a page, without a build: formulas set, style sheets without what nothing uses."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "ext"))

pytest.importorskip("py_mini_racer")
pytest.importorskip("sphinx")

from cnnlab_book import formulas, remembered  # noqa: E402
from cnnlab_book.stylesheets import names_in_use, without_unused  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def engine():
    yield
    formulas.close_engine()


def test_a_formula_is_a_picture_and_mathml() -> None:
    made = formulas.typeset(r"\frac{a}{b^2}", display=True)
    assert made.startswith("<mjx-container") and made.endswith("</mjx-container>")
    assert '<path data-c="1D44E" d="M' in made, "an italic a"
    assert "<mfrac><mi>a</mi><msup><mi>b</mi><mn>2</mn></msup></mfrac>" in made, "for screen readers"
    assert "ex;" in made, "sizes follow the font of the text"
    assert "http" not in made.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("tex", "reason"), [(r"\frac{1}{2", "Missing close brace"), (r"\nosuch{1}", "Undefined control sequence")]
)
def test_a_formula_that_cannot_be_set_is_an_error(tex: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        formulas.typeset(tex)


def test_formulas_of_the_last_build_start_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = formulas.Formulas(tmp_path / "formulas.json")
    first = book.html("x + y", display=False)
    book.save()
    monkeypatch.setattr(formulas, "_engine", lambda: pytest.fail("set again"))
    again = formulas.Formulas(tmp_path / "formulas.json")
    assert again.html("x + y", display=False) == first


def test_letters_stand_once_a_page() -> None:
    context = {"body": formulas.typeset("x + x") + formulas.typeset("x")}
    formulas.share_letters(SimpleNamespace(), "page", "page.html", context, None)
    body = context["body"]
    assert body.count('<path id="letter-') == 2, "x and the plus"
    assert body.count('<use href="#letter-0"/>') == 3


CSS = """
@media (min-width: 10px) { .gone { color: red } .here > a, .gone.here { color: green } }
.bs-tooltip-auto .here { top: 0 }
p:not(.gone), #place [data-x=".gone"] { color: blue }
@media print { .gone { color: red } }
@font-face { font-family: x; src: url(x.woff) }
"""


def test_rules_that_can_match_nothing_go(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<p id="place" class="here">')
    used = names_in_use(tmp_path, CSS, tmp_path / "names.json")
    assert {"here", "place"} <= used and "gone" not in used
    kept = without_unused(CSS, used)
    assert "green" in kept and "top" in kept and "blue" in kept and "@font-face" in kept
    assert "red" not in kept and "print" not in kept
    assert ".gone.here" not in kept, "a selector that needs both"


def test_names_of_a_page_that_changed_are_read_again(tmp_path: Path) -> None:
    page, memory = tmp_path / "page.html", tmp_path / "names.json"
    page.write_text('<p class="here">')
    assert "gone" not in names_in_use(tmp_path, CSS, memory)
    page.write_text('<p class="gone there">')
    assert "gone" in names_in_use(tmp_path, CSS, memory)
    assert "here" not in names_in_use(tmp_path, CSS, memory)


def test_the_next_build_makes_again_what_changed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "there" / "memory.pickle"
    made = []

    def ask(version: str, *keys: str) -> list[str]:
        memory = remembered.Memory(path, version)
        made.clear()
        values = [memory.get(key, lambda key=key: made.append(key) or key.upper()) for key in keys]
        memory.save()
        return values

    assert ask("1", "a", "b", "a") == ["A", "B", "A"] and made == ["a", "b"]
    assert ask("1", "b", "c") == ["B", "C"] and made == ["c"]
    assert ask("1", "a") == ["A"] and made == ["a"], "what a build did not ask for is dropped"
    assert ask("1") == [] and ask("1", "a") == ["A"] and made == [], "a build that asks nothing forgets nothing"
    assert ask("2", "a") == ["A"] and made == ["a"], "made by another version"
    for broken in (b"", b"no pickle", path.read_bytes()[:-5]):
        path.write_bytes(broken)
        assert ask("2", "a") == ["A"] and made == ["a"]


def test_an_entry_is_formatted_once_and_anew_when_anything_in_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pybtex.database import parse_string
    from pybtex.plugin import find_plugin
    from pybtex.style.formatting import BaseStyle

    text = '@article{a, author = {B{\\"o}hm, Ada}, title = {On Nets}, journal = {J}, year = 2015}'
    made = []
    plainly = BaseStyle.format_entry
    monkeypatch.setattr(remembered, "_plainly", lambda *given: made.append(given) or plainly(*given))
    monkeypatch.setattr(BaseStyle, "format_entry", plainly)  # put back afterwards
    remembered.remember_entries(remembered.Memory(tmp_path / "entries.pickle"))

    def shown(text: str, label: str = "B15", style: str = "alpha") -> str:
        entry = parse_string(text, "bibtex").entries["a"]
        wanted = plainly(find_plugin("pybtex.style.formatting", style)(), label, entry)
        found = find_plugin("pybtex.style.formatting", style)().format_entry(label, entry)
        assert (found.key, found.label, repr(found.text)) == (wanted.key, wanted.label, repr(wanted.text))
        return found.text.render_as("text")

    assert "Böhm" in shown(text) and len(made) == 1
    shown(text)
    assert len(made) == 1
    for count, change in enumerate(
        [("Ada", "Eva"), ("2015", "2016"), ("@article", "@misc"), ("Nets", "nets")], start=2
    ):
        shown(text.replace(*change))
        assert len(made) == count, change
    shown(text, label="B15a")
    shown(text, style="unsrt")
    assert len(made) == 7
