"""A trained GoogLeNet of which the branches of a module, or of all, can be switched off, in the page."""

from __future__ import annotations

from cnnlab.chapters.resnet.taken_apart import bundled_pictures, picture_names, trained
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Select, Toggle

__all__ = ["branch_off"]

MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
BRANCHES = ("1 × 1", "3 × 3", "5 × 5", "pooling")
_ALL_ON = {f"off{k}": False for k in range(4)}


def branch_off(module: str = "3b", *, off: tuple[str, ...] = (), picture: int = 0, key: str | None = None) -> Explorer:
    """Switch branches of a trained GoogLeNet off and see its maps, its answer, and how many pictures it still reads.

    The network has an eighth of GoogLeNet's widths and was recorded on Fashion-MNIST (``experiments/look_inside.py``).
    A branch that is off gives maps of zeros. All is computed in the page.

    Args:
        module: "3a" to "5b", the one that is looked into.
        off: of "1 × 1", "3 × 3", "5 × 5" and "pooling", those that are off at the start.
        picture: which of the 60 test pictures, row by row.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a module, a branch or a picture that there is not.
    """
    from cnnlab.errors import unknown_name
    from cnnlab.ship.page import export_page

    for branch in off:
        if branch not in BRANCHES:
            raise unknown_name("off", branch, BRANCHES)
    if module not in MODULES:
        raise unknown_name("module", module, MODULES)
    page = export_page(trained("GoogLeNet"), bits=8)
    joined = [layer["from"] for layer in page["layers"] if layer["op"] == "concat"]
    modules = [
        # The 1 x 1 branch is one layer, so that what it reads is what the module reads.
        {"label": label, "branches": branches, "from": page["layers"][branches[0]]["from"][0]}
        for label, branches in zip(MODULES, joined, strict=True)
    ]
    data = bundled_pictures()
    names = picture_names(data)
    panel = Panel(
        "branch_off",
        title="Without a branch",
        controls=(
            Choice("module", "Module", dict(enumerate(MODULES))),
            *(Toggle(f"off{k}", label) for k, label in enumerate(BRANCHES)),
            Choice("where", "in", {"one": "this module", "all": "all nine"}),
            Select("picture", "Picture", names),
        ),
        presets={
            "All on": _ALL_ON,
            "No 5 × 5 anywhere": _ALL_ON | {"off2": True, "where": "all"},
            "No 1 × 1 anywhere": _ALL_ON | {"off0": True, "where": "all"},
            "No pooling anywhere": _ALL_ON | {"off3": True, "where": "all"},
        },
        alt=lambda module, where, picture, **state: (
            "A contact sheet of 60 pictures of clothes, a small GoogLeNet's answers to a chosen one, how many of all "
            "pictures it has right, and the strongest maps of the four branches of a module. Each branch can be "
            f"switched off, in one module or in all. At the start it is module {MODULES[module]}, "
            f"{sum(state.values()) or 'none'} of its branches off, and the picture is {names[picture]}."
        ),
        room=125,
        hint=60,
        variables={"tally": None},
    )
    return panel(
        module=MODULES.index(module),
        where="one",
        picture=picture,
        **{f"off{k}": label in off for k, label in enumerate(BRANCHES)},
        data={"network": page, "modules": modules, **data},
        key=key,
    )
