"""What can be had from trained networks by asking more often: ensembles, crops, augmented copies; and what it is worth.

Each way of asking takes networks and pictures and gives :class:`Answers`: probabilities, and beside them what they cost
in forward passes, multiply-accumulates and seconds. :func:`paired` says whether one way is better than another, and
:func:`calibration` whether its probabilities can be taken at their word.
"""

from cnnlab.evaluation.answers import MEANS, Answers, answers, combined
from cnnlab.evaluation.calibration import Calibration, calibration, temperature
from cnnlab.evaluation.comparing import Paired, mcnemar, paired, wilson
from cnnlab.evaluation.crops import PUBLISHED, Crop, Crops
from cnnlab.evaluation.views import augmented, dense, ensemble, multi_crop, ten_crop

__all__ = [
    "MEANS",
    "PUBLISHED",
    "Answers",
    "Calibration",
    "Crop",
    "Crops",
    "Paired",
    "answers",
    "augmented",
    "calibration",
    "combined",
    "dense",
    "ensemble",
    "mcnemar",
    "multi_crop",
    "paired",
    "temperature",
    "ten_crop",
    "wilson",
]
