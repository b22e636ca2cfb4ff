"""The family tree, the table of models and their chart, moved in a real browser."""

from __future__ import annotations

import pytest

from cnnlab.widgets import family_tree, model_chart, model_table
from tests.browser.pages import BOOK, PHONE


def node(key: str, year: int, *parents: str) -> dict:
    return {
        "key": key,
        "title": key.upper(),
        "year": year,
        "paper": f"Paper of {key}",
        "url": f"https://x.org/{key}",
    } | {
        "idea": f"What {key} did.",
        "parents": list(parents),
        "models": [f"{key}_small", f"{key}_large"],
    }


NODES = [node("a", 1998), node("b", 2012, "a"), node("c", 2014, "b"), node("d", 2014), node("e", 2016, "c", "d")]


@pytest.mark.parametrize("viewport", [BOOK, PHONE], ids=["book", "phone"])
def test_family_tree_shows_ancestors_and_descendants(opened, viewport):
    with opened(family_tree(NODES), viewport=viewport) as v:
        page = v.page
        assert page.locator("path.cx-arc").count() == 4
        page.get_by_role("button", name="C", exact=False).filter(has_text="C").last.click()
        up = page.locator("button.cx-up").all_text_contents()
        down = page.locator("button.cx-down").all_text_contents()
        assert [text[-1] for text in up] == ["A", "B"] and [text[-1] for text in down] == ["E"]
        assert page.locator("path.cx-arc.cx-up").count() == 2 and page.locator("path.cx-arc.cx-down").count() == 1
        card = page.locator(".cx-card[data-shown]").inner_text()
        assert (
            "What c did." in card and "Builds on B" in card and "Taken up by E" in card and "c_small, c_large" in card
        )
        assert "2 ancestors and 1 descendant among these 5 papers" in page.get_by_role("status").inner_text()
        assert page.get_by_role("link", name="Paper of c").get_attribute("href") == "https://x.org/c"


def test_family_tree_moves_by_keys_and_buttons(opened):
    with opened(family_tree(NODES, selected="b")) as v:
        page = v.page
        pressed = page.locator('.cx-paper[aria-pressed="true"]')
        assert pressed.inner_text().split() == ["2012", "B"]
        pressed.focus()
        page.keyboard.press("ArrowDown")
        assert pressed.inner_text().split() == ["2014", "C"]
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        page.get_by_role("button", name="Later").click()
        page.get_by_role("button", name="Later").click()
        page.get_by_role("button", name="Later").click()  # the last one: stays
        assert pressed.inner_text().split() == ["2016", "E"]
        page.get_by_role("button", name="Earlier").click()
        assert pressed.inner_text().split()[-1] == "D"


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([], "empty"),
        ([{"key": "a"}], "has no 'title'"),
        ([node("a", 1998, "b"), node("b", 2000)], "'b', which is not listed above"),
    ],
)
def test_family_tree_says_what_is_wrong(nodes, message):
    with pytest.raises(ValueError, match=message):
        family_tree(nodes)


ROWS = [
    {"name": f"net{n}", "year": 2010 + n % 4, "paper": f"Paper {n % 3}", "url": f"https://x.org/{n % 3}"}
    | {"params": 10**6 * (n + 1), "macs": 10**8 * (20 - n), "checkpoint1": 60.0 + n if n % 2 else None}
    for n in range(12)
]


def test_model_table_sorts_by_any_column(opened):
    with opened(model_table(ROWS)) as v:
        page = v.page
        names = page.locator("tbody th")
        assert names.all_text_contents() == [r["name"] for r in sorted(ROWS, key=lambda r: r["year"])]
        page.get_by_role("button", name="parameters").click()
        assert names.first.inner_text() == "net11"
        assert page.locator('th[aria-sort="descending"]').inner_text().startswith("parameters")
        page.get_by_role("button", name="parameters").click()
        assert names.all_text_contents() == [r["name"] for r in ROWS]
        page.get_by_role("button", name="top-1 %").click()
        assert names.all_text_contents()[:6] == ["net11", "net9", "net7", "net5", "net3", "net1"]  # unknown ones last
        page.get_by_role("button", name="model").click()
        assert names.all_text_contents() == [r["name"] for r in ROWS]  # net2 before net10


