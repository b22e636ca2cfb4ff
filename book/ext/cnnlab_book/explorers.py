"""Explorers that carry or ask for a trained network: files, so that a page's first load does not wait for them.

In a notebook an explorer's output is whole. In the built page a large script comes when the reader comes near, by a
script element, which browsers allow on file:// too. A pretrained network that an explorer names is written out of the
installed package that has it; the page says where it lies, and the explorer takes it when it is asked for.
"""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

from cnnlab.widgets.networks import NETWORKS, network_file, network_version

logger = logging.getLogger(__name__)

LARGE = 120_000  # characters of a script; smaller ones stay where they are
FOLDER = "_images/explorers"

_SCRIPT = re.compile(
    r'<script>\n(\(\(\) => \{\n"use strict";\n(?:(?!</script>).)*)\n</script>',
    re.DOTALL,
)
_NETWORK = re.compile(r'"network":"(\w+)"')
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
        asked = [
            name
            for name in dict.fromkeys(_NETWORK.findall(context["body"]))
            if name in NETWORKS
        ]
        places = {
            name: context["pathto"](path, 1)
            for name in asked
            if (path := network_path(name, Path(app.outdir)))
        }
        context["body"] = _SCRIPT.sub(filed, context["body"])
        if places:
            said = json.dumps(places, separators=(",", ":"))
            context["body"] = (
                f"<script>window.cnnlabNetworks={said};</script>\n{context['body']}"
            )


def network_path(name: str, outdir: Path) -> str | None:
    """Where the file of a network lies below ``outdir``, written if it is not there; None without its package."""
    try:
        path = f"{FOLDER}/{name}-{network_version(name)}.js"
    except PackageNotFoundError as error:
        logger.info(
            "%s is not installed: the page's explorer says that the network is not there",
            error.name,
        )
        return None
    target = outdir / path
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        for old in target.parent.glob(f"{name}-*.js"):
            old.unlink()
        target.write_text(network_file(name), encoding="utf-8")
    return path
