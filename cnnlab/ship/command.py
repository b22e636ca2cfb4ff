"""``python -m cnnlab.ship MODEL``: a network's files, compared with it and timed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlab.errors import reason_of, whole_number

if TYPE_CHECKING:
    import numpy
    from torch import Tensor, nn

    from cnnlab.preprocessing import Preprocess

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 0, 1 for a network that cannot be exported, 2 for what was wrong in what was
    given, 130 when it was stopped.
    """
    parser = argparse.ArgumentParser(
        prog="python -m cnnlab.ship",
        description="A network as a program of torch.export, as an ONNX file and in int8, each compared with it, with "
        "size and time of each.",
        epilog="Needs pip install onnx onnxscript onnxruntime.",
    )
    parser.add_argument("model", metavar="MODEL", help="a name, such as resnet18, or a file of cnnlab.save")
    parser.add_argument("--weights", help="of a name: imagenet, or a file (default: fresh ones)")
    parser.add_argument("--pictures", metavar="FOLDER", help="like those to come (default: scikit-image's photographs)")
    parser.add_argument("--out", metavar="FOLDER", help="for the files and report.json (default: MODEL-shipped, here)")
    parser.add_argument("--size", type=int, help="side in pixels of what the network sees (default: its own)")
    parser.add_argument("--batches", default="1,8", help="sizes of batches to time (default: 1,8)")
    parser.add_argument("--threads", type=int, default=1, help="of a forward pass (default: 1)")
    parser.add_argument(
        "--portable", action="store_true", help="int8 with weights of 7 bits, for processors of before 2019 too"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    try:
        from cnnlab.ship.shipping import ship

        batches = _sizes(options.batches)
        model = _network(options.model, options.weights)
        preprocess = _preprocess(model, options.size)
        pictures = _pictures(preprocess, options.pictures)
        out = Path(options.out or f"{Path(options.model).stem}-shipped")
        said = (lambda line: None) if options.json else (lambda line: print(f"{line} ...", flush=True))
        timed = {"batches": batches, "threads": options.threads}
        report = ship(model, pictures, out, portable=options.portable, **timed, say=said)
        print((out / "report.json").read_text(encoding="utf-8") if options.json else report)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, RuntimeError, ModuleNotFoundError) as error:
        print(f"cnnlab.ship: {_one_line(error)}", file=sys.stderr)
        return 1 if isinstance(error, RuntimeError) else 2
    return 0


def _sizes(text: str) -> list[int]:
    try:
        return [whole_number("batches", int(size), "Give sizes such as 1,8.") for size in text.split(",")]
    except ValueError:
        raise ValueError(f"batches={text!r} is not allowed: give positive whole numbers with commas, 1,8.") from None


def _network(name: str, weights: str | None) -> nn.Module:
    import torch

    import cnnlab
    from cnnlab.weights.reading import is_file

    if is_file(name):
        if weights is not None:
            raise ValueError(f"weights={weights!r}: the file {name!r} has its own. Leave weights out.")
        return cnnlab.load(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return cnnlab.create_model(name, weights=weights).eval()


def _preprocess(model: nn.Module, size: int | None) -> Preprocess:
    from cnnlab.preprocessing import plain_preprocess

    own = getattr(model, "preprocess", None)
    if own is None:
        shape = getattr(model, "input_size", None)
        if shape is None or shape[0] not in (1, 3):
            raise ValueError(
                f"model: this {type(model).__name__} does not say which pictures it takes. Call "
                "cnnlab.ship.ship(model, pictures, out) with some of them."
            )
        own = plain_preprocess(shape, (0.5,) * shape[0], (0.25,) * shape[0], "crop")
    if size is None:
        return own
    size = whole_number("size", size, "Give the side in pixels, such as 224.")
    resize = round(own.resize * size / own.size[0]) if isinstance(own.resize, int) else (size, size)
    return replace(own, resize=resize, crop=size)


def _pictures(preprocess: Preprocess, folder: str | None) -> Tensor:
    import torch

    from cnnlab.pictures import SUFFIXES, open_picture

    if folder is None:
        return torch.stack([preprocess(piece) for piece in _pieces()])
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"pictures={folder!r} is no folder; give one with pictures in it or in its subfolders.")
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in SUFFIXES)
    if len(files) < 4:
        raise ValueError(f"pictures={folder!r} holds {len(files)} pictures; give 4 or more, half of them to calibrate.")
    # First and last of a folder may be of other classes: every other one calibrates.
    files = files[::2] + files[1::2]
    return torch.stack([preprocess(open_picture(file)) for file in files])


def _pieces() -> list[numpy.ndarray]:
    """Squares of scikit-image's photographs: those of one photograph only calibrate, or are only compared."""
    from cnnlab.data.bundled import sample_photos

    found = []
    for photo in sample_photos().values():
        side = min(photo.shape[:2])
        high, wide = (length - side for length in photo.shape[:2])
        found += [photo[:side, :side], photo[high:, wide:], photo[:side, ::-1][:, :side]]
    return found


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or ''}: {reason_of(error)}".removeprefix(": ")
    return " ".join(str(error).split())
