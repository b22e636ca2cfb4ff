"""A layer's real weights, pruned and given a codebook, with what its file takes and how far its output is off."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Slider

__all__ = ["compressed_layer"]

MOST = 4000  # weights, and numbers in all inputs: the page carries them
FINE = 32767  # steps of a weight, 127 of an input: as whole numbers they take a third of the letters

PANEL = Panel(
    "compressed_layer",
    title="A layer, pruned and shared",
    controls=(
        Slider("share", 0, 99, "pruned", color="orange", unit=" %"),
        Slider("bits", 1, 8, "bits of a weight", symbol="b", color="blue"),
    ),
    presets={
        "As it is": {"share": 0, "bits": 8},
        "Half gone": {"share": 50, "bits": 8},
        "Deep Compression": {"share": 80, "bits": 4},
        "Two values": {"share": 0, "bits": 1},
        "Too far": {"share": 97, "bits": 2},
    },
    trying="Settings to try",
    alt=lambda share, bits: (
        "Sliders for the share of a layer's weights that is pruned and for the bits of its codebook; a histogram of "
        "the weights, with those that go in pale and the codebook as ticks; bars for the bytes that it takes raw, "
        "without zeros, by codebook and in Huffman codes; and the error of its output. "
        f"It starts with {share} % pruned and {bits} bits."
    ),
    room=190,
)


def compressed_layer(weight: Any, inputs: Any, share: int = 80, bits: int = 4, *, key: str | None = None) -> Explorer:
    """Prune a layer and give it a codebook by two sliders; see its weights, its bytes, and the error of its output.

    The bytes are those that ``cnnlab.compress.write`` takes for a convolution, the codebook is that of
    ``cnnlab.compress.share_weights``; both are computed in the browser.

    Args:
        weight: of a convolution or dense layer, at most 4000 numbers. Shape: (K, ...), n numbers for each output.
        inputs: what it reads at some places, at most 4000 numbers. Shape: (places, n).
        share: percent pruned at the start, 0 to 99.
        bits: of the codebook at the start, 1 to 8.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: too many numbers, shapes that do not fit each other, or a start outside these limits.
    """
    import numpy as np

    weight, inputs = (np.asarray(getattr(own, "detach", lambda own=own: own)(), np.float64) for own in (weight, inputs))
    rows = weight.reshape(len(weight), -1)
    if inputs.ndim != 2 or inputs.shape[1] != rows.shape[1]:
        raise ValueError(
            f"inputs has the shape {inputs.shape}; give rows of {rows.shape[1]} numbers, which is what an output of "
            "this weight reads. torch.nn.functional.unfold makes them of maps."
        )
    if rows.size > MOST or inputs.size > MOST:
        raise ValueError(
            f"weight has {rows.size:,} numbers and inputs {inputs.size:,}; the page carries at most {MOST:,} of each. "
            "Choose a smaller layer, or fewer places."
        )
    large, wide = max(float(np.abs(rows).max()), 1e-9), max(float(np.abs(inputs).max()), 1e-9)
    data = {
        "outputs": len(rows),
        "largest": float(f"{large:.6g}"),
        "weights": b64encode((rows / large * FINE).round().astype("<i2").tobytes()).decode(),
        "inputs": b64encode((inputs / wide * 127).round().astype(np.int8).tobytes()).decode(),
    }
    return PANEL(share=share, bits=bits, data=data, key=key)
