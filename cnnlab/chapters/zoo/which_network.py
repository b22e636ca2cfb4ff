"""Which network under a budget, for how many pictures, and on what evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider, Toggle

__all__ = ["Advice", "which_network"]

Advice = Mapping[str, Any]

COSTS = {"params": "parameters", "macs": "MACs", "latency": "time"}
TIMES = (0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 4, 10, 40)
_FIELDS = ("name", "checkpoint1", "params", "macs", "latency", "year", "recipe", "chapter")
# Three checkpoints of torchvision's and what one paragraph may say, for looking at the explorer by itself.
_ROWS = (
    {"name": "resnet18", "checkpoint1": 69.76, "params": 11_689_512, "macs": 1_814_073_344, "recipe": "own"},
    {"name": "resnet50", "checkpoint1": 80.86, "params": 25_557_032, "macs": 4_089_184_256, "recipe": "new"},
    {"name": "mobilenet_v2", "checkpoint1": 72.15, "params": 3_504_872, "macs": 300_774_272, "recipe": "new"},
)
_ADVICE = ({"pictures": "a hundred", "text": "Take features, train a head.", "chapter": "transfer/three_strategies"},)


def which_network(
    rows: Sequence[Mapping[str, Any]] | None = None,
    advice: Sequence[Advice] | None = None,
    *,
    scarce: str = "macs",
    times: float = 0.25,
    pictures: int = 0,
    extra: bool = False,
    beside: str = "resnet50",
    key: str | None = None,
) -> Explorer:
    """The most accurate checkpoints under a budget, with their evidence, and what to do with so many pictures.

    Args:
        rows: of `cnnlab.catalog.zoo.table_rows`, those without ``checkpoint1`` are left out; None shows three.
        advice: for each number of pictures a mapping with ``pictures`` (in words), ``text`` (what was measured) and
            ``chapter``, where it stands ("transfer/three_strategies").
        scarce: what the budget limits: "params", "macs" or "latency".
        times: the budget as a multiple of what the network ``beside`` takes, one of ``TIMES``.
        pictures: which advice is open at the start, from 0.
        extra: whether checkpoints count that saw other pictures than ImageNet's first.
        beside: the name of the row that is the measure.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for no rows with a checkpoint, no row of the name ``beside``, no advice, or a value not offered.
    """
    tested = [row for row in (_ROWS if rows is None else rows) if row.get("checkpoint1") is not None]
    advice = _ADVICE if advice is None else advice
    names = [row["name"] for row in tested]
    if not advice or not tested:
        raise ValueError("rows with a checkpoint1 and a piece of advice are needed; give at least one of each.")
    if beside not in names:
        raise unknown_name("beside", beside, names)
    mixed = any(row.get("extra") for row in tested)
    offered = {cost: words for cost, words in COSTS.items() if tested[names.index(beside)].get(cost) is not None}
    panel = Panel(
        "which_network",
        title="Which network?",
        controls=(
            Choice("pictures", "Labeled pictures", {i: own["pictures"] for i, own in enumerate(advice)}),
            Choice("scarce", "What is scarce", offered),
            Slider("times", TIMES[0], TIMES[-1], f"of what {beside} takes", symbol="×", decimals=None, values=TIMES),
            *([Toggle("extra", "Extra pictures")] if mixed else []),
        ),
        alt=lambda **_: (
            "Buttons for how many labeled pictures there are and for what is scarce, a slider for a budget, and the "
            f"most accurate of {len(tested)} checkpoints within it, with their accuracy, cost and year as a table."
        ),
        room=240,
        variables={} if mixed else {"extra": extra},
    )
    data = {
        "rows": [[row.get(name) for name in _FIELDS] + [bool(row.get("extra"))] for row in tested],
        "beside": names.index(beside),
        "advice": [[own["text"], own["chapter"]] for own in advice],
    }
    start = {"extra": extra} if mixed else {}
    return panel(pictures=pictures, scarce=scarce, times=times, **start, data=data, key=key)
