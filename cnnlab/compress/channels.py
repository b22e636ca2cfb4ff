"""Structural pruning: whole channels leave the network, and what is left is an ordinary smaller one."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cnnlab.compress.layers import checked_share, weighted
from cnnlab.modes import evaluating

__all__ = ["remove_channels"]

_CLOSE = 1e-4  # of the largest answer: by how much sums in another order may differ


def remove_channels(model: nn.Module, share: float | Mapping[str, float], x: Tensor) -> nn.Module:
    """A smaller network: of each layer but the last, the channels whose weights are smallest (L1 norm) are left out.

    It is for networks whose layers stand one behind another, as those of LeNet-5, AlexNet and VGG; batch norms between
    them are narrowed too. Whether that is so is tried on ``x``: the smaller network has to answer as the given one does
    when nothing is read from the channels that go.

    Args:
        model: stays as it is.
        share: of the channels of each layer that go, from 0 to below 1 (one at least stays); or name -> share for some
            layers.
        x: a batch as the network takes it, of two pictures or so.

    Returns:
        A new network of the same class, with fewer channels; retrain it with :func:`cnnlab.fit`.

    Raises:
        ValueError: a share outside these limits, an unknown layer, the last layer, or layers that do not stand one
            behind another.
    """
    small, reference = copy.deepcopy(model), copy.deepcopy(model)
    order, norms = _order(small, x)
    shares = _shares(share, order)
    twins = dict(reference.named_modules())
    sizes = {name: small.get_submodule(name).weight.detach().flatten(1).abs().sum(1) for name in order}
    with torch.no_grad():
        for name, after in pairwise(order):
            layer, following = small.get_submodule(name), small.get_submodule(after)
            count = layer.weight.shape[0]
            stays = max(1, count - round(shares.get(name, 0.0) * count))
            kept = sizes[name].argsort(descending=True, stable=True)[:stays].sort().values
            # How many inputs of the next layer one channel makes: more where maps are flattened.
            inputs = following.weight.shape[1]
            if inputs % count or _groups(layer) > 1 or _groups(following) > 1:
                raise ValueError(
                    f"model: {after} reads {inputs} channels, which are not the {count} of {name} before it. Channels "
                    "can be removed where layers without groups stand one behind another."
                )
            each = inputs // count
            columns = (kept[:, None] * each + torch.arange(each, device=kept.device)).flatten()
            unread = torch.ones(inputs, dtype=torch.bool, device=kept.device)
            unread[columns] = False
            twins[after].weight[:, unread] = 0
            _narrow(layer, kept, 0)
            _narrow(following, columns, 1)
            for norm in norms[name]:
                _narrow(small.get_submodule(norm), kept, 0)
        _compare(small, reference, x)
    return small


def _shares(share: float | Mapping[str, float], order: list[str]) -> dict[str, float]:
    if not isinstance(share, Mapping):
        return dict.fromkeys(order[:-1], checked_share("share", share))
    for name in share:
        if name not in order[:-1]:
            raise ValueError(
                f"share names {name!r}, which is not among the layers whose channels can go: {', '.join(order[:-1])}."
            )
    return {name: checked_share(f"share[{name!r}]", own) for name, own in share.items()}


def _order(model: nn.Module, x: Tensor) -> tuple[list[str], dict[str, list[str]]]:
    """The layers in the order in which they run, and the batch norms behind each."""
    ran: list[str] = []
    handles = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) or name in weighted(model)
    ]
    with evaluating(model), torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    if len(set(ran)) < len(ran):
        raise ValueError(f"model uses {max(ran, key=ran.count)} more than once; its channels cannot be removed.")
    order = [name for name in ran if name in weighted(model)]
    norms: dict[str, list[str]] = {name: [] for name in order}
    for before, name in pairwise(ran):
        if name not in norms and before in norms:
            norms[before].append(name)
    return order, norms


def _groups(layer: nn.Module) -> int:
    return getattr(layer, "groups", 1)


def _narrow(module: nn.Module, kept: Tensor, dim: int) -> None:
    """Keep these entries of a layer's weight (and, along 0, of all that goes with its outputs)."""
    names = ("weight",) if dim else ("weight", "bias", "running_mean", "running_var")
    for name in names:
        old = getattr(module, name, None)
        if old is not None:
            old.data = old.data.index_select(dim, kept).contiguous()
    attributes = ("in_channels", "in_features") if dim else ("out_channels", "out_features", "num_features")
    for name in attributes:
        if hasattr(module, name):
            setattr(module, name, len(kept))


def _compare(small: nn.Module, reference: nn.Module, x: Tensor) -> None:
    with evaluating(reference):
        wanted = reference(x)
    try:
        with evaluating(small):
            found = small(x)
        apart = float((found - wanted).abs().max()) if found.shape == wanted.shape else float("inf")
    except RuntimeError:
        apart = float("inf")
    if not apart <= _CLOSE * max(1.0, float(wanted.abs().max())):
        raise ValueError(
            "model: without these channels it does not answer as it would if they were not read, so its layers do not "
            "simply stand one behind another. Residual and parallel branches cannot be narrowed one layer at a time: "
            "name the layers inside a branch in share, or build the narrower network."
        )
