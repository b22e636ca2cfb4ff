"""Checkpoints on disk: written whole or not at all, read without running anything that they hold.

A checkpoint is a whole training: weights, optimizer, place and history. The best epoch's weights lie in a second file
beside it, so that the first stays small and neither is rewritten for the other.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cnnlab.files import replacing
from cnnlab.training.errors import CheckpointError
from cnnlab.training.recipe import Recipe

if TYPE_CHECKING:
    from cnnlab.data import Dataset
    from cnnlab.training.trainer import Trainer

FORMAT = 1


@dataclass
class Progress:
    """Where a training is.

    Attributes:
        epoch, batch: the next ones, from 0.
        loss_sum, correct, seen: of the epoch in progress; the sums are over images.
        epoch_seconds, seconds: time spent in the epoch in progress and altogether.
        finished: True when a callback ended the training for good.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    finished: bool = False

    def end_epoch(self) -> None:
        """The next epoch begins."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum, self.correct, self.seen, self.epoch_seconds = 0.0, 0, 0, 0.0


def write(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` so that a kill at any moment leaves the old file or the new one."""
    with replacing(path) as part:
        torch.save({"cnnlab_checkpoint": FORMAT, **content}, part)


def read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU. Only tensors and plain values are loaded, never code.

    Raises:
        CheckpointError: damaged, or not written by this module.
    """
    remedy = f"Delete {path} to start again, or give another file as checkpoint=."
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises many kinds: zip, pickle, EOF, Runtime, ...
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(f"The checkpoint {path} is damaged and cannot be read ({reason}). {remedy}") from error
    if not isinstance(content, dict) or content.get("cnnlab_checkpoint") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of cnnlab.fit (format {FORMAT}). {remedy}")
    return content


def best_path(checkpoint: Path) -> Path:
    """The file beside a checkpoint that holds the best epoch's weights."""
    return checkpoint.with_name(f"{checkpoint.stem}.best.pt")


def save(path: Path, trainer: Trainer) -> None:
    """Write everything that the rest of a training depends on."""
    place = asdict(trainer.progress)
    write(
        path,
        {
            "identity": _identity(trainer),
            "epochs": trainer.epochs,
            "epoch": place["epoch"],
            "batch": place["batch"],
            "sums": [place["loss_sum"], place["correct"], place["seen"]],
            "seconds": [place["epoch_seconds"], place["seconds"]],
            "finished": place["finished"],
            "history": trainer.run.history,
            "model": trainer.model.state_dict(),
            "optimizer": trainer.optimizer.state_dict(),
            "scaler": trainer.scaler.state_dict(),
            # The seed is the whole state of the random streams: see the trainer's first lines.
            "seed": trainer.recipe.seed,
        },
    )


def save_best(path: Path, trainer: Trainer) -> None:
    """Write the best epoch's weights beside a checkpoint; they are the newest when this is called."""
    write(best_path(path), {"epoch": trainer.epoch, "model": trainer.run.best_state})


def restore(path: Path, trainer: Trainer) -> Progress:
    """Put a checkpoint's weights, optimizer and history into ``trainer``; returns the place to go on from.

    Raises:
        CheckpointError: damaged, or of another model, data set or set of arguments.
    """
    content = read(path)
    remedy = "Pass resume=False to start again (it will be overwritten), or give another file as checkpoint=."
    ours = _identity(trainer)
    # An argument that the checkpoint does not know came later: its training was one with the default.
    theirs = {**Recipe(epochs=1).config(), **content["identity"]}
    differing = [key for key in ours if theirs.get(key) != ours[key]]
    if trainer.run.config["schedule"] is not None and content["epochs"] != trainer.epochs:
        differing.append("epochs")
        theirs, ours = {**theirs, "epochs": content["epochs"]}, {**ours, "epochs": trainer.epochs}
    if differing:
        said = "; ".join(f"{key}: {theirs.get(key)!r} there, {ours[key]!r} here" for key in differing)
        raise CheckpointError(f"The checkpoint {path} belongs to another training ({said}). {remedy}")
    try:
        trainer.model.load_state_dict(content["model"])
        trainer.optimizer.load_state_dict(content["optimizer"])
        trainer.scaler.load_state_dict(content["scaler"])
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"The checkpoint {path} does not fit this model ({reason}). {remedy}") from error
    trainer.run.history[:], trainer.run.best_state = content["history"], None
    if trainer.run.history and best_path(path).exists():
        best = read(best_path(path))
        # Killed between the two files, the best is of an epoch that is still to be repeated.
        if best["epoch"] == trainer.run.best["epoch"]:
            trainer.run.best_state = best["model"]
    return Progress(content["epoch"], content["batch"], *content["sums"], *content["seconds"], content["finished"])


def _identity(trainer: Trainer) -> dict[str, Any]:
    """What must be equal for a checkpoint to be of this training. Epochs may grow where no schedule counts them."""
    identity = {key: value for key, value in trainer.run.config.items() if key != "epochs"}
    identity["data_fingerprint"] = _fingerprint(trainer.data)
    return identity


def _fingerprint(data: Dataset) -> int:
    """A checksum of all labels and of some images: another subset or another order changes it."""
    images, labels = data.train.images, data.train.labels
    some = images[:: max(1, len(images) // 64)].cpu().contiguous()
    return zlib.crc32(some.numpy().tobytes(), zlib.crc32(labels.cpu().numpy().tobytes()))
