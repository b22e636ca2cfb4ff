"""Networks, one file per paper. Read a file from top to bottom: paper, table, block, network, variants."""

from __future__ import annotations

from cnnlab.lazy import lazy_names

# Public name -> module that defines it; resolved on first use. The registry says which networks exist, the factory
# builds one: official weights know the registry, and the factory knows them.
_HOMES: dict[str, str] = {
    "Network": "cnnlab.models.network",
    "ModelInfo": "cnnlab.models.registry",
    "Paper": "cnnlab.models.registry",
    "Published": "cnnlab.models.registry",
    "Size": "cnnlab.models.registry",
    "OwnModel": "cnnlab.models.own",
    "register": "cnnlab.models.own",
    "register_variants": "cnnlab.models.registry",
    "list_models": "cnnlab.models.registry",
    "model_info": "cnnlab.models.registry",
    "as_model": "cnnlab.models.factory",
    "create_model": "cnnlab.models.factory",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