def test_model_table_filters_by_words(opened):
    with opened(model_table(ROWS)) as v:
        page = v.page
        page.get_by_role("searchbox", name="Find").fill("net 2011")
        assert page.locator("tbody tr").count() == 3
        assert page.evaluate("document.activeElement.type") == "search"
        assert "3 models of 12" in page.get_by_role("status").inner_text()
        page.get_by_role("searchbox", name="Find").fill("nothing like it")
        assert page.locator("tbody tr").count() == 0
        assert "No model has" in page.get_by_role("status").inner_text()
        page.get_by_role("button", name="all").click()
        assert page.locator("tbody tr").count() == 12


def test_model_table_shows_models_that_have_no_paper(opened):
    mine = [{"name": "mine", "params": 10, "macs": 20}, {"name": "his", "params": 1, "macs": 2, "paper": "By word"}]
    with opened(model_table([*ROWS[:2], *mine])) as v:
        page = v.page
        assert page.locator("tbody th").all_text_contents()[-2:] == ["mine", "his"]  # no year: last
        page.get_by_role("button", name="mine").click()
        assert "no paper" in page.locator(".cx-paper-of").inner_text()
        page.get_by_role("button", name="his").click()
        told = page.locator(".cx-paper-of")
        assert "By word" in told.inner_text() and told.get_by_role("link").count() == 0
        page.get_by_role("searchbox", name="Find").fill("by word")
        assert page.locator("tbody tr").count() == 1


@pytest.mark.parametrize("viewport", [BOOK, PHONE], ids=["book", "phone"])
def test_model_table_keeps_its_numbers_in_view(opened, viewport):
    """On a desk all columns; on a phone the name and the accuracy stay while the others scroll by."""
    printed = {"latency": 12.5, "checkpoint5": 90.0, "size": 224, "published1": 61.0, "published5": 89.0}
    rows = [
        {**row, "name": f"legacy_seresnext{row['name']}_32x4d", "extra": row["name"] == "net3"} | printed
        for row in ROWS
    ]
    with opened(model_table(rows), viewport=viewport) as v:
        page = v.page
        assert page.locator("thead th").all_text_contents()[:4] == ["model", "top-1 %", "parameters", "MACs"]
        assert page.locator("thead th").last.inner_text().split() == ["paper’s", "top-1", "%"]
        scroll = page.get_by_role("region", name="Every model as a table")
        right = scroll.evaluate("node => node.getBoundingClientRect().right")
        heads = page.locator("thead th")
        if viewport is BOOK:
            assert heads.last.bounding_box()["x"] + heads.last.bounding_box()["width"] <= right + 0.5
        before = [heads.nth(i).bounding_box()["x"] for i in (0, 1)]
        left = scroll.evaluate("node => { node.scrollLeft = 60; return node.scrollLeft; }")
        assert left == (60 if viewport is PHONE else 0)
        assert [heads.nth(i).bounding_box()["x"] for i in (0, 1)] == before
        assert "*" in page.locator("tbody th").filter(has_text="net3").inner_text()
        page.get_by_role("button", name="Extra pictures").click()
        assert page.locator("tbody tr").count() == 11
        page.get_by_role("button", name="MACs").evaluate("node => node.click()")  # which scrolls nothing itself
        assert scroll.evaluate("node => node.scrollLeft") == left  # sorting leaves it where it was


