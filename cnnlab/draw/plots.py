"""Bars, lines, dots and confusion matrices, each drawn, labelled and shown in one call.

``bars`` compares amounts, ``lines`` follows something over steps, depths or sizes, ``dots`` has a row for each case and
a dot for each repetition, ``confusion`` a row for what is and a column for what
was said. Colors come from the style's cycle ("C0", "C1", ...), so they follow the page's mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnlab.draw.embed import worded
from cnnlab.draw.palette import light
from cnnlab.draw.style import plain, show

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bars", "lines", "dots", "confusion"]

_ROOMY = 0.07  # of the largest bar: from here on a bar holds its own number
_MARK = {"textcoords": "offset points", "color": light("muted"), "fontsize": 9}
_WRITTEN = 20  # classes: of more, neither names nor counts can be read
_ROW, _MARGIN = 0.38, 0.9  # inches: a row of dots or lying bars, and title and axis around them


def bars(
    labels: Sequence[Any] | None,
    values: Any,
    alt: str | None = None,
    caption: str | None = None,
    *,
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    horizontal: bool = False,
    percent: bool = False,
    numbers: str | None = None,
    groups: Sequence[str] | None = None,
    colors: Sequence[str] | None = None,
    marks: Mapping[str, float] | None = None,
    legend: str | None = "best",
    size: tuple[float, float] | None = None,
    axis: Axes | None = None,
) -> None:
    """Show a bar chart; several series stand side by side.

    Args:
        labels: a name for each bar, or for each set of bars; None for bars whose order alone counts.
        values: one number for each label, or a mapping from a series' name to one number for each label.
        alt: what the figure shows, as for ``show``; required unless ``axis`` is given.
        caption: the numbered line below, as for ``show``.
        horizontal: bars lie and the first label is at the top, for names too long to stand under a bar.
        percent: values are shares, and their axis counts in percent: 0.25 reads "25%".
        numbers: a format ("{:.1f}") in which its value stands in each bar; None for none.
        groups: for one series, the kind of each bar, which gives it its color and the legend its entries.
        colors: one for each series, or for each kind of ``groups`` in order; by default the cycle's "C0", "C1", ...
        marks: name -> value of a dashed line across the bars, named at its end, such as ``{"guessing": 0.1}``.
        legend: where it stands, as matplotlib says it, "below" for under the figure, or None for nowhere.
        size: width and height in inches.
        axis: draw into this matplotlib axis, one panel of a larger figure, and show nothing.

    Raises:
        ValueError: lengths differ, there is nothing to draw, or ``alt`` is missing.
    """
    series = {"": values} if not isinstance(values, Mapping) else values
    rows = {name: _numbers("values", name, each, (1,)) for name, each in _some("values", series).items()}
    count = len(next(iter(rows.values())))
    for name, each in rows.items():
        wanted = count if labels is None else len(labels)
        if len(each) != wanted:
            where = f" of {name!r}" if name else ""
            raise ValueError(f"values{where} has {len(each)} entries for {wanted} labels; give one for each label.")
    if groups is not None and len(rows) > 1:
        raise ValueError(
            f"groups={list(groups)!r} is for one series; values has {len(rows)}, which have colors already."
        )
    if groups is not None and len(groups) != count:
        raise ValueError(f"groups has {len(groups)} entries for {count} bars; give one for each bar.")
    names = None if labels is None else [plain(label) for label in labels]
    kinds = list(rows if groups is None else dict.fromkeys(groups))
    shades = _shades(colors, kinds, "groups" if groups is not None else "series")
    tall = _MARGIN + _ROW * count * (0.75 + 0.25 * len(rows))
    panel = _Panel(axis, alt, caption, size or ((6.4, tall) if horizontal else (6.4, 3.6)))
    draw_bars = panel.axis.barh if horizontal else panel.axis.bar
    thick = 0.8 / len(rows)
    for index, (name, each) in enumerate(rows.items()):
        places = np.arange(count) + (index - (len(rows) - 1) / 2) * thick
        parts = (
            {name: np.ones(count, bool)} if groups is None else {k: np.array([g == k for g in groups]) for k in kinds}
        )
        for number, (kind, chosen) in enumerate(parts.items()):
            # Bars without names of their own: a gap tells one kind from the next.
            apart = number if names is None else 0
            drawn = draw_bars(
                places[chosen] + apart, each[chosen], thick, color=shades[kind], label=plain(kind) or None
            )
            if numbers is not None:
                _number(panel.axis, drawn, each[chosen], numbers, max(np.abs(r).max() for r in rows.values()))
    ticks = range(0 if names is None else count)
    if horizontal:
        panel.axis.set_yticks(ticks, labels=names or [])
        panel.axis.set_ylim(count - 0.4, -0.6)
        panel.axis.grid(visible=False, axis="y")
    else:
        panel.axis.set_xticks(ticks, labels=names or [])
        panel.axis.grid(visible=False, axis="x")
    panel.mark(marks, upright=horizontal)
    panel.finish(
        title, xlabel, ylabel, xlim, ylim, "x" if horizontal else "y", percent, legend if kinds != [""] else None
    )


def _number(axis: Axes, drawn: Any, values: np.ndarray, form: str, largest: float) -> None:
    """Each bar's value in its middle, where it meets no line across the bars; beside a bar too short to hold it."""
    said = [form.format(value) for value in values]
    roomy = np.abs(values) >= _ROOMY * largest
    inside = [text if room else "" for text, room in zip(said, roomy, strict=True)]
    beside = ["" if room else text for text, room in zip(said, roomy, strict=True)]
    axis.bar_label(drawn, inside, label_type="center", color=light("paper"))
    axis.bar_label(drawn, beside, padding=2)


