"""Checkpoints on disk: written whole or not at all, read without running anything that they hold.

A checkpoint is a whole training: weights, optimizer, place and history. The best epoch's weights lie in a second file
beside it, so that the first stays small and neither is rewritten for the other.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import reason_of
from cnnlab.files import Damaged, own_part, read_tensors, write_tensors
from cnnlab.training import ema
from cnnlab.training.errors import CheckpointError
from cnnlab.training.recipe import Recipe
from cnnlab.training.records import ALL

if TYPE_CHECKING:
    from cnnlab.training.run import Run
    from cnnlab.training.trainer import Trainer

__all__ = ["FORMAT", "Progress", "place", "check_place", "write", "read", "best_path", "save", "save_best", "restore"]

FORMAT = 1
# What is recorded only where it is something else.
_DEFAULTS = {"trains": ALL, "sync_batch_norm": False}
# What `save` writes and `restore` reads.
_WRITTEN = ("identity", "epochs", "epoch", "batch", "sums", "seconds", "finished", "history")
_WRITTEN += ("model", "optimizer", "scaler")


@dataclass
class Progress:
    """Where a training is.

    Attributes:
        epoch, batch: the next ones, from 0.
        loss_sum, measures, seen: of the epoch in progress; the sums are over images, of each measure by its name.
        epoch_seconds, seconds: time spent in the epoch in progress and altogether.
        finished: True when a callback ended the training for good.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    measures: dict[str, float] = field(default_factory=dict)
    seen: int = 0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    finished: bool = False

    def add(self, count: int, loss: float, measures: dict[str, float]) -> None:
        """A batch of ``count`` images was read: the mean of their losses, and the sum of each measure."""
        self.loss_sum += loss * count
        self.seen += count
        for name, value in measures.items():
            self.measures[name] = self.measures.get(name, 0) + value

    def mean(self, name: str) -> float | None:
        """The epoch's mean of "loss" or of a measure so far; None before its first batch."""
        if not self.seen:
            return None
        return (self.loss_sum if name == "loss" else self.measures.get(name, 0)) / self.seen

    def end_epoch(self) -> None:
        """The next epoch begins."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum, self.measures, self.seen, self.epoch_seconds = 0.0, {}, 0, 0.0


def place(path: str | Path) -> Path:
    """Raises: CheckpointError: it names a folder."""
    file = Path(path).expanduser()
    if not str(path) or file.is_dir():
        raise CheckpointError(f"checkpoint={str(path)!r} is a folder: give a file in it, such as {file / 'run.pt'}.")
    return file


_ELSEWHERE = "Give a file in a folder that can be written, with room for it, as checkpoint=."


def check_place(path: Path, needed: int) -> None:
    """Whether a checkpoint can be written to ``path``, asked before an epoch is spent.

    Args:
        needed: bytes that it will take at least.

    Raises:
        CheckpointError: no, and why.
    """
    part = own_part(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(b"cnnlab")
        finally:
            part.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be written: {reason_of(error)}. {_ELSEWHERE}") from error
    if free < needed:
        raise CheckpointError(
            f"The checkpoint {path} cannot be written: it takes {needed:,} bytes or more, and {free:,} are free there. "
            f"{_ELSEWHERE}"
        )


def write(path: Path, content: dict[str, Any], run: Run | None = None) -> None:
    """Write ``content`` to ``path`` so that a kill at any moment leaves the old file or the new one.

    Raises:
        CheckpointError: it cannot be written; with ``run``, and an older file is as it was.
    """
    try:
        write_tensors(path, {"cnnlab_checkpoint": FORMAT, **content})
    except OSError as error:
        kept = "" if run is None else f" This error's .run has the {len(run.history)} finished epochs."
        raise CheckpointError(
            f"The checkpoint {path} could not be written: {reason_of(error)}. {_ELSEWHERE} "
            f"The model holds its last weights.{kept}",
            run,
        ) from error


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU. Only tensors and plain values are loaded, never code.

    Raises:
        CheckpointError: damaged, or not written by this module.
    """
    remedy = f"Delete {path} to start again, or give another file as checkpoint=."
    try:
        content = read_tensors(path)
    except Damaged as error:
        raise CheckpointError(f"The checkpoint {path} is damaged and cannot be read ({error}). {remedy}") from error
    except OSError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be opened: {reason_of(error)}. {remedy}") from error
    if not isinstance(content, dict) or content.get("cnnlab_checkpoint") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of cnnlab.fit (format {FORMAT}). {remedy}")
    return content


def best_path(checkpoint: Path) -> Path:
    """The file beside a checkpoint that holds the best epoch's weights: run.best.pt for run.pt, net.v1.best for net.v1.

    No two checkpoints share one, whatever their suffix: what follows the last dot may be a part of the name ("lr0.01").
    """
    own = f"{checkpoint.stem}.best.pt" if checkpoint.suffix == ".pt" else f"{checkpoint.name}.best"
    return checkpoint.with_name(own)


