"""Every page of the built book in a real browser: offline, quiet, rendered, accessible, light, and fit for a phone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from cnnlab.draw import palette
from tests.browser.pages import PHONE, THINNED, axe_violations, hard_to_read
from tests.test_chapters import LONGEST_LINE
from tools.chapters import colab_link, repository, toc
from tools.page_shares import SIDEWAYS

ROOT = Path(__file__).resolve().parents[2]
HEAVIEST = 300_000  # bytes of a page's first load, compressed


PAGES = [f"{name}.html" for name in toc()]
CHAPTERS = [name for name in PAGES if (ROOT / name).with_suffix(".ipynb").is_file()]

UNRENDERED_MATH = """() => [...document.querySelectorAll(".math")]
    .filter((e) => !e.querySelector("mjx-container") || e.querySelector("mjx-merror, [data-mjx-error]"))
    .map((e) => e.textContent.slice(0, 80))"""

# A picture says what it shows, or is marked as decoration, or belongs to something that has a name.
UNNAMED_PICTURES = """() => [...document.querySelectorAll("article img, article svg, article canvas")]
    .filter((e) => !e.closest('[aria-hidden="true"], [role="img"][aria-label], [role="application"][aria-label]'))
    .filter((e) => !e.closest("mjx-container, button, summary"))
    .filter((e) => !(e.getAttribute("alt") || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")
        || e.querySelector(":scope > title")))
    .map((e) => e.outerHTML.slice(0, 120))"""

TOO_WIDE = """() => {
    const width = document.scrollingElement.scrollWidth;
    if (width <= innerWidth) return [];
    const inBox = (e) => { for (let p = e.parentElement; p; p = p.parentElement)
        if (/auto|scroll|hidden|clip/.test(getComputedStyle(p).overflowX)) return true; };
    const wide = [...document.querySelectorAll("main *")]
        .filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !inBox(e));
    return [`${width} px`, ...wide.slice(0, 5).map((e) => e.outerHTML.slice(0, 100))];
}"""


# --- each page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*PAGES, "search.html"])
def test_page_over_http(visit: Any, http_site: str, name: str, record_property: Any, subtests: Any) -> None:
    """One visit for all that is asked of a page on a desk, in light and dark."""
    with visit(f"{http_site}/{name}", reduced_motion="reduce") as seen:
        page = seen.page
        seen.check()
        # Before anything is scrolled to, which brings what comes only when it is near.
        with subtests.test("weight"):
            weight = seen.weight()
            record_property("compressed_bytes", weight)
            assert weight < HEAVIEST, f"{weight:,} bytes compressed on first load"
        with subtests.test("formulas and pictures"):
            assert page.evaluate(UNRENDERED_MATH) == []
            assert page.evaluate(UNNAMED_PICTURES) == []
        if name in CHAPTERS:
            with subtests.test("links of the header"):
                check_header_links(page, name)
            with subtests.test("figures in light"):
                check_figures(page, palette.light)
            with subtests.test("cells are folded"):
                check_folds(page)
        with subtests.test("nothing is cut"):
            check_nothing_is_cut(page)
        page.evaluate(THINNED)
        with subtests.test("accessible in light"):
            assert axe_violations(page) == []
        page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
        if name in CHAPTERS:
            with subtests.test("figures in dark"):
                check_figures(page, palette.dark)
        with subtests.test("legible in dark"):
            assert hard_to_read(page) == []
        seen.check()


# Where the buttons of the header lead, and whether readers of the page see what is said to those of the bare notebook.
HEADER = """() => [
    ...["btn-colab", "btn-source-edit-button", "btn-source-issues-button"]
        .map((kind) => document.querySelector(`a.${kind}`).getAttribute("href")),
    document.querySelector(".source-note")?.checkVisibility({ visibilityProperty: true }) ?? false,
]"""


def check_header_links(page: Any, name: str) -> None:
    """The header leads to Colab, to the chapter's source and to an error report."""
    notebook, address = (ROOT / name).with_suffix(".ipynb"), repository()
    colab, edit, report, noted = page.evaluate(HEADER)
    assert colab == colab_link(notebook, address)
    assert not noted, "it speaks to readers of the bare notebook"
    assert edit == f"{address}/edit/main/{notebook.relative_to(ROOT).as_posix()}"
    assert report.startswith(f"{address}/issues/new?title=") and Path(name).stem in report


