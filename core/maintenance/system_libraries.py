"""The system libraries that our wheels need, and the packages that bring them.

`tools/check_system.sh` runs this file before anything is installed, so it imports the standard library alone. The list
is what `ldd` finds outside the wheels themselves; every system with Python has the C library besides.
"""

import ctypes
import sys
from typing import NamedTuple


class SystemLibrary(NamedTuple):
    """A shared library that wheels expect the system to have."""

    soname: str
    debian: str  # the package on Debian and Ubuntu
    fedora: str  # the package on Fedora and RHEL
    used_by: str
    is_required: bool  # False: BondX runs without it, with less


LIBRARIES = (
    SystemLibrary("libstdc++.so.6", "libstdc++6", "libstdc++", "NumPy, pandas, scikit-learn and others", True),
    SystemLibrary("libz.so.1", "zlib1g", "zlib", "NumPy, SciPy and others", True),
    SystemLibrary("libgomp.so.1", "libgomp1", "libgomp", "LightGBM; scikit-learn stands in without it", False),
)


def loads(soname: str) -> bool:
    """Check that the dynamic loader finds a library."""
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def missing_libraries() -> list[SystemLibrary]:
    """Return the libraries that this system lacks."""
    if sys.platform != "linux":
        return []  # the wheels for macOS bring or name their own
    return [library for library in LIBRARIES if not loads(library.soname)]


if __name__ == "__main__":
    for missing in missing_libraries():
        print(missing.soname, missing.debian, missing.fedora, "required" if missing.is_required else "optional")
