"""MTCNN: three small networks that find faces, each asked only about what the one before it let pass.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao: Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks,
IEEE Signal Processing Letters 2016, figures 1 and 2. https://arxiv.org/abs/1604.02878

    P-Net (12 px)           R-Net (24 px)           O-Net (48 px)
    3x3, 10                 3x3, 28                 3x3, 32
    2x2 max pool            3x3 max pool            3x3 max pool
    3x3, 16                 3x3, 48                 3x3, 64
                            3x3 max pool            3x3 max pool
    3x3, 32                 2x2, 64                 3x3, 64
                                                    2x2 max pool
                                                    2x2, 128
                            dense, 128              dense, 256
    face 2, box 4           face 2, box 4           face 2, box 4, points 10
    6,632 parameters        100,178                 389,040

No convolution is padded, poolings have stride 2, and a PReLU follows each layer but the last. P-Net has no dense layer:
it was trained on pictures of 12 pixels and runs over one of any size, and each number that comes out is what it says of
one window of 12 x 12, two pixels from the next. Larger faces are found in smaller copies of the picture.

It is no classifier, so that it is not in the registry of :func:`cnnlab.create_model`. Trained weights come with the
package facenet-pytorch (MIT License): see :meth:`MTCNN.load_facenet`.

Differs from the paper in:
  - The figure gives each network ten outputs for the points. Those of P- and R-Net are a help in training alone; the
    weights that are around have them in O-Net only, and so have these.
  - Thresholds and the suppression's IoUs are those of the authors' program, which counts pixels from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.detection import Objects, clip, convert, nms

__all__ = ["MTCNNVariant", "PUBLISHED", "POINTS", "PNet", "RNet", "ONet", "Faces", "MTCNN", "moved", "square", "crops"]


@dataclass(frozen=True)
class MTCNNVariant:
    smallest: float = 20.0  # pixels of the smallest face that is looked for
    shrink: float = 0.709  # each copy of the picture to the one before: half the area
    scores: tuple[float, float, float] = (0.6, 0.7, 0.7)  # what a window must reach in each stage
    overlaps: tuple[float, float, float] = (0.7, 0.7, 0.7)  # IoU above which the less sure of two windows is dropped
    overlap_in_copy: float = 0.5  # the same among the windows of one copy, before


PUBLISHED = MTCNNVariant()
POINTS = (
    "left eye",
    "right eye",
    "nose",
    "left corner of the mouth",
    "right corner of the mouth",
)  # as the viewer sees


class PNet(nn.Module):
    """Each window of 12 x 12 at once. Shape: (N, 3, H, W) -> (N, 2, h, w) and (N, 4, h, w), h = ceil((H - 2) / 2) - 4.

    The first are logits of "no face" and "face", the second how to move the window's four sides.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, kernel_size=3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, kernel_size=3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, kernel_size=3), nn.PReLU(32)
        self.face, self.box = nn.Conv2d(32, 2, kernel_size=1), nn.Conv2d(32, 4, kernel_size=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.prelu1(self.conv1(x))  # (N, 10, 10, 10), sizes for 12 px
        x = F.max_pool2d(x, 2, 2, ceil_mode=True)  # (N, 10, 5, 5)
        x = self.prelu2(self.conv2(x))  # (N, 16, 3, 3)
        x = self.prelu3(self.conv3(x))  # (N, 32, 1, 1)
        return self.face(x), self.box(x)


class RNet(nn.Module):
    """The same question with more to look at. Shape: (N, 3, 24, 24) -> (N, 2), (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, kernel_size=3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, kernel_size=3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, kernel_size=2), nn.PReLU(64)
        self.dense, self.prelu4 = nn.Linear(64 * 3 * 3, 128), nn.PReLU(128)
        self.face, self.box = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)  # (N, 28, 11, 11)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)  # (N, 48, 4, 4)
        x = self.prelu3(self.conv3(x))  # (N, 64, 3, 3)
        x = self.prelu4(self.dense(_column_by_column(x)))  # (N, 128)
        return self.face(x), self.box(x)


class ONet(nn.Module):
    """The last word, and five points. Shape: (N, 3, 48, 48) -> (N, 2), (N, 4), (N, 10): five x, then five y."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, kernel_size=3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, kernel_size=3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, kernel_size=3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, kernel_size=2), nn.PReLU(128)
        self.dense, self.prelu5 = nn.Linear(128 * 3 * 3, 256), nn.PReLU(256)
        self.face, self.box, self.points = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(self.prelu1(self.conv1(x)), 3, 2, ceil_mode=True)  # (N, 32, 23, 23)
        x = F.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)  # (N, 64, 10, 10)
        x = F.max_pool2d(self.prelu3(self.conv3(x)), 2, 2, ceil_mode=True)  # (N, 64, 4, 4)
        x = self.prelu4(self.conv4(x))  # (N, 128, 3, 3)
        x = self.prelu5(self.dense(_column_by_column(x)))  # (N, 256)
        return self.face(x), self.box(x), self.points(x)


def _column_by_column(x: Tensor) -> Tensor:
    """Shape: (N, C, H, W) -> (N, W * H * C)."""
    # The order of the program that trained the weights; any other would do for weights of one's own.
    return x.permute(0, 3, 2, 1).flatten(1)


@dataclass(frozen=True, eq=False)
class Faces:
    """What came out of each stage for one picture.

    Attributes:
        windows: how many P-Net judged, over all copies of the picture.
        stages: what P-Net, R-Net and O-Net let pass, all of class 0.
        points: x, y in pixels of each face's five, in the order of ``POINTS``. Shape: (n, 5, 2).
    """

    windows: int
    stages: tuple[Objects, Objects, Objects]
    points: Tensor


