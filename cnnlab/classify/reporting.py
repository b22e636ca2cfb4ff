"""What a classifier leaves in a folder: the model in two forms, its numbers and mistakes, and a page of them."""

from __future__ import annotations

import csv
import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.classify.grouping import look_alikes
from cnnlab.classify.learning import Classifier
from cnnlab.classify.page import page
from cnnlab.classify.splitting import NAMES
from cnnlab.draw.embed import standalone
from cnnlab.evaluation import wilson
from cnnlab.explain import grad_cam
from cnnlab.files import replacing
from cnnlab.saving import save
from cnnlab.tables import human_bytes
from cnnlab.training.evaluation import model_device
from cnnlab.training.provenance import provenance
from cnnlab.training.run import write_json

if TYPE_CHECKING:
    from cnnlab.preprocessing import Preprocess

__all__ = ["metrics_of", "write_report"]

_EXPLAINED = 4  # of the right ones, and of the wrong ones
_WRONG = 24  # shown on the page; the CSV names all
_FAR = 1e-3  # how far the exported program's probabilities may be from the model's


def write_report(
    found: Classifier, out: str | Path, *, export: bool = True, settings: dict[str, Any] | None = None
) -> Path:
    """Write the folder of a report; what is in it from an earlier one is replaced.

    ``report.html`` opens from the disk, alone. Beside it: ``model.pt`` (:func:`cnnlab.load`), ``model.pt2`` (a program
    of ``torch.export``: bytes in, probabilities out, the names of the classes inside), ``metrics.json``,
    ``classes.csv``, ``predictions.csv`` with every test picture, ``confusion.svg``, and the folders ``wrong`` and
    ``grad_cam`` with pictures.

    Args:
        export: whether to write ``model.pt2``, which takes some seconds.
        settings: what was asked for, for the record.

    Returns:
        The page.

    Raises:
        OSError: the folder cannot be written.
        RuntimeError: the exported program answers otherwise than the model.
    """
    out = Path(out).expanduser()
    out.mkdir(parents=True, exist_ok=True)
    files = {"model.pt": save(found.model, out / "model.pt", found.data, found.run)}
    if export:
        files["model.pt2"] = _export(found, out / "model.pt2")
    numbers = metrics_of(found, settings or {})
    write_json(out / "metrics.json", numbers)
    _write_tables(found, out)
    confusion = _confusion(found)
    with replacing(out / "confusion.svg") as part:
        part.write_text(standalone(confusion), encoding="utf-8")
    shown = _pictures(found, out)
    sizes = {name: human_bytes(path.stat().st_size) for name, path in files.items()}
    with replacing(out / "report.html") as part:
        part.write_text(page(found, numbers, confusion, shown, sizes), encoding="utf-8")
    return out / "report.html"


