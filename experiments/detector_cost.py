"""What R-CNN, Fast R-CNN and Faster R-CNN compute for one picture, counted and measured, with the same layers in each.

A picture of 608 x 800 pixels and a ResNet-18. R-CNN cuts each proposal out of the picture, brings it to 224 pixels and
runs the whole network on it. Fast R-CNN runs the trunk once and cuts the proposals out of its map. Both are given their
proposals; Faster R-CNN makes its own. No weight is trained: how long it takes does not depend on what they say.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import cnnlab
from cnnlab.analysis import summarize
from cnnlab.detection import roi_align
from cnnlab.devices import keep_freed_memory
from cnnlab.models.faster_rcnn import PUBLISHED, FasterRCNN
from experiments.facts import record

SIZE = (608, 800)
COUNTS = (1, 10, 100, 300)
CROP = 224
AT_ONCE = 10  # crops in a batch


def boxes_of(count: int) -> Tensor:
    """As large as proposals are, 64 to 300 pixels a side."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(count, 2, generator=generator) * torch.tensor([500.0, 300])
    side = 64 + torch.rand(count, 2, generator=generator) * 236
    return torch.cat([corner, corner + side], dim=1)


def milliseconds(work: Callable[[], Any], repeats: int) -> float:
    """Of a processor: the fastest of several."""
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return round(1000 * min(taken), 1)


@torch.no_grad()
def make(root: str | None, counts: tuple[int, ...] = COUNTS, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    keep_freed_memory()
    torch.manual_seed(0)
    whole = cnnlab.create_model("resnet18", num_classes=20).eval()
    model = FasterRCNN(PUBLISHED, 20).eval()
    picture = torch.rand(1, 3, *size)
    features = model.trunk(picture)
    bins = (PUBLISHED.bins, PUBLISHED.bins)
    macs = {
        "whole": summarize(whole, (3, CROP, CROP)).macs,
        "trunk": summarize(model.trunk, (3, *size)).macs,
        "rpn": summarize(model.rpn, tuple(features.shape[1:])).macs,
        "head": summarize(model.head, (features.shape[1], *bins)).macs,
    }

    def rcnn(boxes: Tensor) -> None:
        crops = []
        for x1, y1, x2, y2 in boxes.long().tolist():
            crop = picture[:, :, y1:y2, x1:x2]
            crops.append(F.interpolate(crop, size=(CROP, CROP), mode="bilinear", align_corners=False))
        for part in torch.cat(crops).split(AT_ONCE):
            whole(part)

    def fast(boxes: Tensor) -> None:
        model.ask(model.trunk(picture), [boxes])

    def faster(boxes: Tensor) -> None:
        output = model(picture)
        model.proposals(output)
        model.ask(output[0], [boxes])  # as many as the others are asked about, whatever an untrained RPN finds

    ways: dict[str, tuple[Callable[[Tensor], None], Callable[[int], int]]] = {
        "R-CNN": (rcnn, lambda n: n * macs["whole"]),
        "Fast R-CNN": (fast, lambda n: macs["trunk"] + n * macs["head"]),
        "Faster R-CNN": (faster, lambda n: macs["trunk"] + macs["rpn"] + n * macs["head"]),
    }
    rows = []
    for name, (work, count_macs) in ways.items():
        work(boxes_of(2))  # the first pays for set-up
        for count in counts:
            boxes = boxes_of(count)
            repeats = 1 if name == "R-CNN" and count > 50 else 3
            took = milliseconds(lambda work=work, boxes=boxes: work(boxes), repeats)
            rows.append({"design": name, "proposals": count, "macs": count_macs(count), "milliseconds": took})
            print(rows[-1], flush=True)
    output, boxes = model(picture), boxes_of(counts[-1])
    regions = torch.cat([torch.zeros(len(boxes), 1), boxes], dim=1)
    cut = roi_align(features, regions, bins, 1 / PUBLISHED.stride)
    parts = {
        "trunk": milliseconds(lambda: model.trunk(picture), 3),
        "RPN": milliseconds(lambda: model.rpn(features), 3),
        "proposals": milliseconds(lambda: model.proposals(output), 3),
        "RoI align": milliseconds(lambda: roi_align(features, regions, bins, 1 / PUBLISHED.stride), 3),
        "head": milliseconds(lambda: model.head(cut), 3),
    }
    print(parts, flush=True)
    return {
        "source": "random pixels and weights",
        "size": list(size),
        "crop": CROP,
        "macs": macs,
        "rows": rows,
        "parts": parts,
        "proposals of the parts": counts[-1],
    }


if __name__ == "__main__":
    record("detector_cost", make, given="not used: the pixels are random")
