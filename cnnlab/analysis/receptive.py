"""What a unit can see, by theory and by measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cnnlab.analysis.fields.layout import sides, unit_at
from cnnlab.analysis.fields.rules import ReceptiveField, states_of
from cnnlab.analysis.fields.state import State, start_of
from cnnlab.analysis.inputs import example_inputs
from cnnlab.analysis.summary import summarize
from cnnlab.analysis.trace import IMAGE, Trace, tensors_in, trace
from cnnlab.errors import unknown_name
from cnnlab.gradients import grid_by_grid
from cnnlab.models.factory import as_model
from cnnlab.modes import evaluating

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MeasuredField", "receptive_field"]

# W. Luo, Y. Li, R. Urtasun, R. Zemel: Understanding the effective receptive field in deep convolutional
# networks, NeurIPS 2016: a pixel belongs to the effective field if it weighs more than 1 - 95.45 % of the peak.
_PEAK_SHARE = 1 - 0.9545


@dataclass(frozen=True, repr=False)
class MeasuredField:
    """What the center unit of a layer did look at: how strongly each input pixel moved it.

    Attributes:
        layer: Name of the layer.
        unit: (row, column) of the unit in the layer's output, wherever in its shape those are (N, C, H, W; N, H, W, C;
            tokens; windows); None where that output has no rows and columns.
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

    def __repr__(self) -> str:
        return (
            f"MeasuredField(layer={self.layer!r}, unit={self.unit}, extent={self.extent}, box={self.box}, "
            f"effective_size={self.effective_size:.1f}, radius={self.radius:.1f})"
        )

    @property
    def alt(self) -> str:
        """What :meth:`plot` shows, in words, for readers who cannot see it."""
        tall, wide = self.map.shape
        if not any(self.extent):
            return f"An empty map of {tall} x {wide} pixels: no pixel moves {self._whose}."
        return (
            f"A map of the {tall} x {wide} pixels of the input, darker where {self._whose} looks harder. A dashed "
            f"frame of {self.extent[0]} x {self.extent[1]} pixels holds all that it sees; those that weigh most would "
            f"fill a square of {self.effective_size:.0f}."
        )

    @property
    def _whose(self) -> str:
        layer = f"of {self.layer!r}" if self.layer else "of the output"
        return f"unit {self.unit} {layer}" if self.unit is not None else f"the result {layer}"

    def plot(self) -> Figure:
        """The map, and a frame around all that is seen. Show it with ``draw.show(field.plot(), field.alt)``."""
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        figure = Figure(figsize=(3.6, 3.4), layout="constrained")
        axis = figure.subplots()
        # The root spreads what is faint: a map falls off like a bell, and its rim would be white.
        axis.imshow(self.map.sqrt().numpy(), cmap="Blues", vmin=0, vmax=1)
        top, left, bottom, right = self.box
        if any(self.extent):
            frame = {"fill": False, "edgecolor": "C1", "linestyle": "--", "linewidth": 1.2}
            axis.add_patch(Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, **frame))
        axis.grid(False)
        axis.set(title=f"{self.extent[0]} x {self.extent[1]} pixels seen", xlabel="column", ylabel="row")
        return figure


def receptive_field(
    model: nn.Module | str,
    input_size: Sequence[int] | None = None,
    layer: str | nn.Module | None = None,
    kind: str = "theoretical",
    *,
    samples: int = 8,
    seed: int = 0,
) -> ReceptiveField | MeasuredField | None:
    """The receptive field of the center unit of a layer.

    Args:
        model: Any module, or a name for `cnnlab.create_model`.
        input_size: (C, H, W); None takes the model's own.
        layer: A module of the model, or its dotted name as `summarize` prints it; None is the model's output.
        kind: "theoretical" follows kernels and strides and needs no numbers. "measured" differentiates the unit
            (summed over its channels; with random signs where a layer norm has made that sum a constant) with respect
            to random images and reports which pixels moved it, with the model's present parameters, in evaluation mode.
        samples: Random images to average over; a rectifier or a maximum that happens to be closed hides pixels.
        seed: Seed of the random images.

    Returns:
        `ReceptiveField` (None where it cannot be defined) or `MeasuredField`.

    Raises:
        ValueError: if ``kind`` or ``layer`` is unknown, the input does not fit, or, for a measured field, it cannot be
            told where in the layer's result its rows and columns are.
    """
    if isinstance(layer, nn.Module):
        layer = _name_of(layer, model)
    if kind == "theoretical":
        return summarize(model, input_size)[layer or ""].receptive_field
    if kind != "measured":
        raise unknown_name("kind", kind, ("theoretical", "measured"))
    if samples < 1:
        raise ValueError(f"samples={samples} is too small; average over 1 random image or more.")
    return _measured(as_model(model), input_size, layer or "", samples, seed)


