"""Things to move: explorers, which need no kernel, and the training lab, which does.

Names are resolved on first use: an explorer never imports ipywidgets.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Public name -> module that defines it.
_HOMES: dict[str, str] = {
    "Explorer": "cnnlab.widgets.explorer",
    "Window": "cnnlab.widgets.explorers",
    "convolution_arithmetic": "cnnlab.widgets.explorers",
    "receptive_field": "cnnlab.widgets.explorers",
    "residual_paths": "cnnlab.widgets.explorers",
    "model_chart": "cnnlab.widgets.explorers",
    "kernel_playground": "cnnlab.widgets.explorers",
    "Kernel": "cnnlab.widgets.explorers",
    "TrainingLab": "cnnlab.widgets.lab",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnlab.widgets' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