# Of each figure: how it stands in the page, and the colors that a reader sees in it.
FIGURES = """() => [...document.querySelectorAll("article figure.cnnlab-figure")].map((figure) => {
    const svg = figure.querySelector("svg");
    const words = svg && svg.querySelector("text");
    const caption = figure.querySelector("figcaption");
    return {
        images: figure.querySelectorAll("img").length,
        wide: svg ? parseFloat(svg.style.maxWidth) : 0,
        ink: words ? getComputedStyle(words).fill : "",
        caption: caption ? caption.textContent : "",
        muted: caption ? getComputedStyle(caption).color : "",
    };
})"""


def check_figures(page: Any, color: Callable[[str], str]) -> None:
    """Figures stand in line, with numbered captions, in the colors of the page's mode."""
    figures = page.evaluate(FIGURES)
    captions = [one["caption"] for one in figures if one["caption"]]
    assert [text.split(". ")[0] for text in captions] == [f"Figure {n + 1}" for n in range(len(captions))]
    assert len(captions) >= 2
    assert all(one["images"] == 0 and one["wide"] > 100 for one in figures)
    assert {one["muted"] for one in figures if one["caption"]} == {rgb(color("muted"))}
    assert rgb(color("ink")) in {one["ink"] for one in figures}


# What a reader sees of solutions and of figures' code. To ask Playwright for each element costs a round trip each.
SEEN = """const seen = (e) => {
    const { width, height } = e.getBoundingClientRect();
    return width > 0 && height > 0 && e.checkVisibility({ visibilityProperty: true });
};"""
FOLDS = f"""() => {{
    {SEEN}
    const all = (selector) => [...document.querySelectorAll(selector)];
    const [first] = all(".cell.tag_solution"), [figure] = all(".cell.tag_figure");
    const summary = first.querySelector("summary");
    summary.focus();
    return {{
        solutions: all(".cell.tag_solution").length,
        open: all(".cell.tag_solution :is(.cell_input, .cell_output)").filter(seen).length,
        first: [".cell_input", ".cell_output"].map((part) => seen(first.querySelector(part))),
        says: summary.innerText.trim(),
        figure_says: figure.querySelector("details.hide > summary").innerText.trim(),
        figure: [".cell_input", "figure"].map((part) => seen(figure.querySelector(part))),
        set_up: all("details.hide > summary").filter((e) => e.textContent.includes("Show the set-up")).length,
    }};
}}"""


def check_folds(page: Any) -> None:
    """Solutions, with what they print, are folded until asked for, by keyboard; so is the code of figures."""
    folded = page.evaluate(FOLDS)
    assert folded["solutions"] >= 3 and folded["open"] == 0
    assert folded["says"] == "Show solution"
    assert folded["figure_says"] == "Show the figure's code" and folded["figure"] == [False, True]
    assert folded["set_up"] == 1
    page.keyboard.press("Enter")
    unfolded = page.evaluate(FOLDS)
    assert unfolded["first"] == [True, True]
    assert unfolded["says"] == "Hide solution"
    page.keyboard.press("Enter")


OPEN = "(open) => document.querySelectorAll('article details').forEach((e) => { e.open = open; })"


def check_nothing_is_cut(page: Any) -> None:
    """At 1280 pixels code, tables, figures and outputs fit the column, those that are folded too."""
    page.evaluate(OPEN, True)
    # A line of more characters than fit is found by tests/test_chapters.py.
    cut = [
        (kind, pixels, text)
        for kind, pixels, text, longest in page.evaluate(SIDEWAYS)
        if not (kind == "code" and longest > LONGEST_LINE)
    ]
    loose = page.evaluate(LOOSE_MARKS)
    page.evaluate(OPEN, False)
    assert loose == []
    assert cut == [], f"scrolls sideways at {page.viewport_size['width']} pixels"


