"""The page of a report: one file that holds its pictures and styles, needs no script, and opens from the disk."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from cnnlab.draw.embed import image_tag
from cnnlab.draw.palette import css_variables

if TYPE_CHECKING:
    from cnnlab.classify.learning import Classifier

__all__ = ["page", "remarks"]

_SIDE = 168  # pixels of a picture on the page
_FEW = 30  # test pictures: below that, an accuracy is hardly a number
_STYLE = """
:root{color-scheme:light dark;LIGHT}
@media(prefers-color-scheme:dark){:root{DARK}}
*{box-sizing:border-box}
body{margin:0;background:var(--cnnlab-paper);color:var(--cnnlab-ink);
font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0 1.25rem}
h2{font-size:1.15rem;margin:2.5rem 0 .5rem}
p{margin:.5rem 0;max-width:44rem}
.lead{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.2rem,1fr));gap:.75rem;margin:0;padding:0}
.lead div{background:var(--cnnlab-surface);border-radius:10px;padding:.75rem 1rem}
.lead dt{color:var(--cnnlab-muted);font-size:.85rem}
.lead dd{margin:0;font-size:1.6rem;font-weight:650;font-variant-numeric:tabular-nums}
.lead small{display:block;font-size:.8rem;font-weight:400;color:var(--cnnlab-muted)}
ul.say{padding:0;list-style:none;max-width:44rem}
ul.say li{border-left:4px solid var(--cnnlab-gold);padding:.1rem 0 .1rem .8rem;margin:.6rem 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem}
th,td{padding:.2rem .7rem .2rem 0;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:6.5rem;overflow-wrap:anywhere}
@media(max-width:480px){th,td{padding-right:.45rem}table{font-size:.82rem}}
td.words{text-align:left;white-space:normal}
thead{border-bottom:1px solid var(--cnnlab-muted)}
tbody tr+tr{border-top:1px solid var(--cnnlab-grid)}
.shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(9rem,1fr));gap:1rem;padding:0;margin:.75rem 0}
.shots figure{margin:0}
.shots img{display:block;width:100%;height:auto;border-radius:8px}
figcaption{font-size:.85rem;line-height:1.35;margin-top:.35rem;overflow-wrap:anywhere}
figcaption small,.small{color:var(--cnnlab-muted);font-size:.8rem}
img{max-width:100%;height:auto}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.88rem}
pre{background:var(--cnnlab-surface);padding:.8rem 1rem;border-radius:8px;overflow-x:auto}
b.ok{color:var(--cnnlab-green)}b.no{color:var(--cnnlab-red)}
"""


def page(
    found: Classifier, numbers: dict[str, Any], confusion: str, shown: dict[str, list[dict[str, Any]]], sizes: Any
) -> str:
    """The whole file.

    Args:
        numbers: as in ``metrics.json``.
        confusion: the matrix as SVG.
        shown: "wrong", "why_right" and "why_wrong": pictures and what was said of them.
        sizes: name of a file -> how large it is.
    """
    name = escape(found.photos.folder.resolve().name)
    low, high = numbers["interval"]
    pictures, groups = numbers["pictures"], numbers["groups"]
    count = pictures["test"]
    together = {"none": "pictures taken singly", "folder": "kept together by subfolder"}
    by = together.get(numbers["grouped_by"], "kept together by the beginning of the name")
    style = _STYLE.replace("LIGHT", css_variables("light")).replace("DARK", css_variables("dark"))
    wrong = count - numbers["right"]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{name}: {numbers['accuracy']:.1%} of {count} test pictures</title>",
        f"<style>{style}</style></head><body><main>",
        f"<h1>{name}: {len(found.photos.classes)} classes, told apart by "
        f"{escape(getattr(found.model, 'name', 'a network'))}</h1>",
        '<dl class="lead">',
        _fact("right", f"{numbers['accuracy']:.1%}", f"{numbers['right']} of {count} test pictures"),
        _fact("likely", f"{100 * low:.0f}–{100 * high:.0f}%", "95 % interval, were pictures independent"),
        _fact("guessing the commonest class", f"{numbers['most_frequent_class']:.0%}", "what any classifier must beat"),
        _fact(
            "pictures",
            f"{len(found.photos)}",
            f"{pictures['train']} train, {pictures['validation']} validate, {count} test",
        ),
        _fact("groups", f"{sum(groups.values())}", by),
        "</dl>",
        _list("What to know before you trust this", remarks(numbers)),
        "<h2>What is taken for what</h2>",
        "<p>A row for what a picture is, a column for what it was taken for; blue is right.</p>",
        f'<div class="scroll">{image_tag(confusion, _said(numbers))}</div>',
        _classes(numbers),
        "<h2>Mistakes, the most confident first</h2>",
        _shots(shown["wrong"], "pixels") if wrong else "<p>There is none among the test pictures.</p>",
        f'<p class="small">{len(shown["wrong"])} of {wrong} are shown; predictions.csv names all.</p>'
        if wrong > len(shown["wrong"])
        else "",
        "<h2>Where it looked</h2>",
        "<p>Grad-CAM: what is bright spoke for the class that was said. Look for things that do not belong to the "
        "subject: a table, a label, a border. If you find one, you have found what it learned instead.</p>",
        _shots([*shown["why_right"], *shown["why_wrong"]], "cam"),
        "<h2>Use it</h2>",
        "<pre>" + escape(_usage(found, sizes)) + "</pre>",
        f'<p class="small">{", ".join(f"{escape(n)} {s}" for n, s in sizes.items())}. Classes in the order of its '
        f"outputs: {escape(', '.join(found.photos.classes))}.</p>",
        "<h2>How it was made</h2>",
        _made(found, numbers),
        "</main></body></html>",
    ]
    return "\n".join(part for part in parts if part)


def remarks(numbers: dict[str, Any]) -> list[str]:
    """What the numbers say about themselves, in sentences, the gravest first."""
    said = []
    count, alike = numbers["pictures"]["test"], len(numbers["look_alikes"])
    if numbers["grouped_by"] == "none":
        said.append(
            f"Pictures were split one by one ({numbers['why']}). If several show the same thing or come from one "
            "occasion, some were learned from and others tested on, and the accuracy is too good. Put each occasion "
            "into a subfolder of its class and run again."
        )
    if alike:
        first, second = numbers["look_alikes"][0]
        verb = "looks" if alike == 1 else "look"
        said.append(
            f"{alike} of {count} test pictures {verb} almost like one that was learned from, such as {first} like "
            f"{second}. Compare them: copies and shots of one series belong into one subfolder."
        )
    if count < _FEW:
        said.append(
            f"{count} test pictures are few: one more mistake is {1 / count:.1%}. Read the interval, not the number."
        )
    fewest = min(numbers["per_class"], key=lambda row: row["test_pictures"])
    if fewest["test_pictures"] < 5:
        said.append(
            f"Of {fewest['class']} there are {fewest['test_pictures']} test pictures: nothing can be said of this "
            "class alone."
        )
    if numbers["grouped_by"] != "none" and numbers["groups"]["test"] < 10:
        said.append(
            f"The test pictures come from {numbers['groups']['test']} groups. Another seed takes other groups, and the "
            "accuracy may move by more than the interval says; run again with --seed 1 and 2."
        )
    if numbers["accuracy"] <= numbers["most_frequent_class"]:
        said.append("It is no better than always naming the commonest class: it has learned nothing of use.")
    if numbers["copies"]:
        said.append(
            f"{len(numbers['copies'])} pictures lie in the folder more than once; copies were kept in one part: "
            + "; ".join(" = ".join(same) for same in numbers["copies"][:3])
            + ("." if len(numbers["copies"]) <= 3 else "; and more, in metrics.json.")
        )
    if numbers["left_out"]:
        more = "" if len(numbers["left_out"]) <= 3 else f" and {len(numbers['left_out']) - 3} more"
        said.append(f"Left out: {'; '.join(numbers['left_out'][:3])}{more}")
    return said


def _fact(term: str, value: str, also: str) -> str:
    return f"<div><dt>{escape(term)}</dt><dd>{escape(value)}<small>{escape(also)}</small></dd></div>"


def _list(title: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<h2>{escape(title)}</h2><ul class="say">{items}</ul>' if lines else ""


def _said(numbers: dict[str, Any]) -> str:
    pairs = [
        (times, row, column)
        for row, own in enumerate(numbers["confusion"])
        for column, times in enumerate(own)
        if row != column and times
    ]
    said = f"Confusion matrix of {numbers['pictures']['test']} pictures, {numbers['right']} of them classified rightly"
    if not pairs:
        return f"{said}; there is no mistake."
    times, row, column = max(pairs, key=lambda pair: pair[0])
    classes = numbers["classes"]
    return f"{said}; most often, {times} times, {classes[row]} was taken for {classes[column]}."


def _classes(numbers: dict[str, Any]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("class", "precision", "recall", "F1", "tested"))
    rows = []
    for row in numbers["per_class"]:
        shares = "".join(
            f"<td>{'–' if row[name] is None else format(row[name], '.0%')}</td>"
            for name in ("precision", "recall", "f1")
        )
        rows.append(f'<tr><th scope="row">{escape(row["class"])}</th>{shares}<td>{row["test_pictures"]}</td></tr>')
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _shots(shown: Sequence[dict[str, Any]], which: str) -> str:
    figures = []
    for one in shown:
        good = one["is"] == one["taken_for"]
        verdict = (
            f'<b class="ok">{escape(one["is"])}</b>, rightly'
            if good
            else f'is <b class="ok">{escape(one["is"])}</b>, taken for <b class="no">{escape(one["taken_for"])}</b>'
        )
        alt = f"{one['path']}, taken for {one['taken_for']}"
        figures.append(
            f'<figure><img alt="{escape(alt, quote=True)}" width="{_SIDE}" height="{_SIDE}" src="{_jpeg(one[which])}">'
            f"<figcaption>{verdict} ({one['probability']:.0%})<br><small>{escape(one['path'])}</small></figcaption>"
            "</figure>"
        )
    return f'<div class="shots">{"".join(figures)}</div>'


def _jpeg(pixels: Any) -> str:
    from PIL import Image

    image = Image.fromarray(pixels)
    if image.width != image.height:
        image = image.resize((_SIDE, _SIDE))
    elif image.width < _SIDE:
        image = image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _usage(found: Classifier, sizes: Any) -> str:
    _, height, width = found.data.shape
    said = 'import cnnlab\n\nmodel = cnnlab.load("model.pt")\nmodel.predict("photo.jpg")  # or a folder, or a list\n'
    if "model.pt2" in sizes:
        said += (
            "\n# Without cnnlab, where there is torch alone:\nimport torch\n\n"
            'program = torch.export.load("model.pt2").module()\n'
            f"program(pictures)  # uint8 (N, 3, {height}, {width}) -> probabilities (N, {len(found.photos.classes)})\n"
        )
    return said


def _made(found: Classifier, numbers: dict[str, Any]) -> str:
    own = numbers["provenance"]
    chosen = ", ".join(f"{name} {share:.1%}" for name, share in numbers["validation_accuracy"].items())
    how = (
        f"a probe on its frozen features (penalty {numbers['strength']:g})"
        if found.strategy == "probe"
        else f"a probe, and {len(found.run.history) if found.run else 0} epochs of the whole network after it"
    )
    rows = {
        "learned by": how,
        "on the validation pictures": chosen,
        "groups": f"{numbers['grouped_by']}: {numbers['why']}",
        "groups to train, validate, test": ", ".join(str(n) for n in numbers["groups"].values()),
        "seconds": ", ".join(f"{name} {value:g}" for name, value in numbers["seconds"].items()),
        "when": own["date"],
        "on": f"{own['device_name']}, {own['platform']}",
        "versions": ", ".join(f"{name} {version}" for name, version in own["versions"].items()),
        "asked for": ", ".join(f"{name}={value}" for name, value in numbers["settings"].items()),
    }
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="words">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
        if value
    )
    return f'<div class="scroll"><table><tbody>{body}</tbody></table></div>'
