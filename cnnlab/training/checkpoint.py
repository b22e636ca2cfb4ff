"""Checkpoints on disk: written whole or not at all, read without running anything that they hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from cnnlab.training.errors import CheckpointError

FORMAT = 1


def write(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` so that a kill at any moment leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            torch.save({"cnnlab_checkpoint": FORMAT, **content}, file)
            file.flush()
            os.fsync(file.fileno())  # the rename must not reach the disk before the content
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


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