def lines(
    x: Any,
    values: Any,
    alt: str | None = None,
    caption: str | None = None,
    *,
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    xticks: Sequence[float] | None = None,
    log: str = "",
    percent: bool = False,
    styles: Sequence[str] | None = None,
    marks: Mapping[str, float] | None = None,
    legend: str | None = "best",
    size: tuple[float, float] | None = None,
    axis: Axes | None = None,
) -> None:
    """Show one line or several; of repeated runs the mean, and each run as a thin line behind it.

    Args:
        x: the places along the axis, the same for all lines; or a mapping from a line's name to its own; or None to
            count 0, 1, 2, ....
        values: one number for each place, or a mapping from a line's name to them. Shape of each: (places,), or
            (runs, places), drawn as the mean with the runs behind it.
        alt: what the figure shows, as for ``show``; required unless ``axis`` is given.
        caption: the numbered line below, as for ``show``.
        xticks: the numbers to be written along the axis; by default matplotlib's choice.
        log: which axes are logarithmic: "", "x", "y" or "xy".
        percent: values are shares, and their axis counts in percent: 0.25 reads "25%".
        styles: one for each line, matplotlib's way: color, marker, dash, such as "C1--" or "C0o-". By default the
            cycle's colors, solid.
        marks: name -> value of a dashed line across the figure, such as ``{"guessing": 0.1}``.
        legend: where it stands, as matplotlib says it, "below" for under the figure, or None for nowhere.
        size: width and height in inches.
        axis: draw into this matplotlib axis, one panel of a larger figure, and show nothing.

    Raises:
        ValueError: lengths differ, there is nothing to draw, ``log`` is another word, or ``alt`` is missing.
    """
    series = {"": values} if not isinstance(values, Mapping) else values
    rows = {name: _numbers("values", name, each, (1, 2)) for name, each in _some("values", series).items()}
    if x is None:
        x = {name: range(each.shape[-1]) for name, each in rows.items()}
    if isinstance(x, Mapping) and set(x) != set(rows):
        raise ValueError(f"x has places for {sorted(x)} and values has lines {sorted(rows)}; give the same names.")
    places = {name: _numbers("x", name, x[name] if isinstance(x, Mapping) else x, (1,)) for name in rows}
    for name, each in rows.items():
        if each.shape[-1] != len(places[name]):
            where = f" of {name!r}" if name else ""
            raise ValueError(
                f"values{where} has {each.shape[-1]} entries for {len(places[name])} places in x; give one each."
            )
    if log not in ("", "x", "y", "xy"):
        raise ValueError(f'log={log!r} names no axes; give "", "x", "y" or "xy".')
    looks = _shades(styles, list(rows), "lines", "styles")
    panel = _Panel(axis, alt, caption, size or (6.4, 3.6))
    for name, each in rows.items():
        middle = each.mean(0) if each.ndim == 2 else each
        (line,) = panel.axis.plot(places[name], middle, looks[name], label=plain(name) or None)
        look = {"color": line.get_color(), "linestyle": line.get_linestyle()}
        for run in each if each.ndim == 2 and len(each) > 1 else ():
            panel.axis.plot(places[name], run, **look, linewidth=0.9, alpha=0.55, zorder=1.5)
    panel.mark(marks, upright=False)
    for letter in log:
        panel.axis.set(**{f"{letter}scale": "log"})
    if xticks is not None:
        panel.axis.set_xticks(list(xticks), labels=[f"{tick:g}" for tick in xticks])
        panel.axis.xaxis.set_minor_locator(_no_ticks())
    panel.finish(title, xlabel, ylabel, xlim, ylim, "y", percent, legend if list(rows) != [""] else None)


