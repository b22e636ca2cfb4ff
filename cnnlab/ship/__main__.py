"""The command itself."""

import sys

from cnnlab.ship.command import main

__all__ = []

sys.exit(main())
