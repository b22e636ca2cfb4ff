"""Groups and the channel shuffle as wiring: which input channels reach an output of a few grouped layers."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer, whole

__all__ = ["group_wiring"]

CHANNEL_CHOICES = (8, 12, 16)
MOST_LAYERS = 4

# Name -> (channels, groups, layers, shuffle).
GROUP_WIRING_PRESETS: dict[str, tuple[int, int, int, bool]] = {
    "Full": (12, 1, 2, False),
    "Two towers": (12, 2, 3, False),
    "Three groups": (12, 3, 2, False),
    "Three, shuffled": (12, 3, 2, True),
    "Narrow groups": (16, 8, 2, True),
    "Narrow and deep": (16, 8, 4, True),
    "Depthwise": (12, 12, 3, True),
}


def group_wiring(
    channels: int = 12, groups: int = 3, layers: int = 2, shuffle: bool = False, *, key: str | None = None
) -> Explorer:
    """Channels as dots, a grouped convolution as wires, and the input channels that reach a chosen output.

    All layers have the same channels and groups; a shuffle, if there is one, stands between two layers. The wires are
    those of `cnnlab.convolutions.connections`, the order after a shuffle is that of `shuffled_order` there.

    Args:
        channels: of every layer at the start: 8, 12 or 16.
        groups: of every layer at the start; must divide ``channels``.
        layers: how many at the start, 1 to 4.
        shuffle: whether the channels are shuffled between two layers at the start.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for other numbers of channels or layers, or groups that do not divide the channels.
    """
    whole("layers", layers, 1, MOST_LAYERS, "More of them cannot be drawn wire by wire.")
    if channels not in CHANNEL_CHOICES:
        raise ValueError(f"channels={channels!r} is not offered; choose among {', '.join(map(str, CHANNEL_CHOICES))}.")
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    if groups not in divisors:
        raise ValueError(
            f"groups={groups!r} does not divide channels={channels}; choose among {', '.join(map(str, divisors))}."
        )
    reached = _inputs_of_first_output(channels, groups, layers, shuffle)
    plural = "layers" if layers > 1 else "layer"
    return Explorer(
        "group_wiring",
        {
            "start": [channels, groups, layers, bool(shuffle)],
            "channels": list(CHANNEL_CHOICES),
            "most": MOST_LAYERS,
            "presets": [[name, list(preset)] for name, preset in GROUP_WIRING_PRESETS.items()],
        },
        key=key,
        title="Groups and shuffle as wiring",
        alt="Rows of dots, one for each channel, with wires where a grouped convolution connects them. A chosen output "
        "is traced back to the input channels that reach it. At the start there "
        f"{'are' if layers > 1 else 'is'} {layers} {plural} of {channels} channels, {groups} group"
        f"{'s' if groups > 1 else ''}, {'with' if shuffle else 'without'} shuffle: {len(reached)} of the {channels} "
        "inputs reach the first output.",
    )


def _inputs_of_first_output(channels: int, groups: int, layers: int, shuffle: bool) -> set[int]:
    """Without torch, which an explorer does not import."""
    members = channels // groups
    seen = {0}
    for layer in range(layers):
        seen = {group * members + member for group in {c // members for c in seen} for member in range(members)}
        if shuffle and layer < layers - 1:
            seen = {(place % groups) * members + place // groups for place in seen}
    return seen
