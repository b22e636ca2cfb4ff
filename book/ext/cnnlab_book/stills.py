"""The stills of explorers as files, so that a page does not carry them twice.

Where scripts run, the explorer replaces its still before the browser would load it; a page without JavaScript shows it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from cnnlab.widgets.stills import STILL

_SOURCE = re.compile(r'src="data:image/(\w+);base64,([^"]+)"')
FOLDER = "_images/stills"


def file_stills(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Write the stills of a page as files and let it load them only where they are seen."""

    def filed(match: re.Match[str]) -> str:
        source = _SOURCE.search(match[0])
        if source is None:
            return match[0]
        picture = base64.b64decode(source[2])
        name = f"{hashlib.sha256(picture).hexdigest()[:12]}.{source[1]}"
        target = Path(app.outdir) / FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_bytes(picture)
        address = context["pathto"](f"{FOLDER}/{name}", 1)
        return match[0].replace(source[0], f'loading="lazy" src="{address}"')

    if context.get("body"):
        context["body"] = STILL.sub(filed, context["body"])
