"""A fault of PyTorch in the way of gradients, and the way around it."""

from __future__ import annotations

from typing import Any

__all__ = ["grid_by_grid"]


def grid_by_grid(node: Any) -> None:
    """Hand gradients to batch norms row by row.

    PyTorch 2.15 on a CPU computes a wrong one where a batch norm in evaluation mode gets, for a single image, a
    gradient whose channels lie innermost, as one does when tokens are made of the map after it.
    """
    seen, stack = set(), [node]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if "BatchNorm" in node.name():
            node.register_prehook(lambda grads: tuple(None if g is None else g.contiguous() for g in grads))
        stack += [following for following, _ in node.next_functions]
