"""The child process of one step: `python -m core.retraining.child ROOT ID STEP PARENT MIB`.

It computes at the lowest priority, never outlives the engine's thread that started it, and writes its result into the
retraining's folder as its last act, so that a result is either whole or not there.
"""

import logging
import os
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

from core.allocator import limit_arenas
from core.escape import escaped
from core.own_python import die_with_parent
from core.progress import listen
from core.retraining.document import StepName
from core.training.child import OUT_OF_MEMORY_EXIT, yield_to_others
from core.training.child_output import log_to_parent

log = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Perform the step that the arguments name."""
    root, retraining_id, step, parent_pid, memory_limit_mb = arguments
    die_with_parent(int(parent_pid))
    yield_to_others()
    limit_arenas()
    if int(memory_limit_mb):  # before the heavy libraries load
        resource.setrlimit(resource.RLIMIT_AS, (int(memory_limit_mb) << 20, resource.RLIM_INFINITY))
    log_to_parent()
    return _perform(Path(root), retraining_id, StepName(step))


def _perform(root: Path, retraining_id: str, step: StepName) -> int:
    began = time.monotonic()
    try:
        import msgspec

        from core.retraining.errors import NotPassedError
        from core.retraining.results import StepResult, write_progress, write_result
        from core.retraining.retrainings import Retrainings
        from core.retraining.step_work import perform
        from core.state import Workspace
        from core.training.failure import failure_of

        workspace = Workspace.open(root)

        def tell(part: str) -> None:
            log.info("%s %s: %s", retraining_id, step, part)
            with suppress(OSError):  # on a full disk the step itself says so
                write_progress(workspace, retraining_id, step, part)

        listen(tell)
        try:
            found = perform(workspace, Retrainings(workspace).get(retraining_id), step)
        except NotPassedError as error:
            found = StepResult(outcome="stopped", reason=error.reason, evidence=error.evidence)
        except Exception as error:
            failure = failure_of(error)
            if failure.kind == "memory":
                return OUT_OF_MEMORY_EXIT
            print(escaped(failure.details, keep="\n"), file=sys.stderr, flush=True)
            found = StepResult(outcome="failed", reason=failure.reason)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        found = msgspec.structs.replace(found, seconds=time.monotonic() - began, peak_memory_mb=peak)
        write_result(workspace, retraining_id, step, found)
    except MemoryError:
        return OUT_OF_MEMORY_EXIT
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # LightGBM's threads have nothing to clean up that is worth waiting for
