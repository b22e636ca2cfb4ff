"""Say where the repository lives, and what Colab installs and opens: rewrites both in everything that repeats them.

make publish-url URL=https://github.com/owner/name             # the newest state: main, and the branch editions
make publish-url URL=https://github.com/owner/name REF=ws26    # one that stays: the tag ws26, and editions-ws26
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.chapters import MAIN, ROOT, editions_branch, reference, repository

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


def checked_reference(ref: str) -> str:
    """The reference, which is ``main`` where none is given.

    Raises:
        ValueError: it is no name for a tag that can stand in an address.
    """
    plain = ref.strip() or MAIN
    if (
        not re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?", plain)
        or ".." in plain
        or plain.endswith(".lock")
    ):
        raise ValueError(
            f"REF={ref!r} cannot be the name of a tag here. Take letters, digits, '.', '-' and '_', such as ws26; "
            "leave it out for main."
        )
    return plain


def swaps(old: str, new: str, old_ref: str, new_ref: str) -> list[tuple[str, str]]:
    """Patterns that find the old address or reference, and what stands in their place, to be used in this order."""
    before, after = (url.removeprefix("https://github.com/") for url in (old, new))
    (old_owner, old_name), (owner, name) = before.split("/"), after.split("/")
    pinned, pin = ("" if ref == MAIN else f"@{ref}" for ref in (old_ref, new_ref))
    ends = r"(?![\w-])"  # a name that only begins alike is another one
    old_branch = re.escape(editions_branch(old_ref))
    return [
        # References first, each with the address that it follows.
        (
            rf"git\+https://github\.com/{re.escape(before)}{re.escape(pinned)}{ends}",
            f"git+https://github.com/{after}{pin}",
        ),
        (rf"/{re.escape(before)}/(blob|tree)/{old_branch}/", rf"/{after}/\1/{editions_branch(new_ref)}/"),
        (rf"^([ \t]+cnnlab_reference:[ \t]*){re.escape(old_ref)}(?=\s)", rf"\g<1>{new_ref}"),
        (rf"github\.com/{re.escape(before)}{ends}", f"github.com/{after}"),
        (rf"/github/{re.escape(before)}{ends}", f"/github/{after}"),
        (rf"{re.escape(old_owner)}\.github\.io/{re.escape(old_name)}{ends}", f"{owner}.github.io/{name}"),
    ]


def swapped(text: str, patterns: list[tuple[str, str]]) -> str:
    """``text`` with the new address and reference."""
    for pattern, replacement in patterns:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def publish(address: str, root: Path = ROOT, ref: str = MAIN) -> list[Path]:
    """Rewrite the old address and reference into these below ``root``; return the files that changed."""
    patterns = swaps(repository(root), checked(address), reference(root), checked_reference(ref))
    changed = []
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if LEFT_ALONE & set(inside.parts) or path.suffix not in TEXT or not path.is_file():
            continue
        try:
            before = path.read_bytes().decode("utf-8")  # not read_text, which would change a line's ending
        except UnicodeDecodeError:
            continue
        after = swapped(before, patterns)
        if after != before:
            path.write_bytes(after.encode("utf-8"))
            changed.append(inside)
    return changed


def main() -> int:
    if len(sys.argv) not in {2, 3}:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        changed = publish(sys.argv[1], ref=sys.argv[2] if len(sys.argv) == 3 else MAIN)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path in changed:
        print(f"rewrote {path}")
    ref = reference()
    print(f"The repository's address is {repository()}. Colab installs {ref} and opens {editions_branch(ref)}.")
    if ref != MAIN and changed:
        print(
            f"Commit this, then: git tag {ref} && git push origin {ref}   (the workflow writes {editions_branch(ref)})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
