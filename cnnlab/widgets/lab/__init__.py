"""The labs that train: choose a network, data and an optimizer; train, stop, compare.

- ``training_lab``: `TrainingLab`, of classifiers.
- ``detection_lab``, ``segmentation_lab``: `DetectionLab` and `SegmentationLab`; ``scenes``: what both share.
- ``base``: what all share: runs, ticks, Stop, errors in words.
- ``clocks``: what makes training go on between two messages of the browser, for each kind of front end.
- ``interrupts``: the kernel's interrupt button, where it raises no KeyboardInterrupt.
- ``panel``: the widgets and the lines of text on them.
- ``choices``: what may be asked of a lab, and errors in words.
- ``pictures``: curves, confusion and mistakes as SVG; each lab has pictures of its own.
- ``runs``: what is kept of each run.
- ``poster``: what stands for the lab where no kernel is behind the page.
"""

from __future__ import annotations

from cnnlab.widgets.lab.detection_lab import DetectionLab
from cnnlab.widgets.lab.segmentation_lab import SegmentationLab
from cnnlab.widgets.lab.training_lab import TrainingLab

__all__ = ["DetectionLab", "SegmentationLab", "TrainingLab"]
