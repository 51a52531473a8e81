"""The system libraries that our wheels need, and the packages that provide them.

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
    has_stand_in: bool  # whether sessions can train without it

    @property
    def cure(self) -> str:
        """The commands that install it."""
        return f"apt-get install {self.debian} (Debian, Ubuntu) or dnf install {self.fedora} (Fedora, RHEL)"


LIBRARIES = (
    SystemLibrary("libstdc++.so.6", "libstdc++6", "libstdc++", "NumPy, SciPy, pandas, scikit-learn, LightGBM", False),
    SystemLibrary("libz.so.1", "zlib1g", "zlib", "NumPy, SciPy", False),
    SystemLibrary("libgomp.so.1", "libgomp1", "libgomp", "LightGBM", True),
)
_OUT_OF_MEMORY = (
    "failed to map segment",  # the dynamic loader
    "Cannot allocate memory",  # the kernel
    "bad_alloc",  # LightGBM, in the middle of training
)


def is_loadable(soname: str) -> bool:
    """Ask the dynamic loader for a library."""
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def missing_libraries() -> list[SystemLibrary]:
    """Return the libraries that this system lacks."""
    if sys.platform != "linux":
        return []  # wheels for other systems need other libraries
    return [library for library in LIBRARIES if not is_loadable(library.soname)]


def cure_for(problem: str) -> str:
    """Return the cure for a failed import.

    >>> cure_for("libgomp.so.1: cannot open shared object file: No such file or directory")
    'apt-get install libgomp1 (Debian, Ubuntu) or dnf install libgomp (Fedora, RHEL)'
    """
    for library in LIBRARIES:
        if library.soname in problem:
            return library.cure
    return "`bondx doctor --environment` names what is missing"


def ran_out_of_memory(error: BaseException) -> bool:
    """Tell a library that ran out of memory from a missing or broken library.

    >>> ran_out_of_memory(ImportError("algos.so: failed to map segment from shared object"))
    True
    """
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _OUT_OF_MEMORY)


if __name__ == "__main__":
    for lacking in missing_libraries():
        print(lacking.soname, lacking.debian, lacking.fedora, "spared" if lacking.has_stand_in else "required")
