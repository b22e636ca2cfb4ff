"""Results of the long runs: JSON files made by ``experiments/`` and shown by the chapters.

In a checkout they lie in ``book/recorded``; an installed cnnlab carries the same files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnlab.errors import unknown_name

__all__ = ["recorded_folder", "recorded", "runs_by"]


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


def runs_by(record: Mapping[str, Any], *fields: str) -> dict[Any, list[dict[str, Any]]]:
    """A recorded result's runs by the values of ``fields``, each group in the order of the record, seed after seed::

        for (units, rate), runs in runs_by(recorded("tricks_of_2012"), "units", "lr").items():
            print(units, rate, [run["test_error"] for run in runs])

    Args:
        record: what `recorded` gives.
        fields: one or more; of one the keys are its values, of several tuples of values.

    Raises:
        ValueError: for no field, or one that not every run has; the message names the nearest one.
    """
    runs = record["results"]
    if not fields:
        raise ValueError("runs_by got no field; name one or more of what tells the runs apart, such as 'seed'.")
    for field in fields:
        if any(field not in run for run in runs):
            raise unknown_name("field of every run", field, set.intersection(*(set(run) for run in runs)))
    groups: dict[Any, list[dict[str, Any]]] = {}
    for run in runs:
        values = tuple(run[field] for field in fields)
        groups.setdefault(values if len(fields) > 1 else values[0], []).append(run)
    return groups
