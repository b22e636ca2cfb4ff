"""Augmentations as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cnnlab.data.augment.composing import with_classes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cnnlab.data.augment.base import Augmentation
    from cnnlab.data.dataset import Dataset, ImageSet

__all__ = ["preview"]


def preview(
    dataset: Dataset | ImageSet, augment: Augmentation, n: int = 6, *, versions: int = 4, seed: int = 0
) -> Figure:
    """A figure of ``n`` training pictures (left) beside ``versions`` augmented ones of each.

    Show it with ``draw.show(preview(...), alt=...)``.
    """
    from matplotlib.figure import Figure

    image_set = getattr(dataset, "train", dataset)
    if not 1 <= n <= len(image_set):
        raise ValueError(f"n must lie in 1..{len(image_set)} (the number of pictures), got {n}.")
    chosen = image_set.subset(n, seed)
    x = chosen.pixels
    augment = with_classes(augment, image_set.num_classes)
    columns = [x]
    for version in range(versions):
        generator = torch.Generator().manual_seed(seed * 1000 + version)
        columns.append(augment(x, chosen.labels, generator)[0])
    figure = Figure(figsize=(1.1 * len(columns), 1.1 * n + 0.3), layout="constrained")
    axes = figure.subplots(n, len(columns), squeeze=False)
    for column, pictures in enumerate(columns):
        for row, picture in enumerate(pictures):
            axis = axes[row][column]
            pixels = picture.permute(1, 2, 0).clamp(0, 1).numpy()
            gray = pixels.shape[2] == 1
            axis.imshow(pixels[:, :, 0] if gray else pixels, cmap="gray" if gray else None, vmin=0, vmax=1)
            axis.set_axis_off()
            if row == 0:
                axis.set_title("original" if column == 0 else f"version {column}", fontsize=8)
    return figure
