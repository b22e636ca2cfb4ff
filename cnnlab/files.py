"""Writing files whole or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from itertools import count
from pathlib import Path

__all__ = ["LEFT_AFTER", "own_part", "left_parts", "replacing"]

# A file that is being written changes every second; one that has not for this long was left by a process that is gone.
LEFT_AFTER = 600.0  # seconds

_numbers = count()


def own_part(path: Path) -> Path:
    """A name beside ``path`` that no other process and no other call writes to."""
    return path.with_name(f"{path.name}.{os.getpid()}-{next(_numbers)}.part")


def left_parts(path: Path, after: float = LEFT_AFTER) -> list[Path]:
    """What killed writers of ``path`` have left beside it: parts that nobody has written to for ``after`` seconds."""
    left = []
    for part in path.parent.glob(f"{escape(path.name)}.*.part"):
        with suppress(OSError):  # gone by now
            ours = re.fullmatch(r"\d+(-\d+)?", part.name[len(path.name) + 1 : -len(".part")])
            if ours and time.time() - part.stat().st_mtime > after:
                left.append(part)
    return left


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside ``path`` to write to, which takes its place when the block has ended without an error.

        with replacing(path) as part:
            part.write_text(text)

    Whoever reads ``path``, and whatever kills the writer, finds the old file or the new one, never a part. The new
    file's name is this process's and this call's own, so that two writers do not meet in it. Folders are created, and
    what killed writers of ``path`` left behind is removed.

    Raises:
        OSError: the file cannot be written; nothing of it is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in left_parts(path):
        with suppress(OSError):
            left.unlink()
    part = own_part(path)
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())  # the rename must not reach the disk before the content
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
