"""`python -m prefix_core`."""

import sys

from prefix_core.cli import main

sys.exit(main())
