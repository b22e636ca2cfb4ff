"""What covering a part of a photograph costs: the maps that the chapter "ZFNet" lets its readers move a square over.

EfficientNet-Lite0 is asked about four photographs that scikit-image carries, with a gray square at every sixteenth
pixel, in four sizes: two thousand forward passes, more than a page can wait for. The page asks a few of them again.
"""

from __future__ import annotations

from typing import Any

import torch

import cnnlab
from cnnlab.data import sample_photos
from cnnlab.explain import occlusion
from experiments.facts import record

PHOTOS = ("cat", "coffee", "motorcycle_left", "rocket")
SIZES = (32, 48, 64, 96)  # pixels of the 224 that the network reads
STRIDE = 16


@torch.no_grad()
def make(_: str | None) -> dict[str, Any]:
    model = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet").eval()
    photos = sample_photos()
    found: dict[str, Any] = {}
    for name in PHOTOS:
        x = model.preprocess(photos[name])[None]
        sizes = {}
        for size in SIZES:
            seen = occlusion(model, x, size=size, stride=STRIDE)
            says = sorted({model.classes[best] for best in seen.best.flatten().tolist()})
            sizes[str(size)] = {
                "per mille": (1000 * seen.probability).round().int().tolist(),
                "says": says,
                "best": [[says.index(model.classes[best]) for best in row] for row in seen.best.tolist()],
            }
        found[name] = {"class": model.classes[seen.target], "plain": round(seen.plain, 4), "sizes": sizes}
    return {
        "source": "photographs that scikit-image carries",
        "model": "tf_efficientnet_lite0",
        "side": x.shape[-1],
        "stride": STRIDE,
        "photos": found,
    }


if __name__ == "__main__":
    record("occlusion_maps", make)
