"""Exercises of the chapter "Training at ImageNet scale"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cnnlab.exercises import exercise

# --- the bill --------------------------------------------------------------------------------------------------------


@exercise(
    "imagenet_scale/hours",
    "What a training takes",
    cases=[(4.09e9, 1_281_167, 90, 312e12, 0.2), (0.7e9, 1_200_000, 90, 3.16e12, 0.33), (1e9, 1000, 1, 1e12, 1.0)],
    tolerance=1e-6,
)
def hours(macs: float, pictures: int, epochs: int, peak: float, utilization: float) -> float:
    """The peak stands on the box. What decides is the share of it that is used, and that you have to measure."""
    return 3 * 2 * macs * pictures * epochs / (peak * utilization) / 3600


hours.mistake(
    "A multiply-accumulate is two operations, and the peak counts operations.",
    lambda macs, pictures, epochs, peak, utilization: hours(macs, pictures, epochs, peak, utilization) / 2,
)
hours.mistake(
    "That is the forward pass alone. The backward pass costs twice as much again.",
    lambda macs, pictures, epochs, peak, utilization: hours(macs, pictures, epochs, peak, utilization) / 3,
)
hours.mistake(
    "The backward pass costs two forward passes, not one: it needs the gradient of the inputs and of the weights.",
    lambda macs, pictures, epochs, peak, utilization: hours(macs, pictures, epochs, peak, utilization) * 2 / 3,
)
hours.mistake(
    "Those are seconds.",
    lambda macs, pictures, epochs, peak, utilization: 6 * macs * pictures * epochs / (peak * utilization),
)
hours.mistake(
    "Of a peak that is used by a fifth, a fifth is left: multiply it by the utilization.",
    lambda macs, pictures, epochs, peak, utilization: hours(macs, pictures, epochs, peak, utilization) * utilization**2,
)
hours.hints(
    "How many operations is one picture, forward and backward? How many pictures are there in all?",
    "6 · macs · pictures · epochs operations, at peak · utilization a second, 3600 seconds an hour.",
)
hours.wrong(lambda macs, pictures, epochs, peak, utilization: 1.0)


@hours.right
def by_days(macs: float, pictures: int, epochs: int, peak: float, utilization: float) -> float:
    forward = 2 * macs * pictures * epochs
    return 24 * (forward + 2 * forward) / (86_400 * peak * utilization)


# --- the learning rate -----------------------------------------------------------------------------------------------


@exercise(
    "imagenet_scale/rate",
    "The learning rate of a large batch",
    cases=[(0.0, 8192), (2.5, 8192), (5.0, 8192), (12.0, 8192), (1.0, 1024), (40.0, 256), (3.0, 256)],
    tolerance=1e-6,
)
def rate(epoch: float, batch: int) -> float:
    """Where the batch is 256 the ramp is flat, and the rule says nothing: it only carries a recipe to other sizes."""
    target = 0.1 * batch / 256
    return target if epoch >= 5 else 0.1 + (target - 0.1) * epoch / 5


rate.mistake(
    "The ramp begins at 0.1, the rate of a batch of 256, not at 0.",
    lambda epoch, batch: 0.1 * batch / 256 * min(1.0, epoch / 5),
)
rate.mistake("The rate grows with the batch: 0.1 for every 256 pictures.", lambda epoch, batch: 0.1)
rate.mistake(
    "Linear, not by the square root: twice the batch, twice the rate.",
    lambda epoch, batch: 0.1 + (0.1 * (batch / 256) ** 0.5 - 0.1) * min(1.0, epoch / 5),
)
rate.mistake("Where is the warm-up? The first five epochs climb.", lambda epoch, batch: 0.1 * batch / 256)
rate.mistake(
    "After five epochs the climb is over; yours goes on.",
    lambda epoch, batch: 0.1 + (0.1 * batch / 256 - 0.1) * epoch / 5,
)
rate.hints(
    "What is the rate at the end of the climb? What is it at its beginning? Between them lies a straight line.",
    "From 0.1 at epoch 0 to 0.1 · batch / 256 at epoch 5, and constant from there.",
)
rate.wrong(lambda epoch, batch: 17.0)


@rate.right
def by_mixing(epoch: float, batch: int) -> float:
    done = min(epoch, 5) / 5
    return 0.1 * (1 - done) + 0.1 * batch / 256 * done


# --- the ring --------------------------------------------------------------------------------------------------------


@exercise(
    "imagenet_scale/ring", "What a ring carries", cases=[(2, 100.0), (4, 100.0), (8, 102.0), (256, 102.0), (1, 9.0)]
)
def ring(processes: int, size: float) -> float:
    """Hardly more for 256 than for 8. That is the whole reason why a ring is used."""
    return 2 * (processes - 1) / processes * size


ring.mistake(
    "That is one round. After it every process has one finished part; a second round hands the parts around.",
    lambda processes, size: (processes - 1) / processes * size,
)
ring.mistake(
    "That is what a process sends that hands all of its gradient to each other one. A ring sends parts.",
    lambda processes, size: (processes - 1) * size,
)
ring.mistake(
    "Each step carries one part, and a part is 1/n of the gradient.", lambda processes, size: 2 * (processes - 1) * size
)
ring.mistake("Each round has n - 1 steps, not n: nobody sends a part to itself.", lambda processes, size: 2 * size)
ring.hints(
    "Cut the gradient into n parts. How many steps does a round have, and how much is sent in each?",
    "Two rounds, each of n - 1 steps, each of size / n.",
)
ring.wrong(lambda processes, size: -1.0)


@ring.right
def by_steps(processes: int, size: float) -> float:
    return sum(size / processes for _ in range(2) for _ in range(processes - 1))


# --- padding ---------------------------------------------------------------------------------------------------------

_RIGHT = (0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1)


@exercise(
    "imagenet_scale/padded",
    "The accuracy that never was",
    cases=[(_RIGHT, 2), (_RIGHT, 4), (_RIGHT, 13), ((1, 0, 0, 1, 1), 3), ((1, 1, 0, 0, 1), 4)],
    tolerance=1e-6,
)
def padded(right: Sequence[int], processes: int) -> float:
    """On 50,000 pictures and eight processes nothing is repeated, which is how the fault stays hidden."""
    missing = -len(right) % processes
    seen = [*right, *right[:missing]]
    return sum(seen) / len(seen)


padded.mistake(
    "That is the true accuracy. What does a sampler that pads to equal shares report?",
    lambda right, processes: sum(right) / len(right),
)
padded.mistake(
    "That leaves the remainder out (drop_last=True). By default the first pictures are taken again.",
    lambda right, processes: sum(right[: len(right) // processes * processes]) / (len(right) // processes * processes),
)
padded.mistake(
    "It is padded with the first pictures, not with the last one.",
    lambda right, processes: (
        (sum(right) + right[-1] * (-len(right) % processes)) / (len(right) + -len(right) % processes)
    ),
)
padded.mistake(
    "The repeated answers are counted above the line and not below it.",
    lambda right, processes: sum([*right, *right[: -len(right) % processes]]) / len(right),
)
padded.hints(
    "How many pictures are missing until each process has as many? Which are taken again?",
    "missing = -len(right) % processes; the mean over [*right, *right[:missing]].",
)
padded.wrong(lambda right, processes: 0.5)


@padded.right
def by_counting(right: Sequence[int], processes: int) -> float:
    share = -(-len(right) // processes)
    places = [number % len(right) for number in range(share * processes)]
    return sum(right[place] for place in places) / len(places)


# --- parts of different size -----------------------------------------------------------------------------------------

_GRADIENTS = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, 0.5], [-1.0, 4.0, 2.0]])


@exercise(
    "imagenet_scale/parts",
    "Parts of different size",
    cases=[(_GRADIENTS, (32, 32, 8)), (_GRADIENTS[:2], (1, 9)), (_GRADIENTS, (5, 1, 3))],
)
def parts(gradients: Tensor, sizes: Sequence[int]) -> Tensor:
    """The last batch of an epoch is the one that is smaller, so the fault is small, and stays."""
    weights = torch.as_tensor(sizes, dtype=gradients.dtype)
    return (weights[:, None] * gradients).sum(dim=0) / weights.sum()


parts.mistake(
    "That counts a part of 8 as much as one of 32. A picture should count as much as any other.",
    lambda gradients, sizes: gradients.mean(dim=0),
)
parts.mistake(
    "That is the sum of the parts' gradients: without dividing, more parts make larger steps.",
    lambda gradients, sizes: gradients.sum(dim=0),
)
parts.mistake(
    "Now divide by the number of pictures in all parts.",
    lambda gradients, sizes: (torch.as_tensor(sizes)[:, None] * gradients).sum(dim=0),
)
parts.mistake(
    "Divide by the number of pictures, not by that of parts.",
    lambda gradients, sizes: (torch.as_tensor(sizes)[:, None] * gradients).sum(dim=0) / len(sizes),
)
parts.hints(
    "Each row is a mean over its own pictures. What is the sum over them?",
    "Σ size · gradient / Σ size.",
)
parts.wrong(lambda gradients, sizes: torch.zeros(3))


@parts.right
def by_pictures(gradients: Tensor, sizes: Sequence[int]) -> Tensor:
    """Every picture with its part's gradient, and the mean over them."""
    return gradients.repeat_interleave(torch.as_tensor(sizes), dim=0).mean(dim=0)