def _name_of(layer: nn.Module, model: nn.Module | str) -> str:
    for name, module in model.named_modules() if isinstance(model, nn.Module) else ():
        if module is layer:
            return name
    owner = model if isinstance(model, str) else type(model).__name__
    raise ValueError(
        f"layer={type(layer).__name__}(...) is no module of {owner}; give one of its own, or a name that "
        "summarize(model) prints."
    )


def _measured(model: nn.Module, input_size: Sequence[int] | None, layer: str, samples: int, seed: int) -> MeasuredField:
    modules = dict(model.named_modules())
    if layer not in modules:
        raise unknown_name("layer", layer, modules, "Print summarize(model) to see all names.")
    inputs = example_inputs(model, input_size, type(model).__name__)
    shape = inputs[0].shape[1:]
    if len(shape) != 3:
        raise ValueError(f"input_size={tuple(shape)} is no picture; a measured field needs (C, H, W).")
    at, unit = _center(trace(model, tuple(x[:1] for x in inputs)), layer)
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: tuple, output: object) -> None:
        kept.append(next(tensors_in(output)))

    like = next(model.parameters(), torch.empty(0))
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(shape[1:], dtype=torch.float64)
    signs: Tensor | None = None  # of the channels; None where they are summed as they are
    hook = modules[layer].register_forward_hook(keep)
    try:
        for number in range(samples):  # one image at a time: memory stays small
            x = torch.randn((1, *shape), generator=generator).to(like.device, like.dtype).requires_grad_()
            kept.clear()
            with evaluating(model), torch.enable_grad():
                model(x)
                response = kept[0]
                for d, index in enumerate(at):
                    if not isinstance(index, slice):
                        response = response.index_select(d, torch.tensor(index, device=response.device))
                grid_by_grid(response.grad_fn)
                if number == 0 and response.numel() > 1 and response.requires_grad:
                    signs = _signs_if_needed(response, x, seed)
                response = response.sum() if signs is None else (response * signs).sum()
                (gradient,) = torch.autograd.grad(response, x, allow_unused=True)
            if gradient is not None:
                total += gradient[0].abs().sum(0).cpu().double()
    finally:
        hook.remove()
    return _described(layer, unit, total)


def _signs_if_needed(response: Tensor, x: Tensor, seed: int) -> Tensor | None:
    """Random signs for the channels where a layer norm has made their sum a constant, which no pixel moves."""
    coins = torch.randint(2, response.shape, generator=torch.Generator().manual_seed(seed))
    signs = (2 * coins - 1).to(response.device, response.dtype)
    plain, signed = (
        torch.autograd.grad(value.sum(), x, retain_graph=True, allow_unused=True)[0]
        for value in (response, response * signs)
    )
    if plain is None or signed is None or plain.abs().max() > 1e-3 * signed.abs().max():
        return None
    return signs


def _center(record: Trace, layer: str) -> tuple[tuple[slice | list[int], ...], tuple[int, int] | None]:
    """Where in a layer's first result its center unit is, dimension by dimension; and that unit's row and column."""
    call = next((call for call in record.calls if call.name == layer), None)
    if call is None:
        raise ValueError(f"layer={layer!r} did not run in evaluation mode; choose one that did.")
    states = states_of(record)
    state = None if call.output is None else start_of(record) if call.output == IMAGE else states[call.output]
    if state is None:
        return (), None  # the image does not come into it
    shape = call.result[0]
    if isinstance(state, State):
        rows, columns = sides(state.layout, 2)
        center = (rows // 2, columns // 2)
        at = unit_at(state.layout, center)
        if at is not None and len(at) == len(shape):
            return at, center if rows * columns > 1 or len(shape) == 4 else None
    raise ValueError(
        f"layer={layer!r} gives {' x '.join(map(str, shape))}, in which the image's rows and columns can no longer be "
        "told apart; choose a layer before it was reshaped."
    )


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
