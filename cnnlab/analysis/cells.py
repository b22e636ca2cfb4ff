"""What stands in a summary's cells: names, counts and fields, as text and as numbers."""

from __future__ import annotations

from cnnlab.analysis.fields import ReceptiveField
from cnnlab.analysis.rows import Layer
from cnnlab.tables import human, human_bytes

__all__ = ["short_name", "cells_of", "AXES", "field_numbers"]


def short_name(layer: Layer, model_name: str, names: set[str]) -> str:
    """The name without that of the row it belongs to; a ModuleList has no row, so that its elements keep its name."""
    above = layer.name
    while "." in above:
        above = above.rpartition(".")[0]
        if above in names:
            return layer.name.removeprefix(f"{above}.")
    return layer.name or model_name


def cells_of(layer: Layer, times: str, *, frozen: bool) -> tuple[str, ...]:
    """What stands behind name and kind; with a column of frozen parameters where the model has some."""
    still = (human(layer.params - layer.trainable) if layer.params > layer.trainable else "",) if frozen else ()
    if layer.output_shape is None:
        return "not run", human(layer.params), *still, "", "", ""
    shape = layer.output_shape[1:] if len(layer.output_shape) > 1 else layer.output_shape
    return (
        times.join(map(str, shape)),
        human(layer.params) if layer.params else "",
        *still,
        human(layer.macs) if layer.macs else "",
        human_bytes(layer.activation_bytes) if layer.activation_bytes else "",
        str(layer.receptive_field) if layer.receptive_field is not None else "",
    )


# How many axes an image has -> what they are called in a data frame.
AXES = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def field_numbers(seen: ReceptiveField | None, axes: int) -> list[bool | float | None]:
    """Whether a field is global, its sides and its jumps, as numbers; None where there is none."""
    size = seen.size if seen is not None and seen.size is not None else [None] * axes
    jump = seen.jump if seen is not None and seen.jump is not None else [None] * axes
    return [seen is not None and seen.is_global, *size, *jump]
