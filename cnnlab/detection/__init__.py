"""Where things are: boxes and how far two of them agree, what a detector is taught, and how it is judged.

A box is x1, y1, x2, y2 in pixels, x to the right and y downwards, and x2 and y2 lie just outside: its width is x2 - x1.
Other ways of writing it are converted by name, never guessed. What a picture shows is an :class:`Objects`: boxes, class
numbers from 0 (there is no number for "nothing"), scores where they were predicted. A picture without objects is one
whose boxes have the shape (0, 4), and every function takes it.
"""

from cnnlab.detection.anchors import anchors
from cnnlab.detection.boxes import FORMATS, area, boxes_of, check_boxes, clip, convert, to_fractions, to_pixels
from cnnlab.detection.coding import decode, encode
from cnnlab.detection.focal import focal_loss
from cnnlab.detection.grid import Grid, GridLoss, GridTarget
from cnnlab.detection.matching import BACKGROUND, NEITHER, match, sampled
from cnnlab.detection.objects import Objects
from cnnlab.detection.overlap import ciou, diou, giou, iou, pairwise
from cnnlab.detection.precision import (
    COCO_THRESHOLDS,
    Curve,
    MeanPrecision,
    Precision,
    average_precision,
    mean_average_precision,
    precision_recall,
)
from cnnlab.detection.pyramid import Pyramid, PyramidLoss, PyramidTarget
from cnnlab.detection.regions import roi_align, roi_pool
from cnnlab.detection.suppression import nms, soft_nms

__all__ = [
    "BACKGROUND",
    "COCO_THRESHOLDS",
    "Curve",
    "FORMATS",
    "Grid",
    "GridLoss",
    "GridTarget",
    "MeanPrecision",
    "NEITHER",
    "Objects",
    "Precision",
    "Pyramid",
    "PyramidLoss",
    "PyramidTarget",
    "anchors",
    "area",
    "average_precision",
    "boxes_of",
    "check_boxes",
    "ciou",
    "clip",
    "convert",
    "decode",
    "diou",
    "encode",
    "focal_loss",
    "giou",
    "iou",
    "match",
    "mean_average_precision",
    "nms",
    "pairwise",
    "precision_recall",
    "roi_align",
    "roi_pool",
    "sampled",
    "soft_nms",
    "to_fractions",
    "to_pixels",
]
