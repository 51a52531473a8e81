"""Child processes that run one of our modules: how they are started, and what their end was."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).parents[1]
_PR_SET_PDEATHSIG = 1
_OWN_PACKAGES = _SOURCE / "bondx" / "own_packages.py"

ONE_THREAD: Mapping[str, str] = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""The environment in which every numeric library computes in one thread."""


def module_command(module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of ours, whatever the working directory and the path hold under its name.

    Args:
        module: The module, by its full name.
        arguments: Its arguments.
    """
    return [sys.executable, "-P", str(_OWN_PACKAGES), module, *map(str, arguments)]


def child_environment() -> dict[str, str]:
    """Return the environment of a child that imports this same source, and computes in one thread."""
    environment = dict(os.environ)
    if not any(Path(entry or ".").resolve() == _SOURCE for entry in sys.path if "site-packages" in entry):
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_SOURCE), inherited)))
    return {**environment, **ONE_THREAD}


def die_with_parent(parent_pid: int) -> None:
    """Let the kernel kill this process when the thread that started it ends."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent_pid:  # the parent died before the line above
            os._exit(0)


def signal_name(exit_code: int) -> str:
    """Name the signal that ended a process.

    Args:
        exit_code: As `subprocess` returns it: negative for a signal.

    >>> signal_name(-9), signal_name(-99)
    ('SIGKILL', 'signal 99')
    """
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"
