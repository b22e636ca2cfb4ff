"""A trained MobileNet whose weights are rounded to a few bits, in the page."""

from __future__ import annotations

from cnnlab.chapters.resnet.taken_apart import bundled_pictures, picture_names, trained
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Select, Slider

__all__ = ["last_bits"]

FULL = 16
SHOWN = 16  # kernels
_PER = {"tensor": "a layer", "channel": "each output channel"}


def last_bits(
    bits: int = 8, *, per: str = "tensor", layer: int = 7, picture: int = 0, key: str | None = None
) -> Explorer:
    """Round a trained MobileNet's weights and see its depthwise kernels, its answer, and how many pictures it reads.

    It has an eighth of MobileNet v1's widths and was recorded on Fashion-MNIST (``experiments/look_inside.py``);
    batch norms are part of its convolutions. Biases are not rounded. All is computed in the page.

    Args:
        bits: 2 to 16 for each weight; 16 is as recorded.
        per: "tensor", one scale for the weights of a layer, or "channel", one for each output channel.
        layer: which depthwise layer is looked into, of those with 16 maps or more.
        picture: which of the 60 test pictures, row by row.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a number of bits, a way, a layer or a picture that there is not.
    """
    from cnnlab.ship.page import export_page

    page = export_page(trained("MobileNet"), bits=FULL)
    depthwise = [(at, own["groups"]) for at, own in enumerate(page["layers"]) if own.get("groups", 1) > 1]
    # Number in the network -> its place among the layers, and its maps; the first have too few to compare.
    layers = {number: {"at": at, "maps": maps} for number, (at, maps) in enumerate(depthwise, 1) if maps >= SHOWN}
    data = bundled_pictures()
    names = picture_names(data)
    panel = Panel(
        "last_bits",
        title="The last bits",
        controls=(
            Slider("bits", 2, FULL, "bits of a weight"),
            Choice("per", "One scale for", _PER),
            Select("layer", "Look into", {number: f"depthwise layer {number}" for number in layers}),
            Select("picture", "Picture", names),
        ),
        presets={
            "As recorded": {"bits": FULL},
            "8 bits, a layer": {"bits": 8, "per": "tensor"},
            "4 bits, a layer": {"bits": 4, "per": "tensor"},
            "4 bits, each channel": {"bits": 4, "per": "channel"},
        },
        alt=lambda bits, per, layer, picture: (
            "A contact sheet of 60 pictures of clothes, a small MobileNet's answers to a chosen one, how many of all "
            "pictures it has right, and the 3 × 3 kernels and strongest maps of a depthwise layer, while its weights "
            f"are rounded. At the start they have {bits} bits with one scale for {_PER[per]}, the layer is depthwise "
            f"layer {layer}, and the picture is {names[picture]}."
        ),
        room=170,
        hint=60,
        variables={"tally": None},
    )
    return panel(
        bits=bits, per=per, layer=layer, picture=picture, data={"network": page, "layers": layers, **data}, key=key
    )
