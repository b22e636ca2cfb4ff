"""How much of a pretrained network trains: its head, its top, or all of it with smaller steps below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from cnnlab.errors import unknown_name, whole_number
from cnnlab.models.network import parts_in_order
from cnnlab.training.optimizers import DEFAULT_LR, optimizer_of
from cnnlab.transfer.freezing import BATCH_NORM, batch_norms_still, freeze, unfreeze
from cnnlab.transfer.rates import parameter_groups

if TYPE_CHECKING:
    import torch
    from torch import nn

    from cnnlab.data import Dataset, ImageSet

__all__ = ["STRATEGIES", "prepare", "top_of", "for_weights"]

STRATEGIES = ("head", "top", "all")


def prepare(
    model: nn.Module,
    strategy: Literal["head", "top", "all"],
    *,
    optimizer: str = "adamw",
    lr: float | None = None,
    trunk: float = 0.1,
    lowest: float = 0.1,
    weight_decay: float = 0.0,
    batch_norm: Literal["frozen", "moving"] = "frozen",
) -> torch.optim.Optimizer:
    """Freeze what is not to train, and make the optimizer for the rest.

        optimizer = cnnlab.transfer.prepare(model, "all", lr=1e-3)
        cnnlab.fit(model, data, optimizer=optimizer, schedule="cosine", epochs=5)

    Args:
        model: changed in place: a network of :func:`cnnlab.create_model`, usually with weights and a new head.
        strategy: "head", the last layer alone; "top", from :func:`top_of` on; "all", every layer.
        optimizer: "sgd" (with momentum 0.9), "adam", "adamw" or "rmsprop".
        lr: of the head; None for the optimizer's default.
        trunk: the rate right below the head, as a share of the head's. A fresh head has a long way to go, and a trunk
            that is good already has not.
        lowest: of "all", the rate of the first part as a share of that; between the two the rates fall evenly. 1 gives
            the whole trunk the same.
        weight_decay: of kernels and dense layers; norms and biases have none.
        batch_norm: "frozen", all running statistics are those of the earlier training; "moving", those of the parts
            that train move. Frozen parts keep theirs in either case.

    Returns:
        The optimizer, for ``fit``.

    Raises:
        ValueError: an unknown name, or a number out of range.
        TypeError: the model does not know its head.
    """
    if strategy not in STRATEGIES:
        raise unknown_name("strategy", strategy, STRATEGIES)
    if batch_norm not in BATCH_NORM:
        raise unknown_name("batch_norm", batch_norm, BATCH_NORM)
    if optimizer not in DEFAULT_LR:
        raise unknown_name("optimizer", optimizer, DEFAULT_LR)
    for argument, value in (("trunk", trunk), ("lowest", lowest)):
        if not 0 < value <= 1:
            raise ValueError(f"{argument}={value!r} must lie in (0, 1]: 1 gives all parts the same learning rate.")
    if strategy == "all":
        unfreeze(model)
    else:
        freeze(model, until=None if strategy == "head" else top_of(model))
    if batch_norm == "frozen":
        batch_norms_still(model)
    rate = DEFAULT_LR[optimizer] if lr is None else lr
    below = len(_trainable_parts(model)) - 1
    factor = lowest ** (1 / (below - 1)) if strategy == "all" and below > 1 else 1.0
    groups = parameter_groups(model, rate * trunk / factor, factor=factor, weight_decay=weight_decay)
    head = {id(p) for p in model.get_submodule(_trainable_parts(model)[-1]).parameters()}
    for group in groups:
        if any(id(p) in head for p in group["params"]):
            group["lr"] = rate
    return optimizer_of(optimizer, groups)


def top_of(model: nn.Module) -> str:
    """Where "top" begins: with the last third of the parts that have parameters, and two of them or more.

    Of EfficientNet-Lite0 that is its last stage and the two layers after it, of ResNet-18 its last stage and the head.
    """
    names = _trainable_parts(model)
    return names[-max(2, len(names) // 3)] if len(names) > 2 else names[-1]


def for_weights(data: Dataset, model: nn.Module, size: int | None = None) -> Dataset:
    """A data set as a network's pretrained weights expect it: resized, in color, and normalized as they were trained.

    Gray pictures are shown three times without taking more memory. ``data.preprocess`` follows, so that the trained
    network takes any picture of the new task by itself.

    Args:
        data: with pictures of one channel or three.
        model: with ``.preprocess``, as :func:`cnnlab.create_model` with weights gives it.
        size: pixels on a side; None for what the weights were trained on. Smaller is quicker, and a little worse.

    Raises:
        ValueError: the model has no preprocessing, or pictures that cannot be made color.
    """
    expected = getattr(model, "preprocess", None)
    if expected is None:
        raise ValueError(
            "model has no .preprocess, so that nothing says what its weights expect: build it with "
            "create_model(..., weights='imagenet')."
        )
    channels, ours = expected.channels, data.shape[0]
    if ours not in (1, channels):
        raise ValueError(f"{data.name!r} has pictures of {ours} channels; the weights expect {channels}, or gray.")
    side = expected.size[0] if size is None else whole_number("size", size, "Give pixels on a side, or None.")
    made = data.resized(side)

    def shown(part: ImageSet | None) -> ImageSet | None:
        return part if part is None else replace(part, images=part.images.expand(-1, channels, -1, -1))

    return replace(
        made,
        train=shown(made.train),
        test=shown(made.test),
        validation=shown(made.validation),
        mean=expected.mean,
        std=expected.std,
        source=f"{made.source}, as pretrained weights expect it",
    )


def _trainable_parts(model: nn.Module) -> Sequence[str]:
    return [name for name, part in parts_in_order(model) if any(True for _ in part.parameters())]
