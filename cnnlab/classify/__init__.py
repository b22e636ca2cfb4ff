"""From a folder of photographs to a classifier with a report: ``python -m cnnlab.classify FOLDER``.

The command is these functions one after another: :func:`look` at the folder, :func:`split_by_group`, :func:`learn`,
:func:`write_report`; :func:`classify_folder` calls them all.
"""

from __future__ import annotations

from cnnlab.lazy import lazy_names

# Public name -> module that defines it; resolved on first use, so that --help does not wait for torch.
_HOMES: dict[str, str] = {
    "Photos": "cnnlab.classify.photos",
    "look": "cnnlab.classify.photos",
    "group_names": "cnnlab.classify.grouping",
    "look_alikes": "cnnlab.classify.grouping",
    "Split": "cnnlab.classify.splitting",
    "split_by_group": "cnnlab.classify.splitting",
    "Classifier": "cnnlab.classify.learning",
    "learn": "cnnlab.classify.learning",
    "put_probe": "cnnlab.classify.learning",
    "write_report": "cnnlab.classify.reporting",
    "classify_folder": "cnnlab.classify.command",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
