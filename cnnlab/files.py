"""Writing files whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_numbers = count()


def own_part(path: Path) -> Path:
    """A name beside ``path`` that no other process and no other call writes to."""
    return path.with_name(f"{path.name}.{os.getpid()}-{next(_numbers)}.part")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside ``path`` to write to, which takes its place when the block has ended without an error.

        with replacing(path) as part:
            part.write_text(text)

    Whoever reads ``path``, and whatever kills the writer, finds the old file or the new one, never a part. The new
    file's name is this process's and this call's own, so that two writers do not meet in it. Folders are created.

    Raises:
        OSError: the file cannot be written; nothing of it is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = own_part(path)
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())  # the rename must not reach the disk before the content
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
