"""Callbacks that write the history down while it grows: for a spreadsheet, and for TensorBoard."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.files import replacing

if TYPE_CHECKING:
    from cnnlab.training.run import Run
    from cnnlab.training.trainer import Trainer

__all__ = ["CSVLogger", "TensorBoardLogger"]


@dataclass(frozen=True)
class CSVLogger:
    """The history as a CSV file, a row for each epoch: ``fit(..., callbacks=[CSVLogger("run.csv")])``.

    It is written anew from the history, so that a resumed training's file has the epochs before.
    """

    path: str | Path

    def on_epoch_end(self, run: Run, trainer: Trainer) -> None:
        if not trainer.processes.main:
            return
        with replacing(Path(self.path).expanduser()) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(run.history[-1]), restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(run.history)


@dataclass
class TensorBoardLogger:
    """The history for TensorBoard: each loss and measure as a curve by epoch, training and measured set in one chart.

    Needs the package ``tensorboard``. A resumed training goes on in the same folder.
    """

    folder: str | Path
    _writer: Any = field(default=None, init=False, repr=False)
    _written: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "TensorBoardLogger needs the package tensorboard, which is not here: pip install tensorboard. "
                "CSVLogger(path) needs none."
            ) from error
        self._make = SummaryWriter

    def on_epoch_end(self, run: Run, trainer: Trainer) -> None:
        if not trainer.processes.main:
            return
        if self._writer is None:
            # What this process did not train was written by the one that did.
            self._written = len(run.history) - 1
            self._writer = self._make(str(Path(self.folder).expanduser()), purge_step=run.history[-1]["epoch"])
        for row in run.history[self._written :]:
            for name, value in row.items():
                part, _, kind = name.partition("_")
                if name != "epoch":
                    self._writer.add_scalar(f"{kind}/{part}" if kind else name, value, row["epoch"])
        self._written = len(run.history)
        self._writer.flush()