def test_highlighted_code_is_legible_in_light_and_dark(visit: Any, http_site: str, html: Path) -> None:
    """Every kind of token that stands on any page, once, on a page of their own."""
    kinds: set[str] = set()
    for name in CHAPTERS:
        for block in re.findall(r'<div class="highlight">.*?</div>', (html / name).read_text("utf-8"), re.DOTALL):
            kinds.update(re.findall(r'<span class="([\w ]+)">', block))
    assert len(kinds) > 15
    spans = " ".join(f'<span class="{kind}">word</span>' for kind in sorted(kinds))
    with visit(f"{http_site}/{CHAPTERS[0]}") as seen:
        code = f'<div class="cell_input"><div class="highlight"><pre tabindex="0">{spans}</pre></div></div>'
        seen.page.evaluate("(code) => { document.querySelector('article').innerHTML = code; }", code)
        shown = 'pre span[class="k"]'
        colors = set()
        for theme in ("light", "dark"):
            seen.page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            colors.add(seen.page.locator(shown).evaluate("(e) => getComputedStyle(e).color"))
            assert axe_violations(seen.page, within="article") == [], theme
        assert len(colors) == 2, "keywords have one color in light and dark"


@pytest.mark.parametrize("name", PAGES)
def test_page_from_disk_on_a_phone(visit: Any, file_site: str, name: str) -> None:
    with visit(f"{file_site}/{name}", viewport=PHONE) as seen:
        assert seen.page.evaluate(UNRENDERED_MATH) == []
        assert seen.page.evaluate(TOO_WIDE) == []
        seen.page.evaluate(OPEN, True)
        assert seen.page.evaluate(TOO_WIDE) == [], "with everything unfolded"
        check_nothing_is_lost(seen.page)
        seen.check()


# Where a formula's number stands over the formula, or a table's first column would scroll away.
OVERPRINTED = """() => [...document.querySelectorAll("article div.math > .eqno")]
    .filter((e) => e.getBoundingClientRect().left
        < e.parentElement.querySelector(".math-line").getBoundingClientRect().right - 1)
    .map((e) => e.textContent)"""
LOST_NAMES = """() => [...document.querySelectorAll("article table:not(.cnnlab-explorer table)")]
    .filter((e) => [...e.querySelectorAll("tbody tr")].some((row) => {
        const name = row.firstElementChild;
        const letters = name.textContent.trim().length;
        // A name that is broken between letters is a narrow, tall cell.
        return getComputedStyle(name).position !== "sticky" || name.offsetWidth < Math.min(8 * letters, 40);
    }))
    .map((e) => e.textContent.trim().slice(0, 60))"""
# Of what a reader of a phone wants first, a table shows a column beside the names.
NARROW_VIEW = """() => [...document.querySelectorAll("article tbody tr:first-child > :nth-child(2)")]
    .filter((e) => !e.closest(".cnnlab-explorer") && e.checkVisibility()
        && e.getBoundingClientRect().right > innerWidth)
    .map((e) => e.closest("table").textContent.trim().slice(0, 60))"""
# A line that begins with what closes the one before: its first letter stands left of the formula that it follows.
LOOSE_MARKS = """() => [...document.querySelectorAll("article span.math")].filter((e) => {
    const next = e.nextSibling;
    if (!next || next.nodeType !== 3 || !/^[,.;:!?)]/.test(next.data)) return false;
    const range = document.createRange();
    range.setStart(next, 0);
    range.setEnd(next, 1);
    return range.getBoundingClientRect().left < e.getBoundingClientRect().right - 2;
}).map((e) => e.parentElement.textContent.slice(0, 60))"""


# Of each chart of several panels: whether its layout for a desk is seen, and where its panels stand (null: unseen).
PANELS = f"""() => {{
    {SEEN}
    const box = (e) => e.getBoundingClientRect();
    const place = (e) => seen(e) ? [box(e).top, box(e).height] : null;
    return [...document.querySelectorAll(".cnnlab-cut")].map((cut) => [
        [...cut.querySelectorAll("svg:not(.cnnlab-half)")].slice(0, 1).some(seen),
        [...cut.querySelectorAll(":scope > svg.cnnlab-half")].map(place),
    ]);
}}"""


