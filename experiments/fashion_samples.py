"""Two pictures of each class of Fashion-MNIST, small enough to carry, so that the page can show what it measures on.

Not a training: ``python -m experiments.fashion_samples --data DIR`` writes the file anew from the data set.
"""

from __future__ import annotations

import argparse
import base64
import io
import sys
from collections.abc import Sequence

from PIL import Image

from cnnlab.data import load_dataset
from cnnlab.environment import device
from cnnlab.results import recorded_folder
from cnnlab.training.provenance import command_line, provenance
from cnnlab.training.run import write_json

NAME = "fashion_samples"
EACH = 2
LICENSE = (
    "MIT License, Copyright (c) 2017 Zalando SE, https://tech.zalando.com. Permission is hereby granted, free of "
    "charge, to any person obtaining a copy of this software and associated documentation files, to deal in it without "
    "restriction, provided that this notice is included in all copies or substantial portions. It is provided as is, "
    "without warranty of any kind."
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog=f"python -m experiments.{NAME}")
    parser.add_argument("--data", default=None, help="folder of the data sets (default: CNNLAB_DATA, or download)")
    options = parser.parse_args(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    data = load_dataset("fashion_mnist", root=options.data)
    pictures = []
    for label, name in enumerate(data.train.classes):
        for place in (data.train.labels == label).nonzero().flatten()[:EACH].tolist():
            packed = io.BytesIO()
            Image.fromarray(data.train.images[place, 0].numpy()).save(packed, "PNG", optimize=True)
            coded = base64.b64encode(packed.getvalue()).decode()
            pictures.append({"class": name, "training image": place, "png": coded})
    command = command_line(f"python -m experiments.{NAME}", given, private=("--data",))
    made = {**provenance(device()), "command": command, "data": {data.name: data.source}}
    record = {"name": NAME, "license": LICENSE, "provenance": made, "pictures": pictures}
    write_json(recorded_folder() / f"{NAME}.json", record)


if __name__ == "__main__":
    main()