def metrics_of(found: Classifier, settings: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured, as JSON can hold it."""
    photos, split, test = found.photos, found.split, found.test
    right = int((test.predictions == test.labels).sum())
    counts = torch.bincount(test.labels, minlength=len(photos.classes))
    learned = torch.cat([split.train, split.validation])
    table = test.by_class
    return {
        "accuracy": test.accuracy,
        # Pictures of one group resemble each other: with few groups the truth is less certain than that.
        "interval": wilson(right, len(test.labels)),
        "right": right,
        "most_frequent_class": int(counts.max()) / len(test.labels),
        "validation_accuracy": found.validation,
        "strategy": found.strategy,
        "strength": found.strength,
        "macro": table.macro,
        "classes": list(photos.classes),
        "per_class": [
            {"class": name, "precision": p, "recall": r, "f1": f, "test_pictures": n}
            for name, p, r, f, n in zip(
                photos.classes,
                *(_none(column.tolist()) for column in (table.precision, table.recall, table.f1)),
                table.images.tolist(),
                strict=True,
            )
        ],
        "confusion": test.confusion.tolist(),
        "pictures": {name: len(getattr(split, name)) for name in NAMES},
        "groups": {name: len({photos.groups[i] for i in getattr(split, name).tolist()}) for name in NAMES},
        "grouped_by": photos.grouped_by,
        "why": photos.why,
        "siblings": len(split.siblings(photos.groups)),
        "look_alikes": [
            [photos.pictures.paths[i] for i in pair]
            for pair in look_alikes(photos.pictures.images, learned, split.test)
        ],
        "copies": [[photos.pictures.paths[i] for i in same] for same in photos.same],
        "left_out": [*photos.broken, *photos.notes],
        "seconds": found.seconds,
        "settings": settings,
        "provenance": provenance(model_device(found.model)),
    }


def _none(values: Sequence[float]) -> list[float | None]:
    """JSON knows no NaN."""
    return [None if value != value else value for value in values]


# --- the model as a program -------------------------------------------------------------------------------------------


class _Program(nn.Module):
    """Bytes in, probabilities out. Shape: (N, C, H, W) uint8 -> (N, classes) float32."""

    def __init__(self, model: nn.Module, preprocess: Preprocess) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std).view(-1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model((pictures.float() / 255 - self.mean) / self.std).softmax(dim=1)


def _export(found: Classifier, path: Path) -> Path:
    """``torch.export`` of the network with its normalization, compared with the network once it is read back."""
    program = _Program(found.model, found.photos.preprocess).cpu().eval()
    # Not a view: torch would write all of the test set, whose memory a view shares.
    example = found.data.test.images[:2].clone()
    batch = torch.export.Dim("pictures", min=1, max=4096)
    names = json.dumps({"classes": found.photos.classes, "input": list(example.shape[1:])})
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # what torch says of its own format
        exported = torch.export.export(program, (example,), dynamic_shapes=({0: batch},))
        with replacing(path) as part:
            # torch looks at the ending.
            own = part.with_name(f"{part.name}.pt2")
            torch.export.save(exported, own, extra_files={"classes.json": names})
            own.replace(part)
        some = found.data.test.images[:3]
        apart = (torch.export.load(path).module()(some) - program(some)).abs().max().item()
    if not apart <= _FAR:
        path.unlink()
        raise RuntimeError(
            f"The exported program's probabilities are {apart:.2g} away from the model's, so that it was deleted. Use "
            "model.pt, and report this with the versions in metrics.json."
        )
    return path


# --- tables and pictures ----------------------------------------------------------------------------------------------


def _write_tables(found: Classifier, out: Path) -> None:
    test, classes = found.test, found.photos.classes
    probabilities = test.logits.softmax(dim=1)
    rows = [["class", "precision", "recall", "f1", "test_pictures"]]
    table = test.by_class
    for name, *shares, count in zip(classes, table.precision, table.recall, table.f1, table.images, strict=True):
        rows.append([name, *(f"{float(share):.4f}" for share in shares), str(int(count))])
    _write_csv(out / "classes.csv", rows)
    rows = [["picture", "group", "is", "taken_for", "probability", *(f"P({name})" for name in classes)]]
    for place, index in enumerate(found.split.test.tolist()):
        said = int(test.predictions[place])
        rows.append(
            [
                found.photos.pictures.paths[index],
                found.photos.groups[index],
                classes[int(test.labels[place])],
                classes[said],
                f"{float(probabilities[place, said]):.4f}",
                *(f"{p:.4f}" for p in probabilities[place].tolist()),
            ]
        )
    _write_csv(out / "predictions.csv", rows)


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _confusion(found: Classifier) -> str:
    """The matrix as one ``<svg>`` whose colors follow the page."""
    import matplotlib
    from matplotlib.figure import Figure

    from cnnlab import draw
    from cnnlab.draw.style import figure_svg

    with matplotlib.rc_context():
        draw.use_style()
        side = min(8.0, 2.2 + 0.3 * len(found.photos.classes))
        figure = Figure(figsize=(side + 0.6, side))
        draw.confusion(found.test.confusion, found.photos.classes, axis=figure.subplots())
        return figure_svg(figure, salt="confusion")


def _pictures(found: Classifier, out: Path) -> dict[str, list[dict[str, Any]]]:
    """Mistakes, the most confident first, and Grad-CAMs of some right and some wrong pictures: also as files."""
    from PIL import Image

    test, classes = found.test, found.photos.classes
    probabilities = test.logits.softmax(dim=1)
    wrong = test.mistakes.tolist()
    sure = probabilities.amax(dim=1).argsort(descending=True).tolist()
    # One right picture of each class before a second of any.
    right = [i for i in sure if i not in set(wrong)]
    seen: dict[int, int] = {}
    order = {}
    for i in right:
        kind = int(test.labels[i])
        order[i] = seen[kind] = seen.get(kind, 0) + 1
    right.sort(key=lambda i: order[i])
    for folder in ("wrong", "grad_cam"):
        shutil.rmtree(out / folder, ignore_errors=True)

    def told(place: int) -> dict[str, Any]:
        said = int(test.predictions[place])
        return {
            "path": found.data.test.paths[place],
            "is": classes[int(test.labels[place])],
            "taken_for": classes[said],
            "probability": float(probabilities[place, said]),
            "pixels": _rgb(found.data.test.images[place]),
        }

    shown: dict[str, list[dict[str, Any]]] = {"wrong": [told(place) for place in wrong[:_WRONG]]}
    for name, places in (("why_right", right[:_EXPLAINED]), ("why_wrong", wrong[:_EXPLAINED])):
        shown[name] = []
        for place in places:
            cam = _cam(found, place)
            if cam is not None:
                shown[name].append(told(place) | {"cam": cam})
    for number, one in enumerate(shown["wrong"]):
        _put(Image.fromarray(one["pixels"]), out / "wrong" / f"{number:02d}_{_file_name(one)}.png")
    for name in ("why_right", "why_wrong"):
        for number, one in enumerate(shown[name]):
            _put(Image.fromarray(one["cam"]), out / "grad_cam" / f"{name[4:]}_{number}_{_file_name(one)}.png")
    return shown


def _rgb(picture: Tensor) -> Any:
    """(C, H, W) uint8 as an array (H, W, 3)."""
    return picture.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()


def _cam(found: Classifier, place: int) -> Any:
    """The picture, bright where it speaks for the class that was said and dark elsewhere; None where nothing does."""
    import numpy as np

    x = found.photos.preprocess.normalized(found.data.test.images[place : place + 1])
    try:
        heat = grad_cam(found.model, x, target=int(found.test.predictions[place]))[0].numpy()
    except ValueError:  # it would be a blank
        return None
    heat = (heat / heat.max())[..., None]
    pixels = _rgb(found.data.test.images[place]).astype(np.float32)
    glow = np.array([255.0, 190.0, 0.0], np.float32)
    mixed = pixels * (0.35 + 0.65 * heat) * (1 - 0.35 * heat) + glow * 0.35 * heat
    return mixed.clip(0, 255).round().astype(np.uint8)


def _file_name(one: dict[str, Any]) -> str:
    """Letters and digits of any language, so that a class's name cannot lead out of the folder."""
    said = f"{one['is']}_taken_for_{one['taken_for']}" if one["is"] != one["taken_for"] else one["is"]
    return "".join(letter if letter.isalnum() else "_" for letter in said)[:80]


def _put(image: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