def save(path: Path, trainer: Trainer) -> None:
    """Write everything that the rest of a training depends on."""
    at = asdict(trainer.progress)
    write(
        path,
        {
            "identity": _identity(trainer),
            "epochs": trainer.epochs,
            "epoch": at["epoch"],
            "batch": at["batch"],
            "sums": [at["loss_sum"], at["measures"], at["seen"]],
            "seconds": [at["epoch_seconds"], at["seconds"]],
            "finished": at["finished"],
            "history": trainer.run.history,
            "tested": trainer.run.tested,
            "model": trainer.model.state_dict(),
            "optimizer": trainer.optimizer.state_dict(),
            "scaler": trainer.scaler.state_dict(),
            "ema": None if trainer.averaged is None else trainer.averaged.saved(),
            # The seed is the whole state of the random streams: see the trainer's first lines.
            "seed": trainer.recipe.seed,
        },
        trainer.run,
    )


def save_best(path: Path, trainer: Trainer) -> None:
    """Write the best epoch's weights beside a checkpoint; they are the newest when this is called."""
    content = {"identity": _identity(trainer), "epoch": trainer.epoch, "model": trainer.run.best_state}
    write(best_path(path), content, trainer.run)


def restore(path: Path, trainer: Trainer) -> Progress:
    """Put a checkpoint's weights, optimizer and history into ``trainer``; returns the place to go on from.

    Raises:
        CheckpointError: damaged, or of another model, data set or set of arguments.
    """
    content = read(path)
    if missing := [key for key in _WRITTEN if key not in content]:
        best = "It holds a training's best weights alone. " if "model" in content and "history" in missing else ""
        raise CheckpointError(
            f"{path} is no whole checkpoint: {', '.join(missing)} missing. {best}Give the file that was given as "
            "checkpoint= when the training was written, or another name to start again."
        )
    remedy = "Pass resume=False to start again (it will be overwritten), or give another file as checkpoint=."
    ours = _identity(trainer)
    theirs = {**Recipe(epochs=1).config(), **content["identity"]}
    differing = _differing(content["identity"], ours)
    if trainer.run.config["schedule"] is not None and content["epochs"] != trainer.epochs:
        differing.append("epochs")
        theirs, ours = {**theirs, "epochs": content["epochs"]}, {**ours, "epochs": trainer.epochs}
    if differing:
        theirs, ours = ({**_DEFAULTS, **side} for side in (theirs, ours))
        said = "; ".join(f"{key}: {theirs.get(key)!r} there, {ours[key]!r} here" for key in differing)
        raise CheckpointError(f"The checkpoint {path} belongs to another training ({said}). {remedy}")
    try:
        trainer.model.load_state_dict(content["model"])
        trainer.optimizer.load_state_dict(content["optimizer"])
        trainer.scaler.load_state_dict(content["scaler"])
        if trainer.averaged is not None:
            ema.restored(trainer.averaged, content.get("ema"))
            trainer.run.ema_state = trainer.averaged.state(trainer.model)
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"The checkpoint {path} does not fit this model ({reason_of(error)}). {remedy}"
        ) from error
    trainer.run.history[:], trainer.run.best_state = content["history"], None
    if trainer.run.history and best_path(path).exists():
        best = read(best_path(path))
        # Killed between the two files, the best is of an epoch that is still to be repeated.
        same = not _differing(best.get("identity", {}), content["identity"])
        if best.get("epoch") == trainer.run.best["epoch"] and same:
            trainer.run.best_state = best.get("model")
    trainer.run.tested = content.get("tested")
    loss_sum, measures, seen = content["sums"]
    if not isinstance(measures, dict):  # written when accuracy was the only one
        measures = {"accuracy": measures}
    sums = (loss_sum, measures, seen)
    return Progress(content["epoch"], content["batch"], *sums, *content["seconds"], content["finished"])


def _differing(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """The arguments in which two trainings differ. One that ``theirs`` does not know came later: it had its default."""
    if not theirs:
        return []  # written before a best file knew whose it is
    theirs, ours = {**Recipe(epochs=1).config(), **_DEFAULTS, **theirs}, {**_DEFAULTS, **ours}
    return [key for key in ours if theirs.get(key) != ours[key]]


def _identity(trainer: Trainer) -> dict[str, Any]:
    """What must be equal for a checkpoint to be of this training. Epochs may grow where no schedule counts them."""
    identity = {key: value for key, value in trainer.run.config.items() if key != "epochs"}
    identity["data_fingerprint"] = trainer.parts.train.fingerprint
    return identity
