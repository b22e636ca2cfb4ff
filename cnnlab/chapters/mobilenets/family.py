"""The MobileNets whose accuracy their authors published, by version, width and size of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from torch import nn

from cnnlab.analysis import summarize
from cnnlab.meta import on_meta
from cnnlab.models import create_model
from cnnlab.models.mobilenet_v1 import MobileNetV1, MobileNetV1Variant
from cnnlab.models.mobilenet_v2 import MobileNetV2, MobileNetV2Variant

__all__ = ["Member", "FAMILY", "mobilenet", "cost"]


@dataclass(frozen=True)
class Member:
    """One published network.

    Attributes:
        version: "v1", "v2", "v3 large" or "v3 small".
        width: the width multiplier.
        size: height and width of the picture, in pixels.
        accuracy: percent of ImageNet's validation set, one crop.
        phone: milliseconds on a large core of a Pixel 1; None where not published.
    """

    version: str
    width: float
    size: int
    accuracy: float
    phone: float | None = None

    @property
    def name(self) -> str:
        """As "v2 0.5, 160 px"."""
        return f"{self.version} {self.width:g}, {self.size} px"


def _members(version: str, table: str) -> list[Member]:
    """A line for each width: the width, and accuracy/milliseconds for each size."""
    sizes, *lines = (line.split() for line in table.strip().splitlines())
    found = []
    for width, *cells in lines:
        for size, cell in zip(sizes, cells, strict=False):
            accuracy, _, phone = cell.partition("/")
            member = Member(version, float(width), int(size), float(accuracy), float(phone) if phone else None)
            found.append(member)
    return found


# From the authors' pages: research/slim/nets/mobilenet_v1.md and research/slim/nets/mobilenet/README.md in
# github.com/tensorflow/models. The checkpoints of version 1 there are a little better than the paper's tables say.
FAMILY: tuple[Member, ...] = (
    *_members(
        "v1",
        """
        224   192   160   128
        1.0   70.9  70.0  68.0  65.2
        0.75  68.4  67.2  65.3  62.1
        0.5   63.3  61.7  59.1  56.3
        0.25  49.8  47.7  45.5  41.5
        """,
    ),
    *_members(
        "v2",
        """
        224   192        160        128        96
        1.4   75.0/138.0
        1.0   71.8/73.8  70.7/55.1  68.8/40.2  65.3/27.6  60.3/17.6
        0.75  69.8/55.8  68.7/41.6  66.4/30.4  63.2/21.9  58.8/14.2
        0.5   65.4/28.7  63.9/21.1  61.0/14.9  57.7/9.9   51.2/6.4
        0.35  60.3/19.7  58.2/14.6  55.7/10.5  50.8/6.9   45.5/4.5
        """,
    ),
    Member("v3 large", 1.0, 224, 75.2, 51.2),
    Member("v3 small", 1.0, 224, 67.5, 15.8),
)


def mobilenet(version: str, width: float = 1.0) -> nn.Module:
    """The network of a `Member`, for a thousand classes and pictures of any size. Shape: (N, 3, H, W) -> (N, 1000).

    Args:
        version: "v1", "v2", "v3 large" or "v3 small".
        width: the width multiplier; of version 3 only 1.

    Raises:
        ValueError: another version, or a width that version 3 does not have.
    """
    if version == "v1":
        return MobileNetV1(MobileNetV1Variant(width=width))
    if version == "v2":
        return MobileNetV2(MobileNetV2Variant(width=width))
    if version in ("v3 large", "v3 small") and width == 1:
        return create_model("mobilenet_" + version.replace(" ", "_"))
    raise ValueError(
        f"version={version!r} of width={width!r} is not built here; give 'v1' or 'v2' of any width, or 'v3 large' or "
        "'v3 small' of width 1."
    )


@lru_cache(maxsize=32)
def _counted(version: str, width: float) -> tuple[int, int, int]:
    """Parameters, multiply-accumulates at 224 pixels, and those of them behind the average."""
    with on_meta():
        net = mobilenet(version, width)
    counted = summarize(net, (3, 224, 224))
    behind = sum(row.macs for row in counted.layers if row.kind == "Linear")
    return counted.params, counted.macs, behind


def cost(version: str, width: float = 1.0, size: int = 224) -> tuple[int, int]:
    """Parameters, and multiply-accumulates of one picture: of versions 1 and 2 exact, as `cnnlab.summarize` has them.

    All that comes ahead of the average grows with the pixels of the maps, and the dense layer behind it does not. (In
    version 3 the squeeze-and-excitation does not grow either, so there it holds for 224 pixels alone.)

    Args:
        version, width: as for `mobilenet`.
        size: height and width of the picture, a multiple of 32, so that no map is rounded.

    Raises:
        ValueError: for another size, or one other than 224 of version 3.
    """
    if size % 32 or size < 32 or (version.startswith("v3") and size != 224):
        raise ValueError(
            f"size={size} of {version!r} is not counted here; give a multiple of 32, and 224 for version 3. "
            "cnnlab.summarize counts any other."
        )
    params, macs, behind = _counted(version, width)
    return params, (macs - behind) * size**2 // 224**2 + behind
