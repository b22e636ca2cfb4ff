"""What a forward pass in training leaves in memory for the backward pass, counted and not estimated."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

__all__ = ["kept", "kept_per_picture"]


def kept(model: nn.Module, *inputs: Tensor) -> int:
    """Bytes that autograd keeps of ``model(*inputs)``, each piece of memory once, without the model's own tensors.

    Every tensor that a layer saves for its derivative goes through a hook, which notes whose memory it lies in. On the
    meta device nothing is computed, and what would be kept is counted all the same.
    """
    own = {t.untyped_storage()._cdata for t in (*model.parameters(), *model.buffers())}
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage._cdata] = storage.nbytes()
        # Memory that was given back might be handed out again under the same number.
        alive.append(tensor.detach())
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(*inputs)
    if not output.requires_grad:
        raise ValueError("Nothing is kept, since nothing of the model asks for a gradient: call it outside no_grad().")
    return sum(size for number, size in sizes.items() if number not in own)


def kept_per_picture(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """The same for each picture more in the batch; ``model`` is on the meta device and in training mode."""
    one, two = (kept(model, torch.empty(batch, *shape, device="meta")) for batch in (1, 2))
    return two - one
