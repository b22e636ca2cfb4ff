"""Which layers are general and which belong to their task: the first layers of one network under the rest of another.

J. Yosinski, J. Clune, Y. Bengio, H. Lipson: How transferable are features in deep neural networks? NeurIPS 2014.
https://arxiv.org/abs/1411.1792
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from cnnlab.data import Dataset, ImageSet
from cnnlab.errors import whole_number
from cnnlab.transfer.freezing import freeze

__all__ = ["CONVOLUTIONS", "trial_network", "graft", "halves"]

CONVOLUTIONS = 4


def trial_network(num_classes: int, in_channels: int = 1, width: int = 32) -> nn.Sequential:
    """Four convolutions with batch norm and ReLU, an average, a dense layer: small enough to train by the dozen.

    Shape: (N, in_channels, H, W) -> (N, num_classes). The second and third halve the picture.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number in range(1, CONVOLUTIONS + 1):
        layers[f"conv{number}"] = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, 2 if number in (2, 3) else 1, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        in_channels = width
    layers["head"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))
    return nn.Sequential(layers)


def graft(donor: nn.Sequential, model: nn.Sequential, layers: int, *, frozen: bool = True) -> nn.Sequential:
    """Put copies of the donor's first layers, batch norms' statistics with them, in the place of the model's.

    Args:
        donor: is not changed.
        model: a fresh network of the same build but for its last layer; changed in place.
        layers: how many of its parts are taken over; fewer than it has.
        frozen: keep them as they are in the training to come; False lets them train on.

    Returns:
        ``model``.

    Raises:
        ValueError: no layer or all of them, or layers of the two that do not fit.
    """
    layers = whole_number("layers", layers, "Give how many of the first parts to take over.")
    if layers >= len(model):
        raise ValueError(f"layers={layers} leaves none of the {len(model)} parts fresh: give 1 to {len(model) - 1}.")
    names = [name for name, _ in model.named_children()]
    for name in names[:layers]:
        try:
            model.get_submodule(name).load_state_dict(donor.get_submodule(name).state_dict())
        except (AttributeError, RuntimeError):
            raise ValueError(
                f"The donor's {name!r} does not fit the model's: give two networks of one build."
            ) from None
    if frozen:
        freeze(model, until=names[layers])
    return model


def halves(data: Dataset) -> tuple[Dataset, Dataset]:
    """Two tasks without a common class: the first half of the classes, and the second, each counted from 0."""
    middle = data.num_classes // 2
    return _some_classes(data, range(middle)), _some_classes(data, range(middle, data.num_classes))


def _some_classes(data: Dataset, wanted: range) -> Dataset:
    parts = []
    for part in (data.train, data.test):
        inside = torch.tensor([int(label) in wanted for label in part.labels])
        classes = tuple(part.classes[i] for i in wanted)
        parts.append(ImageSet(part.images[inside], part.labels[inside] - wanted.start, classes))
    return Dataset.from_sets(data.name, *parts, source=f"{data.source}, classes {', '.join(parts[0].classes)}")
