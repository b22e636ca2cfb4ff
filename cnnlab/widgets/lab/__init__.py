"""The training lab: choose a network, data and an optimizer; train, stop, compare.

- ``training_lab``: `TrainingLab`, what a chapter shows; runs, ticks, Stop, errors in words.
- ``clocks``: what makes training go on between two messages of the browser, for each kind of front end.
- ``interrupts``: the kernel's interrupt button, where it raises no KeyboardInterrupt.
- ``panel``: the widgets and the lines of text on them.
- ``choices``: what may be asked of a lab, and errors in words.
- ``pictures``: curves, confusion and mistakes as SVG.
- ``runs``: what is kept of each run.
- ``poster``: what stands for the lab where no kernel is behind the page.
"""

from __future__ import annotations

from cnnlab.widgets.lab.training_lab import TrainingLab

__all__ = ["TrainingLab"]
