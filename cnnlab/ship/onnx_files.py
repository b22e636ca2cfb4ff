"""ONNX: a network as a file for ONNX Runtime, which needs neither torch nor the source; and one that counts in int8."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy
import torch
from torch import Tensor, nn

from cnnlab.errors import reason_of, unknown_name, whole_number
from cnnlab.files import replacing
from cnnlab.modes import evaluating
from cnnlab.ship.exporting import blame, check_close, export, program_of, quiet

__all__ = ["OnnxNetwork", "to_onnx", "quantize"]

_PER = ("tensor", "channel")


class OnnxNetwork(nn.Module):
    """A file of :func:`to_onnx` or :func:`quantize` that is asked like any network, on the CPU.

    Shape: (N, C, H, W) -> what the network gives.

    Args:
        path: the file.
        threads: how many the computation may use.

    Raises:
        FileNotFoundError, ValueError: no such file, or none that ONNX Runtime can read.
        ModuleNotFoundError: ONNX Runtime is not installed.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        super().__init__()
        runtime = _needed("onnxruntime")
        if not Path(path).is_file():
            raise FileNotFoundError(f"path={str(path)!r} is no file; give one that cnnlab.ship.to_onnx has written.")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = whole_number("threads", threads, "Give 1 or more.")
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors alone
        try:
            self.session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ValueError(f"path={str(path)!r} cannot be read by ONNX Runtime: {reason_of(error)}") from None
        (taken,) = self.session.get_inputs()
        self.takes, self.wanted = taken.name, tuple(taken.shape)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != len(self.wanted) or any(a != b for a, b in zip(x.shape[1:], self.wanted[1:], strict=True)):
            sides = ", ".join(map(str, self.wanted[1:]))
            raise ValueError(
                f"x has the shape {tuple(x.shape)}; the file takes (N, {sides}). Resize the pictures, or export the "
                "network for their size."
            )
        (said,) = self.session.run(None, {self.takes: x.detach().cpu().float().numpy()})
        return torch.from_numpy(said)


def to_onnx(model: nn.Module, pictures: Tensor, path: str | Path, *, threads: int = 1) -> OnnxNetwork:
    """Write the network as an ONNX file, by way of :func:`export`, and compare what ONNX Runtime makes of it.

    Args:
        model: on the CPU, of float32; it stays as it is.
        pictures: two or more, as the network takes them. Shape: (N, C, H, W).
        path: the file, for any number of pictures of this size.
        threads: of the network that is returned.

    Raises:
        TypeError, ValueError, ShipError: as :func:`cnnlab.ship.export`; or ONNX has no form for a layer, which the
            message names; or the file says something else than the network.
        ModuleNotFoundError: a package is not installed; the message says which.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        _needed(package)
    program = export(model, pictures)
    try:
        found = _converted(program)
    except Exception as error:
        with evaluating(model):
            raise blame(model, pictures, "ONNX", _try_onnx, error) from None
    with replacing(Path(path)) as part:
        found.save(str(part))
        check_close(OnnxNetwork(part), model, pictures[:1], "ONNX")
    return OnnxNetwork(path, threads=threads)


def quantize(
    path: str | Path,
    out: str | Path,
    calibration: Tensor,
    *,
    per: Literal["tensor", "channel"] = "channel",
    portable: bool = False,
    batch_size: int = 8,
    threads: int = 1,
) -> OnnxNetwork:
    """Write an ONNX file whose layers count in whole numbers of eight bits, after what they read of some pictures.

    ONNX Runtime's static quantization. Weights become -127 to 127 times a scale, and what layers read 0 to 255 between
    the smallest and the largest number that was seen there. (For weights of 0 to 255 with a zero of their own in each
    channel the runtime has no quick path: EfficientNet-Lite0 took ten times as long.)

    Args:
        path: a file of :func:`to_onnx`.
        out: the new one.
        calibration: pictures like those to come, a few dozen. Shape: (N, C, H, W).
        per: "tensor", one scale for the weights of a layer; "channel", one for each of its output channels.
        portable: weights of 7 bits, -64 to 64. Processors with an instruction for products of eight bits (VNNI, on
            servers since 2019) do not need it. On older ones two products are added in 16 bits and may overflow, so
            that the same file of 8 bits says other things there.
        batch_size: pictures that are looked at together.
        threads: of the network that is returned.

    Raises:
        ValueError: an unknown ``per``, no picture, or one that is not finite; a file that cannot be quantized.
        ModuleNotFoundError: a package is not installed.
    """
    if per not in _PER:
        raise unknown_name("per", per, _PER)
    if not isinstance(calibration, Tensor) or not len(calibration) or not calibration.isfinite().all():
        raise ValueError("calibration must be a tensor (N, C, H, W) of one picture or more, all numbers finite.")
    batch_size = whole_number("batch_size", batch_size, "Give 1 or more.")
    for package in ("onnx", "onnxruntime"):
        _needed(package)
    original = OnnxNetwork(path)
    original(calibration[:1])  # says what is wrong with the size
    with TemporaryDirectory() as folder, replacing(Path(out)) as part:
        simpler = Path(folder) / "simpler.onnx"
        ways = {"per_channel": per == "channel", "reduce_range": portable}
        _quantized(Path(path), simpler, part, original.takes, calibration.split(batch_size), ways)
    return OnnxNetwork(out, threads=threads)


def _quantized(
    path: Path, simpler: Path, out: Path, name: str, batches: tuple[Tensor, ...], ways: dict[str, bool]
) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        """The batches, one after the other."""

        def __init__(self) -> None:
            self.batches: Iterator[Tensor] = iter(batches)

        def get_next(self) -> dict[str, numpy.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {name: batch.cpu().float().numpy()}

    try:
        with quiet():  # it advises to do what the next line does
            # Batch norms go into the convolutions before them, or each would be rounded by itself.
            quant_pre_process(str(path), str(simpler), skip_symbolic_shape=True)
            quantize_static(
                str(simpler),
                str(out),
                Reader(),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                **ways,
            )
    except Exception as error:
        raise ValueError(
            f"path={str(path)!r} cannot be quantized: {reason_of(error)} Give a file that to_onnx wrote, of floats."
        ) from None


def _converted(program: torch.export.ExportedProgram) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.onnx.export(program, input_names=["pictures"], output_names=["scores"], dynamo=True, verbose=False)


def _try_onnx(layer: nn.Module, *inputs: Any) -> None:
    _converted(program_of(layer, *inputs))


def _needed(package: str) -> Any:
    try:
        return import_module(package)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{package} is not installed, and ONNX files need it. Run: pip install onnx onnxscript onnxruntime",
            name=package,
        ) from None
