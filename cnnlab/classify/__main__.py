"""The command itself."""

import sys

from cnnlab.classify.command import main

sys.exit(main())
