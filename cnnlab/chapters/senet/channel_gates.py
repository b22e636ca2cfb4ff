"""A network's gates on a few pictures: what each channel is multiplied by, and what the answer becomes without."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Pick, Select
from cnnlab.widgets.photos import packed_photo

if TYPE_CHECKING:
    from torch import nn

    from cnnlab.data import Dataset

__all__ = ["ShownGate", "channel_gates", "shown_gates"]

PHOTO = 96  # pixels a side on the page
MOST = 16  # pixels a side of a map
MODES = {"own": "its own", "usual": "the usual ones", "off": "off"}


@dataclass(frozen=True)
class ShownGate:
    """One gate on one picture.

    Attributes:
        scale: what each channel is multiplied by, 0 to 1. Shape: (K,).
        maps: the channels before the gate, 8 bit: 128 is zero, and 1 and 255 are minus and plus the largest of all.
            Shape: (K, side, side).
        answers: for each of "own", "usual" and "off" the answer and its probability.
    """

    scale: Sequence[float]
    maps: Any
    answers: Mapping[str, tuple[str, float]]


def shown_gates(
    model: nn.Module, data: Dataset, pictures: Any, asked: int = 350
) -> tuple[dict, list[dict[str, ShownGate]]]:
    """What the gates of a network do with some pictures.

    Args:
        model: one of ``small_senet``, trained.
        data: what it was trained on, for the classes, the normalization and the usual gates.
        pictures: uint8 (N, C, H, W).
        asked: training pictures over which a gate's usual numbers are averaged.

    Returns:
        name of the block -> the usual numbers of its gate; and for each picture, name of the block -> its gate.
    """
    import torch
    import torch.nn.functional as F

    from cnnlab.chapters.senet.gates import gates_of, instead
    from cnnlab.explain import activations

    model = model.eval()
    where = next(model.parameters()).device
    x, known = (data.preprocess.normalized(t).to(where) for t in (pictures, data.train.subset(asked).images))
    usual = {name: scale.mean(dim=0) for name, scale in gates_of(model, known).items()}
    scales = gates_of(model, x)
    maps = activations(model, x, [f"{name}.bn2" for name in usual])
    shown: list[dict[str, ShownGate]] = [{} for _ in pictures]
    for name, typical in usual.items():
        changes = {"own": lambda s: s, "usual": lambda s, t=typical: t[:, None, None], "off": torch.ones_like}
        answers: dict[str, Any] = {}
        for mode, change in changes.items():
            with instead(model, {name: change}), torch.no_grad():
                answers[mode] = model(x).softmax(dim=1).max(dim=1)
        before = maps[f"{name}.bn2"]  # (N, K, h, w)
        before = F.adaptive_avg_pool2d(before, min(MOST, before.shape[-1]))
        for i, own in enumerate(shown):
            eight = 128 + 127 * before[i] / before[i].abs().amax().clamp_min(1e-6)
            own[name] = ShownGate(
                scales[name][i].tolist(),
                eight.round().to(torch.uint8).cpu().numpy(),
                {mode: (data.classes[int(best[i])], float(share[i])) for mode, (share, best) in answers.items()},
            )
    return {name: typical.tolist() for name, typical in usual.items()}, shown


def channel_gates(
    photos: Mapping[str, Any],
    usual: Mapping[str, Sequence[float]],
    gates: Sequence[Mapping[str, ShownGate]],
    *,
    key: str | None = None,
) -> Explorer:
    """Choose a photo and a block; see what its gate multiplies each channel by, and a channel before and after.

    Args:
        photos: name -> uint8 (H, H, 3) as the network saw them. The page carries them, 96 pixels a side.
        usual: name of a block -> the usual number of each channel, as :func:`shown_gates` gives them.
        gates: for each photo, name of a block -> its gate.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: no photo or block, as many gates as there are no photos, or a photo that is not square.
    """
    if not photos or not usual:
        raise ValueError("photos and usual need one entry or more: what shown_gates was given and what it returned.")
    if len(photos) != len(gates):
        raise ValueError(f"there are {len(photos)} photos and gates of {len(gates)}: give the gates of each photo.")
    panel = Panel(
        "channel_gates",
        title="What the gate lets through",
        controls=(
            Select("photo", "Picture", dict(enumerate(photos))),
            Choice("block", "Stage", {name: name.removeprefix("stage").split(".")[0] for name in usual}),
            Choice("mode", "Gates", MODES),
            Pick("picture", "Gates by channel. The arrow keys choose a channel.", sets=("channel",)),
        ),
        variables={"channel": 0},
        alt=lambda photo, block, mode: (
            f"A picture, a bar for what the gate of a block multiplies each channel by, with a mark at its usual "
            f"number, and the map of one channel before and after the gate. It starts with {list(photos)[photo]!r} "
            f"and {block!r}."
        ),
        room=190,
        hint=150,
    )
    data = {
        "photos": [packed_photo(f"photos[{name!r}]", photo, PHOTO) for name, photo in photos.items()],
        "usual": {name: [round(value, 3) for value in typical] for name, typical in usual.items()},
        "gates": [
            {
                name: {
                    "scale": [round(value, 3) for value in own.scale],
                    "side": len(own.maps[0]),
                    "maps": b64encode(own.maps.tobytes()).decode(),
                    "answers": {mode: [said, round(share, 3)] for mode, (said, share) in own.answers.items()},
                }
                for name, own in picture.items()
            }
            for picture in gates
        ],
    }
    return panel(photo=0, block=next(iter(usual)), mode="own", data=data, key=key)
