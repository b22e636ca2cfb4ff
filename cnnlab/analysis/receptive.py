"""What a unit can see, by theory and by measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cnnlab.analysis.fields import ReceptiveField
from cnnlab.analysis.inputs import example_inputs
from cnnlab.analysis.summary import summarize
from cnnlab.errors import unknown_name
from cnnlab.models.factory import as_model
from cnnlab.modes import evaluating

__all__ = ["MeasuredField", "receptive_field"]

# W. Luo, Y. Li, R. Urtasun, R. Zemel: Understanding the effective receptive field in deep convolutional
# networks, NeurIPS 2016: a pixel belongs to the effective field if it weighs more than 1 - 95.45 % of the peak.
_PEAK_SHARE = 1 - 0.9545


@dataclass(frozen=True)
class MeasuredField:
    """What the center unit of a layer did look at: how strongly each input pixel moved it.

    Attributes:
        layer: Name of the layer.
        unit: (row, column) of the unit in the layer's output; None where that output has no rows and columns.
        map: Size of the gradient at every input pixel, summed over channels, averaged over the samples, at most 1.
            Shape: (H, W) of the input.
        extent: (height, width) of the smallest box that holds every pixel with a gradient, 0 where there is none.
        box: (top, left, bottom, right) of that box; bottom and right lie one past it.
        effective_size: Side of the square with as many pixels as weigh more than 4.55 % of the strongest
            (Luo et al., 2016).
        radius: Root mean square distance, in pixels, from the map's center of mass.
    """

    layer: str
    unit: tuple[int, int] | None
    map: Tensor
    extent: tuple[int, int]
    box: tuple[int, int, int, int]
    effective_size: float
    radius: float


def receptive_field(
    model: nn.Module | str,
    input_size: Sequence[int] | None = None,
    layer: str | None = None,
    kind: str = "theoretical",
    *,
    samples: int = 8,
    seed: int = 0,
) -> ReceptiveField | MeasuredField | None:
    """The receptive field of the center unit of a layer.

    Args:
        model: Any module, or a name for `cnnlab.create_model`.
        input_size: (C, H, W); None takes the model's own.
        layer: Dotted name of a module, as `summarize` prints it; None is the model's output.
        kind: "theoretical" follows kernels and strides and needs no numbers. "measured" differentiates the unit
            (summed over its channels) with respect to random images and reports which pixels moved it, with the
            model's present parameters, in evaluation mode.
        samples: Random images to average over; a rectifier or a maximum that happens to be closed hides pixels.
        seed: Seed of the random images.

    Returns:
        `ReceptiveField` (None where it cannot be defined) or `MeasuredField`.

    Raises:
        ValueError: if ``kind`` or ``layer`` is unknown, or the input does not fit.
    """
    if kind == "theoretical":
        return summarize(model, input_size)[layer or ""].receptive_field
    if kind != "measured":
        raise unknown_name("kind", kind, ("theoretical", "measured"))
    if samples < 1:
        raise ValueError(f"samples={samples} is too small; average over 1 random image or more.")
    return _measured(as_model(model), input_size, layer or "", samples, seed)


def _measured(model: nn.Module, input_size: Sequence[int] | None, layer: str, samples: int, seed: int) -> MeasuredField:
    modules = dict(model.named_modules())
    if layer not in modules:
        raise unknown_name("layer", layer, modules, "Print summarize(model) to see all names.")
    shape = example_inputs(model, input_size, type(model).__name__)[0].shape[1:]
    if len(shape) != 3:
        raise ValueError(f"input_size={tuple(shape)} is no picture; a measured field needs (C, H, W).")
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: tuple, output: Tensor | Sequence[Tensor]) -> None:
        kept.append(output if isinstance(output, Tensor) else output[0])

    like = next(model.parameters(), torch.empty(0))
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(shape[1:], dtype=torch.float64)
    hook = modules[layer].register_forward_hook(keep)
    unit: tuple[int, int] | None = None
    try:
        for _ in range(samples):  # one image at a time: memory stays small
            x = torch.randn((1, *shape), generator=generator).to(like.device, like.dtype).requires_grad_()
            kept.clear()
            with evaluating(model), torch.enable_grad():
                model(x)
                if not kept:
                    raise ValueError(f"layer={layer!r} did not run in evaluation mode; choose one that did.")
                response = kept[0]
                if response.dim() == 4:
                    unit = (response.shape[2] // 2, response.shape[3] // 2)
                    response = response[:, :, unit[0], unit[1]]
                (gradient,) = torch.autograd.grad(response.sum(), x, allow_unused=True)
            if gradient is not None:
                total += gradient[0].abs().sum(0).cpu().double()
    finally:
        hook.remove()
    return _described(layer, unit, total)


def _described(layer: str, unit: tuple[int, int] | None, total: Tensor) -> MeasuredField:
    peak = total.max()
    if peak == 0:
        return MeasuredField(layer, unit, total.float(), (0, 0), (0, 0, 0, 0), 0.0, 0.0)
    weight = total / peak
    rows, columns = (weight.amax(1) > 0).nonzero().flatten(), (weight.amax(0) > 0).nonzero().flatten()
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    share = weight / weight.sum()
    y = torch.arange(weight.shape[0], dtype=torch.float64)[:, None]
    x = torch.arange(weight.shape[1], dtype=torch.float64)[None, :]
    center_y, center_x = (share * y).sum(), (share * x).sum()
    variance = (share * ((y - center_y) ** 2 + (x - center_x) ** 2)).sum()
    return MeasuredField(
        layer=layer,
        unit=unit,
        map=weight.float(),
        extent=(bottom - top, right - left),
        box=(top, left, bottom, right),
        effective_size=float((weight > _PEAK_SHARE).sum().double().sqrt()),
        radius=float(variance.sqrt()),
    )
