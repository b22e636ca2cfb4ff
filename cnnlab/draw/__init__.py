"""Plots and model drawings, legible in light and dark."""

from __future__ import annotations

from cnnlab.lazy import lazy_names

# Public name -> module that defines it; resolved on first use, so that matplotlib loads only when drawn with.
_HOMES: dict[str, str] = {
    "use_style": "cnnlab.draw.style",
    "show": "cnnlab.draw.style",
    "image_grid": "cnnlab.draw.style",
    "bars": "cnnlab.draw.plots",
    "lines": "cnnlab.draw.plots",
    "dots": "cnnlab.draw.plots",
    "confusion": "cnnlab.draw.plots",
    "reliability": "cnnlab.draw.calibrated",
    "mask": "cnnlab.draw.masks",
    "boxes": "cnnlab.draw.found",
    "joints": "cnnlab.draw.bodies",
    "restart_numbering": "cnnlab.draw.embed",
    "decision_tree": "cnnlab.draw.decisions",
    "draw_model": "cnnlab.draw.model_drawing",
    "draw_block": "cnnlab.draw.model_drawing",
    "block_gallery": "cnnlab.draw.model_drawing",
    "Drawing": "cnnlab.draw.model_drawing",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