def check_nothing_is_lost(page: Any) -> None:
    """At 360 pixels figures fit, sentences wrap; only code, printed tables, tables and formulas scroll."""
    may = {"code", "printed table", "table", "formula", "explorer"}
    lost = [(kind, pixels, text) for kind, pixels, text, _ in page.evaluate(SIDEWAYS) if kind not in may]
    assert lost == []
    assert page.evaluate(OVERPRINTED) == []
    assert page.evaluate(LOST_NAMES) == []
    assert page.evaluate(NARROW_VIEW) == []
    assert page.evaluate(LOOSE_MARKS) == []
    # Panels that stand in a row at a desk stand below each other; a single chart has a layout of its own.
    for desk, panels in page.evaluate(PANELS):
        assert not desk
        assert all(panels), "a panel is not seen"
        (top, height), *rest = panels
        assert height > 20
        assert all(below >= top + height - 1 for below, _ in rest)


def test_planted_faults_of_accessibility_are_found(visit: Any, http_site: str) -> None:
    with visit(f"{http_site}/search.html") as seen:
        seen.page.evaluate(
            """() => document.querySelector("article, main").insertAdjacentHTML("afterbegin",
            `<p style="color: #bbb; background: #fff">Hard to read</p><button></button><div style="position: relative">
            <div style="background: #222; height: 40px"></div>
            <b style="position: absolute; top: 8px; font-weight: normal">Over a dark neighbor</b></div>`)"""
        )
        found = " ".join(axe_violations(seen.page))
        assert "color-contrast" in found and "button-name" in found
        assert "Hard to read" in found and "Over a dark neighbor" in found
        assert "Hard to read" in " ".join(hard_to_read(seen.page))


def test_one_text_that_is_hard_to_read_in_the_dark_is_found(visit: Any, http_site: str) -> None:
    """In the middle of a chapter: by its own color, or by what lies below or over it."""
    planted = {
        "color": "(e) => { e.style.color = '#444'; }",
        "ground": "(e) => { e.parentElement.style.background = '#ddd'; }",
        "opacity": "(e) => { e.parentElement.style.opacity = 0.3; }",
    }
    with visit(f"{http_site}/book/fact-check.html") as seen:
        page = seen.page
        page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
        assert hard_to_read(page) == []
        text = page.locator("article p").nth(1)
        for fault, plant in planted.items():
            text.evaluate(plant)
            assert any("color-contrast" in one for one in hard_to_read(page)), fault
            text.evaluate("(e) => { e.removeAttribute('style'); e.parentElement.removeAttribute('style'); }")


@pytest.mark.parametrize("name", PAGES)
def test_page_describes_itself(html: Path, name: str) -> None:
    text = (html / name).read_text(encoding="utf-8")
    for pattern in (
        r'<meta name="description" content="([^"]+)"',
        r'<meta property="og:description" content="([^"]+)"',
    ):
        found = re.findall(pattern, text)
        assert len(found) == 1, f"{pattern}: {found}"
        assert 40 <= len(found[0]) <= 320, found
        assert "\\" not in found[0] and "$" not in found[0]


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for key, value in attrs:
            if value and (key == "id" or (key == "name" and tag == "a")):
                self.ids.append(value)
            elif value and key in ("href", "src"):
                self.targets.append(value)


def test_links_between_pages_lead_somewhere_and_ids_are_unique(html: Path) -> None:
    parsed: dict[Path, _Links] = {}
    for name in (*PAGES, "search.html", "genindex.html"):
        path = (html / name).resolve()
        parsed[path] = reader = _Links()
        reader.feed(path.read_text(encoding="utf-8"))
    broken = []
    for path, reader in parsed.items():
        twice = [name for name, times in Counter(reader.ids).items() if times > 1]
        if twice:
            broken.append(f"{path.name}: ids used twice: {twice}")
        for target in reader.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or target.startswith("//"):
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not goal.exists():
                broken.append(f"{path.name} -> {target}")
            elif parts.fragment and goal in parsed and unquote(parts.fragment) not in parsed[goal].ids:
                broken.append(f"{path.name} -> {target}: no such place")
    assert not broken, "\n".join(broken)


