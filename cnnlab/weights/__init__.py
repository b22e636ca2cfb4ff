"""Official checkpoints in our own modules.

``create_model("resnet50", weights="imagenet")`` is all that a reader needs. :func:`sources` is the table of what there
is. :func:`transplant` does the same from a file, a state dict or a module of your own, torchvision's or timm's, and
:func:`to_torchvision` goes the way back.
"""

from cnnlab.preprocessing import Preprocess
from cnnlab.weights.exporting import to_torchvision
from cnnlab.weights.official import load_official
from cnnlab.weights.source import Source
from cnnlab.weights.table import find_source, sources
from cnnlab.weights.transplanting import Transplanted, transplant

__all__ = [
    "Preprocess",
    "Source",
    "Transplanted",
    "find_source",
    "load_official",
    "sources",
    "to_torchvision",
    "transplant",
]
