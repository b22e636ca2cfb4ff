"""Writing files whole or not at all."""

from __future__ import annotations

import io
import os
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any

from cnnlab.errors import reason_of

__all__ = [
    "LEFT_AFTER",
    "own_part",
    "left_parts",
    "replacing",
    "Busy",
    "alone",
    "Damaged",
    "read_tensors",
    "write_tensors",
]

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


class Busy(Exception):
    """Another process, or another call, is at it; the message names the process."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Whatever writes ``path`` in such a block is the only one to do so.

    The lock is the system's, on a file beside ``path``, and ends with its process, however that ends. Windows and some
    network drives have none; there the block runs all the same.

    Raises:
        Busy: somebody else is in such a block.
        OSError: nothing can be written beside ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f"{path.name}.lock")
    file = _locked(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # while it is still ours
        file.close()


def _locked(lock: Path) -> Any:
    try:
        import fcntl
    except ImportError:
        return io.BytesIO()
    while True:
        file = lock.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                raise Busy(f"process {file.read().decode(errors='replace')}") from None
        except OSError:  # a drive without locks
            return file
        # One who had just finished may have removed it between its opening and its locking.
        if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            file.flush()
            return file
        file.close()


class Damaged(Exception):
    """A file of tensors that cannot be read; the message says why."""


def read_tensors(path: Path) -> Any:
    """The content of a file of ``torch.save``, on the CPU. Only tensors and plain values are loaded, never code.

    Raises:
        OSError: it cannot be opened.
        Damaged: it is incomplete, has changed, or holds something else.
    """
    import torch

    with path.open("rb") as file:
        try:
            # torch writes a checksum of each part and does not look at it: a flipped bit would be a weight.
            if zipfile.is_zipfile(file) and (spoilt := zipfile.ZipFile(file).testzip()):
                raise zipfile.BadZipFile(f"its part {spoilt} has changed since it was written")
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
        # torch raises many kinds: zip, pickle, EOF, Runtime, and OSError where the end of the file is missing.
        except Exception as error:
            raise Damaged(reason_of(error)) from error


def write_tensors(path: Path, content: Any) -> None:
    """Write tensors and plain values to ``path`` so that a kill at any moment leaves the old file or the new one.

    Raises:
        OSError: it cannot be written.
    """
    import torch

    # torch's own writer, given a path, says "unexpected pos" where the disk is full; Python's says what it is.
    with replacing(path) as part, part.open("wb") as file:
        torch.save(content, file)