def test_folded_tables_and_sources_are_printed_and_solutions_are_not(visit: Any, file_site: str) -> None:
    with visit(f"{file_site}/book/architectures/zoo.html") as seen:
        page = seen.page
        page.emulate_media(media="print")
        page.evaluate("() => { dispatchEvent(new Event('beforeprint')); }")
        table = page.locator("details.cx-table:not([open]) tbody tr").last
        assert table.bounding_box()["height"] > 10 and table.evaluate("(e) => e.checkVisibility()")
        assert page.locator("details.hide:not(.hide-figure, .hide-solution) .cell_input").first.is_visible()
        for folded in ("solution", "figure"):
            inside = page.locator(f"details.hide-{folded} .cell_input").first
            assert not inside.evaluate("(e) => e.checkVisibility()")
        seen.check()


# --- the site -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["http_site", "file_site"])
def test_search_finds_a_word(visit: Any, request: pytest.FixtureRequest, place: str) -> None:
    site = request.getfixturevalue(place)
    with visit(f"{site}/search.html?q=stride") as seen:
        # Results come one by one, and the glossary is not the first.
        seen.page.locator("#search-results li a[href*='glossary.html']").first.wait_for()
        seen.check()


def test_search_finds_a_name_of_the_package(visit: Any, file_site: str) -> None:
    with visit(f"{file_site}/search.html?q=load_images") as seen:
        place = "reference/data.html#cnnlab.data.load_images"
        link = seen.page.locator(f"#search-results li a[href*='{place}']").first
        link.wait_for()
        with seen.page.expect_navigation():
            link.click()
        assert seen.page.locator("[id='cnnlab.data.load_images'] pre.cnnlab-signature").first.is_visible()
        seen.check()


def test_search_starts_from_the_keyboard(visit: Any, http_site: str) -> None:
    with visit(f"{http_site}/index.html") as seen:
        seen.page.keyboard.press("Control+k")
        field = seen.page.locator("#pst-search-dialog input[name=q]")
        field.wait_for(state="visible")
        field.fill("padding")
        with seen.page.expect_navigation():
            field.press("Enter")
        seen.page.locator("#search-results li a").first.wait_for()
        seen.check()


def rgb(color: str) -> str:
    return f"rgb({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_dark_switch_works_and_is_remembered(visit: Any, http_site: str) -> None:
    background = "() => getComputedStyle(document.body).backgroundColor"
    with visit(f"{http_site}/index.html") as seen:
        assert seen.page.evaluate(background) == rgb(palette.light("paper"))
        for _ in range(3):
            if seen.page.evaluate("document.documentElement.dataset.theme") == "dark":
                break
            seen.page.locator(".theme-switch-button:visible").first.click()
        assert seen.page.evaluate(background) == rgb(palette.dark("paper"))
        seen.page.goto(f"{http_site}/book/fact-check.html")
        assert seen.page.evaluate(background) == rgb(palette.dark("paper"))
        seen.check()


def test_dark_preference_of_the_system_is_followed_before_the_first_paint(visit: Any, file_site: str) -> None:
    with visit(f"{file_site}/index.html", dark=True) as seen:
        assert seen.page.evaluate("document.documentElement.dataset.theme") == "dark"
        seen.check()


@pytest.mark.parametrize("dark", [False, True])
def test_page_uses_the_colors_of_the_package(visit: Any, file_site: str, dark: bool) -> None:
    read = "(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
    with visit(f"{file_site}/index.html", dark=dark) as seen:
        for name, pair in palette.COLORS.items():
            assert seen.page.evaluate(read, f"--cnnlab-{name}") == pair[dark]


