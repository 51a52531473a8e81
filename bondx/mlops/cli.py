"""`python -m bondx.mlops.cli` is the command `bondx-mlops`."""

import sys

from console.mlops.cli import main

if __name__ == "__main__":
    sys.exit(main())
