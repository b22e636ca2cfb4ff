"""Two pictures of each class of Fashion-MNIST, small enough to carry, so that the page can show what it measures on."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

from cnnlab.data import load_dataset
from experiments.facts import record

EACH = 2
LICENSE = (
    "MIT License, Copyright (c) 2017 Zalando SE, https://tech.zalando.com. Permission is hereby granted, free of "
    "charge, to any person obtaining a copy of this software and associated documentation files, to deal in it without "
    "restriction, provided that this notice is included in all copies or substantial portions. It is provided as is, "
    "without warranty of any kind."
)


def make(folder: str | None) -> dict[str, Any]:
    data = load_dataset("fashion_mnist", root=folder)
    pictures = []
    for label, name in enumerate(data.train.classes):
        for place in (data.train.labels == label).nonzero().flatten()[:EACH].tolist():
            packed = io.BytesIO()
            Image.fromarray(data.train.images[place, 0].numpy()).save(packed, "PNG", optimize=True)
            coded = base64.b64encode(packed.getvalue()).decode()
            pictures.append({"class": name, "training image": place, "png": coded})
    return {"source": data.source, "license": LICENSE, "pictures": pictures}


if __name__ == "__main__":
    record("fashion_samples", make)
