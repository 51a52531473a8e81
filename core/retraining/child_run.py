"""The engine's side of the child process of a step: start it, see its end, end it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable

from core.files import make_folder
from core.own_python import child_environment, module_command, signal_name
from core.retraining.document import Retraining, StepName
from core.retraining.results import StepResult, folder_of, read_progress, read_result
from core.settings.policy_source import last_good_environment
from core.state import Workspace
from core.training.child import OUT_OF_MEMORY_EXIT
from core.training.child_output import ChildOutput, child_level

MODULE = "core.retraining.child"


class StepChild:
    """A running step. It must be started from the thread that uses it: the kernel ties its life to that thread."""

    def __init__(
        self,
        workspace: Workspace,
        retraining: Retraining,
        step: StepName,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the child.

        Args:
            workspace: The workspace.
            retraining: The retraining, whose policy limits time and memory.
            step: The step.
            monotonic: Seconds of a clock that is never set back.
        Raises:
            OSError: It cannot be started.
        """
        self.retraining_id = retraining.retraining_id
        self.step = step
        self._workspace = workspace
        self._monotonic = monotonic
        self._began = monotonic()
        self._limit_seconds = retraining.policy.step_minutes * 60
        self._memory_limit_mb = retraining.policy.memory_limit_mb
        self._is_late = False
        make_folder(folder_of(workspace, self.retraining_id))
        self._process = subprocess.Popen(
            module_command(MODULE, workspace.root, self.retraining_id, step.value, os.getpid(), self._memory_limit_mb),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # it ends with its whole group, and Ctrl-C at the terminal is for the engine
            env={**child_environment(), **child_level(), **last_good_environment(workspace.root)},
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._output = ChildOutput(self._process.stdout, self._process.stderr, self._process.pid)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def progress(self) -> str:
        """Which part of the step has begun; empty if nothing is known of it."""
        return read_progress(self._workspace, self.retraining_id, self.step)

    def result(self) -> StepResult | None:
        """Return what became of the step; None while it runs."""
        exit_code = self._process.poll()
        if exit_code is None:
            if self._monotonic() - self._began <= self._limit_seconds:
                return None
            self._is_late = True
            self.kill()
            exit_code = self._process.returncode
        found = read_result(self._workspace, self.retraining_id, self.step)
        if found is not None:
            return found
        return StepResult(outcome="failed", reason=self._death(exit_code), seconds=self._monotonic() - self._began)

    def kill(self) -> None:
        """End the child with its group, and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._output.end()

    def _death(self, exit_code: int) -> str:
        if self._is_late:
            return f"it took longer than {self._limit_seconds / 60:g} minutes (retraining.step_minutes)"
        if exit_code == OUT_OF_MEMORY_EXIT:
            limit = f" of {self._memory_limit_mb} MiB (retraining.memory_limit_mb)" if self._memory_limit_mb else ""
            return f"it ran out of memory{limit}"
        if exit_code < 0:
            return f"its process was killed by {signal_name(exit_code)}"
        return f"its process ended with exit code {exit_code} and no result; see logs/training.log"
