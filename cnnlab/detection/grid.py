"""A detector as one regression: a grid over the picture, and in each of its cells a few boxes and one class.

J. Redmon, S. Divvala, R. Girshick, A. Farhadi: You Only Look Once: Unified, Real-Time Object Detection, 2016,
section 2, https://arxiv.org/abs/1506.02640. The cell in which an object's center lies must find it. A network gives
each cell 5 B + K numbers: B times a box (x, y in the cell, 0 to 1; the square roots of width and height as fractions of
the picture) and its confidence, then a probability for each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cnnlab.detection.boxes import clip, convert, to_fractions, to_pixels
from cnnlab.detection.objects import Objects
from cnnlab.detection.overlap import iou
from cnnlab.detection.suppression import nms
from cnnlab.errors import whole_number

__all__ = ["Grid", "GridTarget", "GridOutput", "GridLoss"]


class GridTarget(NamedTuple):
    """What each cell must say."""

    present: Tensor  # (N, S, S), bool: whether an object's center lies in the cell
    centers: Tensor  # (N, S, S, 2): x, y in the cell, 0 to 1
    sizes: Tensor  # (N, S, S, 2): width and height as fractions of the picture's
    labels: Tensor  # (N, S, S), int64
    crowded_out: Tensor  # (N,), int64: objects whose cell another had taken


class GridOutput(NamedTuple):
    """What each cell says."""

    centers: Tensor  # (N, S, S, B, 2): x, y in the cell
    roots: Tensor  # (N, S, S, B, 2): the square roots of width and height as fractions of the picture's
    confidences: Tensor  # (N, S, S, B)
    classes: Tensor  # (N, S, S, K)


class GridLoss(NamedTuple):
    """The loss term by term, weighted, each a mean over the pictures of the batch."""

    centers: Tensor
    sizes: Tensor
    confident: Tensor  # of the boxes that must find an object
    unconfident: Tensor  # of all others, which must know that they do not
    classes: Tensor

    @property
    def total(self) -> Tensor:
        return self.centers + self.sizes + self.confident + self.unconfident + self.classes


@dataclass(frozen=True)
class Grid:
    """How a picture is parted, what its cells must say, and what that costs when they do not.

    Attributes:
        picture: height and width in pixels.
        cells: S, in each direction.
        boxes: B, in each cell.
        num_classes: K.
        coordinates: weight of centers and sizes, lambda_coord.
        nothing: weight of the confidence where there is nothing, lambda_noobj: most cells see nothing, and would drown
            the few that do.
    """

    picture: tuple[int, int] = (448, 448)
    cells: int = 7
    boxes: int = 2
    num_classes: int = 20
    coordinates: float = 5.0
    nothing: float = 0.5

    def __post_init__(self) -> None:
        for name in ("cells", "boxes", "num_classes"):
            whole_number(name, getattr(self, name), "The paper has 7 cells, 2 boxes and 20 classes.")
        if len(self.picture) != 2 or not min(self.picture) > 0:
            raise ValueError(f"picture={self.picture!r} must be height and width in pixels: pictures.shape[-2:].")

    @property
    def channels(self) -> int:
        """Numbers in a cell, 5 B + K."""
        return 5 * self.boxes + self.num_classes

    def target(self, objects: Sequence[Objects]) -> GridTarget:
        """What the cells must say of these objects, an entry for each picture.

        Of two objects whose centers lie in one cell the first is taught, and the other is lost: there is room for one.

        Raises:
            ValueError: a box that reaches out of the picture, or a class that there is none of.
        """
        size = (len(objects), self.cells, self.cells)
        present = torch.zeros(size, dtype=torch.bool)
        labels = torch.zeros(size, dtype=torch.int64)
        centers, sizes = torch.zeros(*size, 2), torch.zeros(*size, 2)
        crowded_out = torch.zeros(len(objects), dtype=torch.int64)
        for picture, shown in enumerate(objects):
            shown.check(size=self.picture, num_classes=self.num_classes)
            boxes = to_fractions(convert(shown.boxes.cpu(), "xyxy", "cxcywh"), self.picture)
            for box, label in zip(boxes, shown.labels.tolist(), strict=True):
                column, row = (box[:2] * self.cells).long().clamp(max=self.cells - 1).tolist()
                if present[picture, row, column]:
                    crowded_out[picture] += 1
                    continue
                present[picture, row, column] = True
                centers[picture, row, column] = box[:2] * self.cells - torch.tensor([column, row])
                sizes[picture, row, column] = box[2:]
                labels[picture, row, column] = label
        return GridTarget(present, centers, sizes, labels, crowded_out)

    def split(self, output: Tensor) -> GridOutput:
        """A network's output by what it means. Shape: (N, 5 B + K, S, S) -> see :class:`GridOutput`.

        Raises:
            ValueError: another shape.
        """
        wanted = (self.channels, self.cells, self.cells)
        if output.ndim != 4 or output.shape[1:] != wanted:
            raise ValueError(
                f"output has shape {tuple(output.shape)}, wanted (N, {', '.join(map(str, wanted))}): 5 x {self.boxes} "
                f"boxes + {self.num_classes} classes in each of {self.cells} x {self.cells} cells. End the network "
                f"with {self.channels} maps of {self.cells} x {self.cells}."
            )
        boxes, classes = output.movedim(1, 3).split([5 * self.boxes, self.num_classes], dim=3)
        boxes = boxes.unflatten(3, (self.boxes, 5))
        return GridOutput(boxes[..., :2], boxes[..., 2:4], boxes[..., 4], classes)

    def corners(self, centers: Tensor, sizes: Tensor) -> Tensor:
        """Boxes as fractions of the picture, of centers in the cells. Shape: (N, S, S, ..., 2) twice -> (..., 4)."""
        number = torch.arange(self.cells, device=centers.device, dtype=centers.dtype)
        row, column = torch.meshgrid(number, number, indexing="ij")
        corner = torch.stack([column, row], dim=2)  # of each cell, (S, S, 2)
        corner = corner.view(self.cells, self.cells, *[1] * (centers.ndim - 4), 2)
        return convert(torch.cat([(corner + centers) / self.cells, sizes], dim=-1), "cxcywh", "xyxy")

    def terms(self, output: Tensor, objects: Sequence[Objects] | GridTarget) -> GridLoss:
        """The loss of the paper's equation 3, term by term.

        Of a cell's boxes the one that overlaps its object most is responsible for it, and must say that overlap as its
        confidence; all other boxes, in this cell and in those without an object, must say 0.

        Args:
            output: Shape: (N, 5 B + K, S, S).
            objects: an entry for each picture, or their :meth:`target`.
        """
        said = self.split(output)
        target = objects if isinstance(objects, GridTarget) else self.target(objects)
        target = GridTarget(*(tensor.to(output.device) for tensor in target))
        present, count = target.present, max(1, len(output))

        with torch.no_grad():
            wanted = self.corners(target.centers, target.sizes)
            overlaps = iou(self.corners(said.centers, said.roots.square()), wanted[:, :, :, None])  # (N, S, S, B)
            best = overlaps.argmax(3, keepdim=True)
            responsible = torch.zeros_like(overlaps, dtype=torch.bool).scatter(3, best, True) & present[..., None]
        # From here on one row for each object: what its cell's responsible box says, and what it must say.
        off_center = said.centers[responsible] - target.centers[present]
        off_size = said.roots[responsible] - target.sizes[present].sqrt()
        off_confidence = said.confidences[responsible] - overlaps[responsible]
        certainty = torch.nn.functional.one_hot(target.labels[present], self.num_classes)
        off_class = said.classes[present] - certainty
        return GridLoss(
            centers=self.coordinates * off_center.square().sum() / count,
            sizes=self.coordinates * off_size.square().sum() / count,
            confident=off_confidence.square().sum() / count,
            unconfident=self.nothing * said.confidences[~responsible].square().sum() / count,
            classes=off_class.square().sum() / count,
        )

    def loss(self, output: Tensor, objects: Sequence[Objects] | GridTarget) -> Tensor:
        """The sum of the :meth:`terms`, as ``fit(..., loss=grid.loss)`` takes it."""
        return self.terms(output, objects).total

    def decode(self, output: Tensor, *, least: float = 0.2, overlap: float = 0.5) -> list[Objects]:
        """What was found in each picture: boxes in pixels, cut off at its border, the surest first.

        A box's score for a class is its confidence times the cell's probability of the class.

        Args:
            output: Shape: (N, 5 B + K, S, S).
            least: boxes of a lower score are left out. For mAP, which looks at all, take a small one such as 0.01.
            overlap: the IoU above which the surest of two boxes of a class stays alone; see :func:`nms`.

        Raises:
            ValueError: another shape, or an output that is not finite.
        """
        said = self.split(output.detach().float())
        if not bool(output.isfinite().all()):
            raise ValueError(
                f"output has {int((~output.isfinite()).sum()):,} of {output.numel():,} numbers that are not finite: "
                "the training has diverged. Train again with a lower learning rate, or clip_norm=1."
            )
        # A box a hundred pictures wide is cut off all the same, and one of 1e20 would overflow before.
        sizes = said.roots.clamp(-10, 10).square()
        boxes = clip(to_pixels(self.corners(said.centers, sizes), self.picture), self.picture)
        scores = said.confidences[..., None] * said.classes[..., None, :]  # (N, S, S, B, K)
        found = []
        for its_boxes, its_scores in zip(boxes.flatten(1, 3), scores.flatten(1, 3), strict=True):
            box, label = (its_scores >= least).nonzero().unbind(1)
            score = its_scores[box, label]
            kept = nms(its_boxes[box], score, overlap, labels=label)
            found.append(Objects(its_boxes[box][kept], label[kept], score[kept]))
        return found
