"""Tables over models, weights and papers: the zoo, torchvision's zoo and the family tree of networks."""

from __future__ import annotations

from cnnlab.lazy import lazy_names

# Public name -> module that defines it; resolved on first use.
_HOMES: dict[str, str] = {
    "ZooRow": "cnnlab.catalog.zoo",
    "zoo_table": "cnnlab.catalog.zoo",
    "Checkpoint": "cnnlab.catalog.torchvision_zoo",
    "imagenet_checkpoints": "cnnlab.catalog.torchvision_zoo",
    "pareto_front": "cnnlab.catalog.torchvision_zoo",
    "LINEAGE": "cnnlab.catalog.lineage",
    "family_tree": "cnnlab.catalog.lineage",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
