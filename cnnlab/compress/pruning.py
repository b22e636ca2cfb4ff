"""Pruning by magnitude: the smallest weights become zero, and stay zero while the others are trained again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from cnnlab.compress.layers import checked_share, weighted
from cnnlab.errors import unknown_name, whole_number

if TYPE_CHECKING:
    from cnnlab.training import Run, Trainer

__all__ = ["Masks", "prune", "iterative", "zeros"]

_SCOPES = ("network", "layer")


class Masks:
    """Which weights were kept; as a callback of :func:`cnnlab.fit` it puts the others back to zero after each update.

    Attributes:
        kept: name of a layer -> where its weight was kept, True or False, on the CPU. Shape: the weight's.
    """

    def __init__(self, kept: Mapping[str, Tensor]) -> None:
        self.kept = dict(kept)

    @property
    def share(self) -> float:
        """The share of these layers' weights that was pruned."""
        total = sum(mask.numel() for mask in self.kept.values())
        return 1 - sum(int(mask.sum()) for mask in self.kept.values()) / total

    def apply(self, model: nn.Module) -> nn.Module:
        """Set the pruned weights of ``model`` to zero, in place: of the network pruned, or of another of its shape.

        Raises:
            ValueError: the model has no such layer, or one of another shape.
        """
        layers = weighted(model, self.kept)
        with torch.no_grad():
            for name, mask in self.kept.items():
                weight = layers[name].weight
                if weight.shape != mask.shape:
                    raise ValueError(
                        f"model: {name}.weight has the shape {tuple(weight.shape)} and its mask {tuple(mask.shape)}; "
                        "give the network that was pruned, or one built like it."
                    )
                weight.mul_(mask.to(weight.device))
        return model

    def on_batch_end(self, run: Run, trainer: Trainer) -> None:
        """Called by :func:`cnnlab.fit` after each update of the weights."""
        self.apply(trainer.model)

    def __repr__(self) -> str:
        return f"Masks({len(self.kept)} layers, {self.share:.1%} pruned)"


def prune(
    model: nn.Module,
    share: float,
    *,
    layers: Iterable[str] | None = None,
    scope: Literal["network", "layer"] = "network",
) -> Masks:
    """Set the weights of smallest magnitude to zero, in place.

    Weights that are zero already are the smallest, so a second call with a larger share goes on from the first. Biases
    and norms stay. The network is neither smaller nor faster for it: see :func:`write` and :func:`remove_channels`.

    Args:
        model: any network.
        share: of the weights that are to be zero, from 0 to below 1.
        layers: names of convolutions and dense layers, as in ``model.named_modules()``; None is all of them.
        scope: "network" compares all weights with each other, so that some layers lose more than others; "layer"
            takes the same share of each.

    Returns:
        What was kept. Give it to :func:`cnnlab.fit` among ``callbacks`` to train the rest again.

    Raises:
        ValueError: a share outside these limits, an unknown layer or scope.
    """
    share = checked_share("share", share)
    if scope not in _SCOPES:
        raise unknown_name("scope", scope, _SCOPES)
    weights = {name: module.weight.detach() for name, module in weighted(model, layers).items()}
    if scope == "network":
        kept = _largest(torch.cat([w.flatten().cpu() for w in weights.values()]), share)
        parts = kept.split([w.numel() for w in weights.values()])
    else:
        parts = tuple(_largest(w.flatten().cpu(), share) for w in weights.values())
    masks = Masks({name: part.view(w.shape) for (name, w), part in zip(weights.items(), parts, strict=True)})
    masks.apply(model)
    return masks


def iterative(
    model: nn.Module,
    share: float,
    retrain: Callable[[Masks], Any],
    *,
    rounds: int = 3,
    layers: Iterable[str] | None = None,
    scope: Literal["network", "layer"] = "network",
) -> list[Any]:
    """Prune in several rounds and train after each (Han et al., 2015): each takes the same share of what is left.

    Args:
        model: pruned in place.
        share: of the weights that are zero at the end.
        retrain: called after each round with its :class:`Masks`, such as
            ``lambda masks: cnnlab.fit(model, data, epochs=2, callbacks=[masks])``.
        rounds: how many; 1 is :func:`prune` with one training after it.
        layers, scope: as for :func:`prune`.

    Returns:
        What ``retrain`` returned, round by round.

    Raises:
        ValueError: as for :func:`prune`, or ``rounds`` is no positive whole number.
    """
    share = checked_share("share", share)
    rounds = whole_number("rounds", rounds, "Give 1 or more.")
    layers = None if layers is None else list(weighted(model, layers))
    left = [(1 - share) ** (number / rounds) for number in range(1, rounds + 1)]
    return [retrain(prune(model, 1 - part, layers=layers, scope=scope)) for part in left]


def zeros(model: nn.Module, layers: Iterable[str] | None = None) -> float:
    """The share of the weights of convolutions and dense layers that are exactly zero."""
    weights = [module.weight.detach() for module in weighted(model, layers).values()]
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def _largest(values: Tensor, share: float) -> Tensor:
    """Where the values are that are kept, True or False; a zero never is. Shape: (n,) -> (n,)."""
    order = values.abs().argsort(stable=True)
    kept = values != 0
    kept[order[: round(share * len(values))]] = False
    return kept
