"""Run a command of bondx, or a writer, under the faults of a control file: a shifted clock, and a slow or full disk.

    python -m tests.crash.chaos_process CONTROL bondx serve …
    python -m tests.crash.chaos_process CONTROL writer NAME …

The control file is JSON, read again at every call: `clock_seconds` is added to the time of day, `fsync_seconds` is how
long each fsync takes longer, and `is_full` refuses every fsync with ENOSPC, as a disk without room may.
"""

import errno
import json
import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

CALM: dict[str, Any] = {"clock_seconds": 0.0, "fsync_seconds": 0.0, "is_full": False}


def put(control: Path, **faults: Any) -> None:
    """Replace the faults of a control file, whole."""
    new = control.with_name(f"{control.name}.new")
    new.write_text(json.dumps({**CALM, **faults}))
    new.rename(control)


def under_faults(control: Path) -> None:
    """Let this process see the faults from now on. Nothing of core but its clock may be imported yet."""
    import core.clock

    real_now, real_time, real_fsync = core.clock.utc_now, time.time, os.fsync

    def faults() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(control.read_text())
        return found

    def shifted_now() -> datetime:
        return real_now() + timedelta(seconds=faults()["clock_seconds"])

    def shifted_time() -> float:
        return real_time() + float(faults()["clock_seconds"])

    def slow_fsync(descriptor: int) -> None:
        now = faults()
        time.sleep(now["fsync_seconds"])
        if now["is_full"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_fsync(descriptor)

    core.clock.utc_now = shifted_now
    time.time = shifted_time
    os.fsync = slow_fsync


def main() -> int:
    """Run what the arguments say."""
    control, program, *arguments = sys.argv[1:]
    under_faults(Path(control))
    if program == "writer":
        from tests.crash.chaos_writer import write_until_told

        return write_until_told(*arguments)
    from console.cli.main import main as bondx

    return bondx(arguments)


if __name__ == "__main__":
    sys.exit(main())
