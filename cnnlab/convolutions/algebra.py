"""Formulas with their numbers: how a size or a receptive field comes about, to read as well as to compute with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cnnlab.arithmetic import grow, output_size, receptive_field_of, transposed_output_size

__all__ = ["Formula", "show_output_size", "show_transposed_output_size", "show_receptive_field"]


@dataclass(frozen=True, repr=False)
class Formula:
    """A value and how it came about. Prints as text; a notebook shows it as mathematics.

    Attributes:
        value: The result.
        lines: The steps in plain text.
        latex: The same for a notebook, lines parted by two backslashes, aligned at the ampersands.
    """

    value: int
    lines: tuple[str, ...]
    latex: str

    def __str__(self) -> str:
        return "\n".join(self.lines)

    __repr__ = __str__

    def __int__(self) -> int:
        return self.value

    def _repr_latex_(self) -> str:
        return rf"$$\begin{{aligned}}{self.latex}\end{{aligned}}$$"


def show_output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Formula:
    """`output_size` with its algebra.

    >>> show_output_size(224, 7, stride=2, padding=3)
    H' = floor((H + 2p - d(k - 1) - 1) / s) + 1
       = floor((224 + 2*3 - 1*(7 - 1) - 1) / 2) + 1
       = floor(223 / 2) + 1
       = 112
    """
    value = output_size(size, kernel, stride, padding, dilation)
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    return Formula(
        value,
        (
            "H' = floor((H + 2p - d(k - 1) - 1) / s) + 1",
            f"   = floor(({size} + 2*{padding} - {dilation}*({kernel} - 1) - 1) / {stride}) + 1",
            f"   = floor({room} / {stride}) + 1",
            f"   = {value}",
        ),
        r"H' &= \left\lfloor \frac{H + 2p - d(k - 1) - 1}{s} \right\rfloor + 1 \\ "
        rf"&= \left\lfloor \frac{{{size} + 2 \cdot {padding} - {dilation} \cdot ({kernel} - 1) - 1}}{{{stride}}} "
        rf"\right\rfloor + 1 \\ &= \left\lfloor \frac{{{room}}}{{{stride}}} \right\rfloor + 1 \\ &= {value}",
    )


def show_transposed_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> Formula:
    """`transposed_output_size` with its algebra.

    >>> show_transposed_output_size(7, 3, stride=2, padding=1, output_padding=1)
    H' = s(H - 1) - 2p + d(k - 1) + 1 + o
       = 2*(7 - 1) - 2*1 + 1*(3 - 1) + 1 + 1
       = 14
    """
    value = transposed_output_size(size, kernel, stride, padding, output_padding, dilation)
    return Formula(
        value,
        (
            "H' = s(H - 1) - 2p + d(k - 1) + 1 + o",
            f"   = {stride}*({size} - 1) - 2*{padding} + {dilation}*({kernel} - 1) + 1 + {output_padding}",
            f"   = {value}",
        ),
        r"H' &= s(H - 1) - 2p + d(k - 1) + 1 + o \\ "
        rf"&= {stride} \cdot ({size} - 1) - 2 \cdot {padding} + {dilation} \cdot ({kernel} - 1) + 1 + {output_padding} "
        rf"\\ &= {value}",
    )


def show_receptive_field(layers: Iterable[tuple[int, ...]]) -> Formula:
    """`receptive_field_of` with its algebra, one line for each layer. The value is the last field.

    Args:
        layers: ``(kernel,)``, ``(kernel, stride)`` or ``(kernel, stride, dilation)`` for each layer in order.

    >>> show_receptive_field([(3,), (3, 2), (3, 1, 2)])
    start    r = 1                     j = 1
    layer 1  r = 1 + 1*(3 - 1)*1 = 3   j = 1*1 = 1
    layer 2  r = 3 + 1*(3 - 1)*1 = 5   j = 1*2 = 2
    layer 3  r = 5 + 2*(3 - 1)*2 = 13  j = 2*1 = 2
    """
    layers = [tuple(layer) for layer in layers]
    receptive_field_of(layers)  # says what is wrong with them
    size, jump = 1, 1
    rows = [("start", "r = 1", "j = 1")]
    latex = [r"r_0 &= 1, & j_0 &= 1"]
    for number, layer in enumerate(layers, 1):
        kernel, stride, dilation = (*layer, 1, 1)[:3]
        wider, step = grow(size, jump, kernel, stride, dilation)
        rows.append(
            (
                f"layer {number}",
                f"r = {size} + {dilation}*({kernel} - 1)*{jump} = {wider}",
                f"j = {jump}*{stride} = {step}",
            )
        )
        latex.append(
            rf"r_{{{number}}} &= {size} + {dilation} \cdot ({kernel} - 1) \cdot {jump} = {wider}, & "
            rf"j_{{{number}}} &= {jump} \cdot {stride} = {step}"
        )
        size, jump = wider, step
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = tuple("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
    return Formula(size, lines, r" \\ ".join(latex))