def dots(
    rows: Mapping[str, Any],
    alt: str | None = None,
    caption: str | None = None,
    *,
    title: str | None = None,
    xlabel: str | None = None,
    xlim: tuple[float, float] | None = None,
    percent: bool = False,
    colors: Sequence[str] | None = None,
    marks: Mapping[str, float] | None = None,
    size: tuple[float, float] | None = None,
    axis: Axes | None = None,
) -> None:
    """Show a row for each case, in it a dot for each repetition, and a stroke at their mean.

    Args:
        rows: the name of a case -> its results, one for each seed; the first is at the top.
        alt: what the figure shows, as for ``show``; required unless ``axis`` is given.
        caption: the numbered line below, as for ``show``.
        percent: values are shares, and their axis counts in percent: 0.25 reads "25%".
        colors: one for each row; by default all have the first of the cycle, since their names tell them apart.
        marks: name -> value of a dashed line across the rows, such as ``{"guessing": 0.1}``.
        size: width and height in inches.
        axis: draw into this matplotlib axis, one panel of a larger figure, and show nothing.

    Raises:
        ValueError: there is nothing to draw, ``colors`` has another length, or ``alt`` is missing.
    """
    found = {name: _numbers("rows", name, each, (1,)) for name, each in _some("rows", rows).items()}
    shades = _shades(["C0"] * len(found) if colors is None else colors, list(found), "rows")
    panel = _Panel(axis, alt, caption, size or (6.4, _MARGIN + _ROW * len(found)))
    for place, (name, each) in enumerate(found.items()):
        panel.axis.plot(each, [place] * len(each), "o", color=shades[name], alpha=0.8, markersize=8, markeredgewidth=0)
        if len(each) > 1:
            panel.axis.plot([each.mean()] * 2, [place - 0.3, place + 0.3], color=light("ink"), linewidth=1.6)
    panel.axis.set_yticks(range(len(found)), labels=[plain(name) for name in found])
    panel.mark(marks, upright=True)
    panel.finish(title, xlabel, None, xlim, (len(found) - 0.5, -0.5), "x", percent, None)


def confusion(
    counts: Any,
    classes: Sequence[str],
    alt: str | None = None,
    caption: str | None = None,
    *,
    title: str | None = None,
    size: tuple[float, float] | None = None,
    axis: Axes | None = None,
) -> None:
    """Show how often each class was taken for each: blue where right, orange where wrong, the deeper the more often.

    Args:
        counts: rows are right classes, columns predictions, as ``Evaluation.confusion``. Shape: (K, K).
        classes: K names. They and the counts are written for up to 20 classes.
        alt: what the figure shows, as for ``show``; required unless ``axis`` is given.
        caption: the numbered line below, as for ``show``.
        size: width and height in inches.
        axis: draw into this matplotlib axis, one panel of a larger figure, and show nothing.

    Raises:
        ValueError: ``counts`` is not square, has another size than ``classes`` or a negative entry, or ``alt`` is
            missing.
    """
    from matplotlib.patches import Rectangle

    table = _numbers("counts", "", counts, range(9))
    k = len(classes)
    if table.shape != (k, k):
        raise ValueError(f"counts has shape {table.shape} for {k} classes; wanted ({k}, {k}).")
    if (table < 0).any():
        raise ValueError(f"counts has the entry {table.min():g}; counts are 0 or more.")
    panel = _Panel(axis, alt, caption, size or (5.2, 4.6))
    axis = panel.axis
    small = 7 if k <= 12 else 5
    for row, column in np.argwhere(table):
        share = table[row, column] / table[row].sum()
        shade = light("blue" if row == column else "orange")
        place = (column - 0.5, row - 0.5)
        axis.add_patch(Rectangle(place, 1, 1, facecolor=shade, alpha=0.08 + 0.5 * share, edgecolor="none"))
        if k <= _WRITTEN:
            axis.text(column, row, f"{table[row, column]:g}", ha="center", va="center", fontsize=small)
    axis.grid(visible=False)
    if k <= _WRITTEN:
        short, names = all(len(name) <= 3 for name in classes), [plain(name) for name in classes]
        axis.set_xticks(range(k), names, rotation=0 if short else 45, ha="center" if short else "right")
        axis.set_yticks(range(k), names)
        axis.tick_params(labelsize=small, length=0)
    panel.finish(title, "taken for", "is", (-0.5, k - 0.5), (k - 0.5, -0.5), "y", False, None)


