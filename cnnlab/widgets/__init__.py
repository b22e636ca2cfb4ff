"""Things to move: explorers, which need no kernel, and the training lab, which does.

Names are resolved on first use: an explorer never imports ipywidgets.
"""

from __future__ import annotations

from cnnlab.lazy import lazy_names

# Public name -> module that defines it.
_HOMES: dict[str, str] = {
    "Explorer": "cnnlab.widgets.explorer",
    "Window": "cnnlab.widgets.explorers.receptive_field",
    "convolution_arithmetic": "cnnlab.widgets.explorers.convolution_arithmetic",
    "receptive_field": "cnnlab.widgets.explorers.receptive_field",
    "depthwise_steps": "cnnlab.widgets.explorers.depthwise_steps",
    "dilation_grid": "cnnlab.widgets.explorers.dilation_grid",
    "clip_kernel": "cnnlab.widgets.explorers.clip_kernel",
    "residual_paths": "cnnlab.widgets.explorers.residual_paths",
    "model_chart": "cnnlab.widgets.explorers.model_chart",
    "kernel_playground": "cnnlab.widgets.explorers.kernel_playground",
    "Kernel": "cnnlab.widgets.explorers.kernel_playground",
    "family_tree": "cnnlab.widgets.explorers.family_tree",
    "model_table": "cnnlab.widgets.explorers.model_table",
    "zero_insertion": "cnnlab.widgets.explorers.zero_insertion",
    "group_wiring": "cnnlab.widgets.explorers.group_wiring",
    "separability": "cnnlab.widgets.explorers.separability",
    "cost_ranking": "cnnlab.widgets.explorers.cost_ranking",
    "channel_mixer": "cnnlab.widgets.explorers.channel_mixer",
    "Mix": "cnnlab.widgets.explorers.channel_mixer",
    "TrainingLab": "cnnlab.widgets.lab",
}

__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
