"""Explorers that carry a trained network as files, so that a page's first load does not wait for them.

In a notebook such an output is whole. In the built page its script comes when the reader comes near, by a script
element, which browsers allow on file:// too.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

LARGE = 200_000  # characters of a script; smaller ones stay where they are
FOLDER = "_images/explorers"

_SCRIPT = re.compile(
    r'<script>\n(\(\(\) => \{\n"use strict";\n(?:(?!</script>).)*)\n</script>',
    re.DOTALL,
)
_START = re.compile(r'start\("(cnnlab-[0-9a-f]{10})",')
# A screen and a half before it is seen.
_LOADER = """<script>
(() => {{
const come = () => document.head.append(Object.assign(document.createElement("script"), {{ src: "{address}" }}));
new IntersectionObserver((seen, own) => {{
if (seen.some((each) => each.isIntersecting)) {{ own.disconnect(); come(); }}
}}, {{ rootMargin: "1200px" }}).observe(document.getElementById("{id}"));
}})();
</script>"""


def file_explorers(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Write the large scripts of a page's explorers as files and let it load them when they are near."""

    def filed(match: re.Match[str]) -> str:
        started = _START.search(match[1])
        if len(match[1]) < LARGE or started is None:
            return match[0]
        name = f"{hashlib.sha256(match[1].encode()).hexdigest()[:12]}.js"
        target = Path(app.outdir) / FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_text(match[1], encoding="utf-8")
        return _LOADER.format(
            address=context["pathto"](f"{FOLDER}/{name}", 1), id=started[1]
        )

    if context.get("body"):
        context["body"] = _SCRIPT.sub(filed, context["body"])
