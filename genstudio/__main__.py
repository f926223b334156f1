"""`python -m genstudio`: see `cli/`."""

import sys

from genstudio.cli import main

if __name__ == "__main__":
    sys.exit(main())
