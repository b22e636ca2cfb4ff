"""The thousand classes of the contest as squares that say their names, and WordNet's tree to walk over them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.results import recorded
from cnnlab.widgets.explorer import Explorer

__all__ = ["imagenet_classes"]

IMAGENET_CLASSES_PRESETS: dict[str, str] = {
    "Dogs": "dog",
    "Animals": "animal",
    "Things made": "artifact",
    "People": "person",
    "Food": "food",
}


@lru_cache(maxsize=1)
def _tree() -> dict[str, Any]:
    """Of each synset its name and the one above it, and of each class its synset."""
    record = recorded("imagenet_tree")
    return {name: record[name] for name in ("names", "above", "classes")}


def _below(node: int) -> list[int]:
    """The classes that a synset holds: those from which the way up passes it."""
    tree = _tree()
    found = []
    for place, step in enumerate(tree["classes"]):
        while step not in (node, -1):
            step = tree["above"][step]
        if step == node:
            found.append(place)
    return found


def imagenet_classes(synset: str = "dog", *, key: str | None = None) -> Explorer:
    """1000 squares, one a class, in the contest's order; any synset above them lights the classes that it holds.

    The tree is that of WordNet 3.0, with the first of the more general synsets where there are two
    (``experiments/imagenet_tree.py``).

    Args:
        synset: the first word of the synset that is lit at the start, such as "dog" or "artifact". Where several
            have the same first word, it is the one that holds most classes.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: no class lies below a synset of this name.
    """
    tree = _tree()
    presets = {name: _node(word) for name, word in IMAGENET_CLASSES_PRESETS.items()}
    node = _node(synset)
    held = len(_below(node))
    return Explorer(
        "imagenet_classes",
        {**tree, "start": node, "presets": [*presets.items()]},
        key=key,
        title="A thousand classes",
        alt="A grid of 1000 squares, one for each class of the contest, and the way up WordNet from a chosen class. At "
        f"the start the {held} {'class' if held == 1 else 'classes'} below {synset!r} are lit.",
    )


def _node(word: str) -> int:
    names = _tree()["names"]
    if word not in names:
        raise unknown_name("synset", word, names)
    return max((place for place, name in enumerate(names) if name == word), key=lambda place: len(_below(place)))
