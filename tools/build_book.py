"""Build the book: ``jupyter-book build`` without two imports that cost a third of its time and are never used.

    python tools/build_book.py [arguments of jupyter-book build]

jsonschema compiles a grammar of internationalized addresses for a format check that no schema of the book asks for;
sphinxext-opengraph loads matplotlib for social cards, which are switched off in ``_config.yml``. Both go on without.
"""

from __future__ import annotations

import contextlib
import os
import sys

UNUSED = ("rfc3987_syntax", "matplotlib")


def main() -> int:
    # Importing one of them now raises ImportError, which both expect; one says so, wrongly for us.
    sys.modules.update(dict.fromkeys(UNUSED))  # type: ignore[arg-type]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        import sphinxext.opengraph  # noqa: F401
    from jupyter_book.cli.main import main as jupyter_book

    sys.argv = ["jupyter-book", "build", ".", "-W", "--keep-going", "-n", *sys.argv[1:]]
    return jupyter_book()


if __name__ == "__main__":
    sys.exit(main())
