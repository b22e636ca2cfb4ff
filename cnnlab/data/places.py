"""Where data sets are looked for, and what is said when they are nowhere."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = [
    "DEBIAN_DATASETS",
    "DatasetUnavailable",
    "user_cache",
    "search_places",
    "download_place",
    "first_with",
    "unavailable",
    "not_here",
]

DEBIAN_DATASETS = Path("/usr/share/datasets")


class DatasetUnavailable(RuntimeError):
    """A data set is not on this machine and could not be fetched. One line: what failed, and what serves instead."""


def user_cache() -> Path:
    """Where downloads and decoded copies go: CNNLAB_CACHE/data, else ``~/.cache/cnnlab/data``. It need not exist."""
    from cnnlab.download import cache_folder

    return cache_folder("data")


def search_places(root: str | Path | None = None) -> list[Path]:
    """The folders that are searched, in order: ``root``, CNNLAB_DATA, the user's cache, Debian's data sets."""
    places = [] if root is None else [Path(root).expanduser()]
    if chosen := os.environ.get("CNNLAB_DATA", "").strip():
        places.append(Path(chosen).expanduser())
    return [*places, user_cache(), DEBIAN_DATASETS]


def download_place(root: str | Path | None = None) -> Path:
    """Where a download goes: ``root`` if given, else the user's cache."""
    return user_cache() if root is None else Path(root).expanduser()


def first_with(places: list[Path], folders: tuple[str, ...], files: tuple[str, ...]) -> Path | None:
    """The first place/folder that holds every one of ``files``, raw or with the suffix .gz."""
    for place in places:
        for folder in folders:
            candidate = place / folder
            if all((candidate / name).is_file() or (candidate / f"{name}.gz").is_file() for name in files):
                return candidate
    return None


def unavailable(name: str, why: str, instead: str = "digits") -> DatasetUnavailable:
    """The one line for a data set that cannot be had (returned, so that the caller can ``raise ... from None``)."""
    why = " ".join(str(why).split()).rstrip(".")
    return DatasetUnavailable(
        f"{name}: {why}. Until then load_dataset({instead!r}) serves: it is bundled and needs no network. "
        f"A copy of {name} on a disk is found when CNNLAB_DATA names its folder."
    )


def not_here(root: str | Path | None = None) -> str:
    """In words: the data set is in none of the places, and downloading was not allowed."""
    places = ", ".join(str(place) for place in search_places(root))
    return f"not found in {places}, and download=False"