class _Panel:
    """The axis drawn into: a figure of our own, shown at the end, or a panel of somebody else's."""

    def __init__(self, axis: Axes | None, alt: str | None, caption: str | None, size: tuple[float, float]) -> None:
        if axis is not None and (alt is not None or caption is not None):
            raise ValueError(
                "alt and caption belong to the whole figure and axis is one panel of it; "
                "give them to draw.show(figure, alt, caption)."
            )
        self.alt, self.caption, self.own = alt, caption, axis is None
        if axis is None:
            import matplotlib.pyplot as plt

            worded("alt", alt)
            axis = plt.subplots(figsize=size)[1]
        self.axis = axis
        self.named_on_top = False

    def mark(self, marks: Mapping[str, float] | None, *, upright: bool) -> None:
        """Dashed lines, named outside the axes, where nothing is drawn: on top if ``upright``, else at the right."""
        self.named_on_top = upright and bool(marks)
        axis, color = self.axis, light("muted")
        for name, value in (marks or {}).items():
            if upright:
                axis.axvline(value, color=color, linestyle="--", linewidth=1.2, zorder=0.9)
                place = {"xycoords": ("data", "axes fraction"), "xytext": (0, 3), "ha": "center", "va": "bottom"}
                axis.annotate(plain(name), (value, 1), **place, **_MARK)
            else:
                axis.axhline(value, color=color, linestyle="--", linewidth=1.2, zorder=0.9)
                place = {"xycoords": ("axes fraction", "data"), "xytext": (4, 0), "ha": "left", "va": "center"}
                axis.annotate(plain(name), (1, value), **place, **_MARK)

    def finish(
        self,
        title: str | None,
        xlabel: str | None,
        ylabel: str | None,
        xlim: tuple[float, float] | None,
        ylim: tuple[float, float] | None,
        counts: str,
        percent: bool,
        legend: str | None,
    ) -> None:
        """Labels, limits and legend; then show what is ours. ``counts`` is the axis along which values run."""
        given = {"title": title, "xlabel": xlabel, "ylabel": ylabel, "xlim": xlim, "ylim": ylim}
        self.axis.set(**{name: value for name, value in given.items() if value is not None})
        if title is not None and self.named_on_top:
            self.axis.set_title(title, pad=18)
        if percent:
            (self.axis.xaxis if counts == "x" else self.axis.yaxis).set_major_formatter(
                lambda share, _: _percent(share)
            )
        if legend == "below":
            # This panel's own entries: a figure's legend would gather those of all panels.
            handles, names = self.axis.get_legend_handles_labels()
            columns = 2 if len(handles) == 4 else min(len(handles), 3)
            self.axis.figure.legend(handles, names, loc="outside lower center", ncols=columns)
        elif legend is not None:
            self.axis.legend(loc=legend)
        if self.own:
            show(self.axis.figure, self.alt, self.caption)


def _some(argument: str, series: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(series, Mapping):
        raise ValueError(f"{argument} is a {type(series).__name__}; give a mapping from each name to its values.")
    if not series:
        raise ValueError(f"{argument}={series!r} is empty; give one series or more.")
    return series


def _numbers(argument: str, name: Any, values: Any, dimensions: Sequence[int]) -> np.ndarray:
    """The values as a float array of one of these numbers of dimensions, and with something in it."""
    where = f"{argument}[{name!r}]" if name != "" else argument
    try:
        plain = values.detach().cpu().numpy() if hasattr(values, "detach") else values
        array = np.array(plain, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{where}={str(values)[:60]} is no sequence of numbers of one length; give numbers.") from None
    if array.ndim not in dimensions:
        wanted = "(n,)" if dimensions == (1,) else "(n,) or (runs, n)"
        raise ValueError(f"{where} has shape {array.shape}; wanted {wanted}.")
    if array.size == 0:
        raise ValueError(f"{where} is empty; give one number or more.")
    return array


def _shades(given: Sequence[str] | None, names: list[Any], things: str, argument: str = "colors") -> dict[Any, str]:
    """Name -> color or style: the given ones, else the cycle's."""
    if given is not None and len(given) != len(names):
        raise ValueError(
            f"{argument}={list(given)!r} has {len(given)} entries for {len(names)} {things}; give one each."
        )
    chosen = [f"C{index}" for index in range(len(names))] if given is None else given
    return dict(zip(names, chosen, strict=True))


def _percent(share: float) -> str:
    """With as many digits as it takes: ticks at 95 and 97.5 must not read 95 and 98."""
    return f"{round(100 * share, 6):g}%"


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()
