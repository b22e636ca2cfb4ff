"""Making a trained network smaller: fewer weights, fewer different ones, fewer bits for each; and the file.

:func:`prune` sets weights to zero and gives the masks that keep them there while :func:`cnnlab.fit` retrains;
:func:`remove_channels` takes whole channels out. :func:`share_weights` leaves each layer a few different numbers,
:func:`write` makes a file of what is left and :func:`read` the equal network of that file. :func:`quantize` rounds.
"""

from cnnlab.compress.channels import remove_channels
from cnnlab.compress.huffman import code_lengths, decode, encode
from cnnlab.compress.pruning import Masks, iterative, prune, zeros
from cnnlab.compress.rounding import quantize
from cnnlab.compress.sharing import kmeans, settle, share_weights
from cnnlab.compress.storage import FORMS, Size, read, size_on_disk, write

__all__ = [
    "FORMS",
    "Masks",
    "Size",
    "code_lengths",
    "decode",
    "encode",
    "iterative",
    "kmeans",
    "prune",
    "quantize",
    "read",
    "remove_channels",
    "settle",
    "share_weights",
    "size_on_disk",
    "write",
    "zeros",
]
