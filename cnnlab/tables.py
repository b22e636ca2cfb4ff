"""Numbers as people say them, and tables of text and HTML that look alike wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["human", "human_bytes", "text_table", "latex_escape", "latex_table", "html_table", "html_frame"]


def human(number: int) -> str:
    """12,345,678 as 12.3 M; below ten thousand, the number itself."""
    if number < 10_000:
        return f"{number:,}"
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size * 0.9995:
            return f"{number / size:.3g} {unit}" if number / size < 999.5 else f"{number / size:,.0f} {unit}"
    raise AssertionError("unreachable: number is at least 10,000")


def human_bytes(number: int) -> str:
    """12,345,678 as 12.3 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= size * 0.9995:
            return f"{number / size:.3g} {unit}"
    return f"{number} B"


def text_table(rows: Sequence[Sequence[str]], caption: str, left: int = 1) -> str:
    """Aligned columns, the first row as head, between rules, and the caption below.

    Args:
        left: how many columns, from the first, are flush left; the rest are numbers.
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(len(line) for line in lines)
    return "\n".join([lines[0], rule, *lines[1:], rule, caption])


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "×": r"$\times$",
    "\n": " ",
} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def latex_escape(text: str) -> str:
    """The text as LaTeX prints it, whatever signs are in it."""
    return "".join(_LATEX.get(sign, sign) for sign in text)


def latex_table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """The same as a LaTeX ``tabular``, which needs no package: the first row as head, between rules.

    Args:
        left: how many columns, from the first, are flush left; the rest are numbers. Spaces before a name indent it.
    """
    lines = []
    for row in rows:
        cells = [latex_escape(cell.strip()) for cell in row]
        indent = (len(row[0]) - len(row[0].lstrip(" "))) // 2
        # After a line's end, a bracket or a star would be taken for its argument.
        cells[0] = r"\quad" * indent + "{}" * bool(indent or cells[0][:1] in ("[", "*")) + cells[0]
        lines.append(" & ".join(cells) + r" \\")
    columns = "l" * left + "r" * (len(rows[0]) - left)
    head, *body = lines
    return "\n".join(
        [rf"\begin{{tabular}}{{{columns}}}", r"\hline", head, r"\hline", *body, r"\hline", r"\end{tabular}", ""]
    )


def html_table(rows: Sequence[Sequence[str]], caption: str) -> str:
    """The same for a page: the first row as head, the first column as the rows' heads.

    Where room is short, heads and names are broken between words; numbers never are.
    """
    style = "padding:.12em .55em;text-align"
    left, right = (f' style="{style}:{side}"' for side in ("left", "right"))
    number = f' style="white-space:nowrap;{style}:right"'
    head, *body = rows
    titles = "".join(f'<th scope="col"{right if i else left}>{escape(title)}</th>' for i, title in enumerate(head))
    lines = "".join(
        f'<tr><th scope="row"{left}>{escape(name)}</th>'
        + "".join(f"<td{number}>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for name, *cells in body
    )
    return html_frame(titles, lines, caption)


def html_frame(head: str, body: str, caption: str) -> str:
    """The table around finished ``<th>`` elements (head) and ``<tr>`` elements (body); it scrolls if need be."""
    return (
        '<div class="cnnlab-scroll" style="overflow-x:auto" role="region" tabindex="0" '
        f'aria-label="{escape(caption)}">'
        '<table class="cnnlab-table" style="border-collapse:collapse;color:currentColor;'
        'font-variant-numeric:tabular-nums;font-size:.875em;margin:0">'
        f'<caption style="caption-side:top;text-align:left;padding:.4em .5em">{escape(caption)}</caption>'
        '<thead style="border-bottom:1px solid currentColor">'
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
