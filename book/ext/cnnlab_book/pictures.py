"""Photographs inside a notebook's outputs are PNG, which is exact and heavy; the page gets them as WebP."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

from sphinx.application import Sphinx

LARGE = 20_000  # characters of base64; smaller pictures are pixel art, where every pixel counts
QUALITY = 86

_PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def _smaller(match: re.Match[str]) -> str:
    from PIL import Image

    if len(match.group(1)) < LARGE:
        return match.group(0)
    packed = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(match.group(1)))) as picture:
        picture.save(packed, "WEBP", quality=QUALITY, method=6)
    text = base64.b64encode(packed.getvalue()).decode("ascii")
    return (
        f"data:image/webp;base64,{text}"
        if len(text) < len(match.group(1))
        else match.group(0)
    )


def compress_pictures(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Write large inline PNG pictures of a page as WebP."""
    if context.get("body"):
        context["body"] = _PNG.sub(_smaller, context["body"])
