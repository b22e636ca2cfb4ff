"""Records that are read off something and not trained: the command line and the file of each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnlab.environment import device
from cnnlab.results import recorded_folder
from cnnlab.training.provenance import command_line, provenance
from cnnlab.training.run import write_json


def record(
    name: str,
    make: Callable[[str | None], Mapping[str, Any]],
    arguments: Sequence[str] | None = None,
    *,
    given: str = "folder of the data sets (default: CNNLAB_DATA, or download)",
) -> None:
    """Write what ``make`` finds as ``book/recorded/NAME.json``, with its provenance.

    Args:
        name: of the module and of the file.
        make: (what --data says) -> the record, with a line on where it is from under "source".
        arguments: the command line; None for the process's own.
        given: what --data is, for its help.
    """
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{name}")
    parser.add_argument("--data", default=None, help=given)
    options = parser.parse_args(arguments)
    found = dict(make(options.data))
    words = sys.argv[1:] if arguments is None else arguments
    command = command_line(f"python -m experiments.{name}", words, private=("--data",))
    made = {**provenance(device()), "command": command, "data": {name: found.pop("source")}}
    write_json(recorded_folder() / f"{name}.json", {"name": name, "provenance": made, **found})
