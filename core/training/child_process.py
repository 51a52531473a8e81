"""The trainer's side of its child: start it, send a request, receive its answer or the reason for its death."""

import contextlib
import os
import signal
import subprocess
import threading

import msgspec

from core.own_python import child_environment, module_command, signal_name
from core.training.child import NICENESS, OUT_OF_MEMORY_EXIT
from core.training.child_output import ChildOutput, child_level
from core.training.errors import ChildDiedError, out_of_memory
from core.training.watchdog import usage_of
from core.training.wire import MESSAGES, ChildReply, ChildRequest, Working, receive, send

GRACE_SECONDS = 2.0


class ChildProcess:
    """A running training child. Not to be shared between threads, except for `kill` and `pid`.

    It must be started from the thread that uses it: the kernel ties its life to that thread.
    """

    def __init__(self, wake: threading.Event, *, memory_limit_mb: int = 0, niceness: int = NICENESS) -> None:
        """Start the child; what it prints and logs are records of this process (see `core.training.child_output`).

        Args:
            wake: Set whenever an answer has arrived.
            memory_limit_mb: Address space it may use, MiB; 0 sets no limit.
            niceness: Added to that of this process.
        """
        self._wake = wake
        self._memory_limit_mb = memory_limit_mb
        self._answer: ChildReply | None = None
        self._death: str | None = None
        self._part = (0, "its start")
        child_reads, we_write = os.pipe()
        we_read, child_writes = os.pipe()
        self._process = subprocess.Popen(
            module_command("core.training.child", child_reads, child_writes, os.getpid(), memory_limit_mb, niceness),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(child_reads, child_writes),
            start_new_session=True,  # Ctrl-C at the terminal is for us to handle
            # models train side by side instead of in threads, which is faster on few cores
            env={**child_environment(), **child_level()},
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._output = ChildOutput(self._process.stdout, self._process.stderr, self._process.pid)
        os.close(child_reads)
        os.close(child_writes)
        self._requests = os.fdopen(we_write, "wb")
        self._replies = os.fdopen(we_read, "rb")
        self._listener = threading.Thread(target=self._listen, name="trainer-child", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def part(self) -> tuple[int, str]:
        """The number and name of the part of its work that the child announced last."""
        return self._part

    @property
    def cpu_seconds(self) -> float:
        """The processor time that the child has used, in seconds; 0 if it is gone."""
        usage = usage_of(self._process.pid)
        return usage.cpu_seconds if usage is not None else 0.0

    def ask(self, request: ChildRequest) -> None:
        """Send a request; `hear` returns the answer.

        Raises:
            ChildDiedError: The child is gone.
        """
        try:
            send(self._requests, request)
        except OSError:
            self._listener.join()
            raise self._died() from None

    def hear(self) -> ChildReply | None:
        """Return the answer if it has come, else None.

        Raises:
            ChildDiedError: The child died; the message says why, as far as known.
        """
        if (answer := self._answer) is not None:
            self._answer = None
            return answer
        if self._death is not None:
            raise self._died()
        return None

    def close(self) -> None:
        """End the child by closing its pipe, and by force where that is not enough."""
        with contextlib.suppress(OSError):  # it was already dead, and a request was still in the buffer
            self._requests.close()
        self._listener.join(GRACE_SECONDS)
        if self._listener.is_alive():
            self.kill()
            self._listener.join()

    def kill(self) -> None:
        """Kill the child immediately."""
        # not Popen.kill: that would reap the child, and lose what `_listen` needs to know about its death
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        """Collect answers until the pipe ends, then reap the child and describe its death."""
        try:
            with self._replies as replies:
                while (answer := receive(replies, MESSAGES)) is not None:
                    if isinstance(answer, Working):
                        self._part = (self._part[0] + 1, answer.part)
                        continue
                    self._answer = answer
                    self._wake.set()
            spoke_nonsense = ""
        except msgspec.DecodeError as error:
            spoke_nonsense = f"it sent an invalid message ({error})"
            self.kill()
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._output.end()
        self._death = spoke_nonsense or describe_death(
            self._process.returncode, usage.ru_maxrss << 10, self._memory_limit_mb
        )
        self._wake.set()

    def _died(self) -> ChildDiedError:
        over_limit = bool(self._memory_limit_mb) and self._process.returncode == OUT_OF_MEMORY_EXIT
        return ChildDiedError(self._death or "the training child is gone", is_hopeless=over_limit)


def describe_death(exit_code: int, peak_rss_bytes: int, memory_limit_mb: int = 0) -> str:
    """Describe why a child died.

    Args:
        exit_code: As returned by `os.waitstatus_to_exitcode`: negative for a signal.
        peak_rss_bytes: Its peak resident memory.
        memory_limit_mb: Its limit, MiB; 0 for none.

    >>> describe_death(-9, 512 << 20)
    'the training child was killed by SIGKILL (the kernel does so when memory runs out); peak resident memory 512 MiB'
    """
    memory = f"peak resident memory {peak_rss_bytes >> 20} MiB"
    if exit_code == OUT_OF_MEMORY_EXIT:
        return f"{out_of_memory(memory_limit_mb)}; {memory}"
    limit = f" (as a library may when trainer.memory_limit_mb {memory_limit_mb} MiB is too little)"
    hint = limit if memory_limit_mb else ""
    if exit_code >= 0:
        return f"the training child ended with exit code {exit_code}{hint}; see logs/training.log; {memory}"
    if -exit_code == signal.SIGKILL:
        hint = " (the kernel does so when memory runs out)"
    return f"the training child was killed by {signal_name(exit_code)}{hint}; {memory}"
