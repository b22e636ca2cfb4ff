"""Groups and the channel shuffle as wiring: which input channels reach an output of a few grouped layers."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Pick, Slider, Toggle

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

PANEL = Panel(
    "group_wiring",
    title="Groups and shuffle as wiring",
    controls=(
        Slider("groups", 1, 16, "groups", symbol="g", color="blue"),
        Slider("layers", 1, MOST_LAYERS, "layers", color="green", why="More of them cannot be drawn wire by wire."),
        Choice("channels", "Channels", {n: str(n) for n in CHANNEL_CHOICES}),
        Toggle("shuffle", "Shuffle between layers"),
        Pick(
            "picture",
            "Channels and wires. Left and right choose a channel, up and down a layer.",
            sets=("channel", "layer"),
            hover=False,
        ),
    ),
    variables={"layer": 1, "channel": 0},
    alt=lambda channels, groups, layers, shuffle: (
        "Rows of dots, one for each channel, with wires where a grouped convolution connects them. A chosen output "
        f"is traced back to the input channels that reach it. At the start there {'are' if layers > 1 else 'is'} "
        f"{layers} layer{'s' if layers > 1 else ''} of {channels} channels, {groups} group"
        f"{'s' if groups > 1 else ''}, {'with' if shuffle else 'without'} shuffle: "
        f"{len(_inputs_of_first_output(channels, groups, layers, shuffle))} of the {channels} inputs reach the first "
        "output."
    ),
    trying="Wirings to try",
    presets={
        name: dict(zip(("channels", "groups", "layers", "shuffle"), own)) for name, own in GROUP_WIRING_PRESETS.items()
    },
    room=125,
    hint=110,
)


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
    if channels not in CHANNEL_CHOICES:
        raise ValueError(f"channels={channels!r} is not offered; choose among {', '.join(map(str, CHANNEL_CHOICES))}.")
    divisors = [n for n in range(1, channels + 1) if channels % n == 0]
    if groups not in divisors:
        raise ValueError(
            f"groups={groups!r} does not divide channels={channels}; choose among {', '.join(map(str, divisors))}."
        )
    return PANEL(channels=channels, groups=groups, layers=layers, shuffle=bool(shuffle), layer=layers, key=key)


def _inputs_of_first_output(channels: int, groups: int, layers: int, shuffle: bool) -> set[int]:
    """Without torch, which an explorer does not import."""
    members = channels // groups
    seen = {0}
    for layer in range(layers):
        seen = {group * members + member for group in {c // members for c in seen} for member in range(members)}
        if shuffle and layer < layers - 1:
            seen = {(place % groups) * members + place // groups for place in seen}
    return seen
