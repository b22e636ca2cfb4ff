"""Official checkpoints in our own modules.

``create_model("resnet50", weights="imagenet")`` is all that a reader needs. :func:`sources` is the table of what there
is, and :func:`transplant` does the same from a live torchvision or timm module.
"""

from cnnlab.preprocessing import Preprocess
from cnnlab.weights.official import load_official
from cnnlab.weights.source import Source
from cnnlab.weights.table import find_source, sources
from cnnlab.weights.transplanting import transplant

__all__ = ["Preprocess", "Source", "find_source", "load_official", "sources", "transplant"]
