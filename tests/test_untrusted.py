"""What is left of the chapters' outputs where a notebook is not trusted: a fresh clone in JupyterLab, or GitHub.

There a sanitizer takes inline SVG, scripts, styles and aria attributes out of every output. Its lists are data here
(``jupyterlab_sanitizer.json``), read out of JupyterLab's own script, which a test compares with the one installed.
"""

from __future__ import annotations

import base64
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

from cnnlab.draw.embed import figure_html, still_html
from tools.chapters import notebooks

nh3 = pytest.importorskip("nh3")

ALLOWED = json.loads((Path(__file__).parent / "jupyterlab_sanitizer.json").read_text(encoding="utf-8"))
NOTEBOOKS = notebooks()
CAPTION = re.compile(r"Figure (\d+)\. (\S.*)")
# What an explorer says where its script does not run.
REMEDY = re.compile(r"File.{0,40}Trust Notebook", re.IGNORECASE | re.DOTALL)


def sanitized(html: str) -> str:
    """The HTML as JupyterLab shows it in a notebook that is not trusted."""

    def schemes(tag: str, attribute: str, value: str) -> str | None:
        scheme = re.match(r"\s*([a-zA-Z][\w.+-]*):", value)
        if attribute not in ALLOWED["schemes_apply_to"] or scheme is None:
            return value
        return value if scheme[1].lower() in ALLOWED["schemes"] else None

    return nh3.clean(
        html,
        tags=set(ALLOWED["tags"]),
        clean_content_tags=set(ALLOWED["removed_with_content"]),
        attributes={tag: set(names) for tag, names in ALLOWED["attributes"].items()},
        attribute_filter=schemes,
        filter_style_properties=set(ALLOWED["styles"]),
        url_schemes={*ALLOWED["schemes"], "data"},  # only links have their scheme checked, which schemes() does
        link_rel=None,
    )


class Seen(HTMLParser):
    """What a reader of some HTML gets: words, pictures with their texts, captions, table cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.captions: list[str] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(dict(attrs))
            return
        self._open.append(tag)
        if tag == "figcaption":
            self.captions.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]

    def handle_data(self, data: str) -> None:
        if {"script", "style"} & set(self._open):
            return
        self.words += data.split()
        if "figcaption" in self._open:
            self.captions[-1] += data


@cache
def outputs(path: Path) -> list[tuple[int, str]]:
    """Number of the code cell and HTML of each output of a chapter that has any."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [
        (number, output.data["text/html"])
        for number, cell in enumerate(cells, start=1)
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]


def kind(html: str) -> str:
    return next((kind for kind in ("explorer", "lab", "figure") if f'class="cnnlab-{kind}' in html), "other")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def missing_from_picture(html: str) -> list[str]:
    """What a reader of this output misses after it was sanitized: the picture, its alternative text."""
    seen = Seen(sanitized(html))
    if len(seen.pictures) != 1:
        return [f"{len(seen.pictures)} pictures in place of one"]
    (picture,) = seen.pictures
    missing = [] if (picture.get("alt") or "").strip() else ["alternative text"]
    packed = re.fullmatch(r"data:image/(svg\+xml|png|webp);base64,([A-Za-z0-9+/=]+)", picture.get("src") or "")
    if packed is None:
        return [*missing, "picture"]
    data = base64.b64decode(packed[2])
    if packed[1] == "svg+xml":
        root = ElementTree.fromstring(data)
        anything = float(root.attrib["width"]) > 0 and float(root.attrib["height"]) > 0 and len(root) > 1
    else:
        with Image.open(io.BytesIO(data)) as photo:
            anything = len(photo.convert("RGB").getcolors(photo.width * photo.height)) > 1
    return missing if anything else [*missing, "anything to see"]


@pytest.mark.slow
def test_every_figure_keeps_its_picture_its_words_and_a_numbered_caption(path: Path) -> None:
    numbers, captions = [], []
    for cell, html in outputs(path):
        if kind(html) != "figure":
            continue
        assert missing_from_picture(html) == [], f"code cell {cell}"
        seen = Seen(sanitized(html))
        assert len(seen.captions) == 1, f"code cell {cell} has no caption; draw.show(figure, alt, caption=...)"
        number, said = CAPTION.fullmatch(seen.captions[0].strip()).groups()
        assert said[-1] in ".?!" and 4 <= len(said.split()) <= 40, f"code cell {cell}: {said}"
        assert said != seen.pictures[0]["alt"], f"code cell {cell}: the caption says the alt text again"
        numbers.append(int(number))
        captions.append(said)
    assert numbers == list(range(1, len(numbers) + 1)), "figures are numbered in the order in which they stand"
    assert numbers and len(set(captions)) == len(captions)


def test_every_lab_keeps_its_picture_and_its_words(path: Path) -> None:
    for cell, html in outputs(path):
        if kind(html) == "lab":
            assert missing_from_picture(html) == [], f"code cell {cell}"
            assert Seen(sanitized(html)).words == Seen(html).words, f"code cell {cell}"


