"""Every ImageNet classifier that torchvision has weights for, read from torchvision's own metadata.

Nothing is downloaded: accuracy, parameters, multiply-accumulates and input size stand beside the address
of each checkpoint.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Checkpoint", "extra_data", "imagenet_checkpoints", "pareto_front"]

# Prefix of torchvision's name -> (family, year of the paper's first version). Longer prefixes come first.
_FAMILIES: dict[str, tuple[str, int]] = {
    "alexnet": ("AlexNet", 2012),
    "convnext": ("ConvNeXt", 2022),
    "densenet": ("DenseNet", 2016),
    "efficientnet_v2": ("EfficientNetV2", 2021),
    "efficientnet": ("EfficientNet", 2019),
    "googlenet": ("GoogLeNet", 2014),
    "inception_v3": ("Inception-v3", 2015),
    "maxvit": ("MaxViT", 2022),
    "mnasnet": ("MnasNet", 2018),
    "mobilenet_v2": ("MobileNet", 2018),
    "mobilenet_v3": ("MobileNet", 2019),
    "regnet_x": ("RegNetX", 2020),
    "regnet_y": ("RegNetY", 2020),
    "resnet": ("ResNet", 2015),
    "resnext": ("ResNeXt", 2016),
    "shufflenet_v2": ("ShuffleNetV2", 2018),
    "squeezenet": ("SqueezeNet", 2016),
    "swin_v2": ("Swin V2", 2021),
    "swin": ("Swin", 2021),
    "vgg": ("VGG", 2014),
    "vit": ("ViT", 2020),
    "wide_resnet": ("Wide ResNet", 2016),
}


@dataclass(frozen=True)
class Checkpoint:
    """One set of weights and what torchvision measured with it, on ImageNet's 50,000 validation images.

    Attributes:
        model: torchvision's name: "resnet50".
        weights: torchvision's name: "IMAGENET1K_V2".
        year: of the paper; None for a family that this table does not know.
        macs: per image; torchvision's documentation calls them FLOPs.
        acc1: top-1 accuracy in percent, one central crop.
        size: pixels along a side of the input.
        default: the checkpoint that torchvision recommends for this model.
        extra_data: whether the network saw other pictures before ImageNet's 1.28 million.
    """

    model: str
    weights: str
    family: str
    year: int | None
    params: int
    macs: int
    acc1: float
    acc5: float
    size: int
    default: bool
    extra_data: bool


# What the libraries write into a checkpoint's name when the network saw other pictures first: Instagram's (SWAG, ig),
# all of ImageNet's 21,841 classes (in21k, in22k) or a part of them (in12k), Google's (jft), Flickr's (yfcc), the web's.
_EXTRA = re.compile(r"swag|(^|_)(in12k|in2[12]k|jft|ns|ig\d*b?|swsl|ssl|wsl|yfcc\d*m?|laion\w*|openai)(_|$)")


def extra_data(weights: str) -> bool:
    """Whether a checkpoint's name says that the network saw other pictures before ImageNet's 1.28 million."""
    return _EXTRA.search(weights.lower()) is not None


def imagenet_checkpoints() -> list[Checkpoint]:
    """All classification checkpoints of the installed torchvision that were measured on ImageNet.

    Models in alphabetical order; several checkpoints of one model in the order of their publication.
    """
    from torchvision import models

    found = []
    for name in models.list_models(module=models):
        family, year = _family(name)
        entries = models.get_model_weights(name)
        for entry in entries:
            measured = entry.meta["_metrics"].get("ImageNet-1K", {})
            if math.isnan(measured.get("acc@1", math.nan)):  # VGG's features are no classifier
                continue
            found.append(
                Checkpoint(
                    model=name,
                    weights=entry.name,
                    family=family,
                    year=year,
                    params=entry.meta["num_params"],
                    macs=round(entry.meta["_ops"] * 1e9),
                    acc1=measured["acc@1"],
                    acc5=measured["acc@5"],
                    size=entry.transforms().crop_size[0],
                    default=entry is entries.DEFAULT,
                    extra_data=extra_data(entry.name),
                )
            )
    return found


def pareto_front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Which models no other model beats: places in the two lists, cheapest first.

    A model is beaten when another costs no more and is at least as accurate, and is better in one of the two.

    Raises:
        ValueError: for lists of different lengths.
    """
    if len(costs) != len(accuracies):
        raise ValueError(f"{len(costs)} costs and {len(accuracies)} accuracies; give one of each for every model.")
    front: list[int] = []
    for index in sorted(range(len(costs)), key=lambda i: (costs[i], -accuracies[i])):
        if not front or accuracies[index] > accuracies[front[-1]]:
            front.append(index)
        elif (costs[index], accuracies[index]) == (costs[front[-1]], accuracies[front[-1]]):
            front.append(index)  # an equal twin is not beaten either
    return front


def _family(name: str) -> tuple[str, int | None]:
    for prefix, known in _FAMILIES.items():
        if name.startswith(prefix):
            return known
    return name.split("_")[0].rstrip("0123456789"), None
