"""The small network that the chapter trains, and its optimizers race with."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["OPTIMIZERS", "small_cnn"]

# Name on the page -> what cnnlab.fit is told; AdamW without a decay of weights would be Adam.
OPTIMIZERS: dict[str, dict[str, str | float]] = {
    "SGD": {"optimizer": "sgd", "momentum": 0.0},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "RMSProp": {"optimizer": "rmsprop"},
    "Adam": {"optimizer": "adam"},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.05},
}


def small_cnn(channels: int = 1, size: int = 8, classes: int = 10, *, width: int = 8, seed: int = 0) -> nn.Sequential:
    """Two convolutions with pooling and a dense layer; the same seed gives the same weights.

    Shape: (N, channels, size, size) -> (N, classes), where 4 divides ``size``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * width * (size // 4) ** 2, classes),
        )
