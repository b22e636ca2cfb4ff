"""The icons that the theme asks for by Font Awesome class, drawn as strokes on a 24 x 24 grid.

Each becomes a CSS mask, so that an icon takes the color of the text around it.
"""

from __future__ import annotations

from urllib.parse import quote

# class name(s) without "fa-" -> SVG path data, stroked
ICONS: dict[tuple[str, ...], str] = {
    ("bars",): "M4 6h16M4 12h16M4 18h16",
    ("list", "outdent"): "M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01",
    (
        "magnifying-glass",
    ): "M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13M15.5 15.5 21 21",
    (
        "sun",
    ): "M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4"
    "M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
    ("moon",): "M20 14.5A8.5 8.5 0 1 1 9.5 4a6.8 6.8 0 0 0 10.500 10.500Z",
    (
        "circle-half-stroke",
    ): "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 3v18M14.500 6v12M17 8v8",
    ("xmark",): "M6 6l12 12M18 6 6 18",
    ("angle-left",): "M15 5l-7 7 7 7",
    ("angle-right",): "M9 5l7 7-7 7",
    ("chevron-down",): "M5 9l7 7 7-7",
    ("arrow-up",): "M12 20V4M5 11l7-7 7 7",
    ("download",): "M12 4v11M7 10.500l5 5 5-5M4 20h16",
    ("expand",): "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
    ("rocket", "play"): "M7 4.500v15l12-7.500Z",
    ("pencil-alt", "pencil"): "M4 20l1-4L16.500 4.500l3 3L8 19ZM14 7l3 3",
    ("lightbulb",): "M12 3v11M12 19v.01",
    ("code",): "M8 7l-5 5 5 5M16 7l5 5-5 5",
    ("file", "file-lines", "file-pdf"): "M6 3h8l4 4v14H6ZM14 3v4h4M9 12h6M9 16h6",
    ("github", "square-github"): "M8 7l-5 5 5 5M16 7l5 5-5 5",
    ("home",): "M4 11l8-7 8 7M6 10v10h12V10",
}


def _mask(path: str) -> str:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#000" stroke-width="1.9" '
        f'stroke-linecap="round" stroke-linejoin="round"><path d="{path}"/></svg>'
    )
    return f'url("data:image/svg+xml,{quote(svg, safe=" =:/")}")'.replace("%22", "'")


def icon_css() -> str:
    """The rules for all icons, in place of the theme's icon font."""
    base = (
        ".fa-solid,.fas,.fa-brands,.fab,.fa-regular,.far{display:inline-block;width:1.15em;height:1.15em;"
        "vertical-align:-.2em;background-color:currentColor;-webkit-mask:var(--icon) center/contain no-repeat;"
        "mask:var(--icon) center/contain no-repeat;flex:none}"
    )
    rules = [
        f"{','.join(f'.fa-{name}' for name in names)}{{--icon:{_mask(path)}}}"
        for names, path in ICONS.items()
    ]
    return (
        "/* Written at build time by book/ext/cnnlab_book/icons.py. */\n"
        + base
        + "\n"
        + "\n".join(rules)
        + "\n"
    )
