"""What a model costs and what it sees: `summarize` and `receptive_field`."""

from __future__ import annotations

from cnnlab.analysis.fields import ReceptiveField
from cnnlab.analysis.receptive import MeasuredField, receptive_field
from cnnlab.analysis.summary import Layer, Summary, summarize
from cnnlab.analysis.trace import on_meta
from cnnlab.convolutions.arithmetic import conv_macs, conv_params, output_size

__all__ = [
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
