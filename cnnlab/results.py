"""Results of the long runs: JSON files made by ``experiments/`` and shown by the chapters.

In a checkout they lie in ``book/recorded``; an installed cnnlab carries the same files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cnnlab.errors import unknown_name

__all__ = ["recorded_folder", "recorded"]


def recorded_folder() -> Path:
    """The folder that holds the recorded results: the checkout's, else the installed copy."""
    package = Path(__file__).resolve().parent
    checkout = package.parent / "book" / "recorded"
    return checkout if checkout.is_dir() else package / "recorded_results"


def recorded(name: str) -> dict[str, Any]:
    """The recorded result ``name``, with its provenance under the key "provenance".

    Raises:
        ValueError: no such result; the message names the nearest one.
    """
    folder = recorded_folder()
    path = folder / f"{name}.json"
    if not path.is_file():
        raise unknown_name("recorded result", name, (p.stem for p in folder.glob("*.json")))
    return json.loads(path.read_text(encoding="utf-8"))
