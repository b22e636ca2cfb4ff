"""The thousand classes of the contest in WordNet's tree: each synset's name and the more general one above it.

Needs timm, for the order of the classes, and WordNet 3.0's ``data.noun`` (Debian: wordnet-base), whose offsets are the
numbers of ImageNet's synsets. A few synsets have two above them (a dog is a canine and a domestic animal); the first
that WordNet names is taken, so that what comes out is a tree.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from experiments.facts import record

LICENSE = (
    "WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. Permission to use, copy, modify and "
    "distribute this software and database and its documentation for any purpose and without fee or royalty is hereby "
    "granted, provided that you agree to comply with the following copyright notice and statements, including the "
    "disclaimer, and that the same appear on ALL copies of the software, database and documentation, including "
    'modifications that you make for internal use or for distribution. THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" '
    "AND PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT "
    "LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR FITNESS FOR ANY "
    "PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY "
    "THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The name of Princeton University or Princeton may "
    "not be used in advertising or publicity pertaining to distribution of the software and/or database. Title to "
    "copyright in this software, database and any associated documentation shall at all times remain with Princeton "
    "University and LICENSEE agrees to preserve same."
)


def nouns(lines: list[str]) -> dict[str, tuple[str, list[str]]]:
    """Offset -> the synset's first word and the offsets of those above it, as ``wndb(5)`` describes the file."""
    found = {}
    for line in lines:
        if line.startswith(" "):  # the license at the top
            continue
        fields = line.split(" | ")[0].split()
        words = int(fields[3], 16)
        pointers = fields[4 + 2 * words + 1 :]
        groups = [pointers[i : i + 4] for i in range(0, len(pointers), 4)]
        # "@" is a more general synset, "@i" the one that a proper name is an instance of.
        above = [offset for symbol, offset, _, _ in groups if symbol in ("@", "@i")]
        found[fields[0]] = fields[4].replace("_", " "), above
    return found


def make(file: str | None) -> dict[str, Any]:
    synsets = (files("timm") / "data/_info/imagenet_synsets.txt").read_text(encoding="utf-8").split()
    dictionary = nouns(Path(file or "/usr/share/wordnet/data.noun").read_text(encoding="utf-8").splitlines())
    places: dict[str, int] = {}
    names: list[str] = []
    above: list[int] = []

    def place(offset: str) -> int:
        if offset not in places:
            name, parents = dictionary[offset]
            parent = place(parents[0]) if parents else -1
            places[offset] = len(names)
            names.append(name)
            above.append(parent)
        return places[offset]

    classes = [place(synset.removeprefix("n")) for synset in synsets]
    several = sum(len(dictionary[offset][1]) > 1 for offset in places)
    return {
        "source": "WordNet 3.0's nouns, and the order of the classes from timm",
        "license": LICENSE,
        "synsets": synsets,
        "classes": classes,
        "names": names,
        "above": above,
        "with several above": several,
    }


if __name__ == "__main__":
    record("imagenet_tree", make, given="WordNet's file data.noun")