def test_every_table_and_note_keeps_all_that_it_says(path: Path) -> None:
    for cell, html in outputs(path):
        if kind(html) == "other":
            before, after = Seen(html), Seen(sanitized(html))
            assert after.words == before.words and after.words, f"code cell {cell}"
            for tag in ("table", "caption", "tr", "th", "td"):
                assert after.tags.count(tag) == before.tags.count(tag), f"code cell {cell}: {tag}"


@pytest.mark.slow
def test_every_explorer_keeps_a_still_of_its_first_state_and_says_how_to_run_it(path: Path) -> None:
    for cell, html in outputs(path):
        if kind(html) == "explorer":
            assert missing_from_picture(html) == [], f"code cell {cell}"
            assert REMEDY.search(" ".join(Seen(sanitized(html)).words)), f"code cell {cell}"


def test_every_explorer_keeps_its_words(path: Path) -> None:
    for cell, html in outputs(path):
        if kind(html) == "explorer":
            assert len(Seen(sanitized(html)).words) > 10, f"code cell {cell}"


def test_outputs_of_other_kinds_have_no_pictures_of_their_own(path: Path) -> None:
    """No inline SVG anywhere: each picture goes the way that survives."""
    for cell, html in outputs(path):
        body = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
        assert "<svg" not in body and "<canvas" not in body, f"code cell {cell}"


# --- the checks above can fail ------------------------------------------------------------------------------------

SVG = '<svg viewBox="0 0 8 4"><rect width="8" height="4"/></svg>'


def photo_tag(*colors: str) -> str:
    """A tag with a PNG inside, a pixel of each color."""
    packed, photo = io.BytesIO(), Image.new("RGB", (len(colors), 1))
    for x, color in enumerate(colors):
        photo.paste(color, (x, 0, x + 1, 1))
    photo.save(packed, "PNG")
    return f'<img alt="words" src="data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}">'


@pytest.mark.parametrize(
    ("html", "missing"),
    [
        (still_html(SVG, "words", "Figure 1. More words."), []),
        (figure_html(SVG, "words"), ["0 pictures in place of one"]),
        (still_html(SVG, "words").replace('alt="words"', 'aria-label="words"'), ["alternative text"]),
        (still_html(SVG, "words").replace("image/svg+xml;base64,", "text/html,"), ["picture"]),
        (photo_tag("white"), ["anything to see"]),
        (photo_tag("white", "black"), []),
        (f"<figure><object data='{SVG}'></object></figure>", ["0 pictures in place of one"]),
    ],
)
def test_a_picture_that_does_not_survive_is_found(html: str, missing: list[str]) -> None:
    assert missing_from_picture(html) == missing


def test_the_sanitizer_takes_what_jupyterlab_takes() -> None:
    assert sanitized("<style>p{color:red}</style><p onclick='x()' style='color:red;filter:none'>a</p>") == (
        '<p style="color:red">a</p>'
    )
    assert sanitized("<script>let a;</script>b<svg><path/></svg>c") == "bc"
    assert sanitized('<a href="data:text/html,x">d</a>') == "<a>d</a>"
    assert sanitized('<div id="e" role="region" aria-label="f">g</div>') == '<div id="e">g</div>'


def lists_of(source: str) -> dict[str, Any]:
    """The sanitizer's lists in the text of JupyterLab's main script."""
    start = source.index("return{allowedTags:[")
    options = source[start : source.index("sanitize(", start)]

    def names(text: str) -> list[str]:
        # Without what is allowed only where a server's administrator says so: {...this._allowSomething?[...]:[]}.
        return re.findall(r'"([^"]+)"', re.sub(r"\.\.\.this\.\w+\?\[[^\]]*\]:\[\]", "", text))

    attributes = options[options.index("allowedAttributes:{") + 19 : options.index("allowedStyles:{")]
    styles = options[options.index("allowedStyles:{") : options.index("transformTags:")]
    entries = re.findall(r'"?([\w*]+)"?:(?:this\.\w+\?)?\[((?:[^\[\]]|\[[^\]]*\])*)\]', attributes)
    return {
        "tags": names(re.search(r"allowedTags:\[([^\]]*)\]", options)[1]),
        "attributes": {tag: names(listed) for tag, listed in entries if tag != "map"},
        "styles": [name.strip('"') for name in re.findall(r'("?[\w-]+"?):\[\w+\.[A-Z_]+\]', styles)],
        "schemes_apply_to": names(re.search(r"allowedSchemesAppliedToAttributes:\[([^\]]*)\]", options)[1]),
    }


def test_the_lists_are_those_of_the_installed_jupyterlab() -> None:
    jupyterlab = pytest.importorskip("jupyterlab")
    folder = Path(jupyterlab.__file__).parent / "static"
    (source,) = (
        text
        for script in folder.glob("*.js")
        if "return{allowedTags:[" in (text := script.read_text(encoding="utf-8", errors="replace"))
    )
    found = lists_of(source)
    assert found == {name: ALLOWED[name] for name in found}, (
        f"JupyterLab {jupyterlab.__version__} allows other things than {ALLOWED['of']}; look at what they are, then "
        "write lists_of() of its script into tests/jupyterlab_sanitizer.json"
    )
