"""Decoded pictures, kept in the user's cache: decoding ten thousand takes a minute, reading them back a second."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cnnlab.data.places import user_cache
from cnnlab.files import replacing

__all__ = ["Decoded", "decoded"]

# Pictures (N, C, H, W) uint8, their labels (N,) int64, and the files that could not be read.
Decoded = tuple[Tensor, Tensor, tuple[str, ...]]


def decoded(key: str, decode: Callable[[], Decoded]) -> Decoded:
    """What ``decode()`` gives, from the cache if it was kept there. The cache is a convenience: it may fail."""
    path = user_cache() / "decoded" / f"{key}.pt"
    if path.is_file():
        try:
            content = torch.load(path, weights_only=True)
            images, labels, broken = content["images"], content["labels"], tuple(content.get("broken", ()))
            whole = labels.dtype == torch.int64 and labels.shape == images.shape[:1]
            if whole and images.dtype == torch.uint8 and images.ndim == 4:
                return images, labels, broken
        except Exception:  # whatever is wrong with the copy, the pictures themselves are there
            pass
    images, labels, broken = decode()
    try:
        with replacing(path) as part:
            torch.save({"images": images, "labels": labels, "broken": list(broken)}, part)
    except (
        OSError,
        RuntimeError,
    ):  # no room, no permission (torch's writer raises RuntimeError): decode again next time
        pass
    return images, labels, broken
