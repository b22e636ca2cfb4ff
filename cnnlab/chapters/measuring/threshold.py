"""Scores of two classes and a threshold between them: what is found, missed and called falsely, and what that costs."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["threshold"]

CURVES = {"roc": "found against false alarms (ROC)", "pr": "precision against recall"}

PANEL = Panel(
    "threshold",
    title="Where to say yes",
    controls=(
        Slider("cut", -3, 7, "threshold", step=0.1, decimals=1),
        Slider("apart", 0.5, 4, "distance of the classes", color="blue", step=0.1, decimals=1),
        Slider("share", 1, 50, "share of the class", color="green", unit=" %"),
        Slider("miss", 1, 50, "cost of a miss", color="red"),
        Choice("curve", "Curve", CURVES),
    ),
    presets={
        "Half and half": {"cut": 1.0, "apart": 2, "share": 50, "miss": 1},
        "One in a hundred": {"cut": 3.3, "apart": 2, "share": 1, "miss": 1},
        "One in a hundred, and dear": {"cut": 1.3, "apart": 2, "share": 1, "miss": 50},
    },
    alt=lambda cut, apart, share, miss, curve: (
        "Two bell curves of scores, one for pictures of a class and one for all others, with a threshold between them, "
        "and a curve with a dot for that threshold. At the start the classes are "
        f"{apart} standard deviations apart, {share} % of the pictures show the class, a miss costs {miss} times a "
        f"false alarm and the threshold is {cut}. Sentences give counts, accuracy, precision, recall and cost."
    ),
    room=130,
    hint=145,
)


def threshold(
    cut: float = 1.0,
    apart: float = 2,
    share: int = 10,
    miss: int = 20,
    curve: str = "roc",
    *,
    key: str | None = None,
) -> Explorer:
    """Move a threshold over the scores of two classes; both are normal with a standard deviation of 1.

    Args:
        cut: the threshold, -3 to 7; the others' mean score is 0.
        apart: mean score of the class, 0.5 to 4.
        share: percentage of 1,000 pictures that show the class, 1 to 50.
        miss: what a missed one costs, where a false alarm costs 1; 1 to 50.
        curve: "roc" or "pr".
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a value that its control does not offer.
    """
    return PANEL(cut=cut, apart=apart, share=share, miss=miss, curve=curve, key=key)
