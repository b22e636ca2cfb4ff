"""A model's weights, kept and lent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

__all__ = ["State", "copied", "size", "weights"]

State = dict[str, Tensor]


def copied(model: nn.Module) -> State:
    """All weights and buffers, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def size(state: State) -> int:
    """Bytes."""
    return sum(value.nbytes for value in state.values())


@contextmanager
def weights(model: nn.Module, state: State | None) -> Iterator[None]:
    """In the block the model has the weights of ``state``, and afterwards its own again; None leaves them."""
    if state is None:
        yield
        return
    own = copied(model)
    model.load_state_dict(state)
    try:
        yield
    finally:
        model.load_state_dict(own)
