"""ShuffleNet V2's four guidelines, timed on the machine at hand: which of them hold here?

The stacks of a guideline take turns, on one thread, so that what disturbs the machine falls on all of them. The whole
round is made three times, and each is kept: a speed that changes from round to round is no speed.
"""

from __future__ import annotations

from typing import Any

import torch

from cnnlab.analysis import summarize
from cnnlab.chapters.searched.guidelines import GUIDELINES, SIZES, stacks
from cnnlab.convolutions import measure_latency
from cnnlab.environment import device
from experiments.facts import record

ROUNDS = 3


def make(root: str | None, repeats: int = 15, seconds: float = 0.4) -> dict[str, Any]:
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for name in GUIDELINES:
        for size in SIZES:
            made = stacks(name, size)
            rounds = [
                measure_latency(made, repeats=repeats, seconds=seconds, device=device().type) for _ in range(ROUNDS)
            ]
            for variant, (stack, shape) in made.items():
                rows.append(
                    {
                        "guideline": name,
                        "size": size,
                        "variant": variant,
                        "macs": summarize(stack, shape[1:]).macs,
                        "milliseconds": [round(each[variant].median, 4) for each in rounds],
                        "lower": [round(each[variant].lower, 4) for each in rounds],
                        "upper": [round(each[variant].upper, 4) for each in rounds],
                    }
                )
                print(rows[-1], flush=True)
    return {
        "source": "no data: stacks of ten blocks on a map of 56 x 56 pixels, one picture, one thread",
        "threads": 1,
        "rows": rows,
    }


if __name__ == "__main__":
    record("guidelines", make)
