"""Faster R-CNN: a network that proposes boxes, and one that says what is in them, on one feature map.

S. Ren, K. He, R. Girshick, J. Sun: Faster R-CNN: Towards Real-Time Object Detection with Region Proposal Networks, NIPS
2015, sections 3 and 4, https://arxiv.org/abs/1506.01497; the second part is Fast R-CNN's, R. Girshick, ICCV 2015,
sections 2 and 3, https://arxiv.org/abs/1504.08083

    part       computed for           layers                                      output, 3 x 608 x 800 px
    trunk      each picture once      ResNet-18 to conv4_x, stride 16             256 x 38 x 50
    RPN        each place of the map  3x3, 256; two 1x1: 9 scores, 9 x 4 moves    17,100 boxes and scores
    proposals                         the surest 6000, NMS at 0.7                 300 boxes
    RoI align  each proposal          7 x 7 bins of the map                       300 x 256 x 7 x 7
    RoI head   each proposal          dense, 1024; dense, 1024;                   300 x 1024
                                      two dense: K + 1 classes, K x 4 moves       300 x 21 and 300 x 20 x 4

Class 0 of the head is "nothing", as in both papers; :class:`Objects` number the classes from 0 on, without a nothing.

    PUBLISHED  the paper's numbers on a ResNet-18
    SMALL      for pictures of 64 pixels: trunk to conv3_x, stride 8, 4 x 4 bins, dense layers of 128

It is no classifier and not in the registry. Train it with ``fit(model, data.teaching("objects"), loss=model.loss)``.

Differs from the papers in:
  - The trunk is a ResNet-18; theirs are ZF-Net and VGG-16, whose two dense layers (4096) are the head. Batch norm is
    trained along; with one or two large pictures in a batch it should be frozen.
  - Both parts are trained at once, with proposals taken as given ("approximate joint training", section 3.2); the
    paper's results are from four steps. In training the objects join the proposals, as in the authors' code, and all
    proposals below an IoU of 0.5 are background, where Fast R-CNN leaves out those below 0.1.
  - RoI align in place of RoI pooling; ``pooling="pool"`` is the papers'.
  - One logit says whether an anchor holds an object (the paper's footnote 3), in place of two and a softmax.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab import detection
from cnnlab.detection import Objects, clip, nms, sampled
from cnnlab.models import resnet

__all__ = ["MOVES", "FasterRCNNVariant", "PUBLISHED", "SMALL", "RPN", "RoIHead", "FasterRCNNLoss", "FasterRCNN"]

_Output = tuple[Tensor, Tensor, Tensor]  # of the network: features, the RPN's scores and moves
MOVES = (10.0, 10.0, 5.0, 5.0)  # what the head's moves are multiplied by, so that each varies by about 1


@dataclass(frozen=True)
class FasterRCNNVariant:
    stages: int = 3  # of the ResNet, in the trunk: conv2_x, conv3_x, conv4_x
    sizes: tuple[float, ...] = (128, 256, 512)  # of anchors, in pixels
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)  # height over width
    rpn_channels: int = 256
    bins: int = 7  # rows and columns of what is cut out for a proposal
    pooling: Literal["align", "pool"] = "align"
    dense: tuple[int, ...] = (1024, 1024)
    anchors_taught: int = 256  # of a picture, half of them with an object if there are so many
    outside: bool = False  # whether anchors that reach out of the picture are taught
    balance: float = 10.0  # lambda of equation 1
    candidates: int = 6000  # before suppression
    proposals: int = 300  # after it
    proposals_taught: int = 64  # of a picture, a quarter of them with an object

    @property
    def stride(self) -> int:
        return 2 ** (self.stages + 1)


PUBLISHED = FasterRCNNVariant()
SMALL = FasterRCNNVariant(
    stages=2,
    sizes=(24, 40),
    rpn_channels=128,
    bins=4,
    dense=(128, 128),
    anchors_taught=64,
    outside=True,
    balance=1.0,
    candidates=100,
    proposals=32,
    proposals_taught=32,
)


class RPN(nn.Module):
    """Whether an anchor holds an object (a logit), and how to move it. Shape: (N, C, H, W) -> (N, M), (N, M, 4).

    M is H * W * anchors at a place, in the order of :func:`cnnlab.detection.anchors`.
    """

    def __init__(self, channels: int, variant: FasterRCNNVariant) -> None:
        super().__init__()
        count = len(variant.sizes) * len(variant.ratios)
        self.conv = nn.Conv2d(channels, variant.rpn_channels, kernel_size=3, padding=1)
        self.score = nn.Conv2d(variant.rpn_channels, count, kernel_size=1)
        self.move = nn.Conv2d(variant.rpn_channels, 4 * count, kernel_size=1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.conv(features))  # (N, 256, H, W)
        scores = self.score(x).permute(0, 2, 3, 1).flatten(1)  # (N, M)
        moves = self.move(x).permute(0, 2, 3, 1).reshape(len(x), -1, 4)  # (N, M, 4)
        return scores, moves


class RoIHead(nn.Module):
    """Logits, "nothing" first, and a proposal's move for each class. Shape: (R, C, b, b) -> (R, K + 1), (R, K, 4)."""

    def __init__(self, channels: int, variant: FasterRCNNVariant, num_classes: int) -> None:
        super().__init__()
        widths = (channels * variant.bins**2, *variant.dense)
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.score = nn.Linear(widths[-1], num_classes + 1)
        self.move = nn.Linear(widths[-1], 4 * num_classes)

    def forward(self, cut: Tensor) -> tuple[Tensor, Tensor]:
        x = cut.flatten(1)  # (R, C * bins * bins)
        for layer in self.dense:
            x = F.relu(layer(x))  # (R, 1024)
        return self.score(x), self.move(x).unflatten(1, (-1, 4))


