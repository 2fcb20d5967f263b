"""`python -m sternpost.cli`: the same command."""

import sys

from sternpost.cli.app import main

sys.exit(main())
