"""What the book's build makes of the pictures that notebooks store."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from torch import nn

from cnnlab.draw import draw_block, image_grid, palette
from cnnlab.draw.embed import image_tag, page_css, still_html
from cnnlab.draw.style import figure_svg, use_style

pytest.importorskip("sphinx")
sys.path.append(str(Path(__file__).resolve().parents[1] / "book" / "ext"))

from cnnlab_book.figures import inline_figures

CHART = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 40" style="width:100%;min-width:60px;max-width:107px">'
    f'<defs><clipPath id="f1-p"><rect width="8" height="4"/></clipPath></defs><g clip-path="url(#f1-p)">'
    f'<path d="M0 0L8 8" style="fill: none; stroke: {palette.css("blue")}; stroke-width: 2"/></g></svg>'
)


def built(body: str) -> str:
    context = {"body": body}
    inline_figures(SimpleNamespace(), "page", "page.html", context, None)
    return context["body"]


def test_a_figure_is_put_in_line_with_its_words() -> None:
    still = still_html(CHART, 'a "line" & more', "Figure 1. Up & down.")
    page = built(f"<p>before</p>{still}<p>after</p>")
    assert "<img" not in page and "<style" not in page and "prefers-color-scheme" not in page
    assert page.startswith('<p>before</p><figure class="cnnlab-figure"><div class="cnnlab-scroll"><svg ')
    assert 'role="img"' in page and 'aria-label="a &quot;line&quot; &amp; more"' in page
    assert "min-width:60px;max-width:107px" in page
    assert page.endswith("</svg></div><figcaption>Figure 1. Up &amp; down.</figcaption></figure><p>after</p>")


def test_its_layout_for_a_phone_stands_beside_it() -> None:
    small = CHART.replace("max-width:107px", "max-width:70px")
    page = built(still_html(CHART, "a line", "Figure 1. Up.", small))
    assert "<picture" not in page and "<source" not in page and "<img" not in page
    wide, narrow = re.findall(r"<svg\b[^>]*>", page)
    assert "max-width:107px" in wide and "cnnlab-half" not in wide
    assert "max-width:70px" in narrow and 'class="cnnlab-half"' in narrow
    assert page.startswith('<figure class="cnnlab-figure"><div class="cnnlab-scroll cnnlab-cut"')
    assert page.endswith("</svg></div><figcaption>Figure 1. Up.</figcaption></figure>")


def test_what_its_author_laid_out_for_a_phone_is_not_cut() -> None:
    with plt.rc_context():
        use_style()
        figure = image_grid(np.zeros((2, 8, 8)), ["a", "b"], columns=2)
        svg = figure_svg(figure, salt="two")
        plt.close(figure)
    small = CHART.replace("max-width:107px", "max-width:70px")
    assert built(still_html(svg, "two", "", small)).count("<use ") == 2, "the halves of the figure"
    page = built(still_html(svg, "two", "", small, by_hand=True))
    assert page.count("<use ") == 0 and page.count("max-width:70px") == 1


def test_its_colors_are_the_pages() -> None:
    """No color of the picture is fixed by a style; the page's rules give each of them the variable of its name."""
    page, rules = built(still_html(CHART, "a line")), page_css()
    assert f'stroke="{palette.light("blue")}"' in page and "var(" not in page
    assert palette.light("paper") not in page, "the page has a paper of its own"
    for name in palette.COLORS:
        for paint in ("fill", "stroke"):
            rule = rf'svg \[{paint}="{palette.light(name)}"\]\{{{paint}:var\(--cnnlab-{name}\)\}}'
            assert len(re.findall(rule, rules)) == 1


def test_ids_stay_unique_where_a_figure_stands_twice() -> None:
    drawing = draw_block(nn.Conv2d(3, 4, 3), (3, 8, 8), caption="One layer.")._repr_html_()
    page = built(still_html(CHART, "a line") * 3 + drawing * 2)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) >= 3 + 2 * 2
    referred = re.findall(r'url\(#([^)]+)\)|aria-labelledby="([^"]+)"', page)
    assert {name for pair in referred for names in pair for name in names.split()} <= set(ids)
    assert page.count("url(#f1-p)") == page.count("url(#f1-p-2)") == page.count("url(#f1-p-3)") == 1


def test_a_drawing_scrolls_in_a_region_with_a_name_and_other_pictures_stay() -> None:
    drawing = draw_block(nn.Conv2d(3, 4, 3), (3, 8, 8), title="A <layer>")._repr_html_()
    assert 'role="region" tabindex="0" aria-label="A &lt;layer&gt;: one block in detail"' in built(drawing)
    explorer = f'<div class="cnnlab-explorer">{image_tag(CHART, "its first state")}</div>'
    assert built(explorer) == explorer
    assert inline_figures(SimpleNamespace(), "page", "page.html", {}, None) is None
