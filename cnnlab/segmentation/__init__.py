"""Which pixels: how well masks fit, what trains them, objects out of pixels, masks as files, pictures in tiles.

A *class map* has a class number for each pixel, int64 (H, W) or (N, H, W); a *mask* is True where one object is. Scores
are what a network gives, (N, K, H, W), before any softmax. :func:`overlap` counts pixels and gives IoU and Dice,
:class:`MaskLoss` is what :func:`cnnlab.fit` minimizes and :class:`MeanIoU` what it measures, :func:`components` makes
objects of a mask, :func:`match` pairs them with the true ones, and :func:`predict_tiled` cuts a large picture into
tiles that overlap.
"""

from cnnlab.detection import boxes_of
from cnnlab.segmentation.boundaries import boundary, boundary_iou
from cnnlab.segmentation.components import components, masks_of
from cnnlab.segmentation.losses import MaskLoss, cross_entropy, dice_loss, focal_loss
from cnnlab.segmentation.masks import mask_iou
from cnnlab.segmentation.matching import Matches, match
from cnnlab.segmentation.measures import MeanDice, MeanIoU
from cnnlab.segmentation.overlap import Overlap, classes_of, overlap, picture_iou
from cnnlab.segmentation.runs import counts_of, decode_runs, encode_runs, string_of
from cnnlab.segmentation.tiling import predict_tiled, tile_starts

__all__ = [
    "MaskLoss",
    "Matches",
    "MeanDice",
    "MeanIoU",
    "Overlap",
    "boundary",
    "boundary_iou",
    "boxes_of",
    "classes_of",
    "components",
    "counts_of",
    "cross_entropy",
    "decode_runs",
    "dice_loss",
    "encode_runs",
    "focal_loss",
    "mask_iou",
    "masks_of",
    "match",
    "overlap",
    "picture_iou",
    "predict_tiled",
    "string_of",
    "tile_starts",
]
