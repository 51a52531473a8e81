"""The training child: the process that does the computing, `python -m core.training.child IN OUT PARENT MIB NICE`.

It imports the heavy libraries once and then serves one request after another, for any number of sessions. It yields the
processor to every other process, and it never outlives its parent: the kernel kills it when the parent's thread ends
(Linux), and the end of its request pipe ends it everywhere.
"""

import contextlib
import os
import queue
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from core.allocator import limit_arenas
from core.escape import escaped
from core.own_python import die_with_parent
from core.progress import listen
from core.training.agents.agent import USUAL_NICENESS
from core.training.child_output import log_to_parent
from core.training.failure import failure_of
from core.training.wire import REQUESTS, ChildReply, ChildRequest, Failed, Working, receive, send

NICENESS = USUAL_NICENESS
OOM_SCORE = "500"
OUT_OF_MEMORY_EXIT = 86  # tells the parent apart from a crash
UNABLE_EXIT = 1


def main(arguments: list[str]) -> int:
    """Serve requests until the pipe ends."""
    requests_fd, replies_fd, parent_pid, memory_limit_mb, niceness = map(int, arguments)
    die_with_parent(parent_pid)
    yield_to_others(niceness)
    limit_arenas()
    if memory_limit_mb:
        resource.setrlimit(resource.RLIMIT_AS, (memory_limit_mb << 20, resource.RLIM_INFINITY))
    log_to_parent()
    requests = _read_in_background(os.fdopen(requests_fd, "rb"))
    replies = os.fdopen(replies_fd, "wb")
    return _serve(requests.get, replies)


def _serve(next_request: Callable[[], ChildRequest], replies: BinaryIO) -> int:
    try:
        from core.training.session_work import (
            Workbench,  # the heavy libraries; a memory limit must be set before they load
        )
    except Exception as error:
        return _give_up(failure_of(error), next_request, replies)
    workbench = Workbench()
    sending = threading.Lock()

    def tell(part: str) -> None:
        with sending:
            send(replies, Working(part=part))

    listen(tell)
    while True:
        answer = _attempt(workbench.answer, next_request())
        with sending:
            send(replies, answer)
        if isinstance(answer, Failed) and answer.kind == "memory":
            return OUT_OF_MEMORY_EXIT  # the rest of the heap cannot be trusted


def _give_up(failure: Failed, next_request: Callable[[], ChildRequest], replies: BinaryIO) -> int:
    """End a child that cannot work: without memory immediately, else after answering one request with the reason."""
    print(escaped(failure.details or failure.reason, keep="\n"), file=sys.stderr, flush=True)
    if failure.kind == "memory":
        return OUT_OF_MEMORY_EXIT
    next_request()
    send(replies, failure)
    return UNABLE_EXIT


def _attempt(answer: Callable[[ChildRequest], ChildReply], request: ChildRequest) -> ChildReply:
    try:
        return answer(request)
    except BaseException as error:  # an exit in a plug-in's code is a fault of the plug-in, and no end of the child
        return failure_of(error)


def _read_in_background(stream: BinaryIO) -> "queue.SimpleQueue[ChildRequest]":
    """Read requests in a separate thread, so that the end of the pipe is noticed in the middle of an epoch."""
    requests: queue.SimpleQueue[ChildRequest] = queue.SimpleQueue()

    def read() -> None:
        while (request := receive(stream, REQUESTS)) is not None:
            requests.put(request)
        os._exit(0)  # no parent is left to answer; a half-written checkpoint has no name yet

    threading.Thread(target=read, name="requests", daemon=True).start()
    return requests


def yield_to_others(niceness: int = NICENESS) -> None:
    """Run at a lower priority, and be the first to be killed when the machine runs out of memory."""
    with contextlib.suppress(OSError):  # already at the lowest priority
        os.nice(niceness)
    with contextlib.suppress(OSError):  # not Linux
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # LightGBM's threads have nothing to clean up that is worth waiting for
