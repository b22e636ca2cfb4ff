"""Deconvolution: what in a picture made one unit answer, carried down layer by layer to the pixels.

M. D. Zeiler, R. Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014, section 2.1.
https://arxiv.org/abs/1311.2901

Everything that a layer does is undone in the sense of a transpose, not of an inverse. A convolution becomes the
transposed convolution with the same weights; a max pool puts each number back where its largest came from, which the
way up has noted in its *switches*; and a ReLU becomes a ReLU again, of the signal on its way down. The first two are
what backpropagation does too. So the three ways to come down differ in a ReLU alone, where x went in on the way up and
a signal s comes down:

    gradient        s where x > 0        the derivative of the answer by the pixels
    deconvolution   s where s > 0        Zeiler and Fergus
    guided          s where both are     J. T. Springenberg et al.: Striving for Simplicity: The All Convolutional
                                         Net, ICLR 2015 workshop, figure 1. https://arxiv.org/abs/1412.6806
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cnnlab.errors import unknown_name
from cnnlab.explain.looking import activations, checked_layer, checked_pictures, hooked
from cnnlab.gradients import grid_by_grid
from cnnlab.modes import evaluating
from cnnlab.training.evaluation import model_device

__all__ = ["RULES", "Projection", "deconvolution", "project_down"]

RULES = ("deconvolution", "gradient", "guided")

_RELUS: set[Callable[..., Any]] = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
# For these nobody has said what should become of the signal.
_OTHERS = {F.gelu, F.silu, F.mish, F.elu, F.leaky_relu, F.hardswish, F.hardsigmoid, F.softplus, F.hardtanh}
_OTHERS |= {torch.tanh, torch.sigmoid, Tensor.tanh, Tensor.sigmoid}


@dataclass(frozen=True, eq=False)
class Projection:
    """One unit of a layer for each picture of a batch, and what comes down from it.

    Attributes:
        picture: in the units of the input times the unit's own. Shape: (N, C, H, W).
        channel: whose unit it is, one for each picture.
        place: (row, column) of the unit in its map.
        answer: what the unit said. Shape: (N,).
    """

    picture: Tensor
    channel: tuple[int, ...]
    place: tuple[tuple[int, int], ...]
    answer: Tensor


def deconvolution(
    model: nn.Module, x: Tensor, layer: str, channel: int | None = None, *, rule: str = "deconvolution"
) -> Projection:
    """Project the strongest answer of a channel down to the pixels, all other answers of the layer set to zero.

    Args:
        model: any network whose only nonlinear layers are ReLU, ReLU6 and pools as far as the layer. What is not in the
            paper goes down by its derivative: a normalization, a sum with a shortcut.
        x: prepared pictures. Shape: (N, C, H, W).
        layer: its name, as in ``model.named_modules()``.
        channel: which of its maps; None for the one with the strongest answer, in each picture its own.
        rule: "deconvolution", "gradient" or "guided", as above.

    Raises:
        ValueError: no such layer, channel or rule, a layer without maps, a channel that answers nowhere in a picture,
            or another activation on the way.
    """
    checked_pictures(x)
    maps = activations(model, x, [layer])[layer]
    if maps.dim() != 4:
        raise ValueError(
            f"layer={layer!r} gives {tuple(maps.shape)}: maps (N, C, H, W) are needed. Name another layer."
        )
    if channel is None:
        channels = maps.amax(dim=(2, 3)).argmax(dim=1)
    elif isinstance(channel, bool) or not isinstance(channel, int) or not 0 <= channel < maps.shape[1]:
        raise ValueError(f"channel={channel!r} must be a whole number in 0..{maps.shape[1] - 1}, or None.")
    else:
        channels = torch.full((len(maps),), channel, device=maps.device)
    own = maps[torch.arange(len(maps)), channels]  # (N, h, w)
    answer, place = own.flatten(1).max(dim=1)
    for i in (answer <= 0).nonzero().flatten().tolist():
        raise ValueError(
            f"channel {int(channels[i])} of {layer!r} answers nowhere in picture {i} (its largest is "
            f"{float(answer[i]):.3g}): there is nothing to carry down. Ask for another channel, or for None."
        )
    rows, columns = place // own.shape[2], place % own.shape[2]
    signal = torch.zeros_like(maps)
    signal[torch.arange(len(maps)), channels, rows, columns] = answer
    return Projection(
        project_down(model, x, layer, signal, rule=rule),
        tuple(channels.tolist()),
        tuple(zip(rows.tolist(), columns.tolist(), strict=True)),
        answer.cpu(),
    )


def project_down(model: nn.Module, x: Tensor, layer: str, signal: Tensor, *, rule: str = "deconvolution") -> Tensor:
    """Carry any signal at a layer's output down to the pixels. Shape: (N, K, h, w) -> (N, C, H, W), on the CPU.

    Between layers without ReLU this is the transpose of what they do: for every x and y, the sum of
    ``layers(x) * y`` is that of ``x * project_down(..., y)``, the switches of the pools being those of x.

    The model's mode, gradients and hooks are as before; frozen weights and ``torch.inference_mode()`` do not matter.

    Args:
        model, x, layer, rule: as in :func:`deconvolution`.
        signal: of the shape of the layer's output for x.

    Raises:
        ValueError: no such layer or rule, a signal of another shape, or another activation on the way.
    """
    checked_pictures(x)
    checked_layer(model, layer)
    if rule not in RULES:
        raise unknown_name("rule", rule, RULES)
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().to(model_device(model)).requires_grad_(True)
        kept: list[Tensor] = []
        way = _Way(rule)

        def keep(module: nn.Module, inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor) or output.shape != signal.shape:
                given = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise ValueError(
                    f"signal has shape {tuple(signal.shape)} and layer={layer!r} gives {given}: they differ."
                )
            if way.strange and rule != "gradient":
                raise ValueError(
                    f"rule={rule!r} is about ReLU, and on the way to {layer!r} there is {way.strange[0]}: "
                    'take rule="gradient".'
                )
            kept.append(output)
            return output.clone()  # what comes after may overwrite this one

        with hooked(model, {layer: keep}), evaluating(model), way:
            model(x)
        if not kept:
            raise ValueError(f"layer={layer!r} takes no part in this pass: name one that does.")
        grid_by_grid(kept[-1].grad_fn)
        (down,) = torch.autograd.grad(kept[-1], x, signal.to(x.device, x.dtype))
    return down.cpu()


class _Way(TorchFunctionMode):
    """While it lasts, every ReLU called, as a module or as a function, comes down by the rule."""

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule = rule
        self.strange: list[str] = []  # activations met that are no ReLU

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        top = _top(func, args, kwargs)
        if top is not None:
            return _Rectifier.apply(args[0] if args else kwargs["input"], top, self.rule)
        if func in _OTHERS:
            self.strange.append(func.__name__)
        return func(*args, **kwargs)


def _top(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
    """The largest value that a ReLU lets through; None for what is no ReLU."""
    if func in _RELUS:
        return float("inf")
    if func is F.relu6:
        return 6.0
    if func is F.hardtanh:  # what nn.ReLU6 calls
        low, high = (*args[1:3], *(kwargs.get(name) for name in ("min_val", "max_val")[len(args[1:3]) :]))
        return high if low == 0 else None
    return None


class _Rectifier(torch.autograd.Function):
    """Up: max(0, x), at most ``top``. Down: by the rule."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, rule: str) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < top))
        ctx.rule = rule
        return x.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> tuple[Tensor, None, None]:
        (on,) = ctx.saved_tensors
        (signal,) = signals
        if ctx.rule != "gradient":
            signal = signal.clamp_min(0)
        if ctx.rule != "deconvolution":
            signal = signal * on
        return signal, None, None
