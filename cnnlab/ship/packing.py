"""Weights as text: 16-bit numbers, or 8-bit ones with a scale for each output channel, in base64.

What a record or a page carries. A page reads the same with ``unpacked`` of ``cnnlab/widgets/static/engine/weights.js``.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["BITS", "pack", "unpack", "packed_weights", "load_packed"]

BITS = (8, 16, 32)
_MOST = 127  # codes of 8 bits run from -127 to 127, so that 0 is exact and both signs reach equally far


def pack(name: str, values: Tensor, bits: int = 16) -> dict[str, Any]:
    """A tensor as JSON-like values: ``shape``, ``bits``, ``data``, and ``scales`` where there are 8 bits.

    Args:
        name: what the tensor is called in a message.
        values: finite numbers. With 8 bits, whose scales go by the first dimension: Shape: (K, ...).
        bits: 32 or 16, of a floating-point number, or 8, of a code that its scale is multiplied with.

    Raises:
        ValueError: other ``bits``, or values that are not finite or too large for them.
    """

    if bits not in BITS:
        raise ValueError(f"bits={bits!r} is not allowed; use {', '.join(map(str, BITS[:-1]))} or {BITS[-1]}.")
    own = values.detach().to("cpu", torch.float32)
    largest = own.abs().max().item() if own.numel() else 0.0
    limit = torch.finfo(torch.float16).max if bits == 16 else torch.finfo(torch.float32).max
    if not largest <= limit:
        raise ValueError(
            f"{name} holds {largest:g}, which {bits} bits cannot say; allowed are finite numbers up to {limit:g}. "
            "Train it again with a lower learning rate, or export with bits=32."
        )
    said: dict[str, Any] = {"shape": list(own.shape), "bits": bits}
    # Least byte first, on every machine: JavaScript's typed arrays are, wherever browsers run.
    if bits == 8:
        rows = own.reshape(len(own), -1)  # (K, ...)
        scales = (rows.abs().amax(dim=1, keepdim=True) / _MOST).clamp(min=torch.finfo(torch.float32).tiny)
        codes = (rows / scales).round().clamp(-_MOST, _MOST)
        said["scales"] = _text(scales.numpy().astype("<f4"))
        return said | {"data": _text(codes.numpy().astype("i1"))}
    return said | {"data": _text(own.numpy().astype("<f2" if bits == 16 else "<f4", casting="same_kind"))}


def unpack(packed: Mapping[str, Any]) -> Tensor:
    """The numbers that `pack` wrote, as they were rounded. Shape: as packed, float32."""
    import numpy as np

    kind = {8: "i1", 16: "<f2", 32: "<f4"}[packed["bits"]]
    values = torch.from_numpy(np.frombuffer(b64decode(packed["data"]), kind).astype(np.float32))
    if packed["bits"] == 8:
        scales = torch.from_numpy(np.frombuffer(b64decode(packed["scales"]), "<f4").astype(np.float32))
        values = (values.reshape(len(scales), -1) * scales[:, None]).flatten()
    return values.reshape(packed["shape"])


def packed_weights(model: nn.Module, bits: int = 16) -> dict[str, dict[str, Any]]:
    """A network's state, each tensor packed. Vectors (biases, norms) keep 16 bits where the rest has 8.

    Raises:
        ValueError: as `pack`; the message names the parameter.
    """
    state = model.state_dict()
    return {name: pack(name, own, max(bits, 16) if own.dim() < 2 else bits) for name, own in state.items()}


def load_packed(model: nn.Module, packed: Mapping[str, Mapping[str, Any]]) -> nn.Module:
    """The network with the packed weights in it. In place."""
    model.load_state_dict({name: unpack(own) for name, own in packed.items()})
    return model


def _text(values: Any) -> str:
    return b64encode(values.tobytes()).decode()
