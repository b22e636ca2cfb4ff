"""The small network whose width, pictures, labels and augmentation the chapter and its recorded experiments vary."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from cnnlab.data import ImageSet
from cnnlab.layers import he_normal_

__all__ = ["small_cnn", "relabeled", "repeated"]


def small_cnn(
    width: int = 16, *, in_channels: int = 1, num_classes: int = 10, norm: bool = True, dropout: float = 0.0
) -> nn.Sequential:
    """Four convolutions of ``width``, 2, 4 and 8 times that many channels, halved after each of the first three.

    After the five-layer network of Nakkiran et al. (2020), which is as wide at each layer. It has about
    378 ``width``^2 weights in its last three convolutions.

    Shape: (N, in_channels, H, W) -> (N, num_classes); H and W are 8 or more.

    Args:
        norm: batch norm after each convolution.
        dropout: the share of the averaged features that is dropped in training.

    Raises:
        ValueError: a width below 1, or a share outside 0..1.
    """
    if width < 1:
        raise ValueError(f"width must be 1 channel or more, got {width}.")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must lie in 0..1 and below 1, got {dropout}.")
    layers: list[nn.Module] = []
    channels = in_channels
    for number in range(4):
        wider = width * 2**number
        layers.append(nn.Conv2d(channels, wider, kernel_size=3, padding=1, bias=not norm))
        layers += [nn.BatchNorm2d(wider)] if norm else []
        layers.append(nn.ReLU())
        layers += [nn.MaxPool2d(2)] if number < 3 else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        channels = wider
    layers += [nn.Dropout(dropout)] if dropout else []
    network = nn.Sequential(*layers, nn.Linear(channels, num_classes))
    he_normal_(network, mode="fan_in")
    return network


def relabeled(images: ImageSet, share: float, seed: int = 0) -> ImageSet:
    """The same pictures, of which a ``share`` got a label drawn at random (which may be the right one).

    Raises:
        ValueError: a share outside 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in 0..1, got {share}.")
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.rand(len(images), generator=generator) < share
    drawn = torch.randint(images.num_classes, (len(images),), generator=generator)
    return replace(images, labels=torch.where(chosen, drawn, images.labels))


def repeated(images: ImageSet, times: int) -> ImageSet:
    """Each picture so many times: an epoch is then as many passes, and is measured once."""
    return images[torch.arange(len(images)).repeat(times)]  # type: ignore[return-value]
