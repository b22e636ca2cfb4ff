"""The strongest channels of a few layers on a photo, and the places in all the photos that each answers to most."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Select
from cnnlab.widgets.photos import packed_photo

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Answers", "channel_answers", "answers_of"]

CHANNELS = 4  # shown of each layer and photo
PLACES = 3  # that a channel answers to most, at most one from a photo
PHOTO = 96  # pixels a side
MOST = 24  # pixels a side of a map


@dataclass(frozen=True)
class Answers:
    """What a layer says of one photo.

    Attributes:
        channels: the strongest ones, by their largest answer as a multiple of the channel's mean over all photos.
        maps: their answers, 8 bit, each scaled to its own largest. Shape: (channels, side, side).
        places: for each channel, (photo, x, y) of the middle of its strongest answers in all photos, as fractions.
    """

    channels: Sequence[int]
    maps: Any
    places: Sequence[Sequence[tuple[str, float, float]]]


def answers_of(model: nn.Module, photos: Mapping[str, Any], layers: Mapping[str, str]) -> dict[str, dict[str, Answers]]:
    """What some layers of a network say of some photos: name of the layer as shown -> name of the photo -> answers.

    Args:
        model: with ``.preprocess``, as :func:`cnnlab.create_model` with weights gives it.
        photos: name -> uint8 (H, W, 3); more than one, since a channel is strong beside what it is elsewhere.
        layers: what is shown -> name in ``model.named_modules()``.
    """
    import torch
    import torch.nn.functional as F

    from cnnlab.explain import activations

    names = list(photos)
    x = torch.stack([model.preprocess(photos[name]) for name in names])
    found: dict[str, dict[str, Answers]] = {}
    for shown, maps in zip(layers, activations(model, x, layers.values()).values(), strict=True):
        maps = maps.clamp_min(0).cpu()  # (photos, K, h, w)
        maps = F.adaptive_avg_pool2d(maps, min(MOST, maps.shape[-1]))
        peaks, at = maps.flatten(2).max(dim=2)  # (photos, K)
        usual = maps.mean(dim=(0, 2, 3)).clamp_min(1e-3)  # (K,)
        side = maps.shape[-1]
        found[shown] = {}
        for photo, name in enumerate(names):
            channels = (peaks[photo] / usual).topk(CHANNELS).indices.tolist()
            places = []
            for channel in channels:
                best = peaks[:, channel].topk(min(PLACES, len(names))).indices.tolist()
                where = [int(at[other, channel]) for other in best]
                places.append(
                    [
                        (names[other], (place % side + 0.5) / side, (place // side + 0.5) / side)
                        for other, place in zip(best, where, strict=True)
                    ]
                )
            own = maps[photo, channels]
            scaled = 255 * own / own.amax(dim=(1, 2), keepdim=True).clamp_min(1e-6)
            found[shown][name] = Answers(channels, scaled.round().to(torch.uint8).numpy(), places)
    return found


def channel_answers(
    photos: Mapping[str, Any],
    answers: Mapping[str, Mapping[str, Answers]],
    fields: Mapping[str, float],
    *,
    key: str | None = None,
) -> Explorer:
    """Choose a layer and a photo; see its strongest channels, and where else each answers as strongly.

    Args:
        photos: name -> uint8 (H, W, 3) as the network saw them, square. The page carries them, 96 pixels a side.
        answers: name of a layer -> name of a photo -> what the layer says of it, as :func:`answers_of` gives them.
        fields: name of a layer -> side of the square that is cut out around a place, as a share of the photo's.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: no photo or layer, a photo that is not square, or one without answers.
    """
    if not photos or not answers:
        raise ValueError("photos and answers need one entry or more: what answers_of was given and what it returned.")
    for name, layers in answers.items():
        missing = sorted(set(photos) - set(layers))
        if missing or name not in fields:
            raise ValueError(f"answers[{name!r}] lacks {missing or 'its entry in fields'}: give all photos and layers.")
    panel = Panel(
        "channel_answers",
        title="What a channel answers to",
        controls=(
            Select("photo", "Photo", {name: name for name in photos}),
            Choice("layer", "Layer", {name: name for name in answers}),
            Choice("rank", "Channel", {rank: ("strongest", "2nd", "3rd", "4th")[rank] for rank in range(CHANNELS)}),
        ),
        alt=lambda photo, layer, **_: (
            f"A photo, the answers of four channels of a layer laid over it, and for the chosen channel the places in "
            f"{len(photos)} photos that it answers to most. It starts with the photo {photo!r} and the layer {layer!r}."
        ),
        room=150,
        hint=110,
    )
    first = next(iter(answers))
    data = {
        "photos": {name: packed_photo(f"photos[{name!r}]", photo, PHOTO) for name, photo in photos.items()},
        "layers": {
            layer: {
                "field": fields[layer],
                "photos": {
                    name: {
                        "channels": [int(channel) for channel in own.channels],
                        "side": len(own.maps[0]),
                        "maps": b64encode(own.maps.tobytes()).decode(),
                        "places": [[[p, round(x, 3), round(y, 3)] for p, x, y in each] for each in own.places],
                    }
                    for name, own in layers.items()
                },
            }
            for layer, layers in answers.items()
        },
    }
    return panel(photo=next(iter(photos)), layer=first, rank=0, data=data, key=key)
