"""Grad-CAM: where the last maps of a network hold what speaks for a class.

R. R. Selvaraju et al.: Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
equations 1 and 2. https://arxiv.org/abs/1610.02391
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.explain.looking import checked_layer, checked_pictures, chosen_classes, hooked, last_maps, logits_of
from cnnlab.gradients import grid_by_grid
from cnnlab.modes import evaluating
from cnnlab.training.evaluation import model_device

__all__ = ["grad_cam"]


def grad_cam(
    model: nn.Module,
    x: Tensor,
    target: int | list[int] | Tensor | None = None,
    *,
    layer: str | None = None,
    relu: bool = True,
) -> Tensor:
    """The sum of a layer's maps, each weighted by the mean gradient of the class's logit with respect to it.

    It works for a network that is frozen, under ``torch.no_grad()`` and ``inference_mode()``, and where the activation
    after the layer works in place; the model's mode, gradients and hooks are as before. What it shows has the
    resolution of the layer, 7 x 7 in most networks, and is stretched to the picture's.

    Args:
        model: a classifier.
        x: prepared pictures.
        target: the class that is asked about, one for all pictures or one for each; None for each picture's first.
        layer: whose maps are weighted; None for the last that has maps.
        relu: keep what speaks for the class alone, as the paper does; False keeps what speaks against it as negative.

    Returns:
        On the CPU, not scaled. Shape: (N, C, H, W) -> (N, H, W).

    Raises:
        ValueError: no such layer or class, a layer without maps, or nothing that speaks for the class in the whole
            picture, which would be shown as a blank.
    """
    checked_pictures(x)
    with torch.inference_mode(False), torch.enable_grad():
        # A copy: an inference tensor takes no part in a graph, and a frozen network needs a place where one begins.
        x = x.detach().clone().to(model_device(model)).requires_grad_(True)
        layer = last_maps(model, x) if layer is None else checked_layer(model, layer)
        kept: list[Tensor] = []

        def keep(module: nn.Module, inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor) or output.dim() != 4:
                given = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise ValueError(f"layer={layer!r} gives {given}: maps (N, C, H, W) are needed. Name another layer.")
            kept.append(output)
            return output.clone()  # what comes after may overwrite this one

        with hooked(model, {layer: keep}), evaluating(model):
            logits = logits_of(model, x)
        chosen = chosen_classes(logits, target)
        if not kept:
            raise ValueError(f"layer={layer!r} takes no part in this pass: name one that does.")
        score = logits.gather(1, chosen[:, None]).sum()  # pictures do not mix in evaluation mode
        grid_by_grid(score.grad_fn)
        (gradient,) = torch.autograd.grad(score, kept[-1], allow_unused=True)
        if gradient is None:
            raise ValueError(f"layer={layer!r} has no influence on the logits: name a layer on the way to them.")
        weights = gradient.mean(dim=(2, 3), keepdim=True)  # (N, K, 1, 1), equation 1
        maps = (weights * kept[-1]).sum(dim=1, keepdim=True).detach()  # (N, 1, h, w), equation 2
        maps = maps.relu() if relu else maps
        blank = (maps.flatten(1).abs().amax(dim=1) == 0).nonzero().flatten().tolist()
        if blank:
            raise ValueError(
                f"In picture {blank[0]} nothing at {layer!r} speaks for class {int(chosen[blank[0]])}: its map would "
                "be blank. Ask for another class or layer, or give relu=False to see what speaks against it."
            )
        maps = F.interpolate(maps, size=x.shape[2:], mode="bilinear", align_corners=False)
    return maps[:, 0].cpu()
