"""A trained network in one file, with all that it takes to use it: ``cnnlab.save(model, path)``, ``cnnlab.load(path)``.

The file is one of ``torch.save`` that holds tensors and plain values alone and is read as such (``weights_only``): it
can come from anybody, since nothing in it is ever run. It names the network; ours are built by their name, and a class
of yours is taken if your program has imported it, never imported because a file says so.
"""

from __future__ import annotations

from cnnlab.saving.content import FORMAT, SavedModelError
from cnnlab.saving.loading import load
from cnnlab.saving.writing import save

__all__ = ["FORMAT", "SavedModelError", "save", "load"]
