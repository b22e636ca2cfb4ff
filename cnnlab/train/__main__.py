"""The command itself."""

import sys

from cnnlab.train.command import main

__all__ = []

sys.exit(main())
