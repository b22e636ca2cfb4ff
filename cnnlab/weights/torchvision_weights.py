"""The table of torchvision's checkpoints for the networks that we have, read from torchvision itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnlab.errors import unknown_name
from cnnlab.models.registry import list_models, model_info

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum


@dataclass(frozen=True)
class Source:
    """One official checkpoint."""

    name: str  # of the model, ours and the library's
    library: str  # "torchvision"
    weights: str  # the library's name for the checkpoint: "IMAGENET1K_V1"
    default: bool  # the one that weights="imagenet" means
    url: str
    sha256: str  # the leading hexadecimal digits, which the file's name carries
    params: int
    macs: int  # at the crop below
    crop: int  # height and width of the input
    top1: float  # percent of ImageNet's validation set, one crop
    top5: float
    num_classes: int
    in_channels: int


def torchvision_entry(name: str, weights: str) -> WeightsEnum:
    """torchvision's own entry for a row of :func:`sources`."""
    from torchvision.models import get_model_weights

    return get_model_weights(name)[weights]


def _rows(name: str) -> list[Source]:
    from torchvision.models import get_model_weights

    entries = get_model_weights(name)
    rows = []
    for entry in entries:
        digest = re.search(r"-([0-9a-f]{8,64})\.pth$", entry.url)
        metrics = entry.meta["_metrics"].get("ImageNet-1K")
        if digest is None or metrics is None:  # not verifiable, or no classifier (VGG's features)
            continue
        rows.append(
            Source(
                name=name,
                library="torchvision",
                weights=entry.name,
                default=entry is entries.DEFAULT,
                url=entry.url,
                sha256=digest[1],
                params=entry.meta["num_params"],
                macs=round(entry.meta["_ops"] * 1e9),
                crop=entry.transforms().crop_size[0],
                top1=metrics["acc@1"],
                top5=metrics["acc@5"],
                num_classes=len(entry.meta["categories"]),
                in_channels=3,
            )
        )
    return rows


def sources(pattern: str = "*") -> list[Source]:
    """Every official checkpoint that :func:`cnnlab.create_model` can load, for the models that match a shell pattern.

    >>> import pandas
    >>> pandas.DataFrame(sources("resnet*"))  # doctest: +SKIP
    """
    return [row for name in list_models(pattern) if model_info(name).library == "torchvision" for row in _rows(name)]


def find_source(name: str, weights: str, *, in_channels: int | None = None) -> Source:
    """The row of :func:`sources` that ``weights`` means for the model ``name``.

    Args:
        name: of the model.
        weights: "imagenet" for the recommended checkpoint, or one by the library's name ("IMAGENET1K_V2").
        in_channels: what the network was built for; None for the checkpoint's own.

    Raises:
        ValueError: no such checkpoint, or it was trained on another number of channels.
    """
    from torchvision.models import WeightsEnum

    rows = _rows(name) if model_info(name).library == "torchvision" else []
    if not rows:
        having = ", ".join(n for n in list_models() if model_info(n).library == "torchvision")
        raise ValueError(
            f"weights={weights!r}: there are no official weights for {name!r}. Leave weights out and train it, "
            f"or choose a network that has them: {having}."
        )
    given = weights.name if isinstance(weights, WeightsEnum) else weights
    allowed = {row.weights: row for row in rows}
    allowed["imagenet"] = next(row for row in rows if row.default)
    key = given.rpartition(".")[2] if isinstance(given, str) else given
    key = "imagenet" if key == "DEFAULT" else key
    if not isinstance(key, str) or key not in allowed:
        raise unknown_name("weights", given, allowed, f"cnnlab.weights.sources({name!r}) lists them.")
    row = allowed[key]
    if in_channels is not None and in_channels != row.in_channels:
        raise ValueError(
            f"in_channels={in_channels}: the weights {row.weights} of {name} were trained on {row.in_channels} "
            f"channels. Leave in_channels out and give gray images as x.expand(-1, {row.in_channels}, -1, -1), "
            "or leave weights out."
        )
    return row