class FasterRCNNLoss(NamedTuple):
    objectness: Tensor  # the RPN's: is there an object?
    anchors: Tensor  # the RPN's: how is an anchor moved?
    classes: Tensor  # the head's
    boxes: Tensor  # the head's

    @property
    def total(self) -> Tensor:
        return self.objectness + self.anchors + self.classes + self.boxes


class FasterRCNN(nn.Module):
    """Shape: (N, C, H, W) -> features (N, C', H / stride, W / stride), the RPN's scores (N, M) and moves (N, M, 4).

    Args:
        variant: what is where, and how many of it.
        num_classes: K, without "nothing".
        network: a ResNet to take the trunk from, such as a trained one; None for a new ResNet-18.
    """

    def __init__(
        self,
        variant: FasterRCNNVariant = SMALL,
        num_classes: int = 20,
        in_channels: int = 3,
        network: resnet.ResNet | None = None,
    ) -> None:
        super().__init__()
        self.variant, self.num_classes = variant, num_classes
        net = resnet.ResNet(resnet.VARIANTS["resnet18"], in_channels=in_channels) if network is None else network
        stages = [net.conv2, net.conv3, net.conv4, net.conv5][: variant.stages]
        self.trunk = nn.Sequential(net.conv1, net.bn1, nn.ReLU(), net.pool, *stages)
        channels = net.fc.in_features // 2 ** (4 - variant.stages)
        self.rpn = RPN(channels, variant)
        self.head = RoIHead(channels, variant, num_classes)
        for layer in (self.rpn.conv, self.rpn.score, self.rpn.move, self.head.score, self.head.move):
            nn.init.normal_(layer.weight, std=0.001 if layer is self.head.move else 0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> _Output:
        below, right = (-side % self.variant.stride for side in x.shape[2:])
        if below or right:
            raise ValueError(
                f"x has shape {tuple(x.shape)}: height and width must be multiples of the stride "
                f"{self.variant.stride}. Pad it: F.pad(x, (0, {right}, 0, {below}))."
            )
        features = self.trunk(x)  # (N, 256, H / 16, W / 16)
        return features, *self.rpn(features)

    def anchors(self, features: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """All anchors, in pixels, and the picture's height and width. Shape: (M, 4)."""
        (rows, columns), stride = features.shape[2:], self.variant.stride
        every = detection.anchors((rows, columns), stride, self.variant.sizes, self.variant.ratios)
        return every.to(features.device), (rows * stride, columns * stride)

    @torch.no_grad()
    def proposals(self, output: _Output) -> list[Tensor]:
        """The boxes of each picture that the head is asked about, the surest first. Shape: (n, 4) each."""
        features, scores, moves = output
        every, size = self.anchors(features)
        found = []
        for score, move in zip(scores, moves, strict=True):
            surest = score.argsort(descending=True, stable=True)[: self.variant.candidates]
            boxes = clip(detection.decode(move[surest], every[surest]), size)
            some = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(dim=1)  # a move may leave nothing within the picture
            boxes, score = boxes[some], score[surest][some]
            found.append(boxes[nms(boxes, score, 0.7)[: self.variant.proposals]])
        return found

    def ask(self, features: Tensor, proposals: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The head's answers on all pictures' proposals. Shape: (R, K + 1), (R, K, 4)."""
        numbers = [boxes.new_full((len(boxes), 1), number) for number, boxes in enumerate(proposals)]
        regions = torch.cat([torch.cat(numbers), torch.cat(list(proposals))], dim=1)  # (R, 5)
        pool = detection.roi_align if self.variant.pooling == "align" else detection.roi_pool
        return self.head(pool(features, regions, (self.variant.bins,) * 2, 1 / self.variant.stride))

    def terms(self, output: _Output, objects: Sequence[Objects]) -> FasterRCNNLoss:
        """Equation 1 of the paper for the RPN, and of Fast R-CNN for the head, of the same form."""
        features, scores, moves = output
        (every, size), variant = self.anchors(features), self.variant
        count, _, rows, columns = features.shape
        objectness = anchors_off = features.new_zeros(())
        chosen, wanted, targets = [], [], []
        for score, move, proposed, shown in zip(scores, moves, self.proposals(output), objects, strict=True):
            shown.check(size=size, num_classes=self.num_classes)
            found = detection.match(detection.pairwise(shown.boxes, every), 0.3, 0.7, every_object=True)
            if not variant.outside:
                found[(every != clip(every, size)).any(dim=1)] = detection.NEITHER
            some, none = sampled(found, variant.anchors_taught, 0.5)
            said = score[torch.cat([some, none])]
            there = torch.arange(len(said), device=said.device) < len(some)
            objectness = objectness + F.binary_cross_entropy_with_logits(said, there.to(said))
            right = detection.encode(shown.boxes[found[some]], every[some])
            off = F.smooth_l1_loss(move[some], right, reduction="sum")
            anchors_off = anchors_off + variant.balance * off / (rows * columns)

            proposed = torch.cat([proposed, shown.boxes])
            found = detection.match(detection.pairwise(shown.boxes, proposed), 0.5, 0.5)
            some, none = sampled(found, variant.proposals_taught, 0.25)
            chosen.append(proposed[torch.cat([some, none])])
            wanted.append(torch.cat([1 + shown.labels[found[some]], torch.zeros_like(none)]))  # 0 is "nothing"
            targets.append(detection.encode(shown.boxes[found[some]], proposed[some], MOVES))
        said, moved = self.ask(features, chosen)
        classes = torch.cat(wanted)
        there = classes > 0
        off = F.smooth_l1_loss(moved[there, classes[there] - 1], torch.cat(targets), reduction="sum")
        certainty = F.cross_entropy(said, classes)
        return FasterRCNNLoss(objectness / count, anchors_off / count, certainty, off / len(classes))

    def loss(self, output: _Output, objects: Sequence[Objects]) -> Tensor:
        """The sum of the :meth:`terms`, as ``fit(..., loss=model.loss)`` takes it."""
        return self.terms(output, objects).total

    @torch.no_grad()
    def decode(self, output: _Output, *, least: float = 0.05, overlap: float = 0.5) -> list[Objects]:
        """What was found in each picture, the surest first; ``least`` and ``overlap`` as for :meth:`Grid.decode`."""
        (features, *_), proposals = output, self.proposals(output)
        _, size = self.anchors(features)
        scores, moves = self.ask(features, proposals)
        scores = scores.softmax(dim=1)[:, 1:]  # (R, K)
        found, counts = [], [len(boxes) for boxes in proposals]
        for boxes, score, move in zip(proposals, scores.split(counts), moves.split(counts), strict=True):
            box, label = (score >= least).nonzero().unbind(1)
            moved = clip(detection.decode(move[box, label], boxes[box], MOVES), size)
            kept = nms(moved, score[box, label], overlap, labels=label)
            found.append(Objects(moved[kept], label[kept], score[box, label][kept]))
        return found
