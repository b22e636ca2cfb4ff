"""Networks, one file per paper. Read a file from top to bottom: paper, table, block, network, variants."""

from cnnlab.models.registry import ModelInfo, create_model, list_models, model_info

__all__ = ["ModelInfo", "create_model", "list_models", "model_info"]
