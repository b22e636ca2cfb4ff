"""Networks to choose and ways of asking them: what is corrected and corrupted, what it costs, how sure it is."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Toggle

__all__ = ["ask_again"]

MOST = 6  # networks


def ask_again(ways: Mapping[str, tuple[int, Any]], labels: Sequence[int], *, key: str | None = None) -> Explorer:
    """Choose networks and how often each is asked; see all pictures, the costs and the calibration.

    Args:
        ways: name of a way of asking -> (forward passes for a picture, probabilities of each network). The first is
            what all others are compared with. Shape of each: (networks, N, classes). The page carries their square
            roots, 8 bits each, so that a picture about which two classes are level may fall to the other one.
        labels: the right classes. Shape: (N,).
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: no way, or shapes that do not fit.
    """
    import numpy as np

    tables = {name: np.asarray(table, dtype=np.float64) for name, (_, table) in ways.items()}
    right = np.asarray(labels)
    shapes = {table.shape for table in tables.values()}
    shape = next(iter(shapes), ())
    if len(shapes) != 1 or len(shape) != 3 or shape[1] != len(right) or not 1 <= shape[0] <= MOST:
        raise ValueError(
            f"ways must give one shape (networks, N, classes) with 1 to {MOST} networks and N={len(right)} labels; got "
            f"{sorted(shapes)}."
        )
    networks, count, classes = shape
    first = next(iter(ways))

    def state(chosen: int, way: str) -> dict[str, Any]:
        return {**{f"n{i}": i < chosen for i in range(networks)}, "way": way}

    presets = {"One network": state(1, first), "All networks": state(networks, first)}
    presets |= {f"All, {way}": state(networks, way) for way in list(ways)[1:]}
    panel = Panel(
        "ask_again",
        title="Ask more networks, and more often",
        controls=(
            *(Toggle(f"n{i}", f"network {i + 1}") for i in range(networks)),
            Choice("way", "Each is asked", {way: way for way in ways}),
        ),
        alt=lambda **_: (
            f"{count} small squares, one for each test picture, that show which pictures a choice among {networks} "
            f"networks corrects and which it corrupts, compared with the first network asked once; beside them a "
            "reliability diagram. It starts with one network."
        ),
        trying="To try",
        presets=presets,
        room=235,
        hint=130,
    )
    data = {
        "labels": right.tolist(),
        "classes": classes,
        "networks": networks,
        "ways": {
            name: [passes, b64encode(np.round(255 * np.sqrt(tables[name])).astype(np.uint8).tobytes()).decode()]
            for name, (passes, _) in ways.items()
        },
    }
    return panel(**state(1, first), data=data, key=key)
