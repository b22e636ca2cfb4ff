"""The command itself."""

import sys

from cnnlab.classify.command import main

__all__ = []

sys.exit(main())
