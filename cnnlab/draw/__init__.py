"""Plots and model drawings, legible in light and dark."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Public name -> module that defines it; resolved on first use, so that matplotlib loads only when drawn with.
_HOMES: dict[str, str] = {
    "use_style": "cnnlab.draw.style",
    "show": "cnnlab.draw.style",
    "image_grid": "cnnlab.draw.style",
    "draw_model": "cnnlab.draw.model_drawing",
    "draw_block": "cnnlab.draw.model_drawing",
    "Drawing": "cnnlab.draw.model_drawing",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnlab.draw' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
