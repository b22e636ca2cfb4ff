"""The explorer of "Feature extraction": what Python hands over."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO

import numpy
import pytest
from PIL import Image

from cnnlab.chapters.feature_extraction.more_like_this import COLUMNS, SIDE
from cnnlab.widgets import more_like_this


def shades(count: int) -> numpy.ndarray:
    """Squares of one gray each, all different."""
    return numpy.stack([numpy.full((3, 8, 8), 250 * i // count, "uint8") for i in range(count)])


def test_each_piece_lies_where_the_page_looks_for_it():
    count = COLUMNS + 4
    sources = [f"photo {number % 4}" for number in range(count)]
    data = more_like_this(shades(count), sources, {"features": [[0]] * count}).params["data"]
    sheet = numpy.asarray(Image.open(BytesIO(b64decode(data["sheet"].partition(",")[2]))).convert("L"), dtype=int)
    assert sheet.shape == (2 * SIDE, COLUMNS * SIDE)
    for number in range(count):
        middle = sheet[number // COLUMNS * SIDE + SIDE // 2, number % COLUMNS * SIDE + SIDE // 2]
        assert abs(middle - 250 * number // count) < 6
    assert data["of"]["photo 1"] == [1, 5, 9, 13] and data["from"][5] == "photo 1"


def test_it_says_what_is_wrong():
    near = {"features": [[1], [0]]}
    for pictures, sources, nearest in (
        (shades(2), ["a"], near),
        (shades(3), ["a", "a", "b"], near),
        (shades(2), ["a", "b"], {}),
    ):
        with pytest.raises(ValueError, match="give a source for each picture, equally many pictures of each"):
            more_like_this(pictures, sources, nearest)
    for rows in ([[1]], [[1], [2]]):
        with pytest.raises(ValueError, match=r"nearest\['features'\] must give for each of the 2 pictures"):
            more_like_this(shades(2), ["a", "b"], {"features": rows})
    with pytest.raises(ValueError, match=r"pictures have shape \(8, 8\).*give uint8"):
        more_like_this(shades(2)[:, 0], ["a", "b"], near)
