"""Every form of one network, each compared with it and measured beside it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor, nn

from cnnlab.convolutions.latency import measure_latency
from cnnlab.errors import whole_number
from cnnlab.ship.exporting import ShipError, answer, distance, export_to
from cnnlab.ship.onnx_files import OnnxNetwork, quantize, to_onnx
from cnnlab.ship.reporting import Report, Row

__all__ = ["ship"]

_ONNX = "onnx"
_INT8 = {"int8 per tensor": "tensor", "int8 per channel": "channel"}


def ship(
    model: nn.Module,
    pictures: Tensor,
    out: str | Path,
    *,
    calibration: Tensor | None = None,
    portable: bool = False,
    batches: Sequence[int] = (1, 8),
    threads: int = 1,
    repeats: int = 25,
    seconds: float = 1.0,
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Write a network as ``model.pt2``, ``model.onnx`` and two int8 files, compare and time them, and report.

    Args:
        model: any network of one tensor; it stays as it is. A copy goes to the CPU, in evaluation mode.
        pictures: as the network takes them. Shape: (N, C, H, W).
        out: folder for the files and ``report.json``; what is in it under these names is replaced.
        calibration: pictures that int8's ranges are taken from; None takes the first half of ``pictures`` for it and
            compares on the rest.
        portable: int8 that says the same on older processors, as for :func:`quantize`.
        batches: sizes of batches to time.
        threads: of every forward pass. torch's own number is as before afterwards.
        repeats, seconds: as for :func:`cnnlab.convolutions.latency.measure_latency`.
        say: called with a line for each file.

    Returns:
        The report. A form that a network has not, ONNX or int8, is told in ``left_out``.

    Raises:
        TypeError, ValueError: pictures or a network that cannot be shipped, fewer than four pictures without
            ``calibration``, or a number that is no positive whole one.
        ShipError: ``torch.export`` cannot follow the network; the message names the layer.
        ModuleNotFoundError: ONNX's packages are not installed.
        OSError: a file cannot be written.
    """
    threads = whole_number("threads", threads, "Give 1 or more.")
    batches = [whole_number("batches", batch, "Give sizes such as (1, 8).") for batch in batches]
    if calibration is None:
        if len(pictures) < 4:
            raise ValueError(
                f"pictures holds {len(pictures)}; give 4 or more, half of them to calibrate int8, or calibration=."
            )
        calibration, pictures = pictures.split([len(pictures) // 2, len(pictures) - len(pictures) // 2])
    model = copy.deepcopy(model).cpu().eval()
    wanted, out = answer(model, pictures), Path(out)
    name = getattr(model, "name", type(model).__name__)
    files: dict[str, Path] = {"torch.export": out / "model.pt2"}
    forms: dict[str, nn.Module] = {"torch": model}
    left_out: dict[str, str] = {}
    with _threads(threads):
        say("torch.export")
        export_to(model, pictures[:2], files["torch.export"])
        forms["torch.export"] = _Called(torch.export.load(files["torch.export"]).module())
        try:
            say(_ONNX)
            files[_ONNX] = out / "model.onnx"
            forms[_ONNX] = to_onnx(model, pictures[:2], files[_ONNX], threads=threads)
            for form, per in _INT8.items():
                say(form)
                path = out / f"model-{form.replace(' ', '-')}.onnx"
                forms[form] = quantize(files[_ONNX], path, calibration, per=per, portable=portable, threads=threads)
                files[form] = path
        except (ShipError, ValueError) as error:
            left_out[form if _ONNX in forms else _ONNX] = str(error)
        say("times")
        shape = tuple(pictures.shape[1:])
        times = {
            batch: measure_latency(
                {form: (network, (batch, *shape)) for form, network in forms.items()}, repeats=repeats, seconds=seconds
            )
            for batch in batches
        }
        rows = []
        for form, network in forms.items():
            with torch.inference_mode():
                said = torch.cat([network(some) for some in pictures.split(16)])
            path = files.get(form)
            rows.append(
                Row(
                    form=form,
                    file=None if path is None else path.name,
                    bytes=_in_memory(model) if path is None else path.stat().st_size,
                    agreement=_agreement(said, wanted),
                    difference=distance(said, wanted),
                    latency={batch: times[batch][form] for batch in batches},
                    first=None if path is None else _first(path, pictures[:1], threads),
                )
            )
    report = Report(
        model=name,
        params=sum(p.numel() for p in model.parameters()),
        input=shape,
        compared=len(pictures),
        calibrated=len(calibration),
        threads=threads,
        rows=tuple(rows),
        left_out=left_out,
        versions=_versions(),
    )
    report.save(out / "report.json")
    return report


class _Called(nn.Module):
    """A program, which refuses to be put into evaluation mode since it is in it."""

    def __init__(self, program: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.__dict__["program"] = program

    def forward(self, x: Tensor) -> Tensor:
        return self.program(x)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _agreement(said: Tensor, wanted: Tensor) -> float:
    """Where the highest score is the same one; of a single score, where both are on one side of 0."""
    if wanted.ndim > 1 and wanted.shape[1] > 1:
        return float((said.argmax(1) == wanted.argmax(1)).double().mean())
    return float(((said > 0) == (wanted > 0)).double().mean())


def _in_memory(model: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in (*model.parameters(), *model.buffers()))


def _first(path: Path, picture: Tensor, threads: int) -> float:
    """Milliseconds from the file to an answer, once."""
    start = time.perf_counter()
    network = torch.export.load(path).module() if path.suffix == ".pt2" else OnnxNetwork(path, threads=threads)
    with torch.inference_mode():
        network(picture)
    return 1000 * (time.perf_counter() - start)


def _versions() -> dict[str, str]:
    found = {}
    for package in ("torch", "onnx", "onnxscript", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
