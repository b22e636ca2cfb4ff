"""What is known of one official checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["Source", "mark_default"]


@dataclass(frozen=True)
class Source:
    """One official checkpoint: a classifier of ImageNet's 1,000 classes."""

    name: str  # of the model, ours and the library's
    library: str  # "torchvision", "timm", or "package": one that is installed and holds nothing but weights
    weights: str  # the library's name for the checkpoint: "IMAGENET1K_V1", "tf_in1k"; "package"
    default: bool  # the one that weights="imagenet" means
    url: str
    sha256: str | None  # its first digits, which the file's name carries; None: the Hugging Face hub knows
    params: int | None  # this and the next three as the library says; None where it does not
    macs: int | None  # at the crop below
    top1: float | None  # percent of ImageNet's validation set, one crop
    top5: float | None
    crop: int  # height and width of the input
    resize: int | tuple[int, int]  # before the crop: the shorter side, or (height, width) of any picture
    interpolation: str
    mean: tuple[float, ...]  # per channel, of pixels in [0, 1]
    std: tuple[float, ...]
    num_classes: int
    in_channels: int
    license: str | None  # of the file, where the library says so: some forbid commercial use


def mark_default(rows: list[Source], default: str) -> list[Source]:
    """The rows with the library's own choice marked, or the first one where that choice is not among them."""
    names = [row.weights for row in rows]
    chosen = default if default in names else names[0] if names else None
    return [replace(row, default=row.weights == chosen) for row in rows]
