"""cnnlab: readable convolutional networks, and the tools of an executable book about them.

Only the names that a reader types live here, and the packages, so that ``cnnlab.draw`` needs no import of its own.
All are resolved on first use: ``import cnnlab`` costs next to nothing on top of torch.
"""

from __future__ import annotations

import sys

from cnnlab.lazy import lazy_names, show_public

__version__ = "0.1.0"

# Public name -> module that defines it.
_HOMES: dict[str, str] = {
    "create_model": "cnnlab.models",
    "list_models": "cnnlab.models",
    "register": "cnnlab.models",
    "summarize": "cnnlab.analysis",
    "load_dataset": "cnnlab.data",
    "fit": "cnnlab.training",
    "Run": "cnnlab.training",
    "predict": "cnnlab.prediction",
    "Prediction": "cnnlab.prediction",
    "Predictions": "cnnlab.prediction",
    "save": "cnnlab.saving",
    "load": "cnnlab.saving",
    "export_page": "cnnlab.ship",
    "recorded": "cnnlab.results",
    "runs_by": "cnnlab.results",
    "check": "cnnlab.exercises",
    "device": "cnnlab.devices",
    "scale": "cnnlab.environment",
    "setup": "cnnlab.environment",
    "by_scale": "cnnlab.environment",
}
# Packages, reachable as `cnnlab.draw` without an import of their own.
_PACKAGES = (
    "analysis",
    "catalog",
    "classify",
    "compress",
    "convolutions",
    "data",
    "detection",
    "draw",
    "evaluation",
    "exercises",
    "explain",
    "models",
    "pose",
    "segmentation",
    "ship",
    "train",
    "training",
    "transfer",
    "weights",
)
_HOMES |= {name: f"{__name__}.{name}" for name in (*_PACKAGES, "widgets")}

__all__ = ["__version__", *_HOMES]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
show_public(sys.modules[__name__])
