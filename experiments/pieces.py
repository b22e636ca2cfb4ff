"""What the experiments on masks share: pieces of one picture or volume, drawn and augmented in batches, and their loss.

The data of these experiments are inside packages of others: ``--data`` names a folder with what :func:`packaged` wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from experiments.common import _ROOT

__all__ = ["Pieces", "packaged", "weighted_loss"]

Batch = tuple[Tensor, dict[str, Tensor]]


@dataclass(frozen=True)
class Pieces:
    """Batches for fit: as many as it is long, each drawn anew by ``draw`` from torch's own random numbers.

    Attributes:
        name, source: of what the pieces are of.
        shape: of one of them, (C, H, W) or (C, D, H, W).
        batches: in an epoch.
        draw: () -> (x, {"map": classes of the pixels, "weight": what each counts}).
    """

    name: str
    source: str
    shape: tuple[int, ...]
    batches: int
    draw: Callable[[], Batch]
    test: tuple[()] = ()  # measured at the end, on the whole of what is held back

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Batch]:
        return (self.draw() for _ in range(self.batches))


def weighted_loss(scores: Tensor, y: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of the pixels, each with its weight; of weight 0 do not count."""
    each = F.cross_entropy(scores, y["map"], reduction="none")
    return (each * y["weight"]).sum() / y["weight"].gt(0).sum().clamp(min=1)


def packaged(package: str, folder: str, name: str) -> Path:
    """A file of an installed package, or of the folder of its name in ``--data``; the package is not imported.

    Raises:
        FileNotFoundError: it is in neither.
    """
    here = Path(_ROOT[0] or ".") / package / name
    if here.exists():
        return here
    spec = find_spec(package)
    installed = Path(spec.origin).parent / folder / name if spec and spec.origin else None
    if installed is None or not installed.exists():
        raise FileNotFoundError(
            f"{name} is needed: install {package}, or put {folder}/{name} of its wheel into the folder {package} of "
            "--data."
        )
    return installed
