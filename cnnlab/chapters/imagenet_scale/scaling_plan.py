"""What it takes to train ResNet-50 on ImageNet with so many processors: hours, price, efficiency, learning rate."""

from __future__ import annotations

from cnnlab.chapters.imagenet_scale.arithmetic import Plan
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Slider

__all__ = ["scaling_plan"]

GPUS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
BATCHES = (8, 16, 32, 64, 128, 256, 512)
GIGABITS = (1, 10, 25, 50, 100, 200, 400, 3200)
PEAKS = (2, 11, 16, 125, 312, 990)


def _alt(gpus: int, batch: int, gigabits: float, peak: float, utilization: float, price: float) -> str:
    plan = Plan(gpus, batch, gigabits, peak, utilization, price)
    return (
        "Sliders for processors, batch, bandwidth, peak, utilization and price, and two curves: hours of a training of "
        f"ResNet-50 against the number of processors, and the learning rate over 90 epochs. At the start {gpus} take "
        f"{plan.hours:.1f} hours, and {plan.efficiency:.0%} of the time is spent computing."
    )


SCALING_PLAN_PRESETS: dict[str, tuple[float, ...]] = {
    "One": (1, 256, 100, 312, 20),
    "Eight in a box": (8, 256, 3200, 312, 20),
    "256, 2017": (256, 32, 50, 11, 30),
    "256 on 10 Gbit/s": (256, 32, 10, 312, 20),
    "Too large a batch": (1024, 256, 400, 990, 15),
}

PANEL = Panel(
    "scaling_plan",
    title="A training planned",
    controls=(
        Slider("gpus", GPUS[0], GPUS[-1], "processors", symbol="n", color="blue", values=GPUS),
        Slider("batch", BATCHES[0], BATCHES[-1], "batch", symbol="b", color="green", values=BATCHES),
        Slider("gigabits", GIGABITS[0], GIGABITS[-1], "Gbit/s", symbol="β", color="orange", values=GIGABITS),
        Slider("peak", PEAKS[0], PEAKS[-1], "Tflop/s", symbol="P", color="violet", values=PEAKS),
        Slider("utilization", 5, 60, "used", symbol="u", color="teal", step=1, unit=" %"),
        Slider("price", 0.25, 10, "hourly", symbol="$", color="red", step=0.25, decimals=2),
    ),
    alt=_alt,
    room=170,
    hint=260,
    presets={
        name: dict(zip(("gpus", "batch", "gigabits", "peak", "utilization"), values))
        for name, values in SCALING_PLAN_PRESETS.items()
    },
    trying="Plans to try",
)


def scaling_plan(
    gpus: int = 8,
    batch: int = 256,
    gigabits: float = 100,
    *,
    peak: float = 312,
    utilization: int = 20,
    price: float = 2.0,
    key: str | None = None,
) -> Explorer:
    """Hours, price, efficiency and learning rate of 90 epochs of ResNet-50, data-parallel.

    The arithmetic is that of `cnnlab.chapters.imagenet_scale.arithmetic.Plan`.

    Args:
        gpus: processors, one of ``GPUS``.
        batch: pictures in the batch of each, one of ``BATCHES``.
        gigabits: bandwidth between two neighbors, in gigabits a second, one of ``GIGABITS``.
        peak: what a processor can do at best, in 10^12 operations a second, one of ``PEAKS``.
        utilization: how much of that is reached, in percent, from 5 to 60.
        price: of a processor for an hour, in dollars, from 0.25 to 10.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that the sliders do not offer.
    """
    return PANEL(gpus=gpus, batch=batch, gigabits=gigabits, peak=peak, utilization=utilization, price=price, key=key)
