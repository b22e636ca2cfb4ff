"""Getting one file from the network: mirrors in order, resumed, verified, put in place in one step.

Used for data sets and for official weights. What lies at the target is always complete: bytes
arrive in a part file beside it, are verified there, and only then take the final name. A download that ends early
leaves ``<name>.part``, which the next one takes over; while it runs, the part has a name of its own, so that two
processes that want one file do not meet in it.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import string
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from cnnlab.devices import watched
from cnnlab.files import left_parts, own_part

__all__ = [
    "CHUNK",
    "ATTEMPTS",
    "TIMEOUT",
    "LARGEST",
    "DownloadError",
    "cache_folder",
    "verify",
    "download",
    "read_address",
]

CHUNK = 1 << 18  # bytes per read
ATTEMPTS = 5  # per mirror, as long as each brings more bytes than the last
TIMEOUT = 30.0  # seconds without a byte
LARGEST = 1 << 32  # bytes of a file whose size nobody has said: more than any that is fetched here
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DownloadError(RuntimeError):
    """No mirror gave the file that was wanted. The message is one line with the reason and the remedy."""


class _Corrupt(Exception):
    """All bytes arrived, and they are not the file that was wanted."""


def cache_folder(kind: str) -> Path:
    """The folder for downloads of one kind ("data", "weights"): CNNLAB_CACHE, else the user's cache.

    It is not created here; :func:`download` does that.
    """
    chosen = os.environ.get("CNNLAB_CACHE")
    if chosen:
        return Path(chosen).expanduser() / kind
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "cnnlab" / kind


def verify(path: Path, *, sha256: str | None = None, md5: str | None = None, size: int | None = None) -> str | None:
    """What is wrong with the file, in words, or None when it is the one that was wanted.

    Args:
        path: an existing file.
        sha256: the digest in hexadecimal, or its first 8 digits or more.
        md5: the whole digest in hexadecimal.
        size: the length in bytes.
    """
    actual_size = path.stat().st_size
    if size is not None and actual_size != size:
        return f"it has {actual_size:,} bytes instead of {size:,}"
    for algorithm, wanted in (("sha256", sha256), ("md5", md5)):
        if wanted is None:
            continue
        digest = hashlib.new(algorithm, usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        if not digest.hexdigest().startswith(wanted.lower()):
            return f"its {algorithm} is {digest.hexdigest()[:8]}... instead of {wanted[:8]}..."
    return None


def download(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size: int | None = None,
    progress: bool = True,
    what: str,
) -> Path:
    """Fetch one file unless a good copy is already at ``target``.

    A download that was interrupted is resumed (on any mirror) when a checksum is known to
    prove the result; without one it starts again, since nothing could tell a mixture.

    Args:
        urls: mirrors, tried in order.
        target: where the file goes; its folder is created.
        sha256: expected digest in hexadecimal, whole or its first 8 digits or more.
        md5: expected digest in hexadecimal.
        size: expected length in bytes.
        progress: show a progress bar, where somebody is looking (``cnnlab.devices.watched``).
        what: the file in a reader's words ("MNIST training images"), for the bar and the errors.

    Returns:
        ``target``, holding the verified file.

    Raises:
        DownloadError: every mirror failed; one line that says why and what to do.
        ValueError: no URL, or a checksum that is not hexadecimal.
    """
    if isinstance(urls, str):
        urls = [urls]
    if not urls:
        raise ValueError(f"urls=[] names no place to get {what} from; give at least one URL.")
    for name, value, shortest, longest in (("sha256", sha256, 8, 64), ("md5", md5, 32, 32)):
        if value is not None and not (shortest <= len(value) <= longest and set(value) <= set(string.hexdigits)):
            raise ValueError(
                f"{name}={value!r} is not a digest: {shortest} to {longest} hexadecimal digits are wanted."
            )
    target = Path(target)

    def problem_here() -> str | None:
        return verify(target, sha256=sha256, md5=md5, size=size) if target.is_file() else "it is not there"

    damage = problem_here()
    if damage is None:
        return target
    resumable = sha256 is not None or md5 is not None
    reasons: list[str] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _part(target, resumable) as part:
            if _fetch(urls, part, target, reasons, sha256=sha256, md5=md5, size=size, progress=progress, what=what):
                return target
    except OSError as error:  # only the disk's get here
        if problem_here() is None:
            return target
        raise DownloadError(
            f"{what} could not be written to {target.parent}: {error.strerror or error}. {_remedy(error)}"
        ) from None
    if problem_here() is None:  # another process has put it there in the meantime
        return target
    there = f" The copy at {target} is damaged: {damage}." if target.is_file() else ""
    raise DownloadError(
        f"{what} could not be downloaded ({'; '.join(reasons)}).{there} "
        f"Check the network connection and try again, or put the {'right ' if there else ''}file at {target} yourself."
    )


def read_address(address: str, most: int, *, timeout: float = TIMEOUT) -> bytes:
    """What lies at an address that a reader gives, in memory; for one small file, such as a picture.

    Args:
        address: beginning with http:// or https://.
        most: bytes that are accepted.
        timeout: seconds without a byte.

    Raises:
        ValueError: no such address.
        DownloadError: it could not be reached, answers with an error or holds more; one line.
    """
    try:
        parts = urlsplit(address)
    except ValueError:  # half a bracket
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"address={address!r} is no web address: give one that begins with https:// or http://.")
    request = urllib.request.Request(address, headers={"User-Agent": "cnnlab"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            content = response.read(most + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"{parts.hostname} answers {error.code} {error.reason}: check the address.") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        why = str(getattr(error, "reason", "") or error or type(error).__name__)
        raise DownloadError(
            f"{parts.hostname} could not be reached ({why}). Check the network connection, or give a file of this "
            "machine."
        ) from None
    if len(content) > most:
        raise DownloadError(f"{address} holds more than {most / 1e6:.0f} MB: give a smaller file.")
    return content


def _remedy(error: OSError) -> str:
    """What to do about a file that could not be written, by the reason."""
    if error.errno in _FULL:
        return "The disk is full: free some space there, or set CNNLAB_CACHE to another folder."
    return "Set CNNLAB_CACHE to a folder that can be written, or make this one so."


@contextmanager
def _part(target: Path, resumable: bool) -> Iterator[Path]:
    """This call's own part file for ``target``: one that was left, if there is any, and it will be left in its turn."""
    left = target.with_name(f"{target.name}.part")
    part = own_part(target)
    # Whoever renames it has it, and nobody else. A part with the name of a call belongs to a killed one if no byte has
    # come for longer than a call would wait.
    for candidate in (left, *left_parts(target, after=4 * TIMEOUT)):
        with suppress(OSError):
            if part.exists() or not resumable:
                candidate.unlink()
            else:
                os.utime(candidate)  # it is somebody's again
                os.rename(candidate, part)
    try:
        yield part
    finally:
        with suppress(OSError):
            if resumable:
                os.replace(part, left)
            else:
                part.unlink()


