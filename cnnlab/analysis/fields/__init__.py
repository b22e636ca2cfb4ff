"""Theoretical receptive fields, carried along the operators of a trace.

Each result remembers, for every axis of the image, how many input pixels one of its units can see (``size``) and how
far apart the views of neighboring units lie (``jump``), and where in it the image's positions are: its *layout*. A
dimension of a tensor is a list of parts, outermost first, and an image axis may be cut into several of them: windows of
7 cut 56 rows into 8 parts of 7, and each goes its own way through permutations and reshapes. An operator that mixes the
whole of an image axis (global pooling, attention, a dense layer on a flattened map, group normalization) sees the whole
image: "global". One that mixes a part of it sees its window. Windows do not slide with the unit, so from there on each
position's own view is kept, until all are alike again.

A branch's result sees what its widest input sees.
"""

from __future__ import annotations

from cnnlab.analysis.fields.rules import ReceptiveField, receptive_fields

__all__ = ["ReceptiveField", "receptive_fields"]
