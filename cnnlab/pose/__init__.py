"""Where joints are: heat maps and how to read them, what trains them, PCK, OKS and AP over OKS, flips.

A *point* is (x, y) in pixels from the picture's upper left corner, so that the first pixel's middle is (0.5, 0.5). A
picture of one body has P of them, float (N, P, 2). What a network is taught may have a third column, (N, P, 3), as in
COCO: 0 where nobody has said where the point is, and it counts nowhere; 1 if it is hidden, 2 if it is seen. A *heat
map* has one cell for each square of ``stride`` pixels, (N, P, H / stride, W / stride).

:class:`HeatMapLoss` is what :func:`cnnlab.fit` minimizes, :func:`decode` reads maps, :class:`PointError` and
:class:`PCK` are measures of ``fit``, :func:`oks` and :func:`keypoint_precision` judge persons as COCO does, and
:func:`mirrored` turns left into right.
"""

from cnnlab.pose.decoding import METHODS, Found, decode, peaks
from cnnlab.pose.heatmaps import heat_maps
from cnnlab.pose.losses import HeatMapLoss, PointLoss
from cnnlab.pose.measures import COCO_SIGMAS, PCK, PointError, distances, oks, pck
from cnnlab.pose.mirror import both_ways, mirrored, mirrored_maps
from cnnlab.pose.precision import Persons, keypoint_precision
from cnnlab.pose.targets import check_points, split_target

__all__ = [
    "COCO_SIGMAS",
    "METHODS",
    "PCK",
    "Found",
    "HeatMapLoss",
    "Persons",
    "PointError",
    "PointLoss",
    "both_ways",
    "check_points",
    "decode",
    "distances",
    "heat_maps",
    "keypoint_precision",
    "mirrored",
    "mirrored_maps",
    "oks",
    "pck",
    "peaks",
    "split_target",
]
