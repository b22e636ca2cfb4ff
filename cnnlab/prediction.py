"""Asking a network about pictures of one's own: ``cnnlab.predict(model, "cat.jpg")``, and what it answers."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name, whole_number
from cnnlab.modes import evaluating
from cnnlab.pictures import SUFFIXES, BrokenImage, open_picture
from cnnlab.preprocessing import KINDS, Preprocess
from cnnlab.tables import html_frame, text_table

if TYPE_CHECKING:
    import pandas

__all__ = ["Prediction", "Predictions", "predict", "knowledge", "unwrapped", "picture_tag"]

_SHOWN = 10  # pictures in a list that shows itself
_ON_ERROR = ("raise", "skip")


# --- what it answers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of one picture.

    Attributes:
        classes: K names.
        probabilities: one for each class; they sum to 1. Shape: (K,) float32, on the CPU.
        path: the file, or None for a picture that was given itself.
    """

    classes: tuple[str, ...]
    probabilities: Tensor
    path: str | None = None
    _given: Any = field(default=None, repr=False)
    _preprocess: Preprocess | None = field(default=None, repr=False)

    @property
    def label(self) -> int:
        """The number of the class that it takes the picture for."""
        return int(self.probabilities.argmax())

    @property
    def name(self) -> str:
        """The class that it takes the picture for."""
        return self.classes[self.label]

    @property
    def probability(self) -> float:
        """That of :attr:`name`."""
        return self.probabilities[self.label].item()

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes (all, if there are fewer) with their probabilities, the first one first.

        Raises:
            ValueError: k is no positive whole number.
        """
        k = min(whole_number("k", k, "Give 1 or more."), len(self.classes))
        values, order = self.probabilities.sort(descending=True, stable=True)
        return [(self.classes[i], p) for i, p in zip(order[:k].tolist(), values[:k].tolist(), strict=True)]

    @property
    def picture(self) -> Tensor:
        """What the network saw: cut and resized, before it was normalized. Shape: (C, H, W), uint8 as a rule.

        Raises:
            BrokenImage: the file has gone since then.
        """
        if self._preprocess is None:  # taken from a set, whose pictures are as the network sees them
            return self._given
        return self._preprocess.pixels(self._given if self.path is None else open_picture(self.path))

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each class, the most probable first: "class" and "probability"."""
        import pandas

        return pandas.DataFrame(self.top(len(self.classes)), columns=["class", "probability"])

    def __repr__(self) -> str:
        said = ", ".join(f"{name} {p:.1%}" for name, p in self.top(3))
        return f"Prediction({said}{f'; {self.path}' if self.path else ''})"

    def _repr_html_(self) -> str:
        """The picture, as the network saw it, and the five most probable classes."""
        rows = [(escape(name), f"{p:.1%}") for name, p in self.top(5)]
        caption = self.path or "What the network takes it for"
        return picture_tag(self, 128) + _html_rows(("class", "probability"), rows, caption)


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """What a network says of several pictures: ``[i]`` is a :class:`Prediction`, a slice fewer of them.

    Attributes:
        classes: K names.
        probabilities: Shape: (N, K) float32, on the CPU.
        paths: the file of each picture, None for one that was given itself.
    """

    classes: tuple[str, ...]
    probabilities: Tensor
    paths: tuple[str | None, ...]
    _given: Sequence[Any] = field(default=(), repr=False)
    _preprocess: Preprocess | None = field(default=None, repr=False)

    @property
    def labels(self) -> Tensor:
        """The number of the class that each is taken for. Shape: (N,) int64."""
        return self.probabilities.argmax(dim=1)

    @property
    def names(self) -> list[str]:
        """The class that each is taken for."""
        return [self.classes[label] for label in self.labels.tolist()]

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """The k most probable classes of each, as :meth:`Prediction.top` gives them."""
        return [one.top(k) for one in self]

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for each picture: "path", "class", "probability", and "P(name)" for each class."""
        import pandas

        found = {"path": self.paths, "class": self.names, "probability": self.probabilities.amax(dim=1).numpy()}
        each = {f"P({name})": column.numpy() for name, column in zip(self.classes, self.probabilities.T, strict=True)}
        return pandas.DataFrame(found | each)

    def __len__(self) -> int:
        return len(self.probabilities)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            chosen = self._given[index]
            return Predictions(self.classes, self.probabilities[index], self.paths[index], chosen, self._preprocess)
        probabilities, given = self.probabilities[index], self._given[index]
        return Prediction(self.classes, probabilities, self.paths[index], given, self._preprocess)

    def __iter__(self) -> Iterator[Prediction]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        rows = [("picture", "class", "probability")]
        rows += [(self._called(i), one.name, f"{one.probability:.1%}") for i, one in enumerate(self[:_SHOWN])]
        return text_table(rows, self._caption, left=2)

    def _called(self, index: int) -> str:
        return self.paths[index] or str(index)

    @property
    def _caption(self) -> str:
        more = f", of which the first {_SHOWN} are shown" if len(self) > _SHOWN else ""
        return f"{len(self)} picture{'s' if len(self) != 1 else ''}{more}"

    def _repr_html_(self) -> str:
        """The first pictures, as the network saw them, and what it takes them for."""
        rows = [
            (picture_tag(one, 48), escape(self._called(i)), escape(one.name), f"{one.probability:.1%}")
            for i, one in enumerate(self[:_SHOWN])
        ]
        return _html_rows(("", "picture", "class", "probability"), rows, self._caption)


def _html_rows(titles: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table whose cells are finished HTML, the last column numbers."""
    style = [f' style="padding:.12em .55em;text-align:{side}"' for side in ("left",) * (len(titles) - 1) + ("right",)]
    head = "".join(f'<th scope="col"{how}>{title}</th>' for title, how in zip(titles, style, strict=True))
    body = ("".join(f"<td{how}>{cell}</td>" for cell, how in zip(row, style, strict=True)) for row in rows)
    return html_frame(head, "".join(f"<tr>{cells}</tr>" for cells in body), caption)


