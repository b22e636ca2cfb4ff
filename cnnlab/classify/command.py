"""``python -m cnnlab.classify FOLDER``: from photographs to a report, a line for each step."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.classify.grouping import GROUPINGS
from cnnlab.errors import reason_of, whole_number
from cnnlab.files import replacing

if TYPE_CHECKING:
    from cnnlab.classify.learning import Classifier
    from cnnlab.models.network import Network

__all__ = ["MODEL", "STRATEGIES", "classify_folder", "main", "pretrained"]

MODEL = "tf_efficientnet_lite0"
STRATEGIES = ("probe", "tune")
_STORE, _MARK = "features.h5", "settings.json"
_MARKED = "cnnlab_classify"


def classify_folder(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    group_by: str = "auto",
    strategy: str = "probe",
    epochs: int = 5,
    seed: int = 0,
    size: int | None = None,
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    model: str | Network = MODEL,
    export: bool = True,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Classifier:
    """A folder of photographs, one subfolder for each class, becomes a measured classifier and a report.

    Interrupted and called again, or with another seed or grouping, it takes the features that are in ``out``.

    Args:
        folder: ``folder/<class>/*.jpg``, or ``folder/<class>/<visit>/*.jpg``.
        out: the folder of the report; None for the folder's name with ``-report``, in the working directory.
        group_by: see :func:`cnnlab.classify.group_names`.
        strategy, epochs, seed: see :func:`cnnlab.classify.learn`; the seed is also that of the split.
        size: side in pixels of what the network sees; None for its own (224). Half of it is four times as quick.
        shares: of training, validation and test pictures.
        model: the name of a network with ImageNet weights, or a network with ``.preprocess``.
        export: whether to write ``model.pt2``.
        say: gets a line at each step.

    Raises:
        FileNotFoundError, ValueError: the folder is none of that kind, or ``out`` holds something else.
        ModuleNotFoundError: the package with the weights is not installed.
        FeatureError, OSError: ``out`` cannot be written.
    """
    from cnnlab.classify.learning import learn
    from cnnlab.classify.photos import look
    from cnnlab.classify.reporting import write_report
    from cnnlab.classify.splitting import split_by_group

    began = time.perf_counter()

    def tell(line: str) -> None:
        say(f"{time.perf_counter() - began:6.1f} s  {line}")

    folder = Path(folder).expanduser()
    out = Path.cwd() / f"{folder.resolve().name}-report" if out is None else Path(out).expanduser()
    network = pretrained(model, size)
    settings = {
        "model": getattr(network, "name", type(network).__name__),
        "size": network.preprocess.size[0],
        "group_by": group_by,
        "strategy": strategy,
        "seed": seed,
        "shares": list(shares),
    }
    _checked_out(out, folder)
    photos = look(folder, network.preprocess, group_by)
    tell(f"{len(photos)} pictures in {len(photos.classes)} classes: {_counted(photos.pictures.counts())}")
    for line in photos.notes:
        tell(line)
    if photos.broken:
        tell(f"{len(photos.broken)} files cannot be read and are left out: {', '.join(photos.broken[:3])}")
    for same in photos.same[:3]:
        tell(f"the same picture twice, kept in one part: {' = '.join(photos.pictures.paths[i] for i in same)}")
    tell(f"groups: {photos.grouped_by} ({photos.why})")
    split = split_by_group(photos.labels, photos.groups, shares, seed)
    tell(
        f"{len(split.train)} pictures to train, {len(split.validation)} to validate, {len(split.test)} to test; "
        "no group is in two of these"
    )
    out.mkdir(parents=True, exist_ok=True)
    with replacing(out / _MARK) as part:
        part.write_text(json.dumps({_MARKED: 1, "folder": folder.name, **settings}, indent=2), encoding="utf-8")
    found = learn(
        photos, split, out / _STORE, network, strategy=strategy, epochs=epochs, seed=seed, progress=progress, say=tell
    )
    report = write_report(found, out, export=export, settings=settings)
    tell(f"report: {report}")
    return found


def pretrained(model: str | Network, size: int | None = None) -> Network:
    """The network with its weights, in evaluation mode, for pictures of ``size``.

    Raises:
        ModuleNotFoundError: the package with the weights is not installed.
        ValueError: an unknown name or size.
    """
    from dataclasses import replace

    import cnnlab

    network = cnnlab.create_model(model, weights="imagenet") if isinstance(model, str) else model
    own = network.preprocess
    if size is not None:
        size = whole_number("size", size, "Give the side in pixels, such as 224.")
        if not isinstance(own.resize, int) or size < 32:
            raise ValueError(f"size={size!r} is too small for a network of photographs: give 32 or more.")
        network.preprocess = replace(own, resize=round(own.resize * size / own.size[0]), crop=size)
    return network.eval()


def _checked_out(out: Path, folder: Path) -> None:
    """Raises: ValueError: it holds something that is no report of this folder."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"out={str(out)!r} is a file; give a folder for the report.")
    if out.is_dir() and any(out.iterdir()):
        try:
            mark: Any = json.loads((out / _MARK).read_text(encoding="utf-8"))
            ours = mark[_MARKED] == 1
        except (OSError, ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise ValueError(
                f"out={str(out)!r} is not empty and holds no report of cnnlab.classify: give another folder, or empty "
                "it. Nothing in it was changed."
            )
        if mark.get("folder") != folder.name:
            raise ValueError(
                f"out={str(out)!r} holds the report of another folder, {mark.get('folder')!r}: give another one."
            )


def _counted(counts: dict[str, int]) -> str:
    said = [f"{name} {count}" for name, count in list(counts.items())[:8]]
    return ", ".join(said) + (f" and {len(counts) - 8} more" if len(counts) > 8 else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0, 2 for what was wrong in what was given, 130 when it was stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m cnnlab.classify",
        description="A folder of photographs, one subfolder for each class, becomes a classifier and a report on it.",
        epilog="Put pictures of one occasion into one subfolder of their class: they are then learned from or tested "
        "on, never both. Stopped and called again, it goes on from the features that it has.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="FOLDER/<class>/*.jpg or FOLDER/<class>/<visit>/*.jpg")
    parser.add_argument("--out", metavar="REPORT", help="folder of the report (default: FOLDER-report, here)")
    parser.add_argument("--group-by", choices=GROUPINGS, default="auto", help="what belongs together (default: auto)")
    parser.add_argument("--strategy", choices=STRATEGIES, default="probe", help="probe: a minute; tune: all layers")
    parser.add_argument("--epochs", type=int, default=5, help="of tune (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the training (default: 0)")
    parser.add_argument("--size", type=int, help="side in pixels of what the network sees (default: its own)")
    parser.add_argument("--model", default=MODEL, help=f"a network with ImageNet weights (default: {MODEL})")
    parser.add_argument("--no-export", action="store_true", help="leave model.pt2 out")
    options = vars(parser.parse_args(arguments))
    try:
        classify_folder(
            options.pop("folder"),
            options.pop("out"),
            export=not options.pop("no_export"),
            say=lambda line: print(line, flush=True),
            **options,
        )
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from the features that are done.", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ModuleNotFoundError) as error:
        print(f"cnnlab.classify: {_one_line(error)}", file=sys.stderr)
        return 2
    return 0


def _one_line(error: Exception) -> str:
    """What was wrong; of the system's own errors the file too."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or ''}: {reason_of(error)}".removeprefix(": ")
    return " ".join(str(error).split())
