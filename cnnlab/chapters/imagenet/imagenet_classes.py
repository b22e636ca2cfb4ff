"""The thousand classes of the contest as squares that say their names, and WordNet's tree to walk over them."""

from __future__ import annotations

from cnnlab.errors import unknown_name
from cnnlab.results import recorded
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Pick

__all__ = ["imagenet_classes"]

IMAGENET_CLASSES_PRESETS: dict[str, str] = {
    "Dogs": "dog",
    "Animals": "animal",
    "Things made": "artifact",
    "People": "person",
    "Food": "food",
}

# Of each synset its name and the one above it, and of each class its synset.
_TREE = recorded("imagenet_tree")


def _below(node: int) -> list[int]:
    """The classes that a synset holds: those from which the way up passes it."""
    found = []
    for place, step in enumerate(_TREE["classes"]):
        while step not in (node, -1):
            step = _TREE["above"][step]
        if step == node:
            found.append(place)
    return found


def _node(word: str) -> int:
    if word not in _TREE["names"]:
        raise unknown_name("synset", word, _TREE["names"])
    nodes = [place for place, name in enumerate(_TREE["names"]) if name == word]
    return max(nodes, key=lambda place: len(_below(place)))


_ALT = "A grid of 1000 squares, one for each class of the contest, and the way up WordNet from a chosen class."

PANEL = Panel(
    "imagenet_classes",
    title="A thousand classes",
    controls=(Pick("picture", "1000 squares. Arrow keys choose a class.", sets=("at",)),),
    alt=lambda: _ALT,
    room=81,
    hint=54,
    presets={name: {"node": _node(word)} for name, word in IMAGENET_CLASSES_PRESETS.items()},
    trying="Places to start",
    variables={"node": 0, "at": 0},
)


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
    node = _node(synset)
    held = len(_below(node))
    classes = "class" if held == 1 else "classes"
    data = {
        "names": _TREE["names"],
        # Numbers as differences: they are small, which makes the output a seventh smaller.
        "above": [place - above for place, above in enumerate(_TREE["above"])],
        "classes": [own - before for before, own in zip([0, *_TREE["classes"]], _TREE["classes"])],
    }
    alt = f"{_ALT} At the start the {held} {classes} below {synset!r} are lit."
    return PANEL(node=node, data=data, alt=alt, key=key)
