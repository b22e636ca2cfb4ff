"""A thousand repetitions of one experiment: how often the worse of two recipes wins."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Count, Panel, Slider

__all__ = ["thousand_repeats"]

PICTURES = (100, 200, 500, 1000, 2000, 5000, 10000, 50000)

PANEL = Panel(
    "thousand_repeats",
    title="A thousand repetitions of your experiment",
    controls=(
        Slider("gap", 0, 3, "true difference", color="blue", step=0.1, decimals=1, unit=" points"),
        Slider("pictures", 100, 50000, "test pictures", color="orange", values=PICTURES),
        Slider("seeds", 1, 20, "seeds of each", color="green"),
        Slider("spread", 0, 1.5, "spread of seeds", step=0.1, decimals=1, unit=" points"),
        Slider("apart", 2, 30, "pictures that differ", color="red", unit=" %"),
        Count("lot", 1, 20, "Another thousand", "The thousand before"),
    ),
    presets={
        "One training each": {"gap": 0.5, "pictures": 1000, "seeds": 1, "spread": 0.5, "apart": 12},
        "A huge test set": {"gap": 0.5, "pictures": 50000, "seeds": 1, "spread": 0.5, "apart": 12},
        "Ten seeds": {"gap": 0.5, "pictures": 1000, "seeds": 10, "spread": 0.5, "apart": 12},
        "Ten seeds, a huge test set": {"gap": 0.5, "pictures": 50000, "seeds": 10, "spread": 0.5, "apart": 12},
        "No difference at all": {"gap": 0, "pictures": 10000, "seeds": 1, "spread": 0.5, "apart": 12},
    },
    trying="Experiments to repeat",
    alt=lambda gap, pictures, seeds, spread, apart, lot: (
        "A histogram of what a thousand repetitions of one comparison report, orange where the worse recipe came out "
        f"ahead. At the start the true difference is {gap} points, measured on {pictures:,} pictures with {seeds} "
        f"trainings of each recipe, whose seeds spread by {spread} points, and two networks differ on {apart} % of the "
        "pictures. Sentences say how often the worse recipe wins and what two tests make of it."
    ),
    room=165,
    hint=232,
)


def thousand_repeats(
    gap: float = 0.5,
    pictures: int = 1000,
    seeds: int = 1,
    spread: float = 0.5,
    apart: int = 12,
    *,
    key: str | None = None,
) -> Explorer:
    """Two recipes compared a thousand times over: a histogram of the difference that is reported.

    In each repetition every training has an accuracy of its own, normal around its recipe's with the spread between
    seeds, and each pair of networks errs on pictures of its own. (In the record "seeds" they nearly do: the pictures'
    part of the error falls from 0.30 points with one seed each to 0.07 with 24, where this model says 0.06.)

    Args:
        gap: by how many points one recipe is truly better, 0 to 3, and no more than ``apart``.
        pictures: in the test set, one of ``PICTURES``.
        seeds: trainings of each recipe, 1 to 20.
        spread: standard deviation of a recipe's true accuracy over its seeds, 0 to 1.5 points.
        apart: percentage of pictures that just one of two networks has right, 2 to 30. The more two networks err
            alike, the smaller it is.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a value that its slider does not offer, or a gap above ``apart``.
    """
    if isinstance(gap, int | float) and gap > apart:
        raise ValueError(f"gap={gap!r} must be {apart} at most: networks differ on apart={apart} % of the pictures.")
    return PANEL(gap=gap, pictures=pictures, seeds=seeds, spread=spread, apart=apart, lot=1, key=key)
