"""`python -m genstudio`: see `cli.py`."""

import sys

from genstudio.cli import main

if __name__ == "__main__":
    sys.exit(main())