def test_menus_open_on_a_phone(visit: Any, http_site: str) -> None:
    with visit(f"{http_site}/book/architectures/resnet.html", viewport=PHONE) as seen:
        seen.page.locator("button.secondary-toggle:visible").click()
        contents = seen.page.locator("#pst-secondary-sidebar-modal[open]")
        contents.get_by_role("link", name="Two blocks").wait_for(state="visible")
        seen.page.keyboard.press("Escape")
        contents.wait_for(state="hidden")
        seen.page.locator("button.primary-toggle:visible").click()
        link = seen.page.locator("#pst-primary-sidebar-modal[open]").get_by_role("link", name="Bibliography")
        link.wait_for(state="visible")
        with seen.page.expect_navigation():
            link.click()
        assert seen.page.url.endswith("bibliography.html")
        seen.check()


def test_the_menu_goes_away_and_comes_back_on_a_desk(visit: Any, http_site: str) -> None:
    with visit(f"{http_site}/book/glossary.html") as seen:
        link = seen.page.locator("#pst-primary-sidebar").get_by_role("link", name="Bibliography")
        for state in ("visible", "hidden", "visible"):
            link.wait_for(state=state)
            seen.page.locator("button.primary-toggle:visible").click()


def test_home_page_lists_every_chapter_below_its_part(html: Path) -> None:
    text = (html / "index.html").read_text(encoding="utf-8")
    listed = re.findall(r'<section class="cnnlab-part[^"]*" id="[^"]+">(.*?)</section>', text, re.DOTALL)
    links = [re.findall(r'<li><p><a class="reference internal" href="([^"#]+)', part) for part in listed]
    assert [link for part in links for link in part] == CHAPTERS
    assert len(listed) == len({Path(name).parent for name in CHAPTERS})
    starts = [int(number) for part in listed for number in re.findall(r'<ol [^>]*start="(\d+)"', part)]
    assert starts == [1 + sum(map(len, links[:part])) for part in range(len(links))]


# --- the home page's moving picture -------------------------------------------------------------------------------


def home_sum(page: Any) -> tuple[int, int, int]:
    text = page.locator("[data-part=sum]").inner_text().replace("\u2212", "-")
    row, column, total = re.search(r"row (\d), column (\d): .* = (-?\d+)", text, re.DOTALL).groups()
    return int(row), int(column), int(total)


def test_home_picture_computes_what_the_package_computes(visit: Any, http_site: str) -> None:
    import torch
    from sklearn.datasets import load_digits

    image = torch.tensor(load_digits().images[17])
    kernels = {
        "vertical": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
        "horizontal": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
        "outline": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
        "blur": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
    }
    with visit(f"{http_site}/index.html", reduced_motion="reduce") as seen:
        for name, weights in kernels.items():
            kernel = torch.tensor(weights, dtype=image.dtype)
            expected = torch.nn.functional.conv2d(image[None, None], kernel[None, None])[0, 0]
            seen.page.locator(f"[data-kernel={name}]").click()
            for _ in range(4):
                seen.page.locator("[data-part=step]").click()
                row, column, total = home_sum(seen.page)
                assert total == expected[row - 1, column - 1].item(), (name, row, column)
        seen.check()


def test_home_picture_moves_pauses_and_answers_the_keyboard(visit: Any, file_site: str) -> None:
    with visit(f"{file_site}/index.html", viewport=PHONE) as seen:
        before = home_sum(seen.page)
        seen.page.wait_for_function(
            "(old) => document.querySelector('[data-part=sum]').textContent !== old",
            arg=seen.page.locator("[data-part=sum]").inner_text(),
        )
        assert home_sum(seen.page) != before
        button = seen.page.locator("[data-part=play]")
        button.focus()
        seen.page.keyboard.press("Enter")
        assert button.inner_text() == "Play"
        still = home_sum(seen.page)
        seen.page.wait_for_timeout(900)
        assert home_sum(seen.page) == still
        seen.page.keyboard.press("Tab")
        seen.page.keyboard.press("Space")
        assert home_sum(seen.page) != still
        seen.check()


def test_home_picture_stands_still_where_motion_is_unwanted(visit: Any, file_site: str) -> None:
    with visit(f"{file_site}/index.html", reduced_motion="reduce") as seen:
        still = home_sum(seen.page)
        seen.page.wait_for_timeout(900)
        assert home_sum(seen.page) == still
        assert seen.page.locator("[data-part=play]").inner_text() == "Play"
