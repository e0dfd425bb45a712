"""``python -m xnat``: the command line."""

import sys

from xnat.cli import main

if __name__ == "__main__":
    sys.exit(main())
