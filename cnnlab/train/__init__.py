"""A training as a file: ``python -m cnnlab.train CONFIG.toml``, in one process or under ``torchrun`` in several.

The command is :func:`read_settings` and then :func:`train`, which calls :func:`cnnlab.fit`; :func:`plan` says
beforehand what that will take.
"""

from __future__ import annotations

from cnnlab.lazy import lazy_names

# Public name -> module that defines it; resolved on first use, so that --help does not wait for torch.
_HOMES: dict[str, str] = {
    "Settings": "cnnlab.train.settings",
    "ModelTable": "cnnlab.train.settings",
    "DataTable": "cnnlab.train.settings",
    "OutputTable": "cnnlab.train.settings",
    "read_settings": "cnnlab.train.settings",
    "examples": "cnnlab.train.settings",
    "example": "cnnlab.train.settings",
    "Files": "cnnlab.train.files",
    "plan": "cnnlab.train.command",
    "train": "cnnlab.train.command",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
