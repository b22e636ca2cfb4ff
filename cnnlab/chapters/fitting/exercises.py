"""Exercises of the chapter "Under- and overfitting"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnlab.exercises import exercise

X = torch.tensor([[2.0, -1.0, 0.5, 4.0], [1.0, 3.0, -2.0, 0.25]])
KEPT = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])


@exercise("fitting/dropout", "Dropout from its rule", cases=[(X, KEPT, 0.5), (X, KEPT, 0.2), (X, 1 - KEPT, 0.75)])
def dropout(x: Tensor, kept: Tensor, p: float) -> Tensor:
    """What is left is scaled up in training, so that nothing at all need be done in use."""
    return x * kept / (1 - p)


dropout.mistake(
    "The sum of what is left is smaller than before, and in use it would not be. Scale it.",
    lambda x, kept, p: x * kept,
)
dropout.mistake("p is the share that is dropped; what is kept is 1 - p.", lambda x, kept, p: x * kept / p)
dropout.mistake(
    "That shrinks what is left once more. Nothing is done in use, so training must scale it up.",
    lambda x, kept, p: x * kept * (1 - p),
)
dropout.mistake(
    "You scale by what this mask happens to keep. The rule scales by what a mask keeps on average.",
    lambda x, kept, p: x * kept / kept.mean(),
)
dropout.hints(
    "Over many masks, each number should keep its value on average.",
    "It is kept with probability 1 - p, so divide by that: x * kept / (1 - p).",
)
dropout.wrong(lambda x, kept, p: x)
dropout.right(lambda x, kept, p: torch.where(kept > 0, x / (1 - p), 0.0))


W = torch.tensor([0.5, -0.03, 0.0, 0.02, -2.0, 0.05])


@exercise(
    "fitting/soft", "Zeros by the right step", cases=[(W, 0.1, 0.5), (W, 1.0, 0.02), (-W, 0.1, 3.0), (W, 0.1, 0.0)]
)
def soft(w: Tensor, rate: float, penalty: float) -> Tensor:
    """A weight that the step would carry across zero stops there: this is where exact zeros come from."""
    return w.sign() * (w.abs() - rate * penalty).clamp(min=0)


soft.mistake(
    "That is the subgradient's step: a small weight is carried across zero, and back by the next one. Stop it at zero.",
    lambda w, rate, penalty: w - rate * penalty * w.sign(),
)
soft.mistake(
    "You shrink each weight by a share of itself, which is what L2 does. L1 takes the same from all.",
    lambda w, rate, penalty: w * (1 - rate * penalty),
)
soft.mistake(
    "The small ones are zero, but the large ones move too: each by rate x penalty toward zero.",
    lambda w, rate, penalty: torch.where(w.abs() > rate * penalty, w, 0.0),
)
soft.mistake("Negative weights have lost their sign.", lambda w, rate, penalty: (w.abs() - rate * penalty).clamp(min=0))
soft.hints(
    "Move every weight by rate x penalty toward zero, and none across it.",
    "The size becomes max(|w| - rate x penalty, 0); the sign stays.",
)
soft.wrong(lambda w, rate, penalty: torch.zeros_like(w))
soft.right(lambda w, rate, penalty: nn.functional.softshrink(w, rate * penalty))


@exercise(
    "fitting/mirrored-box",
    "A box in the mirror",
    cases=[((10, 5, 30, 25), 100), ((0, 0, 64, 64), 64), ((2.5, 7, 3.5, 9), 32), ((90, 1, 100, 2), 100)],
)
def mirrored_box(box: Sequence[float], width: float) -> tuple[float, float, float, float]:
    """Left and right change places, so the new left edge comes from the old right one."""
    x1, y1, x2, y2 = box
    return (width - x2, y1, width - x1, y2)


mirrored_box.mistake(
    "Now the left edge lies to the right of the right one: such a box has no area. They change places.",
    lambda box, width: (width - box[0], box[1], width - box[2], box[3]),
)
mirrored_box.mistake(
    "One pixel off: these are edges, not numbers of pixels, and the right edge of the picture is at its width.",
    lambda box, width: (width - 1 - box[2], box[1], width - 1 - box[0], box[3]),
)
mirrored_box.mistake(
    "You turned it upside down. A mirror leaves y as it is.",
    lambda box, width: (box[0], width - box[3], box[2], width - box[1]),
)
mirrored_box.hints(
    "Where does a point at x go? Then ask which of the two edges is now the left one.",
    "x becomes width - x. The new x1 is width - x2.",
)
mirrored_box.wrong(lambda box, width: tuple(box))
mirrored_box.right(lambda box, width: torch.tensor([width - box[2], box[1], width - box[0], box[3]]))


@exercise(
    "fitting/stop",
    "When to stop",
    cases=[
        ([0.9, 0.7, 0.6, 0.65, 0.64, 0.7, 0.5], 3),
        ([0.9, 0.7, 0.6, 0.65, 0.64, 0.7, 0.5], 5),
        ([1.0, 0.9, 0.8], 2),
        ([0.5, 0.6, 0.7, 0.4], 1),
        ([0.5, 0.5, 0.5, 0.4], 2),
    ],
)
def stop(losses: Sequence[float], patience: int) -> tuple[int, int]:
    """What comes later is never seen, so patience is paid in epochs and impatience in accuracy."""
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best >= patience:
            return best + 1, epoch + 1
    return best + 1, len(losses)


stop.mistake(
    "You look at epochs that were never trained: who waits only so long does not see what comes later.",
    lambda losses, patience: (list(losses).index(min(losses)) + 1, len(losses)),
)
stop.mistake(
    "Count epochs from 1.",
    lambda losses, patience: tuple(number - 1 for number in stop(losses, patience)),
)
stop.mistake(
    "The weights to keep are those of the best epoch, not of the last one.",
    lambda losses, patience: (stop(losses, patience)[1],) * 2,
)
stop.mistake(
    "One epoch too many: it ends as soon as `patience` epochs have brought nothing better.",
    lambda losses, patience: (stop(losses, patience)[0], min(len(losses), stop(losses, patience)[1] + 1)),
)
stop.hints(
    "Go through the epochs, remember the best so far, and count how many there have been since.",
    "Return (best, epoch) as soon as epoch - best equals patience; an equal loss is no improvement.",
)
stop.wrong(lambda losses, patience: (1, 1))


SHAPES = {
    "0.weight": (16, 3, 3, 3),
    "0.bias": (16,),
    "1.weight": (16,),
    "1.bias": (16,),
    "4.weight": (10, 16),
    "4.bias": (10,),
}


@exercise(
    "fitting/decays",
    "Decay the weights alone",
    cases=[
        (SHAPES, 0.05),
        ({"norm.weight": (8,), "head.weight": (2, 8)}, 0.3),
        ({"scale": (4,), "kernel": (5, 5)}, 1.0),
    ],
)
def decays(shapes: dict[str, tuple[int, ...]], decay: float) -> dict[str, float]:
    """Biases and batch norm's pairs have nothing to learn by heart with: most recipes let them be."""
    return {name: decay if len(shape) > 1 else 0.0 for name, shape in shapes.items()}