def picture_tag(one: Prediction, width: int) -> str:
    """The picture itself, inside the page; nothing where its file has gone or its channels are no colors."""
    from PIL import Image

    try:
        pixels = one.picture
    except (BrokenImage, ValueError):
        return ""
    if pixels is None or len(pixels) not in (1, 3):
        return ""
    if pixels.dtype is not torch.uint8:
        pixels = (pixels.detach() * 255).round().clamp(0, 255).to(torch.uint8)
    array = pixels.permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(array[:, :, 0] if len(pixels) == 1 else array).save(file, "PNG")
    packed = base64.b64encode(file.getvalue()).decode("ascii")
    alt = escape(f"What the network saw of {one.path or 'the picture'}", quote=True)
    return f'<img alt="{alt}" width="{width}" src="data:image/png;base64,{packed}">'


# --- asking ----------------------------------------------------------------------------------------------------------


def predict(
    model: nn.Module, pictures: Any, *, data: Any = None, batch_size: int = 64, on_error: str = "raise"
) -> Prediction | Predictions:
    """Which classes a network takes pictures for, and how probable it finds each.

    ``model.predict(pictures)`` is the same, for a network that :func:`cnnlab.load` or :func:`cnnlab.create_model` has
    given. A network of ours knows its classes and how pictures are prepared since :func:`cnnlab.fit` has trained it on
    a ``Dataset``, or since it was made with official weights; for any other module, name the data set that it was
    trained on: ``cnnlab.predict(model, "cat.jpg", data=data)``.

    Pictures are decoded, cut, resized and normalized as those of the data set were, to the bit, whatever form they come
    in. The same call gives the same bits before saving and after loading; in another number of pictures at once, a
    processor may add in another order, and the last digit may differ.

    Args:
        pictures: one picture, as a file, a PIL image, a NumPy array (H, W) or (H, W, C), or a tensor (C, H, W), of
            bytes or of floats in [0, 1]; several, as a list of such, a tensor (N, C, H, W) or an array (N, H, W, C); a
            folder, of which all pictures are taken, those in its subfolders too, in the order of their names; or an
            ``ImageSet``, such as ``data.test``.
        data: a data set that says classes and preprocessing; None for what the model carries.
        batch_size: how many go through the network at once.
        on_error: "raise" stops at a broken file; "skip" leaves those of a list or a folder out, with a warning.

    Returns:
        A :class:`Prediction` for one picture, :class:`Predictions` for several.

    Raises:
        FileNotFoundError: no such file or folder, or no picture in it.
        BrokenImage: (a ValueError) a file that is no picture.
        TypeError, ValueError: something that is no picture, or a model that does not say what its outputs mean.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, not {type(model).__name__}.")
    batch_size = whole_number("batch_size", batch_size, "Give 1 or more.")
    if on_error not in _ON_ERROR:
        raise unknown_name("on_error", on_error, _ON_ERROR)
    classes, preprocess = knowledge(model, data)
    if hasattr(pictures, "images") and hasattr(pictures, "labels"):
        return _of_set(model, pictures, classes, preprocess, batch_size)
    single, given = _several(pictures)
    found, kept = [], []
    # Pillow decodes outside Python's lock, so threads help.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1, len(given))) as pool:
        for start in range(0, len(given), batch_size):
            several = range(start, min(start + batch_size, len(given)))
            pixels = list(
                pool.map(lambda i: _pixels(given[i], preprocess, on_error if not single else "raise"), several)
            )
            for i, one in zip(several, pixels, strict=True):
                if isinstance(one, Exception):
                    if isinstance(one, BrokenImage):
                        if on_error == "skip" and not single:
                            continue
                        raise one
                    raise type(one)(str(one) if single else f"pictures[{i}]: {one}")
                kept.append(given[i])
            whole = [one for one in pixels if isinstance(one, Tensor)]
            if whole:
                found.append(_probabilities(model, torch.stack([preprocess.normalized(one) for one in whole]), classes))
    if not kept:
        raise ValueError(f"None of the {len(given)} files can be read as a picture.")
    if len(kept) < len(given):
        warnings.warn(f"{len(given) - len(kept)} broken pictures were left out.", stacklevel=2)
    probabilities = torch.cat(found)
    paths = tuple(os.fspath(one) if isinstance(one, str | os.PathLike) else None for one in kept)
    answer = Predictions(classes, probabilities, paths, kept, preprocess)
    return answer[0] if single else answer


def knowledge(model: nn.Module, data: Any = None) -> tuple[tuple[str, ...], Preprocess]:
    """A model's classes and preprocessing, of a data set if one is given, else what it carries itself.

    Raises:
        ValueError: one of the two is not known.
    """
    source = unwrapped(model) if data is None else data
    classes, preprocess = getattr(source, "classes", None), getattr(source, "preprocess", None)
    if isinstance(preprocess, Preprocess) and classes:
        return tuple(classes), preprocess
    missing = "how pictures are prepared for it" if not isinstance(preprocess, Preprocess) else "what its outputs mean"
    name = type(source).__name__
    if data is not None:
        raise ValueError(
            f"data ({name}) does not say {missing}: give the cnnlab Dataset that the model was trained on."
        )
    raise ValueError(
        f"This {name} does not say {missing}: give data=, the data set that it was trained on, or train it on one with "
        "cnnlab.fit."
    )


def unwrapped(model: nn.Module) -> nn.Module:
    """The module inside what ``torch.compile`` or ``nn.DataParallel`` has made of it."""
    while True:
        inside = getattr(model, "_orig_mod", None)
        if inside is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inside = model.module
        if not isinstance(inside, nn.Module):
            return model
        model = inside


def _several(pictures: Any) -> tuple[bool, Sequence[Any]]:
    """Whether it is one picture, and the files and pictures in it."""
    import numpy

    if isinstance(pictures, str | os.PathLike):
        path = Path(pictures).expanduser()
        if path.is_dir():
            return False, _in_folder(path)
        if not os.path.lexists(path):
            remedy = " It is an address: download the file first." if "://" in str(pictures) else ""
            raise FileNotFoundError(
                f"pictures={str(pictures)!r} does not exist; give a picture file or a folder.{remedy}"
            )
        return True, [str(path)]
    if isinstance(pictures, list | tuple):
        several = [str(Path(one).expanduser()) if isinstance(one, str | os.PathLike) else one for one in pictures]
    elif isinstance(pictures, Tensor | numpy.ndarray) and pictures.ndim == 4:
        several = list(pictures)
    elif hasattr(pictures, "train") and hasattr(pictures, "test"):
        raise TypeError("pictures is a whole data set: give one part of it, such as data.test.")
    else:
        return True, [pictures]
    if not several:
        raise ValueError("pictures is empty: give one picture or more.")
    return False, several


def _in_folder(folder: Path) -> list[str]:
    found = []
    for parent, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [
            os.path.join(parent, name)
            for name in names
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")
        ]
    if not found:
        raise FileNotFoundError(
            f"pictures={str(folder)!r} is a folder without pictures; read are {', '.join(sorted(SUFFIXES))}."
        )
    return sorted(found)


def _pixels(one: Any, preprocess: Preprocess, on_error: str) -> Tensor | Exception:
    try:
        if isinstance(one, str):
            one = open_picture(one)
        elif isinstance(one, Tensor) and one.dim() == 2:
            one = one[None]
        elif isinstance(one, Tensor) and one.dim() != 3:
            raise ValueError(f"a picture of shape {tuple(one.shape)}: (H, W) or (C, H, W) is wanted.")
        return preprocess.pixels(one).cpu()
    except (OSError, EOFError, SyntaxError) as error:  # an opened picture that Pillow has not decoded yet
        return ValueError(f"a picture that cannot be decoded ({' '.join(str(error).split())[:120]}).")
    except (TypeError, ValueError) as error:
        if isinstance(error, TypeError) and KINDS in str(error):
            return TypeError(str(error).replace("give ", "give a file, a folder, "))
        return error


def _of_set(model: nn.Module, images: Any, classes: tuple[str, ...], to: Preprocess, batch_size: int) -> Predictions:
    """Pictures that are cut and resized already, as those that a network was trained on are."""
    shape = (to.channels, *to.size)
    if not len(images.images):
        raise ValueError("pictures is an empty set: give one picture or more.")
    if tuple(images.images.shape[1:]) != shape:
        raise ValueError(
            f"pictures is a set of pictures of {tuple(images.images.shape[1:])}, and the network was trained on "
            f"{shape}: load it at that size, or give the files."
        )
    found = [_probabilities(model, to.normalized(part), classes) for part in images.images.split(batch_size)]
    paths = getattr(images, "paths", None) or (None,) * len(images.images)
    return Predictions(classes, torch.cat(found), tuple(paths), images.images, None)


def _probabilities(model: nn.Module, x: Tensor, classes: tuple[str, ...]) -> Tensor:
    like = next((p for p in model.parameters() if p.is_floating_point()), x)
    with evaluating(model), torch.no_grad():
        output = model(x.to(like.device, like.dtype))
    logits = output[0] if isinstance(output, list | tuple) and output else output
    if not isinstance(logits, Tensor) or logits.shape != (len(x), len(classes)):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"The model's output for {len(x)} pictures is {shape}, and there are {len(classes)} classes: a number for "
            f"each class, ({len(x)}, {len(classes)}), is needed."
        )
    return logits.float().softmax(dim=1).cpu()
