"""Where this machine keeps a Chromium, for what is looked at in a real browser."""

from __future__ import annotations

import shutil

# The shell draws the same pages without a browser's own windows, which cost more than most pages do.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """The path of the first that is installed; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)
