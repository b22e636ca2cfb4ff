"""The photo lab: ask a pretrained network about a photograph of your own, uploaded, by its path or by its address.

Like the training lab it needs a kernel; where nobody sits in front of one, displaying it gives a poster.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from cnnlab.draw.embed import still_html
from cnnlab.draw.palette import css
from cnnlab.widgets.lab.panel import alert
from cnnlab.widgets.lab.poster import framed, somebody_there

if TYPE_CHECKING:
    from torch import nn

    from cnnlab.prediction import Prediction

__all__ = ["LARGEST", "PhotoLab"]

LARGEST = 30_000_000  # bytes of a picture file
_GUESSES = 5
_SECONDS = 15.0  # without a byte from an address
_NONE = "none of these"
_ALT = (
    "The photo lab, drawn as it looks when it runs: a menu of photographs, a button to upload one, a line for a path "
    "or an address, and a photograph beside bars for its five most probable classes. This is a drawing, not a result."
)
_NOTE = (
    "The photo lab needs Python behind the page: you give it a photograph, uploaded, by its path or by its address, "
    "and see what the network takes it for. Run this page in Jupyter or Colab (its button is at the top of the page) "
    "to use it."
)


class PhotoLab:
    """A panel that says what a pretrained network sees in a photograph.

    Args:
        network: a name of :func:`cnnlab.list_models` that has ImageNet weights, or a network that knows its classes and
            its preprocessing, such as one that :func:`cnnlab.fit` has trained.
        beside: a second one of these, asked only where the reader ticks its box: the weights of a name are downloaded
            then, once. None for none.
        photos: of :func:`cnnlab.data.sample_photos`, for the menu.

    Attributes:
        answers: name of the network -> its `cnnlab.Prediction` of the last picture.
        said: status and message, as plain text.
        panel: the widgets, an ipywidgets box.

    Raises:
        ValueError: no such network or photograph, or one network twice (the message names what there is).
        TypeError: a network that is neither a name nor a module.
    """

    def __init__(
        self,
        network: str | nn.Module = "tf_efficientnet_lite0",
        beside: str | nn.Module | None = "resnet50",
        *,
        photos: Sequence[str] = ("cat", "coffee", "camera", "rocket", "clock", "motorcycle_left", "astronaut", "moon"),
    ) -> None:
        self._networks = [_known("network", network)]
        if beside is not None:
            self._networks.append(_known("beside", beside))
        names = self._names = [_name_of(each) for each in self._networks]
        if len(set(names)) < len(names):
            raise ValueError(f"beside={names[1]!r} is network itself: give another one, or None.")
        self._photos = _known_photos(photos)
        self.answers: dict[str, Prediction] = {}
        self.said = ("", "")

        line = widgets.Layout(flex="1 1 260px", max_width="420px", min_width="0")
        style = {"description_width": "95px"}
        self.photo = widgets.Dropdown(
            description="Photograph", options=[_NONE, *self._photos], value=_NONE, layout=line, style=style
        )
        self.upload = widgets.FileUpload(
            description="Upload yours", accept="image/*", multiple=False, layout=widgets.Layout(width="auto")
        )
        self.place = widgets.Text(
            description="Or its place",
            placeholder="holiday.jpg or https://...",
            continuous_update=False,
            layout=line,
            style=style,
        )
        self.ask = widgets.Button(description="Ask", icon="search", layout=widgets.Layout(width="auto"))
        self.both = widgets.Checkbox(
            value=False,
            description=f"{names[-1]} too" + ("" if _is_made(self._networks[-1]) else " (downloaded once)"),
            indent=False,
            layout=widgets.Layout(width="auto", display="" if beside is not None else "none"),
        )
        self.status = widgets.HTML()
        self.message = widgets.HTML()
        self.answer = widgets.HTML(layout=widgets.Layout(width="auto", max_width="100%", overflow="auto"))
        row = widgets.Layout(display="flex", flex_flow="row wrap", width="100%")
        self.panel = widgets.VBox(
            [
                widgets.Box([self.photo, self.upload], layout=row),
                widgets.Box([self.place, self.ask], layout=row),
                self.both,
                self.status,
                self.message,
                self.answer,
            ],
            layout=widgets.Layout(width="100%", max_width="720px"),
        )
        self._last: tuple[Any, str] | None = None  # the picture and what it is called
        self.photo.observe(self._on_photo, "value")
        # ipywidgets 7 makes its value from a counter, which moves even where the same file comes again.
        self.upload.observe(self._on_upload, "_counter" if self.upload.has_trait("_counter") else "value")
        self.ask.on_click(lambda _: self.look(self.place.value))
        self.place.observe(lambda change: self.look(change["new"]) if change["new"].strip() else None, "value")
        self.both.observe(lambda _: self._again(), "value")
        self._say("Ready.")

    def look(self, picture: Any) -> None:
        """Ask about a picture. What is wrong with it is said on the panel, in a line.

        Args:
            picture: a path, an address that begins with https:// or http://, the bytes of a picture file, or whatever
                else :func:`cnnlab.predict` takes for one picture.
        """
        self._look(picture, "the picture")

    def show(self) -> None:
        """Show the widgets, whatever is in front of this kernel, with an answer for the first photograph."""
        from IPython.display import display

        display(self.panel)
        if not self.answers and self._photos:
            self.photo.value = self._photos[0]

    # --- one picture -------------------------------------------------------------------------------------------------

    def _look(self, picture: Any, called: str) -> None:
        self.answers = {}
        self.answer.value = ""
        self._last = None
        try:
            picture, called = self._opened(picture, called)
        except Exception as error:
            self._say("Ready.", _in_a_line(error))
            return
        self._last = picture, called
        self._again()

    def _again(self) -> None:
        """Ask each network that is wanted about the last picture."""
        if self._last is None:
            return
        picture, called = self._last
        self.answers, fault = {}, ""
        for number, name in enumerate(self._names):
            if number and not self.both.value:
                continue
            try:
                self.answers[name] = _one(self._made(number).predict(picture))
            except Exception as error:  # the other one's answer is one all the same
                fault = _in_a_line(error)
        self.answer.value = _answers_html(self.answers, called)
        words = [f"{name} takes {called} for {one.name}, {one.probability:.0%}." for name, one in self.answers.items()]
        self._say(" ".join(words) or "Ready.", fault)

    def _opened(self, picture: Any, called: str) -> tuple[Any, str]:
        """What :func:`cnnlab.predict` takes, and what it is called."""
        from cnnlab.download import read_address
        from cnnlab.pictures import open_picture, picture_of_bytes

        if isinstance(picture, str):
            picture = picture.strip()
            if not picture:
                raise ValueError(
                    "Upload a picture, or give the path of a file or an address that begins with https://."
                )
            if "://" in picture:
                called = picture.rsplit("/", 1)[-1].split("?")[0][:60] or picture
                self._say(f"Fetching {called} ...")
                picture = read_address(picture, LARGEST, timeout=_SECONDS)
        if isinstance(picture, bytes):
            _check_size(len(picture), called)
            return picture_of_bytes(picture, called), called
        if isinstance(picture, str | os.PathLike):
            path, name = _of_file(picture)
            return open_picture(path), name
        return picture, called

    def _made(self, number: int) -> nn.Module:
        """The network, with its weights; built when it is first asked."""
        from cnnlab.models import create_model

        network = self._networks[number]
        if not _is_made(network):
            self._say(f"Getting the weights of {network} ...")
            network = self._networks[number] = create_model(network, weights="imagenet")
        return network

    # --- the panel ---------------------------------------------------------------------------------------------------

    def _on_photo(self, change: Any) -> None:
        if change["new"] != _NONE:
            from cnnlab.data import sample_photos

            self._look(sample_photos()[change["new"]], change["new"].replace("_", " "))

    def _on_upload(self, change: Any) -> None:
        files = _uploaded(self.upload.value)
        if files:
            name, content = files[-1]
            self.photo.value = _NONE
            if isinstance(self.upload.value, tuple):  # in ipywidgets 8; else the same file would be no news
                self.upload.value = ()
            self._look(content, name)

    def _say(self, status: str, message: str = "") -> None:
        self.said = (status, message)
        self.status.value = f'<div role="status" style="line-height:1.4">{html.escape(status)}</div>'
        self.message.value = alert(message) if message else ""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if somebody_there():
            self.show()
        else:
            display(self._repr_mimebundle_(), raw=True)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """The poster."""
        note = f"{_NOTE} Networks here: {', '.join(self._names)}."
        return {"text/plain": repr(self), "text/html": framed(still_html(_sketch(), _ALT), note)}

    def __repr__(self) -> str:
        return f"PhotoLab({', '.join(map(repr, self._names))})"


# --- what is given ---------------------------------------------------------------------------------------------------


def _known(argument: str, network: Any) -> Any:
    """A name with weights, or a network that knows what it says."""
    from torch import nn

    if isinstance(network, str):
        from cnnlab.weights import find_source

        find_source(network, "imagenet")
        return network
    if not isinstance(network, nn.Module):
        raise TypeError(
            f"{argument} must be a name of cnnlab.list_models() or a network, not {type(network).__name__}."
        )
    from cnnlab.prediction import knowledge

    knowledge(network)
    return network


def _is_made(network: Any) -> bool:
    return not isinstance(network, str)


def _name_of(network: Any) -> str:
    return network if isinstance(network, str) else getattr(network, "name", None) or type(network).__name__


def _known_photos(photos: Sequence[str]) -> list[str]:
    from cnnlab.data import sample_photos
    from cnnlab.errors import unknown_name

    there = sample_photos()
    for name in photos:
        if name not in there:
            raise unknown_name("photos", name, list(there))
    return list(photos)


def _uploaded(value: Any) -> list[tuple[str, bytes]]:
    """Name and content of each file: ipywidgets 8 gives a tuple of dicts, 7 a dict by name.

    >>> _uploaded({"a.png": {"metadata": {}, "content": b"1"}}) == _uploaded(({"name": "a.png", "content": b"1"},))
    True
    """
    if isinstance(value, dict):
        return [(name, bytes(file["content"])) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


def _of_file(picture: str | os.PathLike) -> tuple[str, str]:
    path = os.path.expanduser(picture)
    name = os.path.basename(path) or path
    if not os.path.exists(path):
        raise FileNotFoundError(f"{str(picture)!r} is not there: give the path of a picture file, or upload it.")
    if os.path.isdir(path):
        raise ValueError(f"{str(picture)!r} is a folder: give one picture, or ask about all with cnnlab.predict.")
    _check_size(os.path.getsize(path), name)
    return path, name


def _one(answer: Any) -> Prediction:
    if not hasattr(answer, "name"):
        raise TypeError("This panel looks at one picture at a time: ask about several with cnnlab.predict.")
    return answer


def _check_size(size: int, name: str) -> None:
    if size > LARGEST:
        raise ValueError(
            f"{name} has {size / 1e6:.0f} MB, and {LARGEST / 1e6:.0f} are accepted: make it smaller; the network sees "
            "a few hundred pixels a side."
        )


def _in_a_line(error: Exception) -> str:
    """The reason without what concerns lists of files."""
    return " ".join(str(error).split()).replace(', or pass on_error="skip" to leave broken files out', "")


# --- what is shown ---------------------------------------------------------------------------------------------------


def _answers_html(answers: dict[str, Prediction], called: str) -> str:
    """The picture as the first network read it, and for each network its five most probable classes with bars."""
    from cnnlab.prediction import picture_tag

    if not answers:
        return ""
    seen = picture_tag(next(iter(answers.values())), 180)
    tables = "".join(_bars(name, one) for name, one in answers.items())
    below = f'<figcaption style="line-height:1.4;max-width:180px">What was read of {html.escape(called)}</figcaption>'
    row = "display:flex;flex-wrap:wrap;gap:0.75rem 1.5rem;align-items:flex-start"
    return f'<div class="cnnlab-figure" style="{row}"><figure style="margin:0">{seen}{below}</figure>{tables}</div>'


def _bars(name: str, one: Prediction) -> str:
    cell = "padding:0.1rem 0.4rem;text-align:left;line-height:1.3;font-weight:normal"
    rows = []
    for guess, p in one.top(_GUESSES):
        bar = f"display:inline-block;height:0.7em;width:{2 + 108 * p:.0f}px;background:{css('blue')};margin-right:0.4em"
        rows.append(
            f'<tr><th scope="row" style="{cell}">{html.escape(guess)}</th>'
            f'<td style="{cell};white-space:nowrap"><span style="{bar}"></span>{p:.1%}</td></tr>'
        )
    return (
        f'<table style="border-collapse:collapse"><caption style="caption-side:top;text-align:left;font-weight:bold">'
        f"{html.escape(name)}</caption><tbody>{''.join(rows)}</tbody></table>"
    )


def _sketch() -> str:
    """The panel, drawn: a menu, a button, a line for a place, a photograph, five bars."""
    muted, ink, grid, blue, surface = (css(name) for name in ("muted", "ink", "grid", "blue", "surface"))

    def box(x: int, y: int, width: int, said: str) -> str:
        return (
            f'<rect x="{x}" y="{y}" width="{width}" height="24" rx="4" style="fill:{surface};stroke:{grid}"/>'
            f'<text x="{x + 8}" y="{y + 16}" font-size="11" style="fill:{ink}">{said}</text>'
        )

    parts = [
        box(8, 8, 130, "Photograph: cat"),
        f'<path d="M124 18l4 5 4 -5" fill="none" style="stroke:{muted}"/>',
        box(148, 8, 100, "Upload yours"),
        box(258, 8, 214, "Or its place: https://..."),
        # a photograph: two hills and the sun
        f'<rect x="8" y="46" width="120" height="120" rx="4" style="fill:{surface};stroke:{grid}"/>',
        f'<circle cx="98" cy="74" r="10" style="fill:{grid}"/>',
        f'<path d="M8 150L48 100L78 136L96 116L128 150V162Q128 166 124 166H12Q8 166 8 162Z" style="fill:{muted}"/>',
    ]
    for place, (guess, share) in enumerate(
        (("first guess", 0.6), ("second", 0.2), ("third", 0.1), ("fourth", 0.05), ("fifth", 0.02))
    ):
        y = 48 + 24 * place
        parts.append(
            f'<text x="228" y="{y + 12}" font-size="11" text-anchor="end" style="fill:{ink}">{guess}</text>'
            f'<rect x="238" y="{y}" width="{230 * share:.0f}" height="16" style="fill:{blue}"/>'
        )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 174" aria-hidden="true" font-family="sans-serif" '
        f'style="width:100%;height:auto;display:block">{"".join(parts)}</svg>'
    )
