"""EfficientNet-Lite0 as a page carries it, in 8 bits: how often does it answer as the float network does?

Asked are photographs of ImageNet's thousand classes, one of each (preprocessing.py says which), and scikit-image's own,
of which six are kept as JPEG for the page, with the five answers that the 8-bit network gives to those bytes. The
weights are rounded with a scale for each output channel after batch normalization went into them, as cnnlab.export_page
does; what layers pass on stays 32-bit. Nothing is trained.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import cnnlab
from cnnlab.chapters.shipping.folding import folded
from cnnlab.data import sample_photos
from cnnlab.pictures import open_picture, picture_of_bytes
from cnnlab.ship.packing import load_packed, packed_weights
from cnnlab.widgets.networks import network_page
from cnnlab.widgets.photos import packed_photo
from experiments.facts import record
from experiments.preprocessing import FEW, pictures

NETWORK = "tf_efficientnet_lite0"
KEPT = {"cat": "the cat", "coffee": "the cup", "rocket": "the rocket", "motorcycle_left": "the motorcycle"}
KEPT |= {"clock": "the clock in motion", "astronaut": "the astronaut"}
WIDE = 256  # pixels of a photograph on the page, of which the network sees the middle 224
FIRST = ("cat", "stage4")  # whose maps the page has before the network comes
TILES = 16  # as in static/engine/brain.js


def asked(network: nn.Module, pixels: Tensor) -> Tensor:
    """Probabilities for what networks see, uint8. Shape: (N, 3, 224, 224) -> (N, 1000)."""
    numbers = (network.preprocess.normalized(some) for some in pixels.split(FEW))
    with torch.no_grad():
        last = torch.channels_last
        return torch.cat([network(some.contiguous(memory_format=last)).softmax(dim=1) for some in numbers])


def in_page(network: nn.Module) -> nn.Module:
    """The network with the weights that the page has, in evaluation mode."""
    rounded = folded(network)
    load_packed(rounded, packed_weights(rounded, bits=8))
    rounded.preprocess = network.preprocess
    return rounded.eval()


def strongest(maps: Tensor) -> dict[str, Any]:
    """The maps that differ most from place to place, as ``brain.js`` chooses and scales them. Shape: (C, H, W)."""
    channels = maps.flatten(1).var(dim=1, correction=0).sort(descending=True, stable=True).indices[:TILES]
    low, high = maps[channels].amin(dim=(1, 2), keepdim=True), maps[channels].amax(dim=(1, 2), keepdim=True)
    tiles = ((maps[channels] - low) * 255 / (high - low)).round().byte()
    return {"side": maps.shape[-1], "channels": channels.tolist(), "tiles": b64encode(tiles.numpy().tobytes()).decode()}


def make(root: str | None) -> dict[str, Any]:
    # The same numbers up to rounding, in a third of the time.
    exact = cnnlab.create_model(NETWORK, weights="imagenet").eval().to(memory_format=torch.channels_last)
    page = in_page(exact)
    wide = replace(exact.preprocess, crop=WIDE)
    photos: dict[str, Any] = {}
    seen, stages = {}, {}
    for name, label in KEPT.items():
        jpeg = packed_photo(name, wide.pixels(sample_photos()[name]).permute(1, 2, 0).numpy(), WIDE, quality=82)
        seen[name] = exact.preprocess.pixels(picture_of_bytes(b64decode(jpeg.split(",")[1]), name))
        best = asked(page, seen[name][None])[0].sort(descending=True)
        top = [[exact.classes[i], round(p, 4)] for i, p in zip(best.indices.tolist()[:5], best.values.tolist())]
        photos[name] = {"label": label, "jpeg": jpeg, "top": top}
    for stage, layer in (("stem", page.stem), *page.stages.named_children(), ("last", page.last)):
        maps = layer_output(page, layer, seen[FIRST[0]])
        count, side, _ = maps.shape
        stages[stage] = {"maps": count, "label": f"{stage}: {count} of {side} × {side}"}
        if stage == FIRST[1]:
            photos[FIRST[0]]["maps"] = {"stage": stage, **strongest(maps)}

    own = torch.stack([exact.preprocess.pixels(photo) for photo in sample_photos().values()])
    classes = torch.stack([exact.preprocess.pixels(open_picture(path)) for path in pictures(root)])
    agreement = {}
    for name, pixels in (("scikit-image's photographs", own), ("a photograph of each class", classes)):
        one, other = (asked(network, pixels) for network in (exact, page))
        agreement[name] = {
            "pictures": len(pixels),
            "same_first": int((one.argmax(1) == other.argmax(1)).sum()),
            "mean_change": round((one.amax(1) - other.gather(1, one.argmax(1)[:, None])[:, 0]).abs().mean().item(), 4),
        }
        if name != "scikit-image's photographs":
            labels = torch.arange(len(pixels))
            agreement[name] |= {"right_float": int((one.argmax(1) == labels).sum())}
            agreement[name] |= {"right_page": int((other.argmax(1) == labels).sum())}
    size = len(json.dumps(network_page(NETWORK)))
    return {
        "network": NETWORK,
        "megabytes": round(size / 1e6, 1),
        "agreement": agreement,
        "stages": stages,
        "photos": photos,
        "source": "scikit-image's own photographs, and one photograph of each of ImageNet's classes",
    }


def layer_output(network: nn.Module, layer: nn.Module, seen: Tensor) -> Tensor:
    """What a layer passes on. Shape: (C, H, W)."""
    found: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, given, output: found.append(output[0]))
    asked(network, seen[None])
    handle.remove()
    return found[0]


if __name__ == "__main__":
    record("photo_in_page", make)