def _fetch(
    urls: Sequence[str],
    part: Path,
    target: Path,
    reasons: list[str],
    *,
    sha256: str | None,
    md5: str | None,
    size: int | None,
    progress: bool,
    what: str,
) -> bool:
    """Try the mirrors in order until one has brought the file to ``target``; ``reasons`` gets why others did not.

    Raises:
        OSError: the disk refused.
    """
    resumable = sha256 is not None or md5 is not None
    for url in urls:
        reason = ""
        for _ in range(ATTEMPTS):
            if not resumable:
                part.unlink(missing_ok=True)
            had = part.stat().st_size if part.exists() else 0
            try:
                _receive(url, part, progress=progress, what=what, size=size)
                if problem := verify(part, sha256=sha256, md5=md5, size=size):
                    raise _Corrupt(f"the file is corrupt: {problem}")
                os.replace(part, target)
                return True
            except _Corrupt as error:
                part.unlink(missing_ok=True)
                reason = str(error)
                if not had:  # a whole file from this mirror is wrong: asking again gives the same
                    break  # (a continued one may have started from a bad part, which is gone now)
            except urllib.error.HTTPError as error:
                reason = f"HTTP {error.code} {error.reason}"
                error.close()
                break
            except (OSError, http.client.HTTPException) as error:
                if _of_the_disk(error):
                    raise
                reason = str(getattr(error, "reason", "") or error or type(error).__name__)
                if (part.stat().st_size if part.exists() else 0) <= had:
                    break  # not a byte more than before: the next mirror
        reasons.append(f"{urlsplit(url).netloc or url}: {reason}")
    return False


def _receive(url: str, part: Path, *, progress: bool, what: str, size: int | None) -> None:
    """Append the rest of the file at ``url`` to ``part``.

    Raises:
        _Corrupt: more than ``size`` bytes came.
        OSError, http.client.HTTPException: the network or the disk failed; what arrived is kept in ``part``.
    """
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "cnnlab", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if start and error.code == 416:  # nothing left to send: either complete or not this file; verify() decides
            error.close()
            return
        raise
    with response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if not resumed:
            start = 0  # the server sends the whole file
        rest = response.headers.get("Content-Length")
        total = start + int(rest) if rest and rest.isdigit() else None
        received, most = start, size if size is not None else total or LARGEST
        with part.open("ab" if resumed else "wb") as file, _bar(what, total, start, progress) as bar:
            while block := response.read(CHUNK):
                file.write(block)
                received += len(block)
                if received > most:  # a server may send for ever
                    raise _Corrupt(f"the file is corrupt: it has more than {most:,} bytes")
                bar.update(len(block))
    if total is not None and received < total:
        raise ConnectionError(f"the connection ended after {received:,} of {total:,} bytes")


def _of_the_disk(error: Exception) -> bool:
    """Whether an OSError is about a file and not about the network (urllib's errors are OSErrors too)."""
    return isinstance(error, OSError) and (error.filename is not None or error.errno in _FULL)


def _bar(what: str, total: int | None, start: int, progress: bool):
    from tqdm import tqdm

    quiet = not (progress and watched(sys.stderr))
    return tqdm(total=total, initial=start, desc=what, unit="B", unit_scale=True, unit_divisor=1024, disable=quiet)
