"""The trainer's side of its child: start it, send a request, receive its answer or the reason for its death."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

import core
from core.files import make_folder, open_to_write, rename
from core.own_python import ONE_THREAD, module_command, signal_name
from core.training.child import OUT_OF_MEMORY_EXIT
from core.training.errors import ChildDiedError
from core.training.wire import MESSAGES, ChildReply, ChildRequest, Working, receive, send

GRACE_SECONDS = 2.0
MAX_LOG_BYTES = 100 << 20
_SOURCE = Path(core.__file__).parent.parent


class ChildProcess:
    """A running training child. Not to be shared between threads, except for `kill` and `pid`.

    It must be started from the thread that uses it: the kernel ties its life to that thread.
    """

    def __init__(self, log_file: Path, wake: threading.Event, *, memory_limit_mb: int = 0) -> None:
        """Start the child.

        Args:
            log_file: Where its stdout and stderr go.
            wake: Set whenever an answer has arrived.
            memory_limit_mb: Address space it may use, MiB; 0 sets no limit.
        """
        self._wake = wake
        self._answer: ChildReply | None = None
        self._death: str | None = None
        self._part = (0, "its start")
        child_reads, we_write = os.pipe()
        we_read, child_writes = os.pipe()
        _rotate(log_file)
        with os.fdopen(open_to_write(log_file, os.O_RDWR | os.O_CREAT | os.O_APPEND), "ab") as log:
            self._process = subprocess.Popen(
                module_command("core.training.child", child_reads, child_writes, os.getpid(), memory_limit_mb),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(child_reads, child_writes),
                start_new_session=True,  # Ctrl-C at the terminal is for us to handle
                env=_environment(),
            )
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

    def ask(self, request: ChildRequest) -> None:
        """Send a request; `hear` returns the answer.

        Raises:
            ChildDiedError: The child is gone.
        """
        try:
            send(self._requests, request)
        except OSError:
            self._listener.join()
            raise ChildDiedError(self._death or "the training child is gone") from None

    def hear(self) -> ChildReply | None:
        """Return the answer if it has come, else None.

        Raises:
            ChildDiedError: The child died; the message says why, as far as known.
        """
        if (answer := self._answer) is not None:
            self._answer = None
            return answer
        if self._death is not None:
            raise ChildDiedError(self._death)
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
        self._death = spoke_nonsense or describe_death(self._process.returncode, usage.ru_maxrss << 10)
        self._wake.set()


def describe_death(exit_code: int, peak_rss_bytes: int) -> str:
    """Describe why a child died.

    Args:
        exit_code: As returned by `os.waitstatus_to_exitcode`: negative for a signal.
        peak_rss_bytes: Its peak memory.

    >>> describe_death(-9, 512 << 20)
    'the training child was killed by SIGKILL (the kernel does so when memory runs out); peak memory 512 MiB'
    """
    memory = f"peak memory {peak_rss_bytes >> 20} MiB"
    if exit_code == OUT_OF_MEMORY_EXIT:
        return f"the training child ran out of memory; {memory}"
    if exit_code >= 0:
        return f"the training child ended with exit code {exit_code}; see logs/trainer.log; {memory}"
    hint = " (the kernel does so when memory runs out)" if -exit_code == signal.SIGKILL else ""
    return f"the training child was killed by {signal_name(exit_code)}{hint}; {memory}"


def _rotate(log_file: Path) -> None:
    """Rotate a full log; the child itself writes little but the traceback of its death."""
    make_folder(log_file.parent)
    if log_file.exists() and log_file.stat().st_size > MAX_LOG_BYTES:
        rename(log_file, log_file.with_name(log_file.name + ".1"))


def _environment() -> dict[str, str]:
    """Let the child import this same source, and keep every numeric library at one thread."""
    environment = dict(os.environ)
    if not any(Path(entry or ".").resolve() == _SOURCE for entry in sys.path if "site-packages" in entry):
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_SOURCE), inherited)))
    return {**environment, **ONE_THREAD}  # models train side by side instead, which is faster on few cores
