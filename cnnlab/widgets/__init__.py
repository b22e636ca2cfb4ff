"""Things to move: explorers, which need no kernel, and the labs, which do.

An explorer lives with its chapter: ``cnnlab/chapters/<chapter>/<explorer>.py`` declares it and says in ``__all__`` what
of it is public here, the ``.js`` and ``.css`` beside it draw it. Names are resolved on first use: an explorer never
imports ipywidgets.
"""

from __future__ import annotations

import re

from cnnlab import chapters
from cnnlab.lazy import lazy_names

_PUBLIC = re.compile(r"^__all__ = \[(.*?)\]", re.MULTILINE | re.DOTALL)


def _homes() -> dict[str, str]:
    """Public name -> module that defines it. The declarations are read, not imported."""
    homes = {"Explorer": "cnnlab.widgets.explorer"}
    homes |= dict.fromkeys(("TrainingLab", "DetectionLab", "SegmentationLab"), "cnnlab.widgets.lab")
    homes["PhotoLab"] = "cnnlab.widgets.photo_lab"
    for view in chapters.files("*.js"):
        declared = _PUBLIC.search(view.with_suffix(".py").read_text(encoding="utf-8"))
        for name in re.findall(r"\w+", declared[1] if declared else view.stem):
            homes[name] = f"cnnlab.chapters.{view.parent.name}.{view.stem}"
    return homes


_HOMES = _homes()
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
