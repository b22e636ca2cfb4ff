"""A trained ResNet and a trained plain network of which blocks can be switched off, in the page."""

from __future__ import annotations

from typing import Any

from cnnlab.chapters.resnet.taken_apart import BLOCKS, bundled_pictures, picture_names, trained
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Select, Toggle

__all__ = ["left_out"]

LABELS = tuple(f"{block[5]}.{int(block[7]) + 1}" for block in BLOCKS)
_ALL_ON = {f"off{k}": False for k in range(len(BLOCKS))}


def left_out(picture: int = 0, *, off: tuple[str, ...] = (), look: str = "2.2", key: str | None = None) -> Explorer:
    """Switch blocks off in a ResNet and in the plain network of its depth, and see what each of them says then.

    Both are networks of 20 layers, recorded on Fashion-MNIST (``experiments/look_inside.py``). A block that is off
    passes on its input, as its shortcut would. Every answer and the count of right ones are computed in the page.

    Args:
        picture: which of the 60 test pictures, row by row.
        off: blocks that are off at the start, such as ("2.2",): stage and place in it.
        look: the block whose maps are shown.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a picture or a block that there is not.
    """
    from cnnlab.errors import unknown_name
    from cnnlab.ship.page import export_page
    from cnnlab.widgets.networks import last_layers

    for block in (*off, look):
        if block not in LABELS:
            raise unknown_name("block", block, LABELS)
    pages = {name: export_page(trained(name), bits=8) for name in ("ResNet", "plain")}
    ends = {name: last_layers(page, ["conv1", *BLOCKS, "mean"]) for name, page in pages.items()}
    blocks: list[dict[str, Any]] = []
    for k, label in enumerate(LABELS):
        halves = k in (3, 6)  # the first of a stage has half the sides and twice the maps
        places = {name: [own[k], own[k + 1]] for name, own in ends.items()}
        blocks.append({"label": label, "stride": 2 if halves else 1, "more": (8 * k // 3 if halves else 0), **places})
    data = bundled_pictures()
    names = picture_names(data)
    panel = Panel(
        "left_out",
        title="Without a block",
        controls=(
            *(Toggle(f"off{k}", label) for k, label in enumerate(LABELS)),
            Select("picture", "Picture", names),
            Choice("look", "Maps after", dict(enumerate(LABELS))),
        ),
        presets={
            "All on": _ALL_ON,
            "One off": _ALL_ON | {"off4": True},
            "Three off": _ALL_ON | {"off1": True, "off4": True, "off7": True},
            "A halving off": _ALL_ON | {"off6": True},
        },
        alt=lambda picture, look, **state: (
            "A contact sheet of 60 pictures of clothes, the answers of a ResNet and a plain network of 20 layers to a "
            "chosen one, how many of all pictures each has right, and maps of both. Any of the nine blocks can be "
            f"switched off; at the start {sum(state.values()) or 'none'} "
            f"{'is' if sum(state.values()) < 2 else 'are'} off. The chosen picture is {names[picture]}."
        ),
        room=125,
        hint=85,
        variables={"tally": None},
    )
    state = {f"off{k}": label in off for k, label in enumerate(LABELS)}
    return panel(
        picture=picture,
        look=LABELS.index(look),
        **state,
        data={"blocks": blocks, **pages, **data},
        key=key,
    )
