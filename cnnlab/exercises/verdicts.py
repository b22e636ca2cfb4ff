"""What is said of an answer, and `expect`, by which a judge says it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Verdict", "Missed", "expect"]


@dataclass(frozen=True)
class Verdict:
    """What is said of an answer.

    Attributes:
        outcome: "correct", "wrong" or "blank" (nothing filled in yet).
        seen: for "wrong", one sentence on what was seen: "output_size(size=5, ...) returned 2.5."
        hint: for "wrong", the hint that fits just this mistake, if there is one.
        line: the line of the `expect` that did not hold, in the file or cell that defines the exercise; else 0.
    """

    outcome: Literal["correct", "wrong", "blank"]
    seen: str = ""
    hint: str = ""
    line: int = 0


class Missed(Exception):
    """An expectation did not hold; the message is the hint."""

    def __init__(self, hint: str, line: int) -> None:
        super().__init__(hint)
        self.line = line


def expect(condition: Any, hint: str) -> None:
    """Inside a judge: go on if the condition holds; else the answer is wrong, and the reader gets this hint."""
    if not condition:
        raise Missed(hint, sys._getframe(1).f_lineno)
