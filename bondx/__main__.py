"""`python -m bondx` is the command `bondx`."""

import sys

from bondx.own_packages import bondx

if __name__ == "__main__":
    sys.exit(bondx())
