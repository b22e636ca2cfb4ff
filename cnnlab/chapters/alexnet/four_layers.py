"""A network of four layers for small pictures, on which the chapter tries what was new in 2012."""

from __future__ import annotations

from torch import nn

__all__ = ["four_layers"]

RAW = 64  # where `fit` hands on pixels that deviate by 1


def four_layers(
    units: str = "relu",
    *,
    norm: bool = False,
    overlap: bool = True,
    dropout: float = 0.0,
    width: int = 16,
    in_channels: int = 3,
    num_classes: int = 10,
    side: int = 32,
) -> nn.Sequential:
    """Three convolutions, a dense layer. Shape: (N, C, side, side) -> (N, num_classes).

    ``units`` is "relu" or "tanh"; ``side`` is a multiple of 8. The convolutions start
    with the variance gain^2 / inputs, the dense layer at zero.
    """
    layers: list[nn.Module] = []
    before = in_channels
    for number, channels in enumerate((width, width, 2 * width)):
        conv = nn.Conv2d(before, channels, kernel_size=5, padding=2)
        nn.init.kaiming_normal_(conv.weight, nonlinearity=units)
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.ReLU() if units == "relu" else nn.Tanh()]
        if norm and number < 2:
            # The paper's numbers, for pixels of 0 to 255 that deviate by RAW.
            alpha = 5 * 1e-4 * RAW**2
            layers.append(nn.LocalResponseNorm(5, alpha, beta=0.75, k=2))
        pool = nn.MaxPool2d(3, 2, padding=1) if overlap else nn.MaxPool2d(2)
        layers.append(pool)
        before = channels
    dense = nn.Linear(before * (side // 8) ** 2, num_classes)
    nn.init.zeros_(dense.weight)
    nn.init.zeros_(dense.bias)
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), dense)
