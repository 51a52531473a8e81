"""`python -m bondx.mlops.cli` is the command `bondx-mlops`."""

import sys

from bondx.own_packages import bondx_mlops

if __name__ == "__main__":
    sys.exit(bondx_mlops())