class MTCNN(nn.Module):
    """The cascade. ``MTCNN()(picture)`` finds the faces of one picture. Shape: (3, H, W) -> :class:`Faces`."""

    def __init__(self, variant: MTCNNVariant = PUBLISHED) -> None:
        super().__init__()
        self.variant = variant
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Faces:
        """Raises: ValueError: ``picture`` is not uint8 of three channels."""
        if picture.dtype != torch.uint8 or picture.ndim != 3 or len(picture) != 3:
            raise ValueError(
                f"picture is {picture.dtype} of shape {tuple(picture.shape)}, wanted torch.uint8 of shape (3, H, W), "
                "one picture in color: torch.from_numpy(photo).permute(2, 0, 1)."
            )
        x = (picture[None].float() - 127.5) / 128  # (1, 3, H, W), about -1 to 1
        windows, *judged = self.propose(x)
        first, _ = self.passed(0, *judged)
        boxes = square(first.boxes)
        face, sides = self.rnet(crops(x, boxes, 24))
        second, _ = self.passed(1, boxes, face.softmax(1)[:, 1], sides)
        boxes = square(second.boxes)
        face, sides, points = self.onet(crops(x, boxes, 48))
        third, kept = self.passed(2, boxes, face.softmax(1)[:, 1], sides)
        # Told in parts of the square that O-Net saw, five x and then five y.
        points = points.view(-1, 2, 5).transpose(1, 2) * (boxes[:, 2:] - boxes[:, :2])[:, None]  # (n, 5, 2)
        return Faces(windows, (first, second, third), (boxes[:, None, :2] + points)[kept])

    def propose(self, x: Tensor) -> tuple[int, Tensor, Tensor, Tensor]:
        """P-Net over smaller and smaller copies: windows seen; of the likely ones box, score, how to move sides."""
        found, windows = [(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, 4))], 0
        scale = 12 / self.variant.smallest
        while min(x.shape[-2:]) * scale >= 12:
            size = [int(side * scale) + 1 for side in x.shape[-2:]]
            face, sides = self.pnet(F.interpolate(x, size=size, mode="area"))
            score = face.softmax(1)[0, 1]  # (h, w)
            windows += score.numel()
            row, column = (score >= self.variant.scores[0]).nonzero().unbind(1)
            corner = 2.0 * torch.stack([column, row], dim=1)  # of each window, in the copy
            box, score, sides = (
                torch.cat([corner, corner + 12], 1) / scale,
                score[row, column],
                sides[0, :, row, column].T,
            )
            kept = nms(box, score, self.variant.overlap_in_copy)
            found.append((box[kept], score[kept], sides[kept]))
            scale *= self.variant.shrink
        boxes, scores, sides = (torch.cat(parts) for parts in zip(*found, strict=True))
        return windows, boxes, scores, sides

    def passed(self, stage: int, boxes: Tensor, scores: Tensor, sides: Tensor) -> tuple[Objects, Tensor]:
        """What passes a stage, the surest first, its sides moved; and which of the boxes that were."""
        likely = (scores >= self.variant.scores[stage]).nonzero().squeeze(1)
        kept = likely[nms(boxes[likely], scores[likely], self.variant.overlaps[stage])]
        return Objects(moved(boxes, sides)[kept], torch.zeros_like(kept), scores[kept]), kept

    def load_facenet(self, states: Mapping[str, Mapping[str, Tensor]]) -> MTCNN:
        """Take the weights of facenet-pytorch 2.6.0: its files pnet.pt, rnet.pt and onet.pt, read, by name."""
        layers = {
            "4_1": "face",
            "4_2": "box",
            "5_1": "face",
            "5_2": "box",
            "6_1": "face",
            "6_2": "box",
            "6_3": "points",
        }
        layers |= {"4": "dense", "5": "dense"}
        for name in ("pnet", "rnet", "onet"):
            ours = {}
            for key, value in states[name].items():
                layer, _, tensor = key.partition(".")
                number = layer.removeprefix("conv").removeprefix("dense")
                dense_or_output = layer.startswith("dense") or "_" in number
                ours[f"{layers[number] if dense_or_output else layer}.{tensor}"] = value
            getattr(self, name).load_state_dict(ours)
        return self


def moved(boxes: Tensor, sides: Tensor) -> Tensor:
    """Each side moved by so many widths or heights of its box. Shape: (n, 4), (n, 4) -> (n, 4)."""
    corner, other = (boxes + sides * (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)).split(2, dim=1)
    return torch.cat([corner, torch.maximum(corner, other)], dim=1)


def square(boxes: Tensor) -> Tensor:
    """The square around the same center whose side is the longer one. Shape: (n, 4) -> (n, 4)."""
    center = convert(boxes, "xyxy", "cxcywh")
    side = center[:, 2:].amax(dim=1, keepdim=True)
    return convert(torch.cat([center[:, :2], side, side], dim=1), "cxcywh", "xyxy")


def crops(x: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Boxes cut from one picture and brought to one size. Shape: (1, 3, H, W), (n, 4) -> (n, 3, side, side)."""
    height, width = x.shape[-2:]
    cuts = []
    for x1, y1, x2, y2 in clip(boxes, (height, width)).long().tolist():
        # A box beyond the border is its last row or column of pixels.
        y1, x1 = min(y1, height - 1), min(x1, width - 1)
        cut = x[:, :, y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
        cuts.append(F.interpolate(cut, size=(side, side), mode="area"))
    return torch.cat(cuts) if cuts else x.new_zeros(0, 3, side, side)
