"""Say where the repository lives: rewrites the address in ``_config.yml`` and in everything that repeats it.

make publish-url URL=https://github.com/owner/name
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.chapters import ROOT, repository

TEXT = {".cff", ".cfg", ".ipynb", ".md", ".py", ".toml", ".yml", ".yaml", ".bib", ".html", ".js", ""}
LEFT_ALONE = {".git", ".venv", "_build", "build", "dist", "node_modules", "tests", "tools", "constraints.txt"}


def checked(address: str) -> str:
    """The address as ``https://github.com/owner/name``.

    Raises:
        ValueError: it is no GitHub repository (Colab opens notebooks from GitHub only).
    """
    plain = address.strip().rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[A-Za-z0-9_-]+/[A-Za-z0-9._-]+", plain):
        raise ValueError(
            f"URL={address!r} is not the address of a GitHub repository. "
            "Give it as https://github.com/owner/name; Colab opens notebooks from GitHub only."
        )
    return plain


def publish(address: str, root: Path = ROOT) -> list[Path]:
    """Rewrite the old address into ``address`` below ``root``; return the files that changed."""
    new, old = checked(address), repository(root)
    (old_owner, old_name), (owner, name) = (url.removeprefix("https://github.com/").split("/") for url in (old, new))
    swaps = [  # a name that only begins alike is another repository
        (rf"github\.com/{re.escape(old_owner)}/{re.escape(old_name)}(?![\w-])", f"github.com/{owner}/{name}"),
        (rf"/github/{re.escape(old_owner)}/{re.escape(old_name)}(?![\w-])", f"/github/{owner}/{name}"),
        (rf"{re.escape(old_owner)}\.github\.io/{re.escape(old_name)}(?![\w-])", f"{owner}.github.io/{name}"),
    ]
    changed = []
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if LEFT_ALONE & set(inside.parts) or path.suffix not in TEXT or not path.is_file():
            continue
        try:
            before = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        after = before
        for pattern, replacement in swaps:
            after = re.sub(pattern, replacement, after)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(inside)
    return changed


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        changed = publish(sys.argv[1])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path in changed:
        print(f"rewrote {path}")
    print(f"The repository's address is {repository()}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
