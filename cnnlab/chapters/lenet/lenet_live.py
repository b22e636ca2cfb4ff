"""LeNet-5 and the MLP inside the page: a digit drawn or taken, every map, and the sum behind each unit."""

from __future__ import annotations

from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Pad, Panel, Pick, Select, Slider

__all__ = ["lenet_live"]

RECORD = "lenet_live"
LAYERS = ("C1", "S2", "C3", "S4", "C5", "F6", "output")
_PLAIN = {"across": 0, "down": 0, "turn": 0, "noise": 0}


def trained(name: str) -> Any:
    """The recorded network ``name``, "lenet5_28" or "mlp_mnist", with its rounded weights, in evaluation mode."""
    from cnnlab.models import create_model
    from cnnlab.ship.packing import load_packed

    return load_packed(create_model(name), _kept(name)["weights"]).eval()


def mnist_picture(number: int) -> Any:
    """One of the test pictures that `lenet_live` offers. Shape: (28, 28), from 0 to 255.

    Raises:
        ValueError: ``number`` is not one of those.
    """
    from base64 import b64decode

    import torch

    pictures = _kept("lenet5_28")["pictures"]
    if number not in range(len(pictures)):
        raise ValueError(f"number={number!r} is no test picture of this page; use 0 to {len(pictures) - 1}.")
    pixels = bytearray(b64decode(pictures[number]["pixels"]))
    return torch.frombuffer(pixels, dtype=torch.uint8).reshape(28, 28).float()


def _kept(name: str) -> dict[str, Any]:
    """What the record has of the training whose weights were kept."""
    from cnnlab.results import recorded

    return next(run for run in recorded(RECORD)["results"] if run["model"] == name and "weights" in run)


def _named(pictures: list[dict[str, Any]]) -> dict[str, str]:
    """What each test picture is called: the first of each digit, then those that LeNet-5 misreads."""
    return {
        str(place): f"a {own['label']}" if place < 10 else f"{own['label']}, misread ({own['test_image']})"
        for place, own in enumerate(pictures)
    }


def lenet_live(picture: int | None = 7, *, layer: str = "C3", key: str | None = None) -> Explorer:
    """LeNet-5 as recorded, on what you draw: all of its maps, its answer and the MLP's, and any unit's sum.

    The drawing becomes a picture as MNIST's are: fitted into 20 x 20 pixels, with soft edges, its center of mass in the
    middle of 28 x 28. The weights have 16 bits (the MLP's 8), as ``book/recorded/lenet_live.json`` has them.

    Args:
        picture: the test picture to start from: 0 to 9, the first of each digit, or 10 to 13, which LeNet-5 misreads;
            None for an empty pad.
        layer: the layer looked into at the start.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a picture or layer that there is not.
    """
    from cnnlab.ship.page import export_page

    kept = _kept("lenet5_28")
    names = _named(kept["pictures"])
    panel = Panel(
        "lenet_live",
        title="LeNet-5, live",
        controls=(
            Select("picture", "Picture", {"": "your drawing"} | names),
            Pad("strokes", "Pad: the arrow keys move a pen, the space bar puts it down or lifts it.", pen="pen"),
            Slider("across", -8, 8, "shifted right", unit=" px"),
            Slider("down", -8, 8, "shifted down", unit=" px"),
            Slider("turn", -90, 90, "turned", unit="°", color="green"),
            Slider("noise", 0, 100, "noise", unit=" %", color="violet"),
            Choice("layer", "Look into", {name: name for name in LAYERS}),
            Slider("map", 1, 120, "map or unit"),
            Pick("unit", "The chosen unit. The arrow keys choose another.", sets=("x", "y"), hover=False),
        ),
        variables={"pen": [0.5, 0.5, False], "x": 4, "y": 4},
        presets={
            "Clean": _PLAIN | {"picture": "7"},
            "Shifted": _PLAIN | {"picture": "7", "across": 5},
            "Turned": _PLAIN | {"picture": "4", "turn": 45},
            "In noise": _PLAIN | {"picture": "3", "noise": 60},
            "Misread": _PLAIN | {"picture": "10"},
        },
        alt=lambda picture, layer, **_: (
            "A pad to draw a digit on, the picture of 28 × 28 pixels that becomes of it, and everything that LeNet-5 "
            "makes of that: 6 maps of C1 and of S2, 16 of C3 and of S4, bars for C5 and F6, and bars for the ten "
            "digits beside those of an MLP. The digit can be shifted, turned and covered with noise. At the start it "
            f"is {names.get(picture, 'empty')}, and a unit of {layer} shows what it reads, its weights and its sum."
        ),
        room=97,
        hint=130,
    )
    side = {"C1": 24, "S2": 12, "C3": 8, "S4": 4}.get(layer, 1)
    return panel(
        picture="" if picture is None else str(picture),
        strokes=[],
        **_PLAIN,
        layer=layer,
        map=1,
        x=side // 2,
        y=side // 2,
        data={
            "lenet": export_page(trained("lenet5_28"), bits=16),
            "mlp": export_page(trained("mlp_mnist"), bits=8),
            "mean": kept["mean"][0],
            "std": kept["std"][0],
            "pictures": [{"label": own["label"], "pixels": own["pixels"]} for own in kept["pictures"]],
        },
        key=key,
    )