def test_model_table_tells_the_paper_of_a_chosen_name(opened):
    printed = {"published1": 77.15, "published5": 93.29, "published_by": "table 3"}
    rows = [row | (printed if row["name"] == "net4" else {}) for row in ROWS]
    with opened(model_table(rows)) as v:
        about = v.page.locator("[aria-live]").filter(has_text="paper")
        assert about.inner_text() == "Choose a model’s name for its paper and what it printed."
        name = v.page.get_by_role("button", name="net4", exact=True)
        name.focus()
        v.page.keyboard.press("Enter")
        assert about.inner_text() == "net4: Paper 1. It printed 77.15 % top-1 and 93.29 % top-5 (table 3)."
        assert about.get_by_role("link").get_attribute("href") == "https://x.org/1"
        assert v.page.evaluate("document.activeElement.textContent") == "net4"
        v.page.get_by_role("button", name="net5", exact=True).click()
        assert about.inner_text() == "net5: Paper 2. It printed no accuracy of this network."


def test_chapters_are_linked_where_the_book_is_around(opened):
    """A page of the book says where its root lies; a notebook does not, and has no such pages."""
    tree = family_tree([NODES[0] | {"chapter": "foundations/a"}, NODES[1]])
    table = model_table([row | {"chapter": "foundations/a"} for row in ROWS[:1]] + ROWS[1:])
    for explorer, act in (
        (tree, lambda page: page.get_by_role("button", name="Earlier").click()),
        (table, lambda page: page.get_by_role("button", name=ROWS[0]["name"], exact=True).click()),
    ):
        with opened(explorer) as v:
            link = v.page.get_by_role("link", name="Its chapter")
            act(v.page)
            assert link.count() == 0
            v.page.evaluate("document.documentElement.dataset.content_root = '../../'")
            if explorer is tree:
                v.page.get_by_role("button", name="Later").click()
                assert link.count() == 0  # there is none about it
            else:
                v.page.get_by_role("button", name=ROWS[1]["name"], exact=True).click()
            act(v.page)
            assert link.get_attribute("href") == "../../book/foundations/a.html"


def test_model_table_says_what_is_wrong():
    with pytest.raises(ValueError, match="empty"):
        model_table([])
    with pytest.raises(ValueError, match="has no 'macs'"):
        model_table([{"name": "a", "year": 1, "paper": "p", "url": "u", "params": 1}])
    with pytest.raises(ValueError, match="'parms'.*'params'"):
        model_table([{**ROWS[0], "parms": 3}])
    with pytest.raises(ValueError, match="sort"):
        model_table(ROWS, sort="speed")


# --- the chart: what the tests of all explorers do not move ----------------------------------------------------------

POINTS = [
    {"name": f"m{i}", "family": "f", "params": 10**6 * (i + 1), "macs": 10 ** (8 + i), "acc1": 60.0 + i}
    | {"extra": i == 3, "recipes": {"own": (58.0 + i, None), "new": (60.0 + i, None)} if i < 3 else {}}
    for i in range(4)
]


def test_model_chart_marks_extra_data_and_compares_recipes(opened):
    with opened(model_chart(POINTS)) as v:
        page, said = v.page, v.page.get_by_role("status")
        assert page.locator("circle.cx-spot.cx-extra[role=img]").count() == 1
        assert "m3 leads" in said.inner_text() and "extra pictures" in page.locator(".cx-legend").inner_text()
        page.get_by_role("button", name="Extra pictures").click()
        assert page.locator("circle[role=img]").count() == 3 and "m2 leads" in said.inner_text()
        recipe = page.get_by_role("combobox", name="Recipe")
        recipe.select_option(label="compare all")
        assert page.locator(".cx-between").count() == 3 and page.locator(".cx-mark").count() == 6
        assert "From its time’s to 2021’s: +2.0 points on average" in said.inner_text()
        page.locator("circle[role=img]").last.focus()
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("m1 (f): 59.0 % (its")
        recipe.select_option(label="its time’s")
        assert "m2 leads with 60.0 %" in said.inner_text() and page.locator(".cx-mark").count() == 0


def test_model_chart_says_what_is_wrong_with_a_recipe():
    with pytest.raises(ValueError, match="a recipe of rows.0.='v2' is not known"):
        model_chart([{**POINTS[0], "recipes": {"v2": (1, 2)}}])
    with pytest.raises(ValueError, match="not a pair of percentages"):
        model_chart([{**POINTS[0], "recipes": {"new": (60.0, 188.8)}}])