decays.mistake(
    "Batch norm's scales are called weight as well. Go by the dimensions, not by the name.",
    lambda shapes, decay: {name: decay if "weight" in name else 0.0 for name in shapes},
    lambda shapes, decay: {name: 0.0 if "bias" in name else decay for name in shapes},
)
decays.mistake(
    "That decays the biases and the scales too, which is what weight_decay does unless it is told otherwise.",
    lambda shapes, decay: dict.fromkeys(shapes, decay),
)
decays.mistake(
    "A dense layer has two dimensions, and its weights decay like those of a convolution.",
    lambda shapes, decay: {name: decay if len(shape) == 4 else 0.0 for name, shape in shapes.items()},
)
decays.hints(
    "What has the weight of a convolution or a dense layer that a bias and a scale have not?",
    "Two dimensions or more: decay if len(shape) > 1 else 0.0.",
)
decays.wrong(lambda shapes, decay: dict.fromkeys(shapes, 0.0))


@exercise(
    "fitting/cutmix",
    "What a patch is worth",
    cases=[(32, 32, (0, 0, 16, 16)), (32, 32, (-8, 4, 8, 20)), (10, 20, (15, 5, 30, 30)), (8, 8, (0, 0, 8, 8))],
)
def cutmix_weight(height: int, width: int, box: tuple[int, int, int, int]) -> float:
    """The label follows the pixels that are seen: what sticks out of the picture counts for nothing."""
    x1, y1, x2, y2 = box
    seen = max(0, min(width, x2) - max(0, x1)) * max(0, min(height, y2) - max(0, y1))
    return 1 - seen / (height * width)


cutmix_weight.mistake(
    "That is the share of the pasted picture; asked is what is left of the picture itself.",
    lambda height, width, box: 1 - cutmix_weight(height, width, box),
)
cutmix_weight.mistake(
    "Part of the box lies outside the picture. Only what is seen counts: cut it at the border first.",
    lambda height, width, box: 1 - (box[2] - box[0]) * (box[3] - box[1]) / (height * width),
)
cutmix_weight.hints(
    "Cut the box at the picture's border, then compare areas.",
    "1 - (min(width, x2) - max(0, x1)) * (min(height, y2) - max(0, y1)) / (height * width)",
)
cutmix_weight.wrong(lambda height, width, box: 0.5)
