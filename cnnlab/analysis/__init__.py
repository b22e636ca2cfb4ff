"""What a model costs and what it sees: `summarize` and `receptive_field`."""

from __future__ import annotations

from cnnlab.analysis.comparison import Comparison
from cnnlab.analysis.fields import ReceptiveField
from cnnlab.analysis.receptive import MeasuredField, receptive_field
from cnnlab.analysis.rows import Layer
from cnnlab.analysis.summary import Summary, summarize
from cnnlab.arithmetic import conv_macs, conv_params, output_size
from cnnlab.meta import on_meta

__all__ = [
    "Comparison",
    "Layer",
    "MeasuredField",
    "ReceptiveField",
    "Summary",
    "conv_macs",
    "conv_params",
    "on_meta",
    "output_size",
    "receptive_field",
    "summarize",
]
