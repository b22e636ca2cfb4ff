"""Where each patch of a picture looks, by layer and head, in a Vision Transformer that was trained."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Pick, Select
from cnnlab.widgets.photos import packed_photo

__all__ = ["patch_attention"]

PHOTO = 144  # pixels a side on the page
ALL = "all"
ASKS = {"patch": "the patch", "class": "class token"}


def patch_attention(
    photos: Mapping[str, Any], weights: Any, says: Mapping[str, tuple[str, float]], *, key: str | None = None
) -> Explorer:
    """Choose a patch, a layer and a head; see how much the patch takes from each other patch.

    Args:
        photos: name -> uint8 (H, H, 3). The page carries them, 144 pixels a side.
        weights: attention weights, as ``attention_weights`` of the chapter gives them, one picture for each photo.
            Shape: (layers, photos, heads, T, T), where T is 1, the class token, and a square number of patches.
        says: name -> the network's answer and its probability.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: weights or answers that do not fit the photos.
    """
    import numpy as np

    weights = np.asarray(weights, dtype="float64")
    side = round((weights.shape[-1] - 1) ** 0.5) if weights.ndim == 5 else 0
    if side < 1 or weights.shape[3:] != (1 + side**2,) * 2 or weights.shape[1] != len(photos) or set(says) != {*photos}:
        raise ValueError(
            f"weights of shape {weights.shape} and {len(says)} answers for {len(photos)} photos: give (layers, photos, "
            "heads, T, T), where T is 1 and a square number, and an answer for each photo."
        )
    layers, heads = weights.shape[0], weights.shape[2]
    panel = Panel(
        "patch_attention",
        title="Where a patch looks",
        controls=(
            Select("photo", "Picture", dict(enumerate(photos))),
            Choice("layer", "Layer", {layer: str(layer + 1) for layer in range(layers)}),
            Choice("head", "Head", {**{head: str(head + 1) for head in range(heads)}, ALL: "all"}),
            Choice("asks", "Who asks", ASKS),
            Pick("spot", "Patches of the picture. The arrow keys choose one.", sets=("column", "row")),
        ),
        variables={"row": side // 2, "column": side // 2},
        alt=lambda photo, layer, head, asks: (
            f"A picture cut into {side} by {side} patches, of which one is framed, and the same picture, bright where "
            f"that patch looks. It starts with {list(photos)[photo]!r} in layer {layer + 1} of {layers}."
        ),
        room=175,
        hint=150,
    )
    data = {
        "side": side,
        "heads": heads,
        "photos": [
            {
                "image": packed_photo(f"photos[{name!r}]", photo, PHOTO),
                "says": says[name][0],
                "share": round(says[name][1], 3),
                # The root, so that in eight bits small weights keep their order.
                "roots": b64encode(np.rint(255 * np.sqrt(weights[:, number])).astype("uint8").tobytes()).decode(),
            }
            for number, (name, photo) in enumerate(photos.items())
        ],
    }
    return panel(photo=0, layer=0, head=0, asks="patch", data=data, key=key)
